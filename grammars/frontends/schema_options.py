"""SchemaOptions: how a JSON Schema is read, and how its values are written.

Place in the walk: beside `json_schema.compiler`, whose keywords they are; everything that takes `schema=` takes them.
They stand apart from it so that naming them imports no front end.

| option                  | default     | |
|-------------------------|-------------|-|
| `whitespace`            | `"bounded"` | between the tokens of JSON: see `json_schema.whitespace` |
| `key_order`             | `"schema"`  | `"any"`: keys may stand in any order |
| `formats`               | `True`      | `False`: `format` is an annotation, as the specification has it by default |
| `additional_properties` | `True`      | `False`: only declared keys, where a schema declares some and says nothing |
|                         |             | of others |
| `approximate`           | `None`      | `"over"`: what cannot be enforced is left out; the value is validated |
| `strings`               | `"any"`     | in every spelling; `"raw"`: escaped, in one way, is only what must be; |
|                         |             | `"ascii"`: and what is beyond ASCII, as `json.dumps` does |
| `integers`              | `"plain"`   | `12`; `"fraction"`: also `12.0`, which is the same value |
| `digits`                | `64`        | the most that a part of a number may have, before and behind the point; |
|                         |             | values that the schema lists are written whole |
| `schemas`               | `None`      | URI -> schema: what references may lead to; nothing is ever fetched |
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from grammars.frontends.json_schema.registry import Schemas
    from grammars.frontends.json_schema.whitespace import Integers, KeyOrder, Whitespace
    from grammars.ir import Spelling

__all__ = ["DEFAULTS", "Approximate", "SchemaOptions"]

Approximate: TypeAlias = Literal["over"] | None


class SchemaOptions(TypedDict, total=False):
    """The options, each by its name."""

    whitespace: Whitespace
    key_order: KeyOrder
    formats: bool
    additional_properties: bool
    approximate: Approximate
    strings: Spelling
    integers: Integers
    digits: int
    schemas: Schemas | None


DEFAULTS: Mapping[str, object] = MappingProxyType({
    "whitespace": "bounded", "key_order": "schema", "formats": True, "additional_properties": True,
    "approximate": None, "strings": "any", "integers": "plain", "digits": 64, "schemas": None,
})  # fmt: skip
