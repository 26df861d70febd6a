"""How this library's cost grows: with the vocabulary, the schema, the length and depth of the text, and the batch.

    python bench/scaling.py --tokenizer TOKENIZER [--tokenizer TOKENIZER ...] [--quick]
        [--sweep enum --sweep maxLength ...] [--timeout 60]

TOKENIZER is a folder with a `tokenizer.json`. Each sweep makes one thing larger and is one table; `vocabulary` has a
row for each folder, all others use the first. `--quick` takes sizes that are done in about a minute. At the end stands
what the last row of each sweep costs, as a multiple of its first.

    compile         from the schema as a Python object to a constraint: parse, compile, align
    TTFM            compile + the first mask
    token           mask + advance, over the tokens of a text; the first mask is in TTFM and remembered here
    mask            the mask alone: its mean, and the worst of the text
    end             token, over the last 20 tokens of the text
    command         `gcd check` of a grammar as a new process, and in one that has checked another grammar before

Times are those of `measure.py`: wall-clock, or CPU time where the core was taken away; for batches, which two threads
share, and for new processes always wall-clock. A row is the median of five rounds, of fewer when they take two seconds.
Before anything is timed the kernels are compiled (`warm_up`) and each sweep's first row is run once. Every round has a
schema of its own, with other names: what the vocabulary keeps for all grammars (the tables of strings, numbers and
whitespace) is there, what belongs to a schema is not. Texts are the longest tokens that fit, which may be fewer than
the tokenizer's own; those of the ambiguous grammars one token a byte. None is longer than 100,000 characters or 10,000
items, however much longer its schema would let it be.

A grammar or text that is refused, and one that takes longer than `--timeout` seconds, is a row that says so; after a
time-out the larger sizes of the sweep are left out.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from time import perf_counter_ns as wall
from time import process_time_ns as cpu
from typing import Any

import numpy as np
from engines import GcdCold
from measure import Walk, first_mask, since, walk
from report import machine, micro, table

from gcd.cli.app import app
from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.errors import GrammarError
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.lark import parse_lark
from tokenizer_align import leaves
from tokenizer_align.batch import fill_bitmask
from tokenizer_align.constraint import Constraint, State, align
from tokenizer_align.vocabulary import Vocabulary
from tokenizer_align.warm_up import warm_up

ROUNDS, PATIENCE = 5, 2e9  # rounds of a row at most, and ns after which no other one begins
END = 20  # tokens at the end of a text
STRETCH = 200  # tokens over which an ambiguous grammar is timed
LONGEST, MOST_ITEMS = 100_000, 10_000  # characters of a string in a text, and items of an array
STATES, GRAMMARS = 512, 8  # states that are masked in batches, and the grammars by turns in one

Schema = dict[str, Any]
Times = Sequence[float]
"""ns by column; nan where there is nothing to be measured."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One thing that grows. `measure(vocabulary, size)` has the times of one row."""

    grows: str
    columns: tuple[str, ...]
    measure: Callable[[Vocabulary, int], Times]
    sizes: tuple[int, ...] = ()
    quick: tuple[int, ...] = ()
    """Without sizes the vocabulary is what grows."""


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    size: int
    times: Times
    refusal: str | None = None


class Here(GcdCold):
    """This library on a vocabulary that is there; a grammar is a schema or the text of a Lark grammar."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def compile(self, schema: Schema | bool | str) -> Constraint:
        grammar = parse_lark(schema) if isinstance(schema, str) else parse_json_schema(schema)
        return align(compile_grammar(grammar), self.vocabulary)


class Refused(Exception):
    """A text that its own grammar does not take, or not to its end."""


class TooLong(BaseException):
    """The time for one row is over; no `Exception`, which `measure.walk` takes for the engine's."""


# What is swept


def enum(size: int, salt: int) -> tuple[Schema, str]:
    """That many strings of letters, of which few share more than a few first letters; the text is one of the last."""
    draw = random.Random(salt)
    members = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(8, 24))) for _ in range(size)]
    return {"enum": members}, json.dumps(members[-1])


def properties(size: int, salt: int, *, closed: bool) -> tuple[Schema, str]:
    """That many optional properties; the text has 20 of them, evenly spread."""
    names = [f"property{salt}_{number}" for number in range(size)]
    schema: Schema = {"type": "object", "properties": {name: {"type": "integer"} for name in names}}
    if closed:
        schema["additionalProperties"] = False
    chosen = names if size <= 20 else [names[number * size // 20] for number in range(20)]
    return schema, json.dumps(dict.fromkeys(chosen, 7))


def max_length(size: int, salt: int) -> tuple[Schema, str]:
    """A string that is as long as it may be."""
    word = f"words of text {salt}, "
    return {"type": "string", "maxLength": size}, json.dumps((word * (size // len(word) + 1))[: min(size, LONGEST)])


def max_items(size: int, salt: int) -> tuple[Schema, str]:
    """An array that has as many items as it may have."""
    schema = {"type": "array", "items": {"enum": [salt, 7]}, "maxItems": size}
    return schema, json.dumps([7] * min(size, MOST_ITEMS))


def depth(size: int, salt: int) -> tuple[Schema, str]:
    """Arrays in arrays, as deep as that."""
    name = f"nested{salt}"
    nested = {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}
    return {"$defs": {name: nested}, "$ref": f"#/$defs/{name}"}, "[" * size + "]" * size


def any_of(size: int, salt: int) -> tuple[Schema, str]:
    """Objects that begin alike, with a string, and differ in their third property; the text is one of the last."""

    def branch(number: int) -> Schema:
        kind = {"const": f"kind{salt}_{number}"}
        fields = {"name": {"type": "string"}, "age": {"type": "integer"}, "kind": kind, "note": {"type": "string"}}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}

    value = {"name": "somebody of that name", "age": 42, "kind": f"kind{salt}_{size - 1}", "note": "any text"}
    return {"anyOf": [branch(number) for number in range(size)]}, json.dumps(value)


def record(salt: int) -> tuple[Schema, str]:
    """A fixed schema, but for the name of one property, and a fixed text."""
    address = {"type": "object", "properties": {"street": {"type": "string"}, "number": {"type": "integer"}}}
    fields: Schema = {
        f"name{salt}": {"type": "string", "minLength": 1, "maxLength": 40},
        "height": {"type": "number"},
        "status": {"enum": ["active", "away", "gone"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
        "addresses": {"type": "array", "items": {**address, "required": ["street"]}},
    }
    value = {
        f"name{salt}": "Zoë van den Berg",
        "height": 1.68,
        "status": "away",
        "tags": ["reader", "member since 2019", "abroad"],
        "addresses": [{"street": "Rue de l'Église", "number": 12}, {"street": "Main Street", "number": 4077}],
    }
    return {"type": "object", "properties": fields, "required": list(fields)}, json.dumps(value, ensure_ascii=False)


def groups(salt: int) -> tuple[Schema, str]:
    """A string whose lengths have gaps at first: every mask is a walk over the tokens."""
    pattern = rf"^(x{salt}?[0-9a-f]{{2}}[g-z]{{0,3}})+$"
    return {"type": "string", "pattern": pattern, "minLength": 400, "maxLength": 900}, json.dumps(f"x{salt}0f" * 100)


# How a row is measured


def repeated(measure: Callable[[int], Times]) -> Times:
    """The median of each column over the rounds; a round gets a number that no other one has."""
    rounds: list[Times] = []
    begin = wall()
    while len(rounds) < ROUNDS and (not rounds or wall() - begin < PATIENCE):
        gc.collect()
        rounds.append(measure(10 + len(rounds)))
    return [median(column) for column in zip(*rounds, strict=True)]


def schema_row(vocabulary: Vocabulary, size: int, *, make: Callable[[int, int], tuple[Schema, str]]) -> Times:
    def measure(salt: int) -> Times:
        schema, text = make(size, salt)
        constraint, compiling, ttfm = first_mask(Here(vocabulary), schema)
        walked = walked_through(constraint, spelled(vocabulary, text))
        tokens = per_token(walked)
        return compiling, ttfm, fmean(tokens), fmean(walked.mask), max(walked.mask), fmean(tokens[-END:])

    return repeated(measure)


SCHEMA_COLUMNS = ("compile", "TTFM", "token, mean", "mask, mean", "mask, worst", "end, mean")


def walked_through(constraint: Constraint, token_ids: Sequence[int]) -> Walk:
    """The times of each token of a text; raises `Refused`."""
    vocabulary = constraint.vocabulary
    found = walk(Here(vocabulary), constraint, Walk(valid=True), tuple(token_ids), vocabulary.eos_token_ids)
    if found.error:
        raise Refused(f"token {len(found.commit) + 1} of the text: {found.error}")
    if not token_ids or not found.accepted:
        raise Refused(f"the text is refused at token {len(found.commit)} of {len(token_ids)}")
    return found


def per_token(found: Walk) -> list[int]:
    """ns for mask + advance of each token."""
    return [mask + commit for mask, commit in zip(found.mask, found.commit, strict=True)]


def spelled(vocabulary: Vocabulary, text: str) -> list[int]:
    """The longest tokens that spell the text; none where there is a byte without a token."""
    return vocabulary.greedy(text.encode()) or []


def ambiguous_row(vocabulary: Vocabulary, size: int, *, grammar: str, text: Callable[[int], str]) -> Times:
    """A text of `size` bytes, a token each, of which the last `STRETCH` count."""
    token_ids = [token for letter in text(size) for token in spelled(vocabulary, letter)]

    def measure(_: int) -> Times:
        constraint, _, ttfm = first_mask(Here(vocabulary), grammar)
        found = walked_through(constraint, token_ids)
        tokens = per_token(found)
        return ttfm, fmean(tokens[-STRETCH:]), fmean(found.mask[-STRETCH:]), fmean(found.commit[-STRETCH:])

    return repeated(measure)


def vocabulary_row(vocabulary: Vocabulary, size: int) -> Times:
    """All from scratch; then a first grammar, for which strings and numbers get their tables, and two later ones."""

    def measure(salt: int) -> Times:
        fresh = Vocabulary(
            vocabulary.tokens,
            eos_token_ids=vocabulary.eos_token_ids,
            special_tokens=vocabulary.special_tokens,
            size=size,
        )
        leaves._OF.pop(fresh, None)  # those of the equal vocabulary
        begin = wall(), cpu()
        assert len(fresh.trie)
        trie = since(begin)
        begin = wall(), cpu()
        leaves.leaves_of(fresh)
        tables = since(begin)
        _, _, first = first_mask(Here(fresh), record(salt)[0])
        schema, text = record(salt + 100)
        constraint, _, second = first_mask(Here(fresh), schema)
        walked_through(constraint, spelled(fresh, text))  # for the tables that a text needs
        schema, text = record(salt + 200)
        walked = walked_through(Here(fresh).compile(schema), spelled(fresh, text))
        tokens = per_token(walked)
        return trie, tables, first, second, fmean(tokens), max(walked.mask)

    return repeated(measure)


def batch_row(vocabulary: Vocabulary, size: int) -> Times:
    """ns a state: the same number of states for each size, filled `size` at a time, or one by one.

    All are of one grammar and filled by one thread, or half by each of two; or each is of another grammar than the one
    before it in the batch, with masks that are made fast or slowly, and a batch is filled by up to one or two threads.
    """

    def records(salt: int) -> tuple[Schema, str]:
        schema, text = record(salt)
        return {"type": "array", "items": schema, "maxItems": 1000}, f"[{', '.join([text] * 40)}]"

    def compiled(make: Callable[[int], tuple[Schema, str]]) -> list[tuple[ByteAutomaton, list[int]]]:
        """Grammars, and the tokens of a text of each."""
        made = [make(10 + number) for number in range(min(size, GRAMMARS))]
        return [(compile_grammar(parse_json_schema(schema)), spelled(vocabulary, text)) for schema, text in made]

    fast = compiled(records)
    slow = compiled(groups) if size > 1 else []
    out = np.ones((size, (vocabulary.size + 31) // 32), np.int32)
    half = size // 2

    def drawn(automaton: ByteAutomaton, token_ids: list[int]) -> tuple[Constraint, list[State]]:
        """A new constraint and states of a text, none masked yet, in an order by chance."""
        constraint = align(automaton, vocabulary)
        states = [constraint.start]
        for token_id in token_ids:
            states.append(constraint.advance(states[-1], token_id))
        distinct = list(dict.fromkeys(states))
        random.Random(0).shuffle(distinct)
        return constraint, distinct[:STATES]

    def timed(fill: Callable[[list[State]], None], states: list[State]) -> float:
        work = [states[first : first + size] for first in range(0, len(states), size)]
        gc.collect()
        begin = wall()
        for batch in work:
            fill(batch)
        return (wall() - begin) / len(states)

    def measure(_: int) -> Times:
        constraint, states = drawn(*fast[0])

        def together(batch: list[State]) -> None:
            constraint.fill_bitmask(batch, out)

        def one_by_one(batch: list[State]) -> None:
            for row, state in enumerate(batch):
                constraint.fill_bitmask([state], out[row : row + 1])

        def halved(batch: list[State]) -> None:
            other = pool.submit(constraint.fill_bitmask, batch[half:], out[half:])
            constraint.fill_bitmask(batch[:half], out[:half])
            other.result()

        times = [timed(together, states), timed(one_by_one, states), timed(together, states)]
        if size == 1:
            return [*times, *[float("nan")] * 6]
        times.append(timed(halved, states))
        constraint, states = drawn(*fast[0])
        times.append(timed(halved, states))
        for grammars in (fast, slow):
            for threads in (1, 2):
                each = [drawn(*grammar)[1][: STATES // GRAMMARS] for grammar in grammars]
                mixed = [state for by_turns in zip(*each, strict=True) for state in by_turns]
                times.append(timed(partial(fill_bitmask, out=out, threads=threads), mixed))
        return times

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # the thread is there
        return repeated(measure)


def check_row(_: Vocabulary, size: int) -> Times:
    """`gcd check` of a grammar that has as many lines: one rule to a terminal, each of which leads to others."""

    def grammar(salt: int) -> str:
        rules = size // 2
        names = [f"r{salt}_{number}" for number in range(rules)] + ["END", "END"]
        lines = [
            f'{name}: T{number} [{names[number + 1]}] | "(" {names[number + 2]} ")"\nT{number}: /[a-z]{{1,3}}{number}/'
            for number, name in enumerate(names[:rules])
        ]
        return "\n".join([f"start: {names[0]}", *lines, 'END: "."'])

    def measure(salt: int) -> Times:
        file.write_text(grammar(salt))
        begin = wall()
        subprocess.run([sys.executable, "-m", "gcd.cli", "check", file], check=True, capture_output=True)
        alone = wall() - begin
        file.write_text(grammar(salt + 1000))
        begin = wall(), cpu()
        with redirect_stdout(io.StringIO()):
            app(["check", str(file)], standalone_mode=False)
        return alone, since(begin)

    with TemporaryDirectory() as folder:
        file = Path(folder, "grammar.lark")
        return repeated(measure)


# The table of sweeps

POWERS = (10, 100, 1000, 10_000, 100_000)


def of_schemas(make: Callable[[int, int], tuple[Schema, str]], grows: str, sizes: Sequence[int], most: int) -> Sweep:
    """A sweep of schemas; the quick one has the sizes up to `most`."""
    row = partial(schema_row, make=make)
    return Sweep(grows, SCHEMA_COLUMNS, row, tuple(sizes), tuple(size for size in sizes if size <= most))


def of_ambiguous(grammar: str, text: Callable[[int], str]) -> Sweep:
    """A sweep over the length of a text, which is odd: texts of `a+`, palindromes and nested lists are complete."""
    columns = ("TTFM", f"token, mean of the last {STRETCH}", "mask alone", "advance alone")
    row = partial(ambiguous_row, grammar=grammar, text=text)
    return Sweep("tokens", columns, row, (201, 1001, 2001), (201, 2001))


SWEEPS = {
    "vocabulary": Sweep(
        "tokenizer", ("trie", "leaves", "TTFM, first grammar", "TTFM, later", "token, mean", "mask, worst"),
        vocabulary_row,
    ),
    "enum": of_schemas(enum, "strings", POWERS, 10_000),
    "properties": of_schemas(partial(properties, closed=True), "optional properties", (10, 100, 1000, 5000), 1000),
    "properties-open": of_schemas(
        partial(properties, closed=False), "optional properties", (10, 100, 1000, 5000), 1000
    ),
    "maxLength": of_schemas(max_length, "characters", (*POWERS, 1_000_000), 10_000),
    "maxItems": of_schemas(max_items, "items", (*POWERS, 1_000_000), 1000),
    "depth": of_schemas(depth, "arrays", (10, 100, 1000), 1000),
    "anyOf": of_schemas(any_of, "branches", (2, 10, 50, 100, 500), 100),
    "E-E+E": of_ambiguous('start: start "+" start | "a"', lambda size: ("a+" * size)[:size]),
    "S-SS": of_ambiguous('start: start start | "a"', lambda size: "a" * size),
    "palindrome": of_ambiguous('start: "a" start "a" | "a"', lambda size: "a" * size),
    "hidden-left-recursion": of_ambiguous('start: maybe start "a" | "a"\nmaybe: "b"?', lambda size: "a" * size),
    "nested-lists": of_ambiguous(
        'start: "[" items "]" | "a"\nitems: items "," start | start',
        lambda size: "[" * (size // 2) + "a" + "]" * (size // 2),
    ),
    "batch": Sweep(
        "states",
        (
            "new", "remembered, one by one", "remembered", "remembered, halved", "new, halved",
            "new, grammars by turns", "the same, 2 threads", "slow, grammars by turns", "the same, 2 threads",
        ),
        batch_row, (1, 8, 64, 512), (1, 8, 64, 512),
    ),
    "check": Sweep("lines of Lark", ("command", "command, in a process that did"), check_row, (10, 100, 1000), (10,)),
}  # fmt: skip


# From sweeps to tables


def main() -> None:
    options = parse_arguments()
    vocabularies = {folder.name: Vocabulary.from_tokenizer(folder) for folder in options.tokenizer}
    warm_up()
    about = machine()
    print(
        f"{about['date']}, {about['machine']}, Python {about['python']}; "
        + ", ".join(f"{name} ({vocabulary.size:,} tokens)" for name, vocabulary in vocabularies.items())
        + "; times in µs, less is better."
    )
    growth = []
    for name in options.sweep:
        rows = measure_sweep(name, SWEEPS[name], vocabularies, quick=options.quick, timeout=options.timeout)
        print(f"\n### {name}\n\n{markdown(SWEEPS[name], rows)}", flush=True)
        growth += grown(name, SWEEPS[name], rows)
    print("\n### Last row over first\n\n" + table(["sweep", "size", "", "times"], growth))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, action="append", required=True, help="may be repeated")
    parser.add_argument("--sweep", action="append", choices=tuple(SWEEPS), help="may be repeated; all if not given")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: about a minute")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one row")
    options = parser.parse_args()
    options.sweep = options.sweep or list(SWEEPS)
    return options


def measure_sweep(
    name: str, sweep: Sweep, vocabularies: Mapping[str, Vocabulary], *, quick: bool, timeout: float
) -> list[Row]:
    """A row for each size of a sweep; the first one is run twice, and counts the second time."""
    first = next(iter(vocabularies.values()))
    points = [(f"{size:,}", first, size) for size in (sweep.quick if quick else sweep.sizes)]
    if not sweep.sizes:
        by_size = sorted(vocabularies.items(), key=lambda item: item[1].size)
        points = [(f"{folder}, {each.size:,}", each, each.size) for folder, each in by_size]
    rows: list[Row] = []
    for number, (label, vocabulary, size) in enumerate(points):
        print(f"{name} {label}", file=sys.stderr, flush=True)
        if number == 0:
            attempt(sweep, label, vocabulary, size, timeout)
        rows.append(attempt(sweep, label, vocabulary, size, timeout))
        if rows[-1].refusal == LATE:
            rows += [Row(after, larger, (), "not tried") for after, _, larger in points[number + 1 :]]
            break
    return rows


LATE = "timeout"


def attempt(sweep: Sweep, label: str, vocabulary: Vocabulary, size: int, timeout: float) -> Row:
    """The row of one size, whatever becomes of it."""
    try:
        with at_most(timeout):
            return Row(label, size, sweep.measure(vocabulary, size))
    except TooLong:
        return Row(label, size, (), LATE)
    except (GrammarError, Refused, MemoryError, RecursionError) as error:
        return Row(label, size, (), f"{type(error).__name__}: {error}".splitlines()[0][:200])


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises `TooLong` in the block after that time, where the system and the thread have alarms."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def markdown(sweep: Sweep, rows: Sequence[Row]) -> str:
    cells = [
        [row.label, *([row.refusal] + [""] * (len(sweep.columns) - 1) if row.refusal else map(micro, row.times))]
        for row in rows
    ]
    return table([sweep.grows, *sweep.columns], cells)


def grown(name: str, sweep: Sweep, rows: Sequence[Row]) -> list[list[str]]:
    """The last row that was measured over the first, as one row; none where fewer than two were."""
    measured = [row for row in rows if not row.refusal]
    if len(measured) < 2:
        return []
    first, last = measured[0], measured[-1]
    ratios = [
        f"{column} {multiple(more / less)}"
        for column, less, more in zip(sweep.columns, first.times, last.times, strict=True)
        if less == less and more == more and less > 0
    ]
    return [[name, f"{first.label} → {last.label}", multiple(last.size / first.size), "; ".join(ratios)]]


def multiple(ratio: float) -> str:
    return f"× {ratio:,.0f}" if ratio >= 100 else f"× {ratio:.2g}"


if __name__ == "__main__":
    main()
