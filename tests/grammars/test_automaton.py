"""ByteAutomaton: rules are written when they are entered, and what was given out stays as it was."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
from naive import Symbols
from random_grammars import random_language

from grammars.automaton import ByteAutomaton
from grammars.compile import Limits, compile_grammar
from grammars.errors import EmptyLanguage
from grammars.frontends.json_schema.compiler import parse_json_schema
from grammars.ir import ANY_CHAR, Bytes, Choice, Grammar, JsonString, Length, Node, Ref, Repeat, Sequence, SpecialToken
from grammars.tables import RULE_START, UNBUILT

NESTED: dict[str, Node] = {
    "start": Sequence((Bytes(b"["), Choice((Ref("start"), Ref("word"), Ref("text"))), Bytes(b"]"))),
    "word": Sequence((Bytes(b"w"), Ref("digits"), Repeat(Bytes(b"x"), 50, 60))),
    "text": JsonString(Length(Repeat(ANY_CHAR), 1, 40)),
    "digits": Repeat(Bytes(b"1"), 1, 3),
}


def unbuilt(automaton: ByteAutomaton) -> list[int]:
    return [n for n in range(automaton.num_rules) if automaton.tables.rules[n, RULE_START] == UNBUILT]


def test_a_rule_is_built_when_it_is_entered() -> None:
    automaton = compile_grammar(Grammar(NESTED))
    assert unbuilt(automaton) == [0]
    automaton.build(0)
    assert unbuilt(automaton) == [1, 2]
    assert not automaton.is_complete
    assert automaton.accepts(b'["a"]')
    assert unbuilt(automaton) == [3, 4, 5]  # what the body of `word` calls, which begins behind the bracket too
    automaton.build_all()
    assert automaton.is_complete
    built = automaton.num_states
    automaton.build(1)
    assert automaton.num_states == built


def test_the_rules_of_any_value_are_there_from_the_start() -> None:
    automaton = compile_grammar(parse_json_schema({"type": "array", "items": {}}))
    assert unbuilt(automaton) == [0]
    assert automaton.accepts(b'[{"a": [1, null]}]')


def test_tables_that_were_given_out_are_not_written_again() -> None:
    rules: dict[str, Node] = {f"r{i}": Sequence((Bytes(b"a" * 40), Ref(f"r{i + 1}"))) for i in range(60)}
    automaton = compile_grammar(Grammar({**rules, "r60": Bytes(b"b")}, start="r0"))
    automaton.build(0)
    before, used = automaton.tables, (automaton.num_states, automaton.num_edges)
    copies = before.states[: used[0]].copy(), before.edges[: used[1]].copy()
    automaton.build_all()
    assert automaton.tables is not before
    assert len(automaton.tables.states) >= automaton.num_states + 1
    for tables in (before, automaton.tables):
        assert np.array_equal(tables.states[: used[0]], copies[0])
        assert np.array_equal(tables.edges[: used[1]], copies[1])
    assert all(array.flags.c_contiguous and array.dtype == np.int32 for array in automaton.tables)


def test_threads_build_each_rule_once() -> None:
    rules: dict[str, Node] = {f"r{i}": Sequence((Bytes(b"%d" % i), Ref(f"r{i + 1}"))) for i in range(200)}
    grammar = Grammar({**rules, "r200": Bytes(b"b")}, start="r0")
    alone, shared = compile_grammar(grammar), compile_grammar(grammar)
    alone.build_all()
    threads = [threading.Thread(target=shared.build_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.is_complete
    assert (shared.num_rules, shared.num_states) == (alone.num_rules, alone.num_states)


def test_equal_leaves_have_one_key_in_all_grammars() -> None:
    keys = []
    for rules in (NESTED, {"start": Choice((Ref("other"), Ref("digits"))), "other": NESTED["text"]}):
        automaton = compile_grammar(Grammar({**NESTED, **rules}))
        automaton.build_all()
        keys.append({automaton.leaf_key(n) for n in range(automaton.num_rules)} - {None})
    assert keys[1] <= keys[0]
    assert len(keys[1]) == 2


def test_rules_with_calls_or_special_tokens_have_no_key() -> None:
    automaton = compile_grammar(Grammar({"start": Sequence((Ref("t"), Ref("t"))), "t": SpecialToken("<t>")}))
    automaton.build_all()
    assert [automaton.leaf_key(n) for n in range(automaton.num_rules)] == [None, None]
    assert automaton.special_tokens == ("<t>",)


def test_special_tokens_are_known_from_the_start() -> None:
    rules: dict[str, Node] = {"start": Sequence((Bytes(b"a"), Ref("x"))), "x": Choice((SpecialToken("<b>"), Ref("y")))}
    automaton = compile_grammar(Grammar({**rules, "y": SpecialToken("<a>")}))
    assert sorted(automaton.special_tokens) == ["<a>", "<b>"]


def test_used_bytes_are_those_of_all_rules() -> None:
    assert compile_grammar(
        Grammar({"start": Sequence((Bytes(b"ab"), Ref("x"))), "x": Bytes(b"z")})
    ).used_bytes() == set(b"abz")


def test_without_bytes_leaves_the_texts_that_have_none_of_them() -> None:
    grammar = Grammar(
        {"start": Choice((Sequence((Ref("x"), Bytes(b"b"))), Ref("x"))), "x": Repeat(Bytes(b"a"), 40, 60)}
    )
    left = compile_grammar(grammar).without_bytes(frozenset(b"b"))
    assert left.accepts(b"a" * 50)
    assert not left.accepts(b"a" * 50 + b"b")
    assert left.is_complete
    assert left.used_bytes() == set(b"a")
    with pytest.raises(EmptyLanguage, match="without certain bytes"):
        compile_grammar(grammar).without_bytes(frozenset(b"a"))


@pytest.mark.parametrize("seed", range(40))
def test_the_machine_and_the_naive_one_allow_the_same(seed: int) -> None:
    rng = random.Random(seed)
    grammar, language = random_language(rng)
    if language.is_empty():
        return
    automaton = compile_grammar(grammar, limits=Limits(unrolled=rng.choice((0, 2, 32))))
    symbols = [*range(256), *automaton.special_tokens]
    for _ in range(3):
        at = automaton.recogniser.start
        text: Symbols = ()
        for _ in range(8):
            allowed = {s for low, high in automaton.recogniser.allowed(at) for s in range(low, high + 1)}
            assert at.accepting is language.accepts(text)
            assert {symbols[s] for s in allowed} == set(language.following(text))
            if not allowed:
                break
            symbol = rng.choice(sorted(allowed))
            at, text = automaton.recogniser.step(at, symbol), (*text, symbols[symbol])
