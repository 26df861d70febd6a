"""serve: one engine in a process of its own; what is timed, and how.

For each case it receives, the process compiles the schema and walks the instances, token by token:

    TTFM    compile + matcher + first mask
    mask    the bitmask of the next token
    commit  the token, where its bit is set in that mask; where it is not, the instance is refused and its walk ends

After the last token the bit of some EOS must be set. That last mask is not timed, since no token of the text is
behind it. Between cases garbage is collected, untimed, so that no schema pays for the one before; what the set-up
has made is not looked through for it, which would leave the engine with cold CPU caches.

Times are wall-clock times of `time.perf_counter_ns`. Where the machine gave the core to somebody else, which shows
as wall-clock time more than 50 µs beyond the process's CPU time, the CPU time counts, and such tokens are counted.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter_ns as wall
from time import process_time_ns as cpu
from typing import Any

DESCHEDULED = 50_000  # ns


@dataclass(frozen=True, slots=True)
class Case:
    """A schema and its instances as (valid, token ids): tokenized outside, the same for every engine."""

    schema: Any
    instances: tuple[tuple[bool, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What one engine's process is told: where to run and with what."""

    engine: str
    tokenizer: Path
    eos_token_ids: tuple[int, ...]
    core: int | None
    memory: int
    """Bytes of address space, so that a schema which takes all memory ends its own process only."""
    caches: Path | None
    """The folder for caches on disk, empty for the first process of an engine; None for the user's own."""


@dataclass(slots=True)
class Walk:
    """One instance: ns for the mask and the commit of each token that was reached."""

    valid: bool
    accepted: bool = False
    error: str | None = None
    mask: list[int] = field(default_factory=list)
    commit: list[int] = field(default_factory=list)
    descheduled: int = 0


def serve(place: Place, connection: Connection) -> None:
    """Answers cases until it receives None: ("ready", set-up), then for each ("refused", why), or ("compiled", ns of
    compiling, ns of TTFM) and ("walked", instances, memory in MiB).
    """
    confine(place)
    engine, set_up = load(place)
    gc.collect()
    gc.freeze()
    connection.send(("ready", set_up))
    while (case := connection.recv()) is not None:
        gc.collect()
        try:
            compiled, *times = first_mask(engine, case.schema)
        except Exception as error:  # whatever the engine raises is its way to refuse
            connection.send(("refused", f"{type(error).__name__}: {error}"[:1000]))
            continue
        connection.send(("compiled", *times))
        walks = []
        for number, (valid, token_ids) in enumerate(case.instances):
            if engine.cold and number:
                compiled = engine.compile(case.schema)
            walks.append(asdict(walk(engine, compiled, Walk(valid), token_ids, place.eos_token_ids)))
        connection.send(("walked", walks, memory()))


def confine(place: Place) -> None:
    """One core, one thread, bounded memory: before the engine is imported."""
    if place.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {place.core})
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    if place.caches:
        os.environ.update(NUMBA_CACHE_DIR=str(place.caches / "numba"), XDG_CACHE_HOME=str(place.caches))
        os.environ["GCD_VOCABULARY_CACHE"] = str(place.caches / "vocabularies")
    with suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (place.memory, place.memory))


def load(place: Place) -> tuple[Any, dict[str, Any]]:
    """The engine, and what its set-up costs: ns for its tables (with all imports), JIT compilation, a first schema."""
    from engines import ENGINES

    begin = wall(), cpu()
    engine = ENGINES[place.engine](place.tokenizer, place.eos_token_ids)
    tables = since(begin)
    begin = wall(), cpu()
    engine.warm_up()
    jit = since(begin)
    begin = wall(), cpu()
    first_mask(engine, {"type": "boolean"})  # loads what is loaded on first use
    first = since(begin)
    return engine, {
        "tables": tables, "jit": jit, "first schema": first, "MiB": memory(),
        "versions": {name: installed(name) for name in engine.packages},
    }  # fmt: skip


def first_mask(engine: Any, schema: Any) -> tuple[Any, int, int]:
    """The compiled schema, ns of compiling, and ns of compiling + matcher + first mask."""
    begin = wall(), cpu()
    compiled = engine.compile(schema)
    compiling = since(begin)
    engine.mask(engine.start(compiled))
    return compiled, compiling, since(begin)


def walk(engine: Any, compiled: Any, found: Walk, token_ids: tuple[int, ...], eos_token_ids: tuple[int, ...]) -> Walk:
    """`found`, filled in: an instance from the start to its end or to the first token that is refused."""
    try:
        matcher = engine.start(compiled)
        for token_id in token_ids:
            begin_cpu = cpu()
            begin = wall()
            row = engine.mask(matcher)
            masked = wall()
            if not allows(row, token_id):
                note(found, masked - begin, 0, cpu() - begin_cpu)
                return found
            looked_up = wall()
            committed = engine.commit(matcher, token_id)
            end = wall()
            note(found, masked - begin, end - looked_up, cpu() - begin_cpu)
            if not committed:
                found.error = f"token {token_id} is in the mask and was refused"
                return found
        row = engine.mask(matcher)
        found.accepted = any(allows(row, token_id) for token_id in eos_token_ids)
    except Exception as error:
        found.error = f"{type(error).__name__}: {error}"[:1000]
    return found


def allows(row: Any, token_id: int) -> bool:
    return bool(int(row[token_id >> 5]) >> (token_id & 31) & 1)


def note(found: Walk, mask: int, commit: int, spent: int) -> None:
    """Notes one token; what others had of the core is taken off the longer of its two times."""
    lost = mask + commit - spent
    if lost > DESCHEDULED:
        found.descheduled += 1
        if mask > commit:
            mask = max(0, mask - lost)
        else:
            commit = max(0, commit - lost)
    found.mask.append(mask)
    found.commit.append(commit)


def since(begin: tuple[int, int]) -> int:
    """ns since (wall, cpu): wall-clock time, CPU time where the core was taken away."""
    wall_time, cpu_time = wall() - begin[0], cpu() - begin[1]
    return cpu_time if wall_time - cpu_time > DESCHEDULED else wall_time


def memory() -> dict[str, float]:
    """This process's resident MiB: "now", and "peak", in which what it had as a copy of its parent does not count."""
    with suppress(OSError):
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return {name: int(status[key].split()[0]) / 1024 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
    return {"now": peak, "peak": peak}


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "from a checkout"
