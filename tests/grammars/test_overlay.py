"""Strings that are none of some names: the overlay is the difference of automata, state by state, in every spelling."""

from __future__ import annotations

import random

import pytest

from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.dfa import Dfa
from grammars.fragments import leaf
from grammars.ir import NOTHING, And, Bytes, Choice, Grammar, JsonString, Node, Not, Ref, Sequence, Spelling, text
from grammars.tables import DEFAULT, STATE_RULE
from grammars.words import ANY_STRING, excluded_names

NAMES: dict[str, list[str]] = {
    "one": ["name"],
    "prefixes of each other": ["", "a", "ab", "abc", "b"],
    "what needs an escape": ['"', "\\", "/", "\n", "\x00", "\x1f", '\\"', "a/b"],
    "several bytes": ["é", "éa", "è", "€", "\ud7ff", "\ue000", "\uffff"],
    "astral": ["😀", "😁", "😀😀", "\U00010000", "\U0010ffff", "x😀"],
    "hex digits alike": ["\u0a0b", "\u0a0c", "\u00ab", "k", "K", "\u2126"],
    "the letters of escapes": ["n", "u", "\\n", "\\u0041", "u0041"],
    "many": [f"property{i * 37 % 101}" for i in range(60)],
}


def without(names: list[str], spelling: Spelling = "any") -> JsonString:
    return JsonString(Not(Choice(tuple(text(name) for name in names))), spelling)


def differ(left: Dfa, right: Dfa) -> list[int] | None:
    """The bytes after which exactly one of two automata accepts or goes on, None when there are none."""
    seen = {(0, 0): list[int]()}
    pending = [(0, 0)]
    while pending:
        pair = pending.pop()
        if (pair[0] in left.finals) is not (pair[1] in right.finals):
            return seen[pair]
        for byte in range(256):
            after = left.step(pair[0], byte), right.step(pair[1], byte)
            if (after[0] < 0) is not (after[1] < 0):
                return [*seen[pair], byte]
            if after[0] >= 0 and after not in seen:
                seen[after] = [*seen[pair], byte]
                pending.append(after)
    return None


@pytest.mark.parametrize("spelling", ["any", "raw", "ascii"])
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_equal_to_the_difference_of_automata(names: list[str], spelling: Spelling) -> None:
    node = without(names, spelling)
    found = compile_grammar(Grammar({"start": node})).rule(0)
    assert differ(found.dfa, leaf(node).fragment.piece.dfa()) is None


def test_equal_to_the_difference_of_automata_for_random_names() -> None:
    rng = random.Random(5)
    for _ in range(25):
        letters = "".join(
            chr(rng.choice((rng.randrange(128), rng.randrange(0xD800), 0x1F600 + rng.randrange(99)))) for _ in range(4)
        )
        names = ["".join(rng.choice(letters) for _ in range(rng.randint(0, 4))) for _ in range(rng.randint(1, 9))]
        node = without(names)
        found = compile_grammar(Grammar({"start": node})).rule(0)
        assert differ(found.dfa, leaf(node).fragment.piece.dfa()) is None, names


def test_all_overlays_share_one_host() -> None:
    strings = Sequence((without(["a"]), without(["b", "c"]), JsonString(And((ANY_STRING.content, Not(text("d")))))))
    automaton = compile_grammar(Grammar({"start": Sequence((strings, Ref("any"))), "any": ANY_STRING}))
    automaton.build_all()
    states = automaton.tables.states[: automaton.num_states]
    hosts = {int(states[default, STATE_RULE]) for default in states[:, DEFAULT] if default >= 0}
    assert len(hosts) == 1
    (host,) = hosts
    assert automaton.leaf_key(host) is leaf(ANY_STRING).fragment
    assert automaton.num_rules == 5
    assert automaton.accepts(b'"b""a""\\u0064d""d"')
    assert not automaton.accepts(b'"b""a""\\u0064""d"')
    assert [automaton.leaf_key(n) is None for n in range(5)].count(True) == 4


def test_overlays_survive_without_bytes() -> None:
    automaton: ByteAutomaton = compile_grammar(Grammar({"start": without(["ab", "b"])})).without_bytes(
        frozenset(b"c\\")
    )
    assert automaton.accepts(b'"a"')
    assert not any(map(automaton.accepts, (b'"b"', b'"ab"', b'"abc"', b'"\\u0062b"')))


READ: list[tuple[Node, list[bytes] | None]] = [
    (Not(Bytes(b"a")), [b"a"]),
    (Not(Choice((Bytes(b"a"), Bytes(b"b")))), [b"a", b"b"]),
    (And((Not(Bytes(b"a")), ANY_STRING.content, Not(Bytes(b"b")))), [b"a", b"b"]),
    (Not(NOTHING), []),
    (Not(Bytes(b"\xc3")), None),
    (Not(Ref("a")), None),
    (Bytes(b"a"), None),
    (And((Not(Bytes(b"a")), Bytes(b"b"))), None),
]


@pytest.mark.parametrize(("node", "names"), READ)
def test_excluded_names(node: Node, names: list[bytes] | None) -> None:
    assert excluded_names(node) == names
