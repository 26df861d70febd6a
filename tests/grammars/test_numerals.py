"""Numbers between bounds: the automaton that compares digits is that of the alternatives, which positions find."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from grammars.dfa import Dfa, crawl, minimise, trim
from grammars.errors import EmptyLanguage, LimitExceeded
from grammars.fragments import new_body_leaf
from grammars.frontends.json_schema.numbers import Bound, integer, number
from grammars.ir import Choice, Node, Numerals
from grammars.numerals import numerals_piece

LIMIT = 1_000_000
LIMITS: list[Bound] = [
    0, 0.1, -0.1, 1e-5, 1e5, 99999, 0.5, -0.05, 1e-300, 1e300, -1e300, 1.05, 9, 10, 100, 2**53 - 1, 1 - 2**53, 2**64,
    9.99e99, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 99.9, 0.99, 10**63, 10**64 - 1, 10**64, 10**65,
    Decimal("0." + "9" * 70), Decimal("9." + "9" * 64), Decimal("1." + "0" * 63 + "1"),
]  # fmt: skip


def bound(rng: random.Random) -> Bound:
    match rng.randrange(4):
        case 0:
            return rng.choice([rng.randint(-60, 60), rng.randint(-(10**20), 10**20)])
        case 1:
            return round(rng.uniform(-20, 20), rng.randint(0, 3))
        case 2:
            return rng.uniform(-1, 1) * 10.0 ** rng.choice([0, 1, 5, 22, 300, -4, -300])
        case _:
            return rng.choice(LIMITS)


def numbered(dfa: Dfa) -> Dfa:
    """The minimal DFA, its states numbered as they are met."""
    least = minimise(dfa)
    return crawl(0, least.edges.__getitem__, least.finals.__contains__)


def check(node: Node) -> None:
    assert isinstance(node, Numerals)
    assert node.positive or node.negative
    made = numerals_piece(node, limit=LIMIT).dfa()
    assert trim(made) == made
    assert numbered(made) == numbered(new_body_leaf(Choice(node.items), LIMIT).fragment.piece.dfa())


@pytest.mark.parametrize("seed", range(60))
def test_digits_say_what_the_alternatives_say(seed: int) -> None:
    rng = random.Random(seed)
    bounds = {name: bound(rng) for name in rng.sample(["minimum", "maximum"], rng.randint(1, 2))}
    if rng.random() < 0.5:
        bounds["exclusive_" + rng.choice(["minimum", "maximum"])] = bound(rng)
    for make in (number, integer):
        try:
            node = make(**bounds)
        except EmptyLanguage:
            continue
        check(node)


@pytest.mark.parametrize("only", LIMITS)
def test_a_single_number(only: Bound) -> None:
    try:
        node = number(minimum=only, maximum=only)
    except EmptyLanguage:
        return
    check(node)


def test_wide_bounds_are_a_few_hundred_states() -> None:
    node = number(minimum=1 - 2**53, maximum=2**53 - 1)
    assert isinstance(node, Numerals)
    assert numerals_piece(node, limit=LIMIT).sizes[0] < 600
    with pytest.raises(LimitExceeded, match="more than 100 states"):
        numerals_piece(node, limit=100)


def test_a_copy_with_other_items_is_a_choice() -> None:
    node = number(minimum=5)
    assert isinstance(node, Numerals)
    copy = type(node)(tuple(reversed(node.items)))
    of_the_copy, made = new_body_leaf(copy, LIMIT).fragment.piece, numerals_piece(node, limit=LIMIT)
    assert numbered(of_the_copy.dfa()) == numbered(made.dfa())
