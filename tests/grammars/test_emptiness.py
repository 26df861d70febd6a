"""The search for a shortest string agrees with the automaton of the whole content, and of each two of many."""

from __future__ import annotations

from itertools import combinations

import pytest

from grammars.chars import char_dfa
from grammars.errors import LimitExceeded
from grammars.frontends.json_schema.emptiness import apart, nothing_in
from grammars.frontends.json_schema.formats import FORMATS
from grammars.frontends.regex import parse_regex
from grammars.ir import ANY_CHAR, NOTHING, And, Length, Node, Not, Repeat, Sequence, text

R = parse_regex
TEXT = Repeat(ANY_CHAR)

CONTENTS: list[tuple[str, Node, bool]] = [
    ("all texts", TEXT, False),
    ("no text", NOTHING, True),
    ("what both patterns match", And((R("a*b"), R("[ab]{3}"))), False),
    ("what no two patterns match", And((R("a+"), R("b+"))), True),
    ("all but everything", Not(TEXT), True),
    ("all but some", And((Not(R("a*")), Not(R("b*")))), False),
    ("a pattern without itself", And((R("(ab)*"), Not(R("(ab)*")))), True),
    ("exactly one length", Length(R("(ab)*"), 4, 4), False),
    ("a length that no text has", Length(R("(ab)*"), 3, 3), True),
    ("longer than a pattern allows", Length(R("a{2,5}"), 6, None), True),
    ("shorter than a pattern allows", Length(R("a{2,5}"), 0, 1), True),
    ("lengths that overlap", And((Length(TEXT, 3, 5), Length(TEXT, 5, 9))), False),
    ("lengths that do not", And((Length(TEXT, 3, 5), Length(TEXT, 6, 9))), True),
    ("a length inside of a pattern", And((Sequence((Length(R("a*"), 2, 3), text("b"))), R("a{3}b"))), False),
    ("a length inside that is too short", And((Sequence((Length(R("a*"), 2, 3), text("b"))), R("a{4}b"))), True),
    ("a length under a complement", And((Not(Length(TEXT, 0, 3)), R("a{0,3}"))), True),
    ("an address that is also a name", And((FORMATS["ipv4"], FORMATS["hostname"])), False),
    ("a mailbox that is no mailbox", And((FORMATS["email"], R("[^@]*"))), True),
]


@pytest.mark.parametrize(("content", "empty"), [pytest.param(node, no, id=name) for name, node, no in CONTENTS])
def test_nothing_in(content: Node, empty: bool) -> None:
    assert nothing_in(content) is empty
    assert (not char_dfa(content).finals) is empty


def test_nothing_in_gives_up() -> None:
    with pytest.raises(LimitExceeded):  # the shortest text has 37 * 41 * 43 characters
        nothing_in(And((R("(a{37})+"), R("(a{41})+"), R("(a{43})+"))))


POOL = ["", "a", "b", "ab|c", "a*", "a+b", "(aa)+", "a(aa)*", "[a-c]", "[^a-c]", "[^a]b", "(ab)+", "b?c{2,3}",
        "^x1[a-z]+$", "^x12", "x1$", "[a-c]{4}", "(a|b)*c", "[^c]*", "é+"]  # fmt: skip


def test_apart_is_that_no_two_have_a_text_in_common() -> None:
    nodes = [R(pattern) for pattern in POOL]
    meet = {(i, j) for (i, one), (j, other) in combinations(enumerate(nodes), 2) if not nothing_in(And((one, other)))}
    for some in combinations(range(len(nodes)), 3):
        assert apart([nodes[number] for number in some]) is meet.isdisjoint(combinations(some, 2)), some
    assert 20 < len(meet) < 170


def test_apart_says_nothing_of_large_automata() -> None:
    assert not apart([R("(a{37})+"), R("(a{41})+b"), R("(a{43})+c")])
