"""Whether everything that a model generates inside a schema parses and validates.

    python bench/generations.py examples [MASKBENCH] [--schemas 20] [--n 10] [--random 100] [--max-new-tokens 256]
    python bench/generations.py MASKBENCH --n 0 --sample 1000 --random 20 --tokenizer TOKENIZER [--jobs 2] [--json FILE]

Takes the schemas of the folders that compile: the first `--schemas`, or `--sample` ones spread evenly over them all.
For each, `--n` texts are drawn from SmolLM2 at temperature 1 and `--random` from random logits (normal, standard
deviation 4: an adversary that has never seen JSON), in several processes. A schema whose shortest text takes more than
half of `--max-new-tokens` gets a budget of twice that. With `--n 0` SmolLM2 is not loaded, and TOKENIZER may be the
folder of any `tokenizer.json`.

Each text is judged outside of this library's own check: `json.loads`, then `jsonschema` with a registry that retrieves
nothing. Formats are assertions here as they are there: under `oneOf: [{format: uri}, {enum: ["."]}]` the text "."
satisfies one branch only because it is no URI. Patterns are Python's: its `.` matches a carriage return, so that `^.*$`
in `patternProperties` speaks of keys that ECMA-262 leaves to `additionalProperties`, its `$` also stands before a line
feed at the end, and its white space has no U+FEFF. In jsonschema's relative-json-pointer no 0 may stand within the
first number. Such texts are counted as invalid, and named. "error" is a text that was not finished, so a dead end;
"beyond the budget" one that is longer than it was allowed to be. "not judged": the judge itself ran out of time, or has
to retrieve something. A schema that takes more than `--timeout` seconds of CPU "timed out". Drawing from 50,000 logits
is most of the work: `--first 8000` keeps the tokens of the lowest ids, which in a BPE vocabulary are one by themselves.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import referencing
import referencing.exceptions
import torch

import gcd
from gcd.errors import GrammarError
from gcd.generation import Generation

FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("uri", raises=ValueError)
def is_uri(value: object) -> bool:
    """Whether a string has a scheme; jsonschema itself checks URIs only beside a package that is not installed."""
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@FORMATS.checks("hostname")
def is_hostname(value: object) -> bool:
    """Whether a string is made of labels (RFC 1123); jsonschema itself asks a package that is not installed."""
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    return not isinstance(value, str) or re.fullmatch(rf"{label}(\.{label})*", value) is not None


@FORMATS.checks("time")
def is_time(value: object) -> bool:
    """Whether a string is a time with its offset (RFC 3339); jsonschema itself asks here for that of draft 3."""
    digits = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(z|[+-]([01]\d|2[0-3]):[0-5]\d)"
    return not isinstance(value, str) or re.fullmatch(digits, value, re.ASCII | re.IGNORECASE) is not None


@FORMATS.checks("date-time")
def is_date_time(value: object) -> bool:
    """Whether a string is a date and a time; jsonschema itself asks a package that is not installed."""
    if not isinstance(value, str):
        return True
    return value[10:11] in ("T", "t") and FORMATS.conforms(value[:10], "date") and is_time(value[11:])


class RandomLogits:
    """A language model whose logits are noise: a new window of a long run of it for each row and step."""

    def __init__(self, vocab_size: int, eos_token_ids: tuple[int, ...], seed: int) -> None:
        self.vocab_size, self.eos_token_ids = vocab_size, eos_token_ids
        self.generator = torch.Generator().manual_seed(seed)
        self.noise = 4 * torch.randn(8 * vocab_size, generator=self.generator)

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        starts = torch.randint(7 * self.vocab_size, (len(sequences),), generator=self.generator)
        return torch.stack([self.noise[start : start + self.vocab_size] for start in starts.tolist()])


@dataclass
class Outcome:
    """What became of one schema: of the schema itself, and of its texts."""

    file: Path
    schema: str
    texts: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    seconds: float = 0
    faults: list[str] = field(default_factory=list)


def main() -> None:
    options = parse_arguments()
    files = [file for folder in options.folders for file in ordered(folder)]
    if options.sample:
        files = files[:: max(1, len(files) // options.sample)][: options.sample]
    report: dict[str, Any] = {}
    if options.n:
        report["SmolLM2"] = summed("SmolLM2", limited(map(partial(draw, options, random=False), files), options))
    if options.random:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), initializer=one_thread) as pool:
            found = pool.map(partial(draw, options, random=True), files)
            report["random logits"] = summed("random logits", limited(found, options))
            pool.shutdown(cancel_futures=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folders", type=Path, nargs="+")
    arguments.add_argument("--schemas", type=int, default=20, help="how many that compile")
    arguments.add_argument("--sample", type=int, default=0, metavar="N", help="N files, evenly spread, instead")
    arguments.add_argument("--n", type=int, default=10, help="texts of SmolLM2 a schema; 0 to leave it out")
    arguments.add_argument("--random", type=int, default=100, help="texts from random logits a schema")
    arguments.add_argument("--tokenizer", type=Path, help="a folder with a tokenizer.json; SmolLM2's if not given")
    arguments.add_argument("--max-new-tokens", type=int, default=256)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--timeout", type=int, default=60, help="seconds of CPU for one schema with all its texts")
    arguments.add_argument("--first", type=int, metavar="N", help="only the first N tokens of the tokenizer")
    arguments.add_argument("--minutes", type=float, default=0, help="begin no schema after that time; 0 for no limit")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures and every fault")
    options = arguments.parse_args()
    if options.n and options.tokenizer:
        arguments.error("SmolLM2 has its own tokenizer: give --n 0 with --tokenizer")
    options.end = time.time() + 60 * options.minutes if options.minutes else None
    return options


def ordered(folder: Path) -> list[Path]:
    """The files of a folder so that collections are mixed: by the ends of their names."""
    return sorted(folder.glob("*.json"), key=lambda path: (path.name[::-1], path.name))


def one_thread() -> None:
    torch.set_num_threads(1)


def limited(found: Iterator[Outcome], options: argparse.Namespace) -> Iterator[Outcome]:
    """All outcomes of a sample; otherwise those until `--schemas` have compiled."""
    compiled = 0
    for outcome in found:
        yield outcome
        compiled += outcome.schema == "compiled"
        if not options.sample and compiled == options.schemas:
            return


def summed(name: str, found: Iterator[Outcome]) -> dict[str, Any]:
    """The table of the outcomes, printed, and as a dict; progress and faults go to stderr as they are met."""
    schemas: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    faults: list[str] = []
    drawn, tokens, seconds, begin = 0, 0, 0.0, time.perf_counter()
    for outcome in found:
        schemas[outcome.schema] += 1
        texts += outcome.texts
        tokens, seconds = tokens + outcome.tokens, seconds + outcome.seconds
        faults += [f"{outcome.file.name}: {fault}" for fault in outcome.faults]
        for fault in outcome.faults:
            print(f"\r{outcome.file.name}: {fault}", file=sys.stderr)
        drawn = texts.total() - texts[NARROWED]
        print(f"\r{name}: {schemas.total()} schemas, {drawn} texts", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"{name}: {', '.join(f'{count} schemas {what}' for what, count in schemas.most_common())}")
    print(f"\n| {drawn} texts | |\n|---|---:|")
    print(*(f"| {what} | {count} |" for what, count in texts.most_common()), sep="\n")
    took = time.perf_counter() - begin
    print(f"\n{tokens} tokens in {took:.0f} s, {tokens / max(seconds, 1e-9):.0f} a second and process\n")
    return {
        "schemas": dict(schemas), "texts": dict(texts), "tokens": tokens, "seconds": round(took, 1), "faults": faults,
    }  # fmt: skip


NARROWED = "(budget narrowed a mask)"
"""Not an outcome: how many of the texts were steered towards their end."""


def draw(options: argparse.Namespace, file: Path, *, random: bool) -> Outcome:
    """One schema with all its texts."""
    if options.end and time.time() > options.end:
        return Outcome(file, "left out for --minutes")
    read = json.loads(file.read_text(encoding="utf-8"))
    schema = read["schema"] if isinstance(read, dict) and "tests" in read and "schema" in read else read
    source, tokenizer = noise(options.tokenizer, options.first, options.seed) if random else language_model()
    outcome = Outcome(file, "compiled")
    begin = time.perf_counter()
    try:
        with at_most(options.timeout):
            constraint = gcd.compile(schema=schema, tokenizer=tokenizer)
            budget = max(options.max_new_tokens, 2 * constraint.min_tokens_to_end(constraint.start))
            made = gcd.generate(
                source, [1] if random else f"An example of {file.stem}:\n", schema=schema, tokenizer=tokenizer,
                n=max(2, options.random if random else options.n), seed=options.seed, max_new_tokens=budget,
                errors="return",
            )  # fmt: skip
    except GrammarError as error:
        return Outcome(file, f"refused: {type(error).__name__}")
    except TimeoutError:
        return Outcome(file, "timed out")
    outcome.seconds = time.perf_counter() - begin
    for generation in made:
        verdict, why = judge(generation, schema, budget)
        outcome.texts[verdict] += 1
        outcome.texts[NARROWED] += generation.finish_reason == "length"
        outcome.tokens += len(generation.token_ids)
        if verdict != "valid":
            outcome.faults.append(f"{verdict}: {why}: {generation.text!r}")
    return outcome


@cache
def language_model() -> tuple[Any, Any]:
    model = gcd.load("smollm2")
    return model, model.tokenizer


@cache
def noise(tokenizer: Path | None, first: int | None, seed: int) -> tuple[Any, Any]:
    """Random logits, and the vocabulary that they are over."""
    known = gcd.Vocabulary.from_tokenizer(tokenizer or gcd.load("smollm2").tokenizer)
    if first:
        known = gcd.Vocabulary([*known.tokens[:first], b""], eos_token_ids=[first])
    return RandomLogits(len(known.tokens), known.eos_token_ids, seed), known


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raises TimeoutError after that much CPU time of this process, in its main thread."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(generation: Generation, schema: Any, budget: int) -> tuple[str, str]:
    """(the outcome of a text, what is wrong with it)."""
    if generation.error is not None:
        return "error", f"{type(generation.error).__name__}: {generation.error}"
    if len(generation.token_ids) > budget:
        return "beyond the budget", f"{len(generation.token_ids)} of {budget} tokens"
    try:
        value = json.loads(generation.text)
        kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
        with at_most(10):
            kind(schema, registry=referencing.Registry(), format_checker=FORMATS).validate(value)
    except (ValueError, jsonschema.ValidationError) as error:
        return "invalid", str(error).splitlines()[0]
    except (TimeoutError, referencing.exceptions.Unresolvable) as error:
        return "not judged", f"{type(error).__name__}: {error}"
    return "valid", ""


if __name__ == "__main__":
    main()
