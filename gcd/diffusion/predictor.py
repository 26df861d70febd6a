"""Predictor: what a masked diffusion model says of one block of some canvases.

Place in the walk: model -> **logits of a block** -> Lattice. It puts the prompt before the canvases, asks the model
once a step, and sharpens what it says. It knows no grammar.

With a block cache (Fast-dLLM, 2505.22618) only the first step of a block reads whole canvases. What the model made of
the positions before the block ("prefix"), or behind it too ("dual"), is kept for the block's other steps. A model that
looks both ways would make something else of them after each commit, so those steps have other logits than without:
near ones, of which nothing is guaranteed. What is made of them, lattices and all, stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, cast

import torch

from gcd.errors import ModelError

__all__ = ["BlockCache", "Denoiser", "Predictor", "Window", "WindowedDenoiser"]

Denoiser: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Token ids (B, T) int64, masked ones among them, -> logits (B, T, V)."""
BlockCache: TypeAlias = Literal["prefix", "dual"]
Window: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Token ids (N, W) that stand in the window now, each in one of the rows (N,) it was opened in -> logits (N, W, V)."""


class WindowedDenoiser(Protocol):
    """A Denoiser that can keep what it made of all positions outside of a window."""

    def __call__(self, token_ids: torch.Tensor) -> torch.Tensor: ...
    def open_window(self, token_ids: torch.Tensor, begin: int, stop: int) -> tuple[torch.Tensor, Window]:
        """All logits of canvases (B, T), and those of positions [begin, stop) for other tokens there.

        The positions outside keep the keys and values that they have with these tokens.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Opened:
    """A window that begins where the block does; `rows` says which canvas had which tokens before it."""

    begin: int
    stop: int
    window: Window
    rows: dict[tuple[int, ...], int]


@dataclass(slots=True)
class Predictor:
    """A model behind a prompt; `calls` counts how often it was asked.

    Raises ModelError for a block cache that the model does not offer.
    """

    model: Denoiser
    prompt: tuple[int, ...]
    mask: int
    temperature: float
    cache: BlockCache | None = None
    calls: int = 0
    _opened: _Opened | None = None

    def __post_init__(self) -> None:
        if self.cache is not None and not hasattr(self.model, "open_window"):
            raise ModelError(
                f"block_cache={self.cache!r} is for models that keep keys and values around a window of positions, and "
                f"{type(self.model).__name__} has no open_window(token_ids, begin, stop): leave block_cache= out"
            )

    def logits(self, canvases: Sequence[tuple[int, ...]], begin: int, stop: int) -> torch.Tensor:
        """Of positions [begin, stop) of each canvas: (N, stop - begin, V), with -inf for the mask.

        At a temperature other than 1 they are log-probabilities divided by it.
        """
        with torch.no_grad():
            logits = (self._all if self.cache is None else self._kept)(canvases, begin, stop).clone()
        self.calls += 1
        logits[:, :, self.mask] = -torch.inf
        return logits if self.temperature == 1 else logits.double().log_softmax(-1) / self.temperature

    def _all(self, canvases: Sequence[tuple[int, ...]], begin: int, stop: int) -> torch.Tensor:
        return self.model(self._read(canvases))[:, len(self.prompt) + begin : len(self.prompt) + stop]

    def _kept(self, canvases: Sequence[tuple[int, ...]], begin: int, stop: int) -> torch.Tensor:
        """The same from a window, which the first step of the block opens."""
        opened = self._opened
        if opened is not None and opened.begin == begin:
            rows = torch.tensor([opened.rows[canvas[:begin]] for canvas in canvases])
            ids = torch.tensor([canvas[begin : opened.stop] for canvas in canvases])
            return opened.window(ids, rows)[:, : stop - begin]
        end, place = stop if self.cache == "dual" else len(canvases[0]), len(self.prompt)
        model = cast(WindowedDenoiser, self.model)
        logits, window = model.open_window(self._read(canvases), place + begin, place + end)
        # the first step of a block has one canvas for each way to have filled those before it
        self._opened = _Opened(begin, end, window, {canvas[:begin]: row for row, canvas in enumerate(canvases)})
        return logits[:, place + begin : place + stop]

    def _read(self, canvases: Sequence[tuple[int, ...]]) -> torch.Tensor:
        return torch.tensor([[*self.prompt, *canvas] for canvas in canvases])
