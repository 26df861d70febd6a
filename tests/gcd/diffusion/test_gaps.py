"""Gaps in texts of the library's grammars are filled validly: each text is read by a parser that is not ours.

GCD_GAP_CASES=100 fills that many random texts with 1, 2 or 3 gaps for each grammar.
"""

from __future__ import annotations

import ast
import os
import random
import sqlite3

import pytest
import torch

import gcd
from gcd.diffusion import Lattice
from grammars.library import library

CASES = int(os.environ.get("GCD_GAP_CASES", "6"))

TEXTS = {
    "arithmetic": ["1 + 2 * (3 - 4.5) ^ -2", "-(1)*((20-3)/(4+5))", "((((7))))-6^-(2*1)"],
    "sql_select": ["SELECT a, b FROM t WHERE (a = 1 OR b < 2)", "SELECT (1 + (a)) FROM t WHERE a IN (SELECT b FROM t)"],
}
TOKENS = {
    "arithmetic": [*map(chr, range(48, 58)), *"+-*/^(). ", "((", "))", ")*(", " + "],
    "sql_select": [*"SELCTFROMWHIANDabt12 (),=<+'", "SELECT ", " FROM ", " WHERE ", "))", " = ", " OR ", " IN ("],
}
MEANING = ("no such", "number of columns", "number of arguments", "IN(", "sub-select returns")
"""What SQLite says of names that are missing and of columns that are too many: no grammar counts them."""


def read(name: str, text: str) -> None:
    """Raises SyntaxError, or OperationalError for anything but what names and columns mean."""
    if name == "arithmetic":
        ast.parse(text.strip().replace("^", "**"), mode="eval")
        return
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a, b, aa, ab, ba, bb)")
        try:
            connection.execute("EXPLAIN " + text)
        except sqlite3.OperationalError as error:
            if not any(word in str(error) for word in MEANING):
                raise


@pytest.mark.parametrize("name", [*TEXTS])
def test_gaps_in_texts_of_the_library_are_filled_validly(name):
    tokens = [t.encode() for t in dict.fromkeys(TOKENS[name])]
    vocabulary = gcd.Vocabulary([*tokens, b""], eos_token_ids=[len(tokens)])
    constraint = gcd.compile(grammar=library(name), tokenizer=vocabulary)
    filled, changed = 0, 0
    for seed in range(CASES):
        rng = random.Random(seed)
        text = rng.choice(TEXTS[name])
        gaps = [range(at, at + rng.randint(2, 5)) for at in rng.sample(range(len(text)), 1 + seed % 3)]
        fixed = {i: tokens.index(c.encode()) for i, c in enumerate(text) if not any(i in gap for gap in gaps)}
        logits = 2 * torch.randn(len(text), len(tokens) + 1, generator=torch.Generator().manual_seed(seed))
        lattice = Lattice(constraint, logits, fixed=fixed)
        for row in [
            lattice.map()[0].tolist(),
            *lattice.sample(4, generator=torch.Generator().manual_seed(seed)).tolist(),
        ]:
            made = vocabulary.decode(row).decode()
            assert all(row[i] == token for i, token in fixed.items()), (seed, made)
            try:
                read(name, made)
            except (SyntaxError, sqlite3.OperationalError) as error:
                raise AssertionError(f"seed {seed}: {made}") from error
            filled, changed = filled + 1, changed + (made != text)
    print(f"{filled} fillings, {changed} of them new")
    assert filled == 5 * CASES
    assert changed > filled / 2
