"""`bench/json_schema.py`: what is counted of a schema and its instances, and what becomes of work done apart."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from json_schema import COSTS, apart, judged

PAIR = {"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}
ASKS = {"type": "object", "not": {"additionalProperties": {"type": "integer"}}}  # another value, at the end
UNKNOWN = {"type": "string", "format": "regex"}

CASES = {
    "pass": (ASKS, [(True, {"a": 1, "b": "s"}), (True, {"b": "s", "a": 1}), (False, {"b": 2})],
             {"valid accepted": 2, "reordered": 1, "invalid refused": 1}, []),
    "a valid instance is refused": (PAIR, [(True, {"a": 1.0})], {"valid refused": 1}, []),
    "an invalid instance is accepted": (PAIR, [(False, {"a": 1})], {"invalid accepted": 1}, []),
    "refused": (UNKNOWN, [(True, "a")], {}, ["`format`"]),
}  # fmt: skip


@pytest.mark.parametrize("outcome", CASES)
def test_outcomes(outcome: str, tmp_path: Path) -> None:
    schema, tests, counts, reasons = CASES[outcome]
    file = tmp_path / "case.json"
    file.write_text(json.dumps({"schema": schema, "tests": [{"valid": v, "data": d} for v, d in tests]}))
    assert judged(file) == (outcome, Counter(counts), reasons)


def test_contradictions_have_no_instance(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_text(json.dumps({"schema": False, "tests": [{"valid": False, "data": 1}]}))
    assert judged(file) == ("pass", Counter({"invalid refused": 1}), [])


def endless() -> None:
    while True:
        pass


def test_work_ends_whatever_becomes_of_it() -> None:
    assert apart(lambda: 7, 60) == (7, "")
    assert apart(lambda: os._exit(3), 60) == (None, "crashed (3)")
    assert apart(endless, 1) == (None, "timed out")


def test_costs_are_of_schemas_of_the_sizes_that_they_say() -> None:
    made = {name: make() for name, (make, _) in COSTS.items()}
    assert all(isinstance(schema, dict) for schema in made.values())
    assert len(json.dumps(made["1 MB of properties"])) > 1_000_000
    assert len(made["oneOf of 50 objects with constants"]["oneOf"]) == 50
