"""Place: a value in a structural tag and where it stands, read field by field.

Place in the walk: beside `structural_tag.py`, which says what the values mean. What is wrong with one is raised here,
or by its help, with the JSON pointer.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from grammars.errors import GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature, place_of
from grammars.frontends.embed import embed
from grammars.frontends.json_schema.source import escape, show
from grammars.frontends.regex_syntax import MAX_REPEAT
from grammars.frontends.schema_options import SchemaOptions
from grammars.ir import Grammar, Node
from grammars.record import record

__all__ = ["Place"]


@record
class Place:
    """A value in a structural tag and where it stands; `ends` are those of the innermost tag around it.

    What is embedded adds its rules to `rules`; `depth` is the number of formats around it.
    """

    value: object
    pointer: str
    rules: dict[str, Node]
    options: SchemaOptions
    ends: tuple[str, ...] = ()
    depth: int = 0

    def fields(self, *names: str) -> None:
        """Raises for a value that is no object, and for one with other fields than these."""
        if not isinstance(self.value, Mapping):
            raise self.invalid(f"an object is needed here, not {show(self.value)}")
        for name in self.value:
            if name not in names:
                near = difflib.get_close_matches(str(name), names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"its fields are {', '.join(names)}"
                raise InvalidGrammar(f"there is no field {show(name)}", pointer=self.pointer, hint=hint)

    def get(self, name: str, default: object = None) -> Place:
        """A field; where it is missing or null the default, without one an error."""
        assert isinstance(self.value, Mapping)
        found = self.value.get(name)
        if found is None and default is None:
            raise self.invalid(f"{name} is missing")
        value = default if found is None else found
        return replace(self, value=value, pointer=f"{self.pointer}/{escape(name)}")

    def has(self, name: str) -> bool:
        assert isinstance(self.value, Mapping)
        return self.value.get(name) is not None

    def items(self) -> list[Place]:
        if not isinstance(self.value, list | tuple):
            raise self.invalid(f"a list is needed here, not {show(self.value)}")
        return [replace(self, value=item, pointer=f"{self.pointer}/{i}") for i, item in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.invalid(f"a string is needed here, not {show(self.value)}")
        if any(0xD800 <= ord(char) <= 0xDFFF for char in self.value):
            raise self.invalid("no text holds a lone surrogate")
        return self.value

    def phrases(self) -> list[str]:
        """A list of strings, none of them empty."""
        for item in self.items():
            if not item.text():
                raise item.invalid("an empty string is everywhere")
        return [item.text() for item in self.items()]

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.invalid(f"true or false is needed here, not {show(self.value)}")
        return self.value

    def count(self, least: int = 0) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < least:
            raise self.invalid(f"a count is needed here, not {show(self.value)}")
        if self.value > MAX_REPEAT:
            raise LimitExceeded(f"a count of more than {MAX_REPEAT:,}", pointer=self.pointer)
        return self.value

    def invalid(self, message: str, *, hint: str | None = None) -> InvalidGrammar:
        return InvalidGrammar(message, pointer=self.pointer, hint=hint)

    def unsupported(self, feature: str, hint: str) -> UnsupportedFeature:
        return UnsupportedFeature(f"{feature} is not supported in a structural tag", pointer=self.pointer, hint=hint)

    def embed(self, grammar: Grammar) -> Node:
        return embed(grammar, self.rules, f"tag {len(self.rules)}")

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Errors of what stands here, with its place: a pointer into a schema goes on behind it, a caret stays."""
        try:
            yield
        except GrammarError as error:
            if error.span is None and "#" not in (error.pointer or ""):
                error.pointer = self.pointer + (error.pointer or "")
            else:
                error.message = f"in the {what} at {place_of(self.pointer)}: {error.message}"
            raise
