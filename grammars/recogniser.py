"""The plain machine: runs a ByteAutomaton in Python, one byte at a time.

Place in the walk: beside `ByteAutomaton`; it answers for `gcd check` and is the slow twin of the kernels. It knows no
tokenizer. A configuration is a set of items (state, counter, stack set); a stack set is an interned set of frames
(return state, counter, parent stack set), merged by its top frames, so that equal sets of stacks are one number and
a grammar with many derivations keeps small configurations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from grammars.distinct import Branch, Distinct
from grammars.errors import LimitExceeded
from grammars.record import record
from grammars.rules import Kind
from grammars.tables import (
    LENGTHS,
    LENGTHS_PERIOD,
    LENGTHS_WIDTH,
    MEMBERS_AT,
    MEMBERS_COUNT,
    OPEN,
    ORDERED,
    REGISTER_FLAGS,
    REGISTER_HIGH,
    REGISTER_LOW,
    RULE_DISTINCT,
    RULE_KIND,
    RULE_MAX,
    RULE_MIN,
    RULE_START,
    STATE_FINAL,
    STATE_RULE,
    UNBOUNDED,
    calls_at,
    edges_at,
)

if TYPE_CHECKING:
    from grammars.automaton import ByteAutomaton

__all__ = ["Configuration", "Explanation", "Recogniser", "is_complete"]

Stack: TypeAlias = int
Item: TypeAlias = tuple[int, int]
"""State and counter."""

_BOTTOM = (-1, 0, -1)
_ITEMS = 100_000


class Configuration(NamedTuple):
    """Where the machine may be: each item with its stacks, and whether the text so far is in the language."""

    items: frozenset[tuple[int, int, Stack]]
    accepting: bool


@record
class Explanation:
    """`accepted`, or `offset` where the text stops being a prefix of the language and what was `allowed` there.

    `offset` equals the length when the text is a prefix that is merely not finished. `allowed` describes bytes.
    """

    accepted: bool
    offset: int
    allowed: str


class State(NamedTuple):
    """A state as its row says, with the counter of its rule."""

    rule: int
    final: bool
    kind: int
    low: int
    high: int
    edges: list[tuple[int, int, int, int]]
    calls: list[tuple[int, int]]


class Recogniser:
    """The machine over one automaton; its stack sets live as long as it does."""

    def __init__(self, automaton: ByteAutomaton) -> None:
        self.automaton = automaton
        self.stacks: list[frozenset[tuple[int, int, Stack]]] = []
        self.numbers: dict[frozenset[tuple[int, int, Stack]], Stack] = {}
        self.unions: dict[tuple[Stack, Stack], Stack] = {}
        bottom = self.intern(frozenset((_BOTTOM,)))
        self.states: dict[int, State] = {}
        begun = self.close({(self.enter(automaton.start_rule), 0): bottom})
        self.start = Configuration(begun.items, automaton.accepts_empty)
        self.distinct = Distinct(self) if automaton.has_distinct else None

    def intern(self, frames: frozenset[tuple[int, int, Stack]]) -> Stack:
        if frames not in self.numbers:
            self.numbers[frames] = len(self.stacks)
            self.stacks.append(frames)
        return self.numbers[frames]

    def union(self, left: Stack, right: Stack) -> Stack:
        """The stack set of all stacks of both."""
        if left == right:
            return left
        key = (min(left, right), max(left, right))
        if key not in self.unions:
            merged = {(state, counter): parent for state, counter, parent in self.stacks[left]}
            for state, counter, parent in self.stacks[right]:
                other = merged.get((state, counter), parent)
                merged[state, counter] = parent if other == parent else self.union(other, parent)
            self.unions[key] = self.intern(frozenset((s, c, p) for (s, c), p in merged.items()))
        return self.unions[key]

    def state(self, number: int) -> State:
        """What the tables say about a state."""
        found = self.states.get(number)
        if found is None:
            table = self.automaton.tables
            rule, final = table.states[number, [STATE_RULE, STATE_FINAL]].tolist()
            kind, low, high = table.rules[rule, [RULE_KIND, RULE_MIN, RULE_MAX]].tolist()
            found = self.states[number] = State(
                rule, bool(final), kind, low, high, edges_at(table, number), calls_at(table, number)
            )
        return found

    def enter(self, rule: int) -> int:
        """The first state of a rule, which is built when it is entered."""
        self.automaton.build(rule)
        return int(self.automaton.tables.rules[rule, RULE_START])

    def close(self, reached: dict[Item, Stack]) -> Configuration:
        """The configuration after leaving every rule that may end and entering every rule that is called."""
        accepting = False
        pending = list(reached)
        while pending:  # leave
            state, counter = item = pending.pop()
            if not self.may_end(state, counter):
                continue
            for back, count, parent in self.stacks[reached[item]]:
                if back < 0:
                    accepting = True
                else:
                    self.reach(reached, pending, (back, count), parent)
        pending = list(reached)
        while pending:  # enter
            state, counter = item = pending.pop()
            at = self.state(state)
            if at.kind == Kind.REPEAT and counter >= at.high:
                continue
            count = counted(at, counter) if at.kind == Kind.REPEAT else 0
            for rule, back in at.calls:
                stack = reached[item]
                if at.kind >= Kind.MEMBERS:
                    count = self.entered(at.kind, at.rule, back, counter)
                    if count < 0:
                        continue
                if back >= 0:
                    stack = self.intern(frozenset(((back, count, stack),)))
                self.reach(reached, pending, (self.enter(rule), 0), stack)
        reading = ((s, c, stack) for (s, c), stack in reached.items() if self.state(s).edges)
        return Configuration(frozenset(reading), accepting)

    def reach(self, reached: dict[Item, Stack], pending: list[Item], item: Item, stack: Stack) -> None:
        before = reached.get(item)
        merged = stack if before is None else self.union(before, stack)
        if merged != before:
            reached[item] = merged
            pending.append(item)
            if len(reached) > _ITEMS:
                raise LimitExceeded(
                    f"more than {_ITEMS} ways to read this text", hint="make the grammar less ambiguous"
                )

    def may_end(self, state: int, counter: int) -> bool:
        at = self.state(state)
        return at.final and (at.kind not in (Kind.REPEAT, Kind.WINDOW) or at.low <= counter <= at.high)

    def alive(self, state: int, counter: int) -> bool:
        """Whether a window can still end with a number of characters inside its bounds."""
        at = self.state(state)
        table = self.automaton.tables
        row = table.rules[at.rule].tolist()
        start, begin, width, period = row[RULE_START], row[LENGTHS], row[LENGTHS_WIDTH], row[LENGTHS_PERIOD]
        least = max(0, at.low - counter)
        folded = least if least < width else width - period + (least - width) % period
        found = int(table.lengths[begin + (state - start) * width + folded])
        if found >= UNBOUNDED:
            return False
        return at.high >= UNBOUNDED or found - folded + least <= at.high - counter

    def decided(self, rule: int, state: int, counter: int) -> int:
        """How many members are decided when a state of their rule is entered, -1 where it may not be.

        A state < 0 is behind a tail call, which ends the object.
        """
        table = self.automaton.tables
        start, begin, members = table.rules[rule, [RULE_START, MEMBERS_AT, MEMBERS_COUNT]].tolist()
        order = table.lengths[begin:]
        most = int(order[counter])
        if state < 0:
            return counter if most == members else -1
        first, count = order[members + 1 + 2 * (state - start) :][:2].tolist()
        if count < 0:
            return min(first + 1, members) if counter <= first <= most else -1
        listed = order[first : first + count].tolist()
        return counter if not count or any(counter <= member <= most for member in listed) else -1

    def entered(self, kind: int, rule: int, state: int, counter: int) -> int:
        """The counter when a state of an object is entered, -1 where it may not be."""
        return (self.decided if kind == Kind.MEMBERS else self.registered)(rule, state, counter)

    def registered(self, rule: int, state: int, register: int) -> int:
        """The register when a state of its rule is entered, -1 where it may not be.

        Here it is one number: bit k says that member k is decided, the bits from n on how many entries are written.
        """
        table = self.automaton.tables
        start, begin, members = table.rules[rule, [RULE_START, MEMBERS_AT, MEMBERS_COUNT]].tolist()
        low, high, flags = table.rules[rule, [REGISTER_LOW, REGISTER_HIGH, REGISTER_FLAGS]].tolist()
        order = table.lengths[begin:]
        is_decided = [bool(register >> member & 1) for member in range(members)]
        required = [member for member in range(members) if order[member] == member and not is_decided[member]]
        entries: int = register >> members

        def may_follow(member: int) -> bool:
            if member > members:
                return not required and entries >= low
            if entries + 1 + len([other for other in required if other != member]) > high:
                return False
            if member == members:
                return not (flags & ORDERED and required)
            others = is_decided[member:].count(False) if flags & ORDERED else is_decided.count(False)
            in_order = not flags & ORDERED or all(other >= member for other in required)
            return not is_decided[member] and in_order and (bool(flags & OPEN) or entries + others >= low)

        pair: tuple[int, int] = (members + 1, 1)  # the end
        if state >= 0:
            pair = order[members + 1 + 2 * (state - start) :][:2].tolist()
        first, count = pair
        listed = order[first : first + count].tolist() if state >= 0 and count > 0 else [first]
        if count and not any(map(may_follow, listed)):
            return -1
        if count >= 0:
            return register
        decided: int = (1 << min(first + 1, members)) - 1 if flags & ORDERED else 1 << first
        counts = bool(low or high < UNBOUNDED)
        entries = min(entries + 1, high if high < UNBOUNDED else low) if counts else 0
        after: int = (register | decided) & ((1 << members) - 1) | entries << members
        return after

    def step(self, before: Configuration, symbol: int) -> Configuration:
        """The configuration after one symbol; without items and not accepting when it is not allowed."""
        reached: dict[Item, Stack] = {}
        for state, counter, stack in before.items:
            at = self.state(state)
            for low, high, target, tick in at.edges:
                if low <= symbol <= high:
                    count = counted(at, counter) if tick else counter
                    if at.kind >= Kind.MEMBERS:
                        count = self.entered(at.kind, at.rule, target, counter)
                        if count < 0:
                            continue
                    if at.kind != Kind.WINDOW or self.alive(target, count):
                        self.reach(reached, [], (target, count), stack)
        return self.close(reached)

    # -- arrays with distinct items, see grammars.distinct

    def after(self, at: Configuration, byte: int) -> Configuration | None:
        """The configuration after one byte, None when it is refused."""
        after = self.step(at, byte)
        return after if after.items or after.accepting else None

    def bytes_at(self, at: Configuration) -> list[int]:
        """The bytes that may come next; perhaps some more, which `after` refuses."""
        return [symbol for symbol in self.symbols_at(at) if symbol < 256]

    def symbols_at(self, at: Configuration) -> list[int]:
        """The symbols on edges, in their order."""
        edges = {edge[:2] for state, _, _ in at.items for edge in self.state(state).edges}
        return sorted({symbol for low, high in edges for symbol in range(low, high + 1)})

    def items_of(self, at: Configuration) -> tuple[list[tuple[int, int, Stack]], bool]:
        """The items of a configuration, and whether it is accepting."""
        return [*at.items], at.accepting

    def frames_of(self, stack: Stack) -> tuple[list[tuple[int, int, Stack]], bool]:
        """The frames of a stack set, and whether the empty stack is in it."""
        frames = self.stacks[stack]
        return [*frames - {_BOTTOM}], _BOTTOM in frames

    def with_items(self, items: list[tuple[int, int, Stack]], accepting: bool) -> Configuration:
        """The configuration with these items."""
        return Configuration(frozenset(items), accepting)

    def with_frames(self, frames: list[tuple[int, int, Stack]], has_empty: bool) -> Stack:
        """The stack set with these frames."""
        return self.intern(frozenset((*frames, _BOTTOM) if has_empty else frames))

    def distinct_rule(self, state: int) -> int:
        """The rule of a state inside of an array with distinct items, else -1."""
        tables = self.automaton.tables
        rule = int(tables.states[state, STATE_RULE])
        is_distinct, start = tables.rules[rule, [RULE_DISTINCT, RULE_START]].tolist()
        return rule if is_distinct and state != start else -1  # at its start, the bracket is not read

    # -- answers

    def accepts(self, data: bytes) -> bool:
        """Whether `data` is a string of the grammar."""
        if self.distinct is not None:
            return any(map(is_complete, self.distinct.read([Branch(self.start)], data)))
        at = self.start
        for byte in data:
            at = self.step(at, byte)
        return at.accepting

    def explain(self, data: bytes) -> Explanation:
        """How far `data` goes inside the grammar."""
        if self.distinct is not None:
            return self._explain_distinct(self.distinct, data)
        at = self.start
        for offset, byte in enumerate(data):
            after = self.after(at, byte)
            if after is None:
                return Explanation(False, offset, self.describe(at))
            at = after
        return Explanation(at.accepting, len(data), self.describe(at))

    def _explain_distinct(self, distinct: Distinct[Configuration], data: bytes) -> Explanation:
        """The same where items of arrays must differ."""
        branches = [Branch(self.start)]
        for offset in range(len(data) + 1):
            after = distinct.read(branches, data[offset : offset + 1]) if offset < len(data) else []
            if not after:
                break
            branches = after
        ranges = [(byte, byte) for byte in range(256) if distinct.read(branches, bytes((byte,)))]
        accepting = any(map(is_complete, branches))
        is_whole = offset == len(data)
        return Explanation(accepting and is_whole, offset, self.describe_ranges(joined(ranges), accepting=accepting))

    def allowed(self, at: Configuration) -> list[tuple[int, int]]:
        """The symbols that may follow, as sorted, disjoint ranges."""
        return joined([(symbol, symbol) for symbol in self.symbols_at(at) if self.after(at, symbol) is not None])

    def describe(self, at: Configuration) -> str:
        """What may follow, in words: `'"' or '}'`, `'0'-'9', ',' or the end`."""
        return self.describe_ranges(self.allowed(at), accepting=at.accepting)

    def describe_ranges(self, ranges: list[tuple[int, int]], *, accepting: bool) -> str:
        """The same for given symbols."""
        names = list(self.names(ranges))
        if accepting:
            names.append("the end")
        if len(names) > 1:
            return f"{', '.join(names[:-1])} or {names[-1]}"
        return names[0] if names else "nothing"

    def names(self, ranges: list[tuple[int, int]]) -> Iterator[str]:
        specials = self.automaton.special_tokens
        for low, high in ranges:
            for symbol in range(max(low, 256), high + 1):
                yield specials[symbol - 256]
            if low < 256:
                high = min(high, 255)
                yield _name(low) if low == high else f"{_name(low)}-{_name(high)}"


def is_complete(branch: Branch[Configuration]) -> bool:
    """Whether a text is in the language that is read so."""
    return branch.configuration.accepting and not branch.history.frames


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted ranges, those that touch as one."""
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        if found and found[-1][1] + 1 == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def counted(at: State, counter: int) -> int:
    """The counter after one more, which stops at the lower bound when there is no upper one."""
    return min(counter + 1, at.low) if at.high >= UNBOUNDED else counter + 1


def _name(byte: int) -> str:
    if 0x20 < byte < 0x7F:
        return f"'{chr(byte)}'"
    return {0x20: "space", 0x09: "tab", 0x0A: "newline", 0x0D: "carriage return"}.get(byte, f"byte 0x{byte:02X}")
