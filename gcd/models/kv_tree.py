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
            last = self._begin()
            if not token_ids:
                return last
        read = self._deepest(token_ids)
        if self._cache is None or self._live != read:
            self._cache, self._live = self._joined([read]), read
        new = self._missing(read, token_ids)
        begin = len(self._prompt) - 1 + _depth(read)
        last = self._forward(new, begin)
        self._put(token_ids, self._cut(read, begin, begin + len(new)))
        self._live = token_ids
        self._forget()
        return last

    def logits_of(self, prefixes: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """The same of several different continuations in one pass, (len(prefixes), V).

        One after the other where rows cannot be padded: for a model that counts its positions by slots.
        """
        if len(prefixes) < 2 or not {"attention_mask", "position_ids"} <= set(self._accepted):
            return torch.stack([self.logits(token_ids) for token_ids in prefixes])
        if not self._pieces:
            self._begin()
        reads = [self._deepest(token_ids) for token_ids in prefixes]
        news = [self._missing(*pair) for pair in zip(reads, prefixes, strict=True)]
        cache = self._joined(reads)
        logits = self._forward_all(cache, news, [len(self._prompt) - 1 + _depth(read) for read in reads])
        for row, (read, token_ids, new) in enumerate(zip(reads, prefixes, news, strict=True)):
            layers = tuple((layer.keys[row : row + 1], layer.values[row : row + 1]) for layer in cache.layers)
            self._put(token_ids, _part(read, layers, -len(new), None))
        self._forget()
        return logits

    def _begin(self) -> torch.Tensor:
        """Read the prompt; the logits behind it."""
        begun = len(self._prompt) - 1
        self._cache = _empty(self._model)
        last = self._forward(self._prompt, 0)
        self._put(None, self._cut(None, 0, begun))
        self._put((), self._cut(None, begun, begun + 1))
        self._live = ()
        return last

    def _deepest(self, token_ids: tuple[int, ...]) -> Key:
        """The longest prefix before this one that was read."""
        read = _before(token_ids)
        while read not in self._pieces:
            read = _before(read)
        return read

    def _missing(self, read: Key, token_ids: tuple[int, ...]) -> list[int]:
        return [self._prompt[-1], *token_ids][_depth(read) :]

    def _forget(self) -> None:
        """All but the prompt, when there is too much."""
        if self._bytes > self._memory:
            prompt = {None: self._pieces[None], (): self._pieces[()]}
            self._pieces, self._bytes, self._cache = {}, 0, None
            for key, piece in prompt.items():
                self._put(key, piece)

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

    @torch.no_grad()
    def _forward_all(self, cache: Any, rows: Sequence[Sequence[int]], begins: Sequence[int]) -> torch.Tensor:
        """Read some tokens behind each row of a cache, padded on the left as it is; the logits behind the last ones."""
        device, width, before = self._model.device, max(map(len, rows)), max(begins)
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows], device=device)
        real = torch.tensor(
            [
                [0] * (before - begin) + [1] * begin + [0] * (width - len(row)) + [1] * len(row)
                for row, begin in zip(rows, begins, strict=True)
            ],
            device=device,
        )
        kwargs: dict[str, Any] = {self._cache_name: cache, "use_cache": True, "attention_mask": real}
        kwargs["position_ids"] = (real.cumsum(dim=1) - 1).clamp(min=0)[:, before:]
        if "logits_to_keep" in self._accepted:
            kwargs["logits_to_keep"] = 1
        logits: torch.Tensor = self._model(ids, **kwargs).logits
        self.tokens += sum(map(len, rows))
        return logits[:, -1]

    def _cut(self, before: Key, begin: int, end: int) -> Piece:
        """What the cache at hand holds of the tokens from `begin` to `end`."""
        return _part(before, [(layer.keys, layer.values) for layer in self._cache.layers], begin, end)

    def _joined(self, reads: Sequence[Key]) -> Any:
        """The cache of some prefixes, put together from their pieces; shorter ones are padded on the left."""
        chains = [self._chain(read) for read in reads]
        length = len(self._prompt) - 1 + max(map(_depth, reads))
        cache = _empty(self._model)
        for number in range(len(chains[0][0].layers)):
            layers = [[piece.layers[number] for piece in chain] for chain in chains]
            keys, values = (torch.cat([_padded([pair[k] for pair in row], length) for row in layers]) for k in (0, 1))
            cache.update(keys, values, number)
        return cache

    def _chain(self, read: Key) -> list[Piece]:
        """The pieces of a prefix, the first one first."""
        chain = [self._pieces[read]]
        while read is not None:
            read = self._pieces[read].before
            chain.append(self._pieces[read])
        return chain[::-1]


def _part(
    before: Key, layers: Sequence[tuple[torch.Tensor, torch.Tensor]], begin: int, end: int | None
) -> Piece:  # fmt: skip
    """A copy of some slots."""
    return Piece(before, tuple((k[..., begin:end, :].clone(), v[..., begin:end, :].clone()) for k, v in layers))


def _padded(parts: Sequence[torch.Tensor], length: int) -> torch.Tensor:
    """Slots one behind the other, with empty ones before them."""
    joined = torch.cat(list(parts), dim=-2)
    return torch.nn.functional.pad(joined, [0, 0, length - joined.shape[-2], 0])


def _empty(model: Any) -> Any:
    from transformers.cache_utils import DynamicCache

    return DynamicCache(config=model.config)


def _before(key: Key) -> Key:
    """The prefix that is one token shorter."""
    return key[:-1] if key else None


def _depth(key: Key) -> int:
    """How many tokens longer than the prompt without its last one."""
    return 0 if key is None else len(key) + 1
