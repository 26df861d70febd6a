"""decode_canvases: a model without masks improves canvases inside a grammar, one after the other.

Place in the walk: model × Constraint -> Lattice -> **tokens**, beside `loops.py`, for DiffusionGemma and its like.
A canvas begins as noise. At each step a string of the grammar is drawn for all of it, its most certain tokens are kept,
as many as an entropy bound admits (2505.24857), and the others are noise again. What is kept at one step may be lost at
the next, so nothing is committed until the canvas is finished: then it is the most probable string of the last step's
law. So every canvas is a text of the grammar or leads to one, and the model never sees the logits of a grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch

from gcd.diffusion.lattice import Lattice
from gcd.diffusion.loops import Decoding
from gcd.diffusion.token_automaton import BlockLimits
from tokenizer_align.constraint import Constraint

__all__ = ["CanvasModel", "CanvasSession", "decode_canvases"]


class CanvasSession(Protocol):
    """The canvases behind one prompt."""

    def denoise(self, canvas: torch.Tensor, temperature: float) -> torch.Tensor: ...
    def finish(self, token_ids: Sequence[int]) -> None: ...


class CanvasModel(Protocol):
    """What improves canvases; `temperatures` are those of the first and the last step."""

    canvas_length: int
    temperatures: tuple[float, float]

    def open_canvases(self, prompt: Sequence[int]) -> CanvasSession: ...


def decode_canvases(
    model: CanvasModel,
    constraint: Constraint,
    length: int,
    *,
    prompt: Sequence[int] = (),
    method: Literal["exact", "dingo"] = "exact",
    steps: int = 48,
    entropy_bound: float = 0.1,
    confidence: float = 0.005,
    temperature: float = 1.0,
    seed: int | None = None,
    limits: BlockLimits | None = None,
) -> Decoding:
    """A text of at most `length` tokens, in as many canvases as that takes.

    - `method`: which string the kept tokens are from: one that is drawn, or the most probable one.
    - `steps`: the most calls of the model a canvas; it is finished earlier where two steps have the same most probable
      string and the model's own mean entropy is below `confidence` nats.
    - `entropy_bound`: the most certain tokens are kept whose entropies, given the grammar and without the last one's,
      sum up to at most so many nats.
    - `temperature` sharpens the law of whole strings beyond the model's own temperatures.

    Raises EmptyLanguage before the model is asked where no text fits, and what `Lattice` raises.
    """
    if length < 1 or steps < 1:
        raise ValueError("length and steps must be at least 1")
    vocabulary, size = constraint.vocabulary, model.canvas_length
    eos = vocabulary.eos_token_ids[0]
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    state, made, calls = constraint.start, list[int](), 0
    session = model.open_canvases(prompt)
    while len(made) < length and not (made and constraint.is_terminated(state)):
        left = length - len(made) - size  # for later canvases; what goes beyond the length is EOS
        behind = dict.fromkeys(range(size + left, size), eos) if left < 0 else {}
        options: dict[str, Any] = {"end": "open", "budget": left} if left > 0 else {"end": "accept"}

        def lattice_of(logits: torch.Tensor) -> Lattice:
            return Lattice(
                constraint, logits, fixed=behind, start=state, limits=limits,  # noqa: B023  # called in this round
                normalize=temperature == 1, **options,  # noqa: B023
            )  # fmt: skip

        if not made:
            lattice_of(torch.zeros(size, vocabulary.size))
        canvas = torch.randint(vocabulary.size, (size,), generator=generator)
        best = list[int]()
        for step in range(steps, 0, -1):
            hot, cold = model.temperatures
            logits = session.denoise(canvas, cold + (hot - cold) * step / steps)
            calls += 1
            own = logits.float().log_softmax(-1)
            doubt = -float((own.exp() * own).sum(-1).mean())
            lattice = lattice_of(logits if temperature == 1 else own.double() / temperature)
            before, best = best, lattice.map()[0].tolist()
            if step == 1 or (best == before and doubt < confidence):
                break
            drawn = torch.tensor(best) if method == "dingo" else lattice.sample(1, generator=generator)[0].cpu()
            noise = torch.randint(vocabulary.size, (size,), generator=generator)
            canvas = torch.where(_kept(lattice, size, entropy_bound), drawn, noise)
        session.finish(best)
        for token in best:
            state = constraint.advance(state, token)
        made += best
    made = made[:length]
    return Decoding((*made,), vocabulary.decode(made), (-1,) * len(made), calls, 0.0)


def _kept(lattice: Lattice, size: int, bound: float) -> torch.Tensor:
    """Which positions are kept: the most certain ones given the grammar, until their entropies are over the bound."""
    laws = [lattice.position_marginals(i) for i in range(size)]
    entropy = torch.stack([-law.xlogy(law).sum().cpu() for law in laws])
    ordered, order = entropy.sort()
    kept = torch.zeros(size, dtype=torch.bool)
    kept[order[ordered.cumsum(0) - ordered <= bound]] = True
    return kept
