"""Distinct: arrays whose items must differ, which no stack of frames knows.

Place in the walk: beside the machines, of which each knows its automaton alone. A `Branch` is a configuration and a
`History`: what has been read of the outermost such array that is open. `Distinct` goes on from branch to branch, and
finds out what a configuration cannot say:

- an item that equals one before it ends the branch;
- so does the beginning of an item that can only become one of those before it. That takes a look ahead, but a short
  one: while an item can still become one of the others, the bytes that lead there are known (`History.toward`), and any
  other byte that the automaton allows leads away from all of them.

The automaton may read a bracket as that of an array with distinct items and of one without: then it is two branches.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from grammars.errors import LimitExceeded
from grammars.history import EMPTY, OPEN, WHITESPACE, History

__all__ = ["Branch", "Distinct", "Frame", "Machine"]

_LOOKED_AT = 100_000
"""Most branches of one look ahead."""

C = TypeVar("C", bound=Hashable)
Frame: TypeAlias = tuple[int, int, int]
"""State, counter, stack set: an item of a configuration, or a frame, whose state is where its rule is returned to."""


class Machine(Protocol[C]):
    """What is asked of a machine whose configurations are values."""

    def after(self, configuration: C, byte: int) -> C | None:
        """The configuration after one byte, None when it is refused."""

    def bytes_at(self, configuration: C) -> Sequence[int]:
        """The bytes that may come next; perhaps some more, which `after` refuses."""

    def items_of(self, configuration: C) -> tuple[list[Frame], bool]:
        """The items of a configuration, and whether it is accepting."""

    def frames_of(self, stack: int) -> tuple[list[Frame], bool]:
        """The frames of a stack set, and whether the empty stack is in it."""

    def with_items(self, items: list[Frame], accepting: bool) -> C:
        """The configuration with these items."""

    def with_frames(self, frames: list[Frame], has_empty: bool) -> int:
        """The stack set with these frames."""

    def distinct_rule(self, state: int) -> int:
        """The rule of a state inside of an array with distinct items, else -1."""


class Stacks(Generic[C]):
    """Parts of the stacks of one machine: those in which so many arrays with distinct items are open."""

    def __init__(self, machine: Machine[C]) -> None:
        self.machine = machine
        self._parts: dict[tuple[int, int, int], int | None] = {}
        self._rules: dict[C, tuple[int, ...]] = {}

    def rules(self, configuration: C) -> tuple[int, ...]:
        """The rules of the innermost arrays with distinct items; -1 where none is open."""
        found = self._rules.get(configuration)
        if found is None:
            items, _ = self.machine.items_of(configuration)
            found = tuple(sorted({rule for state, _, stack in items for rule in self._innermost(state, stack)}))
            self._rules[configuration] = found
        return found

    def parts(self, configuration: C, arrays: int) -> Iterator[tuple[int, C]]:
        """The parts of a configuration in which that many are open, one for each rule of the innermost of them."""
        machine = self.machine
        items, accepting = machine.items_of(configuration)
        for rule in self.rules(configuration):
            kept = []
            for state, counter, stack in items:
                found = self._below(state, stack, arrays, rule)
                if found is not None:
                    kept.append((state, counter, found))
            if kept:
                yield rule, machine.with_items(kept, accepting and not arrays)

    def _innermost(self, state: int, stack: int) -> set[int]:
        """The rules of the innermost arrays with distinct items of some stacks; -1 where there is none."""
        found, seen, pending = set[int](), set[tuple[int, int]](), [(state, stack)]
        while pending:
            state, stack = pending.pop()
            if (rule := self.machine.distinct_rule(state)) >= 0:
                found.add(rule)
                continue
            frames, has_empty = self.machine.frames_of(stack)
            if has_empty:
                found.add(-1)
            for back, _, parent in frames:
                if (back, parent) not in seen:
                    seen.add((back, parent))
                    pending.append((back, parent))
        return found

    def _below(self, state: int, stack: int, arrays: int, rule: int) -> int | None:
        """The stacks below a state in which, with its own, that many arrays are open; the innermost has this rule."""
        if (own := self.machine.distinct_rule(state)) < 0:
            return self._part((stack, arrays, rule))
        return self._part((stack, arrays - 1, _ANY)) if rule in (own, _ANY) else None

    def _part(self, wanted: tuple[int, int, int]) -> int | None:
        """The part of a stack set in which so many arrays are open, of which the innermost has a certain rule."""
        pending = [wanted]
        while pending:
            stack, arrays, rule = at = pending[-1]
            if at in self._parts or arrays < 0:
                self._parts.setdefault(at, None)
                pending.pop()
                continue
            frames, has_empty = self.machine.frames_of(stack)
            following = []
            for back, counter, parent in frames:
                if (own := self.machine.distinct_rule(back)) < 0:
                    following.append((back, counter, (parent, arrays, rule)))
                elif rule in (own, _ANY):
                    following.append((back, counter, (parent, arrays - 1, _ANY)))
            missing = [part for _, _, part in following if part not in self._parts]
            if missing:
                pending += missing
                continue
            kept = [(b, n, found) for b, n, part in following if (found := self._parts[part]) is not None]
            has_empty = has_empty and not arrays and rule < 0
            self._parts[at] = self.machine.with_frames(kept, has_empty) if kept or has_empty else None
            pending.pop()
        return self._parts[wanted]


_ANY = -2
"""Whatever rule the innermost array has."""


class Branch(NamedTuple, Generic[C]):
    """One way to read a text: a configuration, in all of whose stacks the same arrays with distinct items are open."""

    configuration: C
    history: History = EMPTY


class Distinct(Generic[C]):
    """The branches over one machine; remembers which are dead ends."""

    def __init__(self, machine: Machine[C], *, most: int = 1 << 16) -> None:
        self.machine, self.most, self.stacks = machine, most, Stacks(machine)
        self._alive: dict[Branch[C], bool] = {}

    def step(self, branch: Branch[C], byte: int) -> Iterator[Branch[C]]:
        """The branches after one byte, dead ends among them; several where it may open one array or another."""
        configuration, history = branch
        after = self.machine.after(configuration, byte)
        if after is None:
            return
        if byte != OPEN or history.in_string:
            if (following := history.step(byte) if history.frames else history) is not None:
                yield Branch(after, following)
            return
        for more in (0, 1):
            for rule, part in self.stacks.parts(after, history.depth + more):
                following = history.step(byte, rule if more else -1)
                if following is not None:
                    yield Branch(part, following)

    def read(self, branches: Iterable[Branch[C]], data: bytes) -> list[Branch[C]]:
        """The branches after some bytes that can still be finished."""
        at = [*branches]
        for byte in data:
            at = [after for branch in at for after in self.step(branch, byte)]
        return [branch for branch in dict.fromkeys(at) if self.is_alive(branch)]

    def is_alive(self, branch: Branch[C]) -> bool:
        """Whether the text can be finished from here."""
        history = branch.history
        if not history.toward():
            return True
        if not history.toward_items():
            branch = Branch(branch.configuration, history.keys_alone())
        known = self._alive.get(branch)
        return self._look(branch) if known is None else known

    def _look(self, branch: Branch[C]) -> bool:
        """Whether a way leads from a branch away from all items before; kept of all branches on that way, or of all.

        Whitespace is tried last.
        """
        before: dict[Branch[C], Branch[C] | None] = {branch: None}
        pending, spaced = [branch], list[Branch[C]]()
        while pending or spaced:
            is_spaced = not pending
            at = (pending or spaced).pop()
            toward = at.history.toward()
            allowed = self.machine.bytes_at(at.configuration) if toward else []
            away = () if is_spaced else (byte for byte in allowed if byte not in toward and byte not in WHITESPACE)
            found = not toward or any(self.machine.after(at.configuration, byte) is not None for byte in away)
            if not found and not is_spaced:
                spaced.append(at)
            for byte in () if found else (byte for byte in allowed if (byte in WHITESPACE) == is_spaced):
                for following in self.step(at, byte):
                    if following not in before:
                        before[following] = at
                        known = self._alive.get(following)
                        found = found or known or not following.history.frames
                        if known is None:
                            pending.append(following)
            if found:
                way: list[Branch[C]] = []
                last: Branch[C] | None = at
                while last is not None:
                    way.append(last)
                    last = before[last]
                self._remember(way, alive=True)
                return True
            if len(before) > _LOOKED_AT:
                raise LimitExceeded(
                    f"it takes more than {_LOOKED_AT:,} steps to see whether another item of an array is possible",
                    hint="leave out uniqueItems, or make its items simpler",
                )
        self._remember(before, alive=False)
        return False

    def _remember(self, branches: Collection[Branch[C]], *, alive: bool) -> None:
        if len(self._alive) + len(branches) > self.most:
            self._alive.clear()
        self._alive.update(dict.fromkeys(branches, alive))

    def nearest(self, branch: Branch[C], *, few: int = 256, spaced: bool = False) -> Iterator[tuple[int, Branch[C]]]:
        """The branches that differ from all items before, with the number of bytes to each, the fewest first.

        Of a branch that differs already, only this one. At each place only so `few` bytes that lead away are tried, and
        whitespace only with `spaced`.
        """
        seen = {branch}
        pending = [(0, 0, branch)]
        while pending:
            distance, _, at = heapq.heappop(pending)
            toward = at.history.toward()
            if not toward:
                yield distance, at
                continue
            away = 0
            for byte in self.machine.bytes_at(at.configuration):
                if byte not in toward and ((byte in WHITESPACE and not spaced) or away == few):
                    continue
                for following in self.step(at, byte):
                    away += byte not in toward
                    if following not in seen:
                        seen.add(following)
                        heapq.heappush(pending, (distance + 1, len(seen), following))
            if len(seen) > _LOOKED_AT:
                raise LimitExceeded(f"it takes more than {_LOOKED_AT:,} steps to find another item of an array")
