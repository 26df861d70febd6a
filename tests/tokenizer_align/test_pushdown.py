"""Tops and frames are configurations: reading and writing them is nothing, and tokens move them as they move those."""

from __future__ import annotations

import random

import pytest
from mask_laws import bits, build
from random_grammars import random_case
from toys import byte_vocabulary

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, LimitExceeded, UnsupportedFeature
from grammars.frontends.lark import parse_lark
from tokenizer_align.classes import reached_from
from tokenizer_align.constraint import Constraint, State, align
from tokenizer_align.errors import VocabularyMismatch
from tokenizer_align.pushdown import Pushdown


def brackets(*tokens: bytes) -> Constraint:
    grammar = parse_lark('start: s\ns: ("(" s ")" s | "[" s "]" s)?')
    return align(compile_grammar(grammar), byte_vocabulary(tokens))


def after(constraint: Constraint, text: bytes) -> State:
    state = constraint.start
    for byte in text:
        state = constraint.advance(state, byte)
    return state


def test_a_frame_for_each_open_bracket():
    constraint = brackets()
    pushdown = Pushdown(constraint.start._arena)
    top, (ground,) = pushdown.read(constraint.start._number)
    (inside, (round_, _)), (_, (square, _)) = (pushdown.read(after(constraint, t)._number) for t in (b"((", b"[["))
    deep, frames = pushdown.read(after(constraint, b"([[(")._number)
    assert (deep, frames) == (inside, (square, square, round_, ground))
    assert pushdown.read(after(constraint, b"[]()")._number) == (top, (ground,))
    assert [pushdown.is_accepting(t) for t in (top, inside)] == [True, False]


def test_tokens_pop_what_they_close_and_push_what_they_open():
    constraint = brackets(b")(", b"))[[", b"()")
    pushdown = Pushdown(constraint.start._arena)
    top, (round_, ground) = pushdown.read(after(constraint, b"((")._number)
    _, (square, _) = pushdown.read(after(constraint, b"[[")._number)

    def moves(*frames, is_whole=False):
        found = pushdown.moves(top, frames, is_whole=is_whole)
        return {t: m.pushed for m in found.moves for t in m.token_ids.tolist()}, {*found.deeper.tolist()}

    assert moves() == ({ord("("): (round_,), ord("["): (round_,), 258: ()}, {ord(")"), 256, 257})
    behind, deeper = moves(round_)
    assert (behind[ord(")")], behind[256], deeper) == ((), (round_,), {257})
    behind, deeper = moves(round_, round_)
    assert (behind[257], deeper) == ((square, round_), set())
    behind, deeper = moves(round_, ground, is_whole=True)
    assert (behind[257], deeper) == ((square, ground), set())


@pytest.mark.parametrize("seed", range(60))
def test_whole_stacks_move_as_their_configurations_do(seed):
    try:
        constraint = build(random_case(seed))
    except (EmptyLanguage, UnsupportedFeature, VocabularyMismatch):
        return
    rng, state, pushdown = random.Random(seed), constraint.start, Pushdown(constraint.start._arena)
    for _ in range(5):
        arena, number = state._arena, state._number
        try:
            top, frames = pushdown.read(number)
        except LimitExceeded:
            return
        assert pushdown.write(top, frames, is_whole=True) == number
        moves = pushdown.moves(top, frames, is_whole=True)
        assert len(moves.deeper) == 0
        classes = {after: set(ids.tolist()) for after, ids in reached_from(arena, number).classes}
        assert {
            pushdown.write(m.top, m.pushed, is_whole=True): set(m.token_ids.tolist()) for m in moves.moves
        } == classes
        for count in range(len(frames)):  # what pops fewer frames does what it does over all of them
            some = pushdown.moves(top, frames[:count], is_whole=False)
            for move in some.moves:
                written = pushdown.write(move.top, move.pushed + frames[count:], is_whole=True)
                assert set(move.token_ids.tolist()) <= classes[written]
            moved = {t for m in some.moves for t in m.token_ids.tolist()}
            # what pops more may still be refused further down
            assert set().union(*classes.values()) - moved <= {*some.deeper.tolist()}
            assert not moved & {*some.deeper.tolist()}
        tokens = sorted(bits(constraint.mask(state)) - {*constraint.vocabulary.eos_token_ids})
        if not tokens:
            return
        state = constraint.advance(state, rng.choice(tokens))
