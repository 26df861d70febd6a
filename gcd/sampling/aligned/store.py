"""save_trie, load_trie: a SampleTrie to a file and back, so that the next process need not learn again.

Place in the walk: beside `trie.py`, whose `save` and `load` these are. The file is a numpy archive without pickle. What
it says of the constraint is checked on loading, node by node: that each token is allowed, and that the mask is the one
it was learnt under. The bounds are not in it, they are summed anew. Of the model it knows the row at the root, which
`check_model` compares before the trie is used.
"""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from gcd.errors import InvalidTrie
from gcd.sampling.aligned.trie import Node, SampleTrie
from gcd.sampling.logits import Warp

if TYPE_CHECKING:
    from gcd.sampling.aligned.rows import Rows
    from tokenizer_align.constraint import Constraint

__all__ = ["check_model", "load_trie", "save_trie"]

VERSION = 1
COLUMNS = {
    "parent": np.int64, "token_id": np.int64, "logp": np.float64, "raw": np.float64, "known": np.bool_,
    "log_z": np.float64, "log_rest": np.float64, "perplexity": np.float64, "digest": np.uint32,
}  # fmt: skip
"""One entry a node, parents before children; the end tokens are apart: the number of each node's, ids, log P."""
ENDS = {"ends": np.int64, "end_ids": np.int64, "end_logps": np.float64}
NO_TRIE = "{} is no trie that this version wrote, or is damaged"
SAME_MODEL = 0.01
"""By how much log P of a token may differ, in nats, between two machines with one model in 32 bits."""


def save_trie(trie: SampleTrie, path: Path | str) -> None:
    """Write it to that very path. Raises InvalidTrie for one made with a test, a function that cannot be written."""
    if trie.tested:
        name = "where=" if trie.where is not None else "along= or canonical="
        raise InvalidTrie(f"a trie that was made with {name} holds for that function alone, and cannot be written down")
    nodes = [trie.root]
    for node in nodes:  # grows: parents come before their children
        nodes += node.children.values()
    number = {node: i for i, node in enumerate(nodes)}
    rows = [
        (-1 if n.parent is None else number[n.parent], n.token_id, n.logp, n.raw, n.known, n.log_z, n.log_rest,
         n.perplexity, n.digest) for n in nodes
    ]  # fmt: skip
    arrays: dict[str, Any] = {
        name: np.array(values, dtype)
        for (name, dtype), values in zip(COLUMNS.items(), zip(*rows, strict=True), strict=True)
    }
    pairs = [pair for node in nodes for pair in node.ends]
    arrays["ends"] = np.array([len(node.ends) for node in nodes], np.int64)
    arrays["end_ids"] = np.array([token for token, _ in pairs], np.int64)
    arrays["end_logps"] = np.array([logp for _, logp in pairs], np.float64)
    header = {
        "version": VERSION, "vocabulary": trie.constraint.vocabulary.content_hash, "prompt": list(trie.prompt_ids),
        "budget": trie.budget, "warp": asdict(trie.warp),
    }  # fmt: skip
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_trie(path: Path | str, constraint: Constraint) -> SampleTrie:
    """What `save_trie` wrote; raises InvalidTrie for a file that is none, is damaged, or is of another constraint."""
    header, columns = _read(Path(path))
    if header["vocabulary"] != constraint.vocabulary.content_hash:
        raise InvalidTrie(f"{path} was made for another tokenizer: what it knows is not true here")
    trie = SampleTrie(
        constraint, budget=header["budget"], prompt_ids=tuple(header["prompt"]), warp=Warp(**header["warp"])
    )
    trie.of_this_model = False
    nodes = _nodes(trie, columns, path)
    for node in reversed(nodes):
        trie.sum_up(node)
    return trie


def check_model(trie: SampleTrie, rows: Rows) -> None:
    """Raises InvalidTrie unless the model says at the root what the trie was told there; asks once."""
    if trie.of_this_model or not trie.root.known:
        return
    logps, _ = rows.of(trie.root)
    pairs = [(child.logp, float(logps[token])) for token, child in trie.root.children.items()]
    pairs += [(logp, float(logps[token])) for token, logp in trie.root.ends]
    if any(abs(old - new) > SAME_MODEL for old, new in pairs if old != new):
        raise InvalidTrie("the trie was made with another model: what it knows is not true here")
    trie.of_this_model = True


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the arrays, of the right types and lengths."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            columns = {name: archive[name] for name in (*COLUMNS, *ENDS, "header")}
        header = json.loads(columns.pop("header").tobytes())
        Warp(**header["warp"])
        count = len(columns["parent"])
        sound = [
            count > 0,
            header["version"] == VERSION,
            isinstance(header["budget"], int),
            all(isinstance(token, int) for token in header["prompt"]),
            all(columns[name].dtype == dtype for name, dtype in {**COLUMNS, **ENDS}.items()),
            all(column.ndim == 1 for column in columns.values()),
            all(len(columns[name]) == count for name in (*COLUMNS, "ends")),
            bool((columns["ends"] >= 0).all()),
            columns["ends"].sum() == len(columns["end_ids"]) == len(columns["end_logps"]),
        ]
    except OSError as error:
        raise InvalidTrie(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidTrie(NO_TRIE.format(path)) from error
    if not all(sound):
        raise InvalidTrie(NO_TRIE.format(path))
    return header, columns


def _nodes(trie: SampleTrie, columns: dict[str, Any], path: Path | str) -> list[Node]:
    """All nodes, linked, each checked against the constraint."""
    table = {name: column.tolist() for name, column in columns.items()}
    eos = set(trie.constraint.vocabulary.eos_token_ids)
    nodes: list[Node] = []
    begin = 0
    for i, parent_id in enumerate(table["parent"]):
        if i == 0:
            node = trie.root
        else:
            parent = nodes[parent_id] if 0 <= parent_id < i else None
            token, logp, raw = (table[name][i] for name in ("token_id", "logp", "raw"))
            state = None if parent is None or parent.done else trie.constraint.try_advance(trie.state(parent), token)
            if parent is None or state is None or not parent.known or token in parent.children:
                raise _other(path)
            if not (logp <= 1e-9 and raw <= 1e-9 and parent.depth + 1 + (token not in eos) <= trie.budget):
                raise _other(path)
            node = Node(parent, token, parent.depth + 1, logp, raw, state, done=token in eos)
            node.log_sure = 0.0 if node.done else -math.inf
            parent.children[token] = node
        end = begin + table["ends"][i]
        if table["known"][i]:
            ends = zip(table["end_ids"][begin:end], table["end_logps"][begin:end], strict=True)
            _fill(trie, node, table, i, tuple(ends), path)
        nodes.append(node)
        begin = end
    return nodes


def _fill(
    trie: SampleTrie, node: Node, table: dict[str, Any], i: int, ends: tuple[tuple[int, float], ...], path: Path | str
) -> None:  # fmt: skip
    """What the model said at a known node; its mask must be the one of then."""
    allowed = set() if node.done else set(trie.allowed(node).tolist())
    if node.done or crc32(trie.mask(node).tobytes()) != table["digest"][i]:
        raise _other(path)
    log_z, log_rest, perplexity = (table[name][i] for name in ("log_z", "log_rest", "perplexity"))
    sound = log_z <= 1e-9 and log_rest <= log_z + 1e-9 and 1 - 1e-9 <= perplexity < math.inf
    if not sound or [token for token, _ in ends] != sorted(allowed & set(trie.eos.tolist())):
        raise _other(path)
    if not all(logp <= 1e-9 for _, logp in ends):
        raise _other(path)
    node.known, node.log_z, node.log_rest, node.perplexity, node.ends = True, log_z, log_rest, perplexity, ends
    node.digest = table["digest"][i]


def _other(path: Path | str) -> InvalidTrie:
    return InvalidTrie(f"{path} was made for another grammar, or is damaged: what it knows is not true here")
