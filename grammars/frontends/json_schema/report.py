"""check_json_schema: what becomes of every keyword of a schema.

Place in the walk: JSON Schema -> **KeywordReport**. The same walk as `parse_json_schema`, except that refused
keywords are collected instead of raised, so that both always agree. Subschemas that nothing refers to are not looked
at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from grammars.errors import GrammarError, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema.compiler import Compiler
from grammars.frontends.json_schema.keywords import KEYWORDS, READ_WITH
from grammars.frontends.json_schema.refs import Document, Location
from grammars.frontends.json_schema.registry import Schemas
from grammars.frontends.json_schema.source import escape
from grammars.frontends.json_schema.whitespace import layout
from grammars.record import record

__all__ = ["KeywordReport", "KeywordUse", "check_json_schema"]


@record
class KeywordUse:
    """One keyword at one place: `KeywordUse("/properties/a/not", "not", "refused", "not is not supported yet")`."""

    pointer: str
    keyword: str
    status: Literal["enforced", "refused", "annotation"]
    reason: str = ""


@record
class KeywordReport:
    """All keywords of a schema that a value can meet, in the order in which they are met."""

    uses: tuple[KeywordUse, ...]

    @property
    def refused(self) -> tuple[KeywordUse, ...]:
        return tuple(use for use in self.uses if use.status == "refused")

    @property
    def supported(self) -> bool:
        """Whether `parse_json_schema` reads the schema without raising `UnsupportedFeature`."""
        return not self.refused


def check_json_schema(
    schema: Mapping[str, object] | bool | str, *, formats: bool = True, schemas: Schemas | None = None
) -> KeywordReport:
    """What becomes of every keyword: enforced, refused, or an annotation that says nothing about values.

        check_json_schema({"title": "T", "uniqueItems": True}).refused[0].keyword   # 'uniqueItems'

    Raises `InvalidGrammar` for what is no schema and `LimitExceeded` for what is too large.
    """
    refusals: list[GrammarError] = []
    try:
        document = Document(schema, schemas, formats=formats)
    except UnsupportedFeature as error:
        return KeywordReport((_refused_use(error),))
    try:
        Compiler(document, layout("bounded"), refusals).run()
    except RecursionError:
        raise LimitExceeded("the schema is nested too deeply") from None
    refused = {error.pointer: error for error in refusals}
    uses = [use for location in document.locations() for use in _uses(location, refused)]
    known = {use.pointer for use in uses}
    uses += [_refused_use(error) for pointer, error in refused.items() if pointer not in known]
    return KeywordReport(tuple(dict.fromkeys(uses)))  # a place may be met in several scopes


def _refused_use(error: GrammarError) -> KeywordUse:
    pointer = error.pointer or ""
    return KeywordUse(pointer, pointer.rpartition("/")[2], "refused", error.message)


def _uses(location: Location, refused: Mapping[str | None, GrammarError]) -> Iterator[KeywordUse]:
    if location.own is None or not isinstance(location.schema, dict):
        return
    for name, value in location.schema.items():
        pointer = f"{location.pointer}/{escape(name)}"
        if pointer in refused:
            yield KeywordUse(pointer, name, "refused", refused[pointer].message)
        else:
            reason = _why_not_enforced(location, name, value)
            yield KeywordUse(pointer, name, "annotation" if reason else "enforced", reason)


def _why_not_enforced(location: Location, name: str, value: object) -> str:
    """Why a keyword says nothing about values here; the empty string when it does."""
    keyword = KEYWORDS.get(name)
    dialect = location.dialect
    if keyword is None:
        return "unknown keyword"
    if keyword.read is None:
        read_with = READ_WITH.get(name)
        if read_with not in location.schema:  # type: ignore[operator]
            return "annotation" if read_with is None else f"says nothing without {read_with}"
    if not dialect.knows(keyword.since, keyword.until):
        return f"not a keyword of {dialect.name}"
    if name in dialect.without:
        return "annotation" if name == "format" else "its vocabulary is not in the meta-schema's $vocabulary"
    if "$ref" in location.schema and name != "$ref" and dialect.ref_stands_alone:  # type: ignore[operator]
        return f"ignored beside $ref in {dialect.name}"
    if name == "format":
        from grammars.frontends.json_schema.formats import FORMATS, REFUSED, UNENFORCED

        if value not in FORMATS:
            return {**REFUSED, **UNENFORCED}.get(str(value), "unknown format")
    return ""
