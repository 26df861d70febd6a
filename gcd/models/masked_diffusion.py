"""MaskedDiffusionLM: a masked diffusion model and its tokenizer behind the protocol of `gcd.generate`.

Place in the walk: models stand beside the Constraint; `gcd.run_diffusion` asks this one for all logits of a canvas.
LLaDA, Dream and their like are remote code: load them yourself and wrap them here; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from gcd.errors import ModelError

__all__ = ["MaskedDiffusionLM"]


class MaskedDiffusionLM:
    """A DiffusionModel over any callable: token ids (B, T) -> logits (B, T, V), or an object with them as `.logits`.

    `canvas_length`: how many positions the model was taught to fill at once; `context_length`: prompt and canvas.
    `shifted`: the logits at a position are of the one behind it, as Dream's are, which was a causal model once.

    >>> llada = AutoModel.from_pretrained(folder, trust_remote_code=True)
    >>> model = MaskedDiffusionLM(llada, tokenizer, mask_token_id=126336, eos_token_ids=[126081], vocab_size=126464)
    >>> gcd.generate(model, "Ada Lovelace, 36 ->", schema=Person, max_new_tokens=64, steps=32)
    """

    def __init__(
        self,
        model: Callable[[torch.Tensor], Any],
        tokenizer: Any = None,
        *,
        mask_token_id: int,
        eos_token_ids: Sequence[int],
        vocab_size: int,
        canvas_length: int | None = None,
        context_length: int | None = None,
        shifted: bool = False,
        name: str = "",
    ) -> None:
        for token in (mask_token_id, *eos_token_ids):
            if not 0 <= token < vocab_size:
                raise ModelError(f"token {token} is outside the model's vocabulary of {vocab_size:,}")
        if not eos_token_ids:
            raise ModelError("a diffusion model needs at least one EOS id, which fills the canvas behind a text")
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.mask_token_id, self.eos_token_ids, self.vocab_size = mask_token_id, (*eos_token_ids,), vocab_size
        self.canvas_length, self.context_length = canvas_length, context_length
        self._shifted = shifted

    def __repr__(self) -> str:
        return f"MaskedDiffusionLM({type(self.model).__name__}, {self.name!r})"

    @torch.no_grad()
    def __call__(self, token_ids: torch.Tensor) -> torch.Tensor:
        """The logits of all positions, (B, T, V); raises ModelError for a model in training mode or of other widths."""
        self._check_mode()
        logits = self._checked(self.model(token_ids.to(_device(self.model))), token_ids)
        if self._shifted:
            logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
        return logits

    @torch.no_grad()
    def open_window(
        self, token_ids: torch.Tensor, begin: int, stop: int
    ) -> tuple[torch.Tensor, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]:
        """That of the model behind it, checked; see `gcd.diffusion.predictor.WindowedDenoiser`.

        Raises ModelError where it has none, and for logits that are shifted.
        """
        self._check_mode()
        open_window: Any = getattr(self.model, "open_window", None)
        if open_window is None or self._shifted:
            lacks = "has no open_window(token_ids, begin, stop)" if open_window is None else "gives shifted logits"
            raise ModelError(
                "a block cache is for models that keep keys and values around a window of positions, and "
                f"{type(self.model).__name__} {lacks}: leave block_cache= out"
            )
        device = _device(self.model)
        logits, window = open_window(token_ids.to(device), begin, stop)

        @torch.no_grad()
        def checked(inside: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            return self._checked(window(inside.to(device), rows.to(device)), inside)

        return self._checked(logits, token_ids), checked

    def _check_mode(self) -> None:
        if getattr(self.model, "training", False):
            raise ModelError(
                f"{type(self.model).__name__} is in training mode, where dropout changes its answers: "
                "call model.eval() first"
            )

    def _checked(self, found: Any, token_ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = getattr(found, "logits", found)
        expected = (*token_ids.shape, self.vocab_size)
        if logits.shape != expected:
            raise ModelError(
                f"{type(self.model).__name__} gave logits of shape {tuple(logits.shape)}, and {expected} was expected: "
                "one row for each position, masked or not"
            )
        return logits


def _device(model: object) -> torch.device:
    """Where a module has its weights; the CPU for any other callable."""
    if isinstance(model, torch.nn.Module):
        for weight in model.parameters():
            return weight.device
    return torch.device("cpu")
