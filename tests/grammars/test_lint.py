"""Findings of `gcd check` about grammars: tables, and random grammars beside interegular and lark's forests."""

from __future__ import annotations

import itertools
import os
import random
import re

import interegular
import lark
import pytest

from grammars.ambiguity import Witness, ambiguity
from grammars.collisions import collisions, terminals_of
from grammars.errors import EmptyLanguage, LimitExceeded
from grammars.frontends.gbnf import parse_gbnf
from grammars.frontends.lark import parse_lark
from grammars.ir import Bytes, Grammar, Ref, Repeat
from grammars.lint import lint, search, statistics

CASES = int(os.environ.get("GCD_LINT_CASES", "30"))


@pytest.mark.parametrize(
    ("grammar", "findings"),
    [
        ('start: a\na: "x"', []),
        ('start: "x"\na: "y"', ["the rule a is never used (line 2, column 1)"]),
        (
            'start: "x"\na: b\nb: a | B\nB: "b"\nC: B',
            [
                "the rule a is used only where nothing leads to (line 2, column 1)",
                "the rule b is used only where nothing leads to (line 3, column 1)",
                "the terminal B is used only where nothing leads to (line 4, column 1)",
                "the terminal C is never used (line 5, column 1)",
            ],
        ),
        ('start: start "a" | "b"\nc: c "a"', ["the rule c is never used (line 2, column 1)"]),
        ("%import common.INT\n%import common (WS, WORD)\n%import common.DIGIT -> D\nstart: WORD\n%ignore WS",
         ["the terminal INT is never used (line 1, column 16)", "the terminal D is never used (line 3, column 25)"]),
        (
            'start: "a" | b\nb: "(" b ")"',
            ["the rule b has no text: it never ends, so nothing with it is allowed (line 2, column 1)"],
        ),
        (
            'start: (a "b"?)* "c"\na: "x"*',
            ["in the rule start, what is repeated may be empty (line 1, column 1)"],
        ),
        ('start: ("a" | "b")+ ("c"?) ~ 0..1', []),
    ],
)  # fmt: skip
def test_names_and_facts(grammar: str, findings: list[str]) -> None:
    assert [str(finding) for finding in lint(parse_lark(grammar))] == findings


@pytest.mark.parametrize(
    ("grammar", "findings"),
    [
        ('root ::= a | "(" root ")"\na ::= "x"', []),
        (
            'root ::= a[0-9] "b ::= c"\nb ::= c b | "y"\na[capture] ::= "x"\nc ::= "z"\nD ::= c',
            [
                "the rule b is never used (line 2, column 1)",
                "the rule c is used only where nothing leads to (line 4, column 1)",
                "the rule D is never used (line 5, column 1)",
            ],
        ),
        ('root[capture="all"] ::= a\na ::= "x"', []),
        ('root ::= a*\na ::= "x"?', ["in the rule root, what is repeated may be empty (line 1, column 1)"]),
        ('root ::= A\nA ::= ("x"?)*', ["in the rule A, what is repeated may be empty (line 2, column 1)"]),
        (
            'root ::= "a" | b\nb ::= "(" b ")"',
            ["the rule b has no text: it never ends, so nothing with it is allowed (line 2, column 1)"],
        ),
    ],
)
def test_names_and_facts_of_gbnf(grammar: str, findings: list[str]) -> None:
    assert [str(finding) for finding in lint(parse_gbnf(grammar))] == findings


def test_a_grammar_without_a_text_has_no_places() -> None:
    grammar = Grammar({"start": Repeat(Ref("a")), "a": Repeat(Bytes(b"x"))})
    assert [str(finding) for finding in lint(grammar)] == ["in the rule start, what is repeated may be empty"]


@pytest.mark.parametrize(
    ("grammar", "found"),
    [
        ('start: "if" NAME\nNAME: /[a-z]+/\n%ignore " "', [("NAME", '"if"', "if")]),
        ("start: A B\nA: /a+b?/\nB: /ab|c/", [("A", "B", "ab")]),
        ('start: A "x"\nA: "x"', []),
        ("start: A B\nA: /[a-c]/\nB: /[c-e]/", [("A", "B", "c")]),
        ("start: A B\nA: /a{3}/\nB: /(aa)+/", []),
    ],
)
def test_terminals_that_collide(grammar: str, found: list[tuple[str, str, str]]) -> None:
    pairs = [(pair.first, pair.second, pair.text) for pair in collisions(parse_lark(grammar))]
    assert sorted([sorted(pair[:2]), pair[2]] for pair in pairs) == sorted([sorted(f[:2]), f[2]] for f in found)


@pytest.mark.parametrize("seed", range(CASES // 6))
def test_collisions_are_those_of_interegular(seed: int) -> None:
    rng = random.Random(seed)
    patterns = {f"T{i}": pattern(rng, 2) for i in range(6)}
    rules = "".join(f"{name}: /{text}/\n" for name, text in patterns.items())
    found = collisions(parse_lark(f"start: {' '.join(patterns)}\n{rules}"))
    assert [
        pair for pair in found if not all(re.fullmatch(patterns[n], pair.text) for n in (pair.first, pair.second))
    ] == []
    fsms = {name: interegular.parse_pattern(text).to_fsm() for name, text in patterns.items()}
    expected = {(a, b) for a, b in itertools.combinations(patterns, 2) if shared(fsms[a] & fsms[b])}
    assert {tuple(sorted((pair.first, pair.second))) for pair in found} == expected, seed


def shared(fsm: interegular.FSM) -> bool:
    """Whether there is a text that is not empty."""
    return not fsm.empty() and any(itertools.islice(fsm.strings(), 2))


def pattern(rng: random.Random, depth: int) -> str:
    if depth == 0:
        return rng.choice(("a", "b", "c", "[ab]", "[bc]", "ab"))
    parts = [pattern(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    return rng.choice(("".join(parts), f"({'|'.join(parts)})", f"({parts[0]}){rng.choice('+?*')}{''.join(parts[1:])}a"))


def test_the_limit_of_collisions() -> None:
    grammar = parse_lark("start: A B\nA: /[ab]*a[ab]{6}/\nB: /[ab]*b[ab]{6}/")
    with pytest.raises(LimitExceeded) as caught:
        collisions(grammar, limit=20)
    assert str(caught.value) == "comparing the terminals takes more than 20 states"


@pytest.mark.parametrize(
    ("grammar", "witness"),
    [
        (
            'start: start "+" start | "1"',
            Witness("start", "1+1+1", 'start "1" "+" start "1+1"', 'start "1+1" "+" start "1"'),
        ),
        ('start: a | b\na: "x"\nb: "x"', Witness("start", "x", 'a "x"', 'b "x"')),
        ('start: "a"? "a"?', Witness("start", "a", '"a" ""', '"" "a"')),
        ('start: A A\nA: "a"+', Witness("start", "aaa", '"a" "aa"', '"aa" "a"')),
        ('start: "z" ("x" | a) "y"\na: "x"', Witness("start", "zxy", '"z" "x" "y"', '"z" a "x" "y"')),
        ('start: ("x" | a) ~ 2\na: "x"', Witness("start", "xx", '"x" "x"', 'a "x" "x"')),
        ('start: e\ne: e "+" t | t\nt: "1" | "(" e ")"', None),
        ('start: ("a" | "b")* "c"', None),
        ("start: NAME\nNAME: /a*a*/", None),
    ],
)
def test_two_readings(grammar: str, witness: Witness | None) -> None:
    found = ambiguity(parse_lark(grammar), seconds=5)
    if found is None or witness is None:
        assert found == witness
    else:
        assert (found.rule, found.text, {found.first, found.second}) == (
            witness.rule, witness.text, {witness.first, witness.second},
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(CASES))
def test_ambiguity_is_that_of_larks_forests(seed: int) -> None:
    rng = random.Random(seed)
    bodies = {name: [symbols(rng) for _ in range(rng.randint(1, 3))] for name in ("start", "a", "b")}
    text = "".join(f"{name}: {' | '.join(dict.fromkeys(ways))}\n" for name, ways in bodies.items())
    try:
        grammar = parse_lark(text)
        found = ambiguity(grammar, seconds=5)
    except EmptyLanguage:
        return
    if found is not None:
        assert is_ambiguous(text, found.rule, found.text), (text, found)
        return
    words = ("".join(word) for n in range(1, 6) for word in itertools.product("xy", repeat=n))
    assert [word for word in words if is_ambiguous(text, "start", word)] == [], text


def symbols(rng: random.Random) -> str:
    """An alternative; none is a rule alone: of a rule that is itself lark leaves out the readings without end."""
    found = [rng.choice(('"x"', '"y"', '"x"', '"y"', "a", "b", "start")) for _ in range(rng.randint(1, 3))]
    return " ".join(found) if len(found) > 1 else rng.choice(('"x"', '"y"'))


def is_ambiguous(grammar: str, start: str, text: str) -> bool:
    parser = lark.Lark(grammar, start=start, parser="earley", lexer="dynamic_complete", ambiguity="explicit")
    try:
        return any(tree.data == "_ambig" for tree in parser.parse(text).iter_subtrees())
    except lark.exceptions.UnexpectedInput:
        return False


def test_sizes_and_sentences() -> None:
    grammar = parse_lark('start: e\ne: e "+" e | "if" NAME\nNAME: /[a-z]+/\n%ignore " "')
    assert statistics(grammar) == {"rules": 2, "terminals": 1, "literals": 2, "nodes": 23}
    assert [str(finding) for finding in search(grammar, seconds=20)] == [
        'NAME also matches what these match: "if"',
        "lark with its basic lexer refuses 'ifa', which is in the language",
        'the rule e reads "ifa+ifa+ifa" in two ways: e "ifa" "+" e "ifa+ifa", or e "ifa+ifa" "+" e "ifa"',
    ]
    assert list(terminals_of(grammar)) == ['"+"', '"if"', "NAME"]
