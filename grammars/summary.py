"""Summary: what one walk over the node of a rule finds.

Place in the walk: Grammar -> **summaries** -> Survey. It knows nothing of other rules, so that it is kept as a note on
the node: rules that front ends share among grammars are walked once.
"""

from __future__ import annotations

from itertools import chain
from typing import TypeGuard

from grammars.errors import LimitExceeded
from grammars.fragments import Leaf, quick_facts
from grammars.ir import (
    And,
    AtMostTokens,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    Distinct,
    JsonString,
    Length,
    Members,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    Texts,
)
from grammars.limits import Limits
from grammars.members import check_members
from grammars.words import LONG, is_list

__all__ = ["CLASSES", "SPLIT", "Summary", "is_split", "measure", "summarise"]

SPLIT = 1000
"""The size beyond which a JSON string is not one leaf: its repeats become rules."""

CLASSES = (ByteClass, CharClass)

_WHOLE = 128
"""Times `Limits.unrolled`: the size up to which a rule that calls nothing is written out, repeats and all."""


class Summary:
    """What one walk over the node of a rule found; kept as the node's note."""

    size = 0  # positions, repeats written out
    depth = 0
    classes = False  # whether anything but literals and calls is read
    loops = False  # whether there is a repeat without upper bound
    doubtful = False  # whether some part may have no string although all rules have
    counts = False  # whether a repeat is large enough to be counted, or a list long enough to be a rule
    distinct = False  # whether there is an array with distinct items
    token_limits = False  # whether there is a part with a limit in tokens
    leaf: Leaf | None = None  # the rule, where it calls nothing and was built

    def __init__(self, unrolled: int) -> None:
        self.unrolled = unrolled  # the limit that decided `counts`
        self.refs: dict[str, None] = {}
        self.leaves: list[Node] = []
        self.specials: dict[str, None] = {}
        self.members: list[Members] = []

    @property
    def calls_nothing(self) -> bool:
        """Whether the rule is a leaf by itself, the same in every grammar."""
        if self.refs or self.leaves or self.specials or self.members or self.distinct:
            return False
        return not self.counts or self.size <= _WHOLE * self.unrolled


def summarise(root: Node, limits: Limits) -> Summary:
    """One walk over the node of a rule; raises `LimitExceeded` where it is nested too deep."""
    found = Summary(limits.unrolled)
    refs, size, deepest = found.refs, 0, 0
    pending = [(root, 0, 1)]  # with its depth, and how many copies of it are written out
    while pending:
        node, depth, copies = pending.pop()
        if depth > deepest:
            if depth > limits.depth:
                raise LimitExceeded(
                    f"nodes are nested more than {limits.depth} deep",
                    hint="name parts as rules, or raise Limits.depth",
                )
            deepest = depth
        if isinstance(node, Sequence | Choice):
            for place, item in enumerate(node.items):
                if isinstance(item, Bytes):
                    size += copies * len(item.data)
                elif isinstance(item, Ref):
                    refs[item.name] = None
                    size += copies
                else:
                    pending += [(later, depth + 1, copies) for later in reversed(node.items[place:])]
                    break
            if isinstance(node, Choice):
                if not node.items:
                    found.doubtful = True
                elif len(node.items) >= LONG and sum([isinstance(item, Bytes) for item in node.items]) >= LONG:
                    found.counts = True
        elif isinstance(node, Ref):
            refs[node.name] = None
            size += copies
        elif isinstance(node, Bytes):
            size += copies * len(node.data)
        elif isinstance(node, Repeat):
            if node.max is None:
                found.loops = True
            elif node.max < node.min or node.max == 0:  # whatever is repeated does not matter
                found.doubtful |= node.max < node.min
                continue
            written = max(1, node.min if node.max is None else node.max)
            if written > 1 and written * measure(node.item) > limits.unrolled:
                found.counts = True
            pending.append((node.item, depth + 1, copies * written))
        elif isinstance(node, CLASSES):
            found.classes = True
            if not node.ranges:
                found.doubtful = True
            size += copies if not node.ranges or node.ranges[-1][1] < 0x80 else 16 * copies
        elif isinstance(node, Members):
            check_members(node)
            found.members.append(node)
            if node.low or node.high is not None or not (node.keys or node.rest):
                found.doubtful = True
            size += copies * sum(map(len, node.keys))
            around = (node.begin, node.separator, node.end, *([] if node.empty is None else [node.empty]))
            parts = (*node.values, *around, *chain.from_iterable(node.rest))
            pending += [(part, depth + 1, copies) for part in reversed(parts)]
        elif isinstance(node, Distinct):
            found.distinct = found.doubtful = True
            pending.append((node.item, depth + 1, copies))
        else:
            size += copies
            if isinstance(node, SpecialToken):
                found.specials[node.name] = None
            else:
                found.leaves.append(node)
                found.token_limits |= isinstance(node, AtMostTokens)
    found.size, found.depth = size, deepest
    if found.counts and is_list(root):
        found.counts = False
    return found


def is_split(node: Node) -> TypeGuard[JsonString]:
    """Whether a JSON string is too large for one leaf. One with a length is a window, which does not grow with it.

    What has facts for a note was made as one leaf already.
    """
    if not isinstance(node, JsonString) or isinstance(node.content, Length) or type(getattr(node, "note", None)) is int:
        return False
    return quick_facts(node) is None and measure(node) > SPLIT


def measure(node: Node) -> int:
    """How many positions the node has when its repeats are written out."""
    match node:
        case Bytes(data):
            return len(data)
        case Texts(items):
            return sum(map(len, items))
        case Sequence(items) | Choice(items) | And(items):
            return sum([measure(item) for item in items])
        case Repeat(item, low, high):
            return measure(item) * max(1, low if high is None else high)
        case Not(item) | Length(item, _, _) | JsonString(item) | AtMostTokens(item):
            return measure(item)
        case _:
            return 1
