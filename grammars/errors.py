"""The error tree of the whole library starts here.

    GrammarError
    ├── InvalidGrammar        the text is wrong: a syntax error, an undefined rule, a bad keyword value
    ├── UnsupportedFeature    the text is right, but means something that this engine does not do
    ├── EmptyLanguage         the text is right and contradictory: no text satisfies it
    └── LimitExceeded         the text is right, but larger than a stated, settable limit

Three questions, three classes: is it wrong, is it not here, is it contradictory. Each error carries where it
happened, as a span of the source text (drawn with a caret) or as a JSON pointer, and what to do about it.
"""

from __future__ import annotations

from grammars.record import record

__all__ = ["EmptyLanguage", "GrammarError", "InvalidGrammar", "LimitExceeded", "Span", "UnsupportedFeature", "place_of"]


@record
class Span:
    """A stretch of source text, in code points: `Span("a(b", 1, 2)` is the parenthesis of `a(b`."""

    text: str
    start: int
    end: int

    @property
    def line(self) -> int:
        """The line of the first character, counted from 1."""
        return self.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """The column of the first character, counted from 1."""
        return self.start - (self.text.rfind("\n", 0, self.start) + 1) + 1

    def draw(self) -> str:
        """The line and a caret under the stretch, with at most 60 characters of the line on either side.

        >>> print(Span("a(b", 1, 2).draw())
            a(b
             ^
        """
        begin = self.text.rfind("\n", 0, self.start) + 1
        stop = self.text.find("\n", self.start)
        stop = len(self.text) if stop < 0 else stop
        left, right = max(begin, self.start - 60), min(stop, self.start + 60)
        before = self.text[left : self.start].replace("\t", " ")
        line = self.text[left:right].replace("\t", " ")
        width = max(1, min(self.end, right) - self.start)
        return f"    {line}\n    {' ' * len(before)}{'^' * width}"


class GrammarError(ValueError):
    """What is wrong with a grammar, where, and what to do: the root of this library's errors about grammars.

    `message` is one sentence; `span` (source text) or `pointer` (JSON pointer into a schema, behind `URI#` where that
    one was given beside it) says where; `hint` is one sentence that guesses the intent or names the way out.
    """

    def __init__(
        self, message: str, *, span: Span | None = None, pointer: str | None = None, hint: str | None = None
    ) -> None:
        self.message, self.span, self.pointer, self.hint = message, span, pointer, hint
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.span, self.pointer, self.hint)

    @property
    def headline(self) -> str:
        """What is wrong and where, in one line."""
        if self.span is not None:
            return f"{self.message} (line {self.span.line}, column {self.span.column})"
        return self.message if self.pointer is None else f"{self.message} (at {place_of(self.pointer)})"

    def __str__(self) -> str:
        parts = [self.headline]
        if self.span is not None:
            parts.append(self.span.draw())
        if self.hint:
            parts.append(self.hint)
        return "\n".join(parts)


def place_of(pointer: str) -> str:
    """A pointer as messages have it: `/items` -> `#/items`; one into another document begins with that one's URI.

    >>> place_of("https://example.com/address#/items")
    'https://example.com/address#/items'
    """
    return f"#{pointer}" if not pointer or pointer.startswith("/") else pointer


def _rebuild(
    kind: type[GrammarError], message: str, span: Span | None, pointer: str | None, hint: str | None
) -> GrammarError:
    return kind(message, span=span, pointer=pointer, hint=hint)


class InvalidGrammar(GrammarError):
    """The grammar is wrong: a syntax error, an undefined name, a keyword with a value of the wrong type."""


class UnsupportedFeature(GrammarError):
    """The grammar is right, but uses something that cannot be enforced exactly here, and so is refused."""


class EmptyLanguage(GrammarError):
    """The grammar is right and contradictory: no text belongs to it."""


class LimitExceeded(GrammarError):
    """The grammar, or one state of it, is larger than a stated limit (see `grammars.compile.Limits`)."""
