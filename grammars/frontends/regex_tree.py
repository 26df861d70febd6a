"""The syntax tree of a regex, which `regex_syntax.py` reads and `regex.py` gives a meaning.

Place in the walk: regex text -> **syntax tree** -> Grammar. Alternatives, groups, counts and tests of the place between
two characters; captures and the order in which a backtracking engine would try things are not kept.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from grammars.errors import Span
from grammars.frontends.regex_language import Language
from grammars.ir import Ranges
from grammars.record import record

__all__ = ["Anchor", "AnchorKind", "Chars", "Concat", "Either", "Known", "Look", "Times", "Tree"]

AnchorKind: TypeAlias = Literal["start", "end", "final", "line_start", "line_end", "word", "not_word"]


@record
class Chars:
    """One character of a set."""

    ranges: Ranges


@record
class Concat:
    items: tuple[Tree, ...]


@record
class Either:
    items: tuple[Tree, ...]


@record
class Times:
    """From `min` to `max` copies of the item; `span` is the quantifier."""

    item: Tree
    min: int
    max: int | None
    lazy: bool
    span: Span


@record
class Anchor:
    """A test of a place between two characters.

    `final` is Python's `$`, which also holds before a last newline. `chars` are the word characters of `word` and
    `not_word`, the line ends of `line_start` and `line_end`.
    """

    kind: AnchorKind
    span: Span
    chars: Ranges = ()


@record
class Look:
    """A lookahead (`ahead`) or lookbehind."""

    item: Tree
    ahead: bool
    negative: bool
    span: Span


@record
class Known:
    """A part that is no regex, whose language is known."""

    language: Language


Tree: TypeAlias = Chars | Concat | Either | Times | Anchor | Look | Known
