"""map_records: a file of records × a prompt × what is wanted -> a file of results, to be gone on with after any end.

Place in the walk: above `generate`, which does the work, block by block. A result is one line, written at once when it
is there; a line that was cut by the end of the process is written anew. Every block has random numbers of its own, so
that a job that was killed and started again has the results of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedWriter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcd.errors import InvalidGrammar, PromptError, ResultsMismatch

if TYPE_CHECKING:
    from gcd.generation import Generation

__all__ = ["Block", "Done", "Job", "fill_template", "map_records"]

SLOT = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Done:
    """How far a job has come: records in the file, results that were there before, made now, errors among all."""

    total: int
    before: int = 0
    made: int = 0
    errors: int = 0

    @property
    def left(self) -> int:
        return self.total - self.before - self.made


def map_records(
    model: object,
    records: Path,
    out: Path,
    *,
    prompt: str = "{prompt}",
    chat: bool = False,
    workers: int = 1,
    batch_size: int = 8,
    seed: int = 0,
    retry_errors: bool = False,
    label: str = "",
    on_progress: Callable[[Done], None] | None = None,
    **options: Any,
) -> Done:
    """Writes a result for each line of a JSONL file that has none yet, and says how many there are.

        records.jsonl   {"text": "Ada Lovelace, 36"}
        out.jsonl       {"index": 0, "key": "5f2c...", "value": {"name": "Ada", "age": 36}, "text": ..., ...}

    `prompt` is a template: `{name}` is that member of the record (a str as it is, else as JSON), `{}` all of it as
    JSON, `{{` and `}}` are braces. A record that fails is `{"index": 1, "key": ..., "error": {"type", "message"}}`;
    `retry_errors` makes those anew. `key` is of the record and the settings, `label` among them: results of other
    records or settings raise ResultsMismatch. The lines stand in the order in which they were finished, `workers` being
    threads over one model. `options` are those of `generate` without `constraint`; what is wrong with what is wanted is
    raised.
    """
    if workers < 1 or batch_size < 1:
        raise ValueError(f"workers and batch_size must be integers >= 1, not {workers!r} and {batch_size!r}")
    job = Job.of(model, options, prompt=prompt, chat=chat, seed=seed, batch_size=batch_size, label=label)
    if retry_errors:
        _drop_errors(out)
    with _opened(out) as file:
        state = _Results(file, job, records)
        if on_progress is not None:
            on_progress(state.done)
        with _pool(workers) as pool:
            todo = (block for block in _blocks(records, batch_size) if state.missing(block))
            running: dict[Future[list[dict[str, Any]]], Block] = {}
            while True:
                for block in islice(todo, 2 * workers - len(running)):
                    running[pool.submit(job.results, block)] = block
                if not running:
                    return state.done
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in [future for future in running if future in finished]:  # as they were begun
                    del running[future]
                    state.write(future.result())
                    if on_progress is not None:
                        on_progress(state.done)


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads, of which nobody waits for those that have not begun once something went wrong."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def fill_template(template: str, record: Mapping[str, Any] | None) -> str:
    """The prompt of a record; with None the template is only checked.

    >>> fill_template("{name}: {{{age}}}", {"name": "Ada", "age": 36})
    'Ada: {36}'

    Raises InvalidGrammar for a brace by itself, PromptError for a member that the record lacks.
    """

    def fill(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None:
            raise InvalidGrammar(
                f"the prompt has a {found[0]} by itself at column {found.start() + 1}",
                hint=f"Write {found[0] * 2} for the character.",
            )
        if record is None:
            return ""
        if found[1] and found[1] not in record:
            names = ", ".join(map(repr, record)) or "none"
            raise PromptError(f"the record has no {found[1]!r}, which the prompt asks for; it has {names}")
        value = record[found[1]] if found[1] else record
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return SLOT.sub(fill, template)


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines of the records, from `start` on."""

    start: int
    lines: list[bytes]

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """The records in it with their indices; blank lines are none."""
        return ((index, line) for index, line in enumerate(self.lines, self.start) if line)


def _blocks(records: Path, size: int) -> Iterator[Block]:
    with records.open("rb") as file:
        start = 0
        while lines := list(islice(file, size)):
            yield Block(start, [line.strip() for line in lines])
            start += size


@dataclass(frozen=True, slots=True)
class Job:
    """All that a result depends on beside its record."""

    model: object
    prompt: str
    chat: bool
    seed: int
    batch_size: int
    settings: str
    options: Mapping[str, Any]

    @classmethod
    def of(
        cls, model: object, options: Mapping[str, Any], *,
        prompt: str = "{prompt}", chat: bool = False, seed: int = 0, batch_size: int = 8, label: str = "",
    ) -> Job:  # fmt: skip
        """The job of these arguments of `map_records`; raises what is wrong with the template and what is wanted."""
        fill_template(prompt, None)
        settings = _settings(prompt, chat, seed, batch_size, label, options)
        return cls(model, prompt, chat, seed, batch_size, settings, options)

    def key(self, line: bytes) -> str:
        return hashlib.sha256(self.settings.encode() + b"\0" + line).hexdigest()[:16]

    def results(self, block: Block) -> list[dict[str, Any]]:
        """The results of a block, in order."""
        import gcd

        found: list[dict[str, Any]] = []
        prompts: list[Any] = []
        for index, line in block.numbered():
            found.append({"index": index, "key": self.key(line)})
            try:
                text = fill_template(self.prompt, _record(line))
                prompts.append([{"role": "user", "content": text}] if self.chat else text)
            except ValueError as error:
                found[-1]["error"] = _shown(error)
        generations: list[Generation] = []
        if prompts:
            generations = gcd.generate(
                self.model, prompts, errors="return", seed=_seed(self.seed, block.start), batch_size=self.batch_size,
                **self.options,
            )  # fmt: skip
        made = iter(generations)
        return [each if "error" in each else {**each, **_result(next(made))} for each in found]


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"the record is no JSON: {error}") from None
    if not isinstance(record, dict):
        raise PromptError(f"the record is no JSON object but {line[:60].decode(errors='replace')}")
    return record


def _seed(seed: int, start: int) -> int:
    """A seed for each block, so that its random numbers do not depend on which blocks were made before."""
    return int.from_bytes(hashlib.sha256(f"{seed} {start}".encode()).digest()[:4])


def _result(generation: Generation) -> dict[str, Any]:
    from pydantic_core import to_jsonable_python

    if generation.error is not None:
        return {"error": _shown(generation.error), **({"text": generation.text} if generation.text else {})}
    value = to_jsonable_python(generation.value, fallback=lambda value: None)
    return {"value": value, "text": generation.text, "finish_reason": generation.finish_reason}


def _shown(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


def _settings(prompt: str, chat: bool, seed: int, batch_size: int, label: str, options: Mapping[str, Any]) -> str:
    """A text that is equal for equal settings, with the schema of a type; raises what is wrong with what is wanted."""
    from gcd.parse import parse_wanted
    from grammars.frontends.schema_options import DEFAULTS

    kinds: dict[str, Any] = {kind: options.get(kind) for kind in ("schema", "regex", "grammar", "choices")}
    of_schema: dict[str, Any] = {name: options[name] for name in DEFAULTS if name in options}
    wanted = parse_wanted(**kinds, **of_schema)
    wanted.to_grammar()
    given = wanted.schema if wanted.schema is not None else kinds[wanted.kind]
    others = {name: value for name, value in options.items() if name not in kinds and name != "tokenizer"}
    return json.dumps([wanted.kind, given, prompt, chat, seed, batch_size, label, others], sort_keys=True, default=str)


class _Results:
    """The file of results: which records have one, and the place for the next."""

    def __init__(self, file: BufferedWriter, job: Job, records: Path) -> None:
        self.file, self.job = file, job
        self.keys: dict[int, str] = {}
        errors = end = 0
        for line, result in _read_results(Path(file.name)):
            end += len(line)
            errors += "error" in result
            self.keys[result["index"]] = result["key"]
        file.truncate(end)  # a line without its end: the process was killed while it was being written
        self.done = Done(self._count(records), before=len(self.keys), errors=errors)

    def _count(self, records: Path) -> int:
        """How many records there are; raises ResultsMismatch where the results are of others."""
        indices = set[int]()
        for block in _blocks(records, 1000):
            for index, line in block.numbered():
                indices.add(index)
                if self.keys.get(index, self.job.key(line)) != self.job.key(line):
                    raise ResultsMismatch(
                        f"{self.file.name} has a result of record {index} that was made of another record or with "
                        "other settings\nWrite to another file, or remove this one."
                    )
        if not self.keys.keys() <= indices:
            raise ResultsMismatch(
                f"{self.file.name} has results of records that are not in {records}\nWrite to another file."
            )
        return len(indices)

    def missing(self, block: Block) -> bool:
        return any(index not in self.keys for index, _ in block.numbered())

    def write(self, results: list[dict[str, Any]]) -> None:
        """Appends those that are not there yet, each line at once."""
        made = errors = 0
        for result in results:
            if result["index"] not in self.keys:
                self.file.write(json.dumps(result, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
                self.file.flush()
                self.keys[result["index"]] = result["key"]
                made += 1
                errors += "error" in result
        self.done = replace(self.done, made=self.done.made + made, errors=self.done.errors + errors)


def _read_results(out: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The whole lines of a file of results, and what they say; raises ResultsMismatch for one that is none."""
    with out.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                result = json.loads(line)
            except ValueError:
                result = None
            if not (isinstance(result, dict) and type(result.get("index")) is int and "key" in result):
                raise ResultsMismatch(f"line {number} of {out} is no result of gcd map\nWrite to another file.")
            yield line, result


def _drop_errors(out: Path) -> None:
    """Leaves out the results that are errors; the others are written beside first, so that a kill loses none."""
    with _opened(out):
        beside = out.with_name(out.name + ".tmp")
        beside.write_bytes(b"".join(line for line, result in _read_results(out) if "error" not in result))
        beside.replace(out)


@contextmanager
def _opened(out: Path) -> Iterator[BufferedWriter]:
    """The file of results, to be appended to; nobody else does meanwhile."""
    with out.open("ab") as file:
        try:
            import fcntl
        except ImportError:  # Windows
            pass
        else:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ResultsMismatch(f"another process is writing to {out}") from None
        yield file
