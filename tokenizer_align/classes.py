"""Token classes: the allowed tokens of a state, grouped by the state that they lead to.

Place in the walk: beside `Constraint`. A mask says which tokens may come next, a class what becomes of the text behind
them: what a sum over all texts of a block needs. It costs one walk over the trie a state, and remembers nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grammars.errors import UnsupportedFeature
from tokenizer_align.class_kernels import classify, group
from tokenizer_align.kernels import DEAD
from tokenizer_align.states import END, Arena, State

if TYPE_CHECKING:
    from tokenizer_align.constraint import Constraint

__all__ = ["Reached", "TokenClass", "reached_from", "refuse_histories", "token_classes"]

Int32 = NDArray[np.int32]


class TokenClass(NamedTuple):
    """The tokens that lead to one state: int32 (n,), in the order of their bytes."""

    state: State
    token_ids: Int32


class Reached(NamedTuple):
    """The configurations behind the tokens from one configuration, each with its tokens.

    `deeper` are the tokens that go on below what is known of the stack, where the walk was told that more lies there.
    """

    classes: list[tuple[int, Int32]]
    deeper: Int32


def token_classes(constraint: Constraint, state: State) -> list[TokenClass]:
    """The allowed tokens of a state by the state behind them; all tokens of its mask are in exactly one class.

    >>> classes = token_classes(constraint, constraint.start)  # of `ab|ac` over the tokens a, b, c, ab, ac and EOS
    >>> [token_ids.tolist() for _, token_ids in classes]
    [[0], [3, 4]]
    """
    refuse_histories(constraint)
    constraint._check(state._arena)
    arena, number = state._arena, state._number
    found = [] if number == END else reached_from(arena, number).classes
    if constraint.is_accepting(state):
        found.append((END, np.array(constraint.vocabulary.eos_token_ids, np.int32)))
    return [TokenClass(State(arena, after), token_ids) for after, token_ids in found]


def refuse_histories(constraint: Constraint) -> None:
    """Raises `UnsupportedFeature` where items of arrays must differ, and for limits in tokens.

    A walk knows configurations, and no history.
    """
    if constraint.automaton.has_token_limits:
        raise UnsupportedFeature(
            "limits in tokens (max_tokens of a rule) are not supported in blocks of diffusion models",
            hint="limit characters, as in /.{0,200}/, or use a model that writes from left to right",
        )
    if constraint.automaton.has_distinct:
        raise UnsupportedFeature(
            "arrays whose items must differ (uniqueItems) are not supported in blocks of diffusion models",
            hint="leave out uniqueItems, or use a model that writes from left to right",
        )


def reached_from(arena: Arena, number: int, *, is_open: bool = False) -> Reached:
    """What the tokens lead to from a configuration, EOS left out."""
    leaves, common = arena.leaves, arena.common
    token_ids = common.vocabulary.trie.token_ids
    labels, reached = np.empty(len(token_ids), np.int32), np.empty(len(token_ids), np.int32)
    slots = np.empty(1 << max(4, (2 * len(token_ids)).bit_length()), np.int32)
    assert leaves.tokens == common.vocabulary.size
    count = arena.call(classify, number, int(is_open), slots, labels, reached)
    starts, grouped = np.empty(count + 1, np.int32), np.empty(len(token_ids), np.int32)
    group(labels, token_ids, starts, grouped)
    parts = {after: grouped[starts[k] : starts[k + 1]].copy() for k, after in enumerate(reached[:count].tolist())}
    deeper = token_ids[labels == -2]
    for token, symbol in common.specials.items():
        after = arena.step(number, symbol)
        if after == DEAD:
            continue
        if is_open and arena.accepting(after):
            deeper = np.append(deeper, np.int32(token))
        else:
            parts[after] = np.append(parts.get(after, np.zeros(0, np.int32)), np.int32(token))
    return Reached(list(parts.items()), deeper)
