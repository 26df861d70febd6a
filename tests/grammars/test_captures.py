"""Captures: against Python's re, against a twin that tries every way in its order, and where a suffix begins."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest

import gcd
from grammars.captures import Capture, captures
from grammars.compile import compile_grammar
from grammars.errors import InvalidGrammar, LimitExceeded
from grammars.frontends.lark import parse_lark
from grammars.ir import EPSILON, Bytes, Choice, Grammar, Node, Ref, Repeat, Sequence

SEEDS = int(os.environ.get("GCD_RANDOM_CAPTURES", "40"))
EVERY = ["".join(letters) for n in range(7) for letters in product("ab", repeat=n)]


def named(text: str, grammar: Grammar) -> list[tuple[str, str]]:
    data = text.encode()
    return [(name, data[begin:end].decode()) for name, begin, end in captures(grammar, data)]


def test_parts_are_those_of_the_groups_of_a_regex() -> None:
    pieces = ["[ab]*", "a*", "b+", "[ab]{1,2}", "(?:ab)*", "b?"]
    compared = 0
    for seed in range(SEEDS):
        rng = random.Random(seed)
        parts = [rng.choice(pieces) for _ in range(rng.randint(1, 4))]
        lines = [f"start: {' '.join(f'x{i}' for i in range(len(parts)))}"]
        lines += [f"x{i}[capture]: /{part}/" for i, part in enumerate(parts)]
        grammar = parse_lark("\n".join(lines))
        groups = re.compile("".join(f"(?P<x{i}>{part})" for i, part in enumerate(parts)))
        for text in rng.sample(EVERY, 12):
            if (match := groups.fullmatch(text)) is not None:
                assert named(text, grammar) == [*match.groupdict().items()], (seed, parts, text)
                compared += 1
    assert compared > SEEDS


# The slow twin: all ways to read a text by a grammar without left recursion, in the order that captures.py states.


def ways(grammar: Grammar, text: bytes) -> Iterator[list[Capture]]:
    @cache
    def ends(node: Node, begin: int) -> frozenset[int]:
        return frozenset(
            end for end in range(begin, len(text) + 1) if next(read((node,), begin, end), None) is not None
        )

    def read(nodes: tuple[Node, ...], begin: int, end: int) -> Iterator[list[Capture]]:
        if not nodes:
            if begin == end:
                yield []
            return
        node, *others = nodes
        rest = tuple(others)
        match node:
            case Ref(name):
                for middle in sorted(ends(grammar.rules[name], begin), reverse=True):
                    inner = next(read((grammar.rules[name],), begin, middle))
                    own = [Capture(name[-2], begin, middle)] if name.endswith("]") else []
                    for behind in read(rest, middle, end):
                        yield [*own, *inner, *behind]
            case Bytes(data):
                if text.startswith(data, begin):
                    yield from read(rest, begin + len(data), end)
            case Sequence(items):
                yield from read((*items, *rest), begin, end)
            case Choice(items):
                for item in items:
                    yield from read((item, *rest), begin, end)
            case Repeat(item, low, high):
                if high != 0:  # one more copy, which is never empty here, before none
                    more = Repeat(item, max(low - 1, 0), None if high is None else high - 1)
                    yield from read((item, more, *rest), begin, end)
                if low == 0:
                    yield from read(rest, begin, end)

    yield from read((Ref(grammar.start),), 0, len(text))


def random_grammar(rng: random.Random) -> Grammar:
    """Rules that call later ones, and themselves behind a letter."""
    names = ["start", *[f"r{i}" + (f"[capture={'xyz'[i]}]" if rng.random() < 0.7 else "") for i in range(3)]]

    def node(depth: int, later: list[str]) -> Node:
        kind = rng.choice(["text", "ref", "ref"] + (["sequence", "choice", "repeat"] * 2 if depth else []))
        if kind == "text" or (kind == "ref" and not later):
            return Bytes(rng.choice([b"a", b"b", b"ab"]))
        match kind:
            case "ref":
                return Ref(rng.choice(later))
            case "sequence":
                return Sequence(tuple(node(depth - 1, later) for _ in range(rng.randint(1, 3))))
            case "choice":
                return Choice(tuple(node(depth - 1, later) for _ in range(rng.randint(2, 3))))
        low = rng.randint(0, 1)
        letter = Bytes(rng.choice([b"a", b"b", b"ab"]))
        item = Sequence((letter, Ref(rng.choice(later)))) if later and rng.random() < 0.5 else letter
        return Repeat(item, low, rng.choice([None, low + 1]))

    rules = {name: node(2, names[i + 1 :]) for i, name in enumerate(names)}
    again = rng.choice(names)
    rules[again] = Choice((Sequence((Bytes(b"a"), Ref(again), Ref(names[-1]))), rules[again]))
    if rng.random() < 0.3:
        rules[names[-1]] = Choice((rules[names[-1]], EPSILON))
    return Grammar(rules)


def test_parts_are_those_of_the_first_way_to_read_a_text() -> None:
    compared = 0
    for seed in range(SEEDS):
        rng = random.Random(seed)
        grammar = random_grammar(rng)
        automaton = compile_grammar(grammar)
        members = [text.encode() for text in EVERY[:63] if automaton.accepts(text.encode())]
        for text in rng.sample(members, min(4, len(members))):
            assert captures(grammar, text) == next(ways(grammar, text)), f"seed {seed}: {text!r} by {grammar}"
            compared += 1
    assert compared > SEEDS


TABLE = [
    ("alternatives in their order", 'start: x "b"? | x y\nx[capture]: "a"\ny[capture]: "b"', "ab", [("x", "a")]),
    ("as long as can be", 'start: x y\nx[capture]: "a"+\ny[capture]: "a"*', "aaa", [("x", "aaa"), ("y", "")]),
    ("a rule as long as can be", 'start: x "y"?\nx[capture]: "a" | "ay"', "ay", [("x", "ay")]),
    ("left recursion", 'start: start "+" n | n\nn[capture]: /[0-9]+/', "1+2+33", [("n", "1"), ("n", "2"), ("n", "33")]),
    ("inside one another", 'start: x\nx[capture]: "(" x ")" | "1"', "(1)", [("x", "(1)"), ("x", "1")]),
    ("a cycle", 'start: a\na: b | "x"\nb[capture]: a', "x", []),
    ("another name", 'start: A\nA[capture="b c"]: "a"', "a", [("b c", "a")]),
    (
        "what is ignored",
        'start: x+\nx[capture]: A ";"\nA: /[a-z]+/\n%ignore " "',
        "  a ; b;",
        [("x", "a ;"), ("x", "b;")],
    ),
    ("a suffix", 'start: x*\nx[capture, suffix=";"]: /.*/', "ab;;", [("x", "ab"), ("x", "")]),
    ("lazy", 'start: x "b"*\nx[lazy, capture]: /a*b/', "abb", [("x", "ab")]),
    ("within some tokens", 'start: x*\nx[max_tokens=3, suffix=";", capture]: /.*/', "ab;;", [("x", "ab"), ("x", "")]),
    (
        "in a schema",
        'start: %json {"type": "object", "properties": {"a": {"const": 1}}} x\nx[capture]: "!"',
        '{"a": 1}!',
        [("x", "!")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("grammar", "text", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_captures(grammar: str, text: str, expected: list[tuple[str, str]]) -> None:
    read = parse_lark(grammar)
    assert compile_grammar(read).accepts(text.encode())
    assert named(text, read) == expected


@pytest.mark.parametrize("suffix", ["a", "ab", "aa", "aba", "abab", "aab"])
def test_a_captured_suffix_ends_the_same_texts(suffix: str) -> None:
    for pattern in ("[ab]*", "a*b|bb", "(ab)*"):
        plain = parse_lark(f'start[suffix="{suffix}"]: /{pattern}/')
        captured = parse_lark(f'start[suffix="{suffix}", capture]: /{pattern}/')
        one, other = compile_grammar(plain), compile_grammar(captured)
        members = [text for text in EVERY if one.accepts(text.encode())]
        assert [text for text in EVERY if other.accepts(text.encode())] == members
        for text in members[:10]:
            assert named(text, captured) == [("start", text.removesuffix(suffix))]


def test_errors() -> None:
    for text, message in [
        ("start[capture=1]: /a/", 'the option capture is written name[capture]: ... or name[capture="other"]: ...'),
        ('start[capture="a]"]: /a/', 'the option capture is written name[capture]: ... or name[capture="other"]: ...'),
    ]:
        with pytest.raises(InvalidGrammar) as caught:
            parse_lark(text)
        assert caught.value.message == message
    with pytest.raises(InvalidGrammar) as caught:
        gcd.capture("a[b", "c")
    assert str(caught.value) == "'a[b' is no name of a capture\na name is a text without brackets"
    with pytest.raises(ValueError, match="this is no text of the grammar"):
        captures(Grammar({"start": Bytes(b"a")}), b"b")
    rules: dict[str, Node] = {"start": Ref("0"), "900": Bytes(b"a")} | {str(i): Ref(str(i + 1)) for i in range(900)}
    with pytest.raises(LimitExceeded, match="too many rules that only call one another"):
        captures(Grammar(rules), b"a")


def test_many_parts_of_a_long_text() -> None:
    grammar = parse_lark('start: (row "\\n")*\nrow[capture]: n ("," n)*\nn: /[0-9]+/ | "(" n ")"')
    text = b"1,22,(333)\n" * 60
    assert [part[2] - part[1] for part in captures(grammar, text)] == [10] * 60
