"""Arrays whose items must differ: masks, ends and budgets beside the list of all texts."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np
import pytest

from grammars.compile import compile_grammar
from grammars.history import value_of
from grammars.ir import EPSILON, Bytes, Choice, Distinct, Grammar, JsonString, Length, Node, Ref, Repeat, Sequence
from grammars.ir import char_class as chars
from tokenizer_align.constraint import Constraint, State, align
from tokenizer_align.vocabulary import Vocabulary

COMMA, OPEN, CLOSE = Bytes(b","), Bytes(b"["), Bytes(b"]")


def lit(*texts: str) -> Node:
    return Choice(tuple(Bytes(text.encode()) for text in texts))


def array(item: Node, low: int = 0, high: int | None = None) -> Node:
    """An array of `low` to `high` items."""
    more = Repeat(Sequence((COMMA, item)), max(0, low - 1), None if high is None else high - 1)
    full = Sequence((OPEN, item, more, CLOSE))
    return full if low else Choice((Bytes(b"[]"), full))


def texts(node: Node, rules: dict[str, Node], depth: int = 0) -> set[bytes]:
    """All texts of a node that has finitely many; what repeats without an end, at most three times."""
    match node:
        case Bytes(data):
            return {data}
        case Choice(items):
            return set().union(*(texts(item, rules, depth) for item in items))
        case Sequence(items):
            return {b"".join(parts) for parts in product(*(texts(item, rules, depth) for item in items))}
        case Repeat(item, low, high):
            once = texts(item, rules, depth)
            counts = range(low, (3 if high is None else high) + 1)
            return {b"".join(parts) for n in counts for parts in product(once, repeat=n)}
        case Ref(name):
            return texts(rules[name], rules, depth)
        case Distinct(item):
            found = {text: read(text) for text in texts(item, rules, depth)}
            return {text for text, value in found.items() if value is not None and differ(value)}
    raise AssertionError(node)


def read(text: bytes) -> list[object] | None:
    """The items of an array; None where an object in it has a key twice."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        found: list[object] = json.loads(text, object_pairs_hook=once)
    except ValueError:
        return None
    return found


def differ(items: Iterable[object]) -> bool:
    """Whether no two items are equal; the twin of `History`."""
    seen: list[object] = []
    for item in items:
        if any(is_equal(item, other) for other in seen):
            return False
        seen.append(item)
    return True


def is_equal(left: object, right: object) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_equal, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


AB = lit('"a"', '"b"')
NUMBER = lit("1", "1.0", "10e-1", "12", "-0", "0")
ESCAPED = lit('"a"', '"\\u0061"', '"é"', '"\\u00E9"', '"\\u00e9"', '"\\ud83d\\ude00"', '"😀"')
OBJECT = lit('{"a":1}', '{"a":1,"b":2}', '{"b":2,"a":1}', '{"a":2}', "{}")
CASES: dict[str, tuple[dict[str, Node], tuple[str, ...]]] = {
    "enum": ({"start": Distinct(array(AB, 0, 3))}, ('"a"', '","', '","a', "[", "]", '["a","a"]', '"]')),
    "all are needed": (
        {"start": Distinct(array(Ref("n"), 3, 3), needs=(9, 9, 9)), "n": lit("1", "2", "3")},
        ("1,", ",2", "1,1", "[1", "1]"),
    ),
    "numbers": ({"start": Distinct(array(NUMBER, 0, 3))}, ("1,", ",1", "0,", ".0", "1.0", "[1,1", "e-1")),
    "escapes": ({"start": Distinct(array(ESCAPED, 0, 2))}, ("\\u", "\\u0061", '","', '"a"', "é", "00e9", "😀")),
    "objects": ({"start": Distinct(array(OBJECT, 0, 2))}, ('{"', '":1', "},{", '":2}', ',"a"', '1,"a":2}', '{"a":')),
    "literals": ({"start": Distinct(array(lit("true", "false", "null"), 0, 3))}, ("true", "e,", "null,", "false]")),
    "prefixes": ({"start": Distinct(array(lit('""', '"a"', '"ab"', '"abc"'), 0, 3))}, ('","', '"",', 'b"', '"",""')),
    "nested": (
        {"start": Distinct(array(Ref("in"), 0, 3)), "in": Distinct(array(lit("1", "2"), 0, 2))},
        ("[[", "]]", "],[", "1,2", "[1", "]", "[1,", "[[1],[1"),
    ),
    "only the inner": (
        {"start": array(Ref("in"), 0, 2), "in": Distinct(array(lit("1", "2"), 0, 2))},
        ("[[", "]]", "],[", "1,2", "[1", "],[1"),
    ),
    "only the outer": (
        {"start": Distinct(array(array(lit("1", "2"), 0, 2), 0, 2))},
        ("[[", "]]", "],[", "1,1", "[1", "],[1", "],[1]"),
    ),
    "one or the other": (
        {"start": Choice((Distinct(array(AB, 0, 2)), array(Bytes(b'"a"'), 0, 3), Bytes(b"[7]")))},
        ('["', '","', 'a"', '"]', '["a","a"'),
    ),
    "two of them": (
        {
            "start": Choice((Ref("x"), Ref("y"))),
            "x": Distinct(array(AB, 0, 2)),
            "y": Distinct(array(Ref("z"), 2, 2), needs=(9, 9)),
            "z": lit('"a"', "1"),
        },
        ('["', '","', 'a"', '"]', '["a","a"'),
    ),
    "in an object": (
        {
            "start": Sequence(
                (Bytes(b'{"k":'), Choice((EPSILON, Bytes(b" "))), Ref("x"), Bytes(b',"l":'), Ref("x"), Bytes(b"}"))
            ),
            "x": Distinct(array(AB, 0, 2)),
        },
        ('{"k":', '["a"', '"],"', '],"l":[', '","', '":["a","b"]'),
    ),
    "whitespace": (
        {
            "start": Distinct(
                Sequence((OPEN, Ref("w"), Ref("s"), Ref("w"), COMMA, Ref("w"), Ref("s"), Ref("w"), CLOSE)),
                needs=(11, 11),
            ),
            "s": AB,
            "w": lit("", " ", "\n"),
        },
        (' "', '",', ' "a"', ', "', '"]', '" ', ' "a" ,'),
    ),
    "tails": (
        {
            "start": Distinct(Sequence((OPEN, Ref("first")))),
            "first": Choice((CLOSE, Sequence((AB, Ref("more"))))),
            "more": Choice((CLOSE, Sequence((COMMA, AB, CLOSE)))),
        },
        ('["', '","', 'a"', '"]'),
    ),
}


def vocabulary_of(more: Iterable[str], alphabet: Iterable[int]) -> Vocabulary:
    tokens = [*(bytes((byte,)) for byte in sorted(alphabet)), *(text.encode() for text in more), b"<eos>"]
    return Vocabulary(tokens, eos_token_ids=[len(tokens) - 1], special_tokens={"<eos>": len(tokens) - 1})


def prefixes_of(members: set[bytes]) -> set[bytes]:
    return {member[:n] for member in members for n in range(len(member) + 1)}


def allowed(constraint: Constraint, state: State, budget: int | None = None) -> set[int]:
    row = constraint.mask(state, budget)
    return set(np.unpackbits(row.view(np.uint8), bitorder="little").nonzero()[0].tolist())


def states_of(
    constraint: Constraint, prefixes: set[bytes], pick: random.Random | None = None
) -> Iterator[tuple[bytes, State]]:
    """Every text that tokens of the vocabulary spell and some member begins with, and the state behind it.

    With `pick`, those that are met on thirty ways from the start to an end.
    """
    pending, seen = [(b"", constraint.start)], {b""}
    eos = constraint.vocabulary.eos_token_ids[0]
    for _ in range(30 if pick else 1):
        while pending:
            text, state = pending.pop()
            yield text, state
            following = []
            for token, data in enumerate(constraint.vocabulary.tokens):
                longer = text + data
                if token != eos and longer in prefixes and longer not in seen:
                    following.append((longer, token))
            for longer, token in [pick.choice(following)] if pick and following else following:
                seen.add(longer)
                pending.append((longer, constraint.advance(state, token)))
        pending.append((b"", constraint.start))


@pytest.mark.parametrize("name", CASES)
def test_masks_are_those_of_the_list_of_all_texts(name: str) -> None:
    rules, more = CASES[name]
    members = texts(rules["start"], rules)
    automaton = compile_grammar(Grammar(rules))
    vocabulary = vocabulary_of(more, set().union(*members))
    constraint, eos = align(automaton, vocabulary), vocabulary.eos_token_ids[0]
    prefixes = prefixes_of(members)
    for text, state in states_of(constraint, prefixes):
        wanted = {token for token, data in enumerate(vocabulary.tokens) if token != eos and text + data in prefixes}
        wanted |= {eos} if text in members else set()
        assert allowed(constraint, state) == wanted, text
        assert constraint.is_accepting(state) == (text in members) == automaton.accepts(text), text
        assert constraint.min_tokens_to_end(state) >= min(
            -(-(len(member) - len(text)) // max(map(len, vocabulary.tokens)))
            for member in members
            if member.startswith(text)
        )


@pytest.mark.parametrize("name", CASES)
def test_budgets_are_kept_and_suffice(name: str) -> None:
    """With a budget, those tokens remain after which what is said to suffice is left; one of them does.

    Where further items are needed, perhaps not all of those.
    """
    rules, more = CASES[name]
    has_needs = any(isinstance(node, Distinct) and node.needs for node in rules.values())
    members = texts(rules["start"], rules)
    constraint = align(compile_grammar(Grammar(rules)), vocabulary_of(more, set().union(*members)))
    eos = constraint.vocabulary.eos_token_ids[0]
    for text, state in states_of(constraint, prefixes_of(members)):
        needed = constraint.min_tokens_to_end(state)
        assert (needed == 0) == (text in members)
        free = allowed(constraint, state) - {eos}
        after = {token: constraint.min_tokens_to_end(constraint.advance(state, token)) for token in free}
        if needed:
            assert min(after.values()) < needed, text
        for budget in range(needed + 1, needed + 4):
            found, wanted = allowed(constraint, state, budget), {t for t in free if after[t] <= budget - 2}
            assert found, (text, budget)
            assert found - {eos} <= wanted, (text, budget)
            assert has_needs or found - {eos} == wanted, (text, budget)


def test_free_strings_may_become_anything_but_an_earlier_one() -> None:
    letters = Length(Repeat(chars([(97, 98)])), 0, 1)
    rules: dict[str, Node] = {"start": Distinct(array(Ref("s"))), "s": JsonString(letters)}
    constraint = align(compile_grammar(Grammar(rules)), vocabulary_of(['","', 'a"', "\\u006", ',"'], range(256)))
    written = b'["","a","b"'
    state = constraint.start
    for byte in written:
        state = constraint.advance(state, constraint.vocabulary.tokens.index(bytes((byte,))))
    assert {constraint.vocabulary.tokens[token] for token in allowed(constraint, state)} == {b"]"}
    state = constraint.start
    for byte in b'["a",':
        state = constraint.advance(state, constraint.vocabulary.tokens.index(bytes((byte,))))
    state = constraint.advance(state, constraint.vocabulary.tokens.index(b'"'))
    shown = {constraint.vocabulary.tokens[token] for token in allowed(constraint, state)}
    assert shown == {b'"', b"b", b"\\", b"\\u006", b'","'}


POOL = [
    '"a"', '"b"', '"ab"', '"\\u0061"', '"\\"a"', '"a,b"', '"]"', "1", "1.0", "10e-1", "12", "0", "-0", "true", "null",
    "[]", "[1]", "[1,1]", "[1.0]", "[1,2]", "{}", '{"a":1}', '{"a":1.0}', '{"a":1,"b":2}', '{"b":2,"a":1}',
    '{"a":[1]}', '{"b":"a"}',
]  # fmt: skip
"""Texts of items, some of one value."""


def random_rules(pick: random.Random) -> dict[str, Node]:
    """The rules of one to three arrays, with and without distinct items, inside of each other or beside each other."""
    rules: dict[str, Node] = {}

    def one(depth: int) -> Node:
        texts_of_items = pick.sample(POOL, pick.randint(1, 4 if depth else 3))
        item = lit(*texts_of_items)
        if depth and pick.random() < 0.5:
            rules["inner"] = one(0)
            item = Choice((item, Ref("inner")))
        is_distinct = pick.random() < 0.75
        different = len({value_of(text) for text in texts(item, rules)})
        low = pick.choice([0, 0, 1, min(2, different)])
        high = max(low, pick.randint(1, 2 if len(texts_of_items) > 3 else 3))
        rules[name := f"item {len(rules)}"] = item
        gap = lit("", " ") if pick.random() < 0.3 else EPSILON
        made = array(Sequence((gap, Ref(name) if low > 1 else item)), low, high)
        longest = max(len(text) + 60 * text.count(b"[") * depth for text in texts(item, rules))
        needs = tuple([longest + 8] * low) if low > 1 else ()
        return Distinct(made, needs) if is_distinct else made

    start = one(1)
    if pick.random() < 0.4:
        rules["other"] = one(0)
        start = pick.choice(
            [
                Choice((start, Ref("other"))),
                Sequence((start, Ref("other"))),
                Sequence((Bytes(b'{"k":'), start, Bytes(b"}"))),
            ]
        )
    return rules | {"start": start}


def check_random_arrays(seed: int) -> None:
    """The laws of masks, ends and budgets for random arrays, over tokens cut from their texts."""
    pick = random.Random(seed)
    rules = random_rules(pick)
    members = texts(rules["start"], rules)
    ordered = sorted(members)
    cuts = [pick.choice(ordered) for _ in range(12)]
    places = [sorted(pick.sample(range(len(text) + 1), 2)) for text in cuts]
    more = {text[a:b] for text, (a, b) in zip(cuts, places, strict=True)}
    vocabulary = vocabulary_of(
        sorted(token.decode() for token in more if len(token) > 1), set(b"[], ;k".join(map(str.encode, POOL)))
    )
    constraint, eos = align(compile_grammar(Grammar(rules)), vocabulary), vocabulary.eos_token_ids[0]
    prefixes = prefixes_of(members)
    has_needs = any(isinstance(node, Distinct) and node.needs for node in nodes_of(rules))
    for text, state in states_of(constraint, prefixes, pick):
        where = f"seed {seed}, behind {text!r}"
        wanted = {token for token, data in enumerate(vocabulary.tokens) if token != eos and text + data in prefixes}
        found = allowed(constraint, state)
        assert found - {eos} == wanted, where
        assert (eos in found) == (text in members) == constraint.is_accepting(state), where
        needed = constraint.min_tokens_to_end(state)
        assert (needed == 0) == (text in members), where
        after = {token: constraint.min_tokens_to_end(constraint.advance(state, token)) for token in wanted}
        assert not needed or min(after.values()) < needed, where
        budget = needed + 1 + pick.randint(0, 2)
        within = allowed(constraint, state, budget) - {eos}
        kept = {token for token in wanted if after[token] <= budget - 2}
        assert within <= kept if has_needs else within == kept, where
        assert within or not needed, where


def nodes_of(rules: dict[str, Node]) -> Iterator[Node]:
    pending = [*rules.values()]
    while pending:
        node = pending.pop()
        yield node
        pending += getattr(node, "items", ()) or ([node.item] if isinstance(node, Distinct | Repeat) else [])


@pytest.mark.parametrize("seed", range(12))
def test_random_arrays(seed: int) -> None:
    check_random_arrays(seed)
