"""Leaves made ahead are those that would be made."""

from __future__ import annotations

import numpy as np
import pytest

from grammars import standard as module
from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.json_schema.standard import made, standard_nodes
from grammars.ir import Bytes, Node, Sequence
from grammars.standard import standard

NODES = standard_nodes()


@pytest.mark.parametrize("node", NODES, ids=range(len(NODES)))
def test_each_is_what_would_be_made(node: Node) -> None:
    found, again = standard(node), made(node)
    assert found is not None, "`make standard` writes those that are missing"
    assert found[:3] == again[:3]
    for left, right in zip(_arrays(found), _arrays(again), strict=True):
        assert np.array_equal(left, right), "`make standard` writes them anew"


def _arrays(leaf: module.Made) -> list[object]:
    """All that is not in the first three fields."""
    arrays: list[object] = [leaf.piece.states, leaf.piece.edges, leaf.piece.calls]
    if leaf.window is not None:
        lengths, fewest = leaf.window
        arrays += [lengths.table, lengths.before, lengths.period, fewest.table, fewest.period, fewest.slope]
    return arrays


def test_other_nodes_are_not_found() -> None:
    assert standard(Sequence((Bytes(b"a"),))) is None


@pytest.mark.parametrize("data", [None, b"", b"PK\x03\x04 torn"])
def test_without_the_file_leaves_are_made(data: bytes | None, tmp_path, monkeypatch) -> None:
    file = tmp_path / "standard.npz"
    if data is not None:
        file.write_bytes(data)
    monkeypatch.setattr(module, "_FILE", file)
    module._file.cache_clear()
    module._made.cache_clear()
    try:
        assert standard(NODES[0]) is None
        assert compile_grammar(parse_json_schema({"type": "string", "format": "ipv4"})).num_rules
    finally:
        module._file.cache_clear()
        module._made.cache_clear()
