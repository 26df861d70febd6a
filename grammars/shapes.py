"""Shapes: bodies that differ in nothing but the rules that they call have one automaton, made once for all grammars.

Place in the walk: the body of a rule -> **shape** -> Piece. Most rules that call others are an array, or one of a few
rules and `null`: what positions make of such a body depends on its literals and classes, on the facts about its callees
and on which of these are the same or have the smaller number. All of that is the shape; the piece of a shape calls the
callees' places in ascending order, and a body has a copy of it with their numbers.
"""

from __future__ import annotations

import threading

from grammars.ir import ByteClass, Bytes, CharClass, Choice, Node, Repeat, Sequence, SpecialToken
from grammars.pieces import Piece
from grammars.positions import END, SOLID, Callees, Positions
from grammars.words import LONG

__all__ = ["body_piece"]

_PIECES: dict[object, Piece] = {}
"""The pieces of shapes, the oldest first."""

_MOST, _STATES = 1024, 1024
"""Pieces remembered, and the states of one up to which it is."""

_LARGEST = 64
"""The parts of a shape up to which it is looked for; larger bodies hardly ever have an equal one."""

LOCK = threading.RLock()


def body_piece(node: Node, callees: Callees, *, limit: int, tails: bool = True) -> Piece:
    """The automaton of a body, without the empty string, with tail calls where there are `tails`.

    Raises `LimitExceeded` beyond `limit` states.
    """
    parts: list[object] = []
    rules: list[int] = []
    if not _read(node, callees, parts, rules):
        return _written(node, callees, limit, tails)
    ascending = sorted(set(rules))
    places = {rule: place for place, rule in enumerate(ascending)}
    key = (limit, tails, tuple(parts), tuple([places[rule] for rule in rules]))
    shape = _PIECES.get(key)
    if shape is None:
        shape = _written(node, _Places(callees, places), limit, tails)
        if shape.sizes[0] <= _STATES:
            _remember(key, shape)
    return shape.calling(ascending)


def _remember(key: object, shape: Piece) -> None:
    with LOCK:
        while len(_PIECES) >= _MOST:
            del _PIECES[next(iter(_PIECES))]
        _PIECES[key] = shape


def _written(node: Node, callees: Callees, limit: int, tails: bool) -> Piece:
    positions = Positions(callees)
    return positions.piece(positions.enter(node, END), limit=limit, tails=tails)


def _read(node: Node, callees: Callees, parts: list[object], rules: list[int]) -> bool:
    """Appends what positions see of a node to `parts`, the rules that it calls to `rules`; in the order of positions.

    Returns False for what is looked for no further: large bodies, and the few with special tokens or dead parts.
    """
    if isinstance(node, Bytes):
        parts.append(node.data)
        return True
    if isinstance(node, Sequence | Choice):
        items = node.items
        parts += (type(node), len(items))
        if len(parts) > _LARGEST or not items or (len(items) >= LONG and isinstance(node, Choice)):
            return False
        for item in reversed(items) if isinstance(node, Sequence) else items:
            if not _read(item, callees, parts, rules):
                return False
        return True
    if isinstance(node, Repeat) and not callees.is_counted(node):
        parts += (Repeat, node.min, node.max)
        return (node.max is None or node.max >= max(node.min, 1)) and _read(node.item, callees, parts, rules)
    if isinstance(node, ByteClass | CharClass):
        parts.append(node)
        return bool(node.ranges)
    if isinstance(node, SpecialToken):
        return False
    facts, rule = callees.callee(node)
    parts.append(facts)
    if facts & SOLID:
        rules.append(rule)
    return facts != 0


class _Places:
    """What positions ask while they write a shape."""

    writes_parts = False

    def __init__(self, callees: Callees, places: dict[int, int]) -> None:
        self.callees, self.places = callees, places

    def is_counted(self, node: Repeat) -> bool:
        return self.callees.is_counted(node)

    def callee(self, node: Node) -> tuple[int, int]:
        facts, rule = self.callees.callee(node)
        return facts, self.places.get(rule, -1)

    def special(self, name: str) -> int:
        raise AssertionError(name)
