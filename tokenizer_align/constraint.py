"""Constraint: a grammar aligned with a vocabulary; its states are values.

Place in the walk: ByteAutomaton × Vocabulary -> **Constraint** -> tokens. A constraint is immutable to its users and
shared by all requests and threads. A state is a small hashable value: rolling back is keeping the old one, forking is
free.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grammars import shapes
from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage
from grammars.ir import Grammar
from grammars.limits import Limits
from tokenizer_align import kernels, leaves, rows
from tokenizer_align.batch import write_masks
from tokenizer_align.branches import BranchArena
from tokenizer_align.errors import BudgetTooSmall, TokenRejected, VocabularyMismatch
from tokenizer_align.kernels import DEAD, NOWHERE
from tokenizer_align.states import END, Arena, Bitmask, Common, State
from tokenizer_align.token_limits import LimitedArena
from tokenizer_align.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tokenizer_align.matcher import Matcher

__all__ = ["Constraint", "State", "align"]

_ROTATE = 1 << 24  # words of records after which new requests start in a new arena: 64 MiB


_LIVING: weakref.WeakSet[Constraint] = weakref.WeakSet()


_FORKING = threading.RLock()
_HELD: list[Any] = []
"""The locks that are held while the process forks, in the order in which they were taken."""


def _hold() -> None:
    """Before a fork: waits until no thread is changing what all constraints share, so that the child inherits it whole.

    Threads fork one after the other. Locks are taken in the order in which the engine takes them: automata, shapes,
    leaves, rows. Arenas are left out, since a child does not go on in those of its parent.
    """
    _FORKING.acquire()
    _HELD.append(_FORKING)
    living = list(_LIVING)
    locks = [leaves.LOCK, rows.LOCK]
    locks += {id(c.automaton): c.automaton.lock for c in living}.values()
    locks.append(shapes.LOCK)
    locks += {id(c._newest.leaves): c._newest.leaves.lock for c in living}.values()
    locks += {id(c._common.rows): c._common.rows.lock for c in living}.values()
    for lock in locks:
        lock.acquire()
        _HELD.append(lock)


def _release() -> None:
    held = _HELD[::-1]
    _HELD.clear()  # before the last is released, and another thread forks
    for lock in held:
        lock.release()


def _begin_anew() -> None:
    """In a forked child: no arena is one that a thread that is not there was writing to."""
    _release()
    for constraint in _LIVING:
        constraint._newest = constraint._new_arena()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_begin_anew)


class Constraint:
    """The masks of one grammar over one vocabulary of V tokens.

    A mask is int32 (ceil(V / 32),), bit t & 31 of word t >> 5 for token t. It is exact: token t is in `mask(s)` iff it
    has bytes and some text of the grammar goes on with them; the EOS tokens are in it iff the text so far is complete.

    >>> vocabulary = Vocabulary([b"a", b"b", b""], eos_token_ids=[2])
    >>> constraint = align(compile_grammar(Grammar({"start": Bytes(b"ab")})), vocabulary)
    >>> constraint.mask(constraint.start)
    array([1], dtype=int32)
    >>> constraint.is_accepting(constraint.advance(constraint.advance(constraint.start, 0), 1))
    True
    """

    def __init__(self, automaton: ByteAutomaton, vocabulary: Vocabulary) -> None:
        automaton = _spellable(automaton, vocabulary)
        self.automaton, self.vocabulary = automaton, vocabulary
        self.words = (vocabulary.size + 31) // 32
        self._specials = _special_symbols(automaton, vocabulary)
        self._eos = frozenset(vocabulary.eos_token_ids)
        self._apart = self._eos | self._specials.keys()  # tokens that are not read byte by byte
        self._common = Common(automaton, vocabulary, self._specials)
        self._newest = self._new_arena()
        with _FORKING:  # who forks looks through them
            _LIVING.add(self)

    def _new_arena(self) -> Arena:
        automaton = self.automaton
        kind = BranchArena if automaton.has_distinct else LimitedArena if automaton.has_token_limits else Arena
        return kind(self._common)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.automaton.source, self.automaton.limits, self.vocabulary)

    def __deepcopy__(self, memo: object) -> Constraint:
        return self

    def __copy__(self) -> Constraint:
        return self

    @property
    def start(self) -> State:
        """The state before the first token."""
        arena = self._newest
        if arena.words > _ROTATE:
            arena = self._newest = self._new_arena()
        return State(arena, arena.start)

    def mask(self, state: State, budget: int | None = None) -> Bitmask:
        """The tokens that may come next, as a read-only bitmask that is never overwritten.

        With `budget`, the tokens left with EOS counted in, only those after which the text can still be finished.
        Not empty whenever `budget > min_tokens_to_end(state)`.
        """
        arena, number = state._arena, state._number
        if budget is None:
            row = arena.rows.get(number)
            if row is not None:
                return row
        self._check(arena)
        return arena.mask(number, budget)

    def _check(self, arena: Arena) -> None:
        if arena.automaton is not self.automaton or arena.leaves.words != self.words:
            raise ValueError("the state belongs to another constraint")

    def fill_bitmask(
        self, states: Sequence[State], out: NDArray[np.int32] | Any, budgets: Sequence[int | None] | None = None
    ) -> None:
        """Writes the masks of `states` into the rows of `out`: int32 (n, words), numpy or a CPU torch tensor.

        `out` may be wider than the vocabulary, further words become zero; `ValueError` when it is narrower. See
        `tokenizer_align.batch.fill_bitmask`, which takes states of several constraints.
        """
        arena = None
        for state in states:
            if state._arena is not arena:
                arena = state._arena
                self._check(arena)
        write_masks(states, out, budgets, self.words)

    def advance(self, state: State, token_id: int) -> State:
        """The state after one token; raises `TokenRejected` when it is not in the mask of `state`."""
        arena, number = state._arena, state._number
        reached = arena.taken.get((number, token_id))
        if reached is not None:
            return State(arena, reached)
        if number > END and 0 <= token_id < arena.leaves.tokens and token_id not in self._apart:
            with arena.lock:
                reached = kernels.advance(arena.context, number, token_id, 0)
            if reached > NOWHERE:
                arena.take(number, token_id, reached)
                return State(arena, reached)
        after = self.try_advance(state, token_id)
        if after is None:
            raise self._rejection(state, token_id)
        return after

    def try_advance(self, state: State, token_id: int) -> State | None:
        """The state after one token, None when it is not in the mask of `state`."""
        arena, number = state._arena, state._number
        if token_id in self._eos:
            return State(arena, END) if self.is_accepting(state) else None
        if number == END or not 0 <= token_id < arena.leaves.tokens:
            return None
        if token_id in self._specials:
            after = arena.step(number, self._specials[token_id])
        else:
            after = arena.advance(number, token_id)
        return None if after == DEAD else State(arena, after)

    def _bytes(self, token_id: int) -> bytes:
        tokens = self.vocabulary.tokens
        return tokens[token_id] if 0 <= token_id < len(tokens) else b""

    def _rejection(self, state: State, token_id: int) -> TokenRejected:
        arena, number = state._arena, state._number
        if number == END:
            return TokenRejected(token_id, None, 0, "nothing: the text has ended")
        data = self._bytes(token_id)
        offset = 0
        for byte in data:
            after = arena.step(number, byte)
            if after == DEAD:
                break
            number = after
            offset += 1
        return TokenRejected(token_id, data or None, offset, self._describe(arena, number))

    def _describe(self, arena: Arena, number: int) -> str:
        ranges: list[tuple[int, int]] = []
        for symbol in arena.symbols(number):
            if ranges and ranges[-1][1] + 1 == symbol:
                ranges[-1] = (ranges[-1][0], symbol)
            else:
                ranges.append((symbol, symbol))
        return self.automaton.recogniser.describe_ranges(ranges, accepting=arena.accepting(number))

    def is_accepting(self, state: State) -> bool:
        """Whether the text so far is in the language; then, and only then, the EOS tokens are in the mask."""
        return state._number == END or state._arena.accepting(state._number)

    def is_terminated(self, state: State) -> bool:
        """Whether EOS was taken: only EOS may follow."""
        return state._number == END

    def forced_tokens(self, state: State) -> list[int]:
        """The longest run of tokens that are each alone in their mask, EOS left out; taking them keeps the law."""
        tokens = []
        while not self.is_accepting(state):
            only = _single_bit(self.mask(state))
            if only < 0:
                break
            tokens.append(only)
            state = self.advance(state, only)
        return tokens

    def forced_text(self, state: State) -> bytes:
        """The longest prefix that all continuations have in common, in bytes."""
        forced = bytearray()
        while (byte := self._only_byte(state)) is not None:
            forced.append(byte)
            state = State(state._arena, state._arena.step(state._number, byte))
        return bytes(forced)

    def _only_byte(self, state: State) -> int | None:
        """The only byte that may come next, None when there are several choices, the end among them."""
        if self.is_accepting(state):
            return None
        symbols = state._arena.symbols(state._number)
        return symbols[0] if len(symbols) == 1 and symbols[0] < 256 else None

    def min_tokens_to_end(self, state: State) -> int:
        """A number of tokens, EOS left out, that suffices to complete the text: 0 iff it is complete.

        Some token of the mask lowers it by at least one. It is the length of a greedy spelling of a shortest text,
        frame by frame, not the least number there is.
        """
        if state._number == END:
            return 0
        state._arena.settle_all()
        return state._arena.cost(state._number)

    def min_tokens_lower_bound(self, state: State) -> int:
        """A number of tokens, EOS left out, below which no text can be completed from the start."""
        if self.is_accepting(state):
            return 0
        state._arena.settle_all()
        assert self._common.costs is not None
        longest = max(map(len, self.vocabulary.tokens), default=1)
        return max(1, -(-self._common.costs.fewest_bytes // max(1, longest))) if state == self.start else 1

    def check_budget(self, budget: int) -> None:
        """Raises `BudgetTooSmall` unless `budget` tokens, EOS included, suffice from the start."""
        sufficient = self.min_tokens_to_end(self.start) + 1
        if budget < sufficient:
            raise BudgetTooSmall(budget, self.min_tokens_lower_bound(self.start) + 1, sufficient)

    def matcher(self) -> Matcher:
        """A mutable cursor at the start."""
        from tokenizer_align.matcher import Matcher

        return Matcher(self)


def align(automaton: ByteAutomaton, vocabulary: Vocabulary) -> Constraint:
    """The constraint of a grammar's automaton over a vocabulary.

    Raises `VocabularyMismatch` when the grammar needs a byte that no one-byte token spells, or a special token that the
    vocabulary does not have.
    """
    return Constraint(automaton, vocabulary)


def _rebuild(grammar: Grammar, limits: Limits, vocabulary: Vocabulary) -> Constraint:
    return align(compile_grammar(grammar, limits=limits), vocabulary)


def _special_symbols(automaton: ByteAutomaton, vocabulary: Vocabulary) -> dict[int, int]:
    """The symbol of the automaton for each special token that it names, by id."""
    found = {name: vocabulary.special_id(name) for name in automaton.special_tokens}
    if missing := [name for name, token in found.items() if token is None]:
        numbers = "; a number is for a token that spells no text" if any("<[" in name for name in missing) else ""
        raise VocabularyMismatch(
            f"the grammar names special tokens that the vocabulary lacks: {', '.join(missing)}{numbers}"
        )
    named = {name: token for name, token in found.items() if token is not None}
    ending = [name for name, token in named.items() if token in vocabulary.eos_token_ids]
    if ending:
        raise VocabularyMismatch(
            f"the grammar names {', '.join(ending)}, which ends a text: it may always stand at the end, and only there"
        )
    if len(set(named.values())) < len(named):
        raise VocabularyMismatch(
            f"the grammar names special tokens that are one token in the vocabulary: {', '.join(named)}"
        )
    return {token: 256 + index for index, token in enumerate(named.values())}


def _spellable(automaton: ByteAutomaton, vocabulary: Vocabulary) -> ByteAutomaton:
    """The automaton of the texts that the vocabulary's tokens can write.

    Bytes that occur in no token are cut from the language. One that occurs in tokens, but has no token of its own, is
    refused: whether a text can be finished would then depend on where its tokens begin.
    """
    if not vocabulary.missing_bytes:
        return automaton
    missing = automaton.used_bytes() & vocabulary.missing_bytes
    if not missing:
        return automaton
    if automaton.has_distinct:
        raise VocabularyMismatch(
            "the grammar has arrays whose items must differ, and uses bytes that have no one-byte token in the "
            f"vocabulary: {_named(missing)}; whether another item is possible cannot be told then"
        )
    absent = missing - set(np.unique(vocabulary.trie.byte).tolist())
    if absent:
        try:
            automaton = automaton.without_bytes(frozenset(absent))
        except EmptyLanguage:
            raise VocabularyMismatch(
                f"no text of the grammar can be written with this vocabulary: none of its tokens has {_named(absent)}"
            ) from None
    halfway = automaton.used_bytes() & missing
    if halfway:
        raise VocabularyMismatch(
            "the grammar uses bytes that occur in tokens of the vocabulary, but have no one-byte token: "
            f"{_named(halfway)}; exact masks need one, since a text could otherwise become impossible to finish"
        )
    return automaton


def _named(data: set[int]) -> str:
    shown = [f"0x{byte:02X}" for byte in sorted(data)]
    return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")


def _single_bit(row: Bitmask) -> int:
    """The only token of a bitmask, -1 when there are none or several."""
    (words,) = row.nonzero()
    if len(words) != 1:
        return -1
    word = int(row[words[0]]) & 0xFFFFFFFF
    return -1 if word & (word - 1) else 32 * int(words[0]) + word.bit_length() - 1
