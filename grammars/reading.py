"""Reading: what a chart knows at one place, in the words of the grammar; and the characters that may follow there.

Place in the walk: beside `grammars.chart`, for `gcd explain`. Names that a front end made up begin with % and are not
shown; a name in capitals is a terminal's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grammars.chart import Chart
from grammars.ir import (
    ByteClass,
    Bytes,
    CharClass,
    JsonString,
    Node,
    Numerals,
    Ranges,
    SpecialToken,
    Texts,
)
from grammars.recogniser import Configuration, Recogniser
from grammars.record import record

__all__ = ["OpenRule", "Reading", "following_characters", "list_of", "range_names", "reading", "show_ranges"]

IGNORED = "ignored text"
_SHOWN = 20


@record
class OpenRule:
    """A rule that is being read: since which byte, how deep below the start, and what it expects next."""

    name: str
    since: int
    depth: int
    expects: tuple[str, ...]


@record
class Reading:
    """The rules that are being read, the outermost first, and the terminals and texts with which all may go on."""

    rules: tuple[OpenRule, ...]
    terminals: tuple[str, ...]


def reading(chart: Chart) -> Reading:
    """What the chart knows where it stands.

    >>> chart = Chart(parse_lark('start: sum\\nsum: NUMBER ("+" NUMBER)*\\nNUMBER: /[0-9]+/'))
    >>> all(map(chart.read, b"1+")), reading(chart).terminals
    (True, ('NUMBER',))
    >>> reading(chart).rules[1]
    OpenRule(name='sum', since=0, depth=1, expects=('NUMBER',))
    """
    expects: dict[tuple[str, int], dict[str, None]] = {}
    terminals: dict[str, None] = {}
    for rule, since, rest in chart.reading:
        assert rest is not None
        words = label(*rest[:2])
        expects.setdefault((rule, since), {})[words] = None
        if is_terminal(rule):
            words = rule if since == chart.at else f"the rest of {rule}"
        terminals[IGNORED if rule.startswith("%") else words] = None
    for name, callers in chart.waiting[-1].items():
        for rule, since, _ in callers:
            if not name.startswith("%"):
                expects.setdefault((rule, since), {})[name] = None
    begun = [place for place in chart.open() if place[1] < chart.at or place == (chart.grammar.start, 0)]
    return Reading(
        tuple(
            OpenRule(name, since, depth, tuple(expects.get((name, since), ())))
            for (name, since), depth in depths(chart, begun).items()
            if not name.startswith("%")
        ),
        tuple(terminals),
    )


def depths(chart: Chart, begun: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """How many rules stand around each of the open ones (the outermost come first); made-up ones do not count."""
    found: dict[tuple[str, int], int] = {}
    for name, since in begun:
        around = [
            found[caller, began] + (not caller.startswith("%"))
            for caller, began, _ in chart.waiting[since].get(name, ())
            if (caller, began) in found
        ]
        found[name, since] = min(around, default=0)
    return found


def is_terminal(name: str) -> bool:
    return name.isupper() and name.replace("_", "").isalnum()


def label(node: Node, progress: Any) -> str:
    """A part of a rule, read as far as `progress` says, in words.

    >>> label(Bytes(b"true"), None), label(Bytes(b"true"), 1), label(CharClass(((48, 57),)), None)
    ('"true"', '"rue" of "true"', '[0-9]')
    """
    match node:
        case Bytes(data):
            return quoted(data[progress or 0 :]) + (f" of {quoted(data)}" if progress else "")
        case ByteClass(ranges) | CharClass(ranges):
            return bracketed(ranges) if progress is None else "the rest of a character"
        case JsonString():
            what = "a JSON string"
        case Texts(items):
            what = f"one of {len(items)} texts"
        case Numerals():
            what = "a number"
        case SpecialToken(name):
            return name
        case _:
            what = "text"
    return what if progress is None else f"the rest of {what}"


def quoted(data: bytes) -> str:
    """A literal in quotes that do not occur in it; what is no text as bytes."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "bytes " + data.hex(" ")
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)


def bracketed(ranges: Ranges) -> str:
    """A class of characters as a regex has it; what is left out where that is shorter.

    >>> bracketed(((48, 57), (97, 122))), bracketed(((0, 33), (35, 55295), (57344, 1114111)))
    ('[0-9a-z]', '[^"]')
    """
    edges = [-1, *(x for pair in ranges for x in pair), 0x110000]
    left_out = [(edges[i] + 1, edges[i + 1] - 1) for i in range(0, len(edges), 2) if edges[i] + 1 < edges[i + 1]]
    left_out = [pair for pair in left_out if pair != (0xD800, 0xDFFF)]
    negated = bool(ranges) and ranges[-1][1] == 0x10FFFF
    if negated and not left_out:
        return "any character"
    points = [
        _inside(low) if low == high else f"{_inside(low)}{'-' * (high > low + 1)}{_inside(high)}"
        for low, high in (left_out if negated else ranges)
    ]
    shown = points if len(points) <= _SHOWN else [*points[:_SHOWN], "..."]
    return f"[{'^' * negated}{''.join(shown)}]"


def _inside(code: int) -> str:
    if chr(code) in "\\]^-":
        return "\\" + chr(code)
    return chr(code) if chr(code).isprintable() else repr(chr(code))[1:-1]


def list_of(words: Iterable[str], *, most: int = _SHOWN) -> str:
    """The words with commas and an `or`, only so many of them.

    >>> list_of(["a", "b", "c"]), list_of("abcd", most=2)
    ('a, b or c', 'a, b or 2 more')
    """
    every = list(words)
    if len(every) > most:
        every = [*every[:most], f"{len(every) - most} more"]
    return " or ".join([part for part in (", ".join(every[:-1]), *every[-1:]) if part])


def show_ranges(ranges: Iterable[tuple[int, int]]) -> str:
    """Code points in words: `'0'-'9', '.' or space`."""
    return list_of(range_names(ranges))


def range_names(ranges: Iterable[tuple[int, int]]) -> list[str]:
    return [_point(low) if low == high else f"{_point(low)}-{_point(high)}" for low, high in ranges]


def _point(code: int) -> str:
    names = {0x20: "space", 0x09: "tab", 0x0A: "newline", 0x0D: "carriage return"}
    if code in names:
        return names[code]
    return repr(chr(code)) if chr(code).isprintable() else f"U+{code:04X}"


def following_characters(machine: Recogniser, at: Configuration) -> Ranges | None:
    """The code points with which the text may go on, as sorted ranges that pass over the surrogates.

    None where the text stands inside of a character, or where bytes may follow that begin none.
    """
    followed: dict[tuple[Configuration, int], list[tuple[int, int]]] = {}

    def symbols(before: Configuration, low: int, high: int) -> list[tuple[int, Configuration]]:
        steps = [(byte, machine.step(before, byte)) for byte in range(low, high + 1)]
        return [(byte, after) for byte, after in steps if after.items or after.accepting]

    def tails(before: Configuration, missing: int) -> list[tuple[int, int]]:
        """The numbers that `missing` continuation bytes write from here."""
        if not missing:
            return [(0, 0)]
        known = followed.get((before, missing))
        if known is None:
            unit = 1 << 6 * (missing - 1)
            known = followed[before, missing] = merged([
                ((byte & 0x3F) * unit + low, (byte & 0x3F) * unit + high)
                for byte, after in symbols(before, 0x80, 0xBF)
                for low, high in tails(after, missing - 1)
            ])  # fmt: skip
        return known

    found = []
    for byte, after in symbols(at, 0, 255):
        missing = 0 if byte < 0x80 else 1 if 0xC2 <= byte < 0xE0 else 2 if 0xE0 <= byte < 0xF0 else 3
        if 0x80 <= byte < 0xC2 or byte > 0xF4:
            return None
        base = (byte & (0x7F if not missing else 0x3F >> missing)) << 6 * missing
        found += [(base + low, base + high) for low, high in tails(after, missing)]
    return tuple(merged(found))


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted ranges, adjacent ones as one; the surrogates, which no text has, part none."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low in (joined[-1][1] + 1, 0xE000 if joined[-1][1] == 0xD7FF else -1):
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined
