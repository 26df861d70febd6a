"""`bench/scaling.py` on a tiny vocabulary: every sweep has its rows, refusals are said; not how fast anything is."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from toys import byte_vocabulary

BENCH = Path(__file__).parents[2] / "bench"
SWEEPS = (
    "vocabulary", "enum", "properties", "properties-open", "maxLength", "maxItems", "depth", "anyOf", "E-E+E", "S-SS",
    "palindrome", "hidden-left-recursion", "nested-lists", "batch", "check",
)  # fmt: skip
TINY = {"tiny": byte_vocabulary([b'": ', b", ", b"[[", b"]]"])}


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module; the collections before each measurement pass over what the test run had on the heap before."""
    monkeypatch.syspath_prepend(BENCH)
    module = importlib.import_module("scaling")
    monkeypatch.setattr(module, "ROUNDS", 1)
    gc.freeze()
    yield module
    gc.unfreeze()


def test_every_sweep_is_tested(scaling: Any) -> None:
    assert tuple(scaling.SWEEPS) == SWEEPS


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_has_a_row_for_each_of_its_smaller_sizes(scaling: Any, name: str) -> None:
    sweep = scaling.SWEEPS[name]
    sweep = dataclasses.replace(sweep, quick=sweep.quick[:2])
    rows = scaling.measure_sweep(name, sweep, TINY, quick=True, timeout=120)
    assert [row.size for row in rows] == list(sweep.quick or [TINY["tiny"].size])
    assert [row.refusal for row in rows] == [None] * len(rows)
    assert {len(row.times) for row in rows} == {len(sweep.columns)}
    assert len(scaling.markdown(sweep, rows).splitlines()) == 2 + len(rows)
    assert len(scaling.grown(name, sweep, rows)) == (len(rows) > 1)


def rows_of(scaling: Any, sweep: Any, timeout: float = 120) -> list[tuple[str, str | None]]:
    rows = scaling.measure_sweep("", sweep, TINY, quick=False, timeout=timeout)
    assert scaling.grown("", sweep, rows) == []
    table = scaling.markdown(sweep, rows)
    assert all(row.refusal is None or f"| {row.label} | {row.refusal} |" in table for row in rows)
    return [(row.label, row.refusal) for row in rows]


def test_a_refused_grammar_and_a_refused_text_are_rows_that_say_so(scaling: Any) -> None:
    def make(size: int, salt: int) -> tuple[dict[str, Any], str]:
        return {"type": "strin" if size == 1 else "integer"}, {3: "7a", 4: ""}.get(size, "77")

    grammar, *texts = rows_of(scaling, scaling.of_schemas(make, "", (1, 2, 3, 4), 0))
    assert grammar[1] is not None
    assert grammar[1].startswith("InvalidGrammar: ")
    assert texts == [
        ("2", None),
        ("3", "Refused: the text is refused at token 2 of 2"),
        ("4", "Refused: the text is refused at token 0 of 0"),
    ]


def test_a_limit_is_a_row_that_says_so(scaling: Any) -> None:
    def measure(vocabulary: object, size: int) -> Sequence[float]:
        from grammars.errors import LimitExceeded

        raise LimitExceeded("more than 7 states", hint="use fewer")

    assert rows_of(scaling, scaling.Sweep("", ("ns",), measure, (8,))) == [("8", "LimitExceeded: more than 7 states")]


def test_nothing_larger_is_tried_after_a_timeout(scaling: Any) -> None:
    def measure(vocabulary: object, size: int) -> Sequence[float]:
        time.sleep(0 if size == 1 else 30)
        return [1.0]

    sweep = scaling.Sweep("", ("ns",), measure, (1, 2, 3))
    assert rows_of(scaling, sweep, timeout=0.2) == [("1", None), ("2", "timeout"), ("3", "not tried")]
