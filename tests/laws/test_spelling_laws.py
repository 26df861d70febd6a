"""Tokens that cut characters: the strings of up to six tokens are those whose bytes are texts of the regex.

The truth lists texts: all that tokens can spell, layer by layer, each with the weight of all of its spellings, kept as
long as Python's `regex` says that it can become a match. GCD_SPELLING_CASES=50 checks that many regexes.
"""

from __future__ import annotations

import codecs
import math
import os
import random
from collections import defaultdict
from functools import lru_cache

import pytest
import regex
import torch

import gcd
from gcd.diffusion import Lattice
from gcd.errors import EmptyLanguage

CASES = int(os.environ.get("GCD_SPELLING_CASES", "8"))
MOST = 6
CHARACTERS = 'abify "\\é€😀'
PIECES = [
    "é+", "😀", "€?", "a*b", "[ab]{1,2}", "if", "iff?|b", "[a-i]{2,3}", "(é|€|😀)a", "(if|[a-z]{1,2}) ", " ?",
    r'"([^"\\]|\\.){1,2}"', r'"[^"\\]?é*"', "(ab|ba)*", "[^a]", r"(?!if)[a-z]{2}", "(a?é?)+",
]  # fmt: skip


def pattern_of(seed: int) -> str:
    rng = random.Random(seed)
    if seed < len(PIECES):
        return PIECES[seed]
    return rng.choice(["{}{}", "{}|{}", "({}|{})b?", "{}{}|a"]).format(*(f"({p})" for p in rng.sample(PIECES, 2)))


def vocabulary_of(seed: int) -> gcd.Vocabulary:
    """60 tokens: all single bytes of some characters, runs that begin and end inside of characters, two equal, EOS."""
    rng = random.Random(seed)
    single = [bytes([b]) for b in sorted(set(CHARACTERS.encode()))]
    data = 'aab if iffy "é" \\"€😀é 😀a" abé\\é'.encode()
    runs = sorted({data[i:j] for i in range(len(data)) for j in range(i + 2, min(i + 6, len(data) + 1))})
    tokens = [*single, *rng.sample(runs, 58 - len(single))]
    return gcd.Vocabulary([*tokens, tokens[-1], b""], eos_token_ids=[59])


def read(data: bytes) -> tuple[str, bytes] | None:
    """The whole characters of bytes and what is begun of one more, None where they are no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(data), decoder.getstate()[0]
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=1000)
def completions(begun: bytes) -> list[str]:
    """The characters that begin with these bytes and go on in bytes of the vocabulary; the empty one for none."""
    if not begun:
        return [""]
    found, agenda = [], [begun]
    for data in agenda:
        for b in CHARACTERS.encode():
            text = read(data + bytes([b]))
            if text is not None and text[1]:
                agenda.append(text[1])
            elif text is not None and len(text[0]) == 1:
                found.append(text[0])
    return sorted({*found})


def layers(
    pattern: regex.Pattern[str], tokens: tuple[bytes, ...], weights: list[list[float]]
) -> list[dict[bytes, float]]:
    """By number of tokens: what they spell that can still become a match -> the sum over its spellings."""
    found = [{b"": 1.0}]
    can_match: dict[bytes, bool] = {}
    for row in weights:
        after: dict[bytes, float] = defaultdict(float)
        for data, weight in found[-1].items():
            for token, more in zip(tokens, row, strict=False):
                longer = data + token
                if longer not in can_match:
                    text = read(longer)
                    can_match[longer] = text is not None and any(
                        pattern.fullmatch(text[0] + c, partial=True) for c in completions(text[1])
                    )
                if can_match[longer]:
                    after[longer] += weight * more
        found.append(after)
    return found


@pytest.mark.parametrize("seed", range(CASES))
def test_strings_of_tokens_are_the_spellings_of_texts(seed: int) -> None:
    source, vocabulary = pattern_of(seed), vocabulary_of(seed)
    pattern = regex.compile(source)
    constraint = gcd.compile(regex=source, tokenizer=vocabulary)
    logits = torch.randn(MOST, 60, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for name, values in (("as many", torch.zeros(MOST, 60).double()), ("as likely", logits)):
        listed = layers(pattern, vocabulary.tokens[:59], values.exp().tolist())
        for length in range(1, MOST + 1):
            texts = {d: w for d, w in listed[length].items() if d.isascii() or not read(d)[1]}
            texts = {d: w for d, w in texts.items() if pattern.fullmatch(d.decode())}
            block = values[:length].clone()
            block[:, 59] = -math.inf
            try:
                lattice = Lattice(constraint, block, normalize=False)
            except EmptyLanguage:
                assert not texts, (source, length)
                continue
            assert texts, (source, length)
            total = sum(texts.values())
            assert lattice.log_z.exp().item() == pytest.approx(total, rel=1e-9), (name, source, length)
            if name == "as likely":
                data = max(texts, key=texts.__getitem__)
                alone = Lattice(gcd.compile(choices=[data.decode()], tokenizer=vocabulary), block, normalize=False)
                assert alone.log_z.exp().item() == pytest.approx(texts[data], rel=1e-9)
                spelled = {vocabulary.decode(row) for row in lattice.sample(20).tolist()}
                assert spelled <= texts.keys()
