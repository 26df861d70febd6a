"""Alike: objects that differ only in the order of their members and in the rules of their values, made once.

Place in the walk: beside `grammars.members`, for objects with many members. A `oneOf` of many objects excludes the
others in each of its branches, so that all of them have the keys of all. The states are the same then: what is written
once has the place of a key among the sorted ones where the number of its member will stand, and the place in a list of
rules where a rule will be called.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grammars.pieces import Piece
from grammars.record import record
from grammars.tables import Int32

__all__ = ["Alike", "Kept"]


@record(eq=False)
class Alike:
    """The states of an object; see the module."""

    piece: Piece
    """Its calls are of places in a list of rules."""
    after: int
    pairs: Int32
    """(S, 2): of each state, as in an `Order`, but that lists are counted from the first one."""
    lists: Int32
    """Places among the sorted keys."""

    def filled(self, rules: list[int], numbers: list[int], required: list[int]) -> tuple[Piece, Int32]:
        """The piece that calls these rules, and the table of an `Order`; `numbers` are those of the sorted keys.

        `required` is what stands in front of the table.
        """
        by_place = np.array(numbers, np.int32)
        pairs, sizes = self.pairs.copy(), self.pairs[:, 1]
        pairs[sizes > 0, 0] += len(required) + pairs.size
        pairs[sizes < 0, 0] = by_place[pairs[sizes < 0, 0]]
        lists = by_place[self.lists]
        state = np.repeat(np.arange(len(sizes)), np.maximum(sizes, 0))
        lists = lists[np.lexsort((lists, state))]
        table = np.concatenate([np.array(required, np.int32), pairs.reshape(-1), lists])
        return self.piece.calling(rules), table


class Kept:
    """What objects of one grammar have in common, made for the second one with the same keys.

    Most objects have keys of their own; of these only a hash is kept.
    """

    def __init__(self) -> None:
        self.met: set[int] = set()
        self.made: dict[object, Alike] = {}

    def has_met(self, keys: tuple[bytes, ...]) -> bool:
        """Whether there was an object with these sorted keys."""
        number = hash(keys)
        if number in self.met:
            return True
        self.met.add(number)
        return False

    def get(self, likeness: object, make: Callable[[], Alike]) -> Alike:
        """What is made for objects of which this is equal."""
        found = self.made.get(likeness)
        if found is None:
            found = self.made[likeness] = make()
        return found
