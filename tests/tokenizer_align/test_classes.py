"""Token classes are the allowed tokens of a state by what `advance` says of each."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from mask_laws import aligned, bits
from random_grammars import random_case
from toys import TOY, finite

from tokenizer_align.classes import reached_from, token_classes
from tokenizer_align.constraint import Constraint, State, align


def by_state(constraint: Constraint, state: State) -> dict[State, set[int]]:
    """The same, one token after the other."""
    found = defaultdict(set)
    for token in bits(constraint.mask(state)):
        found[constraint.advance(state, token)].add(token)
    return dict(found)


def test_tokens_are_grouped_by_the_state_behind_them():
    constraint = finite(["ab", "ac", "ba"])
    classes = token_classes(constraint, constraint.start)
    assert [ids.tolist() for _, ids in classes] == [[0], [2, 3], [1]]  # a; ab and ba; b
    end = constraint.advance(constraint.start, 2)
    ((behind, ids),) = token_classes(constraint, end)
    assert (ids.tolist(), constraint.is_terminated(behind)) == ([5], True)
    assert [ids.tolist() for _, ids in token_classes(constraint, behind)] == [[5]]


@pytest.mark.parametrize("seed", range(25))
def test_classes_are_what_advance_says(seed):
    _, constraint = aligned(random_case(seed))
    if isinstance(constraint, str):
        return
    seen, agenda = {constraint.start}, [constraint.start]
    while agenda and len(seen) < 15:
        state = agenda.pop(0)
        classes = token_classes(constraint, state)
        assert {after: set(ids.tolist()) for after, ids in classes} == by_state(constraint, state)
        assert all(ids.dtype == np.int32 for _, ids in classes)
        agenda += [after for after, _ in classes if after not in seen]
        seen.update(after for after, _ in classes)


def test_a_text_that_may_go_on_below_is_left_to_its_caller():
    """Over a stack of which only the top is known, the end of the text stands for whatever is below."""
    constraint = finite(["a", "ab"])
    reached = reached_from(constraint.start._arena, constraint.start._number, is_open=True)
    assert reached.classes == []
    assert sorted(reached.deeper.tolist()) == [0, 2]


def test_the_state_of_another_constraint_is_refused():
    one, other = finite(["ab"]), align(finite(["ab"]).automaton, TOY)
    with pytest.raises(ValueError, match="the state belongs to another constraint"):
        token_classes(one, finite(["ba"]).start)
    assert [ids.tolist() for _, ids in token_classes(other, other.start)] == [[0], [2]]
