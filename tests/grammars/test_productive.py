"""Which rules have a text: the first look from one rule, and all of them, beside the naive recogniser."""

from __future__ import annotations

import random

import pytest
from naive import Language

from grammars.frontends.json_schema.productive import is_seen_to_end, productive_rules
from grammars.ir import Bytes, Choice, Grammar, Members, Node, Ref, Repeat, Sequence

NAMES = "abcdef"


def node(rng: random.Random, depth: int) -> Node:
    kind = rng.randrange(7 if depth else 3)
    if kind == 0:
        return Bytes(b"x")
    if kind < 3:
        return Ref(rng.choice(NAMES))
    items = tuple([node(rng, depth - 1) for _ in range(rng.randint(0 if kind == 4 else 1, 3))])
    if kind == 3:
        return Sequence(items)
    if kind == 4:
        return Choice(items)
    if kind == 5:
        return Repeat(items[0], rng.randint(0, 2), rng.choice([None, 2]))
    required = frozenset([number for number in range(len(items)) if rng.random() < 0.4])
    keys = tuple([b"%d:" % number for number in range(len(items))])
    empty = rng.choice([None, Bytes(b"}")])
    return Members(Bytes(b"{"), keys, items, required, (), Bytes(b","), Bytes(b"}"), empty)


@pytest.mark.parametrize("seed", range(300))
def test_what_has_a_text(seed: int) -> None:
    rng = random.Random(seed)
    rules = {name: node(rng, 2) for name in NAMES}
    found = productive_rules(rules)
    assert found == {name for name in NAMES if not Language(Grammar(rules, name)).is_empty()}
    seen = {name for name in NAMES if is_seen_to_end(rules, name)}
    assert seen <= found
