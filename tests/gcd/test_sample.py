"""sample(): what it returns, what is part of the language, and that bad input ends in an error within a stated bound.

That the law is right is `tests/laws/test_alignment_laws.py`.
"""

from __future__ import annotations

import json
import math
import pickle
import re
from collections import Counter

import pydantic
import pytest
import torch
from toys import EOS, TOKENS, TOY, byte_vocabulary, finite

import gcd
from gcd.errors import (
    AttemptsExhausted,
    BadLogits,
    BudgetTooSmall,
    InvalidTrie,
    PromptError,
    ValidationFailed,
    ZeroProbability,
)
from gcd.sampling.aligned.methods import METHODS
from gcd.sampling.logits import Warp, bend

BYTES = byte_vocabulary()
DIGITS = [1.0 if 48 <= i < 58 else 0.0 for i in range(256)] + [1.0]
A_OR_C = gcd.ScriptedLM([0.5, 0.125, 0, 0, 0.125, 0.25, 0, 0], eos_token_ids=[EOS])


def sample(n: int = 20, model: object = A_OR_C, **options):
    options = {"tokenizer": TOY, "max_new_tokens": 8, "seed": 1, **options}
    return gcd.sample(model, "", n, **options)


def test_samples_say_what_was_drawn_and_what_is_known():
    out = sample(50, choices=["a", "ab", "c"])
    assert isinstance(out, gcd.Samples)
    assert isinstance(out[0], gcd.Sample)
    assert (len(out), len(list(out)), len(out[:3]), out.method, out.seed) == (50, 50, 3, "cars", 1)
    assert (out.guarantee, out.kl_estimate, out.prompt_token_ids) == ("exact i.i.d.", 0.0, ())
    assert out.ess == pytest.approx(50)
    # a: .5 .25; a b: .5 .125 .25; c: .125 .25
    truth = {"a": 0.125, "ab": 0.015625, "c": 0.03125}
    for one in out:
        assert one.text == one.value == b"".join(TOKENS[t] for t in one.token_ids).decode()
        assert one.logprob == pytest.approx(math.log(truth[one.text]), abs=1e-6)
        assert (one.log_weight, one.attempts >= 1) == (0.0, True)
    low, high = out.log_mass
    assert low <= math.log(sum(truth.values())) <= high
    assert out.log_z == pytest.approx(math.log(sum(truth.values())), abs=1e-6)
    assert out.model_tokens == 4  # behind nothing, "a", "ab", "c"
    assert out.all_tokens >= sum(len(one.token_ids) for one in out)


def test_weights_correct_what_masking_bends():
    out = sample(3000, choices=["a", "ab", "c"], method="mask")
    assert out.guarantee == "local"
    truth = {"a": 0.125, "ab": 0.015625, "c": 0.03125}
    total = sum(math.exp(one.log_weight) for one in out)
    for text, p in truth.items():
        weight = sum(math.exp(one.log_weight) for one in out if one.text == text)
        assert weight / total == pytest.approx(p / sum(truth.values()), abs=0.05)
    # the law of mask: a or c by 4 to 1, then b or the end by 1 to 2
    law = {"a": 0.8 * 2 / 3, "ab": 0.8 / 3, "c": 0.2}
    kl = sum(q * math.log(q / truth[text] * sum(truth.values())) for text, q in law.items())
    assert out.kl_estimate == pytest.approx(kl, abs=0.05)
    assert 1000 < out.ess < 3000


TRUTH = {"a": 0.125, "ab": 0.015625, "c": 0.03125}


@pytest.mark.parametrize("positions", ["restart", "uniform", "priority"])
def test_chains_move_towards_the_law(positions):
    out = sample(600, choices=list(TRUTH), method="mcmc", steps=8, positions=positions)
    assert (out.guarantee, out[0].attempts) == ("asymptotic", 9)
    assert 0 < out.acceptance < 1
    for text, p in TRUTH.items():
        share = sum(one.text == text for one in out) / len(out)
        assert share == pytest.approx(p / sum(TRUTH.values()), abs=0.06)
    # where the whole text is drawn anew, KL after one step is known; elsewhere it is at most that before any
    one = sample(600, choices=list(TRUTH), method="mcmc", steps=1, positions=positions)
    assert one.kl_estimate == pytest.approx({"restart": 0.0088}.get(positions, 0.1406), abs=0.01)
    assert out.kl_estimate == pytest.approx(0, abs=1e-6) if positions == "restart" else out.kl_estimate > 0.1
    assert out.log_z == pytest.approx(math.log(sum(TRUTH.values())), abs=0.1)
    none = sample(3, choices=list(TRUTH), method="mcmc", steps=0)
    assert (none.acceptance, len(none)) == (None, 3)


def test_populations_estimate_the_mass_and_weigh_their_texts():
    out = sample(2000, choices=list(TRUTH), method="smc")
    assert (out.guarantee, out.acceptance) == ("properly weighted", None)
    assert out.log_z == pytest.approx(math.log(sum(TRUTH.values())), abs=0.1)
    # what is picked from 2,000 has nearly the law itself; one alone is a draw of mask, whose weight is told
    assert 0 <= out.kl_estimate < 0.05
    alone = [sample(1, choices=list(TRUTH), method="smc", seed=seed, trie=out.trie) for seed in range(9)]
    told = {one[0].text: round(one.kl_estimate, 3) for one in alone}
    assert told == {"a": 0.0, "ab": 1.076, "c": 0.095}
    total = sum(math.exp(one.log_weight) for one in out)
    for text, p in TRUTH.items():
        weight = sum(math.exp(one.log_weight) for one in out if one.text == text)
        assert weight / total == pytest.approx(p / sum(TRUTH.values()), abs=0.05)


def test_the_likeliest_texts_are_found_in_order():
    out = sample(10, choices=["a", "ab", "c", "ba"], method="best_first")
    assert (out.guarantee, [one.text for one in out]) == ("the likeliest", ["a", "c", "ab", "ba"])
    assert [math.exp(one.log_weight) for one in out] == pytest.approx([0.125, 1 / 32, 1 / 64, 1 / 64])
    assert [one.text for one in sample(1, choices=["a", "ab", "c"], method="best_first", where=lambda t: t > "a")] == [
        "c"
    ]
    greedy = gcd.generate(A_OR_C, [4], choices=["a", "ab", "c"], tokenizer=TOY, method="best_first", max_new_tokens=4)
    assert (greedy.text, greedy.finish_reason) == ("a", "stop")
    endless = gcd.ScriptedLM([0.9, 0.05, 0, 0, 0.05, 0, 0, 0], eos_token_ids=[EOS])
    text = message_of(
        AttemptsExhausted,
        lambda: sample(1, model=endless, regex="[ab]*c", method="best_first", max_new_tokens=30, max_attempts=9),
    )
    assert text == (
        "the likeliest text, or the next one, is not among those that begin with the 9 likeliest prefixes\n"
        "Raise max_attempts=, or draw texts instead, by method='cars'"
    )


@pytest.mark.parametrize("method", ["smc", "awrs"])
def test_particles_that_die_are_made_up_for_by_another_population(method):
    out = sample(200, regex="[ab]{1,4}", method=method, where=lambda text: text[-1] == "a")
    assert (len(out), out.guarantee) == (200, "properly weighted")
    assert all(one.text[-1] == "a" for one in out)
    assert {one.attempts for one in out} == {1, 2}
    truth = sum(0.625**k * 0.5 * 0.25 for k in range(4))
    assert out.log_z == pytest.approx(math.log(truth), abs=0.3)


def test_fewer_texts_come_where_the_populations_run_out():
    out = sample(200, regex="[ab]{1,4}", method="smc", where=lambda text: text[-1] == "a", max_attempts=1)
    assert 50 < len(out) < 200


@pytest.mark.parametrize("method", METHODS)
def test_along_is_part_of_the_language(method):
    """Of [ab]{1,4} what never has two b in a row, asked about beginnings only, each once."""
    seen = []

    def alternates(text: str) -> bool:
        seen.append(text)
        return "bb" not in text

    out = sample(30, regex="[ab]{1,4}", along=alternates, method=method)
    assert len(out) == (18 if method in ("best_first", "beam", "distinct") else 30)
    assert not any("bb" in one.text for one in out)
    assert len(seen) == len(set(seen))
    assert all(len(text) <= 4 for text in seen)


def test_along_gets_complete_characters():
    seen = []
    model = gcd.ScriptedLM(
        lambda p: [0, 0, 0, 0, 0, 0, 1, 0] if not p else [0] * 7 + [1] if len(p) == 1 else [0] * 5 + [1, 0, 0],
        eos_token_ids=[EOS], vocab_size=8,
    )  # fmt: skip
    out = sample(2, model=model, choices=["é"], along=lambda text: seen.append(text) or True)
    assert ([one.text for one in out], seen) == (["é", "é"], ["é"])


def test_awrs_tries_other_tokens_where_smc_dies():
    """A token in ten passes. Four particles of smc often die at the first one, of awrs never within `max_checks`."""
    letters = gcd.Vocabulary([*(bytes([97 + i]) for i in range(10)), b""], eos_token_ids=[10])
    model = gcd.ScriptedLM([1.0] * 10 + [3.0], eos_token_ids=[10])
    options = {"regex": "[a-j]{2}", "tokenizer": letters, "max_new_tokens": 3, "max_attempts": 1}

    def dies(seed: int, method: str, **more) -> bool:
        try:
            gcd.sample(model, "", 4, method=method, along=lambda t: set(t) == {"a"}, seed=seed, **options, **more)
        except AttemptsExhausted:
            return True
        return False

    assert sum(dies(seed, "smc") for seed in range(20)) >= 8
    assert sum(dies(seed, "awrs", max_checks=1) for seed in range(20)) >= 8
    assert not any(dies(seed, "awrs", max_checks=10) for seed in range(20))


def test_a_beam_finds_likely_texts():
    out = sample(10, choices=["a", "ab", "c", "ba"], method="beam")
    assert (out.guarantee, [one.text for one in out]) == ("found by a search", ["a", "c", "ab", "ba"])
    assert [math.exp(one.log_weight) for one in out] == pytest.approx([0.125, 1 / 32, 1 / 64, 1 / 64])
    options = {"regex": "a{1,4}", "method": "beam", "width": 2, "patience": 9}
    by_length = {
        power: [one.text for one in sample(4, length_power=power, **options)] for power in (0, 1)
    }  # fmt: skip
    assert by_length == {0: ["a", "aa", "aaa", "aaaa"], 1: ["aaaa", "aaa", "aa", "a"]}
    one = gcd.generate(A_OR_C, [4], choices=["a", "ab", "c"], tokenizer=TOY, method="beam", max_new_tokens=4)
    assert (one.text, one.finish_reason) == ("a", "stop")
    text = message_of(
        AttemptsExhausted, lambda: sample(1, regex="a{3}|b{9}", method="beam", width=1, where=lambda t: t[0] == "b")
    )
    assert text == (
        "none of the 1 prefixes on the beam ended in the language, to which the model gives a probability of at most "
        "0.125\n"
        "Raise width= or max_new_tokens=, or take a method that cuts nothing off: 'best_first' or 'cars'"
    )


def test_distinct_texts_come_once_each_with_the_weight_that_makes_up_for_it():
    out = sample(10, choices=list(TRUTH), method="distinct")
    assert (out.guarantee, sorted(one.text for one in out)) == ("without replacement", ["a", "ab", "c"])
    assert out.log_z == pytest.approx(math.log(sum(TRUTH.values())), abs=1e-6)
    few = sample(2, regex="[ab]{1,6}", method="distinct")
    assert len({one.text for one in few}) == 2
    assert gcd.generate(A_OR_C, [4], choices=["c"], tokenizer=TOY, method="distinct", max_new_tokens=4).text == "c"
    endless = gcd.ScriptedLM([0.9, 0.05, 0, 0, 0.05, 0, 0, 0], eos_token_ids=[EOS])
    text = message_of(
        AttemptsExhausted,
        lambda: sample(1, model=endless, regex="[ab]*c", method="distinct", max_new_tokens=30, max_attempts=9),
    )
    assert text == (
        "9 prefixes were gone on with, and none of them ended in a text of the language that is another one\n"
        "Raise max_attempts=, or ask for fewer texts: to weigh n of them takes one more"
    )


def test_values_are_made_and_validated():
    class Point(pydantic.BaseModel):
        x: int
        y: int

    def row(prefix: tuple[int, ...]) -> list[float]:
        text = '{"x":1,"y":2}'
        ids = [ord(text[len(prefix)])] if len(prefix) < len(text) else [256]
        return [0.9 if i in ids else 0.1 / 256 for i in range(257)]

    model = gcd.ScriptedLM(row, eos_token_ids=[256], vocab_size=257)
    out = gcd.sample(model, "", 3, schema=Point, tokenizer=BYTES, whitespace="compact", seed=0, max_new_tokens=20)
    assert [type(one.value) for one in out] == [Point] * 3
    assert any(one.value == Point(x=1, y=2) for one in out)


def test_the_same_seed_gives_the_same_texts():
    first, again, other = (sample(seed=seed, regex="[abc]{1,3}").samples for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert sample(regex="a", seed=None).seed >= 0


METHOD_WITHIN = ("cars", "mcmc", "smc")


def test_interleaved_calls_share_nothing():
    alone = [sample(regex=regex).samples for regex in ("a+", "[abc]+")]
    mixed = [sample(regex=regex).samples for regex in ("a+", "[abc]+", "a+", "[abc]+")]
    assert mixed == alone * 2
    # in the middle of one call another one is made, with the same model and constraint
    constraint, inside = gcd.compile(regex="[abc]+", tokenizer=TOY), []

    def within(text: str) -> bool:
        inside.append(sample(3, constraint=constraint, method=METHOD_WITHIN[len(inside) % 3]).samples)
        return True

    for method in METHOD_WITHIN:
        calm = sample(6, constraint=constraint, method=method).samples
        assert sample(6, constraint=constraint, method=method, where=within).samples == calm
    expected = [sample(3, constraint=constraint, method=method).samples for method in METHOD_WITHIN]
    assert len(inside) > 6
    assert all(found == expected[i % 3] for i, found in enumerate(inside))


def test_knobs_change_the_model_before_the_language_is_looked_at():
    """Against enumeration; with top_k=2 the model has only "a" and EOS left, so that c is no member any more."""
    knobs = {"temperature": 0.5, "top_k": 2}
    bent = bend(A_OR_C.next_logits([[]]), Warp(**knobs)).double().softmax(-1)[0].tolist()
    out = sample(30, choices=["a", "ab", "c"], **knobs)
    assert Counter(one.text for one in out) == {"a": 30}
    low, high = out.log_mass
    assert low <= math.log(bent[0] * bent[EOS]) <= high
    assert high - low < 1e-8
    assert out[0].logprob == pytest.approx(math.log(0.125), abs=1e-6)  # of the model itself


def test_the_budget_is_part_of_the_language():
    """a+ within 3 tokens is a, aa: "aa" as the model would write it, and nothing is squeezed into the end."""
    out = sample(300, regex="a+", max_new_tokens=3)
    counts = Counter(one.text for one in out)
    assert counts.keys() == {"a", "aa"}
    assert counts["a"] / 300 == pytest.approx(2 / 3, abs=0.08)  # .5 .25 against .5 .5 .25
    low, high = out.log_mass
    assert low - 1e-7 <= math.log(0.125 + 0.0625) <= high + 1e-7  # the model's float32


def test_where_is_part_of_the_language():
    seen = []

    def even(value: str) -> bool:
        seen.append(value)
        return len(value) % 2 == 0

    out = sample(40, regex="[ab]{1,4}", where=even)
    assert {len(one.text) for one in out} <= {2, 4}
    assert len(seen) == len(set(seen)), "each text is asked about once"
    truth = sum(0.625**k * 0.25 for k in (2, 4))
    low, high = out.log_mass
    assert low <= math.log(truth) <= high


def test_where_gets_values_and_what_has_none_fails_it():
    class Odd(pydantic.BaseModel):
        n: int

        @pydantic.field_validator("n")
        @classmethod
        def is_odd(cls, n: int) -> int:
            if n % 2 == 0:
                raise ValueError("it is even")
            return n

    def row(prefix: tuple[int, ...]) -> list[float]:
        head, tail = '{"n":', "}"
        if len(prefix) < len(head):
            return [float(i == ord(head[len(prefix)])) for i in range(257)]
        return (
            DIGITS
            if len(prefix) == len(head)
            else [float(i == (ord(tail) if prefix[-1] != 125 else 256)) for i in range(257)]
        )

    model = gcd.ScriptedLM(row, eos_token_ids=[256], vocab_size=257)
    options = {"schema": Odd, "tokenizer": BYTES, "seed": 2, "max_new_tokens": 10, "whitespace": "compact"}
    out = gcd.sample(model, "", 30, where=lambda value: value.n > 2, **options)
    assert {one.value.n for one in out} == {3, 5, 7, 9}
    with pytest.raises(ValidationFailed):
        gcd.sample(model, "", 30, **options)


@pytest.mark.parametrize("method", ["mask", "asap", "cars", "mcmc", "smc", "awrs", "beam"])
def test_many_prefixes_are_asked_for_in_one_pass(method):
    """The same texts as of a model that is asked for one at a time, from a few passes."""
    passes: Counter[str] = Counter()

    class Counting:
        vocab_size, eos_token_ids = 8, (EOS,)

        def next_logits(self, sequences):
            passes["all"] += 1
            return A_OR_C.next_logits(sequences)

    class OneAtATime(Counting):
        def open_tree(self, prompt):
            class Tree:
                tokens = 0

                def logits(self, token_ids):
                    self.tokens += 1
                    return A_OR_C.next_logits([[*prompt, *token_ids]])[0]

            return Tree()

    options = {"regex": "[abc]{1,6}", "method": method, "n": 20, "along": lambda text: "bb" not in text}
    many, one = sample(model=Counting(), **options), sample(model=OneAtATime(), **options)
    assert many.samples == one.samples
    assert (many.model_tokens, many.log_mass) == (one.model_tokens, one.log_mass)
    if method in ("asap", "cars", "mcmc"):  # which begin with one attempt, or take ten steps
        assert many.model_tokens > 1.5 * passes["all"]
    else:
        assert many.model_tokens > 3 * passes["all"]
        assert passes["all"] <= 2 * 7


def test_a_trie_goes_on_where_it_was():
    first = sample(50, choices=["a", "ab", "c"])
    again = sample(50, choices=["a", "ab", "c"], trie=first.trie, seed=2)
    assert again.trie is first.trie
    assert (first.model_tokens, again.model_tokens) == (4, 0)
    assert all(one.attempts == 1 for one in again)


def test_generate_takes_the_same_methods():
    options = {"tokenizer": TOY, "choices": ["a", "ab", "c"], "max_new_tokens": 8, "seed": 3}
    found = gcd.generate(A_OR_C, [[0], [4]], n=200, method="cars", **options)
    assert len(found) == 400
    assert Counter(g.text for g in found)["a"] / 400 == pytest.approx(0.125 / 0.171875, abs=0.08)
    one = gcd.generate(A_OR_C, [0], method="cars", **options)
    assert (one.finish_reason, one.budget_bound_at, one.error) == ("stop", None, None)
    assert one.logprob <= one.masked_logprob <= 0  # in an attempt, what is refused already is left out
    for method in ("asap", "mcmc", "smc", "awrs", "distinct"):
        found = gcd.generate(A_OR_C, [0], n=100, method=method, **options)
        assert Counter(g.text for g in found)["a"] / 100 == pytest.approx(0.125 / 0.171875, abs=0.15)


def test_generate_returns_errors_of_other_methods_by_row():
    model = gcd.ScriptedLM({(0,): [0.0, 1.0] + [0.0] * 6}, eos_token_ids=[EOS], vocab_size=8)
    good, bad = gcd.generate(
        model, [[1], [0]], tokenizer=TOY, choices=["c"], method="cars", errors="return", seed=0, max_new_tokens=4
    )
    assert good.value == "c"
    assert (bad.finish_reason, type(bad.error)) == ("error", ZeroProbability)
    with pytest.raises(ZeroProbability) as caught:
        gcd.generate(model, [[1], [0]], tokenizer=TOY, choices=["c"], method="cars", seed=0, max_new_tokens=4)
    assert [g.text for g in caught.value.generations] == ["c"]


def message_of(kind: type[Exception], call) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


NONE_LEFT = (
    "the model gives no text of the language any probability within max_new_tokens=8\n"
    "temperature=0, top_k=, top_p= and min_p= act before the grammar here and may leave none over: try without them, "
    "or with a larger budget"
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "options",
    [
        {"choices": ["ba"]},  # "a" is not allowed behind "b" by this model
        {"choices": ["é"]},
        {"choices": ["c", "ba"], "top_k": 1},
        {"choices": ["c"], "temperature": 0},
        {"choices": ["c"], "top_p": 0.4},
        {"choices": ["c"], "min_p": 0.6},
    ],
)
def test_a_language_without_probability_is_an_error(options, method):
    model = gcd.ScriptedLM(
        lambda prefix: [0, 0.5, 0, 0, 0, 0.5, 0, 0] if prefix[-1:] == (1,) else [0.5, 0.25, 0, 0, 0.25, 0, 0, 0],
        eos_token_ids=[EOS], vocab_size=8,
    )  # fmt: skip
    assert message_of(ZeroProbability, lambda: sample(model=model, method=method, **options)) == NONE_LEFT


@pytest.mark.parametrize("method", METHODS)
def test_a_predicate_that_never_holds_is_an_error(method):
    proved = message_of(ZeroProbability, lambda: sample(choices=["a", "c"], where=lambda text: False, method=method))
    assert proved == NONE_LEFT.replace("of the language", "of the language that passes where=")
    proved = message_of(ZeroProbability, lambda: sample(regex="[ab]{1,2}", along=lambda text: False, method=method))
    assert proved == NONE_LEFT.replace("of the language", "of the language that passes along= (or canonical=)")
    if method in ("best_first", "beam", "distinct"):  # they have messages of their own
        return
    text = message_of(
        AttemptsExhausted, lambda: sample(regex="[abc]{1,7}", where=lambda t: False, method=method, max_attempts=5)
    )
    assert re.fullmatch(
        r"none of 5 attempts ended in the language, to which the model gives a probability of at most 0\.[0-9]{1,3}\n"
        r"Ask for the format in the prompt, raise max_attempts= or max_new_tokens=, go on with what was learnt by "
        r"trie=, or take a method that refuses less: 'asap' or 'mask'",
        text,
    )


def test_a_language_that_never_ends_stops_after_the_attempts():
    endless = gcd.ScriptedLM([1.0] + [0.0] * 7, eos_token_ids=[EOS])
    calls = Counter()

    class Counting:
        vocab_size, eos_token_ids = 8, (EOS,)

        def next_logits(self, sequences):
            calls["rows"] += len(sequences)
            return endless.next_logits(sequences)

    assert message_of(ZeroProbability, lambda: sample(model=Counting(), regex="a*b", max_new_tokens=8)) == NONE_LEFT
    assert calls["rows"] == 8
    wide = gcd.ScriptedLM([1.0, 1.0] + [0.0] * 6, eos_token_ids=[EOS])
    error = message_of(AttemptsExhausted, lambda: sample(model=wide, regex="[ab]*c", max_new_tokens=30, max_attempts=7))
    assert error.startswith("none of 7 attempts ended in the language")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            [math.nan] * 8,
            "at step 0, at the start of the text, the model's logits are NaN for 8 of 8 tokens\n"
            "Half precision overflows so: load the model with dtype='float32' or 'bfloat16', and check its weights.",
        ),
        (
            [0.0] * 8,
            "at step 0, at the start of the text, the model's logits are -inf for each of the 8 tokens\n"
            "The model gives these tokens no probability at all: is it the model that the tokenizer belongs to?",
        ),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_logits_that_are_no_distribution_are_an_error(row, message, method):
    model = gcd.ScriptedLM(row, eos_token_ids=[EOS])
    assert message_of(BadLogits, lambda: sample(model=model, choices=["a"], method=method)) == message


def test_what_was_learnt_before_an_error_is_kept_and_still_exact():
    """The model fails once behind "a"; afterwards the law of the same trie is that of one that saw no error."""
    failing = {"now": False}

    def row(prefix: tuple[int, ...]) -> list[float]:
        if failing["now"] and prefix == (0,):
            return [math.nan] * 8
        return [0.5, 0.125, 0, 0, 0.125, 0.25, 0, 0]

    model = gcd.ScriptedLM(row, eos_token_ids=[EOS], vocab_size=8)
    trie = gcd.SampleTrie(gcd.compile(choices=["c", "ab"], tokenizer=TOY), budget=8)
    failing["now"] = True
    with pytest.raises(BadLogits) as caught:
        sample(20, model=model, choices=["c", "ab"], trie=trie)
    assert "after 'a'" in str(caught.value)
    failing["now"] = False
    out = sample(400, model=model, choices=["c", "ab"], trie=trie)
    assert Counter(one.text for one in out)["c"] / 400 == pytest.approx(2 / 3, abs=0.08)


def test_other_bad_input():
    with pytest.raises(ValueError, match=r"^method must be 'mask' or 'asap' or 'cars'.*, not 'magic'$"):
        sample(choices=["a"], method="magic")
    with pytest.raises(ValueError, match=r"^max_attempts must be an integer >= 1, not 0$"):
        sample(choices=["a"], max_attempts=0)
    with pytest.raises(ValueError, match=r"^steps must be an integer >= 0, not -1$"):
        sample(choices=["a"], steps=-1)
    with pytest.raises(ValueError, match=r"^positions must be 'restart' or 'uniform' or 'priority', not 'end'$"):
        sample(choices=["a"], positions="end")
    with pytest.raises(ValueError, match=r"^where must be a function of a value, not 'x'$"):
        sample(choices=["a"], where="x")
    with pytest.raises(ValueError, match=r"^along must be a function of a text, not 'x'$"):
        sample(choices=["a"], along="x")
    with pytest.raises(ValueError, match=r"^max_checks must be an integer >= 1, not 0$"):
        sample(choices=["a"], max_checks=0)
    with pytest.raises(ValueError, match=r"^width must be an integer >= 1, not 0$"):
        sample(choices=["a"], width=0)
    with pytest.raises(ValueError, match=r"^patience must be a number > 0, not 0$"):
        sample(choices=["a"], patience=0)
    with pytest.raises(ValueError, match=r"^length_power must be a finite number >= 0, not -1$"):
        sample(choices=["a"], length_power=-1)
    with pytest.raises(ValueError, match=r"^samples are of one prompt: call gcd\.sample once for each$"):
        gcd.sample(A_OR_C, [[0], [1]], 2, choices=["a"], tokenizer=TOY)
    with pytest.raises(
        ValueError, match=r"^a stream shows tokens as they are decided, and method='cars' may take them"
    ):
        gcd.stream(A_OR_C, [0], choices=["a"], tokenizer=TOY, method="cars")
    with pytest.raises(
        ValueError, match=r"^jump_ahead='canonical' changes the law, which method='asap' is there to keep"
    ):
        gcd.generate(A_OR_C, [0], choices=["a"], tokenizer=TOY, method="asap", jump_ahead="canonical")
    assert message_of(BudgetTooSmall, lambda: sample(choices=["abc"], max_new_tokens=1)) == (
        "max_new_tokens=1 is impossible: the shortest text of the grammar needs at least 3 tokens with EOS; "
        "max_new_tokens=3 suffices"
    )
    small = gcd.ScriptedLM([0.5] * 8, eos_token_ids=[EOS])
    small.context_length = 3
    assert message_of(PromptError, lambda: gcd.sample(small, [0, 0, 0], 1, choices=["abc"], tokenizer=TOY)) == (
        "the prompt has 3 tokens and the model's context 3: the 0 that are left may not suffice to finish inside the "
        "grammar; 3 would"
    )


def test_a_trie_of_another_law_is_refused():
    trie = sample(2, choices=["a", "c"]).trie
    for options, what in [
        ({"choices": ["a", "b"]}, "grammar or tokenizer (give constraint=trie.constraint)"),
        ({"choices": ["a", "c"], "max_new_tokens": 9}, "max_new_tokens"),
        ({"choices": ["a", "c"], "top_k": 2}, "temperature, top_k, top_p or min_p"),
        ({"choices": ["a", "c"], "where": bool}, "where"),
        ({"choices": ["a", "c"], "along": bool}, "along or canonical"),
        ({"choices": ["a", "b"], "max_new_tokens": 9}, "grammar or tokenizer (give constraint=trie.constraint) and "
         "another max_new_tokens"),
    ]:  # fmt: skip
        assert message_of(InvalidTrie, lambda options=options: sample(2, trie=trie, **options)) == (
            f"trie= was made for another {what}: what it knows is not true here"
        )


def test_errors_survive_pickling():
    exhausted = AttemptsExhausted(5, (-9.0, -1.0)), AttemptsExhausted(5, (-9.0, -1.0), searched=True)
    more = AttemptsExhausted(5, (-9.0, -1.0), method="beam"), ZeroProbability(8, attempts=3, where=True, along=True)
    for error in (ZeroProbability(8, attempts=3, where=True), *exhausted, *more):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_json_of_a_model_with_logits_at_the_limits():
    """±1e4, -inf and 16 bits: bounds and draws stay finite."""

    def logits(sequences):
        rows = torch.full((len(sequences), 8), -1e4)
        rows[:, 0], rows[:, 4], rows[:, EOS], rows[:, 1] = 1e4, 1e4, 1e4 - 1, -math.inf
        return rows.to(torch.bfloat16)

    class Extreme:
        vocab_size, eos_token_ids = 8, (EOS,)
        next_logits = staticmethod(logits)

    out = sample(50, model=Extreme(), choices=["a", "ac", "abc", "c"])
    assert {one.text for one in out} == {"a", "ac", "c"}
    assert all(map(math.isfinite, (*out.log_mass, out.log_z, out.ess)))
    assert json.dumps(out.log_mass)


def test_constraints_by_hand_are_taken():
    assert {one.text for one in sample(20, constraint=finite(["a", "c"]))} <= {"a", "c"}
