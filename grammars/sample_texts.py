"""Characters: random texts of a part of a grammar without references, in at most so many bytes.

Place in the walk: beside `grammars.samples`, which draws rules. A part is a DFA over code points here, between quotes
where it is a JSON string; what each character costs in bytes tells how much room is needed to end. Mostly characters
that people can read are drawn: letters, digits and punctuation of ASCII where a class has them.
"""

from __future__ import annotations

import heapq
import json
from operator import itemgetter
from random import Random
from typing import TypeAlias

from grammars.chars import char_dfa
from grammars.dfa import Dfa, Edge
from grammars.fragments import opened
from grammars.ir import JsonString, Node, Spelling

__all__ = ["NEVER", "Characters"]

NEVER = 1 << 60
"""The bytes of a text where there is none."""

_READABLE = ((0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0x20, 0x7E))
"""What is drawn from, mostly."""

_STOPS = 0.25
"""How likely a text ends where it may."""


class Characters:
    """The texts of a node without references (see `grammars.fragments.written_out`).

    >>> Characters(JsonString(Length(Repeat(CharClass(((97, 99),))), 2, 3))).draw(Random(1), 10)
    b'"aab"'
    """

    def __init__(self, node: Node) -> None:
        content, self.counts, self.low, self.high = opened(node)
        self.spelling = node.spelling if isinstance(node, JsonString) else None
        self.costs = _COSTS[self.spelling]
        self.dfa = char_dfa(content)
        self.fewest = _fewest(self.dfa, self.costs)
        self._levels: list[list[int]] = []  # per number of characters that are left: the fewest bytes from each state

    def least(self, room: int) -> int:
        """The fewest bytes of a text, `NEVER` where none has at most `room` bytes."""
        quotes = 0 if self.spelling is None else 2
        least = quotes + self.ends(0, 0, room - quotes)
        return least if least <= room else NEVER

    def ends(self, state: int, count: int, room: int) -> int:
        """The fewest bytes from a state to an end, `count` characters being read."""
        if not self.counts:
            return self.fewest[state]
        last = room if self.high is None else min(room, self.high - count)
        first = max(0, self.low - count)
        last = min(last, first + len(self.dfa.edges) ** 2 + 1)  # gaps between lengths are shorter
        return min((self.level(left)[state] for left in range(first, last + 1)), default=NEVER)

    def level(self, left: int) -> list[int]:
        """The fewest bytes from each state to an end with exactly so many characters more."""
        if not self._levels:
            self._levels.append([0 if q in self.dfa.finals else NEVER for q in range(len(self.dfa.edges))])
        while len(self._levels) <= left:
            after = self._levels[-1]
            self._levels.append([
                min([_cost(edge, self.costs) + after[edge[2]] for edge in row], default=NEVER)
                for row in self.dfa.edges
            ])  # fmt: skip
        return self._levels[left]

    def draw(self, rng: Random, room: int) -> bytes:
        """A random text of at most `room` bytes, of which there must be one."""
        text, state, count = "", 0, 0
        room -= 0 if self.spelling is None else 2
        while True:
            steps: list[tuple[list[tuple[int, int]], int]] = []
            if not self.counts or self.high is None or count < self.high:
                for low, high, target in self.dfa.edges[state]:
                    rest = room - self.ends(target, count + 1, room - 1)
                    if ranges := _within(low, high, rest, self.costs):
                        steps.append((ranges, target))
            may_end = state in self.dfa.finals and self.low <= count and (self.high is None or count <= self.high)
            if may_end and (not steps or rng.random() < _STOPS):
                break
            ranges, state = rng.choice(steps)
            char = _character(rng, ranges)
            written = json.dumps(char, ensure_ascii=self.spelling == "ascii")[1:-1] if self.spelling else char
            room -= len(written.encode())
            text, count = text + written, count + 1
        return f'"{text}"'.encode() if self.spelling else text.encode()


def _fewest(dfa: Dfa, costs: Costs) -> list[int]:
    """The fewest bytes from each state to an end (Dijkstra 1959)."""
    before: list[list[tuple[int, int]]] = [[] for _ in dfa.edges]
    for state, row in enumerate(dfa.edges):
        for edge in row:
            before[edge[2]].append((_cost(edge, costs), state))
    found = [NEVER] * len(dfa.edges)
    heap = [(0, state) for state in dfa.finals]
    while heap:
        cost, state = heapq.heappop(heap)
        if found[state] == NEVER:
            found[state] = cost
            for step, source in before[state]:
                if found[source] == NEVER:
                    heapq.heappush(heap, (cost + step, source))
    return found


_QUOTED = ((0x20, 0x21, 1), (0x23, 0x5B, 1), (0x5D, 0x7F, 1), (0x80, 0x7FF, 2), (0x08, 0x0A, 2), (0x0C, 0x0D, 2),
           (0x22, 0x22, 2), (0x5C, 0x5C, 2), (0x800, 0xFFFF, 3), (0x10000, 0x10FFFF, 4), (0x00, 0x07, 6),
           (0x0B, 0x0B, 6), (0x0E, 0x1F, 6))  # fmt: skip
_PLAIN = ((0x00, 0x7F, 1), (0x80, 0x7FF, 2), (0x800, 0xFFFF, 3), (0x10000, 0x10FFFF, 4))
_ASCII = (*[cost for cost in _QUOTED if cost[1] < 0x7F], (0x5D, 0x7E, 1), (0x7F, 0xFFFF, 6), (0x10000, 0x10FFFF, 12))

Costs: TypeAlias = tuple[tuple[int, int, int], ...]
"""First and last code point, and in how many bytes each between them is written."""

_COSTS: dict[Spelling | None, Costs] = {
    "any": _QUOTED, "raw": _QUOTED, "ascii": tuple(sorted(_ASCII, key=itemgetter(2))), None: _PLAIN,
}  # fmt: skip
"""In JSON strings of each spelling, and outside."""


def _cost(edge: Edge, costs: Costs) -> int:
    """The fewest bytes in which a character of a class is written, inside of a JSON string or outside."""
    low, high, _ = edge
    return next(cost for first, last, cost in costs if low <= last and first <= high)


def _within(low: int, high: int, room: int, costs: Costs) -> list[tuple[int, int]]:
    """The parts of a class whose characters are written in at most `room` bytes."""
    return [
        (max(low, first), min(high, last))
        for first, last, cost in costs
        if cost <= room and low <= last and first <= high
    ]


def _character(rng: Random, ranges: list[tuple[int, int]]) -> str:
    """A character of a class, often one that people can read."""
    if rng.random() < 0.97:
        parts = [(max(a, low), min(b, high)) for a, b in _READABLE for low, high in ranges if low <= b and a <= high]
        ranges = parts or ranges
    low, high = rng.choice(ranges)
    return chr(rng.randint(low, high))
