"""A DFA over code points to a DFA over bytes: UTF-8, and the spellings that JSON allows inside a string.

Place in the walk: the last step from characters to bytes, for leaves. The states of the code-point DFA stay, with their
numbers; between two of them stand states for unfinished characters. Such a state is a function from what is still
missing to targets, written as ranges; equal functions are one state, so that a minimal DFA stays minimal without a
second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from grammars.dfa import Dfa, Edge
from grammars.ir import Ranges, Spelling

__all__ = [
    "ESCAPED",
    "QUOTE",
    "RAW",
    "SHORT_ESCAPES",
    "TICK",
    "Row",
    "beyond_ascii",
    "class_bytes",
    "encode_json",
    "encode_utf8",
    "spell_json",
    "spelt_row",
]

TICK = 256
"""Added to the first byte of each character in a DFA whose characters are to be counted."""

QUOTE = 0x22

_REMEMBERED = 512
"""Shapes of states whose spellings are remembered."""

Row: TypeAlias = tuple[Edge, ...]
Spell: TypeAlias = Callable[[Iterable[Edge]], Iterable[Edge]]
"""From edges on digits to edges on the bytes that write them."""

_LENGTHS = ((0x80, 0x7FF, 1, 0xC0), (0x800, 0xFFFF, 2, 0xE0), (0x10000, 0x10FFFF, 3, 0xF0))
SHORT_ESCAPES = {0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r", 0x22: '"', 0x2F: "/", 0x5C: "\\"}
RAW: dict[Spelling, Ranges] = {
    "any": ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x10FFFF)),
    "raw": ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x10FFFF)),
    "ascii": ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E)),
}
"""What may stand raw in a JSON string: at most what RFC 8259, section 7, calls unescaped."""
ESCAPED: dict[Spelling, Ranges] = {
    "any": ((0x00, 0x10FFFF),),
    "raw": ((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C)),
    "ascii": ((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x10FFFF)),
}
"""What may be escaped. Where it does not overlap what may stand raw, each character has one spelling."""

_NO_SHORT_ESCAPE = ((0x00, 0x07), (0x0B, 0x0B), (0x0E, 0x21), (0x23, 0x5B), (0x5D, 0xFFFF))
"""The characters below U+10000 that `json.dumps` writes raw or with four digits."""


def encode_utf8(dfa: Dfa, *, ticks: bool = False) -> Dfa:
    """The byte DFA of the UTF-8 encodings (RFC 3629) of a code-point DFA; with `ticks` characters begin with `TICK`.

    >>> encode_utf8(Dfa((((0xE9, 0xE9, 1),), ()), frozenset({1}))).edges        # é is C3 A9
    (((195, 195, 2),), (), ((169, 169, 1),))
    """
    return _encode(dfa, None, ticks=ticks)


@lru_cache(maxsize=1024)
def class_bytes(ranges: tuple[tuple[int, int], ...]) -> Dfa:
    """The byte DFA of the UTF-8 encodings of one code point in the ranges."""
    return encode_utf8(Dfa((tuple((low, high, 1) for low, high in ranges), ()), frozenset({1})))


def encode_json(dfa: Dfa, spelling: Spelling = "any", *, ticks: bool = False, quoted: bool = False) -> Dfa:
    """The byte DFA of what may stand between the quotes of a JSON string (RFC 8259, section 7) for the texts of `dfa`.

    With `quoted` it reads the quotes too: the start is new, the end is the last state, and no quote ticks.

    Every spelling of a character: raw where that is allowed, the two-character escapes, and \\uXXXX with hex digits
    of either case, in surrogate pairs beyond U+FFFF; with another `spelling` one of them each, the short escape where
    there is one, and hex digits in lower case. Surrogates that stand alone are never written.
    """
    return _encode(dfa, spelling, ticks=ticks, quoted=quoted)


def spell_json(dfa: Dfa, spelling: Spelling = "any", *, quoted: bool = False) -> Dfa:
    """What `encode_json` gives, over code points: a character that stands raw is one symbol, not its bytes."""
    return _encode(dfa, spelling, raw_symbols=True, quoted=quoted)


def _encode(
    dfa: Dfa, spelling: Spelling | None, *, ticks: bool = False, raw_symbols: bool = False, quoted: bool = False
) -> Dfa:
    before, shift = int(quoted), TICK if ticks else 0
    states, begun = _States(before + len(dfa.edges)), list[Row]()
    for row in dfa.edges:
        places: dict[int, int] = {}
        shape = tuple([(low, high, places.setdefault(target, len(places))) for low, high, target in row])
        first, unfinished = spelt_row(shape, spelling, raw_symbols)[:2]
        numbers = [before + target for target in places]
        for edges in unfinished:
            numbers.append(states.number(tuple([(low, high, numbers[target]) for low, high, target in edges])))
        begun.append(tuple([(low + shift, high + shift, numbers[target]) for low, high, target in first]))
    if not quoted:
        return Dfa((*begun, *states.rows), dfa.finals)
    end = states.count + len(states.rows)
    for state in dfa.finals:
        begun[state] = tuple(sorted((*begun[state], (QUOTE, QUOTE, end))))
    return Dfa((((QUOTE, QUOTE, 1),), *begun, *states.rows, ()), frozenset({end}))


class Spelt(NamedTuple):
    """What stands behind a state with edges on code points to targets 0, 1, ...

    An edge refers to a target, or behind these to an unfinished character.
    """

    first: Row
    """The edges on first bytes."""
    rows: tuple[Row, ...]
    """Those of the unfinished characters, of which each refers to those before it."""
    others: Row = ()
    """What is read beyond ASCII, to targets 0, 1, ... of its own, where that is spelt once for many states."""
    places: tuple[int, ...] = ()
    """Which target each of these is."""
    origins: tuple[int, ...] = ()
    """Of each row the one of `others` that it is, in the order of `beyond_ascii`, or -1."""


@lru_cache(_REMEMBERED)
def spelt_row(row: Row, spelling: Spelling | None, raw_symbols: bool) -> Spelt:
    """What stands behind a state. Most states of an automaton differ in targets alone."""
    targets = len({target for _, _, target in row})
    ascii_, others = _common(row, ((0, 0x7F),)), _common(row, ((0x80, 0x10FFFF),))
    if spelling is not None and not raw_symbols and ascii_ and others:
        if spelling == "any":
            return _spelt_straight(targets, ascii_, others)
        return _United(targets, spelling, ascii_, others).spelt()
    writer = _Writer(targets, spelling or "any")
    if spelling is None:
        first = writer.raw(row)
    else:
        raw = _common(row, RAW[spelling])
        first = tuple(sorted((*(raw if raw_symbols else writer.raw(raw)), *writer.escapes(row))))
    return Spelt(_joined(first), tuple(writer.states.rows))


def _spelt_straight(targets: int, ascii_: Row, others: Row) -> Spelt:
    """What `_United` gives of all spellings: ASCII is written anew, what is beyond it is copied."""
    places: dict[int, int] = {}
    shape = tuple([(low, high, places.setdefault(target, len(places))) for low, high, target in others])
    beyond, numbers = beyond_ascii(shape), [*places]
    writer = _Writer(targets, "any")
    states, origins = writer.states, list[int]()

    def state(row: Row, origin: int = -1) -> int:
        found = states.number(row)
        if len(states.rows) > len(origins):
            origins.append(origin)
        return found

    def both(left: list[Edge], level: int) -> Row:
        """The edges of ASCII and those beyond it, once there is what these lead to."""
        right, begin, end = beyond.levels[level]
        for at in range(begin, end):
            numbers.append(state(tuple([(low, high, numbers[to]) for low, high, to in beyond.rows[at]]), at))
        return _joined(sorted([*left, *[(low, high, numbers[to]) for low, high, to in right]]))

    edges = [*_hex(writer.digits(ascii_, 16, 1, _hex))]
    origins += [-1] * len(states.rows)
    for level in (0, 1):
        edges = [(0x30, 0x30, state(both(edges, level)))]
    unit = state(both(edges, 2))
    edges = [(ord(letter), ord(letter), to) for low, high, to in ascii_ for letter in _letters(low, high)]
    escape = state(_joined(sorted([*edges, (0x75, 0x75, unit)])))
    first = both([*_common(ascii_, RAW["any"]), (0x5C, 0x5C, escape)], 3)
    return Spelt(first, tuple(states.rows), shape, tuple(places), tuple(origins))


class Beyond(NamedTuple):
    """What is spelt of characters beyond ASCII, to be joined with ASCII."""

    rows: tuple[Row, ...]
    """Unfinished characters, numbered behind the targets, each behind those that it refers to."""
    levels: tuple[tuple[Row, int, int], ...]
    """Edges behind `\\u00`, `\\u0`, `\\u` and at first, without the way to ASCII; and which rows these need besides."""


@lru_cache(_REMEMBERED)
def beyond_ascii(row: Row) -> Beyond:
    """All spellings behind edges on characters beyond ASCII, for `spelt_row`."""
    count = len({target for _, _, target in row})
    first, unfinished = spelt_row(row, "any", False)[:2]
    edges: list[list[Edge]] = [[*first]]
    for symbol in (0x5C, 0x75, 0x30, 0x30):  # follows the way to ASCII, as far as there is one
        on = [edge for edge in edges[-1] if edge[0] == symbol]
        edges[-1] = _without(edges[-1], {symbol})
        edges.append([*unfinished[on[0][2] - count]] if on else [])
    rows, numbers = list[Row](), {target: target for target in range(count)}

    def number(state: int) -> int:
        if state not in numbers:
            made = tuple([(low, high, number(to)) for low, high, to in unfinished[state - count]])
            numbers[state] = count + len(rows)
            rows.append(made)
        return numbers[state]

    levels = []
    for level in (edges[4], edges[3], edges[2], edges[0]):
        begin = len(rows)
        there = tuple([(low, high, number(to)) for low, high, to in level])
        levels.append((there, begin, len(rows)))
    return Beyond(tuple(rows), tuple(levels))


class _United:
    """Joins what is written of ASCII and what is written of other characters, of which an automaton has few kinds.

    The two have no text in common. They begin alike with \\, and behind it u, 0 and 0; what is beyond ASCII may go on
    behind a range of digits from 0 on as behind 0.
    """

    def __init__(self, count: int, spelling: Spelling, *parts: Row) -> None:
        self.states = _States(count)
        self.rows: list[Row] = []  # of both
        self.numbers: list[int] = []  # that these have in the union, -1 for those that are not in it yet
        self.firsts: list[Row] = []
        for part in parts:
            places: dict[int, int] = {}
            shape = tuple([(low, high, places.setdefault(target, len(places))) for low, high, target in part])
            first, unfinished = spelt_row(shape, spelling, False)[:2]
            begin = len(self.rows)
            moved = [tuple([(low, high, begin + to) for low, high, to in row]) for row in (first, *unfinished)]
            self.firsts.append(moved[0])
            self.rows += [*[()] * len(places), *moved[1:]]
            self.numbers += [*places, *[-1] * len(unfinished)]

    def spelt(self) -> Spelt:
        return Spelt(self.both(*self.firsts), tuple(self.states.rows))

    def both(self, left: Row, right: Row) -> Row:
        """The edges of either row."""
        other = {low: to for low, _, to in right}
        edges = []
        for low, high, to in left:
            further = other.get(low)
            if further is None:
                there = self.number(to)
            else:
                there = self.states.number(self.both(self.rows[to], self.rows[further]))
            edges.append((low, high, there))
        edges += [(low, high, self.number(to)) for low, high, to in _without(right, {low for low, _, _ in left})]
        return _joined(sorted(edges))

    def number(self, state: int) -> int:
        """The number in the union of a state that one of the two has."""
        if self.numbers[state] < 0:
            row = tuple([(low, high, self.number(to)) for low, high, to in self.rows[state]])
            self.numbers[state] = self.states.number(row)
        return self.numbers[state]


class _States:
    """States for unfinished characters, numbered behind the `count` states that stand between characters."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.rows: list[Row] = []
        self.numbers: dict[Row, int] = {}

    def number(self, row: Row) -> int:
        """The number of the state with these edges."""
        found = self.numbers.get(row)
        if found is None:
            found = self.numbers[row] = self.count + len(self.rows)
            self.rows.append(row)
        return found


class _Writer:
    """Makes the states for unfinished characters behind one state, which has `count` targets."""

    def __init__(self, count: int, spelling: Spelling) -> None:
        self.states, self.spelling = _States(count), spelling
        self.hex = _hex if spelling == "any" else _lower_hex
        self.rests: dict[tuple[Row, int, int, Spell], int] = {}

    def state(self, row: Iterable[Edge]) -> int:
        """The number of the state with these edges."""
        return self.states.number(_joined(row))

    def raw(self, row: Row) -> Row:
        """The edges on first bytes, for edges on code points."""
        edges: list[Edge] = [(low, min(high, 0x7F), target) for low, high, target in row if low <= 0x7F]
        if row and row[-1][1] > 0x7F:
            for first, last, missing, lead in _LENGTHS:
                part = _common(row, ((first, last),))
                edges += [
                    (lead + a, lead + b, target) for a, b, target in self.digits(part, 64, missing, _continuation)
                ]
        return tuple(edges)

    def escapes(self, row: Row) -> Row:
        """The edge on a backslash, where some character may be escaped."""
        row = _common(row, ESCAPED[self.spelling])
        return ((0x5C, 0x5C, self.escape(row)),) if row else ()

    def escape(self, row: Row) -> int:
        """The state behind a backslash."""
        edges: list[Edge] = []
        for low, high, target in row:
            edges += [(ord(letter), ord(letter), target) for letter in _letters(low, high)]
        units = list(_common(row, ((0, 0xFFFF),) if self.spelling == "any" else _NO_SHORT_ESCAPE))
        astral = tuple([
            (low - 0x10000, high - 0x10000, target) for low, high, target in _common(row, ((0x10000, 0x10FFFF),))
        ])  # fmt: skip
        for high_first, high_last, low_half in self.digits(astral, 1024, 1, _low_surrogate):
            units.append((0xD800 + high_first, 0xD800 + high_last, low_half))
        if units:
            edges.append((0x75, 0x75, self.unit(tuple(sorted(units)))))
        return self.state(sorted(edges))

    def unit(self, row: Row) -> int:
        """The state that reads four hex digits: the 16-bit number that they write decides."""
        return self.state(self.hex(self.digits(row, 16, 3, self.hex)))

    def digits(self, row: Row, base: int, missing: int, spell: Spell) -> list[Edge]:
        """Edges on the first of `missing` + 1 digits of a number; what follows it is `spell`ed in states of its own.

        Ranges that hold all numbers behind a digit are kept whole: [8, 21] in base 10 is 0 then 8-9, 1 then any,
        2 then 0-1.
        """
        if missing == 0:
            return list(row)
        unit = base**missing
        found: list[tuple[int, int, list[Edge]]] = []  # first and last digit, and the edges on what follows them
        for low, high, target in row:
            first, last, end = low // unit, high // unit, high % unit
            if low % unit or (first == last and end < unit - 1):
                if not found or found[-1][1] != first:
                    found.append((first, first, []))
                found[-1][2].append((low % unit, min(high - first * unit, unit - 1), target))
                first += 1
            whole = last if end == unit - 1 else last - 1
            if first <= whole:
                found.append((first, whole, [(0, unit - 1, target)]))
            if first <= last and whole < last:
                found.append((last, last, [(0, end, target)]))
        return [(first, last, self.rest(tuple(part), base, missing - 1, spell)) for first, last, part in found]

    def rest(self, row: Row, base: int, missing: int, spell: Spell) -> int:
        """The state that reads `missing` + 1 digits, which decide."""
        key = (row, base, missing, spell)
        known = self.rests.get(key)
        if known is None:
            known = self.rests[key] = self._new_rest(*key)
        return known

    def _new_rest(self, row: Row, base: int, missing: int, spell: Spell) -> int:
        if spell is _low_surrogate:
            low_half = self.unit(tuple((0xDC00 + low, 0xDC00 + high, target) for low, high, target in row))
            return self.state(((0x5C, 0x5C, self.state(((0x75, 0x75, low_half),))),))
        return self.state(spell(self.digits(row, base, missing, spell)))


def _letters(low: int, high: int) -> list[str]:
    """The letters of the short escapes of characters in a range."""
    return [letter for code, letter in SHORT_ESCAPES.items() if low <= code <= high] if low <= 0x5C else []


def _continuation(edges: Iterable[Edge]) -> Iterable[Edge]:
    return [(0x80 + low, 0x80 + high, target) for low, high, target in edges]


def _hex(edges: Iterable[Edge]) -> Iterable[Edge]:
    """Edges on hex digits, 9 to 11 as `9`, `A`-`B`, `a`-`b`."""
    found = []
    for low, high, target in edges:
        if low <= 9:
            found.append((0x30 + low, 0x30 + min(high, 9), target))
        if high >= 10:
            found += [(at + max(low, 10) - 10, at + high - 10, target) for at in (0x41, 0x61)]
    return sorted(found)


def _lower_hex(edges: Iterable[Edge]) -> Iterable[Edge]:
    return sorted([edge for edge in _hex(edges) if not 0x41 <= edge[0] <= 0x46])


def _low_surrogate(edges: Iterable[Edge]) -> Iterable[Edge]:
    return edges


def _common(row: Row, ranges: tuple[tuple[int, int], ...]) -> Row:
    return tuple([
        (low if low > a else a, high if high < b else b, target)
        for a, b in ranges
        for low, high, target in row
        if low <= b and high >= a
    ])  # fmt: skip


def _without(row: Iterable[Edge], symbols: set[int]) -> list[Edge]:
    """The edges without those symbols with which they begin."""
    return [(low + (low in symbols), high, to) for low, high, to in row if high > low or low not in symbols]


def _joined(row: Iterable[Edge]) -> Row:
    joined: list[Edge] = []
    for low, high, target in row:
        if joined and joined[-1][2] == target and joined[-1][1] + 1 == low:
            joined[-1] = (joined[-1][0], high, target)
        else:
            joined.append((low, high, target))
    return tuple(joined)
