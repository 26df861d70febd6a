"""Lattices of languages that can be counted by hand, and what they refuse."""

from __future__ import annotations

import math
import os
import re
from collections import Counter

import numpy as np
import pytest
import torch
from block_cases import random_block

import gcd
from gcd.diffusion import BlockLimits, Lattice
from gcd.diffusion.tree import Tree
from gcd.errors import BadBlock, EmptyLanguage, LimitExceeded, UnsupportedFeature, VocabularyMismatch

AB = gcd.Vocabulary([b"a", b"b", b"c", b""], eos_token_ids=[3])
A, B, C, EOS = range(4)


def logs(*rows: tuple[float, ...]) -> torch.Tensor:
    """Logits of probabilities, one row a position: of a, b, c and EOS."""
    return torch.tensor(rows, dtype=torch.float64).log()


def constraint(regex: str, vocabulary: gcd.Vocabulary = AB) -> gcd.Constraint:
    return gcd.compile(regex=regex, tokenizer=vocabulary)


def law(lattice: Lattice) -> dict[str, float]:
    """The probability of every string under q, written with a, b, c and $ for EOS."""
    token_ids, logprobs = lattice.k_best(1000)
    names = ["".join("abc$"[t] for t in row) for row in token_ids.tolist()]
    return dict(zip(names, (logprobs - lattice.log_z).exp().tolist(), strict=True))


def test_the_best_string_is_not_made_of_the_best_tokens():
    lattice = Lattice(constraint("ab|ba"), logs((0.6, 0.4, 0, 0), (0.9, 0.1, 0, 0)))
    token_ids, logprob = lattice.map()
    assert (token_ids.tolist(), logprob.exp().item()) == ([B, A], pytest.approx(0.36))
    assert lattice.log_z.exp().item() == pytest.approx(0.42)
    assert lattice.marginals().to_dense()[0].tolist() == pytest.approx([0.06 / 0.42, 0.36 / 0.42, 0, 0])
    assert lattice.kl().item() == pytest.approx(-math.log(0.42))
    assert lattice.entropy().item() == pytest.approx(-(1 / 7) * math.log(1 / 7) - (6 / 7) * math.log(6 / 7))


@pytest.mark.parametrize(
    ("tail", "end", "expected"),
    [
        ("unscored", "eos", {"$$$$": 8 / 15, "a$$$": 4 / 15, "aa$$": 2 / 15, "aaa$": 1 / 15}),
        ("unscored", "accept", {"$$$$": 8 / 16, "a$$$": 4 / 16, "aa$$": 2 / 16, "aaa$": 1 / 16, "aaaa": 1 / 16}),
        ("unscored", "open", {"$$$$": 8 / 16, "a$$$": 4 / 16, "aa$$": 2 / 16, "aaa$": 1 / 16, "aaaa": 1 / 16}),
        ("scored", "eos", {"$$$$": 1 / 4, "a$$$": 1 / 4, "aa$$": 1 / 4, "aaa$": 1 / 4}),
        ("scored", "accept", {"$$$$": 1 / 5, "a$$$": 1 / 5, "aa$$": 1 / 5, "aaa$": 1 / 5, "aaaa": 1 / 5}),
    ],
)
def test_how_a_block_may_end(tail, end, expected):
    lattice = Lattice(constraint("a*"), logs(*4 * [(0.5, 0, 0, 0.5)]), tail=tail, end=end)
    assert law(lattice) == pytest.approx(expected)
    ended = [sum(p for s, p in expected.items() if "$" in s[:i]) for i in range(4)]
    assert lattice.ended().tolist() == pytest.approx(ended)


def test_an_open_end_leaves_what_the_budget_can_complete():
    c, logits = constraint("a{1,5}b"), logs(*3 * [(0.5, 0.25, 0, 0.25)])
    assert {*law(Lattice(c, logits))} == {"ab$", "aab"}
    assert {*law(Lattice(c, logits, end="open", budget=0))} == {"ab$", "aab"}
    assert {*law(Lattice(c, logits, end="open", budget=1))} == {"ab$", "aab", "aaa"}
    assert {*law(Lattice(c, logits, end="open"))} == {"ab$", "aab", "aaa"}


def test_a_block_begins_where_the_last_one_ended():
    c = constraint("(ab)+c")
    state = c.advance(c.start, A)
    assert {*law(Lattice(c, logs(*3 * [(0.25, 0.25, 0.25, 0.25)]), start=state))} == {"bc$"}
    end = c.advance(c.advance(c.advance(state, B), C), EOS)
    assert law(Lattice(c, logs(*3 * [(0.25, 0.25, 0.25, 0.25)]), start=end)) == {"$$$": 1}


def test_fixed_tokens_count_with_probability_one_and_their_logits_are_not_looked_at():
    logits = logs((0.6, 0.4, 0, 0), (0.9, 0.1, 0, 0))
    logits[1] = math.nan
    lattice = Lattice(constraint("ab|ba"), logits, fixed={1: B})
    assert (law(lattice), lattice.log_z.exp().item()) == ({"ab": 1}, pytest.approx(0.6))
    assert law(Lattice(constraint("ab|b"), logits, fixed={1: EOS})) == {"b$": 1}
    both = Lattice(constraint("a?b?"), logs(*3 * [(0.5, 0.25, 0, 0.25)]), fixed={2: EOS})
    assert {*law(both)} == {"$$$", "a$$", "b$$", "ab$"}


def test_a_string_counts_once_however_it_is_derived():
    """E -> E + E | a has 1, 2 and 5 derivations of sums of 2, 3 and 4 terms; (a|a)b has two ways to its only text."""
    plus = gcd.Vocabulary([b"a", b"+", b""], eos_token_ids=[2])
    c = gcd.compile(grammar='start: e\ne: e "+" e | "a"', tokenizer=plus)
    lattice = Lattice(c, torch.zeros(8, 3), tail="scored")
    assert sorted(law_of(lattice).values()) == pytest.approx([1 / 4] * 4)
    twice = Lattice(constraint("(a|a)b"), logs((0.5, 0.5, 0, 0), (0.5, 0.5, 0, 0)))
    assert twice.log_z.exp().item() == pytest.approx(0.25)


def law_of(lattice: Lattice) -> dict[tuple[int, ...], float]:
    token_ids, logprobs = lattice.k_best(1000)
    return {tuple(t): p for t, p in zip(token_ids.tolist(), (logprobs - lattice.log_z).exp().tolist(), strict=True)}


@pytest.mark.parametrize("method", ["chain", "tree"])
@pytest.mark.parametrize("regex", ["[ab]*a", "ab|ba|abc", "(ab)+c?"])
def test_draws_follow_the_law(regex, method):
    draws = int(os.environ.get("GCD_LATTICE_DRAWS", "20000"))
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    lattice = Lattice(constraint(regex), logits)
    drawn = lattice.sample(draws, generator=torch.Generator().manual_seed(2), method=method)
    assert torch.equal(drawn, lattice.sample(draws, generator=torch.Generator().manual_seed(2), method=method))
    counts, expected = Counter(map(tuple, drawn.tolist())), law_of(lattice)
    for row in counts:
        text = "".join("abc$"[t] for t in row)
        assert re.fullmatch(f"(?:{regex})[$]*", text), text
    assert counts.keys() <= expected.keys()
    assert sum(abs(counts[s] / draws - p) for s, p in expected.items()) / 2 < 0.02


def test_a_tree_is_refused_before_it_is_allocated():
    c, logits = constraint("[ab]*c"), torch.zeros(100, 4)
    with pytest.raises(LimitExceeded) as caught:
        Lattice(c, logits, limits=BlockLimits(products=1000)).sample(1, method="tree")
    assert str(caught.value) == (
        "the segment tree of a block of 100 tokens and 3 states has more than 1,000 numbers\n"
        "draw with method='chain', or pass limits=BlockLimits(products=...)"
    )
    with pytest.raises(UnsupportedFeature) as caught:
        Lattice(c, logits, limits=BlockLimits(states=0)).sample(1, method="tree")
    assert str(caught.value) == (
        "draws by method='tree' are not supported where the states of a block cannot be listed\n"
        "draw with method='chain', or pass limits=BlockLimits(states=...) where they are not too many"
    )
    with pytest.raises(ValueError, match=r"^method must be 'chain' or 'tree', not 'forest'$"):
        Lattice(c, logits).sample(1, method="forest")


def test_cold_draws_are_the_best_string():
    """Log-probabilities that are scaled, and not normalised once more: strings of other lengths keep their order."""
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(3)).log_softmax(-1)
    c = constraint("[ab]*c?")
    assert torch.equal(Lattice(c, logits / 1e-4, normalize=False).sample(1)[0], Lattice(c, logits).map()[0])


def test_long_blocks_of_small_probabilities_do_not_underflow():
    """The product is e^-21217: neither float32 nor float64 has it."""
    logits = torch.full((1024, 4), -math.inf)
    logits[:, A], logits[:, B] = -20.72, math.log1p(-math.exp(-20.72))
    lattice = Lattice(constraint("a{1024}"), logits)
    assert lattice.log_z.item() == pytest.approx(1024 * torch.tensor(-20.72).item(), rel=1e-7)
    assert lattice.entropy().item() == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits(dtype):
    logits = torch.tensor([[1e4, -1e4, 0, -math.inf], [-1e4, 1e4, -math.inf, -math.inf]]).to(dtype).requires_grad_()
    lattice = Lattice(constraint("ba"), logits)
    assert lattice.log_z.item() == pytest.approx(-4e4, rel=1e-2)
    lattice.log_z.backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.tolist() == [[-1, 1, 0, 0], [1, -1, 0, 0]]
    assert lattice.marginals().to_dense().tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


def test_a_position_without_any_token_is_possible_behind_the_end():
    logits = logs((0.5, 0, 0, 0.5), (0, 0, 0, 0))
    assert law(Lattice(constraint("a*"), logits)) == {"$$": 1}


def test_gradients_without_normalisation_are_the_marginals():
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    lattice = Lattice(constraint("a*b|c"), logits, normalize=False, tail="scored")
    lattice.log_z.backward()
    torch.testing.assert_close(logits.grad, lattice.marginals().to_dense(), rtol=0, atol=1e-12)


def test_products_with_the_hessian():
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()
    vector = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    c = constraint("a*b|c")
    (gradient,) = torch.autograd.grad(Lattice(c, logits).log_z, logits, create_graph=True)
    (product,) = torch.autograd.grad(gradient, logits, vector)
    step = 1e-6
    ahead, behind = (
        torch.autograd.grad(Lattice(c, moved).log_z, moved)[0]
        for moved in (logits + step * vector, logits - step * vector)
    )
    torch.testing.assert_close(product, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-8)


def test_derivatives_do_not_look_at_what_is_fixed():
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    logits[1] = math.nan
    logits.requires_grad_()
    lattice = Lattice(constraint("a*b*c?"), logits, fixed={1: B})
    (once,) = torch.autograd.grad(lattice.log_z, logits)
    (gradient,) = torch.autograd.grad(lattice.log_z, logits, create_graph=True)
    torch.testing.assert_close(gradient, once, rtol=0, atol=1e-12)
    (twice,) = torch.autograd.grad(gradient[0, A], logits)
    assert once[1].tolist() == twice[1].tolist() == [0, 0, 0, 0]
    assert twice[0].abs().max() > 0.01


WRONG = [
    (
        {"regex": "aaa"},
        EmptyLanguage,
        "no text of the grammar fills the block of 2 tokens\n"
        "make the block longer, or pass end='open' where later blocks complete the text",
    ),
    (
        {"regex": "ab|ba", "fixed": {0: A, 1: A}},
        EmptyLanguage,
        "no text of the grammar fills the block of 2 tokens around its 2 fixed tokens\n"
        "make the block longer, or pass end='open' where later blocks complete the text",
    ),
    (
        {"regex": "ab|ba", "end": "eos"},
        EmptyLanguage,
        "no text of the grammar fills the block of 2 tokens\nmake the block longer: it must hold a whole text and EOS",
    ),
    (
        {"regex": "a{9}", "end": "open", "budget": 6},
        EmptyLanguage,
        "no text of the grammar fills the block of 2 tokens\n"
        "a later block must have room to complete the text: pass a larger budget",
    ),
    (
        {"logits": torch.tensor([[0.0, 0, 0, 0], [0, math.nan, 0, math.nan]])},
        BadBlock,
        "at position 1 of the block the logits are NaN for 2 of 4 tokens\n"
        "Half precision overflows so: load the model with dtype='float32' or 'bfloat16', and check its weights.",
    ),
    (
        {"logits": torch.tensor([[0.0, math.inf, 0, 0]])},
        BadBlock,
        "at position 0 of the block the logits are +inf for 1 of 4 tokens\n"
        "Half precision overflows so: load the model with dtype='float32' or 'bfloat16', and check its weights.",
    ),
    ({"logits": torch.zeros(2, 3)}, VocabularyMismatch, "the logits are 3 wide, the vocabulary has 4 ids"),
    (
        {"logits": torch.zeros(4)},
        ValueError,
        "logits must be floats (L, V) or (B, L, V), L >= 1, not torch.float32 (4,)",
    ),
    ({"fixed": {2: A}}, ValueError, "fixed names position 2 of a block of 2"),
    ({"fixed": {0: 4}}, ValueError, "fixed has token 4 at position 0, the logits have 4 ids"),
    ({"tail": "none"}, ValueError, "tail must be 'unscored' or 'scored', not 'none'"),
    ({"end": "closed"}, ValueError, "end must be 'accept', 'eos' or 'open', not 'closed'"),
    ({"budget": 3}, ValueError, "budget says how an open end may be completed: pass end='open', not 'accept'"),
    (
        {"logits": torch.zeros(2, 2, 4), "fixed": [{}, {}, {}]},
        ValueError,
        "fixed must be one for all blocks or one for each of the 2, not 3",
    ),
]


@pytest.mark.parametrize(("options", "kind", "message"), WRONG)
def test_what_is_refused(options, kind, message):
    given = {"regex": "[abc]*", "logits": torch.zeros(2, 4)} | options
    with pytest.raises(kind) as caught:
        Lattice(constraint(given.pop("regex")), given.pop("logits"), **given)
    assert str(caught.value) == message


def test_what_cannot_be_committed_is_refused():
    lattice = Lattice(constraint("ab|ba"), torch.zeros(2, 4))
    assert law(lattice.commit({0: A})) == {"ab": 1}
    with pytest.raises(EmptyLanguage):
        lattice.commit({0: C})
    with pytest.raises(ValueError, match="fixed names position 7 of a block of 2"):
        lattice.commit({7: C})
    assert law(lattice) == pytest.approx({"ab": 0.5, "ba": 0.5})


def test_real_tokens_that_cut_characters():
    """é+ in every spelling: as the bytes of é, as é, and as éé."""
    e = "é".encode()
    vocabulary = gcd.Vocabulary([e[:1], e[1:], e, e + e, e[1:] + e[:1], b""], eos_token_ids=[5])
    lattice = Lattice(constraint("é+", vocabulary), torch.zeros(3, 6))
    strings = {tuple(t) for t in law_of(lattice)}
    texts = [vocabulary.decode([t for t in s if t != 5]) for s in strings]
    assert all(text.decode().strip("é") == "" for text in texts)
    assert {(0, 4, 1), (2, 5, 5), (3, 2, 3), (0, 1, 3)} <= strings
    assert lattice.log_z.item() == pytest.approx(
        math.log(sum(6.0 ** -(len(s) - s.count(5) + (5 in s)) for s in strings))
    )


@pytest.mark.parametrize("seed", range(25))
def test_the_torch_operations_of_other_devices_say_what_the_kernels_say(seed):
    """The slow twin, which is also what runs where the logits are on a GPU."""
    block = random_block(seed)
    if 0 not in block.alive:
        return
    constraint = block.constraint()
    try:
        row = block.lattice(constraint)._rows[0]
    except EmptyLanguage:
        assert not list(block.strings())
        return
    by_rows, totals = row.emissions.set_sums, row.emissions.totals.copy()
    by_torch = row.emissions._on_device()
    assert by_torch == pytest.approx(by_rows, abs=1e-12)
    assert row.emissions.totals == pytest.approx(totals, abs=1e-12)
    log_z = row.sums.torch_log_z(torch.from_numpy(by_torch))
    assert log_z.item() == pytest.approx(row.sums.log_z, abs=1e-12)
    contexts = row.sums.contexts()
    by_rows, by_torch = row.emissions.gradient(contexts, 0.5), row.emissions._gradient_on_device(contexts, 0.5)
    torch.testing.assert_close(by_torch, by_rows, rtol=0, atol=1e-12)


@pytest.mark.parametrize("spread", [1, 300, 3000])
def test_what_underflows_is_summed_again(spread):
    """Weights of states and sets so far apart that their exponentials are 0: beside logarithms all the way."""
    generator = torch.Generator().manual_seed(spread)
    logits = spread * torch.randn(12, 4, generator=generator, dtype=torch.float64)
    c = constraint("(a|bb|cab)*(c|ba)?")
    row = Lattice(c, logits, normalize=False)._rows[0]
    tree = Tree(row.sums, 10_000)
    assert np.logaddexp.reduce(tree.levels[-1][0, tree.start]) == pytest.approx(row.sums.log_z, rel=1e-14)
    weights = torch.from_numpy(row.emissions.set_sums).requires_grad_()
    log_z = row.sums.torch_log_z(weights)
    assert row.sums.log_z == pytest.approx(log_z.item(), rel=1e-14)
    (taken,) = torch.autograd.grad(log_z, weights)
    shares = (torch.from_numpy(row.sums.contexts()) + weights.detach()).exp()
    torch.testing.assert_close(shares, taken, rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("seed", range(10))
def test_logits_on_a_gpu(seed):
    block = random_block(seed)
    if 0 not in block.alive or not list(block.strings()):
        return
    c, there = block.constraint(), block.logits.cuda().requires_grad_()
    here, gpu = block.lattice(c), block.lattice(c, logits=there)
    assert gpu.log_z.item() == pytest.approx(here.log_z.item(), abs=1e-9)
    torch.testing.assert_close(gpu.marginals().to_dense(), here.marginals().to_dense(), rtol=0, atol=1e-9)
    assert torch.equal(gpu.k_best(5)[0], here.k_best(5)[0])
    generators = (torch.Generator().manual_seed(seed) for _ in range(2))
    drawn = [lattice.sample(5, generator=g) for lattice, g in zip((here, gpu), generators, strict=True)]
    assert torch.equal(*drawn)
    (gradient,) = torch.autograd.grad(gpu.log_z, there)
    logits = block.logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(block.lattice(c, logits=logits).log_z, logits)
    torch.testing.assert_close(gradient.cpu(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("wanted", "states"),
    [
        ({"regex": "(ab)*c{3,90}"}, 65_536),
        ({"schema": {"type": "array", "items": {"type": "string", "maxLength": 40}}}, 65_536),
        ({"schema": {}}, 4096),
        ({"schema": {"$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"}}, 4096),
        ({"grammar": 'start: "(" start ")" |'}, 4096),
        ({"grammar": "start: a b\na: b\nb: c c\nc: /x+/"}, 65_536),
    ],
)
def test_how_many_states_are_listed(wanted, states):
    vocabulary = gcd.Vocabulary([*(bytes([i]) for i in range(256)), b""], eos_token_ids=[256])
    c = gcd.compile(tokenizer=vocabulary, **wanted)
    assert BlockLimits().states_of(c) == states
    assert BlockLimits(states=7).states_of(c) == 7


def test_arrays_whose_items_must_differ_are_refused():
    vocabulary = gcd.Vocabulary([b"[", b"]", b",", b"1", b""], eos_token_ids=[4])
    schema = {"type": "array", "items": {"const": 1}, "uniqueItems": True}
    with pytest.raises(UnsupportedFeature) as caught:
        Lattice(gcd.compile(schema=schema, whitespace="compact", tokenizer=vocabulary), torch.zeros(3, 5))
    assert str(caught.value) == (
        "arrays whose items must differ (uniqueItems) are not supported in blocks of diffusion models\n"
        "leave out uniqueItems, or use a model that writes from left to right"
    )
