"""Standard leaves: numbers and the formats of JSON Schema, made ahead.

Place in the walk: beside `grammars.fragments`, which makes all other leaves. What these become is always the same and
takes up to a quarter of a second, so it is read from `standard.npz`, one array for each. `make standard` writes that
file, from the nodes of `grammars.frontends.json_schema.standard`; a test makes them again and compares.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grammars.ir import And, Choice, Node, Sequence
from grammars.lengths import FewestBytes, Lengths
from grammars.pieces import Piece
from grammars.store import Window
from grammars.tables import CALL_COLUMNS, EDGE_COLUMNS, STATE_COLUMNS

__all__ = ["Made", "standard", "write"]

_FILE = Path(__file__).with_name("standard.npz")


class Made(NamedTuple):
    """The automaton of a leaf and, of a window, its lengths."""

    piece: Piece
    window: Window | None


def standard(content: Node, *, counts: bool | None = None) -> Made | None:
    """What a content becomes between the quotes of JSON strings, with its characters counted or not; a body for None.

    None for what was not made ahead.
    """
    return _made(_name(content, counts)) if _outline(content) in _outlines() else None


def write(leaves: Iterable[tuple[Node, bool | None, Made]]) -> None:
    """Writes the file: what `standard` tells of each content."""
    with zipfile.ZipFile(_FILE, "w", zipfile.ZIP_DEFLATED) as file:
        for content, counts, made in leaves:
            data = io.BytesIO()
            np.save(data, _packed(made), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{_name(content, counts)}.npy"), data.getvalue(), zipfile.ZIP_DEFLATED)


def _name(content: Node, counts: bool | None) -> str:
    return f"{_outline(content)}-{hashlib.sha256(f'{counts} {content!r}'.encode()).hexdigest()[:32]}"


def _outline(content: Node) -> str:
    """What kinds of nodes a content begins with: where no standard leaf begins so, the whole need not be looked at."""
    items = content.items if isinstance(content, Sequence | Choice | And) else ()
    return "_".join([type(node).__name__ for node in (content, *items[:6])])


@cache
def _outlines() -> frozenset[str]:
    return frozenset([name.split("-")[0] for name in _file()])


@cache
def _file() -> dict[str, bytes]:
    """The parts of the file by name; none where it is missing or damaged: these leaves are made like others then."""
    try:
        with zipfile.ZipFile(_FILE) as file:
            return {Path(name).stem: file.read(name) for name in file.namelist()}
    except (OSError, zipfile.BadZipFile):
        return {}


@lru_cache(maxsize=4)
def _made(name: str) -> Made | None:
    data = _file().get(name)
    return None if data is None else _unpacked(np.load(io.BytesIO(data), allow_pickle=False))


def _packed(made: Made) -> NDArray[np.int32]:
    """How long the head is; how many states and edges; the numbers and widths of a window's tables; then all tables."""
    head = [len(made.piece.states), len(made.piece.edges)]
    parts = [made.piece.states, made.piece.edges]
    if made.window is not None:
        lengths, fewest = made.window
        head += [lengths.before, lengths.period, lengths.table.shape[1]]
        head += [fewest.period, fewest.slope, fewest.table.shape[1]]
        parts += [lengths.table, fewest.table]
    return np.concatenate([np.array([len(head), *head], np.int32), *(part.reshape(-1) for part in parts)])


def _unpacked(data: NDArray[np.int32]) -> Made:
    begin = int(data[0]) + 1
    states, edges, *about = data[1:begin].tolist()
    shapes = [(states, STATE_COLUMNS), (edges, EDGE_COLUMNS)]
    if about:
        shapes += [(states, about[2]), (states, about[5])]
    tables = []
    for shape in shapes:
        tables.append(data[begin : begin + shape[0] * shape[1]].reshape(shape))
        begin += tables[-1].size
    piece = Piece(tables[0], tables[1], np.zeros((0, CALL_COLUMNS), np.int32))
    if not about:
        return Made(piece, None)
    return Made(piece, (Lengths(tables[2], *about[:2]), FewestBytes(tables[3], *about[3:5])))
