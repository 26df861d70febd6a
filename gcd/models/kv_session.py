"""Sessions over a transformers model's own cache: prefill once, then read only what is new.

Three kinds, chosen by what the model's cache can do:

| the cache's layers          | session    | rows of one call        | padding                                        |
|-----------------------------|------------|-------------------------|------------------------------------------------|
| full attention              | KVSession  | any numbers of tokens   | left of the prompt, and left of shorter rows   |
| some sliding windows        | KVSession  | equal numbers           | left of the prompt only: a window counts slots |
| anything else (recurrent)   | RowSession | any, one token a pass   | none: every row has a cache of its own         |

A padded slot is masked for ever and has no position, so that position ids stay those of the row's own tokens and the
logits those of the row alone (`tests/gcd/test_models.py` compares them).
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from gcd.models.protocols import Session

__all__ = ["KVSession", "RowSession", "cache_name", "forward_parameters", "open_kv_session"]


CACHE_NAMES = ("cache", "past_key_values")
"""What `forward` calls its cache: transformers renamed it after 5.16, and the old name warns from then on."""


def forward_parameters(model: Any) -> Collection[str]:
    """The names of what `model.forward` takes, seen through the wrappers of peft and torch.compile."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else getattr(model, "_orig_mod", model)
    return inspect.signature(inner.forward).parameters


def cache_name(model: Any) -> str | None:
    """What `model.forward` calls its cache; None where it takes none."""
    accepted = forward_parameters(model)
    return next((name for name in CACHE_NAMES if name in accepted), None)


def open_kv_session(model: Any, prompts: Sequence[Sequence[int]]) -> Session | None:
    """The session that suits the cache of a transformers model; None for a model that takes no cache."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    if cache_name(model) is None:
        return None
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    if getattr(model, "_is_stateful", False) or not kinds <= {DynamicLayer, DynamicSlidingWindowLayer}:
        return RowSession(model, prompts)
    # without position_ids the model counts slots itself, and a padded slot in the middle would shift the count
    return KVSession(model, prompts, ragged=kinds == {DynamicLayer} and "position_ids" in forward_parameters(model))


class KVSession:
    """A batch in one cache, left-padded.

    `_attention` is the 2-D attention mask over the cache's slots, `_lengths[i]` the tokens that row i really holds.
    With `padded=False` rows are never padded, and the model is given no mask.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], *, ragged: bool, padded: bool = True) -> None:
        self.ragged, self.forgets, self.calls, self._padded = ragged, ragged, 0, padded
        self._model, self._prompts = model, [list(prompt) for prompt in prompts]
        self._accepted = forward_parameters(model)
        name = cache_name(model)
        assert name is not None, "open_kv_session makes no session for a model without a cache"
        self._cache_name = name
        self._rows: list[int] = []
        self._attention: torch.Tensor
        self._lengths: torch.Tensor

    @property
    def device(self) -> torch.device:
        """Where the cache is."""
        return self._model.device  # type: ignore[no-any-return]

    def extend(self, rows: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        if self.calls == 0:
            return self._prefill(rows, tokens)
        self._select(rows)
        return self._forward(tokens, keep=[len(new) for new in tokens])

    def rename(self, rows: Sequence[int]) -> None:
        """Call the rows by other numbers."""
        self._rows = list(rows)

    def join(self, other: KVSession) -> None:
        """Take over the rows of another session over the same model; both are ragged and have read something."""
        mine: Any
        theirs: Any
        for mine, theirs in zip(self._cache.layers, other._cache.layers, strict=True):
            mine.keys = _stacked(mine.keys, theirs.keys, dim=-2)
            mine.values = _stacked(mine.values, theirs.values, dim=-2)
        self._attention = _stacked(self._attention, other._attention, dim=-1)
        self._lengths = torch.cat([self._lengths, other._lengths])
        self._rows += other._rows
        self.calls += other.calls
        self._drop_dead_slots()

    def _drop_dead_slots(self) -> None:
        """Drop the slots that only rows which have left had tokens in, once they are a quarter of all."""
        living = self._attention.any(dim=0).nonzero().squeeze(1)
        if 4 * len(living) > 3 * self._attention.shape[1]:
            return
        self._attention = self._attention[:, living]
        layer: Any
        for layer in self._cache.layers:
            layer.keys, layer.values = layer.keys[:, :, living], layer.values[:, :, living]

    def _prefill(self, rows: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Read prompts with their first tokens; rows that begin alike (several samples of one prompt) are read once."""
        from transformers.cache_utils import DynamicCache

        begun = [(*self._prompts[row], *new) for row, new in zip(rows, tokens, strict=True)]
        distinct = list(dict.fromkeys(begun))
        keep = {text: len(new) + 1 for text, new in zip(begun, tokens, strict=True)}
        device = self.device
        self._cache = DynamicCache(config=self._model.config)
        self._attention = torch.zeros(len(distinct), 0, dtype=torch.long, device=device)
        self._lengths = torch.zeros(len(distinct), dtype=torch.long, device=device)
        self._rows = list(range(len(distinct)))
        logits = self._forward(distinct, keep=[keep[text] for text in distinct])
        places = [distinct.index(text) for text in begun]
        self._select(places)
        self._rows = list(rows)
        return [logits[place] for place in places]

    def _select(self, rows: Sequence[int]) -> None:
        """Drop the finished rows from the cache (or repeat those that several texts share)."""
        if list(rows) == self._rows:
            return
        places = torch.tensor([self._rows.index(row) for row in rows], device=self.device)
        self._cache.batch_select_indices(places)
        self._attention, self._lengths = self._attention[places], self._lengths[places]
        self._rows = list(rows)

    def forget(self, rows: Sequence[int], counts: Sequence[int]) -> None:
        """The slots become padding: masked for ever, without a position. Those that no row needs are cut off."""
        assert list(rows) == self._rows, "the rows of the last extend"
        for place, count in enumerate(counts):
            self._attention[place, self._attention.shape[1] - count :] = 0
            self._lengths[place] -= count
        if common := min(counts):
            self._attention = self._attention[:, :-common]
            layers: Any = self._cache.layers
            for layer in layers:
                layer.keys, layer.values = layer.keys[..., :-common, :], layer.values[..., :-common, :]

    @torch.no_grad()
    def _forward(self, tokens: Sequence[Sequence[int]], *, keep: Sequence[int]) -> list[torch.Tensor]:
        """One pass over new tokens, the shorter rows padded on the left; the last `keep[i]` logits of each row."""
        width, device = max(map(len, tokens)), self.device
        padded = [[0] * (width - len(new)) + list(new) for new in tokens]
        real = torch.tensor([[0] * (width - len(new)) + [1] * len(new) for new in tokens], device=device)
        self._attention = torch.cat([self._attention, real], dim=1)
        positions = (self._lengths.unsqueeze(1) + real.cumsum(dim=1) - 1).clamp(min=0)
        self._lengths = self._lengths + real.sum(dim=1)
        kwargs: dict[str, Any] = {self._cache_name: self._cache, "use_cache": True}
        if self._padded:
            kwargs["attention_mask"] = self._attention
        if "position_ids" in self._accepted:
            kwargs["position_ids"] = positions
        if "logits_to_keep" in self._accepted:
            kwargs["logits_to_keep"] = max(keep)  # the logits of a long prompt alone would be gigabytes
        logits = self._model(torch.tensor(padded, device=device), **kwargs).logits
        self.calls += 1
        return [row[len(row) - kept :] for row, kept in zip(logits, keep, strict=True)]


def _stacked(first: torch.Tensor, second: torch.Tensor, *, dim: int) -> torch.Tensor:
    """Two batches one behind the other, the shorter one padded with zeros on the left of `dim`."""
    width = max(first.shape[dim], second.shape[dim])
    right = [0, 0] * (-1 - dim)
    return torch.cat([torch.nn.functional.pad(each, [*right, width - each.shape[dim], 0]) for each in (first, second)])


class RowSession:
    """Every row in a cache of its own, one token a pass after the prompt: for models with recurrent state.

    Their state is exact only for what was really read, in the order in which it was read, so that nothing is padded.
    Nor is there a mask: transformers' Mamba multiplies it, as wide as all that was read, with the one new token.
    """

    ragged, forgets = True, False

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        self.calls = 0
        self._model, self._prompts = model, [list(prompt) for prompt in prompts]
        self._sessions: dict[int, KVSession] = {}

    def extend(self, rows: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        self._sessions = {row: self._sessions[row] for row in rows if row in self._sessions}
        return [self._extend(row, new) for row, new in zip(rows, tokens, strict=True)]

    def forget(self, rows: Sequence[int], counts: Sequence[int]) -> None:
        raise NotImplementedError("a recurrent state cannot take tokens back")

    def _extend(self, row: int, tokens: Sequence[int]) -> torch.Tensor:
        parts: list[torch.Tensor] = []
        if row not in self._sessions:
            self._sessions[row] = KVSession(self._model, [self._prompts[row]], ragged=False, padded=False)
            parts += self._sessions[row].extend([0], [[]])
            self.calls += 1
        for token in tokens:
            parts += self._sessions[row].extend([0], [[token]])
            self.calls += 1
        return torch.cat(parts)
