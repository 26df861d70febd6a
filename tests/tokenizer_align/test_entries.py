"""What an object still costs: by hand, in bytes; the laws compare more of them with the masks of budgets."""

from __future__ import annotations

import numpy as np
import pytest
from toys import byte_vocabulary

from grammars.compile import compile_grammar
from grammars.ir import Bytes, Grammar, JsonString, Members, Ref, Repeat, text
from grammars.rules import Kind
from grammars.tables import MEMBERS_AFTER, RULE_KIND, STATE_FINAL
from tokenizer_align.constraint import align
from tokenizer_align.entries import written_apart

OTHER = ((JsonString(Repeat(text("x"), 1, 2)), Bytes(b":9")),)
OBJECT = Members(
    Bytes(b"{"),
    (b'"a"', b'"ab"', b'"b"', b'"c"'),
    (Bytes(b":1"), Ref("value"), Bytes(b":3"), Ref("start")),
    frozenset({1}),
    OTHER,
    Bytes(b","),
    Bytes(b"}"),
)
GRAMMAR = Grammar({"start": OBJECT, "value": Bytes(b":22")})

CHEAPEST = {
    "": '{"ab":22}',
    "{": '"ab":22}',
    '{"a': 'b":22}',
    '{"a"': ':1,"ab":22}',
    '{"a":1': ',"ab":22}',
    '{"ab":2': "2}",
    '{"ab":22': "}",
    '{"ab":22,': '"b":3}',
    '{"ab":22,"': 'b":3}',
    '{"ab":22,"c"': '{"ab":22}}',
    '{"ab":22,"b":3,': '"x":9}',
    '{"ab":22,"x":': "9}",
    '{"ab":22,"c"{"ab":22': "}}",
}


@pytest.mark.parametrize(("begun", "rest"), CHEAPEST.items())
def test_cheapest_way_to_the_end(begun: str, rest: str) -> None:
    constraint = align(compile_grammar(GRAMMAR), byte_vocabulary())
    state = constraint.start
    for token in begun.encode():
        state = constraint.advance(state, token)
    assert constraint.min_tokens_to_end(state) == len(rest)
    assert compile_grammar(GRAMMAR).accepts((begun + rest).encode())


def test_no_rule_of_members_is_left() -> None:
    automaton = compile_grammar(GRAMMAR)
    automaton.build_all()
    apart = written_apart(automaton)
    assert len(apart.objects) == 1
    assert set(apart.tables.rules[:, RULE_KIND].tolist()) == {Kind.PLAIN, Kind.OPENING}
    before, after = automaton.tables.states[: automaton.num_states], apart.tables.states[: automaton.num_states]
    behind_value = automaton.tables.rules[0, MEMBERS_AFTER]
    assert np.argwhere(before != after).tolist() == [[behind_value, STATE_FINAL]]
