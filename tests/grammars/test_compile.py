"""Grammar to ByteAutomaton: tables of (rules, accepted, refused), each also judged by the naive recogniser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from naive import accepts

from grammars.builder import Builder
from grammars.compile import Limits, compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema import parse_json_schema
from grammars.ir import (
    ANY_CHAR,
    EPSILON,
    NOTHING,
    And,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    Grammar,
    JsonString,
    Length,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    char_class,
    text,
)
from grammars.positions import END, Positions
from grammars.survey import Survey

LETTER = CharClass(((97, 122),))
A, B, C = Bytes(b"a"), Bytes(b"b"), Bytes(b"c")
Rules = dict[str, Node]


def seq(*items: Node) -> Sequence:
    return Sequence(items)


def alt(*items: Node) -> Choice:
    return Choice(items)


START = Ref("start")
TABLE: dict[str, tuple[Rules, list[bytes], list[bytes]]] = {
    "unrolled repeat": ({"start": Repeat(Bytes(b"ab"), 1, 2)}, [b"ab", b"abab"], [b"", b"a", b"ababab"]),
    "counted repeat": (
        {"start": Repeat(Bytes(b"ab"), 3, 90)},
        [b"ab" * 3, b"ab" * 90],
        [b"", b"abab", b"ab" * 91, b"aba"],
    ),
    "counted repeat without upper bound": (
        {"start": Repeat(Bytes(b"ab"), 40)},
        [b"ab" * 40, b"ab" * 99],
        [b"ab" * 39, b"a"],
    ),
    "counted repeat of a nullable item": (
        {"start": Repeat(alt(Bytes(b"ab"), EPSILON), 40, 60)},
        [b"", b"ab", b"ab" * 60],
        [b"a", b"ab" * 61],
    ),
    "counted repeat of another": (
        {"start": Repeat(seq(Repeat(A, 33, 34), B), 33, 34)},
        [(b"a" * 33 + b"b") * 33, (b"a" * 34 + b"b") * 34],
        [b"a" * 33 + b"b", (b"a" * 35 + b"b") * 33],
    ),
    "window of characters": (
        {"start": Repeat(LETTER, 35, 70)},
        [b"x" * 35, b"x" * 70],
        [b"x" * 34, b"x" * 71, b"X" * 40],
    ),
    "window counts code points": (
        {"start": Length(Repeat(ANY_CHAR), 2, 3)},
        ["éé".encode(), "a😀é".encode()],
        [b"a", b"abcd", "é".encode(), b"\xc3", b"a\xff"],
    ),
    "window over gapped lengths": (
        {"start": Length(Repeat(Bytes(b"ab")), 3, 5)},
        [b"abab"],
        [b"", b"ab", b"aba", b"ababab"],
    ),
    "left recursion": (
        {"start": alt(seq(START, Bytes(b"+"), START), A)},
        [b"a", b"a+a", b"a+a+a"],
        [b"", b"a+", b"+a", b"aa"],
    ),
    "one copy per target": (
        {
            "start": alt(seq(Ref("A"), Bytes(b"1")), seq(Ref("B"), Bytes(b"2"))),
            "A": alt(seq(Ref("B"), Bytes(b"y")), A),
            "B": alt(seq(Ref("A"), Bytes(b"x")), B),
        },
        [b"a1", b"b2", b"by1", b"ax2", b"axy1", b"byx2"],
        [b"a2", b"b1", b"ax1", b"by2"],
    ),
    "hidden left recursion": (
        {"start": alt(seq(Ref("maybe"), START, Bytes(b"x")), A), "maybe": alt(EPSILON, B)},
        [b"a", b"ax", b"bax", b"bbaxx", b"baxx"],
        [b"ba", b"bbax", b"x"],
    ),
    "left recursion through a counted repeat": (
        {"start": alt(seq(Repeat(START, 33, 34), Bytes(b";")), A)},
        [b"a", b"a" * 33 + b";", b"a" * 33 + b";" + b"a" * 33 + b";"],
        [b"aa", b"a" * 32 + b";", b"a" * 35 + b";"],
    ),
    "unit cycle": ({"start": alt(Ref("other"), A), "other": alt(START, B)}, [b"a", b"b"], [b"", b"ab"]),
    "right recursion": ({"start": alt(seq(A, START), B)}, [b"b", b"aaab"], [b"", b"a", b"ba"]),
    "nesting": (
        {"start": alt(seq(Bytes(b"["), Repeat(START), Bytes(b"]")), A)},
        [b"a", b"[]", b"[a[a]]", b"[" * 50 + b"]" * 50],
        [b"[", b"[]]", b"aa"],
    ),
    "everything nullable": (
        {"start": seq(Ref("x"), Ref("y")), "x": alt(EPSILON, A, seq(Ref("y"), A)), "y": Repeat(Ref("x"), 0, 2)},
        [b"", b"a", b"aa", b"aaa"],
        [b"b"],
    ),
    "dead alternatives": (
        {"start": alt(A, seq(B, Ref("never"))), "never": seq(C, Ref("never"))},
        [b"a"],
        [b"b", b"bc"],
    ),
    "bytes that are not characters": (
        {"start": seq(Bytes(b"\xff"), ByteClass(((128, 255),)))},
        [b"\xff\x80"],
        [b"\xff", b"\xffa"],
    ),
    "intersection and complement": (
        {"start": And((Repeat(LETTER, 1), Not(alt(text("if"), text("else")))))},
        [b"i", b"iff", b"els"],
        [b"if", b"else", b"", b"1"],
    ),
    "complement is of valid UTF-8": (
        {"start": Not(text("é"))},
        [b"", b"a", "éé".encode()],
        ["é".encode(), b"\xc3", b"\xff"],
    ),
    "references inside regular parts": (
        {"start": Not(Ref("word")), "word": Repeat(LETTER)},
        [b"1", b"a1"],
        [b"", b"ab"],
    ),
    "JSON string in every spelling": (
        {"start": JsonString(text("é/"))},
        ['"é/"'.encode(), rb'"\u00e9\/"', rb'"\u00E9\u002f"'],
        ['"é"'.encode(), '"é/'.encode(), rb'"\u00e8/"'],
    ),
    "JSON string with a length": (
        {"start": JsonString(Length(Repeat(ANY_CHAR), 2, 3))},
        [b'"ab"', rb'"\u00e9a"', rb'"\ud83d\ude00\n"', '"😀x"'.encode()],
        [b'"a"', b'"abcd"', rb'"\ud83d"', b'"\n\n"', rb'"\ude00a"'],
    ),
    "JSON string with a large repeat inside": (
        {
            "start": JsonString(
                seq(Repeat(char_class([(97, 122)]), 1, 2000), text("-"), Repeat(alt(text("ab"), text('"')), 2, 900))
            )
        },
        [b'"a-abab"', b'"' + b"z" * 2000 + b'-ab\\""', b'"a-' + b"ab" * 900 + b'"'],
        [b'"-abab"', b'"' + b"z" * 2001 + b'-abab"', b'"a-ab"', b'"a-' + b"ab" * 901 + b'"', b'"a-ab""'],
    ),
    "what is never repeated does not matter": (
        {"start": alt(A, Repeat(Not(Bytes(b"\xc3")), 0, 0), seq(B, Repeat(START, 2, 1)))},
        [b"", b"a"],
        [b"b"],
    ),
    "empty class": ({"start": alt(CharClass(()), NOTHING, A)}, [b"a"], [b""]),
    "repeat of nothing": ({"start": seq(Repeat(NOTHING, 0, 3), Repeat(A, 0, 0), B)}, [b"b"], [b"", b"a", b"ab"]),
}


@pytest.mark.parametrize("name", TABLE)
def test_accepts(name: str) -> None:
    rules, accepted, refused = TABLE[name]
    grammar = Grammar(rules)
    automaton = compile_grammar(grammar)
    for data in accepted + refused:
        assert automaton.accepts(data) is (data in accepted), data
        if len(data) <= 64 and "large" not in name:  # the naive recogniser tries every count
            assert accepts(grammar, data) is (data in accepted), data


def test_limits_that_unroll_nothing_change_nothing() -> None:
    for rules, accepted, refused in TABLE.values():
        automaton = compile_grammar(Grammar(rules), limits=Limits(unrolled=1))
        assert all(map(automaton.accepts, accepted))
        assert not any(map(automaton.accepts, refused))


ERRORS: dict[str, tuple[Rules, type[GrammarError], str]] = {
    "undefined rule": (
        {"start": Ref("vlaue"), "value": A},
        InvalidGrammar,
        "the rule 'vlaue' is not defined\ndid you mean 'value'?",
    ),
    "nothing": (
        {"start": seq(START, A)},
        EmptyLanguage,
        "no text satisfies this grammar\nevery alternative of its start contradicts itself or never ends",
    ),
    "impossible window": (
        {"start": Length(Repeat(Bytes(b"ab")), 3, 3)},
        EmptyLanguage,
        "no text satisfies this grammar\nevery alternative of its start contradicts itself or never ends",
    ),
    "recursion through a complement": (
        {"start": Not(alt(A, START))},
        UnsupportedFeature,
        "the rule 'start' is recursive inside a part that must be regular (And, Not, Length, JsonString)\n"
        "intersections, complements and lengths are decided for regular parts only",
    ),
    "half a character in a text": (
        {"start": Not(Bytes(b"\xc3"))},
        UnsupportedFeature,
        "the bytes b'\\xc3' are not whole characters inside a part that must be text (And, Not, Length, JsonString) "
        "(in the rule 'start')\nuse code points there; bytes may be used freely elsewhere",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    rules, kind, message = ERRORS[name]
    with pytest.raises(kind) as caught:
        compile_grammar(Grammar(rules))
    assert str(caught.value) == message


def test_nodes_nested_too_deep_meet_a_limit() -> None:
    node: Node = A
    for _ in range(300):
        node = seq(node, B)
    with pytest.raises(LimitExceeded, match="nested more than 200 deep"):
        compile_grammar(Grammar({"start": node}))


def test_patterns_that_explode_meet_a_limit() -> None:
    exploding = seq(Repeat(LETTER), A, Repeat(LETTER, 30, 30))
    with pytest.raises(LimitExceeded, match="more than 1000 states"):
        compile_grammar(Grammar({"start": exploding}), limits=Limits(states=1000))


def test_states_at_too_many_positions_meet_a_limit() -> None:
    positions = Positions(Builder(Survey(Grammar({"start": A}), Limits())))
    begin = positions.enter(seq(*[Repeat(LETTER, 0, 1)] * 120), END)  # 121 states at 60 positions each
    assert len(positions.dfa(begin, limit=2000).edges) == 121
    with pytest.raises(LimitExceeded, match="the automaton has more than 1,600 positions in its states"):
        positions.dfa(begin, limit=200)


def test_explain_says_where_and_what() -> None:
    automaton = compile_grammar(Grammar({"start": seq(Bytes(b"["), Repeat(LETTER, 1, 2), Bytes(b"]"))}))
    explanation = automaton.explain(b"[ab1")
    assert (explanation.accepted, explanation.offset, explanation.allowed) == (False, 3, "']'")
    explanation = automaton.explain(b"[a")
    assert (explanation.accepted, explanation.offset, explanation.allowed) == (False, 2, "']' or 'a'-'z'")


def test_deep_nodes_are_named_with_their_rule() -> None:
    node: Node = A
    for _ in range(300):
        node = seq(node, B)
    with pytest.raises(LimitExceeded, match=r"\(in the rule 'deep'\)"):
        compile_grammar(Grammar({"start": seq(A, Ref("deep")), "deep": node}))


EITHER = alt(A, B)
EXPLODING: dict[str, Node] = {
    "a sequence": seq(Repeat(EITHER), A, Repeat(EITHER, 8, 8), Ref("end")),
    "a choice": alt(seq(Repeat(EITHER), A, Repeat(EITHER, 8, 8), Ref("end")), seq(A, Ref("end"))),
    "a repeat": Repeat(seq(Repeat(EITHER), A, Repeat(EITHER, 8, 8), Ref("end")), 1),
    "a bounded repeat of what may be empty": Repeat(
        alt(EPSILON, seq(Repeat(EITHER), A, Repeat(EITHER, 8, 8), Ref("end"))), 0, 2
    ),
}


@pytest.mark.parametrize("name", EXPLODING)
def test_literals_and_calls_that_explode_become_smaller_rules(name: str) -> None:
    grammar = Grammar({"start": EXPLODING[name], "end": C})
    automaton = compile_grammar(grammar, limits=Limits(states=60))
    whole = compile_grammar(grammar)
    automaton.build_all()
    assert automaton.num_rules > whole.num_rules
    for number in range(2**11):
        data = bytes(b"abc"[number >> i & 1] for i in range(10)) + b"c" * (number >> 10)
        assert automaton.accepts(data) is whole.accepts(data), data
        twice = data[::-1] + data
        assert automaton.accepts(twice) is whole.accepts(twice), twice


def test_what_only_building_shows_is_raised_at_once() -> None:
    exploding = seq(Repeat(LETTER), A, Repeat(LETTER, 30, 30))
    for rules in (
        {"start": seq(A, Ref("x")), "x": exploding},
        {"start": seq(A, Ref("x")), "x": seq(B, exploding, Ref("y")), "y": C},
        {"start": seq(A, Ref("x")), "x": alt(seq(Ref("x"), B), exploding)},
    ):
        with pytest.raises(LimitExceeded, match=r"more than 1000 states \(in the rule 'x'\)"):
            compile_grammar(Grammar(rules), limits=Limits(states=1000))


@pytest.mark.parametrize(("low", "high"), [(24, 24), (25, 25), (0, 30), (7, 40), (26, None)])
def test_a_class_is_counted_in_a_string_as_often_as_it_is_repeated(low: int, high: int | None) -> None:
    node = JsonString(Repeat(CharClass(((97, 102), (233, 233))), low, high))
    recogniser = compile_grammar(Grammar({"start": node})).recogniser
    for count in (0, 6, 7, 23, 24, 25, 26, 29, 30, 31, 39, 40, 41, 90):
        for inside in ("a" * count, "é\\u0061" * (count // 2) + "b" * (count % 2)):
            assert recogniser.accepts(f'"{inside}"'.encode()) == (low <= count <= (count if high is None else high))


SHARED = {
    "all": {},
    "an open object": {"type": "object", "properties": {"a": {"type": "string"}}},
    "some types": {"type": ["array", "number", "string"], "minLength": 2},
    "distinct": {"type": "array", "uniqueItems": True, "items": {"type": ["integer", "array"]}},
    "recursive": {"type": "array", "items": {"anyOf": [{"$ref": "#"}, {"type": "object"}, {"type": "integer"}]}},
}


BEGUN = {
    "an open object": ({"type": "object", "properties": {"a": {"type": "string"}}}, ['{"a":"b","c":[1]}', '{"a":1}']),
    "a shared rule itself": ({"type": "string"}, ['"a"', "1"]),
    "another name for one": ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "number"}}}, ["1.5", "a"]),
    "what is one": ({"type": "string", "title": "a"}, ['"\\u0061"', '"']),
    "a list of them": ({"type": "array", "items": {"type": "integer"}}, ["[1, 2]", "[1.5]"]),
}


@pytest.mark.parametrize(("schema", "texts"), BEGUN.values(), ids=BEGUN)
@pytest.mark.parametrize("waits", [False, True])
def test_a_grammar_that_begins_with_shared_rules_has_the_same_texts(
    schema: dict, texts: list[str], waits: bool
) -> None:
    grammar = parse_json_schema(schema, waits=waits)
    begun, alone = compile_grammar(grammar), compile_grammar(replace(parse_json_schema(schema), shared=None))
    right, wrong = (text.encode() for text in texts)
    assert begun.accepts(right)
    assert alone.accepts(right)
    assert not begun.accepts(wrong)
    assert not alone.accepts(wrong)
    for automaton in (begun, alone):
        automaton.build_all()
        assert automaton.is_complete
    again = compile_grammar(grammar)  # what one automaton has asked for is there for another
    assert again.accepts(right)
    assert not again.accepts(wrong)


@pytest.mark.parametrize("schema", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("options", [{}, {"whitespace": "compact"}, {"strings": "ascii"}, {"digits": 3}], ids=str)
def test_what_is_known_of_shared_rules_is_what_a_survey_finds(schema: dict, options: dict) -> None:
    grammar = parse_json_schema(schema, **options)
    known, alone = Survey(grammar, Limits()), Survey(replace(grammar, shared=None), Limits())
    reached = alone.summaries.keys()
    assert grammar.shared
    assert reached <= known.summaries.keys() <= grammar.rules.keys()
    assert {name: known.facts[name] for name in reached} == alone.facts
    assert {name: set(known.left[name]) for name in reached} == {name: set(left) for name, left in alone.left.items()}
    assert (known.clusters, known.early, known.special_tokens) == (alone.clusters, alone.early, alone.special_tokens)
    assert (known.has_distinct, known.has_token_limits) == (alone.has_distinct, alone.has_token_limits)
