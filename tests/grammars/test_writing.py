"""Grammars that are written and read again have the same texts; other engines read them too, where there are some."""

from __future__ import annotations

import os
import random

import lark
import pytest
from random_grammars import random_language

from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, LimitExceeded, UnsupportedFeature
from grammars.frontends.gbnf import parse_gbnf
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.lark import parse_lark
from grammars.frontends.regex import parse_regex
from grammars.ir import (
    AtMostTokens,
    ByteClass,
    Bytes,
    Choice,
    Grammar,
    Length,
    Node,
    Repeat,
    Sequence,
    SpecialToken,
    text,
)
from grammars.samples import Samples
from grammars.uniform import Uniform
from grammars.writing import write_grammar

CASES = int(os.environ.get("GCD_WRITING_CASES", "16"))


def counts(automaton: ByteAutomaton, longest: int) -> list[int]:
    """How many texts there are of each length."""
    found = []
    for length in range(longest + 1):
        try:
            found.append(Uniform(automaton, length, limit=3000).count)
        except LimitExceeded as error:
            if "takes more than" in error.message:
                break
            found.append(0)
    return found


def check_same(grammar: Grammar, longest: int, rng: random.Random) -> None:
    written = write_grammar(grammar)
    first, second = compile_grammar(grammar), compile_grammar(parse_lark(written))
    assert counts(second, longest) == counts(first, longest), written
    if first.special_tokens:
        return  # a drawn text has their names, which `accepts` takes for text
    for one, other in ((grammar, second), (parse_lark(written), first)):
        samples = Samples(one, 60)
        assert [sample for sample in (samples.draw(rng) for _ in range(8)) if not other.accepts(sample)] == [], written


@pytest.mark.parametrize("seed", range(CASES))
def test_what_is_written_has_the_same_texts(seed: int) -> None:
    rng = random.Random(seed)
    grammar, _ = random_language(rng)
    try:
        compile_grammar(grammar).build_all()
        Samples(grammar, 60)
        write_grammar(grammar)
    except GrammarError:
        pytest.skip("no text, or none that has a notation")
    try:
        check_same(grammar, 5, rng)
    except EmptyLanguage:
        pytest.fail(write_grammar(grammar))


SCHEMAS: list[dict[str, object]] = [
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", None]}}, "required": ["b"]},
    {"type": "string", "minLength": 2, "maxLength": 900},
    {"type": "string", "pattern": "^[a-c]+$", "maxLength": 4},
    {"type": "number", "minimum": -2.5, "maximum": 17},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 40},
    {"type": "object", "properties": {"a": {}, "b": {}}, "minProperties": 1, "additionalProperties": False},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schemas(schema: dict[str, object]) -> None:
    check_same(parse_json_schema(schema, whitespace="compact"), 7, random.Random(1))


@pytest.mark.parametrize(
    "pattern", ["(19|20)[0-9]{2}(-[01]?[0-9])*", '[^\\]\\-^/"]{2,}x?', "é|\\n|\\x00[\\ud7ff-\\uffff]", "a{3,}"]
)
def test_regexes(pattern: str) -> None:
    check_same(Grammar({"start": parse_regex(pattern)}), 6, random.Random(2))


@pytest.mark.parametrize(
    ("node", "as_lark", "as_gbnf"),
    [
        (Choice((text("a"), Bytes(b""))), 'start: "a"?\n', 'root ::= "a"?\n'),
        (Repeat(Choice((text('"'), text("\n"))), 2), 'start: ("\\"" | "\\n") ~ 2 ("\\"" | "\\n")*\n',
         'root ::= ("\\"" | "\\n"){2,}\n'),
        (Repeat(text("ab"), 0, 3), 'start: "ab" ~ 0..3\n', 'root ::= "ab"{0,3}\n'),
        (Repeat(Repeat(text("a"), 0, 1), 1, None), 'start: ("a"?)+\n', 'root ::= ("a"?)+\n'),
        (ByteClass(((48, 57), (93, 93))), "start: /[0-9\\]]/\n", "root ::= [0-9\\]]\n"),
        (Length(Repeat(text("é")), 1, 2), 'start: text\ntext: text_character ~ 1..2\ntext_character: "é"\n',
         'root ::= text\ntext ::= text-character{1,2}\ntext-character ::= "é"\n'),
    ],
)  # fmt: skip
def test_notations(node: Node, as_lark: str, as_gbnf: str) -> None:
    grammar = Grammar({"start": node})
    assert write_grammar(grammar) == as_lark
    assert write_grammar(grammar, "gbnf") == as_gbnf


def test_special_tokens_are_read_as_they_are_written() -> None:
    start = Sequence((SpecialToken("<|tool|>"), Repeat(SpecialToken("<[7]>")), Bytes(b"a")))
    written = {"lark": 'start: <|tool|> <[7]>* "a"\n', "gbnf": 'root ::= <|tool|> <[7]>* "a"\n'}
    assert {dialect: write_grammar(Grammar({"start": start}), dialect) for dialect in ("lark", "gbnf")} == written
    assert parse_lark(written["lark"]).rules == {"start": start}
    assert parse_gbnf(written["gbnf"]).rules == {"root": start}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Bytes(b"\xff"), "the bytes b'\\xff' are no text, and have no notation in other grammars"),
        (ByteClass(((0x61, 0x80),)), "the bytes b'\\x80' are no text, and have no notation in other grammars"),
        (SpecialToken("[INST]"), "the special token [INST] has no notation in other grammars"),
        (AtMostTokens(Bytes(b"a"), 5), "a limit in tokens has no notation in other grammars"),
    ],
)
def test_what_has_no_notation(node: Node, message: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        write_grammar(Grammar({"start": node}))
    assert str(caught.value) == message


@pytest.mark.parametrize("schema", SCHEMAS[2:4])
def test_lark_reads_it(schema: dict[str, object]) -> None:
    grammar = parse_json_schema(schema, whitespace="compact")
    parser = lark.Lark(write_grammar(grammar), parser="earley", lexer="dynamic_complete")
    samples = Samples(grammar, 30)
    for seed in range(5):
        assert parser.parse(samples.draw(random.Random(seed)).decode()).data == "start"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_xgrammar_reads_the_gbnf(schema: dict[str, object]) -> None:
    if "GCD_OTHER_ENGINES" not in os.environ:
        pytest.skip("importing another engine takes seconds: GCD_OTHER_ENGINES=1 runs this where xgrammar is installed")
    xgrammar = pytest.importorskip("xgrammar")
    from xgrammar.testing import _is_grammar_accept_string as accepts

    grammar = parse_json_schema(schema, whitespace="compact")
    other = xgrammar.Grammar.from_ebnf(write_grammar(grammar, "gbnf"))
    automaton, samples, rng = compile_grammar(grammar), Samples(grammar, 60), random.Random(5)
    for _ in range(10):
        sample = samples.draw(rng).decode()
        assert accepts(other, sample), sample
        at = rng.randrange(len(sample))
        changed = sample[:at] + rng.choice('x1"}') + sample[at + 1 :]
        assert accepts(other, changed) == automaton.accepts(changed.encode()), changed
