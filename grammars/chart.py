"""Chart: the rules by which a text is being read, and since where, on the raw Grammar.

Place in the walk: beside the automaton, for people: `gcd explain` asks it. The automaton forgets names and frames (tail
calls, left recursion, equal rules); here every rule is as it was written. The algorithm is Earley's (CACM 13, 1970). An
item is a rule, where it began, and what of it is left to read: a list of nodes, so that counted repeats are written out
only as far as the text goes. Slow (5 µs an item, some 20 items a byte), and meant for texts of a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from grammars.dfa import Dfa
from grammars.errors import LimitExceeded
from grammars.fragments import body_leaf, leaf
from grammars.ir import (
    AtMostTokens,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    Distinct,
    Grammar,
    Members,
    Node,
    Numerals,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    Texts,
)
from grammars.lengths import NEVER, Lengths
from grammars.limits import Limits
from grammars.members import has_register
from grammars.positions import NULL
from grammars.record import record
from grammars.survey import Survey
from grammars.utf8 import TICK, class_bytes
from grammars.words import word_piece

__all__ = ["Chart", "Item", "Rest"]

Rest: TypeAlias = tuple[Node, Any, "Rest"] | None
"""What is left of a rule: a node, how far it is read (None: not at all), and what is left behind it."""

Item: TypeAlias = tuple[str, int, Rest]
"""A rule, where in the text it began, and what is left of it."""

_ITEMS = 1_000_000


@record
class _Leaf:
    """A part without references as a DFA over bytes; of a window the number of characters is bounded."""

    dfa: Dfa
    low: int = 0
    high: int | None = None
    lengths: Lengths | None = None

    def step(self, state: int, count: int, byte: int) -> tuple[int, int] | None:
        """State and number of characters after a byte, None where no text of the leaf goes on so."""
        target = self.dfa.step(state, byte)
        if target < 0 and self.lengths is not None:
            target, count = self.dfa.step(state, byte + TICK), count + 1
        return (target, count) if target >= 0 and self.can_end(target, count) else None

    def can_end(self, state: int, count: int) -> bool:
        if self.lengths is None:
            return True
        more = self.lengths.next_length(state, self.low - count)
        return more < int(NEVER) and (self.high is None or count + more <= self.high)

    def is_final(self, state: int, count: int) -> bool:
        return state in self.dfa.finals and self.low <= count and (self.high is None or count <= self.high)


class Chart:
    """The readings of the bytes that were read so far, as a text of a grammar that compiles.

    >>> chart = Chart(Grammar({"start": Sequence((Bytes(b"("), Ref("word"))), "word": Bytes(b"abc")}))
    >>> all(map(chart.read, b"(a")), chart.accepting
    (True, False)
    >>> [rule for rule, since in chart.open()]
    ['start', 'word']

    Raises `LimitExceeded` beyond `limit` items.
    """

    def __init__(self, grammar: Grammar, *, limit: int = _ITEMS) -> None:
        self.grammar, self.limit = grammar, limit
        self.survey = Survey(grammar, Limits())
        self.waiting: list[dict[str, list[Item]]] = []
        """At each place, by the rule that is called there: what goes on behind the call."""
        self.ended: list[dict[str, list[int]]] = []
        """At each place, by the rule that ends there: where it began."""
        self.reading: list[Item] = []
        """The items that read a byte next."""
        self.accepting = False
        self._size = 0
        self._leaves: dict[Node, _Leaf] = {}
        self._facts: dict[Node, int] = {}
        self._close([(grammar.start, 0, (grammar.rules[grammar.start], None, None))])

    @property
    def at(self) -> int:
        """How many bytes were read."""
        return len(self.waiting) - 1

    def read(self, symbol: int | str) -> bool:
        """Reads a byte, or a special token by its name; False, and all stays as it was, where no text goes on so."""
        after = [item for before in self.reading for item in self.step(before, symbol)]
        if after:
            self._close(after)
        return bool(after)

    def open(self) -> list[tuple[str, int]]:
        """The rules that are being read, with where they began: the outermost first, each behind one that calls it."""
        inner: dict[tuple[str, int], list[tuple[str, int]]] = {}
        agenda = list(dict.fromkeys([(rule, since) for rule, since, _ in self.reading]))
        seen = set(agenda)
        for rule, since in agenda:  # it grows
            for caller, began, _ in self.waiting[since].get(rule, ()):
                inner.setdefault((caller, began), []).append((rule, since))
                if (caller, began) not in seen:
                    seen.add((caller, began))
                    agenda.append((caller, began))
        found = dict.fromkeys([(self.grammar.start, 0)] if seen else [])
        for place in (ordered := list(found)):
            for child in inner.get(place, ()):
                if child not in found:
                    found[child] = None
                    ordered.append(child)
        return [place for place in ordered if place in seen]

    # -- the algorithm

    def _close(self, seeds: list[Item]) -> None:
        """The items at a new place, from those that have just read."""
        here = len(self.waiting)
        waiting: dict[str, list[Item]] = {}
        self.waiting.append(waiting)
        ended: dict[str, list[int]] = {}
        self.ended.append(ended)
        self.reading, self.accepting = [], False
        seen: set[Item] = set()
        empty: set[str] = set()  # rules that begin and end here
        agenda = [*seeds]
        for item in agenda:  # it grows
            if item in seen:
                continue
            seen.add(item)
            rule, since, rest = item
            if rest is None:
                self.accepting |= (rule, since) == (self.grammar.start, 0)
                ended.setdefault(rule, []).append(since)
                if since == here:
                    empty.add(rule)
                agenda += self.waiting[since].get(rule, ())
                continue
            node, progress, behind = rest
            if isinstance(node, Ref):
                after = (rule, since, behind)
                waiting.setdefault(node.name, []).append(after)
                if self.facts(node):
                    agenda.append((node.name, here, (self.grammar.rules[node.name], None, None)))
                if node.name in empty:
                    agenda.append(after)
            elif (opened := self.opened(node, progress, behind, here)) is not None:
                agenda += [(rule, since, way) for way in opened]
            else:
                self.reading.append(item)
                if progress is None and self.facts(node) & NULL:
                    agenda.append((rule, since, behind))
        self._size += len(seen)
        if self._size > self.limit:
            raise LimitExceeded(f"more than {self.limit:,} steps to see by which rules this text is read")

    def facts(self, node: Node) -> int:
        """Whether a node has a text, and whether it may be empty, as `Survey` says it."""
        found = self._facts.get(node)
        if found is None:
            found = self._facts[node] = self.survey.facts_of(node)
        return found

    def opened(self, node: Node, progress: Any, behind: Rest, here: int) -> Iterable[Rest] | None:
        """The ways to go on with a node that reads nothing by itself, None for one that reads a byte."""
        match node:
            case Bytes(data):
                return [behind] if not data else None
            case Numerals(positive=positive, negative=negative) if positive or negative:
                return None
            case Sequence(items):
                if not self.facts(node):
                    return ()
                for item in reversed(items):
                    behind = (item, None, behind)
                return (behind,)
            case Choice(items):
                return [(item, None, behind) for item in items if self.facts(item)]
            case Repeat():
                return self._copies(node, progress, behind, here)
            case Members():
                return self._entries(node, progress, behind)
            case Distinct(item) | AtMostTokens(item):  # they say which texts there are, not by which rules one is read
                return [(item, None, behind)]
        return None

    def _copies(self, node: Repeat, progress: tuple[int, int] | None, behind: Rest, here: int) -> Iterator[Rest]:
        """`progress`: how many copies there are, and where the last one began."""
        count, began = progress or (0, -1)
        if count >= node.min or began == here:  # a copy was empty: so may be all that are missing
            yield behind
        if began != here and (node.max is None or count < node.max) and self.facts(node.item):
            counted = min(count + 1, node.min) if node.max is None else count + 1
            yield node.item, None, (node, (counted, here), behind)

    def _entries(self, node: Members, progress: Any, behind: Rest) -> Iterator[Rest]:
        """`progress`: the members that are written, how many entries, whether others are, whether one just ended."""
        if progress is None:
            if any(True for _ in self._next_entries(node, frozenset(), 0, False, behind)):
                yield node.begin, None, (node, (frozenset(), 0, False, False), behind)
            if node.empty is not None and not node.required and not node.low:
                yield node.begin, None, (node.empty, None, behind)
            return
        written, count, others, ended = progress
        entries = self._next_entries(node, written, count, others, behind)
        if not ended:
            yield from entries
            return
        if node.required <= written and count >= node.low:
            yield node.end, None, behind
        if any(True for _ in entries):
            yield node.separator, None, (node, (written, count, others, False), behind)

    def _next_entries(
        self, node: Members, written: frozenset[int], count: int, others: bool, behind: Rest
    ) -> Iterator[Rest]:
        """The entries that may come next, with what is left behind them."""
        missing = node.required - written
        if node.high is not None and count >= node.high:
            return
        last = -1 if node.any_order else len(node.keys) if others else max(written, default=-1)
        for number in range(last + 1, len(node.keys)):
            if number in written or not self.facts(node.values[number]):
                continue
            if self._can_finish(node, now := written | {number}, count + 1, others):
                after = (node, (now, count + 1, others, True), behind)
                yield Bytes(node.keys[number]), None, (node.values[number], None, after)
            if number in missing and not node.any_order:
                return
        if self._can_finish(node, written, count + 1, True):
            for name, value in node.rest:
                if self.facts(name) and self.facts(value):
                    yield name, None, (value, None, (node, (written, count + 1, True, True), behind))

    def _can_finish(self, node: Members, written: frozenset[int], count: int, others: bool) -> bool:
        """Whether the bounds and what is required can still be met; in order nothing required was passed over."""
        missing = node.required - written
        if not has_register(node):
            return not (others and missing)
        if node.high is not None and count + len(missing) > node.high:
            return False
        last = -1 if node.any_order else len(node.keys) if others else max(written, default=-1)
        left = {n for n in range(last + 1, len(node.keys)) if n not in written and self.facts(node.values[n])}
        is_open = any(self.facts(name) and self.facts(value) for name, value in node.rest)
        return missing <= left and (is_open or count + len(left) >= node.low)

    def step(self, item: Item, byte: int | str) -> Iterator[Item]:
        """An item after a byte or special token: what is left where the node ends, and where it goes on."""
        rule, since, rest = item
        assert rest is not None
        node, progress, behind = rest
        if isinstance(node, SpecialToken) or isinstance(byte, str):
            if isinstance(node, SpecialToken) and node.name == byte:
                yield rule, since, behind
            return
        if isinstance(node, Bytes):
            at = progress or 0
            if node.data[at] == byte:
                yield rule, since, (node, at + 1, behind) if at + 1 < len(node.data) else behind
            return
        machine = self.leaf(node)
        state, count = progress or (0, 0)
        after = machine.step(state, count, byte)
        if after is None:
            return
        if machine.is_final(*after):
            yield rule, since, behind
        if machine.dfa.edges[after[0]]:
            yield rule, since, (node, after, behind)

    def leaf(self, node: Node) -> _Leaf:
        """The automaton of a part without references."""
        found = self._leaves.get(node)
        if found is None:
            found = self._leaves[node] = self._new_leaf(node)
        return found

    def _new_leaf(self, node: Node) -> _Leaf:
        match node:
            case ByteClass(ranges):
                return _Leaf(Dfa((tuple((low, high, 1) for low, high in ranges), ()), frozenset({1})))
            case CharClass(ranges):
                return _Leaf(class_bytes(ranges))
            case Texts(items):
                return _Leaf(word_piece(items).dfa())
            case Numerals():
                return _Leaf(body_leaf(node, Limits().states).fragment.piece.dfa())
        made = leaf(self.survey.written_out(node))
        window = made.fragment.window
        return _Leaf(made.fragment.piece.dfa(), made.low, made.high, None if window is None else window[0])
