"""Templates: the small automata of literals and references that the rules of objects are put together from.

Place in the walk: what stands around members and before their values -> **lists of states**, which `grammars.members`
and `grammars.openings` copy. Objects of one grammar differ in keys and in rules called, hardly ever in these.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import accumulate, islice, pairwise
from operator import or_

from grammars.ir import Bytes, Node, Ref, Repeat, Sequence
from grammars.positions import END, Callees, Positions, Set, union
from grammars.record import record

__all__ = [
    "AFTER", "ENDS", "GOES_ON", "KEY", "KEYS", "Template", "around", "before_literal", "before_value", "is_plain",
    "items_of", "references", "starts_of",
]  # fmt: skip


_VALUE = -1
"""The "reference" to a value in a template: the last one."""

_TAIL, AFTER, KEY = -1, -2, -3
"""What stands for a state that is not written yet: the return of a tail call, the state behind a value, and from here
on downwards the states behind the first bytes of keys and those behind the keys of `rest`."""

GOES_ON, KEYS, ENDS = 1, 3, 4
"""What a state may still read: a separator or a key; a key at once; the end."""


def starts_of(counts: list[int]) -> list[int]:
    """Where the edges or calls of each state begin."""
    return list(accumulate(counts[:-1], initial=0))


@record(eq=False)
class Template:
    """A small automaton of literals and references that objects have copies of: lists as they are written in.

    Its calls are places in the list of its references.
    """

    edge_counts: list[int]
    call_counts: list[int]
    symbols: list[int]
    to: list[int]
    called: list[int]
    back: list[int]
    finals: list[int]
    reads: list[int]


def references(items: tuple[Node, ...], callees: Callees) -> tuple[tuple[tuple[str, int], ...], list[int]]:
    """The references among some items with facts, and their rules."""
    refs = {item.name: item for item in items if isinstance(item, Ref)}
    called = [callees.callee(ref) for ref in refs.values()]
    return tuple(zip(refs, [facts for facts, _ in called], strict=True)), [rule for _, rule in called]


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
def before_value(items: tuple[Node, ...], facts: tuple[tuple[str, int], ...]) -> Template:
    """What stands between a key and its value."""
    positions = Positions(_References(facts))
    begin = positions.enter(Sequence(items), (positions.position(_VALUE, END),))
    return _template(positions, begin, {}, AFTER)


@lru_cache(maxsize=256)
def before_literal(template: Template, byte: int, target: int) -> Template:
    """What stands before a value, with an edge in place of the call of the value: such a state has no other edge."""
    found = Template([], [], [], [], [], [], [], template.reads)
    edges = iter(zip(template.symbols, template.to, strict=True))
    called = iter(zip(template.called, template.back, strict=True))
    for edge_count, call_count in zip(template.edge_counts, template.call_counts, strict=True):
        row, calls = [*islice(edges, edge_count)], [*islice(called, call_count)]
        if any(rule == _VALUE for rule, _ in calls):
            assert not row
            row, calls = [(byte, target)], [call for call in calls if call[0] != _VALUE]
        found.edge_counts.append(len(row))
        found.call_counts.append(len(calls))
        found.symbols.extend([symbol for symbol, _ in row])
        found.to.extend([to for _, to in row])
        found.called.extend([rule for rule, _ in calls])
        found.back.extend([back for _, back in calls])
    return found


@lru_cache(maxsize=256)
def around(
    first: tuple[Node, ...],
    between: tuple[Node, ...],
    end: tuple[Node, ...] | None,
    facts: tuple[tuple[str, int], ...],
    key_bytes: tuple[int, ...],
    key_rules: int,
) -> Template:
    """First this, then what stands before a key, or the end; with what keys begin with: bytes, and so many rules."""
    positions = Positions(_References(facts))
    going_on = positions.enter(Sequence(between), (positions.position((), END),))
    written = len(positions.reads)
    ending = () if end is None else positions.enter(Sequence(end), END)
    ends = dict.fromkeys(positions.follows[written:], ENDS)
    following = union([going_on, ending])
    written = len(positions.reads)
    begin = positions.enter(Sequence(first), following)
    ends.update(dict.fromkeys(positions.follows[written:], GOES_ON if end is None else GOES_ON | ENDS))
    return _with_keys(_template(positions, begin, ends, _TAIL), key_bytes, len(facts), key_rules)


def _template(positions: Positions, begin: Set, ends: dict[Set, int], tail: int) -> Template:
    """The automaton from `begin` on; `ends` says what positions may still read, by what follows them.

    Calls behind which nothing is left return to `tail`.
    """
    automaton = positions.automaton(begin, limit=1000)

    def reads(position: int) -> int:
        if positions.reads[position] == ():
            return KEYS
        return ENDS if position == 0 else ends.get(positions.follows[position], GOES_ON)

    found = []
    states = pairwise([*automaton.numbers, len(automaton.first_edge)])
    for members, (state, following) in zip(automaton.sets, states, strict=True):
        flags = [reads(position) for position in members]
        found.append(reduce(or_, flags))
        if following - state > 1:  # inside of the one literal that is read here
            (inside,) = [f for p, f in zip(members, flags, strict=True) if p and isinstance(positions.reads[p], bytes)]
            found += [inside] * (following - state - 1)
    edge_counts = [end - begin for begin, end in pairwise([*automaton.first_edge, len(automaton.low)])]
    call_counts = [end - begin for begin, end in pairwise([*automaton.first_call, len(automaton.rule)])]
    back = [automaton.numbers[to] if to >= 0 else tail for to in automaton.back]
    return Template(
        edge_counts, call_counts, automaton.low, automaton.targets(), automaton.rule, back, automaton.finals, found
    )  # fmt: skip


def _with_keys(template: Template, key_bytes: tuple[int, ...], references: int, key_rules: int) -> Template:
    """The template with the first bytes and the calls of keys at the states that may read them at once."""
    keys = [(byte, KEY - i) for i, byte in enumerate(key_bytes)]
    called = list(range(references, references + key_rules))
    back = [KEY - len(keys) - i for i in range(key_rules)]
    found = Template([], [], [], [], [], [], template.finals, template.reads)
    edges = list(zip(template.symbols, template.to, strict=True))
    edge = call = 0
    for edge_count, call_count, reads in zip(template.edge_counts, template.call_counts, template.reads, strict=True):
        row, calls = edges[edge : edge + edge_count], slice(call, call + call_count)
        edge, call = edge + edge_count, call + call_count
        if reads & KEYS == KEYS:
            row, call_count = sorted([*row, *keys]), call_count + key_rules
            found.called.extend(called)
            found.back.extend(back)
        found.edge_counts.append(len(row))
        found.call_counts.append(call_count)
        found.symbols.extend([symbol for symbol, _ in row])
        found.to.extend([to for _, to in row])
        found.called.extend(template.called[calls])
        found.back.extend(template.back[calls])
    return found


def is_plain(items: tuple[Node, ...]) -> bool:
    """Whether there are only literals and references."""
    return all(isinstance(item, Bytes | Ref) for item in items)


def items_of(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else (node,)
