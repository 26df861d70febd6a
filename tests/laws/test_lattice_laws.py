"""A lattice is what listing all strings of a block says: sums, best strings, marginals, entropy, divergence, gradients.

GCD_LATTICE_CASES=300 checks that many random blocks, GCD_LATTICE_FIRST=1000 begins at that seed.
"""

from __future__ import annotations

import math
import os
from collections import Counter

import pytest
import torch
from block_cases import random_block
from lattice_laws import check

from gcd.diffusion.lattice import Lattice
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
