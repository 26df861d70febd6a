"""What this library keeps in memory: a vocabulary's tables, a compiled schema, and masks in a long run.

    python bench/memory.py --data MASKBENCH --tokenizer TOKENIZER [--sample 250] [--bound 16] [--tokens 200000]

MASKBENCH and TOKENIZER are those of `maskbench.py`. All figures are MiB of resident memory (`/proc/self/statm`, so on
Linux only), less what was there before:

    vocabulary      the tokens, their trie and the tables of leaves, before any grammar
    compiled        a schema with its first mask, all of the sample being held at once
    with its texts  the same after texts of 200 tokens drawn at random from its masks
    long run        texts drawn from one schema after the other until so many tokens are read, in a process whose
                    remembered masks are bounded (`GCD_MASK_MEMORY`): every tenth of the run has a row

The last 128 constraints are kept for callers who ask again, with the masks that they remember; a vocabulary's tables of
leaves grow with the leaves that are met, up to 64 MiB. Everything else dies with its grammar.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from report import machine, table

import gcd
from grammars.errors import GrammarError
from tokenizer_align.constraint import Constraint
from tokenizer_align.rows import rows_of
from tokenizer_align.vocabulary import Vocabulary
from tokenizer_align.warm_up import warm_up

LENGTH = 200
"""Tokens of a text that is drawn, where it does not end before."""


def main() -> None:
    options = parse_arguments()
    if options.run:
        long_run(options)
        return
    about = machine()
    print(f"{about['date']}, {about['machine']}, {options.tokenizer.name}; MiB of resident memory.\n")
    print(table(["", "MiB"], [[name, f"{value:,.2f}"] for name, value in kept(options)]))
    print(f"\nA long run whose remembered masks take at most {options.bound} MiB:\n", flush=True)
    command = [sys.executable, __file__, *sys.argv[1:], "--run"]
    subprocess.run(command, env={**os.environ, "GCD_MASK_MEMORY": str(options.bound)}, check=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="MASKBENCH")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=250, metavar="N", help="N schemas, evenly spread")
    parser.add_argument("--bound", type=int, default=16, metavar="MIB", help="of the masks that a long run remembers")
    parser.add_argument("--tokens", type=int, default=200_000, help="that a long run reads")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def kept(options: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """What each thing takes, by name."""
    warm_up()
    before = resident()
    vocabulary = Vocabulary.from_tokenizer(options.tokenizer)
    first = gcd.compile(regex="a", tokenizer=vocabulary)
    first.mask(first.start)
    yield f"vocabulary of {vocabulary.size:,} tokens", resident() - before
    schemas = read(options)
    for schema in schemas[:20]:  # leaves that all schemas share
        compiled(schema, vocabulary)
    before = resident()
    held = [constraint for schema in schemas if (constraint := compiled(schema, vocabulary)) is not None]
    yield f"compiled, each of {len(held)}", (resident() - before) / len(held)
    rng = random.Random(0)
    for constraint in held:
        draw(constraint, rng)
    yield "with its texts, each", (resident() - before) / len(held)


def long_run(options: argparse.Namespace) -> None:
    """Prints a row for each tenth of a run."""
    warm_up()
    vocabulary = Vocabulary.from_tokenizer(options.tokenizer)
    schemas, rng = read(options), random.Random(0)
    before, read_tokens, due, number, rows = resident(), 0, options.tokens // 10, 0, []
    masks = rows_of(vocabulary)
    while read_tokens < options.tokens:
        constraint = compiled(schemas[number % len(schemas)], vocabulary)
        number += 1
        read_tokens += 0 if constraint is None else draw(constraint, rng)
        if read_tokens >= due:
            due += options.tokens // 10
            bytes_of_masks = len(masks) * 4 * ((vocabulary.size + 31) // 32)
            rows.append(
                [f"{read_tokens:,}", f"{number:,}", f"{bytes_of_masks / 2**20:,.1f}", f"{resident() - before:,.0f}"]
            )
    print(table(["tokens", "schemas", "masks, MiB", "memory, MiB"], rows))


def read(options: argparse.Namespace) -> list[object]:
    """Some schemas, evenly spread over the files."""
    files = sorted(options.data.glob("*.json"))
    count = min(options.sample, len(files))
    return [json.loads(files[i * len(files) // count].read_text())["schema"] for i in range(count)]


def compiled(schema: object, vocabulary: Vocabulary) -> Constraint | None:
    """The constraint of a schema with its first mask; None for one that is refused."""
    try:
        constraint = gcd.compile(schema=schema, tokenizer=vocabulary)
        constraint.mask(constraint.start)
    except GrammarError:
        return None
    return constraint


def draw(constraint: Constraint, rng: random.Random) -> int:
    """The number of tokens of a text that is drawn at random from the masks of a constraint."""
    state = constraint.start
    for number in range(LENGTH):
        bits = np.unpackbits(constraint.mask(state).view(np.uint8), bitorder="little")
        state = constraint.advance(state, int(rng.choice(np.flatnonzero(bits))))
        if constraint.is_terminated(state):
            return number + 1
    return LENGTH


def resident() -> float:
    """MiB of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
