"""Samples: random members of a grammar, drawn by its rules, without any model.

Place in the walk: on the raw Grammar, beside the automaton; `gcd sample` shows them. Whoever draws knows of each rule
the fewest bytes that it needs, so that nothing leads to a dead end and no member is longer than was asked for. Each
alternative is as likely as the others for which there is room; see `grammars.uniform` for members that are all equally
likely.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from itertools import chain
from random import Random
from typing import TypeAlias

from grammars.errors import LimitExceeded
from grammars.history import has_distinct_items
from grammars.ir import (
    ByteClass,
    Bytes,
    Choice,
    Distinct,
    Grammar,
    Members,
    Node,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    Texts,
)
from grammars.limits import Limits
from grammars.sample_texts import NEVER, Characters
from grammars.survey import Survey

__all__ = ["Samples"]

Cost: TypeAlias = tuple[int, int]
"""The fewest bytes of a text, and of how many rules inside one another it is made then."""

_NONE: Cost = (NEVER, 0)
_TRIES = 1000
"""Arrays that are drawn for one whose items differ."""

_DEEP = 60
_WIDE = 1000
"""The rules inside one another, and the parts that may be empty, beyond which only the shortest texts are drawn."""

_AGAIN = 0.6
"""How likely one more copy of a repeat is, where it may have more; of an object's other entries, half of it."""


class Samples:
    """The members of a grammar that compiles, with at most so many bytes each.

    >>> samples = Samples(parse_lark('start: "(" start* ")"'), 8)
    >>> [samples.draw(Random(seed)) for seed in range(3)]
    [b'(()())', b'()', b'(())']

    Special tokens are written by their names. Raises `LimitExceeded` where all members are longer.
    """

    def __init__(self, grammar: Grammar, max_bytes: int) -> None:
        self.grammar, self.max_bytes = grammar, max_bytes
        self.survey = Survey(grammar, Limits())
        self.characters: dict[Node, Characters] = {}
        self.known: dict[Node, int] = {}
        self.costs: dict[str, Cost] = {}
        self.patience = 0  # how many more parts are drawn freely
        self._settle()
        self.fewest = self.cost(Ref(grammar.start))[0]
        if self.fewest > max_bytes:
            raise LimitExceeded(f"no text of this grammar has at most {max_bytes:,} bytes", hint="allow longer ones")

    def draw(self, rng: Random) -> bytes:
        """A random member: short ones are as likely as long ones."""
        spare = self.max_bytes - self.fewest
        room = self.fewest + int((spare + 1) ** rng.random()) - 1
        self.patience = _WIDE + 20 * room
        return self.node(rng, Ref(self.grammar.start), room, 0)

    # -- the fewest bytes

    def _settle(self) -> None:
        """The costs of all rules that the start needs: the least ones that fit together."""
        callers: dict[str, list[str]] = {}
        for name, summary in self.survey.summaries.items():
            for ref in summary.refs:
                callers.setdefault(ref, []).append(name)
        pending = dict.fromkeys(reversed(self.survey.summaries))
        while pending:
            name = next(iter(pending))
            del pending[name]
            now = self.cost(self.grammar.rules[name])
            if now < self.costs.get(name, _NONE):
                self.costs[name] = now
                pending |= dict.fromkeys(callers.get(name, ()))

    def cost(self, node: Node) -> Cost:
        """What the shortest text of a node costs, as far as the costs of rules are known."""
        match node:
            case Ref(name):
                size, height = self.costs.get(name, _NONE)
                return (size, height + 1) if size < NEVER else _NONE
            case Bytes(data):
                return len(data), 0
            case Sequence(items):
                return _sum([self.cost(item) for item in items])
            case Choice(items):
                return min(map(self.cost, items), default=_NONE)
            case Repeat(item, low, high):
                if high is not None and high < low:
                    return _NONE
                return _sum([self.cost(item)], low) if low else (0, 0)
            case Members():
                return min(self._entries_cost(node), self._empty_cost(node))
            case Distinct(item):
                return self.cost(item)
            case ByteClass(ranges):
                return (1, 0) if ranges else _NONE
            case Texts(items):
                return min(map(len, items), default=NEVER), 0
            case SpecialToken(name):
                return len(name.encode()), 0
        if node not in self.known:
            self.known[node] = self.text(node).least(self.max_bytes)
        return self.known[node], 0

    def text(self, node: Node) -> Characters:
        """The texts of a part without references."""
        if node not in self.characters:
            self.characters[node] = Characters(self.survey.written_out(node))
        return self.characters[node]

    def _empty_cost(self, node: Members) -> Cost:
        if node.empty is None or node.required or node.low:
            return _NONE
        return _sum([self.cost(node.begin), self.cost(node.empty)])

    def _entries_cost(self, node: Members) -> Cost:
        least = self._least_entries(node)
        return _NONE if least is None else _sum([self.cost(part) for part in self._written(node, least)])

    def _least_entries(self, node: Members) -> list[Sequence] | None:
        """The entries of the shortest object that has some, None where there is none."""
        found = [(number in node.required, entry) for number, entry in enumerate(self._declared(node))]
        needed = max(1, node.low, len(node.required))
        if node.high is not None and needed > node.high:
            return None
        others = [(False, entry) for entry in self._others(node) for _ in range(needed)]
        ways = sorted(chain(found, others), key=lambda way: (not way[0], self.cost(way[1])))[:needed]
        kept = {id(entry) for _, entry in ways}
        if len(ways) < needed or any(self.cost(entry) >= _NONE for _, entry in ways):
            return None
        declared = [entry for _, entry in found if id(entry) in kept]
        return declared + [entry for _, entry in ways if all(entry is not other for other in declared)]

    def _declared(self, node: Members) -> list[Sequence]:
        return [Sequence((Bytes(key), value)) for key, value in zip(node.keys, node.values, strict=True)]

    def _others(self, node: Members) -> list[Sequence]:
        return [Sequence(pair) for pair in node.rest]

    @staticmethod
    def _written(node: Members, entries: SequenceOf[Node]) -> list[Node]:
        """The parts of an object with these entries."""
        apart = [part for entry in entries for part in (node.separator, entry)][1:]
        return [node.begin, *apart, node.end]

    # -- drawing

    def node(self, rng: Random, node: Node, room: int, depth: int) -> bytes:
        """A random text of a node, which has one of at most `room` bytes."""
        self.patience -= 1
        if is_late := depth > _DEEP or self.patience < 0:
            room = self.cost(node)[0]
        match node:
            case Ref(name):
                return self.node(rng, self.grammar.rules[name], room, depth + 1)
            case Bytes(data):
                return data
            case Sequence(items):
                return self.sequence(rng, items, room, depth)
            case Choice(items):
                costs = [self.cost(item) for item in items]
                least = min(costs) if is_late else (room, NEVER)
                ways = [item for item, cost in zip(items, costs, strict=True) if cost <= least]
                return self.node(rng, rng.choice(ways), room, depth)
            case Repeat(item, low, _):
                count = low if is_late else self.copies(rng, node, room)
                return self.sequence(rng, [item] * count, room, depth)
            case Members():
                return self.sequence(rng, self.entries(rng, node, room), room, depth)
            case Distinct(item):
                return self.distinct(rng, item, room, depth)
            case ByteClass(ranges):
                low, high = rng.choice(ranges)
                return bytes([rng.randint(low, high)])
            case Texts(items):
                return rng.choice([item for item in items if len(item) <= room])
            case SpecialToken(name):
                return name.encode()
        return self.text(node).draw(rng, room)

    def distinct(self, rng: Random, item: Node, room: int, depth: int) -> bytes:
        """A text of an array whose items differ, the first that comes."""
        for _ in range(_TRIES):
            text = self.node(rng, item, room, depth)
            if has_distinct_items(text):
                return text
        raise LimitExceeded(f"of {_TRIES} random arrays none has items that differ", hint="allow more bytes")

    def sequence(self, rng: Random, items: SequenceOf[Node], room: int, depth: int) -> bytes:
        """Texts of all items, which share the room in random order."""
        texts = [b""] * len(items)
        costs = [self.cost(item)[0] for item in items]
        spare = room - sum(costs)
        for i in rng.sample(range(len(items)), len(items)):
            texts[i] = self.node(rng, items[i], costs[i] + spare, depth)
            spare += costs[i] - len(texts[i])
        return b"".join(texts)

    def copies(self, rng: Random, node: Repeat, room: int) -> int:
        """How many copies of a repeat there are."""
        least = self.cost(node.item)[0]
        most = node.max if node.max is not None else node.min + room + 1
        if least:
            most = min(most, room // least)
        count = node.min
        while count < most and rng.random() < _AGAIN:
            count += 1
        return count

    def entries(self, rng: Random, node: Members, room: int) -> list[Node]:
        """The parts of an object: what is required, and others while there is room for them."""
        chosen = self._least_entries(node)
        if self._empty_cost(node)[0] <= room and (
            chosen is None or rng.random() < 0.1 or self._cost_of(node, chosen) > room
        ):
            assert node.empty is not None
            return [node.begin, node.empty]
        assert chosen is not None
        declared = self._declared(node)
        taken = [number for number, entry in enumerate(declared) if entry in chosen]
        others = [entry for entry in chosen if entry not in declared]
        more: list[int | Sequence] = [n for n in range(len(declared)) if n not in taken and rng.random() < 0.5]
        while node.rest and rng.random() < _AGAIN / 2:
            more.append(rng.choice(self._others(node)))
        for extra in rng.sample(more, len(more)):
            wider = [*taken, extra] if isinstance(extra, int) else taken
            longer = others if isinstance(extra, int) else [*others, extra]
            entries = [*[declared[n] for n in wider], *longer]
            if (node.high is None or len(entries) <= node.high) and self._cost_of(node, entries) <= room:
                taken, others = wider, longer
        written: list[Sequence] = [*[declared[n] for n in sorted(taken)], *others]
        if node.any_order:
            rng.shuffle(written)
        return self._written(node, written)

    def _cost_of(self, node: Members, entries: SequenceOf[Node]) -> int:
        return _sum([self.cost(part) for part in self._written(node, entries)])[0]


def _sum(costs: SequenceOf[Cost], times: int = 1) -> Cost:
    size = times * sum(size for size, _ in costs)
    return (size, max((height for _, height in costs), default=0)) if size < NEVER else _NONE
