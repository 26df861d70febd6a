"""Drafts of a model with another tokenizer: the texts are those without, and what agrees in bytes saves passes."""

from __future__ import annotations

import random

import numpy as np
import pytest

import gcd
from gcd.errors import VocabularyMismatch
from gcd.sampling.masked import Row
from gcd.sampling.text_draft import Spelling, text_draft

OURS = gcd.Vocabulary(
    [b"a", b"b", b"ab", b"ba", b"c", b"", b"\xc3", b"\xa9", b"abc", b"\xc3\xa9a", b""],
    eos_token_ids=[5],
    special_tokens={"<eos>": 5, "<call>": 10},
)
THEIRS = gcd.Vocabulary(
    [b"", b"bc", b"\xc3\xa9", b"c", b"b", b"a", b"c\xc3", b"ca", b"", b"\xc3", b"", b"\xa9", b"b\xc3"],
    eos_token_ids=[0],
    special_tokens={"<eos>": 0, "<call>": 8},
)
CYCLE = "abcéabc".encode()


def scripted(vocabulary: gcd.Vocabulary, noise: float, seed: int = 0) -> gcd.ScriptedLM:
    """A model that writes CYCLE over and over, by its longest tokens, as far as there is no noise."""

    def row(prefix: tuple[int, ...]) -> list[float]:
        text = vocabulary.decode(prefix)
        rest = (CYCLE * 2)[len(text) % len(CYCLE) :]
        rng = random.Random(f"{seed} {text!r}")
        fits = [len(token) if token and rest.startswith(token) else 0 for token in vocabulary.tokens]
        return [rng.random() * noise / 10 + (1 - noise) * (n == max(fits) > 0) for n in fits]

    return gcd.ScriptedLM(row, eos_token_ids=vocabulary.eos_token_ids, vocab_size=vocabulary.size, tokenizer=vocabulary)


@pytest.mark.parametrize("jump_ahead", ["forced", "off"])
@pytest.mark.parametrize("temperature", [0, 1.0])
def test_texts_are_those_without_a_draft_in_fewer_passes(temperature, jump_ahead):
    """A drafter that agrees in bytes saves half of the passes, one that knows a half or nothing changes nothing."""
    calls = {None: 0, 0.0: 0, 0.5: 0, 1.0: 0}
    prompts = [OURS.greedy(CYCLE * 2), [10], OURS.greedy(CYCLE[:4])]  # the last one ends inside a character
    for seed in range(6):
        model = scripted(OURS, 0.2, seed)
        options = {
            "regex": ["(?:[abcé]{3}){7,9}", "(?:abcé?){8}", "[abcé]{24}"][seed % 3], "n": 2,
            "temperature": temperature, "jump_ahead": jump_ahead, "seed": seed, "max_new_tokens": 60,
        }  # fmt: skip
        plain = gcd.generate(model, prompts, **options)
        calls[None] += sum(g.model_calls for g in plain)
        for noise in (0.0, 0.5, 1.0):
            drafted = gcd.generate(model, prompts, draft=scripted(THEIRS, noise, seed), **options)
            assert [g.token_ids for g in drafted] == [g.token_ids for g in plain], f"seed {seed}, noise {noise}"
            assert [g.logprob for g in drafted] == pytest.approx([g.logprob for g in plain]), f"seed {seed}"
            calls[noise] += sum(g.model_calls for g in drafted)
    assert 2 * calls[0.0] <= calls[None], calls
    assert max(calls.values()) == calls[None], calls


def proposed(writes: bytes, text: bytes = b"", *, regex: str = "[abcé]{0,12}", most: int = 8, **options) -> list[bytes]:
    """What is drafted behind a text where the model that drafts writes these bytes, token by token, and then ends."""

    def row(prefix: tuple[int, ...]) -> list[float]:
        rest = (text + writes)[len(THEIRS.decode(prefix)) :]
        fits = [len(token) if token and rest.startswith(token) else 0 for token in THEIRS.tokens]
        return [float(n == max(fits) > 0) for n in fits] if rest else [1.0, *[0.0] * (THEIRS.size - 1)]

    model = gcd.ScriptedLM(row, eos_token_ids=[0], vocab_size=THEIRS.size)
    constraint = gcd.compile(regex=regex, tokenizer=OURS)
    one = Row(constraint, 20, np.random.default_rng(0), constraint.start)
    one.decide(OURS.greedy(text))
    like = {constraint: gcd.compile(regex=regex, tokenizer=THEIRS)}
    draft = text_draft(model, Spelling(THEIRS), {(): ()}, like, options.get("encode"), most)
    return [OURS.tokens[token] for token in draft(one)]


def test_only_whole_tokens_are_drafted():
    """The model that drafts ends after what it writes, or is cut off behind `most` + 1 of its own tokens."""
    assert proposed(b"abcb") == [b"abc", b"b"]  # it ends there: so does the last token
    assert proposed(b"abcabca", most=1) == [b"abc"]
    assert proposed("cbcéa".encode(), most=1) == [b"c"]  # c, bc: the b could be that of ba
    assert proposed(b"ccca", most=2) == [b"c", b"c"]
    assert proposed(b"cca", most=1) == [b"c"]
    assert proposed(b"bcab", b"a", most=1) == [b"b"]  # bc, a: it could go on as abc
    assert proposed("cé".encode(), b"", most=1) == [b"c"]  # c\xc3, \xa9: é could be the beginning of éa
    assert proposed(b"\xa9a", b"a\xc3", most=4) == [b"\xa9", b"a"]  # behind half a character
    assert proposed(b"") == []
    assert proposed(b"abcabcabcabcabc", regex="[ab]{2}c?") == [b"abc"]


def test_the_tokenizer_spells_where_it_spells_the_same_bytes():
    letters = {"a": 0, "b": 1, "c": 4}
    assert proposed(b"abcb", encode=lambda text: [letters[c] for c in text]) == [b"a", b"b", b"c", b"b"]
    assert proposed(b"abcb", encode=lambda text: [8]) == [b"abc", b"b"]  # it spells something else
    assert proposed(b"abcb", encode=lambda text: [10, 8, 1]) == [b"abc", b"b"]  # it adds a special token
    assert proposed(b"abcb", encode=lambda text: [8, 99]) == [b"abc", b"b"]  # a number that is no token


def test_special_tokens_go_by_their_names():
    assert Spelling(THEIRS).translate([10, 8, 10, 5, 9], OURS) == [8, 5, 1, 8, 0, 2, 5]
    assert Spelling(OURS).translate([8, 12, 7, 0, 10], THEIRS) == [10, 1, 6, 4, 0, 5]
    assert Spelling(gcd.Vocabulary([b"a", b""], eos_token_ids=[1])).translate([0, 4], OURS) is None
    grammar = 'start: "ab" <call> /[abcé]{9}/ <call> "c"'
    model, options = scripted(OURS, 0.2), {"grammar": grammar, "temperature": 0, "max_new_tokens": 30}
    plain = gcd.generate(model, [10], **options)
    drafted = gcd.generate(model, [10], draft=scripted(THEIRS, 0.0), **options)
    assert drafted.token_ids == plain.token_ids
    assert drafted.model_calls < plain.model_calls


def test_a_model_that_cannot_spell_the_language_is_refused():
    narrow = gcd.Vocabulary([b"a", b"b", b""], eos_token_ids=[2])
    with pytest.raises(VocabularyMismatch) as caught:
        gcd.generate(scripted(OURS, 0.2), [10], regex="abca", draft=scripted(narrow, 0.0))
    assert caught.value.__notes__ == [
        "(draft=: the model that drafts has another tokenizer, and writes in the same language)"
    ]
