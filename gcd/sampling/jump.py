"""What a row may append without asking the model: nothing, the forced tokens, or the canonical spelling of forced text.

`forced` keeps the law of sampling, since each of its tokens is alone in its mask. `canonical` changes it: where the
text is forced but its tokens are not, it takes the tokenizer's own spelling instead of drawing one. That saves more
passes and is what the model was trained on, but the other spellings get probability 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gcd.sampling.masked import Jump, Row

__all__ = ["canonical_jump", "forced_jump", "no_jump"]


def no_jump(row: Row) -> Sequence[int]:
    """Nothing: every token is drawn."""
    return ()


def forced_jump(row: Row) -> Sequence[int]:
    """The longest run of tokens that are each alone in their mask."""
    return row.constraint.forced_tokens(row.state)


def canonical_jump(encode: Callable[[str], Sequence[int]]) -> Jump:
    """The tokenizer's own spelling of the text that every continuation begins with.

    The text so far is encoded with it, so that the tokens are those of running text; where that does not begin with the
    row's own tokens, and where the budget would not suffice, the row jumps over forced tokens only. The last token is
    left to the model unless the text ends there: it could be longer in the tokenizer's spelling of what follows.
    """

    def jump(row: Row) -> Sequence[int]:
        constraint, state = row.constraint, row.state
        forced = constraint.forced_text(state)
        try:
            spelled = list(encode((row.data + forced).decode("utf-8")))
        except UnicodeDecodeError:
            return forced_jump(row)
        if spelled[: len(row.token_ids)] != row.token_ids:
            return forced_jump(row)
        run: list[int] = []
        for token_id in spelled[len(row.token_ids) : -1]:
            if not allows(constraint.mask(state), token_id):
                break
            state = constraint.advance(state, token_id)
            run.append(token_id)
        left = row.budget - len(row.token_ids) - len(run)
        forced_run = forced_jump(row)
        return run if len(run) > len(forced_run) and constraint.min_tokens_to_end(state) < left else forced_run

    return jump


def allows(mask: NDArray[np.int32], token_id: int) -> bool:
    """Whether the bit of `token_id` is set in a mask of int32 words."""
    return bool((int(mask[token_id >> 5]) >> (token_id & 31)) & 1)
