"""Vocabulary: what it holds, what it refuses, and that it is a value."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from tokenizer_align.errors import VocabularyMismatch
from tokenizer_align.vocabulary import Vocabulary

TOKENS = [b"a", b"b", b"ab", b"", b"ab", b"</s>", b"<tool>"]


def small(**changes) -> Vocabulary:
    arguments = {"eos_token_ids": [5], "special_tokens": {"<tool>": 6}, "bos_token_id": 3} | changes
    return Vocabulary(arguments.pop("tokens", TOKENS), **arguments)


def test_fields():
    vocabulary = small(size=9)
    assert vocabulary.tokens == (b"a", b"b", b"ab", b"", b"ab", b"", b"", b"", b"")
    assert vocabulary.size == 9
    assert vocabulary.eos_token_ids == (5,)
    assert dict(vocabulary.special_tokens) == {"<tool>": 6}
    assert vocabulary.bos_token_id == 3
    assert repr(vocabulary) == "Vocabulary(size=9, eos_token_ids=(5,), 1 special)"


def test_special_tokens_may_lie_after_the_tokens():
    assert Vocabulary([b"a"], eos_token_ids=[2], special_tokens={"<e>": 2}).tokens == (b"a", b"", b"")


def test_special_tokens_that_the_model_cannot_emit_are_dropped():
    """Gemma-3-1b has 262,144 logits, its tokenizer a 262,145th token for images."""
    narrow = small(size=6)
    assert (narrow.size, dict(narrow.special_tokens)) == (6, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eos_token_ids": []}, "no token ends a text: eos_token_ids is empty, and generation could not stop"),
        ({"eos_token_ids": [7]}, "EOS token id 7 is outside the vocabulary of 7 ids (0 to 6)"),
        ({"eos_token_ids": [-1]}, "EOS token id -1 is outside the vocabulary of 7 ids (0 to 6)"),
        ({"bos_token_id": 9}, "BOS token id 9 is outside the vocabulary of 7 ids (0 to 6)"),
        ({"special_tokens": {"<x>": -2}}, "the special token '<x>' has the id -2; ids count from 0"),
        (
            {"size": 3, "eos_token_ids": [1], "bos_token_id": None},
            "the model's logits are 3 wide, but the tokenizer has 2 more tokens that spell text, the first being 4 "
            "(b'ab'); is it the tokenizer of this model? After add_tokens, call "
            "model.resize_token_embeddings(len(tokenizer))",
        ),
    ],
)
def test_refused(changes, message):
    with pytest.raises(VocabularyMismatch) as caught:
        small(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("token", "message"),
    [("a", "token 1 is 'a', not bytes; encode text with .encode()"), (7, "token 1 is 7, not bytes")],
)
def test_tokens_must_be_bytes(token, message):
    with pytest.raises(TypeError) as caught:
        Vocabulary([b"x", token], eos_token_ids=[0])
    assert str(caught.value) == message


def test_decode_joins_raw_bytes_and_skips_special_tokens():
    assert small().decode([2, 6, 0, 5]) == b"aba"
    for bad in (7, -1):
        with pytest.raises(
            VocabularyMismatch, match=rf"^token id {bad} is outside the vocabulary of 7 ids \(0 to 6\)$"
        ):
            small().decode([0, bad])


@pytest.mark.parametrize(
    ("data", "token_ids"),
    [
        (b"", []),
        (b"abab", [2, 2]),  # the lowest of the ids with these bytes
        (b"aab", [0, 2]),
        (b"ba", [1, 0]),
        (b"abc", None),
        (b"</s>", None),
    ],
)
def test_greedy(data, token_ids):
    assert small().greedy(data) == token_ids


def test_missing_bytes():
    assert small().missing_bytes == frozenset(range(256)) - {ord("a"), ord("b")}
    every = Vocabulary([bytes([b]) for b in range(256)] + [b""], eos_token_ids=[256])
    assert every.missing_bytes == frozenset()
    assert every.with_eos([0x41]).missing_bytes == {0x41}


def test_equal_by_content():
    assert small() == small(tokens=tuple(TOKENS))
    assert hash(small()) == hash(small())
    assert small(tokens=[*TOKENS[:5], b"", b""]) == small()  # the bytes of special tokens say nothing
    assert small() != "vocabulary"
    others = [
        small(tokens=[b"b", *TOKENS[1:]]),
        small(tokens=[b"ab", b"", *TOKENS[2:]]),
        small(eos_token_ids=[5, 6]),
        small(special_tokens={"<t>": 6}),
        small(bos_token_id=None),
        small(size=8),
    ]
    assert len({vocabulary.content_hash for vocabulary in [small(), *others]}) == 7


def test_content_hash_is_the_same_in_every_process():
    code = (
        "from tokenizer_align.vocabulary import Vocabulary\n"
        "print(Vocabulary([b'a', b''], eos_token_ids=[1], special_tokens={'x': 1}).content_hash)"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    here = Vocabulary([b"a", b""], eos_token_ids=[1], special_tokens={"x": 1}).content_hash
    assert here == elsewhere == "55aa8bdac60faa3324ef6842f8e3f5500dcf49cc4009942084e7e2863e8493c1"


def test_immutable():
    vocabulary = small()
    with pytest.raises(AttributeError):
        vocabulary.size = 3
    with pytest.raises(TypeError):
        vocabulary.special_tokens["<y>"] = 1


def test_copies():
    vocabulary = small()
    assert copy.deepcopy(vocabulary) is vocabulary
    assert copy.copy(vocabulary) is vocabulary
    again = pickle.loads(pickle.dumps(vocabulary))
    assert (again, dict(again.special_tokens)) == (vocabulary, {"<tool>": 6})


def test_variants():
    vocabulary = small()
    assert vocabulary.with_eos([5]) is vocabulary.with_size(7) is vocabulary
    wide = vocabulary.with_size(64)
    assert (wide.size, wide.tokens[:7]) == (64, vocabulary.tokens)
    assert vocabulary.with_size(64) is wide
    assert wide.with_size(7) == vocabulary
    more = vocabulary.with_eos([1, 6])
    assert more.eos_token_ids == (1, 5, 6)
    assert more.tokens[1] == b""


def test_variants_share_the_trie_exactly_where_the_tokens_are_the_same():
    vocabulary = small()
    trie = vocabulary.trie
    assert vocabulary.with_size(64).trie is trie
    assert vocabulary.with_eos([3]).trie is trie
    assert 1 not in vocabulary.with_eos([1]).trie.token_ids


def test_import_is_light():
    code = "import sys, tokenizer_align.vocabulary, tokenizer_align.extract, tokenizer_align.jit; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numba", "torch", "transformers", "tokenizers", "tiktoken", "sentencepiece"}
    assert heavy.isdisjoint(loaded)
