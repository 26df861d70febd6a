"""The laws of a Lattice, checked for one block against the list of all its strings."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from block_cases import Block

from gcd.diffusion.best_first import best_string
from gcd.diffusion.lattice import Lattice
from grammars.errors import EmptyLanguage
from tokenizer_align.constraint import Constraint

__all__ = ["CLOSE", "check"]

CLOSE = 1e-9


def check(block: Block, **options: object) -> Counter[str]:
    listed = {tokens: (weight, scored) for tokens, weight, scored in block.strings()}
    try:
        constraint = block.constraint()
        lattice = block.lattice(constraint, **options)
    except EmptyLanguage:
        assert not listed, "EmptyLanguage, but there are strings"
        if 0 in block.alive:
            with pytest.raises(EmptyLanguage):
                search(block, constraint)
        return Counter(empty=1)
    assert listed, "no EmptyLanguage, but there are no strings"
    weights = torch.tensor([weight for weight, _ in listed.values()], dtype=torch.float64)
    log_z = weights.logsumexp(0)
    law = (weights - log_z).exp()
    assert lattice.log_z.item() == pytest.approx(log_z.item(), abs=CLOSE)

    length, width = block.logits.shape
    expected = torch.zeros(length, width, dtype=torch.float64)
    for tokens, probability in zip(listed, law, strict=True):
        expected[torch.arange(length), torch.tensor(tokens)] += probability
    marginals = lattice.marginals().to_dense()
    torch.testing.assert_close(marginals, expected, rtol=0, atol=CLOSE)
    torch.testing.assert_close(marginals.sum(1), torch.ones(length).double(), rtol=0, atol=CLOSE)
    for i in range(length):
        torch.testing.assert_close(lattice.position_marginals(i), expected[i], rtol=0, atol=CLOSE)

    entropy = -(law * (weights - log_z)).sum()
    assert lattice.entropy().item() == pytest.approx(entropy.item(), abs=CLOSE)
    assert lattice.kl().item() == pytest.approx(divergence(block, listed, law), abs=1e-8)

    best = sorted(listed, key=lambda tokens: -listed[tokens][0])[:5]
    token_ids, logprobs = lattice.k_best(5)
    assert [tuple(t) for t in token_ids.tolist()] == best
    assert logprobs.tolist() == pytest.approx([listed[t][0] for t in best], abs=CLOSE)
    assert tuple(lattice.map()[0].tolist()) == best[0]
    found, logprob = search(block, constraint)
    assert (tuple(found.tolist()), logprob.item()) == (best[0], pytest.approx(listed[best[0]][0], abs=CLOSE))
    drawn = lattice.sample(20, generator=torch.Generator().manual_seed(block.seed))
    assert {*map(tuple, drawn.tolist())} <= listed.keys()
    check_gradient(block, constraint, listed, law, **options)
    check_commit(block, constraint, lattice, listed, **options)
    return Counter(
        {"strings": len(listed), "fixed": bool(block.fixed), block.tail: 1, block.end: 1}
        | {"impossible tokens": bool((block.logits == -math.inf).any())}
    )


def search(block: Block, constraint: Constraint) -> tuple[torch.Tensor, torch.Tensor]:
    return best_string(
        constraint, block.logits, fixed=block.fixed, tail=block.tail, end=block.end, normalize=block.normalize
    )


def divergence(block: Block, listed: dict[tuple[int, ...], tuple[float, int]], law: torch.Tensor) -> float:
    """KL(q || p), term by term: p is the product of the model's own laws of what is scored and not fixed."""
    own = block.logits.double().log_softmax(-1)
    total = 0.0
    for (tokens, (_, scored)), q in zip(listed.items(), law.tolist(), strict=True):
        log_p = sum(own[i, tokens[i]].item() for i in range(scored) if i not in block.fixed)
        total += q * (math.log(q) - log_p) if q > 0 else 0.0
    return total


def check_gradient(
    block: Block,
    constraint: Constraint,
    listed: dict[tuple[int, ...], tuple[float, int]],
    law: torch.Tensor,
    **options: object,
) -> None:
    logits = block.logits.clone().requires_grad_()
    block.lattice(constraint, logits=logits, **options).log_z.backward()
    expected = torch.zeros_like(block.logits)
    own = block.logits.softmax(-1)
    for (tokens, (_, scored)), q in zip(listed.items(), law, strict=True):
        for i in range(scored):
            if i not in block.fixed:
                expected[i, tokens[i]] += q
                expected[i] -= q * own[i] if block.normalize else 0.0
    torch.testing.assert_close(logits.grad, expected, rtol=0, atol=CLOSE)


def check_commit(
    block: Block,
    constraint: Constraint,
    lattice: Lattice,
    listed: dict[tuple[int, ...], tuple[float, int]],
    **options: object,
) -> None:
    """Fixing two tokens of a string afterwards is the law given these tokens, and fixing them at once."""
    tokens = lattice.sample(1, generator=torch.Generator().manual_seed(block.seed))[0].tolist()
    more = {i: tokens[i] for i in (len(tokens) // 2, len(tokens) - 1)}
    options["end_logprob"] = lattice.end_logprob_with(more)
    after, anew = lattice.commit(more), block.lattice(constraint, fixed={**block.fixed, **more}, **options)
    assert after.log_z.item() == pytest.approx(anew.log_z.item(), abs=1e-12)
    assert torch.equal(after.k_best(3)[0], anew.k_best(3)[0])
    torch.testing.assert_close(after.marginals().to_dense(), anew.marginals().to_dense(), rtol=0, atol=1e-12)
    if block.tail == "unscored" and len(block.vocabulary.eos_token_ids) > 1:
        return  # padding is written as one EOS token and given as any
    left = {string: weight for string, (weight, _) in listed.items() if all(string[i] == t for i, t in more.items())}
    shares = torch.tensor([*left.values()], dtype=torch.float64).softmax(0)
    expected = torch.zeros(len(tokens), block.logits.shape[1], dtype=torch.float64)
    for string, share in zip(left, shares, strict=True):
        expected[torch.arange(len(tokens)), torch.tensor(string)] += share
    torch.testing.assert_close(after.marginals().to_dense(), expected, rtol=0, atol=CLOSE)
