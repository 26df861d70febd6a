"""Pools: the logits of rows that come and go, where a Session has rows that only go.

Place in the walk: between a model and the step loop. `open_pool` chooses:

| the model                                          | pool           | a step is                             |
|----------------------------------------------------|----------------|---------------------------------------|
| has no sessions: it is asked for whole prefixes    | StatelessPool  | one call of `next_logits` for all     |
| a cache of full attention, as most have            | JoinedPool     | one pass for all old rows, one for new|
| any other cache                                    | ApartPool      | one pass a row                        |

Nothing here samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Protocol

from gcd.models.protocols import SessionModel

if TYPE_CHECKING:
    import torch

    from gcd.models.protocols import LanguageModel, Session

__all__ = ["ApartPool", "Pool", "StatelessPool", "open_pool"]


class Pool(Protocol):
    """Rows of tokens that grow, join and leave, each by its key; `calls` counts forward passes."""

    calls: int

    def join(self, key: int, prompt: Sequence[int]) -> None:
        """Add a row; nothing is computed before the next `extend`."""
        ...

    def leave(self, key: int) -> None:
        """Drop a row."""
        ...

    def extend(self, keys: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Append `tokens[i]` to row `keys[i]`; the logits behind each, as `Session.extend` gives them.

        A row that is new brings one more in front, what follows its prompt. Rows that are left out stay as they are.
        """
        ...


def open_pool(model: LanguageModel) -> Pool:
    """The pool that suits a model."""
    return ApartPool(model) if isinstance(model, SessionModel) else StatelessPool(model)


class StatelessPool:
    """A pool over any LanguageModel, by asking for every prefix anew."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._sequences: dict[int, list[int]] = {}
        self._new: set[int] = set()
        self.calls = 0

    def join(self, key: int, prompt: Sequence[int]) -> None:
        self._sequences[key] = list(prompt)
        self._new.add(key)

    def leave(self, key: int) -> None:
        del self._sequences[key]
        self._new.discard(key)

    def extend(self, keys: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        asked: list[list[int]] = []
        counts: list[int] = []
        for key, new in zip(keys, tokens, strict=True):
            sequence = self._sequences[key]
            first, begin = 0 if key in self._new else 1, len(sequence)
            sequence += new
            asked += (sequence[: begin + kept] for kept in range(first, len(new) + 1))
            counts.append(len(new) + 1 - first)
        self._new.difference_update(keys)
        logits = self._model.next_logits(asked)
        self.calls += 1
        return [logits[begin:end] for begin, end in pairwise([0, *accumulate(counts)])]


class ApartPool:
    """A pool in which every row has a session of its own."""

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self._sessions: dict[int, Session] = {}
        self.calls = 0

    def join(self, key: int, prompt: Sequence[int]) -> None:
        self._sessions[key] = self._model.open_session([prompt])

    def leave(self, key: int) -> None:
        del self._sessions[key]

    def extend(self, keys: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        found = []
        for key, new in zip(keys, tokens, strict=True):
            session = self._sessions[key]
            before = session.calls
            found += session.extend([0], [new])
            self.calls += session.calls - before
        return found
