"""Openings: an object is written when a key of it is read, and masks and costs are those of objects written at once.

The twin is the engine without openings; the naive one is in the mask law. A failing seed prints its schema.
"""

from __future__ import annotations

import json
import random
import re

import pytest
from data import tokenizer_folder
from random_schemas import random_schema

from grammars import builder
from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.errors import GrammarError
from grammars.frontends.json_schema import parse_json_schema
from grammars.rules import Kind
from grammars.tables import RULE_KIND, RULE_START, UNBUILT
from tokenizer_align.arena import Configurations
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.vocabulary import Vocabulary

BYTES = [bytes([byte]) for byte in range(256)]
APART = Vocabulary([*BYTES, b'{"', b' {"', b"{}", b'":', b""], eos_token_ids=[260])
ACROSS = Vocabulary(
    [*BYTES, b'{"', b'{"a', b'{"a":', b'{ "b', b'{"c": {"a', b'[{"', b'{"}', b'}, "b"', b'{}, {"', b'":{"', b""],
    eos_token_ids=[266],
)


def written(automaton: ByteAutomaton) -> int:
    """How many objects are written."""
    rules = automaton.tables.rules[: automaton.num_rules]
    return int(((rules[:, RULE_KIND] == Kind.MEMBERS) & (rules[:, RULE_START] != UNBUILT)).sum())


def behind(constraint: Constraint, *tokens: bytes) -> ByteAutomaton:
    """The automaton after the masks along some tokens, the last one included."""
    state = constraint.start
    for token in tokens:
        constraint.mask(state)
        state = constraint.advance(state, constraint.vocabulary.tokens.index(token))
    constraint.mask(state)
    return constraint.automaton


def test_an_object_is_written_when_a_key_is_read() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    schema = {"type": "object", "properties": {"a": inner, "b": inner}}
    for tokens, objects in (((), 0), ((b"{}",), 0), ((b'{"',), 1), ((b'{"', b"a", b'":'), 1)):
        assert written(behind(align(compile_grammar(parse_json_schema(schema)), APART), *tokens)) == objects, tokens
    assert written(behind(align(compile_grammar(parse_json_schema(schema)), ACROSS))) == 1  # {"a": {"x could come


def test_objects_that_may_be_empty_have_another_opening() -> None:
    one, two = ({"type": "object", "properties": {"a": {}}, "required": required} for required in ([], ["a"]))
    automaton = compile_grammar(parse_json_schema({"anyOf": [one, {"type": "array", "items": two}]}))
    automaton.build_all()
    assert automaton.accepts(b"{}")
    assert not automaton.accepts(b"[{}]")
    assert (automaton.tables.rules[: automaton.num_rules, RULE_KIND] == Kind.OPENING).sum() == 2


@pytest.mark.parametrize("seed", [*range(60), 283, 408])  # 283, 408: an arena that grew while an object was opened
def test_masks_and_costs_are_those_of_objects_written_at_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    schema = {"type": "object", "properties": {name: random_schema(rng, 2) for name in "abc"}}
    schema["required"] = rng.sample("abc", rng.randint(0, 2))
    vocabulary = rng.choice([APART, ACROSS])
    if rng.random() < 0.7:  # an arena that grows often: kernels stop for it wherever they are, and are called again
        least = {"first": 1 << 10, "limit": 1 << 28, "unions": 2}
        monkeypatch.setattr(Configurations.__init__, "__kwdefaults__", least)
    try:
        one = align(compile_grammar(parse_json_schema(schema)), vocabulary)
    except GrammarError:
        return
    with monkeypatch.context() as patch:
        patch.setattr(builder, "key_byte", lambda node, survey: 0)
        other = align(compile_grammar(parse_json_schema(schema)), vocabulary)
        other.automaton.build_all()
    asks = rng.choice([0.0, 0.1, 1.0])  # how often for costs: from then on all rules are written
    for _ in range(8):
        left, right = one.start, other.start
        for _ in range(30):
            row = one.mask(left)
            assert row.tolist() == other.mask(right).tolist(), json.dumps(schema)
            if rng.random() < asks:
                least = one.min_tokens_to_end(left)
                assert least == other.min_tokens_to_end(right), json.dumps(schema)
                for budget in (least + 1, least + 3):
                    assert one.mask(left, budget).tolist() == other.mask(right, budget).tolist(), json.dumps(schema)
            allowed = [
                t for t in range(vocabulary.size) if row[t >> 5] >> (t & 31) & 1 and t not in vocabulary.eos_token_ids
            ]
            if not allowed:
                break
            token = rng.choice([t for t in allowed if len(vocabulary.tokens[t]) > 1] or allowed)
            left, right = one.advance(left, token), other.advance(right, token)


@pytest.mark.parametrize("name", ["gemma3", "gpt2", "gpt4o", "llama2", "llama3_1", "qwen2_5"])
def test_no_token_of_real_vocabularies_goes_on_behind_the_quote_of_a_first_key(name: str) -> None:
    tokens = Vocabulary.from_tokenizer(tokenizer_folder(name)).tokens
    assert [token for token in tokens if re.match(rb'\s*\{\s*"[^"]', token)] == []
