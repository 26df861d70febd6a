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

from gcd.models.kv_session import KVSession
from gcd.models.protocols import SessionModel

if TYPE_CHECKING:
    import torch

    from gcd.models.protocols import LanguageModel, Session

__all__ = ["ApartPool", "JoinedPool", "Pool", "StatelessPool", "open_pool"]


_PASS = {"cpu": 8}
"""What a pass costs beside its slots, in slots, by device: SmolLM2 takes 62 ms a pass and 8 ms a slot on one core."""
_PASS_ELSEWHERE = 128
"""Accelerators wait for the weights, whose every number could serve hundreds of slots."""


class Pool(Protocol):
    """Rows of tokens that grow, join and leave, each by its key; `calls` counts forward passes."""

    calls: int

    def paced(self, keys: Sequence[int], waiting: Sequence[list[int]]) -> Sequence[list[int]]:
        """What of the tokens that wait for each row the next `extend` is best given: their beginnings, or all."""
        ...

    def join(self, key: int, prompt: Sequence[int]) -> None:
        """Add a row; nothing is computed before the next `extend`."""
        ...

    def leave(self, key: int) -> None:
        """Drop a row."""
        ...

    def extend(self, keys: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Append `tokens[i]` to row `keys[i]`, all rows of the pool; the logits behind, as `Session.extend` has them.

        A row that is new brings one more in front, what follows its prompt.
        """
        ...


def open_pool(model: LanguageModel) -> Pool:
    """The pool that suits a model."""
    if not isinstance(model, SessionModel):
        return StatelessPool(model)
    probe = model.open_session([[0]])  # nothing is computed
    return JoinedPool(model) if isinstance(probe, KVSession) and probe.ragged else ApartPool(model)


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

    def paced(self, keys: Sequence[int], waiting: Sequence[list[int]]) -> Sequence[list[int]]:
        return waiting

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

    def paced(self, keys: Sequence[int], waiting: Sequence[list[int]]) -> Sequence[list[int]]:
        return waiting

    def extend(self, keys: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        found = []
        for key, new in zip(keys, tokens, strict=True):
            session = self._sessions[key]
            before = session.calls
            found += session.extend([0], [new])
            self.calls += session.calls - before
        return found


class JoinedPool:
    """A pool in one cache: new rows are read by themselves and then stand beside the others."""

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self._session: KVSession | None = None
        self._new: dict[int, list[int]] = {}
        self.calls = 0

    def join(self, key: int, prompt: Sequence[int]) -> None:
        self._new[key] = list(prompt)

    def leave(self, key: int) -> None:
        self._new.pop(key, None)  # others leave the cache when they are not extended any more

    def paced(self, keys: Sequence[int], waiting: Sequence[list[int]]) -> Sequence[list[int]]:
        """Rows beside one with forced tokens would be padded, and keep the padding in their cache."""
        if self._session is None:
            return waiting
        old = [len(tokens) for key, tokens in zip(keys, waiting, strict=True) if key not in self._new]
        most = _width(old, beside=_PASS.get(self._session.device.type, _PASS_ELSEWHERE))
        return [tokens if key in self._new else tokens[:most] for key, tokens in zip(keys, waiting, strict=True)]

    def extend(self, keys: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        tokens_of = dict(zip(keys, tokens, strict=True))
        found: dict[int, torch.Tensor] = {}
        old = [key for key in keys if key not in self._new]
        if not old:
            self._session = None
        elif self._session is not None:
            found.update(zip(old, self._session.extend(old, [tokens_of[key] for key in old]), strict=True))
            self.calls += 1
        new = [key for key in keys if key in self._new]
        if new:
            session = self._model.open_session([self._new[key] for key in new])
            assert isinstance(session, KVSession)
            logits = session.extend(range(len(new)), [tokens_of[key] for key in new])
            found.update(zip(new, logits, strict=True))
            session.rename(new)
            if self._session is None:
                self._session = session
            else:
                self._session.join(session)
            self._new.clear()
            self.calls += 1
        return [found[key] for key in keys]


def _width(lengths: Sequence[int], *, beside: int) -> int:
    """The most tokens of a row in one pass: the number that reads most of them for what the pass costs.

    >>> _width([1, 1, 1, 5], beside=8), _width([1, 5], beside=8), _width([5, 5, 5, 6], beside=8)
    (1, 5, 5)
    """

    def read_for_its_cost(most: int) -> float:
        return sum(min(length, most) for length in lengths) / (beside + most * len(lengths))

    return max(set(lengths), key=read_for_its_cost, default=0)
