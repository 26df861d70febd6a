"""History: what has been read of an array whose items must differ, as a value.

Place in the walk: bytes of JSON -> **History** -> `grammars.distinct`, which goes through a grammar with it. It knows
no grammar: bytes come as some automaton allows them. Items are equal as JSON Schema says (core, section 4.2.2): as
values, whatever their spelling, the order of keys, or whitespace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple, TypeAlias

__all__ = ["EMPTY", "OPEN", "WHITESPACE", "Array", "History", "Object", "has_distinct_items", "value_of"]

Value: TypeAlias = Hashable
"""A string, a Decimal, one of the literals as bytes, an array as `("[", *items)`, an object as a frozenset of pairs."""

WHITESPACE = frozenset(b" \t\n\r")
_QUOTE, _COMMA, _COLON, OPEN, _CLOSE, _BEGIN, _END, _BACKSLASH = b'",:[]{}\\'
_SPELLS_NUMBERS = frozenset(b"0123456789.eE+-")
_ENDS = frozenset(b",]}")
_BEHIND = _ENDS | WHITESPACE
_REMEMBERED = 4096
_NUMBER_BEGUN = re.compile(rb"-?([0-9]+(\.[0-9]*)?([eE][+-]?[0-9]*)?)?")
_LITERALS = (b"true", b"false", b"null")
_SHORT = {'"': b'\\"', "\\": b"\\\\", "/": b"\\/", "\b": b"\\b", "\f": b"\\f", "\n": b"\\n", "\r": b"\\r", "\t": b"\\t"}


class Array(NamedTuple):
    """An array that is open, and the items that are complete; of one with distinct items its rule, else -1."""

    rule: int
    items: tuple[Value, ...] = ()


class Object(NamedTuple):
    """An object that is open, its complete entries, and the key whose value comes next."""

    entries: tuple[tuple[str, Value], ...] = ()
    key: str | None = None


class History(NamedTuple):
    """What has been read of an array with distinct items, from its bracket on: the containers that are open.

    `lexeme` is what is there of a string, a number or a literal; empty where one may begin, None behind a value.
    Without frames, no such array is open.
    """

    frames: tuple[Array | Object, ...] = ()
    lexeme: bytes | None = None

    @property
    def depth(self) -> int:
        """How many arrays with distinct items are open."""
        return sum(isinstance(frame, Array) and frame.rule >= 0 for frame in self.frames)

    @property
    def in_string(self) -> bool:
        """Whether a string is begun and not ended."""
        return self.lexeme is not None and self.lexeme[:1] == b'"'

    def step(self, byte: int, rule: int = -1) -> History | None:
        """The history after one byte of JSON, None where an item equals another one, or a key of one object.

        `rule` is that of an array with distinct items, where the byte opens one.
        """
        lexeme = self.lexeme
        if lexeme and lexeme[0] == _QUOTE:
            lexeme += bytes((byte,))
            if byte != _QUOTE or _is_escaped(lexeme):
                return History(self.frames, lexeme)
            return self._complete(_string(lexeme))
        if byte in _BEHIND or byte == _COLON:
            after = self._complete(_scalar(lexeme)) if lexeme else self
            if after is None or byte in WHITESPACE:
                return after
            return after._close() if byte in (_CLOSE, _END) else History(after.frames, b"")
        if byte == OPEN:
            return History((*self.frames, Array(rule)), b"") if self.frames or rule >= 0 else self
        if not self.frames:
            return self
        if byte == _BEGIN:
            return History((*self.frames, Object()), b"")
        return History(self.frames, (lexeme or b"") + bytes((byte,)))

    def read(self, data: bytes) -> History | None:
        """The history after some bytes of JSON of which none opens an array."""
        at, begin = self, 0
        while at.frames and begin < len(data):
            if at.lexeme is not None and at.in_string:
                quote = data.find(_QUOTE, begin)
                end = len(data) if quote < 0 else quote
                at, begin = History(at.frames, at.lexeme + data[begin:end]), end
                if quote < 0:
                    break
            after = at.step(data[begin])
            if after is None:
                return None
            at, begin = after, begin + 1
        return at

    def _complete(self, value: Value) -> History | None:
        """The history behind a key, or a value that stands in the innermost container."""
        *outer, top = self.frames
        if isinstance(top, Object):
            if top.key is None:
                assert isinstance(value, str)
                return None if value in dict(top.entries) else History((*outer, Object(top.entries, value)))
            return History((*outer, Object((*top.entries, (top.key, value)))))
        if top.rule >= 0 and value in top.items:
            return None
        return History((*outer, Array(top.rule, (*top.items, value))))

    def _close(self) -> History | None:
        """The history behind the innermost container."""
        *outer, top = self.frames
        if not outer:
            return EMPTY
        value: Value = ("[", *top.items) if isinstance(top, Array) else frozenset(top.entries)
        return History(tuple(outer))._complete(value)

    @lru_cache(_REMEMBERED)  # noqa: B019 - histories are values, and few
    def toward(self) -> frozenset[int]:
        """The bytes with which some item, or a key, can still become one of those before it, but whitespace.

        Perhaps a few more; none when what is begun differs from all of them already.
        """
        return self.toward_items().union(self._toward_keys())

    @lru_cache(_REMEMBERED)  # noqa: B019 - as above
    def toward_items(self) -> frozenset[int]:
        """The bytes with which some item can still become one of those before it."""
        found: set[int] = set()
        for depth, frame in enumerate(self.frames):
            if isinstance(frame, Array) and frame.rule >= 0 and frame.items:
                if depth == len(self.frames) - 1 and self.lexeme is None:
                    found.add(_COMMA)
                    continue
                for rival in frame.items:
                    found.update(self._toward(depth, rival))
        return frozenset(found)

    def keys_alone(self) -> History:
        """The innermost object with its keys: all that matters where no item can become one of those before it, until
        the next key is complete.
        """
        top = self.frames[-1]
        assert isinstance(top, Object)
        return History((Object(tuple([(key, None) for key, _ in top.entries]), top.key),), self.lexeme)

    def _toward_keys(self) -> Iterable[int]:
        """The bytes with which a key can still become one of those of its object."""
        top = self.frames[-1] if self.frames else None
        if not isinstance(top, Object) or not top.entries or top.key is not None:
            return ()
        return (_COMMA,) if self.lexeme is None else self._toward_key([key for key, _ in top.entries])

    def _toward(self, depth: int, rival: Value) -> Iterable[int]:
        """The bytes with which the item in the array at that depth can still become `rival`."""
        for inner in self.frames[depth + 1 :]:
            if isinstance(inner, Array):
                if not isinstance(rival, tuple) or rival[1 : 1 + len(inner.items)] != inner.items:
                    return ()
                here: Value = rival
                rival = rival[1 + len(inner.items)] if len(rival) > 1 + len(inner.items) else _NOTHING
            else:
                if not isinstance(rival, frozenset) or not rival.issuperset(inner.entries):
                    return ()
                here = rival
                rival = _NOTHING if inner.key is None else dict(rival).get(inner.key, _NOTHING)
                if inner.key is not None and rival is _NOTHING:
                    return ()
        top = self.frames[-1]
        if len(self.frames) == depth + 1:
            return self._toward_scalar(rival)
        if isinstance(top, Object):
            assert isinstance(here, frozenset)
            if top.key is None and self.lexeme is not None:
                left = [key for key, _ in here if key not in dict(top.entries)]
                return (_END,) if not here and not self.lexeme else self._toward_key(left)
            if self.lexeme is None:
                return (_COLON,) if top.key is not None else (_COMMA,) if len(top.entries) < len(here) else (_END,)
        elif self.lexeme is None:
            return (_CLOSE,) if rival is _NOTHING else (_COMMA,)
        elif rival is _NOTHING:
            return (_CLOSE,) if not self.lexeme and not top.items else ()
        return self._toward_scalar(rival)

    def _toward_key(self, keys: Sequence[str]) -> Iterable[int]:
        if not self.lexeme:
            return (_QUOTE,) if keys else ()
        return {byte for key in keys for byte in _toward_string(self.lexeme, key)}

    def _toward_scalar(self, rival: Value) -> Iterable[int]:
        """The bytes with which what is begun can become a value."""
        lexeme = self.lexeme
        if not lexeme:
            return _first_bytes(rival)
        if lexeme[0] == _QUOTE:
            return _toward_string(lexeme, rival) if isinstance(rival, str) else ()
        if isinstance(rival, Decimal):
            return {*_toward_number(lexeme, rival), *_ENDS} if _may_become(lexeme, rival) else ()
        if isinstance(rival, bytes) and rival.startswith(lexeme):
            return rival[len(lexeme) : len(lexeme) + 1] or _ENDS
        return ()


EMPTY = History()
_NOTHING: Value = object()


def value_of(data: bytes) -> Value:
    """A whole JSON text as a value, equal for equal ones: `[1, "a"]` and `[1.0,"\\u0061"]` are."""
    at: History | None = History((Array(-1),), b"")
    for byte in (*data, _COMMA):
        assert at is not None
        at = at.step(byte)
    assert at is not None
    array = at.frames[0]
    assert isinstance(array, Array)
    return array.items[0]


def has_distinct_items(data: bytes) -> bool:
    """Whether a JSON array has no two equal items, and no object in it a key twice."""
    at = History((Array(0),), b"")
    for byte in data[1:]:
        after = at.step(byte)
        if after is None or not after.frames:
            return after is not None
        at = after
    return False


def _is_escaped(lexeme: bytes) -> bool:
    """Whether the last byte of a string stands behind a backslash that is not escaped itself."""
    before = lexeme[:-1]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def _string(lexeme: bytes) -> str:
    return str(json.loads(lexeme)) if b"\\" in lexeme else lexeme[1:-1].decode()


def _scalar(lexeme: bytes) -> Value:
    """The value of a literal or a number; of what is neither, the bytes themselves: whoever walks further than the
    automaton finds them equal to nothing.
    """
    try:
        return lexeme if lexeme in _LITERALS else Decimal(lexeme.decode())
    except InvalidOperation:
        return lexeme


def _first_bytes(value: Value) -> Iterable[int]:
    match value:
        case str():
            return (_QUOTE,)
        case tuple():
            return (OPEN,)
        case frozenset():
            return (_BEGIN,)
        case bytes():
            return value[:1]
        case Decimal():
            return _toward_number(b"", value)
    return ()


def _toward_string(lexeme: bytes, text: str) -> Iterable[int]:
    """The bytes with which a string that is begun can become one that says `text`."""
    known, rest = _said(lexeme[1:])
    if not text.startswith(known):
        return ()
    if len(text) == len(known):
        return () if rest else (_QUOTE,)
    return {way[len(rest)] for way in _spellings(text[len(known)]) if way[: len(rest)] == rest}


@lru_cache(_REMEMBERED)
def _said(content: bytes) -> tuple[str, bytes]:
    """The characters that are complete in a string without its quote, and what is begun of the next one."""
    end = 0
    while end < len(content):
        byte = content[end]
        if byte == _BACKSLASH:
            size = 2 if content[end + 1 : end + 2] != b"u" else 6
            if size == 6 and content[end + 2 : end + 4].lower() in (b"d8", b"d9", b"da", b"db"):
                size = 12
        else:
            size = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        if end + size > len(content):
            break
        end += size
    return _string(b'"' + content[:end] + b'"'), content[end:]


@lru_cache(_REMEMBERED)
def _spellings(character: str) -> list[bytes]:
    """Every way to write one character inside a JSON string, hex digits in either case."""
    ways = [b""]
    units = character.encode("utf-16-be").hex()
    for i, digit in enumerate(units):
        lead = b"\\u" if i % 4 == 0 else b""
        digits = {digit.encode(), digit.upper().encode()}
        ways = [way + lead + each for way in ways for each in digits]
    raw = [character.encode()] if character >= " " and character not in '"\\' else []
    short = [_SHORT[character]] if character in _SHORT else []
    return raw + short + ways


def _toward_number(lexeme: bytes, value: Decimal) -> Iterable[int]:
    """The bytes of numbers with which one that is begun may become one of that value."""
    return [byte for byte in _SPELLS_NUMBERS if _may_become(lexeme + bytes((byte,)), value)]


def _may_become(lexeme: bytes, value: Decimal) -> bool:
    """Whether a number that is begun may still be spelt so that it has this value; True also for some that may not.

    The digits of a mantissa, without zeros in front, begin the digits of the value, with zeros behind; an exponent then
    shifts them.
    """
    if not _NUMBER_BEGUN.fullmatch(lexeme):
        return False
    mantissa, mark, exponent = lexeme.lower().partition(b"e")
    digits = mantissa.lstrip(b"-").replace(b".", b"").lstrip(b"0")
    if not value:
        return not digits
    if lexeme.startswith(b"-") != value.is_signed():
        return False
    wanted = "".join(map(str, value.as_tuple().digits)).encode().rstrip(b"0")
    if not mark:
        return wanted.ljust(len(digits), b"0").startswith(digits)
    shift = value.adjusted() - Decimal(mantissa.decode()).adjusted()
    if digits.rstrip(b"0") != wanted or (exponent.startswith(b"-") and shift > 0):
        return False
    if not exponent.startswith(b"-") and shift < 0:
        return not exponent
    return str(abs(shift)).encode().startswith(exponent.lstrip(b"+-").lstrip(b"0"))
