"""Grammars that nest: a forest says what listed states say, and what listing all strings says.

GCD_FOREST_CASES=2000 compares that many random grammars, GCD_FOREST_FIRST=1000 begins at that seed.
"""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from block_cases import random_block
from lattice_laws import check
from mask_laws import bits, build
from random_grammars import random_case

import gcd
from gcd.diffusion import BlockLimits, Lattice, best_string
from gcd.errors import EmptyLanguage, LimitExceeded, UnsupportedFeature, VocabularyMismatch

CASES = int(os.environ.get("GCD_FOREST_CASES", "30"))
FIRST = int(os.environ.get("GCD_FOREST_FIRST", "0"))

NESTED = BlockLimits(states=0, items=20_000)
"""No state is listed: every block is read as a pushdown automaton."""


def test_a_forest_says_what_listed_states_say() -> None:
    met: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + CASES):
        try:
            met += compare(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    print(dict(met))
    if CASES >= 30:
        assert met["compared"] > 10
        assert min(met["empty"], met["pushes"], met["fixed"], met["budget"]) > 0


def compare(seed: int) -> Counter[str]:
    rng = random.Random(seed)
    try:
        constraint = build(random_case(seed))
    except (EmptyLanguage, UnsupportedFeature, VocabularyMismatch):
        return Counter(["no constraint"])
    state = constraint.start
    for _ in range(rng.randrange(4)):
        tokens = bits(constraint.mask(state)) - {*constraint.vocabulary.eos_token_ids}
        state = constraint.advance(state, rng.choice(sorted(tokens))) if tokens else state
    length, width = rng.randint(1, 5), constraint.vocabulary.size
    logits = 2 * torch.randn(length, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    end = rng.choice(["accept", "eos", "open"])
    options = {
        "start": state, "end": end, "tail": rng.choice(["unscored", "scored"]),
        "budget": rng.choice([None, rng.randrange(6)]) if end == "open" else None,
    }  # fmt: skip
    try:
        listed = Lattice(constraint, logits, limits=BlockLimits(states=100, items=2000), **options)
    except LimitExceeded:
        return Counter(["large"])
    except EmptyLanguage:
        with pytest.raises((EmptyLanguage, LimitExceeded)):
            Lattice(constraint, logits, limits=NESTED, **options)
        with pytest.raises(EmptyLanguage):
            best_string(constraint, logits, **options)
        return Counter(["empty"])
    if type(listed._rows[0].sums).__name__ == "Forest":
        return Counter(["large"])
    drawn = listed.sample(1, generator=torch.Generator().manual_seed(seed))[0].tolist()
    fixed = {i: token for i, token in enumerate(drawn) if rng.random() < 0.2}
    options |= {"fixed": fixed, "end_logprob": listed.end_logprob_with(fixed)}
    listed = listed.commit(fixed)
    try:
        nested = Lattice(constraint, logits, limits=NESTED, **options)
    except LimitExceeded:
        return Counter(["large"])
    forest = nested._rows[0].sums
    assert type(forest).__name__ == "Forest"
    assert nested.log_z.item() == pytest.approx(listed.log_z.item(), abs=1e-9)
    torch.testing.assert_close(nested.marginals().to_dense(), listed.marginals().to_dense(), rtol=0, atol=1e-9)
    torch.testing.assert_close(nested.ended(), listed.ended(), rtol=0, atol=1e-9)
    for k in (1, 7):
        assert nested.k_best(k)[1].tolist() == pytest.approx(listed.k_best(k)[1].tolist(), abs=1e-9)
        assert nested.k_best(k)[0].tolist() == listed.k_best(k)[0].tolist()
    (token_ids, logprob), (best, most) = best_string(constraint, logits, **options), nested.map()
    assert (token_ids.tolist(), logprob.item()) == (best.tolist(), pytest.approx(most.item(), abs=1e-9))
    for row in nested.sample(5, generator=torch.Generator().manual_seed(seed)).tolist():
        assert listed.commit(dict(enumerate(row))).log_z.isfinite()
    met = Counter(["compared", *(["fixed"] if fixed else []), *(["budget"] if options["budget"] is not None else [])])
    return met + Counter(pushes=int((forest.plan.right >= 0).any()))


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_regular_languages_are_the_special_case(first: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + 5):
        met += check(random_block(seed, most_length=4), limits=NESTED)
    assert met["strings"] > 0


DYCK = gcd.Vocabulary([b"(", b")", b"[", b"]", b"()", b")(", b"([", b"]]", b"]()", b""], eos_token_ids=[9])


@pytest.fixture(scope="module")
def dyck() -> gcd.Constraint:
    return gcd.compile(grammar='start: s\ns: ("(" s ")" s | "[" s "]" s)?', tokenizer=DYCK)


def words(length: int, width: int, text: bytes = b"", so_far: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """All balanced strings of so many of the first tokens, by the definition."""
    before = None
    while before != text:
        before, text = text, text.replace(b"()", b"").replace(b"[]", b"")
    if set(text) & set(b")]"):
        return
    if len(so_far) == length:
        if not text:
            yield so_far
        return
    for token in range(width):
        yield from words(length, width, text + DYCK.tokens[token], (*so_far, token))


def uniform(length: int, width: int = 4) -> torch.Tensor:
    logits = torch.full((length, DYCK.size), -math.inf, dtype=torch.float64)
    logits[:, :width] = 0
    return logits


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_tokens_that_pop_and_push_several_frames(dyck: gcd.Constraint, length: int) -> None:
    logits = uniform(length, 9)
    logits[:, :9] = torch.randn(length, 9, generator=torch.Generator().manual_seed(length), dtype=torch.float64)
    lattice = Lattice(dyck, logits, normalize=False, limits=NESTED)
    listed = {word: sum(logits[i, t].item() for i, t in enumerate(word)) for word in words(length, 9)}
    weights = torch.tensor(list(listed.values()), dtype=torch.float64)
    assert lattice.log_z.item() == pytest.approx(weights.logsumexp(0).item(), abs=1e-9)
    expected = torch.zeros(length, DYCK.size, dtype=torch.float64)
    for word, share in zip(listed, (weights - weights.logsumexp(0)).exp(), strict=True):
        expected[torch.arange(length), torch.tensor(word)] += share
    torch.testing.assert_close(lattice.marginals().to_dense(), expected, rtol=0, atol=1e-9)
    best = sorted(listed, key=lambda word: -listed[word])[:5]
    assert [tuple(t) for t in lattice.k_best(5)[0].tolist()] == best
    assert tuple(lattice.map()[0].tolist()) == best[0]


@pytest.mark.parametrize(("length", "log_z"), [(8, math.log(224 / 4**8)), (24, -12.707947), (64, -27.986356)])
def test_balanced_brackets_are_as_many_as_there_are(length: int, log_z: float) -> None:
    """Catalan(L / 2) * 2**(L / 2) of 4**L; a finite automaton for 64 of them has more than 2**32 states."""
    single = gcd.Vocabulary([*DYCK.tokens[:4], b""], eos_token_ids=[4])
    dyck = gcd.compile(grammar='start: s\ns: ("(" s ")" s | "[" s "]" s)?', tokenizer=single)
    lattice = Lattice(dyck, uniform(length)[:, :5])
    assert lattice.log_z.item() == pytest.approx(log_z, abs=1e-6)
    assert lattice.entropy().item() == pytest.approx(lattice.log_z.item() + length * math.log(4), abs=1e-6)
    for row in lattice.sample(20, generator=torch.Generator().manual_seed(length)).tolist():
        assert is_balanced(row)


def is_balanced(tokens: list[int]) -> bool:
    stack = list[int]()
    for token in tokens:
        if token % 2 == 0:
            stack.append(token)
        elif not stack or stack.pop() != token - 1:
            return False
    return not stack


def test_one_kind_of_brackets() -> None:
    vocabulary = gcd.Vocabulary([b"(", b")", b""], eos_token_ids=[2])
    c = gcd.compile(grammar='start: s\ns: ("(" s ")" s)?', tokenizer=vocabulary)
    logits = torch.tensor([0.0, 0.0, -math.inf]).expand(64, 3)
    assert Lattice(c, logits[:24]).log_z.item() == pytest.approx(-4.390181, abs=1e-6)
    assert Lattice(c, logits, limits=NESTED).log_z.item() == pytest.approx(-5.805647, abs=1e-6)


def test_draws_of_brackets_are_uniform(dyck: gcd.Constraint) -> None:
    draws = int(os.environ.get("GCD_FOREST_DRAWS", "20000"))
    lattice = Lattice(dyck, uniform(8), limits=NESTED)
    counts = Counter(map(tuple, lattice.sample(draws, generator=torch.Generator().manual_seed(0)).tolist()))
    assert len(counts) == 224
    assert sum(abs(count / draws - 1 / 224) for count in counts.values()) / 2 < 0.05


def test_gaps_that_are_too_short_are_refused(dyck: gcd.Constraint) -> None:
    opened = dict.fromkeys(range(4), 0)
    for limits in (NESTED, BlockLimits()):
        with pytest.raises(EmptyLanguage):
            Lattice(dyck, uniform(5), fixed=opened, limits=limits)
        one = Lattice(dyck, uniform(4), fixed={0: 0, 1: 0}, limits=limits)
        assert one.k_best(9)[0].tolist() == [[0, 0, 1, 1]]


def test_gradients_and_commits_of_a_forest(dyck: gcd.Constraint) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, DYCK.size, generator=generator, dtype=torch.float64).requires_grad_()
    lattice = Lattice(dyck, logits, limits=NESTED)
    assert torch.autograd.gradcheck(lambda x: Lattice(dyck, x, limits=NESTED).log_z, logits)
    with pytest.raises(UnsupportedFeature) as caught:
        torch.autograd.grad(lattice.log_z, logits, create_graph=True)
    assert str(caught.value) == (
        "second derivatives of log Z are not computed for grammars that nest\n"
        "ask for the gradient without create_graph=True"
    )
    word = lattice.map()[0].tolist()
    more = {1: word[1], 4: word[4]}
    after = lattice.commit(more)
    anew = Lattice(dyck, logits, fixed=more, end_logprob=lattice.end_logprob_with(more), limits=NESTED)
    assert after.log_z.item() == pytest.approx(anew.log_z.item(), abs=1e-12)
    assert after.map()[0].tolist() == anew.map()[0].tolist() == word


LIMITS = [
    (BlockLimits(states=0, items=50), "a block of this grammar goes through more than 50 items\n"
     "make the block shorter, or pass limits=BlockLimits(items=...)"),
    (BlockLimits(states=0, steps=50), "a block of this grammar has more than 50 ways from item to item\n"
     "make the block shorter, or pass limits=BlockLimits(steps=...)"),
    (BlockLimits(states=0, tops=2), "blocks of this grammar go through more than 2 configurations, even when what is "
     "further down their stacks is left out\n"
     "make the grammar less ambiguous, the block shorter, or pass limits=BlockLimits(tops=...)"),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "message"), LIMITS)
def test_limits(dyck: gcd.Constraint, limits: BlockLimits, message: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        Lattice(dyck, uniform(8), limits=limits)
    assert str(caught.value) == message


def test_short_blocks_are_listed_after_long_ones(dyck: gcd.Constraint) -> None:
    """A constraint is read as a pushdown automaton only where its states cannot be listed."""
    limits = BlockLimits(states=40)
    kinds = [type(Lattice(dyck, uniform(length), limits=limits)._rows[0].sums).__name__ for length in (8, 2, 8)]
    assert kinds == ["Forest", "Chain", "Forest"]


def test_threads_share_what_is_known(dyck: gcd.Constraint) -> None:
    """Blocks of many lengths at once, whose automata grow under one another."""
    lengths = [2, 4, 6, 8, 5, 3] * 3

    def log_z(length: int) -> float:
        return Lattice(dyck, torch.zeros(length, DYCK.size), limits=BlockLimits(states=60)).log_z.item()

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(log_z, lengths))
    assert together == pytest.approx([log_z(length) for length in lengths], abs=1e-9)
