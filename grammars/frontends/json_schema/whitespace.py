"""Layout: the bytes between the tokens of a JSON text, for each way to write whitespace, and the order of keys.

Place in the walk: JSON Schema -> **Grammar**. Every bracket, comma and colon of the grammar comes from here, so that
one choice changes them all. Nothing is ever allowed before or after the whole value.

| mode        | between two tokens |
|-------------|--------------------|
| `"bounded"` | up to 32 characters of JSON whitespace: unbounded whitespace is where greedy models loop |
| `"compact"` | nothing |
| `"json"`    | any JSON whitespace (RFC 8259, section 2) |
| n >= 0      | exactly the layout of `json.dumps(value, indent=n)` |

Keys stand in the order of the schema, or with `key_order="any"` in any order. Integers are plain digits, or with
`integers="fraction"` also `12.0`; no part of a number has more than `digits`.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Literal, TypeAlias

from grammars.errors import InvalidGrammar
from grammars.frontends.json_schema.decimals import DIGITS
from grammars.ir import EPSILON, ByteClass, Bytes, Node, Ref, Repeat
from grammars.record import record

__all__ = ["Integers", "KeyOrder", "Layout", "Whitespace", "layout"]

Whitespace: TypeAlias = Literal["bounded", "compact", "json"] | int
KeyOrder: TypeAlias = Literal["schema", "any"]
Integers: TypeAlias = Literal["plain", "fraction"]

GAP = "whitespace"
_once = lru_cache(maxsize=1024)
"""A fixed layout has other pieces at each depth; the other layouts are few, and their pieces live with the module."""

_WHITESPACE = ByteClass(((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20)))
_RULES: dict[str, Node] = {"bounded": Repeat(_WHITESPACE, 0, 32), "compact": EPSILON, "json": Repeat(_WHITESPACE)}


@record(eq=False)
class Layout:
    """How tokens are put apart; `gap` is what may stand between two tokens, `indent` is set for a fixed layout.

    `depth` counts the arrays and objects around a bracket: the outermost one has depth 0. Compared by identity, and
    what stands between tokens is made once: there is one layout for each way to write whitespace.
    """

    gap: tuple[Node, ...] = ()
    rules: tuple[tuple[str, Node], ...] = ()
    indent: int | None = None
    any_order: bool = False
    zero_fraction: bool = False
    digits: int = DIGITS

    @_once
    def opening(self, bracket: bytes, depth: int) -> tuple[Node, ...]:
        """The bracket before the first of some members, and what follows it."""
        return (Bytes(bracket + self._newline(depth + 1)), *self.gap)

    @_once
    def closing(self, bracket: bytes, depth: int) -> tuple[Node, ...]:
        """The bracket after the last of some members, and what precedes it."""
        return (*self.gap, Bytes(self._newline(depth) + bracket))

    @_once
    def empty(self, brackets: bytes) -> tuple[Node, ...]:
        """An array or object without members: `b"[]"` or `b"{}"`."""
        if not self.gap:
            return (Bytes(brackets),)
        return (Bytes(brackets[:1]), *self.gap, Bytes(brackets[1:]))

    @_once
    def comma(self, depth: int) -> tuple[Node, ...]:
        """Between two members of the container at `depth`."""
        return (*self.gap, Bytes(b"," + self._newline(depth + 1)), *self.gap)

    @_once
    def colon(self) -> tuple[Node, ...]:
        """Between a key and its value."""
        return (*self.gap, Bytes(b":" if self.indent is None else b": "), *self.gap)

    def _newline(self, depth: int) -> bytes:
        return b"" if self.indent is None else b"\n" + b" " * (self.indent * depth)


@lru_cache(maxsize=64, typed=True)
def layout(
    whitespace: Whitespace, key_order: KeyOrder = "schema", integers: Integers = "plain", digits: int = DIGITS
) -> Layout:
    """The layout of that name, or of that indent, with keys in one order or in any, and numbers so spelt.

    >>> layout("compact").comma(0)
    (Bytes(data=b','),)
    """
    if key_order not in ("schema", "any"):
        raise InvalidGrammar(f"key_order={key_order!r} is no order of keys", hint='use "schema" or "any"')
    if integers not in ("plain", "fraction"):
        raise InvalidGrammar(f"integers={integers!r} is no way to spell integers", hint='use "plain" or "fraction"')
    if not isinstance(digits, int) or isinstance(digits, bool) or not 1 <= digits <= DIGITS:
        raise InvalidGrammar(f"digits={digits!r} is no number of digits from 1 to {DIGITS}")
    written = partial(Layout, any_order=key_order == "any", zero_fraction=integers == "fraction", digits=digits)
    if isinstance(whitespace, int) and not isinstance(whitespace, bool) and whitespace >= 0:
        return written(indent=whitespace)
    rule = _RULES.get(whitespace) if isinstance(whitespace, str) else None
    if rule is None:
        raise InvalidGrammar(
            f"whitespace={whitespace!r} is not a layout",
            hint='use "bounded", "compact", "json" or a number of spaces to indent by',
        )
    if rule == EPSILON:
        return written()
    return written((Ref(GAP),), ((GAP, rule),))
