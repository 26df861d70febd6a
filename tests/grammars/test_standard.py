"""Leaves made ahead are those that would be made."""

from __future__ import annotations

import numpy as np
import pytest

from grammars import standard as module
from grammars.compile import compile_grammar
from grammars.fragments import facts_of_leaf
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.json_schema.formats import FORMATS
from grammars.frontends.json_schema.standard import made, standard_contents
from grammars.ir import Bytes, JsonString, Length, Sequence
from grammars.standard import standard

CONTENTS = standard_contents()


@pytest.mark.parametrize("case", range(len(CONTENTS)))
def test_each_is_what_would_be_made(case: int) -> None:
    content, counts = CONTENTS[case]
    found, again = standard(content, counts=counts), made(content, counts)
    assert found is not None, "`make standard` writes those that are missing"
    for left, right in zip(_parts(found), _parts(again), strict=True):
        assert np.array_equal(left, right), "`make standard` writes them anew"


def _parts(leaf: module.Made) -> list[object]:
    arrays: list[object] = [leaf.piece.states, leaf.piece.edges, leaf.piece.calls]
    if leaf.window is not None:
        lengths, fewest = leaf.window
        arrays += [lengths.table, lengths.before, lengths.period, fewest.table, fewest.period, fewest.slope]
    return arrays


def test_other_nodes_are_not_found() -> None:
    assert standard(Sequence((Bytes(b"a"),))) is None
    assert standard(CONTENTS[0][0], counts=False) is None


@pytest.mark.parametrize(("low", "high"), [(0, 100), (7, 7), (0, 3), (0, 2), (255, 300), (4, 4)])
def test_lengths_of_a_format_are_those_without_the_file(low: int, high: int, monkeypatch) -> None:
    node = JsonString(Length(FORMATS["email"], low, high))
    facts = facts_of_leaf(node)
    monkeypatch.setattr("grammars.fragments.standard", lambda content, *, counts=None: None)
    assert facts == facts_of_leaf(node)


@pytest.mark.parametrize("data", [None, b"", b"PK\x03\x04 torn"])
def test_without_the_file_leaves_are_made(data: bytes | None, tmp_path, monkeypatch) -> None:
    file = tmp_path / "standard.npz"
    if data is not None:
        file.write_bytes(data)
    monkeypatch.setattr(module, "_FILE", file)
    module._file.cache_clear()
    module._made.cache_clear()
    module._outlines.cache_clear()
    try:
        assert standard(CONTENTS[0][0]) is None
        assert compile_grammar(parse_json_schema({"type": "string", "format": "ipv4"})).num_rules
    finally:
        module._file.cache_clear()
        module._made.cache_clear()
        module._outlines.cache_clear()
