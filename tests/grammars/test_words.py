"""Long lists of texts: the prefix tree holds exactly these texts, wherever the list stands."""

from __future__ import annotations

import random

import pytest

from grammars import words
from grammars.compile import compile_grammar
from grammars.dfa import Dfa
from grammars.errors import EmptyLanguage
from grammars.ir import And, Bytes, CharClass, Choice, Grammar, JsonString, Node, Not, Ref, Repeat, Sequence, Texts
from grammars.words import LONG, one_of, word_piece


def language(dfa: Dfa) -> set[bytes]:
    """The texts of an automaton without loops, none of whose states may be dead."""
    found, pending = set(), [(0, b"")]
    while pending:
        state, text = pending.pop()
        if state in dfa.finals:
            found.add(text)
        assert state in dfa.finals or dfa.edges[state] or not text
        edges = dfa.edges[state]
        assert list(edges) == sorted(edges)
        for low, high, target in edges:
            assert low == high
            pending.append((target, text + bytes([low])))
    return found


LISTS = [
    [],
    [b""],
    [b"a"],
    [b"a", b"", b"ab", b"abc", b"b"],
    [b"abc", b"abd", b"ab", b"xbc", b"a", b"xbd", b"abd"],
    [b"\x00", b"\x00\x00", b"a\x00", b"a", b"a\x00b", b"\xff"],
]


@pytest.mark.parametrize("few", [0, 512])
@pytest.mark.parametrize("texts", LISTS)
def test_prefix_tree(texts: list[bytes], few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_FEW", few)
    assert language(word_piece(texts).dfa()) == set(texts) - {b""}


@pytest.mark.parametrize(("few", "matrix"), [(0, 0), (0, 1 << 26), (10**6, 0)])
def test_prefix_tree_of_random_texts(few: int, matrix: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_FEW", few)
    monkeypatch.setattr(words, "_MATRIX", matrix)
    rng = random.Random(3)
    for _ in range(60):
        letters = rng.choice((b"ab", b"\x00ab", b"abcdefgh"))
        texts = [bytes(rng.choices(letters, k=rng.randrange(7))) for _ in range(rng.randrange(60))]
        piece = word_piece(texts)
        assert language(piece.dfa()) == set(texts) - {b""}
        assert len(piece.states) == len({text[:i] for text in texts for i in range(len(text) + 1)} | {b""})


NAMES = tuple(Bytes(b"%d" % (i * i)) for i in range(200))
DIGIT = CharClass(((48, 57),))
AROUND: dict[str, Node] = {
    "alone": Choice(NAMES),
    "with another alternative": Choice((*NAMES, Repeat(Bytes(b"x"), 1, 3))),
    "optional": Choice((*NAMES, Bytes(b""))),
    "behind a literal": Sequence((Bytes(b"-"), Choice(NAMES), Bytes(b";"))),
    "counted": Repeat(Choice(NAMES), 3, 90),
    "where another rule begins alike": Choice((Sequence((Choice(NAMES), Bytes(b"."))), Ref("digits"))),
    "under another name": Ref("names"),
    "between quotes": JsonString(Choice(NAMES)),
    "left out": JsonString(And((Repeat(DIGIT, 1, 3), Not(Choice(NAMES))))),
    "all that is left out": JsonString(Not(Choice(NAMES))),
}


@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("is_one", [False, True])
def test_wherever_a_list_stands(name: str, is_one: bool) -> None:
    rules: dict[str, Node] = {"start": AROUND[name], "digits": Repeat(DIGIT, 1, 4), "names": Choice(NAMES)}
    long = compile_grammar(Grammar({n: as_one(node) for n, node in rules.items()} if is_one else rules))
    short = compile_grammar(Grammar({**rules, "start": shortened(AROUND[name])}))
    rng = random.Random(1)
    for _ in range(100):
        at, other = long.recogniser.start, short.recogniser.start
        for _ in range(9):
            allowed = long.recogniser.allowed(at)
            assert allowed == short.recogniser.allowed(other)
            assert at.accepting is other.accepting
            if not allowed:
                break
            symbol = rng.choice([s for low, high in allowed for s in range(low, high + 1)])
            at, other = long.recogniser.step(at, symbol), short.recogniser.step(other, symbol)


def as_one(node: Node) -> Node:
    """The same node with `Texts` for the names."""
    match node:
        case Choice(items) if items == NAMES:
            return Texts(tuple(name.data for name in NAMES))
        case Choice(items) | Sequence(items) | And(items):
            return type(node)(tuple(map(as_one, items)))
        case Repeat(item, low, high):
            return Repeat(as_one(item), low, high)
        case Not(item) | JsonString(item):
            return type(node)(as_one(item))
        case _:
            return node


def shortened(node: Node) -> Node:
    """The same node without long lists: choices of choices of ten texts."""
    match node:
        case Choice(items) if len(items) > 10:
            return Choice(tuple(Choice(items[i : i + 10]) for i in range(0, len(items), 10)))
        case Choice(items) | Sequence(items):
            return type(node)(tuple(map(shortened, items)))
        case Repeat(item, low, high):
            return Repeat(shortened(item), low, high)
        case Ref("names"):
            return shortened(Choice(NAMES))
        case _:
            return node


def test_a_list_may_have_more_states_than_the_limit() -> None:
    texts = tuple(Bytes(b"%030d" % (i**6)) for i in range(12_000))
    automaton = compile_grammar(Grammar({"start": Choice(texts)}))
    automaton.build_all()
    assert automaton.num_states > automaton.limits.states
    assert automaton.accepts(texts[-1].data)
    assert not automaton.accepts(texts[-1].data[:-1])


def test_facts_of_a_list() -> None:
    assert not compile_grammar(Grammar({"start": Texts((b"a",))})).accepts_empty
    assert compile_grammar(Grammar({"start": Texts((b"", b"a"))})).accepts(b"a")
    assert compile_grammar(Grammar({"start": Texts((b"",))})).accepts(b"")
    with pytest.raises(EmptyLanguage):
        compile_grammar(Grammar({"start": Texts(())}))


def test_long_lists_are_one_node() -> None:
    assert one_of([b"a", b"b"]) == Choice((Bytes(b"a"), Bytes(b"b")))
    texts = [b"%d" % i for i in range(LONG)]
    assert one_of(texts) == Texts(tuple(texts))
