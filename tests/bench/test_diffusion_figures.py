"""`bench/diffusion.py`: what counts as right, and the table of what was measured; not how good the model is."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from demo_diffusion.records import records
from diffusion import agreement, markdown, measure, paired

AGREEMENTS = [
    ({"a": 1, "b": [True, "x"]}, {"a": 1, "b": [True, "x"]}, (3, 3)),
    ({"a": 1, "b": [True, "x"]}, {"b": [True, "y", "x"]}, (1, 3)),
    ({"a": 1, "b": {"c": 2.5}}, {"a": True, "b": 2.5}, (0, 2)),
    ({"a": 1}, None, (0, 1)),
]


@pytest.mark.parametrize(("expected", "found", "counts"), AGREEMENTS)
def test_fields_are_compared_where_they_stand(expected, found, counts):
    assert agreement(expected, found) == counts


def test_one_note_by_each_kind_of_method():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    (record,) = islice(records(1), 1)
    free, inside = (measure(0, record, method, 2, 2, "cpu") for method in ("unconstrained", "exact"))
    torch.set_num_threads(threads)
    assert (free["calls"], inside["calls"]) == (2, 2)
    assert inside["valid"]
    assert inside["fields"] == free["fields"] == 7


def test_the_table_has_a_row_for_each_method():
    results = [
        {
            "number": number, "method": method, "steps": 8, "valid": True, "right": 3 + number, "fields": 4,
            "same": number == 1, "calls": 2, "seconds": 0.3, "model_seconds": 0.1,
        }
        for number in range(2) for method in ("dingo", "exact")
    ]  # fmt: skip
    assert markdown(results).splitlines() == [
        "Held-out notes: 2 at 8 steps. Each cell: valid / fields right / objects right, in per cent.",
        "",
        "| method | 8 steps | ms a step beside the model |",
        "|---|---|---|",
        "| dingo | 100.0 / 87.5 / 50.0 | 100 |",
        "| exact | 100.0 / 87.5 / 50.0 | 100 |",
    ]


def test_methods_are_compared_note_by_note_with_what_they_would_be_without_a_grammar():
    rights = {"unconstrained": [2, 4, 4], "dingo": [4, 4, 4], "unconstrained, drawn": [4, 3, 4], "exact": [4, 3, 2]}
    results = [
        {"number": i, "method": method, "steps": 8, "right": right, "fields": 4, "same": right == 4}
        for method, each in rights.items() for i, right in enumerate(each)
    ]  # fmt: skip
    assert paired(results).splitlines()[2:] == [
        "| method, less the same without | 8 steps |",
        "|---|---|",
        "| greedy-mask - unconstrained |  |",
        "| dingo - unconstrained | +33.3 ± 33.3 / +16.7 ± 16.7 |",
        "| exact - unconstrained, drawn | -33.3 ± 33.3 / -16.7 ± 16.7 |",
        "| trajectory - unconstrained, drawn |  |",
    ]
