"""A Request -> Samples: prompt, constraint and budget are made ready as for `generate`, then a method draws.

Place in the walk: beside `gcd.run`, whose plan it takes; above `gcd.sampling.aligned`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gcd.errors import GenerationError
from gcd.predicates import AlongText, Both, WhereValue, canonical_of
from gcd.run import Job, Plan, make_plan, read_text
from gcd.sample import Guarantee, Sample, SampleOptions, Samples
from gcd.sampling.aligned.dice import RandomDice, log_sum
from gcd.sampling.aligned.methods import METHODS, Drawn, Target
from gcd.sampling.aligned.targets import open_target

if TYPE_CHECKING:
    from gcd.generate import Request
    from gcd.sampling.aligned.trie import Along, SampleTrie
    from tokenizer_align.constraint import Constraint

__all__ = ["run_samples"]


def run_samples(request: Request, extra: SampleOptions) -> Samples:
    """What `sample` returns."""
    plan = make_plan(request)
    if plan.batched:
        raise ValueError("samples are of one prompt: call gcd.sample once for each")
    job = plan.jobs[0]
    assert job.row is not None
    constraint = job.row.constraint
    target = open_target(
        plan.model, job.prompt_ids, constraint, budget=job.budget, warp=plan.warp,
        where=None if extra.where is None else WhereValue(extra.where, job.wanted, job.tail),
        along=_along(extra, job, plan, constraint), trie=extra.trie,
    )  # fmt: skip
    target = replace(
        target, max_attempts=extra.max_attempts, checks=extra.max_checks, steps=extra.steps, positions=extra.positions,
        width=extra.width, patience=extra.patience, length_power=extra.length_power,
    )  # fmt: skip
    method = METHODS[request.method]
    dice = [RandomDice(job.row.rng) for job in plan.jobs if job.row is not None]
    found: list[Sample] = []
    drawn: list[Drawn] = []
    try:
        for one in method.sampler(target, dice):
            drawn.append(one)
            found.append(_read(one, job, validate=request.validate))
    except GenerationError as error:
        error.add_note(f"(sample {len(found)} of {request.n})")
        raise
    log_z = _log_z(drawn, target.trie)
    return Samples(
        tuple(found), request.method, cast(Guarantee, method.guarantee), target.trie.log_mass, log_z,
        _ess([one.log_weight for one in drawn]), method.kl(drawn, target, log_z),
        _acceptance(drawn, target) if request.method == "mcmc" else None, target.rows.session.tokens,
        len(job.prompt_ids) + sum(one.visited for one in drawn), plan.seed,
        target.trie, job.prompt_ids,
    )  # fmt: skip


def _read(drawn: Drawn, job: Job, *, validate: bool) -> Sample:
    assert job.row is not None
    constraint, token_ids = job.row.constraint, drawn.end.token_ids()
    data = constraint.vocabulary.decode(token_ids)
    text = data[len(job.tail) :].decode("utf-8", "surrogateescape")
    value = read_text(text, data, constraint, job.wanted, validate=validate)
    return Sample(token_ids, text, value, drawn.logprob, drawn.log_weight, drawn.attempts)


def _along(extra: SampleOptions, job: Job, plan: Plan, constraint: Constraint) -> Along | None:
    """What is asked of beginnings: `along=`, `canonical=`, both or nothing."""
    tests: list[Along] = []
    if extra.along is not None:
        tests.append(AlongText(extra.along, constraint.vocabulary, job.tail))
    if extra.canonical:
        given = plan.request.tokenizer
        tokenizer = given if given is not None else getattr(plan.model, "tokenizer", None)
        tests.append(canonical_of(tokenizer, constraint.vocabulary))
    return None if not tests else tests[0] if len(tests) == 1 else Both(*tests)


def _log_z(drawn: Sequence[Drawn], trie: SampleTrie) -> float:
    """What all attempts estimate P(language) at, kept within what is proved; the least without any.

    An estimate that could not exceed `most` has a variance of at most P(language) · most, so each counts by 1 / most.
    The plain mean is carried by the few that began with a loose bound and succeeded all the same.
    """
    pairs = [pair for one in drawn for pair in one.log_estimates]
    low, high = trie.log_mass
    if not pairs:
        return low
    return min(high, max(low, log_sum([value - most for value, most in pairs]) - log_sum([-most for _, most in pairs])))


def _acceptance(drawn: Sequence[Drawn], target: Target) -> float | None:
    steps = len(drawn) * target.steps
    return sum(one.moves for one in drawn) / steps if steps else None


def _ess(log_weights: Sequence[float]) -> float:
    """(Σw)² / Σw²"""
    return math.exp(2 * log_sum(log_weights) - log_sum([2 * w for w in log_weights]))
