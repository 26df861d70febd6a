"""Text: one text in the making for a request, with what was asked of it and what of it may be sent.

Place in the walk: Row × what the request says -> Pieces. It knows nothing of HTTP, and of models only their logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.sampling.jump import forced_jump
from gcd.sampling.masked import Row

if TYPE_CHECKING:
    from gcd.sampling.logits import Warp
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Finish", "Free", "Piece", "Scored", "ServedRow", "Text", "Thoughts", "jump"]

Finish: TypeAlias = Literal["stop", "length", "error"]


class Free:
    """What stands in for a Constraint where nothing is asked for: every token is allowed, and nothing is narrowed."""

    start = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._all: NDArray[np.int32] = np.full((vocabulary.size + 31) // 32, -1, dtype=np.int32)

    def mask(self, state: None, budget: int | None = None) -> NDArray[np.int32]:
        return self._all

    def advance(self, state: None, token_id: int) -> None:
        return None

    def forced_tokens(self, state: None) -> list[int]:
        return []


class ServedRow(Row):
    """A Row whose grammar may fail: it is given up then, and the rows beside it go on.

    Grammars are compiled as they are entered, so that a limit may be met at any step.
    """

    __slots__ = ()

    def mask(self) -> NDArray[np.int32]:
        try:
            return super().mask()
        except Exception as error:
            self.give_up(error)
            return np.full((self.constraint.vocabulary.size + 31) // 32, -1, dtype=np.int32)

    def decide(self, token_ids: Sequence[int]) -> None:
        if self.done:
            return
        try:
            super().decide(token_ids)
        except Exception as error:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """End the row by an error."""
        self.error, self.done = self.error or cast(Any, error), True


def jump(row: Row) -> Sequence[int]:
    """The tokens that are each alone in their mask, as `generate` takes them; keeps the law."""
    try:
        return forced_jump(row)
    except Exception as error:
        assert isinstance(row, ServedRow)
        row.give_up(error)
        return ()


@dataclass(frozen=True, slots=True)
class Scored:
    """A token with its log-probability under the model alone, and the likeliest ones in its place."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """What a text has grown by: bytes, tokens where they are asked for; at its end how it finished, or the error."""

    index: int
    data: bytes
    scored: tuple[Scored, ...] = ()
    finish: Finish | None = None
    tokens: int = 0
    """All tokens of the text so far, its end included."""
    thought: int = 0
    """Those of them in which the model thinks, once it has ended that."""
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thoughts:
    """The marks around what the model thinks, `opened` by the prompt or not, and the most tokens between them.

    `opening` is a mark before what it says then.
    """

    begin: bytes
    end: bytes
    opening: bytes = b""
    opened: bool
    budget: int | None = None


@dataclass(slots=True, eq=False)
class Text:
    """A text in the making; `absorb` after each forward pass, `piece` for what may be sent.

    `stops` end a text where they begin; one that has `guard` in it is not ended behind that: calls of tools are whole.
    A guard that `leads` counts only where what is said begins. `top` is how many likeliest tokens are wanted beside
    each one, None where no log-probabilities are. `marks` are special tokens that are written out. While the model is
    in its `thoughts`, nothing stops, and the row's budget is what they may take and what the shortest answer needs.
    """

    index: int
    row: Row
    warp: Warp
    free: bool
    stops: tuple[bytes, ...] = ()
    guard: bytes | None = None
    leads: bool = False
    top: int | None = None
    marks: Mapping[int, bytes] = field(default_factory=dict)
    thoughts: Thoughts | None = None
    data: bytearray = field(default_factory=bytearray)
    finish: Finish | None = None
    thought: int = 0
    _thinks: bool = False
    _answer: int | None = None
    _budget: int = 0
    _seen: int = 0
    _sent: int = 0
    _written: int = 0
    _scored: list[Scored] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._budget = self.row.budget
        if self.thoughts is None:
            self._answer = 0
        elif self.thoughts.opened:
            self._think()

    def absorb(self, logits: torch.Tensor | None = None, scored: int = 0) -> None:
        """Take up what the row has decided; `logits` (k, V) are those of its tokens from the `scored`-th on."""
        row = self.row
        if self.top is not None and logits is not None:
            self._note(logits, scored)
        new = row.token_ids[self._seen :]
        before = len(self.data)
        self._seen += len(new)
        if self._answer is None or self.marks:
            self._write(new)
        else:
            self.data += row.constraint.vocabulary.decode(new)
        if row.error is not None:
            self.finish = "error"
        elif self.stops and self._stopped(before):
            self.finish = "stop"
        elif row.done:
            self.finish = "stop" if row.bound_at is None else "length"
        elif self.free and len(row.token_ids) >= row.budget:
            self.finish = "length"
        row.done = self.finish is not None
        if row.done and self._thinks and self._answer is None:
            self.thought = len(row.token_ids)

    def _write(self, token_ids: Sequence[int]) -> None:
        """Write tokens one by one, and notice where thoughts begin and end."""
        for token_id in token_ids:
            before = len(self.data)
            self.data += self.marks.get(token_id) or self.row.constraint.vocabulary.decode([token_id])
            self._written += 1
            if self._answer is not None:
                continue
            assert self.thoughts is not None
            begin, end = self.thoughts.begin, self.thoughts.end
            if not self._thinks:
                if self.data.startswith(begin):
                    self._think()
                elif not begin.startswith(self.data):
                    self._answer = 0
            elif (place := self.data.find(end, max(0, before - len(end) + 1))) >= 0:
                self._answer, self.thought = place + len(end), self._written
                if self.row.budget < self._budget:
                    self.row.budget, self.row.bound_at = self._budget, None

    def _think(self) -> None:
        """Begin to think, in what the budget of thoughts allows."""
        row = self.row
        self._thinks = True
        if self.thoughts is not None and self.thoughts.budget is not None:
            needed = row.constraint.min_tokens_to_end(row.state) + 1
            row.budget = min(row.budget, len(row.token_ids) + self.thoughts.budget + needed)

    def _stopped(self, before: int) -> bool:
        """Cut the text at the first stop, if there is one that ends behind the byte `before`."""
        said = self._said()
        if said is None:
            return False
        begin = max(said, before - max(map(len, self.stops)) + 1)
        end = len(self.data)
        if self.guard is not None and (guarded := self.data.find(self.guard, said)) >= 0:
            end = end if self.leads and guarded > said else guarded
        places = [place for stop in self.stops if (place := self.data.find(stop, begin, end)) >= 0]
        if not places:
            return False
        del self.data[min(places) :]
        return True

    def _said(self) -> int | None:
        """Where what is said begins, behind the thoughts and what opens it; None before that is sure."""
        if self._answer is None or self.thoughts is None or not (opening := self.thoughts.opening):
            return self._answer
        rest = bytes(self.data[self._answer : self._answer + len(opening)])
        if rest == opening:
            return self._answer + len(opening)
        return None if opening.startswith(rest) else self._answer

    def _note(self, logits: torch.Tensor, scored: int) -> None:
        token_ids = self.row.token_ids[scored : self.row.scored]
        if not token_ids:
            return
        logprobs = logits[: len(token_ids)].float().log_softmax(dim=-1)
        top = logprobs.topk(min(self.top or 0, logprobs.shape[1]), dim=-1)
        for k, token_id in enumerate(token_ids):
            likeliest = tuple(zip(top.indices[k].tolist(), top.values[k].tolist(), strict=True))
            self._scored.append(Scored(token_id, float(logprobs[k, token_id]), likeliest))

    def piece(self) -> Piece | None:
        """What may be sent and was not; None when that is nothing. A beginning of a stop is kept back."""
        end = len(self.data) if self.finish is not None else len(self.data) - self._kept_back()
        if end <= self._sent and not self._scored and self.finish is None:
            return None
        data = bytes(self.data[self._sent : end])
        self._sent = max(self._sent, end)
        scored, self._scored = tuple(self._scored), []
        error: Any = self.row.error
        return Piece(self.index, data, scored, self.finish, len(self.row.token_ids), self.thought, error)

    def _kept_back(self) -> int:
        """The length of the longest end of the text that a stop begins with."""
        longest = max((len(stop) - 1 for stop in self.stops), default=0)
        for size in range(min(longest, len(self.data)), 0, -1):
            if any(stop.startswith(self.data[-size:]) for stop in self.stops):
                return size
        return 0
