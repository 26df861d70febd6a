"""A lattice is what listing all strings of a block says: sums, best strings, marginals, entropy, divergence, gradients.

GCD_LATTICE_CASES=300 checks that many random blocks, GCD_LATTICE_FIRST=1000 begins at that seed.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from typing import get_args

import numpy as np
import pytest
import torch
from block_cases import random_block
from lattice_laws import CLOSE, check
from numpy.typing import NDArray

from gcd.diffusion import chain, emissions, tree
from gcd.diffusion.lattice import Draws, Lattice
from grammars.errors import EmptyLanguage

CASES = int(os.environ.get("GCD_LATTICE_CASES", "60"))
FIRST = int(os.environ.get("GCD_LATTICE_FIRST", "0"))
SEEDS = range(FIRST, FIRST + CASES)


def test_sums_are_those_of_the_listed_strings() -> None:
    met: Counter[str] = Counter()
    for seed in SEEDS:
        block = random_block(seed)
        try:
            met += check(block)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {block}") from error
    print(dict(met))
    if CASES >= 60:
        assert met["strings"] > 3000
        assert min(met["empty"], met["fixed"], met["scored"], met["impossible tokens"]) > 2


@pytest.mark.parametrize("seed", [s for s in SEEDS if s % 10 == 0])
def test_derivatives_are_those_of_finite_differences(seed: int) -> None:
    block = random_block(seed, most_states=4, most_length=3)
    try:
        constraint = block.constraint()
        block.lattice(constraint)
    except EmptyLanguage:
        assert not list(block.strings())
        return
    possible = block.logits > -math.inf
    values = block.logits[possible].clone().requires_grad_()

    def log_z(values: torch.Tensor) -> torch.Tensor:
        logits = torch.full_like(block.logits, -math.inf).masked_scatter(possible, values)
        return block.lattice(constraint, logits=logits).log_z

    assert torch.autograd.gradcheck(log_z, values)
    assert torch.autograd.gradgradcheck(log_z, values)


def law_of_draws(lattice: Lattice, method: Draws, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, ...], float]:
    """The law of one draw, exactly: it is made once for every way in which its choices can fall."""
    ahead = list[list[tuple[int, float]]]()  # what is still to be tried of each choice of this draw, with its share
    place, share = 0, 1.0

    def choice(weights: NDArray[np.float64]) -> int:
        nonlocal place, share
        if place == len(ahead):
            shares = np.exp(weights - np.logaddexp.reduce(weights))
            ahead.append([(int(i), float(shares[i])) for i in shares.nonzero()[0]])
        taken, part = ahead[place][-1]
        place, share = place + 1, share * part
        return taken

    def one(weights: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.array([choice(weights) for _ in uniforms])

    def rows(weights: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.array([choice(row) for row in weights.reshape(-1, weights.shape[-1])]).reshape(uniforms.shape)

    for module in (chain, emissions):
        monkeypatch.setattr(module, "invert", one)
    monkeypatch.setattr(tree, "invert_rows", rows)
    law = defaultdict[tuple[int, ...], float](float)
    while True:
        place, share = 0, 1.0
        law[(*lattice.sample(1, method=method)[0].tolist(),)] += share
        while ahead and len(ahead[-1]) == 1:
            ahead.pop()
        if not ahead:
            monkeypatch.undo()
            return law
        ahead[-1].pop()


def test_chain_and_tree_draw_by_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    listed_strings = 0
    for seed in SEEDS:
        block = random_block(seed, most_length=5)
        listed = {tokens: weight for tokens, weight, _ in block.strings()}
        if not listed or len(listed) > 150:
            continue
        weights = torch.tensor([*listed.values()], dtype=torch.float64)
        expected = dict(zip(listed, weights.softmax(0).tolist(), strict=True))
        lattice = block.lattice(block.constraint())
        for method in get_args(Draws):
            assert law_of_draws(lattice, method, monkeypatch) == pytest.approx(expected, abs=CLOSE), (seed, method)
        listed_strings += len(listed)
    print(f"{listed_strings} strings")
    if CASES >= 60:
        assert listed_strings > 10 * CASES


def test_a_batch_is_its_blocks() -> None:
    block = next(b for s in range(100) if (b := random_block(s)).end == "open" and len(b.logits) > 2 and 0 in b.alive)
    constraint = block.constraint()
    logits = torch.stack([block.logits, block.logits.roll(1, 0), block.logits + 1])
    fixed = [{}, {0: 0}, {}]
    batch = Lattice(constraint, logits, fixed=fixed, end="open")
    each = [Lattice(constraint, row, fixed=f, end="open") for row, f in zip(logits, fixed, strict=True)]
    assert batch.log_z.tolist() == [one.log_z.item() for one in each]
    assert torch.equal(batch.map()[0], torch.stack([one.map()[0] for one in each]))
    assert torch.equal(batch.marginals().to_dense(), torch.stack([one.marginals().to_dense() for one in each]))
    assert batch.sample(3).shape == (3, 3, len(block.logits))
    assert [k[1].tolist() for k in batch.k_best(2)] == [one.k_best(2)[1].tolist() for one in each]
