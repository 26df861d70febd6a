"""Parts: what may hold of a value, as data: a subschema, its own keywords, alternatives, several at once.

Place in the walk: Document -> **parts** -> conjunctions -> Grammar. `keywords` reads subschemas into them, `negation`
makes those of a complement; what they mean for a rule of the grammar is decided where they are conjoined.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from grammars.errors import GrammarError
from grammars.frontends.json_schema.refs import Location
from grammars.frontends.json_schema.source import escape
from grammars.ir import Node
from grammars.record import record

if TYPE_CHECKING:
    from grammars.dfa import Dfa

__all__ = [
    "ALL", "ARRAY", "BOOLEAN", "FRACTION", "INTEGER", "NULL", "NUMBER", "OBJECT", "STRING", "Every", "Own", "Part",
    "Pattern", "Refusal", "Scalar", "SomeItems", "SomeKey", "Union", "Work",
]  # fmt: skip

NULL, BOOLEAN, INTEGER, FRACTION, STRING, ARRAY, OBJECT = 1, 2, 4, 8, 16, 32, 64
NUMBER = INTEGER | FRACTION
ALL = 127
"""Sets of JSON types as bits; a number is an integer or a fraction."""

Scalar: TypeAlias = int | Decimal


@record
class Refusal:
    """A keyword that cannot be enforced here, and the types it speaks of."""

    types: int
    error: GrammarError


@dataclass(slots=True, eq=False)
class Pattern:
    """A regular expression in a schema: its text and the strings in which it finds a match."""

    source: str
    node: Node
    dfa: Dfa | None = None  # of `node`, filled when first asked for


@dataclass(slots=True, eq=False)
class Union:
    """Alternatives, of which one holds, or (`oneOf`) exactly one; `keyword` is what asks for them.

    They are made when they are first needed: those of `not` may refer back to where they stand. `negated` is what must
    not hold. `values` are those of branches that all list theirs, once `asked` for.
    """

    keyword: str
    pointer: str
    make: Callable[[], tuple[Part, ...]]
    negated: Part | None = None
    made: tuple[Part, ...] | None = None
    asked: bool = False
    values: list[object] | None = None

    @property
    def branches(self) -> tuple[Part, ...]:
        """The alternatives."""
        if self.made is None:
            self.made = self.make()
        return self.made


@dataclass(slots=True, eq=False)
class Work:
    """How many more parts are looked at to find out which alternatives are possible; nothing is proved beyond that.

    `factored` are the unions that stand for several others, see `factors`: by those, so that each is one part.
    """

    left: int
    factored: dict[tuple[Union, ...], Union] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Every:
    """Parts that all hold, as one alternative of a union."""

    parts: tuple[Part, ...]

    @property
    def pointer(self) -> str:
        first = self.parts[0]
        return first.location.pointer if isinstance(first, Own) else first.pointer


@record
class SomeItems:
    """How many items, from one on, satisfy a part: at least `low`, at most `high`."""

    part: Part
    low: int
    high: int | None
    start: int = 0


@record
class SomeKey:
    """A property whose key has these characters and whose value satisfies a part: there is at least one."""

    content: Node
    part: Part


@dataclass(slots=True, eq=False)
class Own:
    """What the keywords of one subschema say about a value, without the subschemas that it refers to or combines.

    `says` are the types that some keyword beside `type` speaks of; `scalars` the keywords whose value is one number.
    `before` and `after` are what else holds (`$ref`, `allOf`, `anyOf`, `oneOf`), as written around `properties`;
    `required` has the index of each name in its list; `silent` tells whether every value passes.
    """

    location: Location
    types: int = ALL
    says: int = 0
    values: tuple[tuple[str, list[object]], ...] = ()
    value_keys: list[set[Hashable]] | None = None  # of `values`, filled when first asked for
    excluded: tuple[object, ...] = ()  # what the value is not: strings, numbers and booleans
    scalars: dict[str, Scalar] = field(default_factory=dict)
    patterns: tuple[Pattern, ...] = ()
    formats: tuple[str, ...] = ()
    prefix: tuple[Part, ...] = ()
    items: Part | None = None
    some_items: tuple[SomeItems, ...] = ()
    distinct: bool = False  # whether no two items are equal
    properties: Mapping[str, Part] | None = None
    pattern_properties: tuple[tuple[Pattern, Part], ...] = ()
    additional: Part | None = None
    names: Location | None = None
    some_keys: tuple[SomeKey, ...] = ()
    required: dict[str, int] = field(default_factory=dict)
    other_properties: Part | None = None  # what the unevaluated ones satisfy
    other_items: Part | None = None
    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()
    refused: tuple[Refusal, ...] = ()
    silent: bool = False
    combined: Own | None = None  # the same keywords and combinations, with those for the unevaluated

    def pointer(self, keyword: str) -> str:
        """Where a keyword of this subschema stands."""
        return f"{self.location.pointer}/{escape(keyword)}"

    def required_pointer(self, name: str) -> str:
        """Where the name of a required property stands."""
        return f"{self.location.pointer}/required/{self.required[name]}"

    def conjoin(self, *parts: Part) -> None:
        """Adds what else holds."""
        if self.properties is None:
            self.before += parts
        else:
            self.after += parts

    def refuse(self, types: int, error: GrammarError) -> None:
        """Puts aside a keyword that cannot be enforced."""
        self.refused += (Refusal(types, error),)


Part: TypeAlias = Location | Own | Union | Every
"""A subschema with all that it refers to; or its own keywords alone; or alternatives; or several at once."""
