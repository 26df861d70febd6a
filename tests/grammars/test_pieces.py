"""A piece is the same as lists and as arrays, and is written to the same tables."""

import sys
from collections.abc import Callable
from types import FrameType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammars.dfa import Dfa
from grammars.pieces import Piece
from grammars.rules import CALL
from grammars.store import Store
from grammars.tables import FIRST_CALL, FIRST_EDGE, NOWHERE


@st.composite
def dfas(draw: st.DrawFn) -> Dfa:
    count = draw(st.integers(1, 6))
    rows = []
    for _ in range(count):
        bytes_read = sorted(draw(st.sets(st.integers(0, 255), max_size=4)))
        called = sorted(draw(st.sets(st.integers(0, 9), max_size=2)))
        symbols = [*bytes_read, *(CALL + rule for rule in called)]
        rows.append(tuple((symbol, symbol, draw(st.integers(0, count - 1))) for symbol in symbols))
    return Dfa(tuple(rows), draw(st.frozensets(st.integers(0, count - 1))))


def as_arrays(piece: Piece) -> Piece:
    return Piece(*[rows.copy() for rows in piece.arrays])


def as_lists(piece: Piece) -> Piece:
    states, edges, calls = [rows.reshape(-1).tolist() for rows in piece.arrays]
    return Piece.of_lists(states, edges, calls)


@given(st.lists(st.tuples(dfas(), st.integers(-1, 40)), min_size=1, max_size=6))
def test_lists_and_arrays_are_written_alike(rules: list[tuple[Dfa, int]]) -> None:
    tables = []
    for kind, few, many in (
        (as_arrays, 0, 99),
        (as_lists, 0, 99),
        (as_lists, 20, 3),
        (as_lists, 10**6, 9),
        (as_arrays, 0, 0),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("grammars.store._FEW", few)
            patch.setattr("grammars.store._MANY", many)
            store = Store()
            for dfa, host in rules:
                store.append(store.reserve(), kind(Piece.from_dfa(dfa, tails=True)), host=host)
        assert store.states == sum(len(dfa.edges) for dfa, _ in rules)
        tables.append([rows.tolist() for rows in store.written()])
    assert all(written == tables[0] for written in tables)


@given(dfas())
def test_a_piece_is_the_same_as_lists_and_as_arrays(dfa: Dfa) -> None:
    piece = Piece.from_dfa(dfa, tails=True)
    lists, arrays = as_lists(piece), as_arrays(piece)
    assert lists.content == arrays.content == (piece.states.tobytes(), piece.edges.tobytes())
    assert lists.sizes == arrays.sizes == (len(piece.states), len(piece.edges), len(piece.calls))
    assert len(lists.kept[0]) == lists.states.size
    for left, right in zip(lists.arrays, arrays.arrays, strict=True):
        assert np.array_equal(left, right)


@pytest.mark.parametrize("kind", [as_lists, as_arrays])
def test_calls_of_places_become_calls_of_rules(kind: Callable[[Piece], Piece]) -> None:
    dfa = Dfa((((CALL, CALL, 1), (CALL + 1, CALL + 1, 0)), ()), frozenset({1}))
    piece = kind(Piece.from_dfa(dfa, tails=True))
    assert piece.calling([7, 3]).calls.tolist() == [[7, NOWHERE], [3, 0]]
    assert piece.calls.tolist() == [[0, NOWHERE], [1, 0]]


@pytest.mark.parametrize("kind", [as_lists, as_arrays])
@pytest.mark.parametrize(("few", "many"), [(10**6, 1000), (0, 1000), (0, 1)])
def test_whoever_reads_the_rule_before_sees_it_whole(
    kind: Callable[[Piece], Piece], few: int, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state in which a rule ends is where the next one begins: whatever is written, it must go on saying so."""
    monkeypatch.setattr("grammars.store._FEW", few)
    monkeypatch.setattr("grammars.store._MANY", many)
    dfa = Dfa((((65, 65, 1), (CALL, CALL, 1)), ((66, 66, 0),)), frozenset({1}))
    store = Store()
    store.append(store.reserve(), kind(Piece.from_dfa(dfa, tails=False)))
    end, seen = store.states, list[list[int]]()

    def look(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        if frame.f_globals["__name__"] == "grammars.store":
            seen.append(store.tables.states[end, [FIRST_EDGE, FIRST_CALL]].tolist())
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        store.append(store.reserve(), kind(Piece.from_dfa(dfa, tails=False)))
    finally:
        sys.settrace(before)
    assert len(seen) > 10
    assert all(found == [2, 1] for found in seen)
