"""Members: an object as one rule, whose counter says how many of the declared members are decided.

Place in the walk: `Members` -> **Piece and Order**. Written out, an object whose members may each be left out is one
rule for each of them, or quadratic. Here all keys are one prefix tree, and each state knows which members can still
come from it; `n` stands for what follows the declared members: `rest`, then `end`.

The brackets are states of the same rule. Let d be the counter and r(d) the first required member from d on, or n.
Member k may be next iff d <= k <= r(d). So

- a state that reads a separator, a key or the end is entered iff such a k is in its list;
- the state behind the key of member k is entered iff k may be next, and sets the counter to k + 1 (n for `rest`);
- all other states, in the values, are always entered. A value is a call behind literals and calls, so that no state
  is both in a value and in what follows it.

`Order` holds both as one table, for n = 2 members `"a"` and `"ab"`, the second of them required:

    1 1 2  | first, count of each state's list; count = -1: first is the member decided there | the lists
    r(d)     always entered: count = 0
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import pairwise
from operator import or_
from typing import TypeAlias

import numpy as np

from grammars.errors import InvalidGrammar, LimitExceeded
from grammars.ir import Bytes, Choice, Grammar, Members, Node, Ref, Repeat, Sequence
from grammars.pieces import Piece, flat_piece
from grammars.positions import END, NULL, SOLID, Callees, Positions, Set, union
from grammars.tables import Int32

__all__ = ["Order", "check_members", "members_piece", "written_as_rules"]

DECIDED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What the machines look up for the states of a rule of members; see the module."""

    count: int
    after: int
    """The state behind a value."""
    table: Int32


def members_piece(node: Members, callees: Callees, *, limit: int) -> tuple[Piece, Order]:
    """The automaton of the members and what its states allow; raises `LimitExceeded` beyond `limit` states."""
    return _Object(node, callees).written(limit)


class _Object:
    """The states of one object as flat lists: before the first key, keys with their values, behind a value."""

    def __init__(self, node: Members, callees: Callees) -> None:
        self.node, self.callees = node, callees
        self.first_edge: list[int] = []
        self.first_call: list[int] = []
        self.symbols: list[int] = []
        self.to: list[int] = []
        self.called: list[int] = []
        self.back: list[int] = []
        self.order: list[int] = []  # two of each state, see `Order`; lists are counted from the first one
        self.lists: list[int] = []
        self.known: dict[tuple[int, ...], tuple[()] | tuple[Template, list[int]] | None] = {}  # by identity

    def written(self, limit: int) -> tuple[Piece, Order]:
        node, count = self.node, len(self.node.keys)
        values = [self.value(value) for value in node.values]
        keys = sorted([(key, number) for number, key in enumerate(node.keys) if values[number] is not None])
        rest = [self.callees.callee(key) for key, _ in node.rest]
        others = [(rule, self.value(value)) for (_, rule), (_, value) in zip(rest, node.rest, strict=True)]
        others = [(rule, value) for rule, value in others if rule >= 0 and value is not None]
        possible = sorted([number for _, number in keys]) + [count] * bool(others)
        groups = _groups(keys, 0, len(keys), 0)
        self.key_bytes, self.key_rules = [byte for byte, _, _ in groups], [rule for rule, _ in others]
        finals = self.around(node.begin, None, node.empty, possible=possible)
        places = [0]  # see `_place`
        for _, low, high in groups:
            places.append(len(self.first_edge))
            self.tree(keys, values, low, high)
        for _, value in others:
            places.append(len(self.first_edge))
            self.copy(value, count)
        after = places[0] = len(self.first_edge)
        finals += self.around(None, node.separator, node.end, possible=possible)
        if len(self.first_edge) > limit:
            raise LimitExceeded(f"the keys of an object need more than {limit} states", hint="raise Limits.states")
        to = [places[_place(state)] if state < _TAIL else state for state in self.to]
        back = [places[_place(state)] if state < _TAIL else state for state in self.back]
        edge_lists, call_lists = (self.symbols, self.symbols, to), (self.called, back)
        return flat_piece(finals, self.first_edge, self.first_call, edge_lists, call_lists), self.ordered(after)

    def value(self, node: Node) -> Value | None:
        """What stands before a value, and its rule; None where there is no value."""
        items = _items(node) or (node,)
        before = self.before(items[:-1])
        facts, rule = self.callees.callee(node if before is None else items[-1])
        if before is None or facts & NULL:
            facts, rule = self.callees.callee(node)
            before = self.before(())
        return (*before, rule) if before and facts & SOLID else None

    def before(self, items: tuple[Node, ...]) -> tuple[()] | tuple[Template, list[int]] | None:
        """The template of what stands before a value; () where it has no text, None where it has other nodes."""
        key = tuple(map(id, items))
        if key not in self.known:
            self.known[key] = self.template(_before_value, (items,)) if _is_plain(items) else None
        return self.known[key]

    def template(
        self, make: Callable[..., Template], parts: tuple[tuple[Node, ...] | None, ...]
    ) -> tuple[()] | tuple[Template, list[int]]:
        """What `make` makes of literals and references, and the rules that it calls; () where one has no text."""
        names = dict.fromkeys([item.name for part in parts for item in part or () if isinstance(item, Ref)])
        callees = [self.callees.callee(Ref(name)) for name in names]
        if not all(facts for facts, _ in callees):
            return ()
        facts = tuple([(name, facts) for name, (facts, _) in zip(names, callees, strict=True)])
        return make(*parts, facts), [rule for _, rule in callees]

    def state(self, members: list[int]) -> None:
        """The next state, which some of the members can come from; its edges and calls follow."""
        self.first_edge.append(len(self.symbols))
        self.first_call.append(len(self.called))
        self.order += (len(self.lists), len(members))
        self.lists += members

    def tree(self, keys: list[tuple[bytes, int]], values: list[Value | None], low: int, high: int) -> None:
        """The states of sorted keys behind the first byte, which they share, with their values."""
        work = [(low, high, 1, -1)]
        while work:
            low, high, depth, edge = work.pop()
            if edge >= 0:
                self.to[edge] = len(self.first_edge)
            key, number = keys[low]
            if high - low == 1:
                self.literal(key[depth:], [number])
                self.copy(values[number], number)
                continue
            shared = _shared(key, keys[high - 1][0])
            members = sorted([member for _, member in keys[low:high]])
            self.literal(key[depth:shared], members)
            self.state(members)
            for byte, begin, end in _groups(keys, low, high, shared):
                work.append((begin, end, shared + 1, len(self.symbols)))
                self.symbols.append(byte)
                self.to.append(0)

    def literal(self, data: bytes, members: list[int]) -> None:
        """A state for each byte."""
        state, edge, lists, length = len(self.first_edge), len(self.symbols), len(self.lists), len(data)
        self.first_edge.extend(range(edge, edge + length))
        self.first_call.extend([len(self.called)] * length)
        self.symbols += data
        self.to.extend(range(state + 1, state + length + 1))
        size = len(members)
        for i in range(length):
            self.order += (lists + i * size, size)
        self.lists += members * length

    def copy(self, value: Value | None, number: int) -> None:
        """The states from the end of a key to the end of its value."""
        assert value is not None
        template, rules, rule = value
        state, edge, call = len(self.first_edge), len(self.symbols), len(self.called)
        self.first_edge += [edge + i for i in template.first_edge]
        self.first_call += [call + i for i in template.first_call]
        self.symbols += template.symbols
        self.to += [state + to for to in template.to]
        self.called += [rule if i == _VALUE else rules[i] for i in template.called]
        self.back += [_place(0) if to < 0 else state + to for to in template.back]
        self.order += (number, DECIDED, *[0] * (2 * len(template.first_edge) - 2))

    def around(self, *parts: Node | None, possible: list[int]) -> list[int]:
        """The states of what stands around members: first, and then before a key or at the end. Returns the final."""
        found = self.template(_around, tuple([None if part is None else _items(part) for part in parts]))
        assert found, "what stands around the members has texts"
        template, rules = found
        end, state = len(self.node.keys), len(self.first_edge)
        either = possible if possible[-1:] == [end] else [*possible, end]
        lists = {_GOES_ON: possible, _KEYS: possible, _ENDS: [end], _GOES_ON | _ENDS: either, _KEYS | _ENDS: either}
        keys = [(byte, _place(1 + i)) for i, byte in enumerate(self.key_bytes)]
        first = pairwise([*template.first_edge, len(template.symbols)])
        calls = pairwise([*template.first_call, len(template.called)])
        for (edge, next_edge), (call, next_call), reads in zip(first, calls, template.reads, strict=True):
            self.state(lists[reads])
            symbols, to = template.symbols[edge:next_edge], [state + to for to in template.to[edge:next_edge]]
            if reads & _KEYS == _KEYS:
                row = sorted([*zip(symbols, to, strict=True), *keys])
                symbols, to = [symbol for symbol, _ in row], [target for _, target in row]
                self.called += self.key_rules
                self.back += [_place(1 + len(keys) + i) for i in range(len(self.key_rules))]
            self.symbols += symbols
            self.to += to
            self.called += [rules[i] for i in template.called[call:next_call]]
            self.back += [_TAIL if back < 0 else state + back for back in template.back[call:next_call]]
        return [state + final for final in template.finals]

    def ordered(self, after: int) -> Order:
        """The order of the members as the machines read it."""
        table = _first_required(self.node)
        base = len(table) + len(self.order)
        order = self.order
        for i in range(0, len(order), 2):
            if order[i + 1] > 0:
                order[i] += base
        table += order
        table += self.lists
        return Order(len(self.node.keys), after, np.frombuffer(array("i", table), np.int32))


# -- templates ---------------------------------------------------------------------------------------------------------

_TAIL, _VALUE = -1, -2
"""The return state of a tail call; the "reference" to a value in a template."""

_GOES_ON, _KEYS, _ENDS = 1, 3, 4
"""What a state may still read: a separator or a key; a key at once; the end."""


def _place(number: int) -> int:
    """What stands for a state that is not written yet, and back.

    0 is the state behind a value; then come those behind the first bytes of keys, and those behind the keys of `rest`.
    """
    return -2 - number


def _groups(keys: list[tuple[bytes, int]], low: int, high: int, depth: int) -> list[tuple[int, int, int]]:
    """(byte, begin, end) of the keys with the same byte at a depth, among sorted ones."""
    found = []
    while low < high:
        begin, byte = low, keys[low][0][depth]
        while low < high and keys[low][0][depth] == byte:
            low += 1
        found.append((byte, begin, low))
    return found


@dataclass(frozen=True, slots=True)
class Template:
    """A small automaton of literals and references that objects have copies of; see `flat_piece`.

    Its calls are places in the list of its references; the call of the value returns to -1, as does a tail call.
    """

    first_edge: list[int]
    first_call: list[int]
    symbols: list[int]
    to: list[int]
    called: list[int]
    back: list[int]
    finals: list[int]
    reads: list[int]


Value: TypeAlias = tuple[Template, list[int], int]
"""What stands before a value with the rules that it calls, and the rule of the value."""


class _References:
    """What positions ask in a template."""

    writes_parts = False

    def __init__(self, facts: tuple[tuple[str, int], ...]) -> None:
        self.known = {name: (fact, place) for place, (name, fact) in enumerate(facts)}

    def is_counted(self, node: Repeat) -> bool:
        raise AssertionError(node)

    def callee(self, node: Node) -> tuple[int, int]:
        assert isinstance(node, Ref)
        return self.known[node.name]

    def special(self, name: str) -> int:
        raise AssertionError(name)


@lru_cache(maxsize=256)
def _before_value(items: tuple[Node, ...], facts: tuple[tuple[str, int], ...]) -> Template:
    """What stands between a key and its value."""
    positions = Positions(_References(facts))
    begin = positions.enter(Sequence(items), (positions.position(_VALUE, END),))
    return _template(positions, begin, {})


@lru_cache(maxsize=256)
def _around(
    first: tuple[Node, ...] | None,
    between: tuple[Node, ...] | None,
    end: tuple[Node, ...] | None,
    facts: tuple[tuple[str, int], ...],
) -> Template:
    """First this, then what stands before a key, or the end."""
    positions = Positions(_References(facts))
    going_on = positions.enter(Sequence(between or ()), (positions.position((), END),))
    written = len(positions.reads)
    ending = () if end is None else positions.enter(Sequence(end), END)
    ends = dict.fromkeys(positions.follows[written:], _ENDS)
    following = union([going_on, ending])
    written = len(positions.reads)
    begin = positions.enter(Sequence(first or ()), following)
    ends.update(dict.fromkeys(positions.follows[written:], _GOES_ON if end is None else _GOES_ON | _ENDS))
    return _template(positions, begin, ends)


def _template(positions: Positions, begin: Set, ends: dict[Set, int]) -> Template:
    """The automaton from `begin` on; `ends` says what positions may still read, by what follows them."""
    automaton = positions.automaton(begin, limit=1000)

    def reads(position: int) -> int:
        if positions.reads[position] == ():
            return _KEYS
        return _ENDS if position == 0 else ends.get(positions.follows[position], _GOES_ON)

    found = []
    states = pairwise([*automaton.numbers, len(automaton.first_edge)])
    for members, (state, following) in zip(automaton.sets, states, strict=True):
        flags = [reads(position) for position in members]
        found.append(reduce(or_, flags))
        if following - state > 1:  # inside of the one literal that is read here
            (inside,) = [f for p, f in zip(members, flags, strict=True) if p and isinstance(positions.reads[p], bytes)]
            found += [inside] * (following - state - 1)
    back = [automaton.numbers[to] if to >= 0 else -1 for to in automaton.back]
    return Template(
        automaton.first_edge, automaton.first_call, automaton.low, automaton.targets(), automaton.rule, back,
        automaton.finals, found,
    )  # fmt: skip


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


def _is_plain(items: tuple[Node, ...]) -> bool:
    """Whether there are only literals and references."""
    return all(isinstance(item, Bytes | Ref) for item in items)


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else (node,)


@lru_cache(maxsize=1024)
def _first_literal(node: Node) -> bytes:
    """The first literal of a sequence of literals and references."""
    literals = [item.data for item in _items(node) if isinstance(item, Bytes) and item.data]
    if not literals or not _is_plain(_items(node)):
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


def written_as_rules(grammar: Grammar) -> Grammar:
    """The same language without `Members`: one right-linear rule from each member to the next. The slow twin.

    >>> one = Members(Bytes(b"{"), (b"a",), (Bytes(b"1"),), frozenset(), (), Bytes(b","), Bytes(b"}"))
    >>> written_as_rules(Grammar({"start": one})).rules["start"]
    Sequence(items=(Bytes(data=b'{'), Ref(name='start~1~0')))
    """
    rules: dict[str, Node] = {}
    for name, node in grammar.rules.items():
        rules[name] = _Writer(name, rules, grammar.rules).node(node)
    return Grammar(rules, grammar.start, grammar.source)


class _Writer:
    """Writes the rules of the members in one rule."""

    def __init__(self, name: str, rules: dict[str, Node], taken: Iterable[str]) -> None:
        self.name, self.rules, self.taken, self.count = name, rules, taken, 0

    def node(self, node: Node) -> Node:
        match node:
            case Sequence(items) | Choice(items):
                return type(node)(tuple([self.node(item) for item in items]))
            case Repeat(item, low, high):
                return Repeat(self.node(item), low, high)
            case Members():
                return self.members(node)
            case _:
                return node

    def members(self, node: Members) -> Node:
        self.count += 1
        prefix = f"{self.name}~{self.count}~"
        while any(name.startswith(prefix) for name in self.taken):
            prefix += "~"
        separator, end = self.node(node.separator), self.node(node.end)
        rest = Choice(tuple([Sequence((key, self.node(value))) for key, value in node.rest]))
        more = Repeat(Sequence((separator, rest)))
        last = len(node.keys)
        self.rules[f"{prefix}{last}"] = Sequence((rest, more, end))
        self.rules[f"{prefix}{last}+"] = Sequence((more, end))
        for i in range(last):
            entry = (Bytes(node.keys[i]), self.node(node.values[i]), Ref(f"{prefix}{i + 1}+"))
            for begun in ("", "+"):
                taken: Node = Sequence((separator, *entry) if begun else entry)
                left_out = Ref(f"{prefix}{i + 1}{begun}")
                self.rules[f"{prefix}{i}{begun}"] = taken if i in node.required else Choice((taken, left_out))
        first = Ref(f"{prefix}0")
        following = first if node.empty is None or node.required else Choice((first, node.empty))
        return Sequence((node.begin, following))
