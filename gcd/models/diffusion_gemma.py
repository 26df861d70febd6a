"""DiffusionGemmaLM: transformers' `DiffusionGemmaForBlockDiffusion` as a model of canvases, for `gcd.generate`.

Its own `generate` has no place for a grammar: what comes out is the likeliest token of each position by itself. So only
the network is taken: an encoder that reads what is finished into a cache of our own, which grows (static caches and
compiled steps are refused), and a decoder that reads a canvas beside its logits of the step before. Those are fed back
as they are, without any grammar: the network was taught its own doubts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import signature
from typing import Any

import torch

from gcd.errors import ModelError

__all__ = ["Canvases", "DiffusionGemmaLM"]


class DiffusionGemmaLM:
    """A model that improves canvases of `canvas_length` tokens, none of which is a mask.

    `temperatures`: those of the first and the last step, from the checkpoint's generation_config; they belong to the
    network as its weights do, since it reads its own logits divided by them.

    >>> model = DiffusionGemmaForBlockDiffusion.from_pretrained(folder)
    >>> gcd.generate(DiffusionGemmaLM(model, tokenizer), chat, schema=Person, max_new_tokens=256)
    """

    needs_prompt = True

    def __init__(self, model: Any, tokenizer: Any = None) -> None:
        if model.training:
            raise ModelError(
                f"{type(model).__name__} is in training mode, where dropout changes its answers: "
                "call model.eval() first"
            )
        _refuse_fixed_shapes(model)
        self.model, self.tokenizer = model, tokenizer
        text = model.config.get_text_config()
        knobs = model.generation_config
        self.vocab_size, self.canvas_length = int(text.vocab_size), int(model.config.canvas_length)
        ends = getattr(knobs, "eos_token_id", None)
        self.eos_token_ids = _ids(text.eos_token_id if ends is None else ends)
        self.bos_token_id: int | None = text.bos_token_id
        self.context_length: int | None = text.max_position_embeddings
        self.temperatures = (float(knobs.t_max or 0.8), float(knobs.t_min or 0.4))

    def __repr__(self) -> str:
        return f"DiffusionGemmaLM({type(self.model).__name__}, {self.model.config.name_or_path!r})"

    def open_canvases(self, prompt: Sequence[int]) -> Canvases:
        """The canvases behind a prompt."""
        return Canvases(self.model, prompt)


class Canvases:
    """One canvas after the other; the logits of the step before are kept, and forgotten with the canvas."""

    def __init__(self, model: Any, prompt: Sequence[int]) -> None:
        from transformers import DynamicCache

        self._model, self._unread, self._read = model, [*prompt], 0
        # Its name in later versions of transformers; in earlier ones it is that of other models.
        self._keyword = "cache" if "cache" in signature(model.forward).parameters else "past_key_values"
        self._cache = DynamicCache(config=model.config.get_text_config(decoder=True))
        self._before: torch.Tensor | None = None

    @torch.no_grad()
    def denoise(self, canvas: torch.Tensor, temperature: float) -> torch.Tensor:
        """Token ids (L,) -> the logits (L, V) over `temperature`, which the next call reads too."""
        options: dict[str, Any] = {}
        device = self._model.device
        begin = self._read + len(self._unread)
        if self._unread:
            options["input_ids"] = torch.tensor([self._unread], device=device)
            options["position_ids"] = torch.arange(self._read, begin, device=device)[None]
            self._read, self._unread = begin, []
        found = self._model(
            **options,
            **{self._keyword: self._cache},
            decoder_input_ids=canvas.to(device)[None],
            decoder_position_ids=torch.arange(begin, begin + len(canvas), device=device)[None],
            self_conditioning_logits=self._before,
        )
        logits: torch.Tensor = found.logits / temperature
        self._before = logits.to(self._model.get_input_embeddings().weight.dtype)
        return logits[0]

    def finish(self, token_ids: Sequence[int]) -> None:
        """The canvas is these tokens: a new one begins behind them."""
        self._unread, self._before = [*token_ids], None


def _refuse_fixed_shapes(model: Any) -> None:
    """Raises `ModelError` for a cache of a fixed size or a compiled step, of which nothing here makes use."""
    kind = getattr(model.generation_config, "cache_implementation", None)
    if kind not in (None, "dynamic"):
        raise ModelError(
            f"generation_config asks for a {kind!r} cache, and canvases are read into one that grows: "
            "set model.generation_config.cache_implementation = None"
        )
    own = getattr(model, "_orig_mod", model)  # as `torch.compile` wraps modules, and functions
    is_compiled = getattr(own, "_compiled_call_impl", None) or hasattr(own.forward, "_torchdynamo_orig_callable")
    if own is not model or is_compiled:
        raise ModelError(
            f"{type(own).__name__} is compiled, and would be compiled anew for each length of the text: "
            "give the model as it was before torch.compile"
        )


def _ids(ends: int | Iterable[int]) -> tuple[int, ...]:
    return (ends,) if isinstance(ends, int) else (*ends,)
