"""Tree sessions: the logits behind any continuation of one prompt, where what was read before is not read again.

Place in the walk: beside `kv_session.py`, for samplers that come back to earlier prefixes. `KVTree` keeps the keys and
values of every token once, as a tree of pieces, and puts the cache of a prefix together from them. `AnewTree` asks any
model for the whole prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from gcd.models.kv_session import cache_name, forward_parameters
from gcd.models.protocols import TreeModel

if TYPE_CHECKING:
    from gcd.models.protocols import LanguageModel, TreeSession

__all__ = ["AnewTree", "KVTree", "keeps_all", "open_tree"]

MEMORY = 1 << 30
"""Bytes of keys and values that are kept beside the cache in use: 23,000 tokens of SmolLM2, 8,000 of Llama-3.1-8B."""

Key: TypeAlias = tuple[int, ...] | None
"""A continuation of the prompt; None is the prompt without its last token."""


def open_tree(model: LanguageModel, prompt: Sequence[int]) -> TreeSession:
    """The model's own tree session where it has one, otherwise one that asks anew."""
    return model.open_tree(prompt) if isinstance(model, TreeModel) else AnewTree(model, prompt)


def keeps_all(model: Any) -> bool:
    """Whether the cache of a transformers model keeps every token in full, so that it can be cut into pieces."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    if cache_name(model) is None or getattr(model, "_is_stateful", False):
        return False
    return {type(layer) for layer in DynamicCache(config=model.config).layers} == {DynamicLayer}


class AnewTree:
    """A TreeSession over any LanguageModel, by `next_logits` of the whole prefix.

    `tokens` counts a prefix as one; with `counts_all`, for a model that is known to read it all, as what is in it.
    """

    def __init__(self, model: LanguageModel, prompt: Sequence[int], *, counts_all: bool = False) -> None:
        self._model, self._prompt, self._counts_all = model, list(prompt), counts_all
        self.tokens = 0

    def logits(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        sequence = [*self._prompt, *token_ids]
        self.tokens += len(sequence) if self._counts_all else 1
        return self._model.next_logits([sequence])[0]

    def logits_of(self, prefixes: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """The same of several continuations in one pass, (len(prefixes), V)."""
        sequences = [[*self._prompt, *token_ids] for token_ids in prefixes]
        self.tokens += sum(map(len, sequences)) if self._counts_all else len(sequences)
        return self._model.next_logits(sequences)


@dataclass(frozen=True, slots=True)
class Piece:
    """The keys and values, a pair a layer, of the tokens by which a prefix is longer than `before`."""

    before: Key
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @property
    def size(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers)


class KVTree:
    """A TreeSession over a transformers model for which `keeps_all`; `tokens` counts what the model read.

    When the pieces pass `memory`, all but those of the prompt are forgotten: what is needed of them is read again.
    """

    def __init__(self, model: Any, prompt: Sequence[int], *, memory: int = MEMORY) -> None:
        name = cache_name(model)
        assert name is not None, "keeps_all says which models have a cache"
        self._model, self._prompt, self._memory, self._cache_name = model, list(prompt), memory, name
        self._accepted = forward_parameters(model)
        self._pieces: dict[Key, Piece] = {}
        self._bytes = 0
        self._cache: Any = None  # of the prefix `_live`; None when that of no prefix is at hand
        self._live: Key = None
        self.tokens = 0

    def logits(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        if not self._pieces:
            begun = len(self._prompt) - 1
            self._cache = _empty(self._model)
            last = self._forward(self._prompt, 0)
            self._put(None, self._cut(None, 0, begun))
            self._put((), self._cut(None, begun, begun + 1))
            self._live = ()
            if not token_ids:
                return last
        read: Key = _before(token_ids)
        while read not in self._pieces:
            read = _before(read)
        if self._cache is None or self._live != read:
            self._restore(read)
        new = [self._prompt[-1], *token_ids][_depth(read) :]
        begin = len(self._prompt) - 1 + _depth(read)
        last = self._forward(new, begin)
        if token_ids and self._bytes > self._memory:
            prompt = {None: self._pieces[None], (): self._pieces[()]}
            self._pieces, self._bytes, self._cache = {}, 0, None
            for key, piece in prompt.items():
                self._put(key, piece)
        else:
            self._put(token_ids, self._cut(read, begin, begin + len(new)))
            self._live = token_ids
        return last

    def _put(self, key: Key, piece: Piece) -> None:
        if key not in self._pieces:
            self._bytes += piece.size
        self._pieces[key] = piece

    @torch.no_grad()
    def _forward(self, token_ids: Sequence[int], begin: int) -> torch.Tensor:
        """Read tokens behind the `begin` ones that the cache holds; the logits of the last one."""
        device, cache = self._model.device, self._cache
        kwargs: dict[str, Any] = {self._cache_name: cache, "use_cache": True}
        if "position_ids" in self._accepted:
            kwargs["position_ids"] = torch.arange(begin, begin + len(token_ids), device=device).unsqueeze(0)
        if "logits_to_keep" in self._accepted:
            kwargs["logits_to_keep"] = 1
        self._cache = None  # an error in the middle would leave half a token in it
        logits: torch.Tensor = self._model(torch.tensor([list(token_ids)], device=device), **kwargs).logits
        self._cache = cache
        self.tokens += len(token_ids)
        return logits[0, -1]

    def _cut(self, before: Key, begin: int, end: int) -> Piece:
        """A copy of what the cache holds of the tokens from `begin` to `end`."""
        return Piece(
            before,
            tuple(
                (layer.keys[..., begin:end, :].clone(), layer.values[..., begin:end, :].clone())
                for layer in self._cache.layers
            ),
        )

    def _restore(self, read: Key) -> None:
        """Put the cache of a prefix together from its pieces."""
        chain = [self._pieces[read]]
        key = read
        while key is not None:
            key = self._pieces[key].before
            chain.append(self._pieces[key])
        self._cache, self._live = _empty(self._model), read
        for number, parts in enumerate(zip(*(piece.layers for piece in reversed(chain)), strict=True)):
            keys, values = zip(*parts, strict=True)
            self._cache.update(torch.cat(keys, dim=-2), torch.cat(values, dim=-2), number)


def _empty(model: Any) -> Any:
    from transformers.cache_utils import DynamicCache

    return DynamicCache(config=model.config)


def _before(key: Key) -> Key:
    """The prefix that is one token shorter."""
    return key[:-1] if key else None


def _depth(key: Key) -> int:
    """How many tokens longer than the prompt without its last one."""
    return 0 if key is None else len(key) + 1
