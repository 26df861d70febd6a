"""How far the law of a text is from p(. | L): KL(law ‖ p) in nats, from what the attempts of a call estimate.

Place in the walk: below `methods.py`, which says for each method what is asked here; above nothing but numbers. It
draws nothing, and sees only what was drawn: a text that is likely and was never met is missing in an estimate.

`of_attempts`. An attempt that ends in w with weight W has E[W; w] = P(w), so its runs, each counted by its weight over
Z = P(L), have the law p(. | L) of w. Runs that succeed, as they come, are at KL log Z - E[log W | success] -
log P(success) from that, and a part of a run is no farther than the whole (Domke & Sheldon, arXiv 1906.08241). So it is
an upper bound for the part w. Where W is a function of w, as in `mask`, nothing is lost, and it is the KL itself. A
population of `smc` or `awrs` is such an attempt: W is the mean of its weights, w is picked from it by weight.

`of_chain`. `mcmc` with `restart` proposes by `mask`, and what it does depends on weights alone, so its law over p does
too, and KL between laws of texts is KL between laws of weights (Liu, Statistics and Computing 6, 1996). All draws of
`mask` that the chains made are a sample of that law: the chain is run on the sample, exactly, with the mean of the
sample as Z. With the sorted weights W_1 <= .. <= W_n a step from the law l is

    l'_j = l_j (1 - Σ_i min(1, W_i / W_j) / n) + (Σ_{i<=j} l_i + W_j Σ_{i>j} l_i / W_i) / n

where those that failed weigh 0, are proposed and never taken. Other positions propose what no such sample tells of; KL
to what a step leaves alone never grows with it, so zero steps bound any number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gcd.sampling.aligned.dice import log_sum

__all__ = ["of_attempts", "of_chain"]


def of_attempts(log_estimates: Sequence[float], log_z: float) -> float:
    """log Z - E[log W | success] - log P(success), at least 0, from the log W of attempts, -inf for those that failed.

    >>> of_attempts([math.log(0.5), -math.inf, math.log(0.125)], math.log(0.375))
    0.9054651081081644

    Σ_{n<=j<N} 1/j has the expectation -log P(success) where N attempts were made for n of them to succeed; log(N/n)
    has less. Some attempt must have succeeded.
    """
    succeeded = [value for value in log_estimates if value > -math.inf]
    mean = math.fsum(succeeded) / len(succeeded)
    return max(0.0, log_z - mean + math.fsum(1 / j for j in range(len(succeeded), len(log_estimates))))


def of_chain(log_estimates: Sequence[float], steps: int) -> float:
    """KL of the text after some steps of `restart` to what the chain tends to, from the log W of draws of `mask`.

    >>> [round(of_chain([math.log(1), math.log(4)], steps), 4) for steps in (0, 1, 2)]
    [0.2231, 0.0353, 0.0053]

    O(n log n + n · steps). Some draw must have succeeded.
    """
    weights = np.sort([value for value in log_estimates if value > -math.inf])
    size, tried = len(weights), len(log_estimates)
    law = np.full(size, 1 / size)
    # Σ_i min(1, W_i / W_j): what is lighter, with j itself, and as many as are heavier
    stays = 1 - (np.exp(np.logaddexp.accumulate(weights) - weights) + np.arange(size)[::-1]) / tried
    for _ in range(steps):
        heavier = np.logaddexp.accumulate((np.log(law) - weights)[:0:-1])[::-1]
        down = np.append(np.exp(weights[:-1] + heavier), 0.0)
        law = law * stays + (law.cumsum() + down) / tried
    return max(0.0, math.fsum(law * (np.log(law) - weights)) + log_sum(weights.tolist()))
