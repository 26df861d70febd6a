"""Predictor: what a masked diffusion model says of one block of some canvases.

Place in the walk: model -> **logits of a block** -> Lattice. It puts the prompt before the canvases, asks the model
once a step, and sharpens what it says. It knows no grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

__all__ = ["Denoiser", "Predictor"]

Denoiser: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Token ids (B, T) int64, masked ones among them, -> logits (B, T, V)."""


@dataclass(slots=True)
class Predictor:
    """A model behind a prompt; `calls` counts how often it was asked."""

    model: Denoiser
    prompt: tuple[int, ...]
    mask: int
    temperature: float
    calls: int = 0

    def logits(self, canvases: Sequence[tuple[int, ...]], begin: int, stop: int) -> torch.Tensor:
        """Of positions [begin, stop) of each canvas: (N, stop - begin, V), with -inf for the mask.

        At a temperature other than 1 they are log-probabilities divided by it.
        """
        ids = torch.tensor([[*self.prompt, *canvas] for canvas in canvases])
        with torch.no_grad():
            logits = self.model(ids)[:, len(self.prompt) + begin : len(self.prompt) + stop]
        self.calls += 1
        logits = logits.clone()
        logits[:, :, self.mask] = -torch.inf
        return logits if self.temperature == 1 else logits.double().log_softmax(-1) / self.temperature
