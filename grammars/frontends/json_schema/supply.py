"""Supply: how many different values a rule has, as far as an array needs them.

Place in the walk: Grammar of an array whose items must differ -> **lengths of some values**. An item that must be there
is possible, whatever stands before it, when its rule has more values than there are items before it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from grammars.compile import compile_grammar
from grammars.distinct import Branch, Distinct
from grammars.errors import EmptyLanguage, LimitExceeded
from grammars.history import WHITESPACE, Array, History, value_of
from grammars.ir import NOTHING, Grammar, Node, Ref
from grammars.ir import Distinct as DistinctItems
from grammars.recogniser import Configuration, Recogniser, is_complete

__all__ = ["Needed", "fill_needs", "some_values"]

_STEPS = 50_000
"""Most bytes that are tried to find the values of one rule."""

_MARGIN = 8
"""Bytes added to what an item needs: for the comma, and for what one token of a shortest text reads beyond the item."""

_CLOSING = b'"}]'

_END = -1
"""What is behind the final states of a rule, and its tail calls."""


class Needed(NamedTuple):
    """Rules, and how many different values each must have so that there can be as many items as are asked for."""

    values: tuple[tuple[Ref, int], ...]
    pointer: str
    """Where it is said that no two items are equal."""


def fill_needs(rules: dict[str, Node], needed: Mapping[str, Needed], *, is_indented: bool) -> dict[str, EmptyLanguage]:
    """Gives the rules of arrays of different items what they need, and empties those that have too few values.

    `needed` has inner arrays behind outer ones. Returns why rules are empty, by name; raises `LimitExceeded`.
    """
    skips: Iterable[int] = () if is_indented else WHITESPACE
    contradictions: dict[str, EmptyLanguage] = {}
    dearest = 0  # what the items of one array inside of others need
    for name, (wanted, pointer) in reversed([*needed.items()]):
        longest = [0] * max(count for _, count in wanted)
        for ref, count in wanted:
            try:
                lengths = some_values(rules, ref.name, count, skips=skips, bracket=dearest)
            except LimitExceeded as error:
                raise LimitExceeded(error.message, pointer=pointer, hint="ask for fewer items") from None
            if len(lengths) < count:
                rules[name] = NOTHING
                contradictions[name] = EmptyLanguage(_too_few(count, len(lengths)), pointer=pointer)
                break
            longest[:count] = map(max, longest, lengths)
        else:
            node = rules[name]
            assert isinstance(node, DistinctItems)
            needs = tuple([length + _MARGIN for length in longest])
            rules[name], dearest = DistinctItems(node.item, needs), max(dearest, sum(needs))
    return contradictions


def _too_few(asked: int, found: int) -> str:
    """Why there are not enough different items."""
    values = f"only {found:,} different values" if found > 1 else "only one value" if found else "no value"
    return f"{asked:,} different items are asked for (uniqueItems), and {values} can be one of them"


def some_values(
    rules: Mapping[str, Node], start: str, count: int, *, skips: Iterable[int] = WHITESPACE, bracket: int = 0
) -> list[int]:
    """The lengths in bytes of texts of `count` different values, ascending; fewer only when there are no more.

    `skips` are bytes that no value needs outside of strings; each `[` counts for so many bytes more as `bracket` says.

    >>> some_values({"start": Choice((Bytes(b"1"), Bytes(b"1.0"), Bytes(b'"ab"')))}, "start", 3)
    [1, 4]

    Raises `LimitExceeded` where that takes too long.
    """
    try:
        machine = compile_grammar(Grammar(rules, start)).recogniser
    except EmptyLanguage:
        return []
    search = _Search(machine, count, skips, bracket)
    found = search.lengths(skips_escapes=True)
    return found if len(found) == count else search.lengths(skips_escapes=False)


_At: TypeAlias = tuple[bytes, list[Branch[Configuration]], History]
"""A text, where it leads, and the text itself as an item of an array of which nothing is asked."""


class _Search:
    """Texts, the nearest ends first: so a rule with many values soon has enough, and one with few is searched whole."""

    def __init__(self, machine: Recogniser, count: int, skips: Iterable[int], bracket: int) -> None:
        self.machine, self.distinct = machine, machine.distinct or Distinct(machine)
        self.count, self.skips, self.bracket, self.steps = count, skips, bracket, 0
        self.distances: dict[int, int] = {}

    def lengths(self, *, skips_escapes: bool) -> list[int]:
        """The lengths of the texts; without escapes most strings have one spelling."""
        found: dict[Hashable, int] = {}
        start = b"", [Branch(self.machine.start)], History((Array(-1),), b"")
        pending = [self.following(start, skips_escapes)]
        while pending and len(found) < self.count:
            at = next(pending[-1], None)
            if at is None:
                pending.pop()
                continue
            text, branches, _ = at
            if any(map(is_complete, branches)):
                value, length = value_of(text), len(text) + self.bracket * text.count(b"[")
                found[value] = min(length, found.get(value, length))
            pending.append(self.following(at, skips_escapes))
        return sorted(found.values())

    def following(self, at: _At, skips_escapes: bool) -> Iterator[_At]:
        """The texts that are one byte longer."""
        text, branches, read = at
        allowed: dict[int, int] = {}
        for branch in branches:
            for state, _, _ in branch.configuration.items:
                for low, high, to, _ in self.machine.state(state).edges:
                    left = self.left(to)
                    allowed |= {byte: min(left, allowed.get(byte, left)) for byte in range(low, min(high, 255) + 1)}
        skipped = (b"\\" if skips_escapes else b"") if read.in_string else self.skips
        kept = allowed.keys() - skipped or allowed
        closing = b"" if read.in_string else _CLOSING
        for byte in sorted(kept, key=lambda byte: (byte not in closing, allowed[byte], byte)):
            self.steps += 1
            if self.steps > _STEPS:
                raise LimitExceeded(f"it takes more than {_STEPS:,} steps to find {self.count:,} different items")
            after, item = self.distinct.read(branches, bytes((byte,))), read.step(byte)
            if after and item is not None:
                yield text + bytes((byte,)), after, item

    def left(self, state: int) -> int:
        """How many edges and calls a state is away from an end of its rule, whatever the counter says."""
        if state not in self.distances:
            machine = self.machine
            before: dict[int, list[int]] = {_END: [], machine.enter(machine.state(state).rule): []}
            for at in (pending := [*before][1:]):  # it grows
                found = machine.state(at)
                targets = {to for _, _, to, _ in found.edges} | {max(to, _END) for _, to in found.calls}
                for to in targets | ({_END} if found.final else set()):
                    if to not in before:
                        before[to] = []
                        pending.append(to)
                    before[to].append(at)
            distances, row = {_END: 0}, [_END]
            while row:
                behind = dict.fromkeys([at for to in row for at in before[to]], distances[row[0]] + 1)
                row = [at for at in behind if at not in distances]
                distances = behind | distances
            self.distances |= distances
        return self.distances[state]
