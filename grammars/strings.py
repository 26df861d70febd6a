"""JSON strings too large for one leaf: a rule whose repeats are counted at run time.

Place in the walk: the content of a JsonString -> **positions**, beside those of other bodies. What is small enough
stays whole, and is embedded in the spellings of JSON.
"""

from __future__ import annotations

from typing import Protocol

from grammars.chars import char_dfa
from grammars.ir import CharClass, Choice, JsonString, Node, Ranges, Repeat, Sequence, Spelling
from grammars.positions import END, Positions, Set, union
from grammars.summary import SPLIT, measure
from grammars.utf8 import encode_json

__all__ = ["quoted"]


class Parts(Protocol):
    """What is asked of the builder."""

    def written_out(self, node: Node) -> Node:
        """A regular node without references."""

    def window(self, ranges: Ranges, low: int, high: int | None, spelling: Spelling) -> tuple[int, int]:
        """Facts and number of the rule of characters of one class, as they are spelt inside of JSON strings."""

    def spelt(self, item: Node, low: int, high: int | None, spelling: Spelling) -> tuple[int, int]:
        """Facts and number of the rule that counts items inside of a JSON string."""


def quoted(positions: Positions, parts: Parts, node: JsonString) -> Set:
    """The positions of a JSON string."""
    quote = ((0x22, 0x22),)
    content = parts.written_out(node.content)
    inside = spelt(positions, parts, content, node.spelling, (positions.position(quote, END),))
    return (positions.position(quote, inside),) if inside else ()


def spelt(positions: Positions, parts: Parts, node: Node, spelling: Spelling, after: Set) -> Set:
    """The positions that read a part of the content of a JSON string and then go on in `after`."""

    def enter(node: Node, after: Set) -> Set:
        return spelt(positions, parts, node, spelling, after)

    if not after:
        return ()
    if measure(node) > SPLIT:
        match node:
            case Sequence(items):
                for item in reversed(items):
                    after = enter(item, after)
                return after
            case Choice(items):
                return union([enter(item, after) for item in items])
            case Repeat(CharClass(ranges), low, high):
                return positions.call(*parts.window(ranges, low, high, spelling), after)
            case Repeat(item, low, high) if (high or low) * measure(item) > SPLIT and (high or low) > 1:
                return positions.call(*parts.spelt(item, low, high, spelling), after)
            case Repeat():
                return positions.repeat(node, after, enter)
    return positions.embed(encode_json(char_dfa(node), spelling), after)
