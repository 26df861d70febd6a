"""Regular languages by Brzozowski's derivatives: slow, and with nothing clever in it.

The derivative of a language L by a byte b is {w : bw in L}. It has a rule for each operator, complement included
(Brzozowski, Derivatives of Regular Expressions, JACM 1964), so that intersection, complement, counting, JSON spelling
need no automata: a text is a member iff the derivative by all of its bytes contains the empty text, and it has a
continuation iff that derivative is not empty. Emptiness looks at all derivatives, of which there are finitely many up
to the order of unions.

Part of the naive twin (`naive.py`): it reads the raw IR and shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NewType

from grammars.ir import (
    ANY_CHAR,
    And,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    JsonString,
    Length,
    Node,
    Not,
    Ranges,
    Repeat,
    Sequence,
)

Expr = NewType("Expr", int)

SHORT_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
HEX = b"0123456789abcdefABCDEF"
RAW: Ranges = ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0xD7FF), (0xE000, 0x10FFFF))


def _four(first: bytes, *others: Ranges) -> Node:
    """`\\\\u` and four hex digits in lower case: some, and then these classes."""
    return Sequence((Bytes(b"\\u" + first), *map(CharClass, others)))


_ANY = ((48, 57), (97, 102))
_CONTROLS = (
    *[Bytes(b"\\" + letter) for letter in (b'"', b"\\", b"b", b"f", b"n", b"r", b"t")],
    _four(b"000", ((48, 55), (98, 98), (101, 102))),
    _four(b"001", _ANY),
)
_BEYOND = (
    _four(b"007f"),
    _four(b"00", ((56, 57), (97, 102)), _ANY),
    _four(b"0", ((49, 57), (97, 102)), _ANY, _ANY),
    _four(b"", ((49, 57), (97, 99), (101, 102)), _ANY, _ANY, _ANY),
    _four(b"d", ((48, 55),), _ANY, _ANY),
    Sequence((_four(b"d", ((56, 57), (97, 98)), _ANY, _ANY), _four(b"d", ((99, 102),), _ANY, _ANY))),
)
WRITTEN = {
    "raw": Sequence((Bytes(b'"'), Repeat(Choice((CharClass(RAW), *_CONTROLS))), Bytes(b'"'))),
    "ascii": Sequence((
        Bytes(b'"'),
        Repeat(Choice((CharClass(((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E))), *_CONTROLS, *_BEYOND))),
        Bytes(b'"'),
    )),
}  # fmt: skip
"""What `json.dumps` writes of strings, with `ensure_ascii=False` and without."""

ENCODINGS = (  # bytes, first and last lead byte, least and largest code point (RFC 3629)
    (1, 0x00, 0x7F, 0, 0x7F),
    (2, 0xC0, 0xDF, 0x80, 0x7FF),
    (3, 0xE0, 0xEF, 0x800, 0xFFFF),
    (4, 0xF0, 0xF7, 0x10000, 0x10FFFF),
)
EXPLORED_AT_MOST = 50_000


class TooLarge(Exception):
    """A language with more derivatives than a naive method wants to look at."""


def code_points_of(partial: bytes) -> tuple[int, int] | None:
    """The inclusive range of the code points whose UTF-8 encoding starts with `partial` (not empty), None if none does.

    Surrogates may lie inside the range: whoever uses it has classes without them.

    >>> code_points_of(b"\xe0")    # E0 A0 80 to E0 BF BF
    (2048, 4095)
    """
    rows = [row for row in ENCODINGS if row[1] <= partial[0] <= row[2]]
    if not rows or any(not 0x80 <= byte <= 0xBF for byte in partial[1:]):
        return None
    ((length, first, _, least, most),) = rows
    if len(partial) > length:
        return None
    bits = partial[0] - first
    for byte in partial[1:]:
        bits = bits << 6 | byte & 0x3F
    free = 6 * (length - len(partial))
    low, high = max(bits << free, least), min((bits + 1 << free) - 1, most)
    return (low, high) if low <= high else None


def cut(ranges: Ranges, low: int, high: int) -> Ranges:
    """The part of the class between the bounds: `cut(((1, 5),), 3, 9) == ((3, 5),)`."""
    return tuple((max(a, low), min(b, high)) for a, b in ranges if max(a, low) <= min(b, high))


def spelt(text: str) -> str | None:
    """The character that a whole JSON spelling stands for (`\\u0061` -> `a`), None when it is none."""
    if len(text) == 1:
        return text if text not in '"\\' and text >= " " else None
    if any(ord(digit) not in HEX for digit in text[2:6] + text[8:]):
        return None
    if len(text) == 2:
        return SHORT_ESCAPES.get(text[1])
    if len(text) == 6:
        unit = int(text[2:], 16)
        return None if 0xD800 <= unit <= 0xDFFF else chr(unit)
    if len(text) == 12:
        return chr(0x10000 + ((int(text[2:6], 16) - 0xD800) << 10) + int(text[8:], 16) - 0xDC00)
    return None


def units_of(digits: str) -> tuple[int, int]:
    """The 16-bit units whose four hex digits start with `digits`: `units_of("d8") == (0xD800, 0xD8FF)`."""
    return int(digits.ljust(4, "0"), 16), int(digits.ljust(4, "f"), 16)


def characters_of(pending: bytes) -> Ranges:
    """The code points that have a JSON spelling starting with `pending` (not empty).

    >>> characters_of(rb"\\u006")
    ((96, 111),)
    """
    if pending[:1] != b"\\":
        points = code_points_of(pending)
        if points is None:
            return ()
        return tuple(part for raw in RAW for part in cut((raw,), *points))
    if len(pending) == 1 or pending == b"\\u":
        return ANY_CHAR.ranges
    if len(pending) == 2:
        short = SHORT_ESCAPES.get(chr(pending[1]))
        return () if short is None else ((ord(short), ord(short)),)
    if any(byte not in HEX for byte in pending[2:6]):
        return ()
    low, high = units_of(pending[2:6].decode())
    found = list(cut(((0, 0xD7FF), (0xE000, 0xFFFF)), low, high))
    for first, last in cut(((0xD800, 0xDBFF),), low, high):
        second = (0xDC00, 0xDFFF)
        if not rb"\u".startswith(pending[6:8]) or any(byte not in HEX for byte in pending[8:]) or len(pending) > 12:
            return ()
        for a, b in cut((second,), *units_of(pending[8:].decode())):
            base = (first - 0xD800 << 10) + 0x10000
            found.append((base + a - 0xDC00, (last - first << 10) + base + b - 0xDC00))
    return tuple(found) if len(pending) <= 6 or (low == high and 0xD800 <= low <= 0xDBFF) else ()


class Derivatives:
    """Regular expressions with Boolean operators, each stored once and named by a number.

    Shapes: `("byte", ranges)`, `("char", ranges, bytes so far)`, `("cat", a, b)`, `("or", parts)`, `("and", parts)`,
    `("not", a)` (among all byte strings), `("repeat", a, m, n)`, `("json", content, spelling so far)` (behind the
    opening quote).
    """

    def __init__(self) -> None:
        self._shapes: list[tuple[Any, ...]] = []
        self._ids: dict[tuple[Any, ...], Expr] = {}
        self._derived: dict[tuple[Expr, int], Expr] = {}
        self._possible: dict[Expr, bool] = {}
        self._first: dict[Expr, frozenset[int]] = {}
        self.nothing = self._store("or", frozenset())
        self.epsilon = self._store("repeat", self.nothing, 0, 0)
        self.everything = self._store("not", self.nothing)
        self.character = self._store("char", ANY_CHAR.ranges, b"")
        self.valid = self.repeat(self.character, 0, None)

    # -- building -------------------------------------------------------------------------------------------------

    def _store(self, *shape: Any) -> Expr:
        known = self._ids.get(shape)
        if known is None:
            known = self._ids[shape] = Expr(len(self._shapes))
            self._shapes.append(shape)
        return known

    def byte(self, ranges: Ranges) -> Expr:
        return self._store("byte", ranges) if ranges else self.nothing

    def char(self, ranges: Ranges, so_far: bytes = b"") -> Expr:
        if not so_far:
            return self._store("char", ranges, b"") if ranges else self.nothing
        points = code_points_of(so_far)
        inside = cut(ranges, *points) if points else ()
        if not inside:
            return self.nothing
        if so_far == chr(inside[0][0]).encode():
            return self.epsilon
        return self._store("char", inside, so_far)

    def cat(self, *parts: Expr) -> Expr:
        result = self.epsilon
        for part in reversed(parts):
            if self.nothing in (part, result):
                return self.nothing
            shape = self._shapes[part]
            if part == self.epsilon:
                continue
            if result == self.epsilon:
                result = part
            elif shape[0] == "cat":
                result = self.cat(shape[1], self.cat(shape[2], result))
            else:
                result = self._store("cat", part, result)
        return result

    def _flat(self, kind: str, parts: Iterable[Expr]) -> Iterator[Expr]:
        for part in parts:
            shape = self._shapes[part]
            if shape[0] == kind:
                yield from shape[1]
            else:
                yield part

    def union(self, parts: Iterable[Expr]) -> Expr:
        flat = frozenset(self._flat("or", parts))
        if self.everything in flat:
            return self.everything
        return next(iter(flat)) if len(flat) == 1 else self._store("or", flat)

    def both(self, parts: Iterable[Expr]) -> Expr:
        flat = frozenset(self._flat("and", parts)) - {self.everything}
        if self.nothing in flat:
            return self.nothing
        if not flat:
            return self.everything
        return next(iter(flat)) if len(flat) == 1 else self._store("and", flat)

    def complement(self, item: Expr) -> Expr:
        shape = self._shapes[item]
        return shape[1] if shape[0] == "not" else self._store("not", item)

    def repeat(self, item: Expr, low: int, high: int | None) -> Expr:
        if high is not None and low > high:
            return self.nothing
        if high == 0 or item == self.epsilon:
            return self.epsilon
        if item == self.nothing:
            return self.nothing if low else self.epsilon
        return item if low == high == 1 else self._store("repeat", item, low, high)

    def json(self, content: Expr, spelling: bytes) -> Expr:
        """The rest of a JSON string behind its opening quote and the first bytes of one character's spelling."""
        beginning = self.char(characters_of(spelling)) if spelling else self.epsilon
        if not self.possible(self.both((content, self.cat(beginning, self.valid)))):
            return self.nothing
        return self._store("json", content, spelling)

    def of(self, node: Node) -> Expr:
        """The expression of a node without references."""
        match node:
            case Bytes(data):
                return self.cat(*(self.byte(((byte, byte),)) for byte in data))
            case ByteClass(ranges):
                return self.byte(ranges)
            case CharClass(ranges):
                return self.char(ranges)
            case Sequence(items):
                return self.cat(*map(self.of, items))
            case Choice(items):
                return self.union(map(self.of, items))
            case Repeat(item, low, high):
                return self.repeat(self.of(item), low, high)
            case And(items):
                return self.both(map(self.of, items))
            case Not(item):
                return self.both((self.valid, self.complement(self.of(item))))
            case Length(item, low, high):
                return self.both((self.of(item), self.repeat(self.character, low, high)))
            case JsonString(content, "any"):
                return self.cat(self.byte(((34, 34),)), self.json(self.both((self.of(content), self.valid)), b""))
            case JsonString(content, spelling):
                return self.both((self.of(JsonString(content)), self.of(WRITTEN[spelling])))
            case _:
                raise ValueError(f"not regular: {node}")

    # -- reading --------------------------------------------------------------------------------------------------

    def nullable(self, e: Expr) -> bool:
        """Whether the empty text is a member."""
        match self._shapes[e]:
            case ("cat", a, b):
                return self.nullable(a) and self.nullable(b)
            case ("or", parts):
                return any(map(self.nullable, parts))
            case ("and", parts):
                return all(map(self.nullable, parts))
            case ("not", a):
                return not self.nullable(a)
            case ("repeat", a, low, _):
                return low == 0 or self.nullable(a)
        return False

    def derive(self, e: Expr, byte: int) -> Expr:
        """The rests of the members that start with the byte."""
        known = self._derived.get((e, byte))
        if known is None:
            known = self._derived[e, byte] = self._derive(e, byte)
        return known

    def _derive(self, e: Expr, byte: int) -> Expr:
        match self._shapes[e]:
            case ("byte", ranges):
                return self.epsilon if cut(ranges, byte, byte) else self.nothing
            case ("char", ranges, so_far):
                return self.char(ranges, so_far + bytes([byte]))
            case ("cat", a, b):
                first = self.cat(self.derive(a, byte), b)
                return self.union((first, self.derive(b, byte))) if self.nullable(a) else first
            case ("or", parts):
                return self.union(self.derive(part, byte) for part in parts)
            case ("and", parts):
                return self.both(self.derive(part, byte) for part in parts)
            case ("not", a):
                return self.complement(self.derive(a, byte))
            case ("repeat", a, low, high):
                # Right for a nullable item too: the copies in front of the first byte may all be empty ones behind it.
                rest = self.repeat(a, max(low - 1, 0), None if high is None else high - 1)
                return self.cat(self.derive(a, byte), rest)
            case ("json", content, spelling):
                return self._derive_json(content, spelling + bytes([byte]))
        raise AssertionError(e)

    def _derive_json(self, content: Expr, spelling: bytes) -> Expr:
        if spelling == b'"':
            return self.epsilon if self.nullable(content) else self.nothing
        try:
            character = spelt(spelling.decode())
        except ValueError:  # inside a character, or not even that
            character = None
        if character is not None:
            return self.json(self.after(content, character.encode()), b"")
        return self.json(content, spelling)

    def after(self, e: Expr, data: bytes) -> Expr:
        """The derivative by all the bytes."""
        for byte in data:
            e = self.derive(e, byte)
        return e

    def possible(self, e: Expr) -> bool:
        """Whether there is a member at all: some derivative contains the empty text."""
        if e not in self._possible:
            came_from: dict[Expr, Expr | None] = {}
            agenda: list[tuple[Expr, Expr | None]] = [(e, None)]
            while agenda:  # depth first: the first way to the end will do
                at, before = agenda.pop()
                if at in came_from:
                    continue
                came_from[at] = before
                if self.nullable(at) or self._possible.get(at, False):
                    back: Expr | None = at
                    while back is not None:
                        self._possible[back] = True
                        back = came_from[back]
                    return True
                if at not in self._possible:
                    agenda += [(self.derive(at, byte), at) for byte in self.representatives(at)]
                if len(came_from) > EXPLORED_AT_MOST:
                    raise TooLarge(f"more than {EXPLORED_AT_MOST} derivatives")
            self._possible.update(dict.fromkeys(came_from, False))
        return self._possible[e]

    def representatives(self, e: Expr) -> list[int]:
        """One byte of each class of bytes that the expression cannot tell apart: where its ranges start."""
        return sorted({0, *(byte for byte in self._edges(e) if byte < 256)})

    def _edges(self, e: Expr) -> set[int]:
        match self._shapes[e]:
            case ("byte", ranges):
                return {edge for low, high in ranges for edge in (low, high + 1)}
            case ("char", ranges, _):
                ends = {byte for pair in ranges for point in pair for byte in chr(point).encode()}
                # Where UTF-8 itself changes: lengths, and the second bytes after E0, ED, F0 and F4.
                utf8 = {0x80, 0x90, 0xA0, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEE, 0xF0, 0xF1, 0xF4, 0xF5}
                return utf8 | ends | {byte + 1 for byte in ends}
            case ("cat", a, b):
                return self._edges(a) | self._edges(b)
            case ("or" | "and", parts):
                return set().union(*map(self._edges, parts))
            case ("not" | "repeat", a, *_):
                return self._edges(a)
            case ("json", content, _):
                special = {*b'"\\/bfnrtu', *HEX, 0x20}
                return self._edges(content) | self._edges(self.character) | special | {byte + 1 for byte in special}
        raise AssertionError(e)

    def steps(self, e: Expr) -> list[tuple[int, int, Expr]]:
        """The bytes that some member starts with, as ranges [start, stop), and the derivative by each of them."""
        starts = self.representatives(e)
        steps = [(a, b, self.derive(e, a)) for a, b in zip(starts, [*starts[1:], 256], strict=True)]
        return [step for step in steps if self.possible(step[2])]

    def first_bytes(self, e: Expr) -> frozenset[int]:
        """The bytes that some member starts with."""
        if e not in self._first:
            self._first[e] = frozenset(byte for start, stop, _ in self.steps(e) for byte in range(start, stop))
        return self._first[e]

    def bytes_in(self, e: Expr) -> set[int]:
        """The bytes that occur in some member: those of all steps from where members lead to where they can end."""
        found: set[int] = set()
        seen, agenda = {e}, [e]
        while agenda:
            for start, stop, after in self.steps(agenda.pop()):
                found.update(range(start, stop))
                if after not in seen:
                    seen.add(after)
                    agenda.append(after)
            if len(seen) > EXPLORED_AT_MOST:
                raise TooLarge(f"more than {EXPLORED_AT_MOST} derivatives")
        return found
