"""Jobs of a diffusion model: a canvas for each text, filled by `gcd.diffusion.decode`.

Place in the walk: beside `gcd.run`, whose plan it takes; above `gcd.diffusion`. It says which arguments of `generate`
go with which kind of model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from gcd.errors import AlignmentError, BudgetTooSmall, GenerationError, GrammarError, PromptError
from gcd.models.protocols import has_no_masks, is_diffusion

if TYPE_CHECKING:
    from gcd.generate import Request
    from gcd.run import Job, Plan
    from tokenizer_align.constraint import Constraint

__all__ = ["canvas_of", "check_kind", "fill_jobs"]

METHODS = ("exact", "trajectory", "dingo", "greedy-mask")
STEPS = 32
"""The calls of the model a block where `steps=` says nothing."""
KNOBS = ("top_k", "top_p", "min_p")
OURS_ALONE = ("steps", "block_length", "block_cache", "policy", "particles")


def check_kind(request: Request, model: object) -> None:
    """Raises ValueError for an argument that the model's kind has no meaning for."""
    if not is_diffusion(model):
        if request.method in METHODS:
            raise ValueError(
                f"method={request.method!r} is for diffusion models, and {type(model).__name__} writes one token after "
                "the other: say method='mask', or method='cars' for exact draws"
            )
        for name in OURS_ALONE:
            if getattr(request, name) is not None:
                raise ValueError(
                    f"{name}= is for diffusion models, and {type(model).__name__} writes one token after the other"
                )
        return
    if request.free:
        raise ValueError(
            f"gcd.sample is for models that write one token after the other, and {type(model).__name__} is a diffusion "
            "model: ask gcd.generate for n= texts"
        )
    if request.method not in ("mask", *METHODS):
        raise ValueError(
            f"method={request.method!r} is for models that write one token after the other, and {type(model).__name__} "
            f"is a diffusion model: say {', '.join(map(repr, METHODS[:-1]))} or {METHODS[-1]!r}"
        )
    if has_no_masks(model):
        _check_canvases(request, model)
    for name in KNOBS:
        if getattr(request, name) is not None:
            raise ValueError(f"{name}= would cut the law of whole strings token by token: use temperature=, or 'dingo'")
    if request.jump_ahead == "canonical":
        raise ValueError("jump_ahead='canonical' is for models that write one token after the other")
    if request.temperature == 0 and request.method == "trajectory":
        raise ValueError("temperature=0 leaves nothing to draw, and method='trajectory' draws: say method='dingo'")


def _check_canvases(request: Request, model: object) -> None:
    """Nothing is committed before a canvas is finished, so there are neither policies nor particles."""
    if request.method in ("trajectory", "greedy-mask"):
        raise ValueError(
            f"method={request.method!r} is for models that commit tokens, and {type(model).__name__} improves whole "
            "canvases: say 'exact' or 'dingo'"
        )
    for name in ("policy", "particles", "block_length", "block_cache"):
        if getattr(request, name) is not None:
            raise ValueError(
                f"{name}= is for models that commit tokens, and {type(model).__name__} improves whole canvases"
            )


def canvas_of(request: Request, prompt_ids: Sequence[int], model: Any, constraint: Constraint) -> int:
    """The positions of the canvas: what was asked for, within what the model fills at once and what the prompt leaves.

    Raises BudgetTooSmall or PromptError where no text fits.
    """
    fewest = constraint.min_tokens_lower_bound(constraint.start)
    if request.max_new_tokens < fewest:
        raise BudgetTooSmall(request.max_new_tokens, fewest + 1, constraint.min_tokens_to_end(constraint.start) + 1)
    canvas = request.max_new_tokens
    if has_no_masks(model):
        pass  # canvases follow one another
    elif request.block_length is None and (most := getattr(model, "canvas_length", None)) is not None:
        canvas = min(canvas, most)
    context = getattr(model, "context_length", None)
    left = canvas if context is None else context - len(prompt_ids)
    if left < max(1, fewest):
        raise PromptError(
            f"the prompt has {len(prompt_ids):,} tokens and the model's context {context:,}: the {max(left, 0):,} that "
            f"are left do not suffice to finish inside the grammar, which takes {max(1, fewest):,} at least"
        )
    return min(canvas, left)


def fill_jobs(plan: Plan, jobs: Sequence[Job]) -> Iterator[None]:
    """Fill the canvas of each job, one after the other: each has its own random numbers, whatever stands beside it."""
    from gcd.diffusion.canvases import decode_canvases
    from gcd.diffusion.loops import decode

    request, model = plan.request, cast(Any, plan.model)
    method = "exact" if request.method == "mask" else request.method
    if method == "exact" and request.temperature == 0:
        method = "dingo"
    for job in jobs:
        row = job.row
        assert row is not None
        block = min(request.block_length or job.budget, job.budget)
        try:
            common: dict[str, Any] = {
                "prompt": job.prompt_ids, "method": method, "temperature": request.temperature or 1.0,
                "seed": int(row.rng.integers(2**63)),
            }  # fmt: skip
            if has_no_masks(model):
                made = decode_canvases(model, row.constraint, job.budget, steps=request.steps or STEPS, **common)
            else:
                (made,) = decode(
                    model, row.constraint, job.budget, mask_token_id=model.mask_token_id,
                    policy=cast(Any, request.policy), steps=min(request.steps or STEPS, block), block_length=block,
                    particles=request.particles or 16, block_cache=request.block_cache, **common,
                )  # fmt: skip
        except (GrammarError, AlignmentError, GenerationError) as error:
            job.error = error
        else:
            ends = row.constraint.vocabulary.eos_token_ids
            row.token_ids += _text_of(made.token_ids, ends)
            row.bound_at = None if row.token_ids[-1] in ends else len(row.token_ids)
            job.calls = made.calls
        row.logprob = row.masked_logprob = math.nan
        row.done = True
        yield


def _text_of(token_ids: Sequence[int], eos_token_ids: Sequence[int]) -> list[int]:
    """The tokens up to EOS, which is one of them; what stands behind it is padding."""
    end = next((i + 1 for i, token in enumerate(token_ids) if token in eos_token_ids), len(token_ids))
    return [*token_ids[:end]]
