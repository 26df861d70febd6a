"""Nodes to the deterministic automaton of one rule, by way of positions.

Place in the walk: the body of a rule -> **Piece**. A position is a place in the body where something is read, a
literal, a class or a call, together with all the positions that may follow it (Glushkov 1961). Nodes are entered from
the end: `enter(node, after)` gives the positions from which `node` and then `after` is read. Positions are interned by
what they read and what follows, so equal tails of different alternatives are one.

A state of the automaton is a set of positions. Most have one: its literal is written out as a chain of states without
asking for each byte. Nothing dead is ever entered: what has no string has no positions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeAlias

from grammars.dfa import Dfa, Edge, split_overlaps, too_large
from grammars.ir import ByteClass, Bytes, CharClass, Choice, Node, Ranges, Repeat, Sequence, SpecialToken
from grammars.pieces import Piece, flat_piece
from grammars.tables import NOWHERE
from grammars.utf8 import class_bytes
from grammars.words import LONG, listed

__all__ = ["NULL", "SOLID", "Automaton", "Callees", "Positions", "union"]

NULL, SOLID = 1, 2
"""Facts about a node: it has the empty string; it has another one."""

Set: TypeAlias = tuple[int, ...]
"""Positions, ascending: 0 is the end of the rule, negative ones stand for the sets of loops."""

END: Set = (0,)

_PLACES = 8
"""Times the limit of states: the positions at which all states may stand together, since these are what takes time."""


class Callees(Protocol):
    """What positions need to know of other rules."""

    writes_parts: bool
    """Whether a part of the rule may become a rule of its own."""

    def is_counted(self, node: Repeat) -> bool:
        """Whether a repeat is counted at run time rather than written out."""

    def callee(self, node: Node) -> tuple[int, int]:
        """Facts about what becomes a rule of its own, and the number of that rule if it is `SOLID`."""

    def special(self, name: str) -> int:
        """The index of a special token."""


class Positions:
    """The positions of one rule, whose body is entered by `enter`."""

    def __init__(self, callees: Callees) -> None:
        self.callees = callees
        self.reads: list[bytes | Ranges | int] = [b""]  # a literal, ranges of symbols, or the number of a called rule
        self.follows: list[Set] = [()]
        self.numbers: dict[tuple[bytes | Ranges | int, Set], int] = {}
        self.loops: list[Set] = [()]
        self.known_loops: dict[tuple[Node, Set], tuple[Set, Set]] = {}
        self.known_chains: dict[tuple[Node, Set], list[Set]] = {}
        self.opened: dict[Set, Set] = {}
        self.anything: Set = ()  # the end and a position from which any text leads there: others beside it add nothing

    def position(self, reads: bytes | Ranges | int, after: Set) -> int:
        """The number of a position."""
        key = (reads, after)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.reads)
            self.reads.append(reads)
            self.follows.append(after)
        return number

    def enter(self, node: Node, after: Set) -> Set:
        """The positions that read `node` and then go on in `after`."""
        if not after:
            return ()
        if isinstance(node, Sequence):
            for item in reversed(node.items):
                if not isinstance(item, Bytes):
                    after = self.enter(item, after)
                    if not after:
                        return ()
                elif item.data:
                    after = (self.position(item.data, after),)
            return after
        match node:
            case Bytes(data):
                return (self.position(data, after),) if data else after
            case Choice(items):
                if len(items) >= LONG and self.callees.writes_parts:
                    texts, others = listed(node)
                    if len(texts.items) >= LONG:
                        return union([self.call(*self.callees.callee(texts), after), self.enter(others, after)])
                return union([self.enter(item, after) for item in items])
            case ByteClass(ranges):
                return (self.position(ranges, after),) if ranges else ()
            case CharClass(ranges):
                if not ranges or ranges[-1][1] <= 0x7F:
                    return (self.position(ranges, after),) if ranges else ()
                return self.embed(class_bytes(ranges), after)
            case Repeat():
                if not self.callees.is_counted(node):
                    return self.repeat(node, after, self.enter)
            case SpecialToken(name):
                symbol = 256 + self.callees.special(name)
                return (self.position(((symbol, symbol),), after),)
        facts, rule = self.callees.callee(node)
        return self.call(facts, rule, after)

    def call(self, facts: int, rule: int, after: Set) -> Set:
        """The positions of a call of a rule without its empty string, beside those that pass it by."""
        if not facts & SOLID:
            return after if facts else ()
        position = self.position(rule, after)
        if not facts & NULL:
            return (position,)
        return (*after, position) if position > after[-1] else union([(position,), after])

    def repeat(self, node: Repeat, after: Set, enter: Callable[[Node, Set], Set]) -> Set:
        """The positions of a repeat that is written out, whose items are entered by `enter`."""
        item, low, high = node.item, node.min, node.max
        if high is None:
            after, once = self.loop(item, after, enter)
            if low:
                after, low = once, low - 1
        else:
            if high < low:
                return ()
            after = self.chain(item, after, high - low, enter)
        for _ in range(low):
            after = enter(item, after) if after else ()
        return after

    def loop(self, item: Node, after: Set, enter: Callable[[Node, Set], Set]) -> tuple[Set, Set]:
        """The positions of any number of items, and of at least one."""
        key = (item, after)
        known = self.known_loops.get(key)
        if known is None:
            number = len(self.loops)
            self.loops.append(())
            once = enter(item, (-number,))
            self.loops[number] = union([once, after])
            known = self.known_loops[key] = (-number,), once
        return known

    def chain(self, item: Node, after: Set, most: int, enter: Callable[[Node, Set], Set]) -> Set:
        """The positions of none to `most` items; chains to the same end are one."""
        known = self.known_chains.setdefault((item, after), [after]) if most else [after]
        while len(known) <= most:
            known.append(union([enter(item, known[-1]), after]))
        return known[most]

    def embed(self, dfa: Dfa, after: Set) -> Set:
        """The positions of a trimmed DFA over bytes."""
        if not dfa.finals:
            return ()
        loops = range(len(self.loops), len(self.loops) + len(dfa.edges))
        self.loops += [()] * len(dfa.edges)
        for state, row in enumerate(dfa.edges):
            ranges: dict[int, list[tuple[int, int]]] = {}
            for low, high, target in row:
                ranges.setdefault(target, []).append((low, high))
            begun = tuple(sorted(self.position(tuple(r), (-loops[target],)) for target, r in ranges.items()))
            self.loops[loops[state]] = union([begun, after]) if state in dfa.finals else begun
        return (-loops[0],)

    def apart(self, node: Sequence | Choice | Repeat, *, tails: bool) -> Piece:
        """The piece of a body whose parts are rules of their own, where together they would have too many states."""
        match node:
            case Choice(items):
                begin = union([self.call(*self.callees.callee(item), END) for item in items])
            case Repeat(item, low, high):
                facts, rule = self.callees.callee(item)
                least = 0 if facts & NULL else max(0, low - 1)
                rest = Repeat(item, least, None if high is None else high - 1)
                after = END if high == 1 else self.call(*self.callees.callee(rest), END)
                begin = self.call(facts & SOLID, rule, after)
            case Sequence(items):
                after = self.call(*self.callees.callee(Sequence(items[1:])), END) if len(items) > 1 else END
                begin = self.call(*self.callees.callee(items[0]), after)
        return self.piece(begin, limit=9, tails=tails)

    def open(self, positions: Set) -> Set:
        """The same positions with those of its loops."""
        if positions[0] >= 0:
            return positions
        found = self.opened.get(positions)
        if found is None:
            seen = set(positions)
            pending = [p for p in positions if p < 0]
            while pending:
                for position in self.loops[-pending.pop()]:
                    if position not in seen:
                        seen.add(position)
                        if position < 0:
                            pending.append(position)
            found = self.opened[positions] = tuple(sorted(p for p in seen if p >= 0))
        return found

    def piece(self, begin: Set, *, limit: int, tails: bool = True) -> Piece:
        """The automaton of what is read from `begin` on, without the empty string, as a deterministic one.

        Without `tails` the rule is returned to from every call. Raises `LimitExceeded` beyond `limit` states.
        """
        begin = self.open(begin) if begin else ()
        if begin[:1] == END:
            begin = begin[1:]
        return Automaton(self, begin, limit, tails=tails).piece()

    def automaton(self, begin: Set, *, limit: int) -> Automaton:
        """What `piece` is made of, for who must know at which positions a state is. Ranges () are a mark: not read."""
        return Automaton(self, self.open(begin), limit)

    def dfa(self, begin: Set, *, limit: int) -> Dfa:
        """The same for positions without calls, as a `Dfa`, with the empty string."""
        return Automaton(self, self.open(begin) if begin else (), limit).dfa()


class _Cut(NamedTuple):
    """Disjoint ranges, and which of the tuples in `kinds` reads each."""

    low: list[int]
    high: list[int]
    which: list[int]
    kinds: list[tuple[int, ...]]


class Automaton:
    """Writes the states of an automaton: each set of positions, and chains inside literals."""

    def __init__(self, positions: Positions, begin: Set, limit: int, *, tails: bool = True) -> None:
        self.positions, self.limit, self.tails = positions, limit, tails
        self.names = {begin: 0}
        self.sets = [begin]
        self.finals: list[int] = []
        self.first_edge: list[int] = []
        self.first_call: list[int] = []
        self.low: list[int] = []
        self.high: list[int] = []
        self.to: list[int] = []  # the name of a set, or ~n for the n-th state
        self.rule: list[int] = []
        self.back: list[int] = []
        self.numbers: list[int] = []  # of each set its state
        self.kinds: dict[Ranges, int] = {}  # what positions read first, numbered
        self.ranges: list[Ranges] = []  # of each kind
        self.firsts: dict[int, tuple[int, Set]] = {}
        self.cuts: dict[tuple[int, ...], _Cut] = {}  # many states read alike
        self.write()

    def name(self, after: Set) -> int:
        """The index of the set of these positions."""
        if after[0] < 0:
            after = self.positions.open(after)
        if not after[0] and self.positions.anything and self.positions.anything[1] in after:
            after = self.positions.anything
        name = self.names.get(after)
        if name is None:
            name = self.names[after] = len(self.sets)
            self.sets.append(after)
        return name

    def piece(self) -> Piece:
        numbers = self.numbers
        back = [numbers[target] if target >= 0 else NOWHERE for target in self.back]
        edges, called = (self.low, self.high, self.targets()), (self.rule, back)
        return flat_piece(self.finals, self.first_edge, self.first_call, edges, called)

    def dfa(self) -> Dfa:
        edges = list(zip(self.low, self.high, self.targets(), strict=True))
        bounds = pairwise([*self.first_edge, len(edges)])
        return Dfa(tuple([tuple(edges[begin:end]) for begin, end in bounds]), frozenset(self.finals))

    def targets(self) -> list[int]:
        """The state that each edge leads to."""
        return [self.numbers[target] if target >= 0 else ~target for target in self.to]

    def write(self) -> None:
        """Writes one state after another until no new set of positions is met."""
        reads, follows = self.positions.reads, self.positions.follows
        first_edge, first_call = self.first_edge, self.first_call
        places = 0
        for positions in self.sets:
            state = len(first_edge)
            places += len(positions)
            if state >= self.limit or places > _PLACES * self.limit:
                many = (
                    f"{self.limit} states"
                    if state >= self.limit
                    else f"{_PLACES * self.limit:,} positions in its states"
                )
                raise too_large(many)
            self.numbers.append(state)
            first_edge.append(len(self.low))
            first_call.append(len(self.rule))
            readers: list[int] = []
            called: dict[int, Set] = {}
            for position in positions:
                symbols = reads[position]
                if isinstance(symbols, int):
                    after = follows[position]
                    called[symbols] = union([called[symbols], after]) if symbols in called else after
                elif symbols:
                    readers.append(position)
                elif not position:
                    self.finals.append(state)
            for rule in sorted(called) if len(called) > 1 else called:
                self.call(rule, called[rule])
            if len(readers) != 1:
                if readers:
                    self.several(readers)
                continue
            symbols, after = reads[readers[0]], follows[readers[0]]
            if isinstance(symbols, bytes):
                if len(symbols) > 1:  # a chain of states, one for each byte
                    edges, count = first_edge[-1], len(symbols)
                    first_edge.extend(range(edges + 1, edges + count))
                    first_call.extend([len(self.rule)] * (count - 1))
                    self.to.extend(range(~(state + 1), ~(state + count), -1))
                self.low += symbols
                self.high += symbols
                self.to.append(self.name(after))
            elif not isinstance(symbols, int):
                name = self.name(after)
                for low, high in symbols:
                    self.low.append(low)
                    self.high.append(high)
                    self.to.append(name)

    def call(self, rule: int, after: Set) -> None:
        """A call; when nothing is left to do behind it, it is a tail call, where there may be any."""
        after = self.positions.open(after)
        self.rule.append(rule)
        self.back.append(-1 if after == END and self.tails else self.name(after))

    def several(self, readers: list[int]) -> None:
        """The edges of a state that stands at several positions that read symbols."""
        behind: dict[int, list[Set]] = {}
        for position in readers:
            kind, after = self.first_of(position)
            behind.setdefault(kind, []).append(after)
        kinds = tuple(behind)
        cut = self.cuts.get(kinds)
        if cut is None:
            cut = self.cuts[kinds] = self.cut(kinds)
        names = [self.name(self.together([after for kind in kinds for after in behind[kind]])) for kinds in cut.kinds]
        if len(set(names)) == len(names):
            self.low += cut.low
            self.high += cut.high
            self.to += [names[i] for i in cut.which]
            return
        begin = len(self.low)
        for low, high, i in zip(cut.low, cut.high, cut.which, strict=True):
            if len(self.low) > begin and self.to[-1] == names[i] and self.high[-1] + 1 == low:
                self.high[-1] = high
            else:
                self.low.append(low)
                self.high.append(high)
                self.to.append(names[i])

    def first_of(self, position: int) -> tuple[int, Set]:
        """What is read first at a position, as the number of its kind, and the positions behind that."""
        known = self.firsts.get(position)
        if known is None:
            symbols, after = self.positions.reads[position], self.positions.follows[position]
            if isinstance(symbols, bytes):
                if len(symbols) > 1:
                    after = (self.positions.position(symbols[1:], after),)
                symbols = ((symbols[0], symbols[0]),)
            assert not isinstance(symbols, int)
            kind = self.kinds.setdefault(symbols, len(self.kinds))
            if kind == len(self.ranges):
                self.ranges.append(symbols)
            known = self.firsts[position] = kind, after
        return known

    def cut(self, kinds: tuple[int, ...]) -> _Cut:
        """The ranges of several kinds, cut where they overlap."""
        cut, numbers = _Cut([], [], [], []), dict[tuple[int, ...], int]()
        edges: list[Edge] = sorted([(low, high, kind) for kind in kinds for low, high in self.ranges[kind]])
        disjoint = all(edge[1] < following[0] for edge, following in pairwise(edges))
        pieces = [(low, high, {kind}) for low, high, kind in edges] if disjoint else split_overlaps(edges)
        for low, high, found in pieces:
            having = tuple(sorted(found))
            which = numbers.setdefault(having, len(numbers))
            if cut.low and cut.which[-1] == which and cut.high[-1] + 1 == low:
                cut.high[-1] = high
            else:
                cut.low.append(low)
                cut.high.append(high)
                cut.which.append(which)
        cut.kinds.extend(numbers)
        return cut

    def together(self, sets: list[Set]) -> Set:
        """The positions in any of the sets, of several with those of their loops."""
        if len(sets) == 1:
            return sets[0]
        return union([after if after[0] >= 0 else self.positions.open(after) for after in sets])


def union(sets: list[Set]) -> Set:
    """The positions in any of the sets."""
    if len(sets) == 2:
        left, right = sets
        if left == right or not right:
            return left
        if not left:
            return right
    return tuple(sorted(set().union(*sets)))
