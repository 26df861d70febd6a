"""infill: a masked diffusion model fills the holes of a text, whose lengths are drawn too.

Place in the walk: beside `loops.py`, which fills canvases of a known length. Each combination of lengths is a canvas of
its own that the model is asked for; its lattice says exactly how likely the model's own canvas is to be a text of the
grammar, Z(lengths). So lengths have the law Z(lengths) / (the sum of all Z), and the text is decoded given them. A
canvas that no text fits is never shown to the model. Lengths are *not* searched: all are listed, or refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, TypeAlias

import torch

from gcd.diffusion.lattice import Lattice
from gcd.diffusion.loops import Decoding, decode
from gcd.diffusion.policies import Policy
from gcd.diffusion.predictor import Denoiser
from gcd.diffusion.token_automaton import BlockLimits
from gcd.prompts import encode_text
from grammars.errors import EmptyLanguage, LimitExceeded
from tokenizer_align.constraint import Constraint

__all__ = ["Hole", "Infilling", "infill"]

ROWS = 8
"""The canvases that the model sees at once while lengths are weighed."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A gap of `fewest` to `most` tokens; `Hole(3, 3)` has three."""

    fewest: int
    most: int

    def __post_init__(self) -> None:
        if not 0 <= self.fewest <= self.most:
            raise ValueError(f"a hole has 0 <= fewest <= most tokens, not {self.fewest} to {self.most}")


Part: TypeAlias = str | Sequence[int] | Hole
"""A text, the ids of its tokens, or a gap."""
Lengths: TypeAlias = tuple[int, ...]
"""The tokens in each hole."""


@dataclass(frozen=True, slots=True)
class Infilling:
    """One text whose holes are filled."""

    lengths: Lengths
    holes: tuple[bytes, ...]
    """What stands in each hole."""
    decoding: Decoding
    """The whole text. Its calls of the model are counted from those that weighed the lengths."""
    length_law: Mapping[Lengths, float]
    """The probability of each combination of lengths; one that no text has is left out."""


def infill(
    model: Denoiser,
    constraint: Constraint,
    parts: Sequence[Part],
    *,
    mask_token_id: int,
    prompt: Sequence[int] = (),
    method: Literal["exact", "dingo"] = "exact",
    policy: Policy | None = None,
    steps: int | None = None,
    n: int = 1,
    temperature: float = 1.0,
    prior: Callable[[Lengths], float] | None = None,
    canvas_length: int | None = None,
    most_canvases: int = 256,
    seed: int | None = None,
    limits: BlockLimits | None = None,
) -> list[Infilling]:
    """n texts that consist of the parts, each a string of the constraint.

    - `parts`: texts, ids of tokens, and holes. A text is spelled by `model.tokenizer` where there is one, else by the
      longest tokens from left to right. Tokens in holes are neither EOS nor masks.
    - `method`: "exact" draws lengths from their law, then commits parts of draws; "dingo" takes the lengths of the most
      probable string of all canvases, then commits parts of such strings. With `steps=1` lengths and text are jointly
      exact: of the law prior(lengths) p(text | lengths) restricted to the grammar, or its most probable one.
    - `prior`: weights >= 0 of lengths, on any scale; by default all are equally likely before the model is asked.
    - `canvas_length`: shorter texts are shown to the model with EOS behind them up to so many tokens, as most models
      are taught; by default as many as `model.canvas_length`, where there is that. Padding is given, not predicted.
    - `most_canvases`: how many combinations of lengths there may be; each is a row for the model.
    - `policy`, `steps`, `temperature`: those of `decode`.

    >>> constraint = gcd.compile(regex="x(a|bb)y", tokenizer=vocabulary)
    >>> infill(model, constraint, ["x", Hole(0, 2), "y"], mask_token_id=5, seed=1)[0].holes
    (b'bb',)

    Raises EmptyLanguage before the model is asked where no text has the parts, LimitExceeded for more combinations,
    ValueError for a part that no tokens spell, and what `Lattice` raises.
    """
    if method not in ("exact", "dingo"):
        raise ValueError(f"method must be 'exact' or 'dingo', not {method!r}")
    if n < 1 or most_canvases < 1:
        raise ValueError("n and most_canvases must be at least 1")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be a number > 0, not {temperature}: method='dingo' is its limit")
    pieces = [p if isinstance(p, Hole) else _spelled(p, model, constraint, mask_token_id) for p in parts]
    padded = getattr(model, "canvas_length", None) if canvas_length is None else canvas_length
    scales = _Scales(model, constraint, mask_token_id, [*prompt], temperature, method == "dingo", limits)
    eos = constraint.vocabulary.eos_token_ids[0]
    canvases = [c for c in _canvases(pieces, most_canvases, padded or 0, eos) if scales.is_possible(c)]
    if not canvases:
        raise EmptyLanguage(
            "no text of the grammar has these parts, whatever the lengths of the holes",
            hint="let the holes be longer; they are filled with whole tokens, and so are the parts",
        )
    found = scales.weigh(canvases)
    priors = torch.tensor([1 if prior is None else prior(c.lengths) for c in canvases], dtype=torch.float64)
    if not (priors.isfinite() & (priors >= 0)).all():
        raise ValueError(f"prior must give finite weights >= 0, not {priors.tolist()}")
    log_z, log_best = priors.log() + torch.tensor(found, dtype=torch.float64).T
    if log_z.max() == -torch.inf:
        raise EmptyLanguage(
            "the model or the prior gives probability 0 to every text of the grammar that has these parts",
            hint="let the holes have other lengths",
        )
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    law = log_z.softmax(0)
    if method == "dingo":
        drawn = [int(log_best.argmax())] * n
    else:
        drawn = torch.multinomial(law, n, replacement=True, generator=generator).tolist()
    shown = {c.lengths: p for c, p in zip(canvases, law.tolist(), strict=True) if p > 0}
    made = dict[int, list[Decoding]]()
    for i in dict.fromkeys(drawn):
        canvas, count = canvases[i], drawn.count(i)
        made[i] = [Decoding((), b"", (), 0, 0.0)] * count if not canvas.size else decode(
            scales.without_eos, constraint, canvas.size, mask_token_id=mask_token_id, prompt=prompt, method=method,
            policy=policy, steps=steps, n=count, temperature=temperature, fixed=canvas.fixed, limits=limits,
            seed=int(torch.randint(2**62, (), generator=generator)),
        )  # fmt: skip
    return [_infilling(canvases[i], made[i].pop(), scales.calls, constraint, shown) for i in drawn]


@dataclass(frozen=True, slots=True)
class _Canvas:
    """One combination of lengths: the tokens that are given, by position, and where each hole begins."""

    lengths: Lengths
    begins: tuple[int, ...]
    fixed: dict[int, int]
    size: int


def _canvases(pieces: Sequence[list[int] | Hole], most: int, padded: int, eos: int) -> list[_Canvas]:
    """A canvas for each combination of lengths, in their order; raises LimitExceeded for more than `most`."""
    ranges = [range(p.fewest, p.most + 1) for p in pieces if isinstance(p, Hole)]
    if (count := math.prod(map(len, ranges))) > most:
        raise LimitExceeded(
            f"the holes have {count:,} combinations of lengths, each a canvas for the model, and {most:,} are allowed",
            hint="give the holes narrower bounds; in Python most_canvases= allows more",
        )
    made = list[_Canvas]()
    for lengths in product(*ranges):
        left, begins, fixed, size = iter(lengths), list[int](), dict[int, int](), 0
        for piece in pieces:
            if isinstance(piece, Hole):
                begins.append(size)
                size += next(left)
            else:
                fixed.update(enumerate(piece, size))
                size += len(piece)
        fixed.update(dict.fromkeys(range(size, padded), eos))
        made.append(_Canvas(lengths, (*begins,), fixed, max(size, padded)))
    return made


def _spelled(part: str | Sequence[int], model: Denoiser, constraint: Constraint, mask: int) -> list[int]:
    """The token ids of a part that is given."""
    if not isinstance(part, str):
        if mask in part:
            raise ValueError(f"a part has the mask, token {mask}: write a Hole(fewest, most) there")
        return [*part]
    tokenizer, vocabulary = getattr(model, "tokenizer", None), constraint.vocabulary
    if hasattr(tokenizer, "encode"):
        own = encode_text(tokenizer, part, special=False)
        if vocabulary.decode(own) == part.encode():
            return own
    longest = vocabulary.greedy(part.encode())
    if longest is None:
        raise ValueError(f"no tokens of the vocabulary spell the part {part!r}")
    return longest


@dataclass(slots=True)
class _Scales:
    """What says of canvases how likely the model's own ones are to be texts."""

    model: Denoiser
    constraint: Constraint
    mask: int
    prompt: list[int]
    temperature: float
    wants_best: bool
    limits: BlockLimits | None
    calls: int = 0

    def is_possible(self, canvas: _Canvas) -> bool:
        """Whether any text of the grammar fills it."""
        if not canvas.size:
            return self.constraint.is_accepting(self.constraint.start)
        return self._lattice(canvas, torch.zeros(canvas.size, self.constraint.vocabulary.size)) is not None

    def weigh(self, canvases: Sequence[_Canvas]) -> list[tuple[float, float]]:
        """log Z of each, and the log-probability of its best string where that is wanted, else 0."""
        found = {c.lengths: (0.0, 0.0) for c in canvases}  # as it is without a token
        for size in sorted({c.size for c in canvases} - {0}):
            alike = [c for c in canvases if c.size == size]
            for first in range(0, len(alike), ROWS):
                batch = alike[first : first + ROWS]
                ids = [[*self.prompt, *(c.fixed.get(i, self.mask) for i in range(size))] for c in batch]
                with torch.no_grad():
                    logits = self.model(torch.tensor(ids))[:, len(self.prompt) :]
                self.calls += 1
                for canvas, row in zip(batch, logits, strict=True):
                    found[canvas.lengths] = self._weight(canvas, row)
        return [found[c.lengths] for c in canvases]

    def _weight(self, canvas: _Canvas, logits: torch.Tensor) -> tuple[float, float]:
        own = _barred(logits, [self.mask]).double().log_softmax(-1)
        lattice = self._lattice(canvas, own / self.temperature)
        if lattice is None:
            return -math.inf, -math.inf
        return float(lattice.log_z), float(lattice.map()[1]) if self.wants_best else 0.0

    def _lattice(self, canvas: _Canvas, weights: torch.Tensor) -> Lattice | None:
        """Of weights that are not normalised once more without EOS; None where there is no string."""
        without = _barred(weights, self.constraint.vocabulary.eos_token_ids)
        try:
            return Lattice(self.constraint, without, fixed=canvas.fixed, normalize=False, limits=self.limits)
        except EmptyLanguage:
            return None

    def without_eos(self, token_ids: torch.Tensor) -> torch.Tensor:
        """The model without EOS: what it thinks of that has been weighed, and holes are as long as they were drawn."""
        return _barred(self.model(token_ids), self.constraint.vocabulary.eos_token_ids)


def _barred(logits: torch.Tensor, token_ids: Sequence[int]) -> torch.Tensor:
    there = [token for token in token_ids if token < logits.shape[-1]]  # `Lattice` says what is too narrow
    return logits.index_fill(-1, torch.tensor(there, dtype=torch.long, device=logits.device), -torch.inf)


def _infilling(
    canvas: _Canvas, one: Decoding, calls: int, constraint: Constraint, law: Mapping[Lengths, float]
) -> Infilling:
    places = zip(canvas.begins, canvas.lengths, strict=True)
    holes = [constraint.vocabulary.decode(one.token_ids[begin : begin + length]) for begin, length in places]
    committed_at = tuple(at if at < 0 else at + calls for at in one.committed_at)
    whole = replace(one, committed_at=committed_at, calls=one.calls + calls)
    return Infilling(canvas.lengths, (*holes,), whole, law)
