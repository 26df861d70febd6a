"""The official JSON-Schema-Test-Suite comes out exactly as `draft2020-12.json` and `draft7.json` beside this file say.

They name every test that is not right with its outcome and the reason; a test that gets better fails here too. Either
is written anew by `python bench/json_schema_suite.py SUITE --write`. The suite is looked for where
`JSON_SCHEMA_TEST_SUITE` says, else in `json-schema-test-suite` of the data folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import json_schema_suite
import pytest
from data import data_folder

ANEW = "python bench/json_schema_suite.py SUITE --write"


def expected(draft: str) -> str:
    return (json_schema_suite.EXPECTED / f"{draft}.json").read_text(encoding="utf-8")


def suite() -> Path:
    place = os.environ.get("JSON_SCHEMA_TEST_SUITE")
    return Path(place) if place else data_folder("json-schema-test-suite")


@pytest.mark.parametrize("draft", json_schema_suite.DRAFTS)
def test_official_suite(draft: str) -> None:
    text = expected(draft)
    known = json.loads(text)
    verdicts = json_schema_suite.judged_draft(suite(), draft)
    assert {name: len(found) for name, found in verdicts.items()} == {
        name: file["tests"] for name, file in known.items()
    }, f"this is another copy of the suite than the one expected: {ANEW}"
    found = json_schema_suite.expectations(verdicts, known)
    changed = {name: (known[name], found[name]) for name in known if known[name] != found[name]}
    assert not changed, f"(expected, found) by file: {changed}\nIf that is right: {ANEW}"
    assert json_schema_suite.written(found) == text, f"not as it is written: {ANEW}"


@pytest.mark.parametrize("draft", json_schema_suite.DRAFTS)
def test_what_is_not_right_has_a_reason(draft: str) -> None:
    for name, file in json.loads(expected(draft)).items():
        for where, (outcome, reason) in file.get("others", {}).items():
            assert outcome in json_schema_suite.REASONS, (name, where)
            assert reason, f"say why {name}: {where}: {outcome}"


@pytest.mark.parametrize("draft", json_schema_suite.DRAFTS)
def test_what_is_invalid_is_accepted_only_where_the_suite_is_optional(draft: str) -> None:
    for name, file in json.loads(expected(draft)).items():
        outcomes = [outcome for outcome, _ in file.get("others", {}).values()]
        assert name.startswith("optional/") or "invalid accepted" not in outcomes, name
