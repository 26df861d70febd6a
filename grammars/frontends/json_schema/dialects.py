"""Dialect: the version of JSON Schema that a subschema is written in, and the vocabularies of it that are in force.

Place in the walk: `$schema` -> **Dialect** -> which keywords say what. A meta-schema that is not one of the
specification's own is looked up in the `Registry`; here it is only read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from grammars.errors import InvalidGrammar, UnsupportedFeature
from grammars.frontends.json_schema.source import show
from grammars.record import record

__all__ = ["NEWEST", "Dialect", "standard_dialect", "with_vocabularies"]

_DIALECT = re.compile(r"https?://json-schema\.org/(?:draft[-/])?(\d\d\d\d-\d\d|0\d|schema)(?:/.*)?#?")
_NUMBERS = {"04": 4, "05": 4, "06": 6, "07": 7, "2019-09": 8, "2020-12": 9, "schema": 9}


@record
class Dialect:
    """A version of JSON Schema: 4, 6, 7, 8 (2019-09) or 9 (2020-12); `stated` when `$schema` names it.

    Without `$schema` a schema is read as 2020-12, and what older drafts wrote otherwise (`items` as a list,
    `dependencies`) keeps its old meaning: no newer keyword means anything else by it. `without` are keywords
    that say nothing: of vocabularies that the meta-schema leaves out, or `format` where nobody wants it asserted.
    """

    number: int = 9
    stated: bool = False
    without: frozenset[str] = frozenset()

    def __hash__(self) -> int:
        return self.number  # there are few, and each subschema asks for the keywords of its own

    @property
    def name(self) -> str:
        return {4: "draft-04", 6: "draft-06", 7: "draft-07", 8: "2019-09", 9: "2020-12"}[self.number]

    @property
    def id_keyword(self) -> str:
        return "id" if self.number == 4 else "$id"

    @property
    def ref_stands_alone(self) -> bool:
        """Whether siblings of `$ref` are ignored (draft-07 and before, section 8.3)."""
        return self.number <= 7

    def leaving_out(self, keyword: str) -> Dialect:
        """The same without a keyword."""
        return replace(self, without=self.without | {keyword})

    def knows(self, since: int, until: int) -> bool:
        """Whether a keyword of the drafts `since` to `until` means something here."""
        return not self.stated or since <= self.number <= until


NEWEST = Dialect()
"""What a schema is written in that does not say."""


@lru_cache(maxsize=64)
def standard_dialect(uri: str, pointer: str) -> Dialect | None:
    """The dialect of one of the specification's own meta-schemas, None for any other URI.

    Raises `UnsupportedFeature` for one that is older than draft-04.
    """
    match = _DIALECT.fullmatch(uri)
    if match is None:
        return None
    number = _NUMBERS.get(match[1])
    if number is None:
        raise UnsupportedFeature(
            f"$schema {show(uri)} is older than draft-04", pointer=pointer, hint="drafts from 4 to 2020-12 are read"
        )
    return Dialect(number, stated=match[1] != "schema")


_UNEVALUATED = frozenset({"unevaluatedItems", "unevaluatedProperties"})
_APPLICATOR = frozenset({
    "prefixItems", "items", "additionalItems", "contains", "additionalProperties", "properties", "patternProperties",
    "dependentSchemas", "propertyNames", "if", "then", "else", "allOf", "anyOf", "oneOf", "not",
})  # fmt: skip
_VALIDATION = frozenset({
    "type", "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
    "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties",
    "maxProperties", "required", "dependentRequired",
})  # fmt: skip
_NOTHING = frozenset[str]()

_VOCABULARIES: Mapping[int, Mapping[str, frozenset[str]]] = {
    8: {
        "core": _NOTHING, "applicator": _APPLICATOR | _UNEVALUATED, "validation": _VALIDATION,
        "format": frozenset({"format"}), "meta-data": _NOTHING, "content": _NOTHING,
    },
    9: {
        "core": _NOTHING, "applicator": _APPLICATOR, "unevaluated": _UNEVALUATED, "validation": _VALIDATION,
        "format-annotation": frozenset({"format"}), "format-assertion": frozenset({"format"}),
        "meta-data": _NOTHING, "content": _NOTHING,
    },
}  # fmt: skip
"""Draft -> vocabulary -> the keywords that are not in force without it; annotations and the core always are."""


def with_vocabularies(dialect: Dialect, vocabularies: object, pointer: str) -> Dialect:
    """The dialect in which only the vocabularies of a `$vocabulary` are in force (core, section 8.1.2).

    Raises `UnsupportedFeature` for a vocabulary that is required and not known here.
    """
    if not isinstance(vocabularies, dict) or not all(isinstance(needed, bool) for needed in vocabularies.values()):
        raise InvalidGrammar("$vocabulary must be an object with booleans for values", pointer=pointer)
    known = _VOCABULARIES[dialect.number]
    prefix = f"https://json-schema.org/draft/{dialect.name}/vocab/"
    kept = _NOTHING
    for uri, needed in vocabularies.items():
        name = str(uri).removeprefix(prefix)
        if name in known and uri == prefix + name:
            kept |= known[name]
        elif needed:
            raise UnsupportedFeature(
                f"the vocabulary {uri!r} is required and not known here",
                pointer=pointer,
                hint="what its keywords say could only be ignored",
            )
    return Dialect(dialect.number, dialect.stated, _NOTHING.union(*known.values()) - kept)
