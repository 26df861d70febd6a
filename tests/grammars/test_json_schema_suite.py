"""The official JSON-Schema-Test-Suite: no invalid instance is accepted, and what is refused is listed with a reason.

Instances are written by `json.dumps`, keys in their own order. The suite is looked for where `JSON_SCHEMA_TEST_SUITE`
says, else in `json-schema-test-suite` of the data folder.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from data import data_folder

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, UnsupportedFeature
from grammars.frontends.json_schema import check_json_schema, parse_json_schema

DRAFTS = {
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
}
KEYS_IN_ONE_ORDER = "keys are written in one order"
ONE_SPELLING = "declared numbers have one spelling, integers no fraction"
ENFORCED = "known formats are enforced, not annotations"

VALID_BUT_REFUSED = {
    ("allOf", "allOf"): KEYS_IN_ONE_ORDER,
    ("allOf", "valid"): KEYS_IN_ONE_ORDER,
    ("const", "same object with different property order is valid"): KEYS_IN_ONE_ORDER,
    ("const", "float zero is valid"): ONE_SPELLING,
    ("const", "float one is valid"): ONE_SPELLING,
    ("const", "integer -2 is valid"): ONE_SPELLING,
    ("const", "float is valid"): ONE_SPELLING,
    ("enum", "float zero is valid"): ONE_SPELLING,
    ("enum", "float one is valid"): ONE_SPELLING,
    ("enum", "[0.0] is valid"): ONE_SPELLING,
    ("enum", "[1.0] is valid"): ONE_SPELLING,
    ("dependencies", "CRLF"): KEYS_IN_ONE_ORDER,
    ("dependentRequired", "CRLF"): KEYS_IN_ONE_ORDER,
    ("unevaluatedProperties", "with no unevaluated properties"): KEYS_IN_ONE_ORDER,
    ("type", "a float with zero fractional part is an integer"): ONE_SPELLING,
}
"""(file, test) -> why a valid instance is no text of the grammar."""

UNSUPPORTED_FILES = {
    "definitions", "defs", "dependencies", "dependentSchemas", "dynamicRef", "format", "multipleOf", "not", "ref",
    "refRemote", "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "vocabulary",
}  # fmt: skip
"""Files with schemas that are refused by name: a keyword not supported, a remote reference, another dialect."""


def suite(draft: str) -> list[Path]:
    place = os.environ.get("JSON_SCHEMA_TEST_SUITE")
    folder = Path(place) if place else data_folder("json-schema-test-suite")
    return sorted((folder / "tests" / draft).glob("*.json"))


def instance_text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("draft", DRAFTS)
def test_official_suite(draft):
    counts: Counter[str] = Counter()
    refused_files = set()
    for file in suite(draft):
        for group in json.loads(file.read_text()):
            schema = group["schema"]
            if isinstance(schema, dict):
                schema = {"$schema": DRAFTS[draft], **schema}
            try:
                automaton = compile_grammar(parse_json_schema(schema))
            except UnsupportedFeature:
                assert not check_json_schema(schema).supported
                refused_files.add(file.stem)
                continue
            except EmptyLanguage:
                automaton = None
            counts["schemas"] += 1
            for test in group["tests"]:
                where = (file.stem, test["description"])
                accepted = automaton is not None and automaton.accepts(instance_text(test["data"]))
                if accepted == test["valid"]:
                    counts["agree"] += 1
                    continue
                assert not accepted, f"an invalid instance is accepted: {where} {schema} {test['data']}"
                reason = VALID_BUT_REFUSED.get(where)
                if reason is None and "is only an annotation by default" in test["description"]:
                    reason = ENFORCED
                assert reason is not None, f"a valid instance is refused: {where} {schema} {test['data']}"
                counts[reason] += 1
    assert refused_files <= UNSUPPORTED_FILES
    # That the suite was read at all; draft 7 has 230 schemas and 821 tests beside those that are refused by name.
    assert counts["schemas"] >= 230
    assert counts["agree"] >= 821
