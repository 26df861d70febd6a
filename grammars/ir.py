"""Grammar: what every front end produces and what the compiler reads.

Place in the walk: text -> **Grammar** -> ByteAutomaton -> Constraint. A grammar is a set of named rules over
nodes, which are values; each node denotes a set of byte strings. Nothing is computed here: no automata, no tokenizers.

Denotation, with L(x) the set of byte strings of x:

| node                  | its strings |
|-----------------------|-------------|
| `Bytes(data)`         | `data` alone; `Bytes(b"")` is the empty string (`EPSILON`) |
| `Texts(items)`        | each of the items, which are byte strings: a long list as one node |
| `ByteClass(ranges)`   | one byte in one of the inclusive ranges |
| `CharClass(ranges)`   | the UTF-8 encoding of one code point in one of the inclusive ranges (never a surrogate) |
| `Sequence(items)`     | concatenation; `Sequence(())` is the empty string |
| `Choice(items)`       | union; `Choice(())` is the empty set (`NOTHING`) |
| `Numerals(items, ..)` | the same, items that spell the numbers between bounds, which it has too |
| `Repeat(item, m, n)`  | from m to n copies of the item, n = None for no upper bound |
| `Ref(name)`           | the strings of the rule of that name |
| `And(items)`          | intersection; regular items only (no recursion through it) |
| `Not(item)`           | the valid UTF-8 texts that are not strings of the item; regular items only |
| `Length(item, m, n)`  | strings of the item (valid UTF-8) with m to n code points; regular items only |
| `JsonString(content, s)` | JSON strings, quotes included, whose *decoded* content is a string of `content`    |
|                       | (valid UTF-8; regular content only), spelt as s says: "any" is every spelling, each   |
|                       | code point raw, as its two-character escape or as \\uXXXX in either case of hex digits, |
|                       | astral ones as a surrogate pair; "ascii" is what `json.dumps` writes, "raw" what it   |
|                       | writes with `ensure_ascii=False`. Lone surrogates are never written                   |
| `SpecialToken(name)`  | the special token of that name: one token, no bytes |
| `Members(...)`        | `begin`, one or more entries put apart by `separator`, and `end`; also `begin`, `empty` |
|                       | when there is an `empty` and nothing is required. Entries are `keys[i]` followed by   |
|                       | `values[i]`, each at most once, in their order, and those in `required` always;       |
|                       | behind them any number of entries of `rest`, a key and a value; `low` to `high`       |
|                       | entries altogether; with `any_order` all of them stand in any order                   |
| `Distinct(item)`      | the strings of the item, which are JSON arrays, of which no two items are equal as   |
|                       | JSON values and no object in an item has a key twice                                  |
| `AtMostTokens(x, n)`  | the strings of x, which is regular; over a vocabulary only those ways to spell a text  |
|                       | in which at most n tokens have a byte of it                                            |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal, NamedTuple, Protocol, TypeAlias

from grammars.errors import GrammarError
from grammars.record import record

__all__ = [
    "ANY_CHAR",
    "EPSILON",
    "NOTHING",
    "And",
    "AtMostTokens",
    "ByteClass",
    "Bytes",
    "CharClass",
    "Choice",
    "Distinct",
    "Grammar",
    "JsonString",
    "Later",
    "Length",
    "Magnitudes",
    "Members",
    "Node",
    "Not",
    "Numerals",
    "Ranges",
    "Ref",
    "Repeat",
    "Sequence",
    "Shared",
    "SpecialToken",
    "Spelling",
    "Texts",
    "char_class",
    "text",
]

Spelling: TypeAlias = Literal["any", "raw", "ascii"]
"""How the characters of a JSON string are written, see `JsonString`."""

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Inclusive ranges, sorted, disjoint and not adjacent."""


class _Noted:
    """A value that remembers its hash, and on which the compiler may leave a note; neither is part of the value."""

    __slots__ = ("code", "note")
    __match_args__: tuple[str, ...]

    code: int
    note: object

    def __hash__(self) -> int:
        try:
            return self.code
        except AttributeError:
            code = hash((type(self), *[getattr(self, name) for name in self.__match_args__]))
            self.code = code
            return code


@record
class Bytes(_Noted):
    data: bytes

    __hash__ = _Noted.__hash__


@record
class Texts(_Noted):
    items: tuple[bytes, ...]

    __hash__ = _Noted.__hash__


@record
class ByteClass(_Noted):
    ranges: Ranges

    __hash__ = _Noted.__hash__


@record
class CharClass(_Noted):
    ranges: Ranges

    __hash__ = _Noted.__hash__


@record
class Sequence(_Noted):
    items: tuple[Node, ...]

    __hash__ = _Noted.__hash__


@record
class Choice(_Noted):
    items: tuple[Node, ...]

    __hash__ = _Noted.__hash__


class Magnitudes(NamedTuple):
    """Numbers without a sign between bounds, as digits; a 0 before the point is no digit, none ends in a 0 behind it.

    In `plain` are the bounds of those without an exponent, before and behind the point; in `scientific` those of the
    numbers that have one digit before the point, which is not 0, as exponent and digits. None where there are no such
    numbers. With `zero` there is also 0 with any exponent. Behind the point are up to `places` digits.
    """

    places: int
    plain: tuple[tuple[str, str], tuple[str, str]] | None
    scientific: tuple[tuple[int, str], tuple[int, str]] | None = None
    zero: bool = False


@record(match_args=False)
class Numerals(Choice):
    """A choice of which the compiler knows what its items spell: the numbers above and below 0.

    Where neither is given, as in a copy with other items, it is a choice like any other.
    """

    __match_args__ = ("positive", "negative")

    items: tuple[Node, ...] = field(repr=False)
    positive: Magnitudes | None = None
    negative: Magnitudes | None = None

    __hash__ = _Noted.__hash__


@record
class Repeat(_Noted):
    item: Node
    min: int = 0
    max: int | None = None

    __hash__ = _Noted.__hash__


@record
class Ref(_Noted):
    name: str

    __hash__ = _Noted.__hash__


@record
class And(_Noted):
    items: tuple[Node, ...]

    __hash__ = _Noted.__hash__


@record
class Not(_Noted):
    item: Node

    __hash__ = _Noted.__hash__


@record
class Length(_Noted):
    item: Node
    min: int = 0
    max: int | None = None

    __hash__ = _Noted.__hash__


@record
class JsonString(_Noted):
    content: Node
    spelling: Spelling = "any"

    __hash__ = _Noted.__hash__


@record
class SpecialToken(_Noted):
    name: str

    __hash__ = _Noted.__hash__


@record
class Members(_Noted):
    """An object, as a node of its own because written out it is quadratic.

    No key is empty or begins another, and no value is empty. `begin`, `separator`, `end` and `empty` are sequences of
    literals and references with strings. Of the first literals of the separator and the end none begins the other, and
    no key starts with the first byte of `empty`: so what is read tells where in the object it is.
    """

    begin: Node
    keys: tuple[bytes, ...]
    values: tuple[Node, ...]
    required: frozenset[int]
    rest: tuple[tuple[JsonString, Node], ...]
    separator: Node
    end: Node
    empty: Node | None = None
    any_order: bool = False
    low: int = 0
    high: int | None = None

    __hash__ = _Noted.__hash__


@record
class Distinct(_Noted):
    """JSON arrays whose items differ.

    So many items as an array must have at least must be possible whatever stands before them. `needs` has for each of
    these, where there are two or more, the bytes that suffice for it; these items are references.
    """

    item: Node
    needs: tuple[int, ...] = ()

    __hash__ = _Noted.__hash__


@record
class AtMostTokens(_Noted):
    """A regular part with a limit in tokens, which only a vocabulary gives a meaning: bytes alone know of none."""

    item: Node
    tokens: int

    __hash__ = _Noted.__hash__


Node: TypeAlias = (
    Bytes
    | Texts
    | ByteClass
    | CharClass
    | Sequence
    | Choice
    | Repeat
    | Ref
    | And
    | Not
    | Length
    | JsonString
    | SpecialToken
    | Members
    | Distinct
    | AtMostTokens
)

EPSILON = Bytes(b"")
NOTHING = Choice(())
ANY_CHAR = CharClass(((0, 0xD7FF), (0xE000, 0x10FFFF)))


@record(eq=False)
class Shared:
    """Rules that refer to no others and that many grammars have: what is found out about them holds in all of these.

    `starts` are those that need all others; `openings` are the `begin` and `empty` of objects that most of these
    grammars have. Compared by identity.
    """

    rules: Mapping[str, Node]
    starts: tuple[str, ...]
    openings: tuple[tuple[Node, Node | None], ...] = ()


class Later(Protocol):
    """Rules that a front end makes when they are asked for: of each it is certain that it has a text, and not the empty
    one; that it begins with no call of itself; and that nothing raises an error. One thread asks at a time.
    """

    promised: set[str]
    """The rules of which this is certain, made or not."""
    certain: list[str]
    """Those of them that are made, and of which nothing else is to be found out: all that they refer to is promised."""

    def __contains__(self, name: object) -> bool:
        """Whether a rule is still to be made."""

    def opening(self, name: str) -> tuple[Node, Node | None] | None:
        """The `begin` and `empty` of the `Members` that a rule will be, with few keys that are all JSON strings, and an
        entry for certain; None for other rules, and where it is not known."""

    def make(self, name: str) -> Shared | None:
        """Writes a rule into the grammar's; returns the shared ones that it has for the first time."""

    def make_all(self) -> None:
        """Writes all of them."""


@record
class Grammar:
    """Named rules and the name of the one to start from; `source` is the text it was read from, for messages.

    `widened` is what was asked for and is left open: with any of it the grammar has strings that were not meant.
    `shared` are those of the rules that other grammars have too; it changes nothing but the time that compiling takes.
    `later` makes rules that `rules` gets when they are asked for: see `Later`.

    >>> Grammar({"start": Sequence((Bytes(b"a"), Repeat(Bytes(b"b"))))})   # the strings a, ab, abb, ...
    """

    rules: Mapping[str, Node]
    start: str = "start"
    source: str | None = field(default=None, compare=False, repr=False)
    widened: tuple[GrammarError, ...] = field(default=(), compare=False, repr=False)
    shared: Shared | None = field(default=None, compare=False, repr=False)
    later: Later | None = field(default=None, compare=False, repr=False)


def text(string: str) -> Bytes:
    """The node whose only string is the UTF-8 encoding of `string`.

    >>> text("é")
    Bytes(data=b'\\xc3\\xa9')
    """
    return Bytes(string.encode("utf-8"))


def char_class(ranges: Iterable[tuple[int, int]], *, negate: bool = False) -> CharClass:
    """The class of the code points in any of the inclusive `ranges` (of all others with `negate`), normalised.

    Surrogates are left out: they have no UTF-8 encoding.

    >>> char_class([(98, 99), (97, 97)])
    CharClass(ranges=((97, 99),))
    """
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        elif low <= high:
            merged.append((low, high))
    if negate:
        edges = [-1, *(x for pair in merged for x in pair), 0x110000]
        merged = [(edges[i] + 1, edges[i + 1] - 1) for i in range(0, len(edges), 2) if edges[i] + 1 < edges[i + 1]]
    cut: list[tuple[int, int]] = []
    for low, high in merged:
        if low < 0xD800:
            cut.append((low, min(high, 0xD7FF)))
        if high > 0xDFFF:
            cut.append((max(low, 0xE000), high))
    return CharClass(tuple(cut))
