"""Mask engines side by side on real schemas: time to the first mask, time per token, and who is right.

    pip install -e '.[bench]'
    python bench/maskbench.py --data MASKBENCH --tokenizer TOKENIZER \\
        [--engine gcd --engine llguidance ...] [--sample 250] [--part 1/2] [--timeout 30] [--core 0] [--skip-cold]
        [--json FILE] [--plot FILE] [--readme]
    python bench/maskbench.py --report FILE [FILE ...] [--plot FILE] [--readme]

MASKBENCH is the `data` folder of https://github.com/guidance-ai/jsonschemabench, or any folder of such files: a schema,
and instances marked valid or not. TOKENIZER is a folder with a `tokenizer.json` of Hugging Face's.

Each engine runs in a process of its own, pinned to one core (`measure.py` says what is timed, `engines.py` how each is
called, `report.py` how times are summed up). An instance is the text `json.dumps(data, ensure_ascii=False)`: its keys
stay in the order that they have, so one whose order the engine does not allow counts as refused, for all engines
alike. Engines take turns every few schemas, so that a machine that gets busier does so for all. A schema that takes
longer than `--timeout` seconds, or ends its process, is noted, and the next one gets a new process. A schema that
occurred before is left out, since some engines remember schemas.

`--json` keeps what was measured, so that engines and parts of the schemas can be run apart and reported together.
`--readme` writes the report into `bench/README.md`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engines import ENGINES
from measure import Case, Place, serve
from report import EMPTY, FILLED, Run, draw, machine, markdown, read_runs, replace_report

BLOCK = 16  # schemas that an engine gets before the next engine's turn: enough to run with warm CPU caches
SET_UP_LIMIT = 600  # seconds
README = Path(__file__).with_name("README.md")


def main() -> None:
    options = parse_arguments()
    if options.report:
        runs = read_runs(options.report)
    else:
        runs = measure(options)
        if options.json:
            options.json.write_text("".join(json.dumps(line) + "\n" for run in runs for line in run.lines()))
    report = markdown(runs)
    print(report)
    if options.plot:
        draw(runs, options.plot)
    if options.readme:
        README.write_text(replace_report(README.read_text(), report))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="MASKBENCH")
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--engine", action="append", choices=tuple(ENGINES), help="may be repeated; three if not given")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N schemas, evenly spread; 0 for all")
    parser.add_argument("--part", type=part, default="1/1", metavar="K/N", help="every N-th schema, from the K-th on")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for one schema with all its instances")
    parser.add_argument("--core", type=int, help="the core to run on; the first that this process may use if not given")
    parser.add_argument("--memory", type=float, default=12, metavar="GIB", help="address space of one engine")
    parser.add_argument("--skip-cold", action="store_true", help="do not time the set-up with empty disk caches")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write what was measured, one JSON a line")
    parser.add_argument("--report", type=Path, nargs="+", metavar="FILE", help="report such files, measure nothing")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where to draw both distributions")
    parser.add_argument("--readme", action="store_true", help="write the report into bench/README.md")
    options = parser.parse_args()
    if not options.report and not (options.data and options.tokenizer):
        parser.error("give --data and --tokenizer, or --report")
    options.engine = options.engine or ["gcd", "llguidance", "xgrammar"]
    return options


def part(text: str) -> tuple[int, int]:
    """K and N of the K-th of N parts.

    >>> part("2/3")
    (2, 3)
    """
    first, _, parts = text.partition("/")
    if not 1 <= int(first) <= int(parts):
        raise ValueError(text)
    return int(first), int(parts)


def measure(options: argparse.Namespace) -> list[Run]:
    """Every engine on every schema of the sample."""
    files = sorted(options.data.glob("*.json"))
    if options.sample:
        files = [files[number * len(files) // options.sample] for number in range(min(options.sample, len(files)))]
    cases = Cases(options.tokenizer)
    core = options.core
    if core is None and hasattr(os, "sched_getaffinity"):
        core = min(os.sched_getaffinity(0))
    about = machine() | {"tokenizer": options.tokenizer.name, "timeout": options.timeout, "command": sys.argv[1:]}
    with ExitStack() as stack:
        caches = None if options.skip_cold else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runs, workers = [], []
        for engine in options.engine:
            place = Place(engine, options.tokenizer, cases.eos_token_ids, core, int(options.memory * 2**30), caches)
            set_up = {} if options.skip_cold else {EMPTY: Worker(place).stop()}
            workers.append(stack.enter_context(Worker(place)))
            runs.append(Run(engine, about | {"set-up": set_up | {FILLED: workers[-1].set_up}}))
        for done, block in cases.blocks(files, *options.part):
            for run, worker in zip(runs, workers, strict=True):
                print(f"\r{done} of {len(files)} schemas, {run.engine:20}", end="", file=sys.stderr, flush=True)
                for name, case in block:
                    run.records[name] = worker.measure(case, options.timeout)
    print(file=sys.stderr)
    return runs


class Cases:
    """MaskBench files as cases: read and tokenized here, once for all engines."""

    def __init__(self, tokenizer: Path) -> None:
        # Imported here, because the engines' processes import this file: one engine does not carry another's modules.
        from tokenizers import Tokenizer

        from tokenizer_align.vocabulary import Vocabulary

        self.tokenizer = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
        self.vocabulary = Vocabulary.from_tokenizer(tokenizer)
        self.eos_token_ids = self.vocabulary.eos_token_ids

    def blocks(self, files: list[Path], first: int = 1, step: int = 1) -> Iterator[tuple[int, list[tuple[str, Case]]]]:
        """How many files came before, and of the next few (name, case) of every so-manieth schema from the first on.

        Repeated schemas are left out, and are not counted.
        """
        seen: set[str] = set()
        for done in range(0, len(files), BLOCK):
            block = []
            for file in files[done : done + BLOCK]:
                read = json.loads(file.read_text())
                text = json.dumps(read["schema"])
                if text not in seen:
                    seen.add(text)
                    if (len(seen) - first) % step == 0:
                        block.append((file.stem, self.case(read)))
            yield done, block

    def case(self, read: dict[str, Any]) -> Case:
        from instances import tokens_of

        texts = [(test["valid"], json.dumps(test["data"], ensure_ascii=False)) for test in read["tests"]]
        return Case(
            read["schema"],
            tuple((valid, tuple(tokens_of(self.vocabulary, self.tokenizer, text))) for valid, text in texts),
        )


class Worker:
    """One engine's process; it is replaced when it dies or takes too long."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would have this process's modules and memory
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(self.place, theirs), daemon=True)
        self.process.start()
        theirs.close()  # or its end would never be seen
        try:
            _, self.set_up = self.receive(time.monotonic() + SET_UP_LIMIT)
        except (EOFError, TimeoutError):
            self.process.kill()
            raise SystemExit(f"{self.place.engine} cannot be set up; is it installed (the extra `bench`)?") from None

    def measure(self, case: Case, timeout: float) -> dict[str, Any]:
        """What became of a case: its outcome, times in ns, and its instances."""
        deadline = time.monotonic() + timeout
        record: dict[str, Any] = {"instances": []}
        try:
            self.connection.send(case)
            kind, *content = self.receive(deadline)
            if kind == "refused":
                return record | {"outcome": "compile error", "error": content[0]}
            record |= {"compile": content[0], "ttfm": content[1]}
            _, record["instances"], record["MiB"] = self.receive(deadline)
            return record | {"outcome": verdict(record["instances"])}
        except TimeoutError:
            record["outcome"] = "timeout"
        except (EOFError, ConnectionError):
            record["outcome"] = "crash"
        self.end()
        self.start()
        return record

    def receive(self, deadline: float) -> Any:
        """The next message; raises TimeoutError, and EOFError or ConnectionError when the process is gone."""
        if not self.connection.poll(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        return self.connection.recv()

    def stop(self) -> dict[str, Any]:
        """Ends the process; returns what its set-up cost."""
        self.connection.send(None)
        self.process.join(10)
        self.end()
        return self.set_up

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()


def verdict(walks: list[dict[str, Any]]) -> str:
    """Accepting what is invalid is the worse fault: it is named where a schema has both."""
    if any(walk["accepted"] and not walk["valid"] for walk in walks):
        return "invalid accepted"
    return "pass" if all(walk["accepted"] or not walk["valid"] for walk in walks) else "valid refused"


if __name__ == "__main__":
    main()
