"""Uniform: random members of one length, each as likely as any other, without any model.

Place in the walk: over the plain machine of an automaton. A configuration of that machine is one state of a
deterministic automaton, whatever the grammar, so that ambiguous texts count once. How many members lead from each
configuration to an end, in so many bytes, is counted backwards; a member is then drawn byte by byte (Flajolet,
Zimmermann & Van Cutsem, TCS 132, 1994, on configurations in place of rules). There may be many configurations; a limit
says how many are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from grammars.errors import LimitExceeded, UnsupportedFeature
from grammars.recogniser import Configuration
from grammars.tables import STATE_FINAL, calls_at, edges_at

if TYPE_CHECKING:
    from grammars.automaton import ByteAutomaton

__all__ = ["Uniform"]

_CONFIGURATIONS = 20_000

Step: TypeAlias = tuple[int, int, Configuration]
"""First and last byte, and where they lead."""


class Uniform:
    """The members of exactly `length` bytes.

    >>> uniform = Uniform(compile_grammar(parse_lark('start: "(" start* ")"')), 8)
    >>> uniform.count                  # a Catalan number
    5
    >>> uniform.draw(Random(1))
    b'(()()())'

    Raises `LimitExceeded` where there are none, and beyond `limit` configurations, and `UnsupportedFeature` where items
    of arrays must differ.
    """

    def __init__(self, automaton: ByteAutomaton, length: int, *, limit: int = _CONFIGURATIONS) -> None:
        if automaton.has_distinct:
            raise UnsupportedFeature(
                "texts with arrays whose items must differ cannot be counted", hint="draw by rules, without a length"
            )
        self.machine, self.length = automaton.recogniser, length
        self.steps: dict[Configuration, list[Step]] = {}
        self.least = _Least(automaton)
        levels: list[set[Configuration]] = [{self.machine.start}]
        for left in range(length - 1, -1, -1):
            after = {to for at in levels[-1] for _, _, to in self.follow(at)}
            levels.append({at for at in after if self.least.of(at) <= left})
            if len(self.steps) > limit:
                raise LimitExceeded(
                    f"counting the texts of {length:,} bytes takes more than {limit:,} states",
                    hint="ask for shorter ones, or draw by rules",
                )
        self.counts: list[dict[Configuration, int]] = [{at: 1 for at in levels[-1] if at.accepting}]
        for level in reversed(levels[:-1]):
            behind = self.counts[-1]
            counted = {at: sum((b - a + 1) * behind.get(to, 0) for a, b, to in self.follow(at)) for at in level}
            self.counts.append({at: number for at, number in counted.items() if number})
        self.count = self.counts[-1].get(self.machine.start, 0)
        if not self.count:
            raise LimitExceeded(f"no text of this grammar has {length:,} bytes", hint="ask for another length")

    def follow(self, at: Configuration) -> list[Step]:
        """The bytes that may follow, as ranges of bytes that lead to the same configuration."""
        if at not in self.steps:
            self.steps[at] = list(self._follow(at))
        return self.steps[at]

    def _follow(self, at: Configuration) -> Iterator[Step]:
        edges = [edge for state, _, _ in at.items for edge in self.machine.state(state).edges]
        cuts = sorted({cut for low, high, _, _ in edges if low < 256 for cut in (low, min(high, 255) + 1)})
        for low, above in pairwise(cuts):
            after = self.machine.step(at, low)
            if after.items or after.accepting:
                yield low, above - 1, after

    def draw(self, rng: Random) -> bytes:
        """A random member."""
        at, data = self.machine.start, bytearray()
        for behind in reversed(self.counts[:-1]):
            number = rng.randrange(sum((b - a + 1) * behind.get(to, 0) for a, b, to in self.follow(at)))
            for low, high, to in self.follow(at):
                ways = behind.get(to, 0)
                if number < (high - low + 1) * ways:
                    data.append(low + number // ways)
                    at = to
                    break
                number -= (high - low + 1) * ways
        return bytes(data)


class _Least:
    """At least how many bytes a configuration is away from an end; counters are not looked at."""

    def __init__(self, automaton: ByteAutomaton) -> None:
        automaton.build_all()
        tables, count = automaton.tables, automaton.num_states
        self.stacks: dict[int, int] = {-1: 0}
        self.machine = automaton.recogniser
        starts = [self.machine.enter(rule) for rule in range(automaton.num_rules)]
        rows = [
            (
                [to for _, _, to, _ in edges_at(tables, state)],
                [(starts[rule], back) for rule, back in calls_at(tables, state)],
            )
            for state in range(count)
        ]
        never = 1 << 40
        self.states = [0 if tables.states[state, STATE_FINAL] else never for state in range(count)]
        changed = True
        while changed:
            changed = False
            for state in range(count - 1, -1, -1):
                edges, calls = rows[state]
                found = min([self.states[to] + 1 for to in edges], default=never)
                for start, back in calls:
                    found = min(found, self.states[start] + (self.states[back] if back >= 0 else 0))
                if found < self.states[state]:
                    self.states[state] = found
                    changed = True

    def of(self, at: Configuration) -> int:
        found = 0 if at.accepting else 1 << 40
        return min([found, *[self.states[state] + self.stack(stack) for state, _, stack in at.items]])

    def stack(self, number: int) -> int:
        """The bytes that the shallowest way out of a stack set takes."""
        pending = [number]
        while pending:
            top = pending[-1]
            frames = self.machine.stacks[top]
            missing = [parent for _, _, parent in frames if parent not in self.stacks]
            if missing:
                pending += missing
                continue
            self.stacks[top] = min(
                (self.states[state] if state >= 0 else 0) + self.stacks[parent] for state, _, parent in frames
            )
            pending.pop()
        return self.stacks[number]
