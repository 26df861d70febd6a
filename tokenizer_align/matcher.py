"""Matcher: the one mutable cursor, with the field's names, on top of states that are values.

Place in the walk: beside `Constraint`, for engines that keep a matcher per request. It adds the text so far to the
message of a refused token; everything else is `Constraint`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.constraint import Constraint, State

__all__ = ["Matcher"]


class Matcher:
    """A cursor over one constraint that remembers its states, so that any number of tokens can be taken back.

    >>> matcher = constraint.matcher()
    >>> matcher.accept_token(0), matcher.accept_token(0), matcher.token_ids    # of the grammar "ab"
    (True, False, [0])
    """

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint
        self._states = [constraint.start]
        self.token_ids: list[int] = []

    @property
    def state(self) -> State:
        """The state after the tokens accepted so far."""
        return self._states[-1]

    def accept_token(self, token_id: int) -> bool:
        """Takes a token if it is allowed; otherwise returns False and stays as it was."""
        after = self.constraint.try_advance(self.state, token_id)
        if after is None:
            return False
        self._states.append(after)
        self.token_ids.append(token_id)
        return True

    def rollback(self, k: int = 1) -> None:
        """Takes the last k tokens back; `ValueError` when there are fewer."""
        if not 0 <= k <= len(self.token_ids):
            raise ValueError(f"cannot take {k} tokens back: {len(self.token_ids)} were accepted")
        if k:
            del self._states[-k:], self.token_ids[-k:]

    def fork(self) -> Matcher:
        """A second cursor at the same place, independent from now on."""
        other = Matcher.__new__(Matcher)
        other.constraint = self.constraint
        other._states = self._states.copy()
        other.token_ids = self.token_ids.copy()
        return other

    def reset(self) -> None:
        """Back to the start."""
        self._states, self.token_ids = [self.constraint.start], []

    def fill_next_token_bitmask(self, bitmask: NDArray[np.int32] | Any, index: int = 0) -> None:
        """Writes the mask of the next token into row `index` of an int32 bitmask, numpy or CPU torch."""
        rows = bitmask if isinstance(bitmask, np.ndarray) else bitmask.numpy()
        self.constraint.fill_bitmask([self.state], rows[index : index + 1])

    def is_terminated(self) -> bool:
        """Whether EOS was accepted."""
        return self.constraint.is_terminated(self.state)

    @property
    def text(self) -> bytes:
        """The bytes of the accepted tokens."""
        return self.constraint.vocabulary.decode(self.token_ids)
