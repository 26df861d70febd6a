"""Members: an object as one rule, whose counter says how many of the declared members are decided.

Place in the walk: `Members` -> **Piece and Order**. Written out, an object whose members may each be left out is one
rule for each of them, or quadratic. Here all keys are one prefix tree, and each state knows which members can still
come from it; `n` stands for what follows the declared members: `rest`, then `end`.

The brackets are states of the same rule. Let d be the counter and r(d) the first required member from d on, or n.
Member k may be next iff d <= k <= r(d). So

- a state that reads a separator, a key or the end is entered iff such a k is in its list;
- the state behind the key of member k is entered iff k may be next, and sets the counter to k + 1 (n for `rest`);
- all other states, in the values, are always entered. A value is a call or a literal behind literals and calls, so
  that no state is both in a value and in what follows it.

`Order` holds both as one table, for n = 2 members `"a"` and `"ab"`, the second of them required:

    1 1 2  | first, count of each state's list; count = -1: first is the member decided there | the lists
    r(d)     always entered: count = 0

**Registers.** Where members stand in any order, or are counted, the counter names a register: which of them are
decided, and how many entries are written. There the end has a number of its own, n + 1. Member k may be next iff it is
not decided, there is room for it beside the required ones that are not written, the lower bound can still be met, and,
in order, it is not behind a required one; `rest` likewise; the end iff nothing is missing. Such a table has one more
word in front (for costs), and members without a value are left out.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from functools import lru_cache
from itertools import chain, count, pairwise
from typing import NamedTuple, Protocol

import numpy as np

from grammars.alike import Alike, Kept
from grammars.errors import InvalidGrammar, LimitExceeded
from grammars.ir import Bytes, Members, Node
from grammars.pieces import Piece, flat_piece
from grammars.positions import NULL, SOLID, Callees
from grammars.record import record
from grammars.tables import MOST_IN_ANY_ORDER, NOWHERE, OPEN, ORDERED, UNBOUNDED, Int32
from grammars.templates import (
    AFTER,
    ENDS,
    GOES_ON,
    KEYS,
    Template,
    around,
    before_literal,
    before_value,
    is_plain,
    items_of,
    references,
    starts_of,
)

__all__ = ["Order", "check_members", "has_register", "members_piece"]

DECIDED = -1

_WRITTEN = 4096
"""The bytes of literal values, of one object, that are states of its own; further ones are rules."""

_MANY = 16
"""The members from which on an object is looked for among those that are alike."""


class Rules(Callees, Protocol):
    """What members need to know of other rules."""

    def literal(self, node: Node) -> bytes | None:
        """The only text of a node; None where there may be others."""


@record(eq=False)
class Order:
    """What the machines look up for the states of a rule of members; see the module."""

    count: int
    after: int
    """The state behind a value."""
    table: Int32
    register: Register | None = None


class Register(NamedTuple):
    """How many entries there may be, how they stand, and how many members are required."""

    low: int
    high: int
    flags: int
    required: int


def has_register(node: Members) -> bool:
    """Whether one number does not say which members are decided, or they are counted."""
    return node.any_order or node.low > 0 or node.high is not None


def members_piece(node: Members, callees: Rules, *, limit: int, kept: Kept | None = None) -> tuple[Piece, Order]:
    """The automaton of the members and what its states allow; raises `LimitExceeded` beyond `limit` states.

    What objects with many members have in common is `kept`.
    """
    if has_register(node):
        if len(node.keys) > MOST_IN_ANY_ORDER:
            raise LimitExceeded(f"more than {MOST_IN_ANY_ORDER:,} members stand in any order, or are counted")
        node = _without_impossible(node, callees)
    return _Object(node, callees).written(limit, kept)


def _without_impossible(node: Members, callees: Rules) -> Members:
    """The same members without those that have no value."""
    looked_at = _Object(node, callees)
    kept = [i for i, value in enumerate(node.values) if looked_at.value(value) is not None]
    if len(kept) == len(node.keys):
        return node
    return replace(
        node,
        keys=tuple([node.keys[i] for i in kept]),
        values=tuple([node.values[i] for i in kept]),
        required=frozenset([place for place, i in enumerate(kept) if i in node.required]),
    )


class _Object:
    """The states of one object as flat lists: before the first key, keys with their values, behind a value."""

    def __init__(self, node: Members, callees: Rules) -> None:
        self.node, self.callees = node, callees
        self.edge_counts: list[int] = []  # of each state
        self.call_counts: list[int] = []
        self.first: list[int] = []  # of its pair, see `Order`; lists are counted from the first one
        self.sizes: list[int] = []
        self.symbols: list[int] = []  # of each edge
        self.to: list[int] = []
        self.called: list[int] = []  # of each call
        self.back: list[int] = []
        self.lists: list[int] = []
        self.known: dict[tuple[int, ...], tuple[()] | tuple[Template, list[int]] | None] = {}  # by identity
        self.room = _WRITTEN
        self.count = len(node.keys)
        """What stands for keys that are not declared in the lists."""
        self.end = self.count + has_register(node)
        """What stands for the end there."""

    def written(self, limit: int, kept: Kept | None) -> tuple[Piece, Order]:
        node = self.node
        values = [self.value(value) for value in node.values]
        keys = sorted([(key, number) for number, key in enumerate(node.keys) if values[number] is not None])
        rest = [self.callees.callee(key) for key, _ in node.rest]
        others = [(rule, self.value(value)) for (_, rule), (_, value) in zip(rest, node.rest, strict=True)]
        others = [(rule, value) for rule, value in others if rule >= 0 and value is not None]
        groups = _groups(keys, 0, len(keys), 0)
        starts, ends, rules = self.brackets(tuple([byte for byte, _, _ in groups]), len(others))
        rules += [rule for rule, _ in others]
        found = [value for _, number in keys if (value := values[number]) is not None]
        last = [value for _, value in others if value is not None]
        parts = Parts(keys, found, last, groups, starts, ends, rules)
        required, alike = _first_required(node), None
        if kept is not None and len(keys) >= _MANY and kept.has_met(tuple([key for key, _ in keys])):
            alike = kept.get((parts.likeness(), has_register(node)), lambda: self.alike(parts, limit))
        if alike is None:
            piece, after = self.laid_out(parts, limit)
            table = np.frombuffer(array("i", [*required, *self.table(len(required))]), np.int32)
        else:
            numbers = [*[number for _, number in keys], self.count, self.count + 1]
            piece, table = alike.filled(parts.all_rules(), numbers, required)
            after = alike.after
        return piece, self.order(table, after, is_open=bool(others))

    def alike(self, parts: Parts, limit: int) -> Alike:
        """What objects with these keys, and such values, have in common."""
        one = _Object(self.node, self.callees)
        one.count, one.end, one.room = len(parts.keys), len(parts.keys) + self.end - self.count, self.room
        piece, after = one.laid_out(parts.numbered(), limit)
        pairs = np.array([one.first, one.sizes], np.int32).T
        return Alike(piece, after, pairs, np.array(one.lists, np.int32))

    def laid_out(self, parts: Parts, limit: int) -> tuple[Piece, int]:
        """The states, and which one stands behind a value."""
        keys = parts.keys
        possible = sorted([number for _, number in keys]) + [self.count] * bool(parts.others)
        finals = self.around(parts.starts, parts.rules, possible)
        places = []
        for _, low, high in parts.groups:
            places.append(len(self.sizes))
            self.tree(parts, low, high)
        for value in parts.others:
            places.append(len(self.sizes))
            self.copy(value, self.count)
        after = len(self.sizes)
        finals += self.around(parts.ends, parts.rules, possible)
        if len(self.sizes) - (_WRITTEN - self.room) > limit:
            raise LimitExceeded(f"the keys of an object need more than {limit} states", hint="raise Limits.states")
        places = [*places[::-1], after, NOWHERE]
        to = [state if state >= 0 else places[state] for state in self.to]
        back = [state if state >= 0 else places[state] for state in self.back]
        edges, calls = (self.symbols, self.symbols, to), (self.called, back)
        return flat_piece(finals, starts_of(self.edge_counts), starts_of(self.call_counts), edges, calls), after

    def value(self, node: Node) -> Value | None:
        """What a value is made of; None where there is none."""
        items = items_of(node) or (node,)
        before = self.before(items[:-1])
        if before and (data := self.callees.literal(items[-1])) and len(data) <= self.room:
            template, rules = before
            self.room -= len(data)
            return Value(
                before_literal(template, data[0], len(template.reads) if len(data) > 1 else AFTER), rules, data[1:]
            )
        facts, rule = self.callees.callee(node if before is None else items[-1])
        if before is None or facts & NULL:
            facts, rule = self.callees.callee(node)
            before = self.before(())
        return Value(before[0], [*before[1], rule]) if before and facts & SOLID else None

    def before(self, items: tuple[Node, ...]) -> tuple[()] | tuple[Template, list[int]] | None:
        """The template of what stands before a value; () where it has no text, None where it has other nodes."""
        key = tuple(map(id, items))
        if key not in self.known:
            self.known[key] = self.before_value(items) if is_plain(items) else None
        return self.known[key]

    def before_value(self, items: tuple[Node, ...]) -> tuple[()] | tuple[Template, list[int]]:
        facts, rules = references(items, self.callees)
        return (before_value(items, facts), rules) if all(fact for _, fact in facts) else ()

    def brackets(self, key_bytes: tuple[int, ...], key_rules: int) -> tuple[Template, Template, list[int]]:
        """What stands before the first key, what stands behind a value, and the rules that they call."""
        node = self.node
        begin, separator, end = items_of(node.begin), items_of(node.separator), items_of(node.end)
        empty = None if node.empty is None else items_of(node.empty)
        facts, rules = references((*begin, *(empty or ()), *separator, *end), self.callees)
        starts = around(begin, (), empty, facts, key_bytes, key_rules)
        return starts, around((), separator, end, facts, key_bytes, key_rules), rules

    def tree(self, parts: Parts, low: int, high: int) -> None:
        """The states of sorted keys behind the first byte, which they share, with their values."""
        keys, work = parts.keys, [(low, high, 1, -1)]
        while work:
            low, high, depth, edge = work.pop()
            if edge >= 0:
                self.to[edge] = len(self.sizes)
            key, number = keys[low]
            if high - low == 1:
                self.literal(key[depth:], [number])
                self.copy(parts.values[low], number)
                continue
            shared = _shared(key, keys[high - 1][0])
            members = sorted([member for _, member in keys[low:high]])
            self.literal(key[depth:shared], members)
            self.state(members)
            branches = _groups(keys, low, high, shared)
            for byte, begin, end in branches:
                work.append((begin, end, shared + 1, len(self.symbols)))
                self.symbols.append(byte)
                self.to.append(0)
            self.edge_counts.append(len(branches))
            self.call_counts.append(0)

    def state(self, members: list[int]) -> None:
        """The pair of the next state, which these members can come from."""
        self.first.append(len(self.lists))
        self.sizes.append(len(members))
        self.lists += members

    def literal(self, data: bytes, members: list[int]) -> None:
        """A state for each byte."""
        state, lists, length, size = len(self.sizes), len(self.lists), len(data), len(members)
        self.edge_counts += [1] * length
        self.call_counts += [0] * length
        self.first += range(lists, lists + length * size, size)
        self.sizes += [size] * length
        self.symbols += data
        self.to += range(state + 1, state + length + 1)
        self.lists += members * length

    def copy(self, value: Value, number: int) -> None:
        """The states from the end of a key to the end of its value."""
        self.append(value.template, value.rules)
        state, rest = len(self.sizes) + len(value.template.reads), len(value.rest)
        if rest:
            self.edge_counts += [1] * rest
            self.call_counts += [0] * rest
            self.symbols += value.rest
            self.to += (*range(state + 1, state + rest), AFTER)
        others = [0] * (len(value.template.reads) - 1 + rest)
        self.first += (number, *others)
        self.sizes += (DECIDED, *others)

    def around(self, template: Template, rules: list[int], possible: list[int]) -> list[int]:
        """The states of what stands around the members; returns the final ones."""
        state, end = len(self.sizes), self.end
        either = possible if possible[-1:] == [end] else [*possible, end]
        lists = {GOES_ON: possible, KEYS: possible, ENDS: [end], GOES_ON | ENDS: either, KEYS | ENDS: either}
        self.append(template, rules)
        for reads in template.reads:
            self.state(lists[reads])
        return [state + final for final in template.finals]

    def append(self, template: Template, rules: list[int]) -> None:
        """The edges and calls of a copy of a template that calls these rules."""
        state = len(self.sizes)
        self.edge_counts += template.edge_counts
        self.call_counts += template.call_counts
        self.symbols += template.symbols
        self.to += [state + to if to >= 0 else to for to in template.to]
        self.called += [rules[i] for i in template.called]
        self.back += [state + to if to >= 0 else to for to in template.back]

    def table(self, begin: int) -> list[int]:
        """The pairs and the lists of a table, behind `begin` numbers."""
        base = begin + 2 * len(self.sizes)
        table = [0] * (base - begin)
        table[::2] = [base + first if size > 0 else first for first, size in zip(self.first, self.sizes, strict=True)]
        table[1::2] = self.sizes
        return table + self.lists

    def order(self, table: Int32, after: int, *, is_open: bool) -> Order:
        """The order of the members as the machines read it."""
        node = self.node
        if not has_register(node):
            return Order(len(node.keys), after, table)
        flags = (0 if node.any_order else ORDERED) | (OPEN if is_open else 0)
        high = UNBOUNDED if node.high is None else min(node.high, UNBOUNDED)
        register = Register(node.low, high, flags, len(node.required))
        return Order(len(node.keys), after, np.append(np.int32(0), table), register)


# -- keys and values --------------------------------------------------------------------------------------------------


def _groups(keys: list[tuple[bytes, int]], low: int, high: int, depth: int) -> list[tuple[int, int, int]]:
    """(byte, begin, end) of the keys with the same byte at a depth, among sorted ones."""
    found = []
    while low < high:
        begin, byte = low, keys[low][0][depth]
        while low < high and keys[low][0][depth] == byte:
            low += 1
        found.append((byte, begin, low))
    return found


class Value(NamedTuple):
    """What stands before a value, with its rule or the first byte of a literal; the rules; the rest of the literal."""

    template: Template
    rules: list[int]
    rest: bytes = b""


class Parts(NamedTuple):
    """What the states of an object are made of: sorted keys with the numbers of their members, and their values; the
    values of further keys; the keys by their first bytes; what stands around the members, and the rules that it calls.
    """

    keys: list[tuple[bytes, int]]
    values: list[Value]
    others: list[Value]
    groups: list[tuple[int, int, int]]
    starts: Template
    ends: Template
    rules: list[int]

    def likeness(self) -> object:
        """What is equal for objects that differ in numbers of members and of rules alone."""
        values = tuple([(value.template, value.rest) for value in (*self.values, *self.others)])
        return tuple([key for key, _ in self.keys]), values, self.starts, self.ends

    def all_rules(self) -> list[int]:
        """The rules around the members, then those of the values."""
        return [*self.rules, *chain.from_iterable([value.rules for value in (*self.values, *self.others)])]

    def numbered(self) -> Parts:
        """The same with the places of the keys for numbers, and those in `all_rules` for rules."""
        places = count()
        rules = [next(places) for _ in self.rules]
        values, others = (
            [value._replace(rules=[next(places) for _ in value.rules]) for value in some]
            for some in (self.values, self.others)
        )
        keys = [(key, place) for place, (key, _) in enumerate(self.keys)]
        return self._replace(keys=keys, values=values, others=others, rules=rules)


def _first_required(node: Members) -> list[int]:
    """Of each number of decided members the first required one that is not among them, or how many there are."""
    following = len(node.keys)
    found = [following]
    for number in range(len(node.keys) - 1, -1, -1):
        if number in node.required:
            following = number
        found.append(following)
    return found[::-1]


def _shared(left: bytes, right: bytes) -> int:
    """How many bytes two keys begin with alike."""
    for i, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return i
    return min(len(left), len(right))


@lru_cache(maxsize=1024)
def _first_literal(node: Node) -> bytes:
    """The first literal of a sequence of literals and references."""
    literals = [item.data for item in items_of(node) if isinstance(item, Bytes) and item.data]
    if not literals or not is_plain(items_of(node)):
        raise InvalidGrammar("what stands around Members must be literals and references, with one literal at least")
    return literals[0]


def check_members(node: Members) -> None:
    """Raises `InvalidGrammar` for what is no `Members`, as far as it shows without the other rules."""
    _first_literal(node.begin)
    between, end = _first_literal(node.separator), _first_literal(node.end)
    if between.startswith(end) or end.startswith(between):
        raise InvalidGrammar("the separator and the end of Members must be told apart by their first literals")
    if node.empty is not None:
        first = _first_literal(node.empty)[:1]
        if any([key.startswith(first) for key in node.keys]):  # noqa: C419 - half the time
            raise InvalidGrammar("a key of Members begins as what ends an object without members")
    keys = sorted(node.keys)
    if keys and not keys[0]:
        raise InvalidGrammar("a key of Members is empty")
    for key, following in pairwise(keys):
        if following.startswith(key):
            raise InvalidGrammar(f"the key {key!r} of Members begins the key {following!r}")
    if len(node.values) != len(node.keys) or not all(0 <= number < len(node.keys) for number in node.required):
        raise InvalidGrammar("Members has not one value for each key, or requires what has no number")
    if not 0 <= node.low < UNBOUNDED or (node.high is not None and node.high < max(1, node.low)):
        raise InvalidGrammar("the bounds of Members contradict, or leave no room for a member")
