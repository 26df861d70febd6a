"""JSON Schema, drafts 4 to 2020-12, to a Grammar: every keyword is enforced exactly or refused by name and pointer."""

from __future__ import annotations

from grammars.frontends.json_schema.compiler import parse_json_schema
from grammars.frontends.json_schema.report import KeywordReport, KeywordUse, check_json_schema

__all__ = ["KeywordReport", "KeywordUse", "check_json_schema", "parse_json_schema"]
