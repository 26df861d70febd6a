"""Code-point ranges to byte ranges: UTF-8, and the spellings that JSON allows inside a string.

Place in the walk: the last step from characters to bytes. A spelling is a tuple of positions, a position a tuple of
inclusive byte ranges; it stands for every way to choose one byte from each position.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

from grammars.ir import Ranges

__all__ = ["Spelling", "json_spellings", "utf8_spellings"]

Spelling: TypeAlias = tuple[Ranges, ...]

_LENGTHS = ((0x00, 0x7F, 1, 0x00), (0x80, 0x7FF, 2, 0xC0), (0x800, 0xFFFF, 3, 0xE0), (0x10000, 0x10FFFF, 4, 0xF0))
_SHORT_ESCAPES = {0x08: b"b", 0x09: b"t", 0x0A: b"n", 0x0C: b"f", 0x0D: b"r", 0x22: b'"', 0x2F: b"/", 0x5C: b"\\"}
_BACKSLASH: Ranges = ((0x5C, 0x5C),)
_LETTER_U: Ranges = ((0x75, 0x75),)
# What may stand raw in a JSON string (RFC 8259, section 7: unescaped).
_RAW: Ranges = ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0xD7FF), (0xE000, 0x10FFFF))


def utf8_spellings(ranges: Ranges) -> Iterator[Spelling]:
    """The UTF-8 encodings of the code points in `ranges` (RFC 3629), as few spellings.

    >>> list(utf8_spellings(((0x7F, 0x80),)))
    [(((127, 127),),), (((194, 194),), ((128, 128),))]
    """
    for low, high in ranges:
        for first, last, length, lead in _LENGTHS:
            if low <= last and high >= first:
                for digits in _digit_ranges(max(low, first), min(high, last), base=64, count=length):
                    (a, b), *rest = digits
                    yield (((lead + a, lead + b),), *(((0x80 + x, 0x80 + y),) for x, y in rest))


def json_spellings(ranges: Ranges) -> Iterator[Spelling]:
    """Every way to write a code point of `ranges` inside a JSON string (RFC 8259, section 7).

    Raw where allowed, the two-character escapes, and \\uXXXX with hex digits of either case, in surrogate pairs
    beyond U+FFFF. Surrogates that stand alone are never written.

    >>> list(json_spellings(((0x0A, 0x0A),)))[0]       # \\n
    (((92, 92),), ((110, 110),))
    """
    for code, letter in _SHORT_ESCAPES.items():
        if any(low <= code <= high for low, high in ranges):
            yield (_BACKSLASH, ((letter[0], letter[0]),))
    yield from utf8_spellings(_intersect(ranges, _RAW))
    for low, high in _intersect(ranges, ((0, 0xD7FF), (0xE000, 0xFFFF))):
        for spelling in _hex4(low, high):
            yield (_BACKSLASH, _LETTER_U, *spelling)
    for low, high in _intersect(ranges, ((0x10000, 0x10FFFF),)):
        for (a, b), (c, d) in _digit_ranges(low - 0x10000, high - 0x10000, base=1024, count=2):
            for lead, trail in product(_hex4(0xD800 + a, 0xD800 + b), list(_hex4(0xDC00 + c, 0xDC00 + d))):
                yield (_BACKSLASH, _LETTER_U, *lead, _BACKSLASH, _LETTER_U, *trail)


def _hex4(low: int, high: int) -> Iterator[Spelling]:
    for digits in _digit_ranges(low, high, base=16, count=4):
        yield tuple(_hex_digits(a, b) for a, b in digits)


def _hex_digits(low: int, high: int) -> Ranges:
    """The bytes that write a hex digit from `low` to `high`: (9, 10) -> 9, A, a."""
    ranges = []
    if low <= 9:
        ranges.append((0x30 + low, 0x30 + min(high, 9)))
    if high >= 10:
        a, b = max(low, 10) - 10, high - 10
        ranges += [(0x41 + a, 0x41 + b), (0x61 + a, 0x61 + b)]
    return tuple(ranges)


def _digit_ranges(low: int, high: int, *, base: int, count: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """The numbers from low to high as products of digit ranges, most significant first.

    >>> list(_digit_ranges(8, 21, base=10, count=2))
    [((0, 0), (8, 9)), ((1, 1), (0, 9)), ((2, 2), (0, 1))]
    """
    if count == 1:
        yield ((low, high),)
        return
    unit = base ** (count - 1)
    first, last = low // unit, high // unit
    if low % unit == 0 and high % unit == unit - 1:
        yield ((first, last), *(((0, base - 1),) * (count - 1)))
    elif first == last:
        for rest in _digit_ranges(low % unit, high % unit, base=base, count=count - 1):
            yield ((first, first), *rest)
    else:
        if low % unit:
            yield from _digit_ranges(low, (first + 1) * unit - 1, base=base, count=count)
            first += 1
        middle = last if high % unit == unit - 1 else last - 1
        if first <= middle:
            yield ((first, middle), *(((0, base - 1),) * (count - 1)))
        if middle < last:
            yield from _digit_ranges(last * unit, high, base=base, count=count)


def _intersect(left: Ranges, right: Ranges) -> Ranges:
    both = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return tuple((low, high) for low, high in both if low <= high)
