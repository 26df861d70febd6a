"""Bodies of one shape: each is what positions make of it, whatever was made before."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from grammars import shapes
from grammars.errors import LimitExceeded
from grammars.ir import NOTHING, ByteClass, Bytes, Choice, Node, Ref, Repeat, Sequence
from grammars.pieces import Piece
from grammars.positions import END, NULL, SOLID, Positions
from grammars.shapes import body_piece
from grammars.tables import NOWHERE

A, B, GAP = Ref("a"), Ref("b"), Ref("gap")
COMMA = Repeat(Sequence((GAP, Bytes(b","), GAP, A)))
BODIES: list[Node] = [
    Choice((A, Bytes(b"null"))),
    Choice((A, B, Bytes(b"null"))),
    Choice((Sequence((A, Bytes(b"x"))), Sequence((B, Bytes(b"y"))))),
    Choice((Sequence((Bytes(b"["), GAP, Bytes(b"]"))), Sequence((Bytes(b"["), GAP, A, COMMA, GAP, Bytes(b"]"))))),
    Sequence((Repeat(A, 1, 3), ByteClass(((48, 57),)), Repeat(B, 0, 1))),
    Choice((Sequence((A, NOTHING)), B)),
    Repeat(A, 0, 0),
]


class Numbers:
    """Callees by name."""

    writes_parts = False

    def __init__(self, known: dict[str, tuple[int, int]]) -> None:
        self.known = known

    def is_counted(self, node: Repeat) -> bool:
        return False

    def callee(self, node: Node) -> tuple[int, int]:
        assert isinstance(node, Ref)
        return self.known[node.name]

    def special(self, name: str) -> int:
        raise AssertionError(name)


def rows(piece: Piece) -> list[list[list[int]]]:
    return [array.tolist() for array in (piece.states, piece.edges, piece.calls)]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_what_positions_make_of_it(body: Node) -> None:
    for a, b, gap, null in product([3, 7], [3, 5, 9], [1, 8], [0, NULL]):
        callees = Numbers({"a": (SOLID, a), "b": (SOLID | null, b), "gap": (SOLID | NULL, gap)})
        positions = Positions(callees)
        expected = positions.piece(positions.enter(body, END), limit=100)
        for _ in range(2):
            assert rows(body_piece(body, callees, limit=100)) == rows(expected)


def test_bodies_of_one_shape_share_states() -> None:
    left = body_piece(Choice((A, Bytes(b"none"))), Numbers({"a": (SOLID, 4)}), limit=100)
    right = body_piece(Choice((B, Bytes(b"none"))), Numbers({"b": (SOLID, 5)}), limit=100)
    assert left.kept[0] is right.kept[0]
    assert (left.calls.tolist(), right.calls.tolist()) == ([[4, NOWHERE]], [[5, NOWHERE]])


def test_the_limit_holds_for_what_is_remembered() -> None:
    body = Choice((A, Bytes(b"a long literal")))
    callees = Numbers({"a": (SOLID, 4)})
    assert len(body_piece(body, callees, limit=100).states) == 15
    with pytest.raises(LimitExceeded, match="the automaton has more than 5 states"):
        body_piece(body, callees, limit=5)


def test_few_pieces_are_remembered() -> None:
    for number in range(1100):
        piece = body_piece(Choice((A, Bytes(b"%d" % number))), Numbers({"a": (SOLID, 4)}), limit=100)
    assert len(shapes._PIECES) == 1024
    assert np.array_equal(piece.calls, [[4, NOWHERE]])
