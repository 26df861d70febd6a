"""Trie: against a naive twin (a dict of dicts) on random vocabularies, and the facts of real ones."""

from __future__ import annotations

import random

import numpy as np
import pytest
from data import tokenizer_folder

from tokenizer_align.extract import extract_vocabulary
from tokenizer_align.trie import Trie


def naive(tokens: list[bytes]) -> list[dict[str, object]]:
    """The nodes in depth-first order, by inserting the tokens one by one and walking with recursion."""
    root: dict = {"children": {}, "here": []}
    for i, token in enumerate(tokens):
        if token:
            node = root
            for byte in token:
                node = node["children"].setdefault(byte, {"children": {}, "here": []})
            node["here"].append(i)
    nodes: list[dict[str, object]] = []

    def walk(node: dict, string: bytes) -> list[int]:
        below = list(node["here"])
        place = len(nodes)
        if string:
            nodes.append({"string": string, "here": node["here"]})
        for byte in sorted(node["children"]):
            below += walk(node["children"][byte], string + bytes([byte]))
        if string:
            nodes[place] |= {"below": below, "end": len(nodes)}
        return below

    walk(root, b"")
    return nodes


def check(tokens: list[bytes]) -> None:
    trie, expected = Trie.build(tokens), naive(tokens)
    assert len(trie) == len(expected)
    stack: list[int] = []
    for i, node in enumerate(expected):
        del stack[int(trie.depth[i]) - 1 :]
        stack.append(int(trie.byte[i]))
        assert bytes(stack) == node["string"]
        assert trie.end[i] == node["end"]
        assert trie.token_ids[trie.tok_start[i] : trie.tok_end[i]].tolist() == node["here"]
        assert trie.tokens_below(i).tolist() == node["below"]
    assert trie.token_ids.tolist() == sorted((i for i, t in enumerate(tokens) if t), key=lambda i: (tokens[i], i))
    dtypes = [getattr(trie, name).dtype for name in ("byte", "depth", "end", "tok_start", "tok_end", "token_ids")]
    assert dtypes == [np.uint8] + [np.int32] * 5


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [b"", b""],
        [b"a"],
        [b"abc"],
        [b"a", b"ab", b"abc", b"b", b"ab"],
        [b"ab", b"", b"ab", b"ab", b"abc", b"abd", b"ac"],
        [b"\x00", b"\x00\x00", b"\xff", b"\xff\x00", b"\x00\xff"],
        [b"x" * 300, b"x" * 130, b"x" * 130 + b"y"],
    ],
)
def test_naive_twin(tokens):
    check(tokens)


def test_naive_twin_random():
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    choose = random.Random(seed)
    for _ in range(300):
        letters = choose.choice([b"a", b"ab", b"abc\x00\xff"])
        check([bytes(choose.choices(letters, k=choose.randrange(7))) for _ in range(choose.randrange(30))])


@pytest.mark.parametrize(
    ("name", "nodes", "longest", "distinct"),
    [
        ("llama3_1", 274_520, 128, 128_000),
        ("qwen2_5", 333_080, 128, 151_651),
        ("gpt2", 98_023, 128, 50_256),
        ("gpt4o", 421_660, 128, 199_998),
        ("llama2", 55_880, 25, 31_872),
    ],
)
def test_real_vocabularies(name, nodes, longest, distinct):
    trie = extract_vocabulary(tokenizer_folder(name)).trie
    assert (len(trie), trie.depth.max(), np.count_nonzero(trie.tok_start[:-1] < trie.tok_end)) == (
        nodes,
        longest,
        distinct,
    )
    spelled = np.zeros(int(trie.depth.max()), dtype=np.uint8)
    vocabulary = extract_vocabulary(tokenizer_folder(name))
    for i in range(len(trie)):  # every token ends where its bytes lead
        spelled[trie.depth[i] - 1] = trie.byte[i]
        for t in trie.token_ids[trie.tok_start[i] : trie.tok_end[i]]:
            assert vocabulary.tokens[t] == spelled[: trie.depth[i]].tobytes()
