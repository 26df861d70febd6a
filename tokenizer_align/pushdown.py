"""Pushdown: a constraint whose states are too many to list, as tops over stacks of frames.

Place in the walk: beside `Constraint`. A configuration of the engine is a set of items, each with a set of stacks.
Where all of these stacks run through one stack set, the configuration is a **top**, which is what is above it, over
that set; and where those of that set run through one further down, the set is a **frame** over that one. So a
configuration is a top and a list of frames, down to the **ground**, and a token looks at no more frames than it pops:
two texts with equal tops go on alike until one of them pops. Of nested brackets 2**32 configurations are a handful of
tops and as many frames as there are kinds of brackets.

It is deterministic, as configurations are: a string of tokens is one way, however many derivations its text has. What
has no such sets (the stacks of a grammar that can be read at several depths at once) makes large tops, and meets a
limit.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from grammars.errors import LimitExceeded
from tokenizer_align import kernels
from tokenizer_align.class_kernels import stack_up
from tokenizer_align.classes import reached_from
from tokenizer_align.states import Arena

__all__ = ["Frame", "Frames", "Move", "Moves", "Pushdown", "Top"]

Int32 = NDArray[np.int32]
Top: TypeAlias = int
Frame: TypeAlias = int
Frames: TypeAlias = tuple[Frame, ...]
"""The topmost first."""

HOLE = 0
"""The node that stands for whatever a top or a frame is over."""


class Move(NamedTuple):
    """Tokens that lead to one top, with the frames that they push in place of those that they pop."""

    token_ids: Int32
    top: Top
    pushed: Frames


class Moves(NamedTuple):
    """What the tokens do that pop no more than the given frames, and the tokens that pop more."""

    moves: list[Move]
    deeper: Int32


class Pushdown:
    """The tops and frames of one arena's configurations, by number. Raises LimitExceeded beyond `limit` tops."""

    def __init__(self, arena: Arena, *, limit: int = 4096) -> None:
        self.arena, self.limit = arena, limit
        self._nodes: list[tuple[int, tuple[tuple[int, int, int], ...]]] = [(0, ())]  # flag, (state, counter, parent)
        self._node_numbers: dict[tuple[int, tuple[tuple[int, int, int], ...]], int] = {}
        self._tops: list[tuple[int, tuple[tuple[int, int, int], ...]]] = []
        self._top_numbers: dict[tuple[int, tuple[tuple[int, int, int], ...]], Top] = {}
        self._moves: dict[tuple[Top, Frames, bool], Moves] = {}
        self._bottom = self._record(kernels.STACK, 1, ())
        self._ground = self._node(self._bottom, {})

    # -- configurations to tops and frames -----------------------------------------------------------------------------

    def read(self, configuration: int) -> tuple[Top, Frames]:
        """The top of a configuration and its frames, of which the last is the ground."""
        heap = self.arena.arrays[kernels.HEAP]
        items = [(int(s), int(c), int(stack)) for s, c, stack in self.arena.items(configuration)]
        cuts = self._cuts({stack for _, _, stack in items})
        hole = cuts[0] if cuts else -1
        known = {hole: HOLE}
        key = (int(heap[configuration + 2]), tuple((s, c, self._node(stack, known)) for s, c, stack in items))
        if key not in self._top_numbers:
            self._top_numbers[key] = len(self._tops)
            self._tops.append(key)
            if len(self._tops) > self.limit:
                raise LimitExceeded(
                    f"blocks of this grammar go through more than {self.limit} configurations, even when what is "
                    "further down their stacks is left out",
                    hint="make the grammar less ambiguous, the block shorter, or pass limits=BlockLimits(tops=...)",
                )
        frames = [self._node(cut, {below: HOLE}) for cut, below in zip(cuts, [*cuts[1:], -1], strict=False)]
        return self._top_numbers[key], tuple(frames)

    def _cuts(self, stacks: set[int]) -> list[int]:
        """The stack sets that all stacks run through, from the top down.

        Parents have smaller numbers than what stands on them: behind the largest nothing comes back above it.
        """
        heap, cuts, frontier = self.arena.arrays[kernels.HEAP], list[int](), set(stacks)
        while frontier:
            if len(frontier) == 1:
                cuts += frontier
            highest = max(frontier)
            frontier.remove(highest)
            if heap[highest + 2] == 1:  # a stack ends here: what is below is not on all of them
                break
            frontier |= {parent for _, _, parent in self._triples(highest)}
        return cuts

    def _triples(self, stack: int) -> list[tuple[int, int, int]]:
        heap, first = self.arena.arrays[kernels.HEAP], stack + kernels.HEADER
        found = heap[first : first + 3 * int(heap[stack + 1])].reshape(-1, 3).tolist()
        return [(state, counter, parent) for state, counter, parent in found]

    def _node(self, stack: int, known: dict[int, int]) -> int:
        """The number of a stack set as a shape over those that are known."""
        agenda = [stack]
        while agenda:
            at = agenda[-1]
            triples = self._triples(at)
            missing = [] if at in known else [parent for _, _, parent in triples if parent not in known]
            if missing:
                agenda += missing
                continue
            agenda.pop()
            if at not in known:
                flag = int(self.arena.arrays[kernels.HEAP][at + 2])
                key = (flag, tuple((s, c, known[parent]) for s, c, parent in triples))
                if key not in self._node_numbers:
                    self._node_numbers[key] = len(self._nodes)
                    self._nodes.append(key)
                known[at] = self._node_numbers[key]
        return known[stack]

    # -- and back ------------------------------------------------------------------------------------------------------

    def write(self, top: Top, frames: Frames, *, is_whole: bool) -> int:
        """The configuration of a top over frames: down to the ground where it is whole, else over the empty stack."""
        hole = self.stack(frames, is_whole=is_whole)
        flag, items = self._tops[top]
        made = {HOLE: hole}
        return self._record(kernels.CONFIGURATION, flag, tuple((s, c, self._written(n, made)) for s, c, n in items))

    def stack(self, frames: Frames, *, is_whole: bool) -> int:
        """The stack set of frames."""
        hole = -1 if is_whole else self._bottom
        for frame in reversed(frames):
            hole = self._written(frame, {HOLE: hole})
        return hole

    def _written(self, node: int, made: dict[int, int]) -> int:
        agenda = [node]
        while agenda:
            at = agenda[-1]
            flag, triples = self._nodes[at]
            missing = [] if at in made else [parent for _, _, parent in triples if parent not in made]
            if missing:
                agenda += missing
                continue
            agenda.pop()
            if at not in made:
                made[at] = self._record(kernels.STACK, flag, tuple((s, c, made[parent]) for s, c, parent in triples))
        return made[node]

    def _record(self, kind: int, flag: int, triples: tuple[tuple[int, int, int], ...]) -> int:
        flat = np.array(triples, np.int32).reshape(-1)
        return self.arena.call(stack_up, kind, flag, flat)

    # -- moves ---------------------------------------------------------------------------------------------------------

    def is_accepting(self, top: Top) -> bool:
        """Whether the text so far is in the language."""
        return self._tops[top][0] == 1

    def cost(self, top: Top) -> int:
        """How many tokens suffice from a top to what it is over; `Arena.settle_all` must have been called."""
        return 0 if self.is_accepting(top) else self.arena.cost(self.write(top, (), is_whole=False))

    def frame_cost(self, frame: Frame) -> int:
        """How many tokens suffice from a frame to what it is over."""
        return self.arena.cost(self.stack((frame,), is_whole=False))

    def moves(self, top: Top, frames: Frames, *, is_whole: bool) -> Moves:
        """What the tokens do from a top over these frames, and over the ground where `is_whole`; kept."""
        key = (top, frames, is_whole)
        found = self._moves.get(key)
        if found is None:
            reached = reached_from(self.arena, self.write(top, frames, is_whole=is_whole), is_open=not is_whole)
            moves, deeper = list[Move](), [reached.deeper]
            for after, token_ids in reached.classes:
                next_top, next_frames = self.read(after)
                if is_whole:
                    moves.append(Move(token_ids, next_top, next_frames))
                elif next_frames and next_frames[-1] == self._ground:  # the empty stack, for what is further down
                    moves.append(Move(token_ids, next_top, next_frames[:-1]))
                else:  # some stacks are in what is further down already
                    deeper.append(token_ids)
            found = self._moves[key] = Moves(moves, np.concatenate(deeper))
        return found
