"""Objects as one rule: what is in the language, what it is made of, and that it equals the rules written one by one."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from naive import Language
from random_grammars import Draw

from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, InvalidGrammar
from grammars.ir import NOTHING, Bytes, Choice, Grammar, JsonString, Members, Node, Ref, Repeat, Sequence, text
from grammars.members import Order, members_piece
from grammars.positions import SOLID
from grammars.rules import Kind
from grammars.tables import CALL_RULE, FIRST_CALL, RULE_KIND
from grammars.written_members import written_as_rules

OTHER = ((JsonString(Repeat(text("x"), 1, 2)), Bytes(b":9")),)
GAP: Node = Repeat(Bytes(b" "), 0, 2)


def members(*, required: set[int] = frozenset(), rest: bool = False, empty: bool = True) -> Members:  # type: ignore[assignment]
    """`{"a":1,"ab":2,"b":3}`, with gaps around the commas."""
    return Members(
        Bytes(b"{"),
        (b'"a"', b'"ab"', b'"b"'),
        (Bytes(b":1"), Sequence((Bytes(b":"), Ref("two"))), Bytes(b":3")),
        frozenset(required),
        OTHER if rest else (),
        Sequence((Ref("gap"), Bytes(b","), Ref("gap"))),
        Sequence((Ref("gap"), Bytes(b"}"))),
        Bytes(b"}") if empty else None,
    )


def grammar(node: Node) -> Grammar:
    return Grammar({"start": node, "two": Bytes(b"2"), "gap": GAP})


CASES = [
    (members(), ["{}", '{"a":1}', '{"a":1 ,  "b":3 }', '{"ab":2}', '{"a":1,"ab":2,"b":3}'], ["{", '{"b":3,"a":1}']),
    (members(), ['{"b":3}'], ['{"a":1,"a":1}', '{"a":1,}', '{"ab":2,"ab":2}', '{,"a":1}', "{ }", '{"a":1}}']),
    (members(empty=False), ['{"a":1}'], ["{}", "{ }"]),
    (members(required={1}), ['{"ab":2}', '{"a":1,"ab":2}', '{"ab":2,"b":3}'], ["{}", '{"a":1}', '{"b":3}']),
    (members(required={0, 2}), ['{"a":1,"b":3}', '{"a":1,"ab":2,"b":3}'], ['{"a":1}', '{"b":3}', '{"ab":2,"b":3}']),
    (members(rest=True), ['{"x":9}', '{"b":3,"xx":9,"x":9}'], ['{"x":9,"b":3}', '{"x":9,}', '{"xxx":9}']),
    (members(rest=True, required={2}), ['{"b":3}', '{"b":3,"x":9}'], ['{"x":9}', '{"x":9,"b":3}', "{}"]),
]  # fmt: skip


@pytest.mark.parametrize(("node", "accepted", "refused"), CASES)
def test_texts(node: Members, accepted: list[str], refused: list[str]) -> None:
    automaton, language = compile_grammar(grammar(node)), Language(grammar(node))
    for told, texts in ((True, accepted), (False, refused)):
        assert {t: automaton.accepts(t.encode()) for t in texts} == dict.fromkeys(texts, told)
        assert {t: language.accepts(t.encode()) for t in texts} == dict.fromkeys(texts, told)


def test_order_of_two_members() -> None:
    class NoCallees:
        writes_parts = False

        def is_counted(self, node: Repeat) -> bool:
            return False

        def callee(self, node: Node) -> tuple[int, int]:
            return SOLID, 7

        def literal(self, node: Node) -> bytes | None:
            return None

        def special(self, name: str) -> int:
            raise AssertionError(name)

    node = Members(Bytes(b"{"), (b"a", b"bc"), (Ref("x"), Ref("x")), frozenset({1}), (), Bytes(b","), Bytes(b"}"), None)
    piece, order = members_piece(node, NoCallees(), limit=100)
    assert isinstance(order, Order)
    assert order.table[:3].tolist() == [1, 1, 2]  # the first required member from 0, from 1 and from 2 on
    states = len(piece.states)
    pairs = order.table[3 : 3 + 2 * states].reshape(-1, 2).tolist()
    lists = [order.table[first : first + size].tolist() if size > 0 else size for first, size in pairs]
    #        {       a or b  behind a  c    behind bc  , or }     a or b  the end
    assert lists == [[0, 1], [0, 1], -1, [1], -1, [0, 1, 2], [0, 1], [2]]
    assert [first for first, size in pairs if size < 0] == [0, 1]
    assert pairs[order.after] == pairs[5]


def test_rules_do_not_grow_with_the_members() -> None:
    def states(count: int) -> tuple[int, int]:
        node = replace(members(), keys=tuple(b'"%05d"' % i for i in range(count)), values=(Bytes(b":1"),) * count)
        automaton = compile_grammar(grammar(node))
        automaton.build_all()
        kinds = automaton.tables.rules[: automaton.num_rules, RULE_KIND].tolist()
        assert kinds.count(Kind.MEMBERS) == 1
        return automaton.num_rules, automaton.num_states

    (few, small), (many, large) = states(100), states(1000)
    assert few == many
    assert large < 11 * small


@pytest.mark.parametrize("seed", range(60))
def test_equals_the_members_written_as_rules(seed: int) -> None:
    rng = random.Random(seed)
    rules = Draw(rng).members("v")
    whole = Grammar({**rules, "start": Ref("o")})
    try:
        one, other = compile_grammar(whole).recogniser, compile_grammar(written_as_rules(whole)).recogniser
    except EmptyLanguage:
        with pytest.raises(EmptyLanguage):
            compile_grammar(written_as_rules(whole))
        return
    for _ in range(10):
        left, right = one.start, other.start
        for _ in range(25):
            assert (one.allowed(left), left.accepting) == (other.allowed(right), right.accepting), f"seed {seed}"
            if not (ranges := one.allowed(left)):
                break
            symbol = rng.randint(*rng.choice(ranges))
            left, right = one.step(left, symbol), other.step(right, symbol)


@pytest.mark.parametrize("seed", range(40))
def test_objects_that_are_alike_are_as_if_made_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    rules = Draw(rng).members("v")
    first = rules["o"]
    assert isinstance(first, Members)
    whole = {**rules, "start": Choice(tuple([Ref(name) for name in ("o", "o1", "o2", "o3")]))}
    for name in ("o1", "o2", "o3"):
        order = rng.sample(range(len(first.keys)), len(first.keys))
        values = [Ref(rng.choice("vo")) if isinstance(first.values[i], Ref) else first.values[i] for i in order]
        required = frozenset(i for i in range(len(order)) if rng.random() < 0.3)
        whole[name] = replace(first, keys=tuple(first.keys[i] for i in order), values=tuple(values), required=required)

    def built(many: int) -> ByteAutomaton:
        monkeypatch.setattr("grammars.members._MANY", many)
        automaton = compile_grammar(Grammar(whole))
        automaton.build_all()
        return automaton

    try:
        one, other = built(1), built(1000)
    except EmptyLanguage:
        return
    assert (one.num_rules, one.num_states) == (other.num_rules, other.num_states)
    for left, right in zip(one._rules.store.written(), other._rules.store.written(), strict=True):
        assert np.array_equal(left, right), f"seed {seed}"


@pytest.mark.parametrize("room", [0, 2, 4096])
def test_literal_values_beyond_the_room_are_rules(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grammars.members._WRITTEN", room)
    automaton = compile_grammar(grammar(members(required={1})))
    automaton.build_all()
    assert automaton.accepts(b'{"a":1,"ab":2}')
    assert not automaton.accepts(b'{"a":1,"ab":1}')
    called = automaton.tables.calls[: automaton.tables.states[automaton.num_states, FIRST_CALL], CALL_RULE]
    assert len({*called.tolist()}) == {0: 4, 2: 3, 4096: 1}[room]  # the gap, and values


def test_a_member_without_a_value_is_never_written() -> None:
    node = replace(members(), values=(NOTHING, Bytes(b":2"), Bytes(b":3")))
    assert not compile_grammar(grammar(node)).accepts(b'{"a"')
    assert compile_grammar(grammar(node)).explain(b"{").allowed == "'\"' or '}'"
    assert compile_grammar(grammar(node)).explain(b'{"').allowed == "'a'-'b'"
    assert compile_grammar(grammar(node)).explain(b'{"a').allowed == "'b'"
    with pytest.raises(EmptyLanguage):
        compile_grammar(grammar(replace(node, required=frozenset({0}))))


WRONG = [
    (replace(members(), keys=(b"", b"a", b"b")), "a key of Members is empty"),
    (replace(members(), keys=(b"a", b"ab", b"c")), "the key b'a' of Members begins the key b'ab'"),
    (replace(members(), keys=(b"a", b"a", b"c")), "the key b'a' of Members begins the key b'a'"),
    (replace(members(), values=()), "Members has not one value for each key, or requires what has no number"),
    (members(required={3}), "Members has not one value for each key, or requires what has no number"),
    (
        replace(members(), end=Bytes(b",}")),
        "the separator and the end of Members must be told apart by their first literals",
    ),
    (
        replace(members(), separator=GAP),
        "what stands around Members must be literals and references, with one literal at least",
    ),
    (replace(members(), empty=Bytes(b'"')), "a key of Members begins as what ends an object without members"),
    (
        replace(members(), values=(Ref("gap"), Bytes(b"1"), Bytes(b"1"))),
        "a value of the members in the rule 'start' may be empty",
    ),
    (
        replace(members(), begin=Sequence((Bytes(b"{"), Ref("nothing")))),
        "there is no text around the members in the rule 'start'",
    ),
]


@pytest.mark.parametrize(("node", "message"), WRONG)
def test_what_is_no_members_is_refused(node: Members, message: str) -> None:
    rules: dict[str, Node] = {**grammar(Choice((node, Bytes(b"!")))).rules, "nothing": NOTHING}
    with pytest.raises(InvalidGrammar) as caught:
        compile_grammar(Grammar(rules))
    assert message in str(caught.value)
