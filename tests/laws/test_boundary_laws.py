"""Prompts that end inside a token, sums over spellings, canonical spellings: against going through all tokens.

GCD_BOUNDARY_CASES=200 takes that many cases instead of a few.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import product

import pytest

import gcd
from gcd.boundary import take_back
from gcd.errors import PromptError, UnsupportedTokenizer
from gcd.sampling.aligned.methods import METHODS

CASES = int(os.environ.get("GCD_BOUNDARY_CASES", "3"))
EOS = 59


@lru_cache(maxsize=4)
def vocabulary(seed: int) -> gcd.Vocabulary:
    """60 tokens: single bytes, and runs of a text that are cut anywhere, inside characters too; two are equal."""
    rng = random.Random(seed)
    data = "aab ba é€😀 abé".encode()
    single = [bytes([byte]) for byte in sorted(set(data))]
    runs = sorted({data[i:j] for i in range(len(data)) for j in range(i + 2, min(i + 6, len(data) + 1))})
    tokens = [*single, *rng.sample(runs, EOS - 1 - len(single))]
    return gcd.Vocabulary([*tokens, tokens[-1], b""], eos_token_ids=[EOS])


def row_of(seed: int, prefix: tuple[int, ...]) -> list[float]:
    rng = random.Random(f"{seed} {prefix}")
    return [rng.random() ** 4 for _ in range(EOS + 1)]


def model_of(seed: int) -> gcd.ScriptedLM:
    return gcd.ScriptedLM(lambda prefix: row_of(seed, prefix), eos_token_ids=[EOS], vocab_size=EOS + 1)


@lru_cache(maxsize=100_000)
def law_of(seed: int, prefix: tuple[int, ...]) -> list[float]:
    return model_of(seed).next_logits([prefix])[0].double().softmax(-1).tolist()


def spelled(seed: int, ids: tuple[int, ...]) -> bytes:
    return b"".join(vocabulary(seed).tokens[token] for token in ids)


def covers(seed: int, kept: tuple[int, ...], data: bytes) -> dict[int, float]:
    """Next byte, or 256 for the end -> its mass, by trying every token behind every sequence within the data."""
    found: dict[int, float] = defaultdict(float)

    def visit(ids: tuple[int, ...], p: float) -> None:
        text = spelled(seed, ids)
        for token, q in enumerate(law_of(seed, (*kept, *ids))):
            longer = text + vocabulary(seed).tokens[token]
            if token == EOS:
                found[256] += p * q * (text == data)
            elif len(longer) > len(data) and longer.startswith(data):
                found[longer[len(data)]] += p * q
            elif data.startswith(longer):
                visit((*ids, token), p * q)

    visit((), 1.0)
    return found


def check(law: gcd.NextBytes, expected: dict[int, float]) -> None:
    mass = sum(expected.values())
    assert math.exp(law.log_mass) == pytest.approx(mass, rel=1e-9)
    for place, logprob in enumerate(law.logprobs):
        assert math.exp(logprob) == pytest.approx(expected.get(place, 0.0) / mass, abs=1e-9)
    assert sum(map(math.exp, law.logprobs)) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("seed", range(CASES))
def test_the_next_byte_has_the_law_of_all_spellings(seed):
    rng = random.Random(seed)
    for _ in range(6):
        prompt = tuple(rng.randrange(EOS) for _ in range(rng.randint(0, 3)))
        text = spelled(seed, tuple(rng.randrange(EOS) for _ in range(2)))[: rng.randint(0, 5)]
        for boundary in ("heal", "token"):
            law = gcd.next_bytes(
                model_of(seed), list(prompt) or "", text, tokenizer=vocabulary(seed), boundary=boundary
            )  # fmt: skip
            assert spelled(seed, law.prompt_token_ids) + law.tail == spelled(seed, prompt)
            assert prompt[: len(law.prompt_token_ids)] == law.prompt_token_ids
            assert boundary == "heal" or not law.tail
            check(law, covers(seed, law.prompt_token_ids, law.tail + text))


def test_two_bytes_by_all_sequences_of_three_tokens():
    """With nothing pruned: each sequence whose last token alone reaches beyond the two bytes counts once."""
    seed, data = 1, b"ab"
    found: dict[int, float] = defaultdict(float)
    for length in (1, 2, 3):
        for ids in product(range(EOS + 1), repeat=length):
            before, text = spelled(seed, ids[:-1]), spelled(seed, ids)
            if EOS in ids[:-1] or not data.startswith(before) or not text.startswith(data):
                continue
            if ids[-1] == EOS or len(text) > len(data):
                p = math.prod(law_of(seed, ids[:k])[token] for k, token in enumerate(ids))
                found[256 if ids[-1] == EOS else text[len(data)]] += p
    check(gcd.next_bytes(model_of(seed), "", data, tokenizer=vocabulary(seed)), found)


@pytest.mark.parametrize("seed", range(CASES))
def test_as_much_is_taken_back_as_longer_tokens_need_and_no_more(seed):
    rng, tokens = random.Random(seed), vocabulary(seed).tokens
    for _ in range(200):
        prompt = tuple(rng.choices([*range(EOS), EOS], weights=[1] * EOS + [4], k=rng.randint(0, 5)))
        least = rng.randint(0, 1)
        kept, tail = take_back(prompt, vocabulary(seed), keep=least)
        special = max([k + 1 for k, token in enumerate(prompt) if token == EOS], default=0)
        free = max(special, min(least, len(prompt)))
        data = spelled(seed, prompt[free:])
        needed = max((k for token in tokens for k in range(1, len(token)) if data.endswith(token[:k])), default=0)
        assert prompt[: len(kept)] == kept
        assert spelled(seed, prompt[len(kept) :]) == tail
        assert len(kept) >= free
        assert len(tail) >= needed
        assert not tail or len(spelled(seed, prompt[len(kept) + 1 :])) < needed


REGEXES = ["[ab]{1,2}", "(é|€)a?", "(aab|b| ){1,2}", "a{1,2}é?|😀"]


def healed_law(seed: int, kept: tuple[int, ...], tail: bytes, regex: str, budget: int) -> dict[str, float]:
    """Text -> P, its spellings together, of all texts of the language within the budget, by trying every token."""
    texts = ("".join(letters) for length in range(1, 7) for letters in product("ab é€😀", repeat=length))
    wanted = {tail + text.encode(): text for text in texts if re.fullmatch(regex, text)}
    begun = {data[:k] for data in wanted for k in range(len(data) + 1)}
    found: dict[str, float] = defaultdict(float)

    def visit(ids: tuple[int, ...], p: float) -> None:
        data = spelled(seed, ids)
        if len(ids) < budget:
            for token, q in enumerate(law_of(seed, (*kept, *ids))):
                if token != EOS and data + vocabulary(seed).tokens[token] in begun:
                    visit((*ids, token), p * q)
                elif token == EOS and data in wanted:
                    found[wanted[data]] += p * q

    visit((), 1.0)
    return found


@pytest.mark.parametrize("seed", range(CASES))
def test_healed_texts_have_the_law_of_all_spellings(seed):
    """The likeliest-first search gives every spelling with its probability; `cars` draws by their sums."""
    rng, regex = random.Random(seed), REGEXES[seed % len(REGEXES)]
    prompt = [rng.randrange(EOS), 1 + rng.randrange(3)]
    options = {"regex": regex, "tokenizer": vocabulary(seed), "boundary": "heal", "seed": seed}
    kept, tail = take_back(prompt, vocabulary(seed), keep=0)
    budget = 4
    truth = healed_law(seed, kept, tail, regex, budget)
    out = gcd.sample(
        model_of(seed), prompt, 20_000, method="best_first", max_attempts=10**6, max_new_tokens=budget, **options
    )
    found: dict[str, float] = defaultdict(float)
    for one in out:
        found[one.text] += math.exp(one.log_weight)
    assert out.prompt_token_ids == kept
    assert found.keys() == {text for text, p in truth.items() if p}
    for text, p in found.items():
        assert p == pytest.approx(truth[text], rel=1e-9)
    drawn = gcd.sample(model_of(seed), prompt, 300, trie=out.trie, max_new_tokens=budget, **options)
    counts = Counter(one.text for one in drawn)
    for text, p in truth.items():
        share = p / sum(truth.values())
        assert abs(counts[text] - 300 * share) <= 5 * math.sqrt(300 * share) + 3


def test_generate_and_stream_write_the_text_behind_the_prompt():
    letters = gcd.Vocabulary([b"http", b"://", b"/", b":", b"x", b""], eos_token_ids=[5])
    model = gcd.ScriptedLM(
        lambda p: [0.01, 0.9, 0.01, 0.02, 0.05, 0.01] if p[-1:] == (0,) else [0.01, 0.01, 0.2, 0.01, 0.5, 0.3],
        eos_token_ids=[5], vocab_size=6,
    )  # fmt: skip
    options = {"regex": "//x{1,3}", "tokenizer": letters, "seed": 4, "max_new_tokens": 8}
    one = gcd.generate(model, [0, 3], boundary="heal", temperature=0, **options)
    assert (one.prompt_token_ids, one.token_ids[:2], one.text) == ((0,), (1, 4), "//" + one.text[2:])
    assert one.value == one.text
    pieces = gcd.stream(model, [0, 3], boundary="heal", temperature=0, **options)
    assert "".join(pieces) == pieces.result.text == one.text
    cold = gcd.generate(model, [0, 3], temperature=0, **options)
    assert (cold.prompt_token_ids, cold.token_ids[:2]) == ((0, 3), (2, 2))
    seen = []
    out = gcd.sample(
        model, [0, 3], 20, boundary="heal", along=lambda text: seen.append(text) or "xx" not in text,
        where=lambda text: text.startswith("//"), **options,
    )  # fmt: skip
    assert {one.text for one in out} == {"//x"}
    assert all(text[:1] == "/" for text in seen)


def test_what_cannot_be_healed_says_so():
    letters = gcd.Vocabulary([b"a", b"ab", b"b", b""], eos_token_ids=[3])
    model = gcd.ScriptedLM([0.5, 0.2, 0.1, 0.2], eos_token_ids=[3])
    automaton = gcd.compile(regex="b", tokenizer=letters).automaton
    from tokenizer_align.constraint import align

    with pytest.raises(TypeError) as caught:
        gcd.generate(model, [0], constraint=align(automaton, letters), boundary="heal")
    assert str(caught.value) == (
        "boundary='heal' puts the end of the prompt before the language, and of a constraint= that gcd.compile did not "
        "make the language is not known: give schema=, regex=, grammar= or choices="
    )
    with pytest.raises(ValueError, match=r"^boundary must be 'token' or 'heal', not 'mend'$"):
        gcd.generate(model, [0], regex="b", tokenizer=letters, boundary="mend")
    with pytest.raises(PromptError) as refused:
        gcd.next_bytes(model, "", b"ab" * 15, tokenizer=letters, max_spellings=20)
    assert str(refused.value) == (
        "the 30 bytes asked for have more than 20 spellings in tokens: give a shorter text, or raise max_spellings="
    )
    with pytest.raises(ValueError, match=r"^the next byte is that of one prompt: call gcd\.next_bytes once for each$"):
        gcd.next_bytes(model, [[0], [1]], tokenizer=letters)


@lru_cache(maxsize=1)
def bpe():
    """A byte-level BPE of 60 merges or so, whose pre-tokenizer splits words as GPT-2 does; <eos> is 300."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["abab aab  abba é€ abé baab a  b éé ab"] * 9, trainer)
    tokenizer.add_special_tokens([AddedToken("<eos>", special=True)])
    return tokenizer


@pytest.mark.parametrize("method", ["best_first", "cars", "awrs", "distinct"])
def test_canonical_texts_are_those_that_the_tokenizer_writes(method):
    """Of a finite language every text comes in one spelling, its own, and none is missing."""
    tokenizer = bpe()
    vocabulary = gcd.Vocabulary.from_tokenizer(tokenizer, eos_token_ids=[tokenizer.token_to_id("<eos>")])
    model = gcd.ScriptedLM([1.0] * vocabulary.size, eos_token_ids=vocabulary.eos_token_ids)
    texts = ["".join(parts) for parts in product(["a", "b", "ab", " ", "é"], repeat=4)]
    texts = sorted(set(texts))[::30]
    options = {"choices": texts, "tokenizer": tokenizer, "seed": 1, "max_new_tokens": 12, "max_attempts": 100_000}
    options["constraint"] = gcd.compile(choices=options.pop("choices"), tokenizer=vocabulary)
    n = len(texts) + 5 if method in ("best_first", "distinct") else 10
    out = gcd.sample(model, "", n, canonical=True, method=method, **options)
    for one in out:
        assert list(one.token_ids[:-1]) == tokenizer.encode(one.text).ids
    if method in ("best_first", "distinct"):
        assert sorted(one.text for one in out) == texts
    if method == "distinct":
        assert len(gcd.sample(model, "", 4 * len(texts), method="distinct", **options)) == 4 * len(texts)


def test_canonical_needs_a_tokenizer_that_writes_the_text_and_nothing_else():
    letters = gcd.Vocabulary([b"a", b"ab", b""], eos_token_ids=[2])
    model = gcd.ScriptedLM([0.5, 0.25, 0.25], eos_token_ids=[2])
    with pytest.raises(UnsupportedTokenizer) as caught:
        gcd.sample(model, "", 2, regex="a", tokenizer=letters, canonical=True)
    assert str(caught.value) == "canonical=True needs a tokenizer that encodes text, and a Vocabulary does not"
    from tokenizers import Tokenizer, decoders, models, normalizers

    prefixing = Tokenizer(models.BPE({"▁": 0, "a": 1, "▁a": 2, "<eos>": 3}, [("▁", "a")]))
    prefixing.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    prefixing.add_special_tokens(["<eos>"])
    prefixing.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    model = gcd.ScriptedLM([1.0] * 4, eos_token_ids=[3])
    with pytest.raises(UnsupportedTokenizer) as caught:
        gcd.sample(model, [1], 2, regex=" a", tokenizer=prefixing, canonical=True)
    assert str(caught.value) == (
        "canonical=True needs a tokenizer whose tokens are those of the text alone, and this one writes b' a' for 'a'"
    )


def test_all_methods_take_both():
    letters = gcd.Vocabulary([b"a", b"ab", b"b", b""], eos_token_ids=[3])
    model = gcd.ScriptedLM([0.4, 0.2, 0.2, 0.2], eos_token_ids=[3])
    for method in METHODS:
        one = gcd.generate(
            model, [2, 0], regex="b{1,2}", tokenizer=letters, boundary="heal", method=method, max_new_tokens=6, seed=2
        )
        assert (one.prompt_token_ids, one.text in ("b", "bb")) == ((2,), True), method
