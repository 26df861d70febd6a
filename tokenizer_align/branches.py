"""Branches: the states and masks of grammars with arrays whose items must differ.

Place in the walk: beside `Arena`, whose configurations are the half of a state that the kernels know; the other half is
what has been read of such arrays (`grammars.distinct`). A mask is that of the configuration, but for the tokens by
which an item could come to equal another one. They are found without looking at all others: they begin with what leads
towards an earlier item, or hold the end of one item and the beginning of the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from grammars.distinct import Branch, Distinct, Frame
from grammars.history import OPEN, WHITESPACE, Array, History
from grammars.tables import RULE_DISTINCT, RULE_START, STATE_RULE
from tokenizer_align import kernels
from tokenizer_align.kernels import DEAD
from tokenizer_align.states import Arena, Bitmask, Common
from tokenizer_align.suspects import among, bitmask_of, members_of, suspects_of

__all__ = ["BranchArena"]

_FIRST = -16
"""The number of the first state; further ones count down. From 0 on numbers are configurations."""

_AWAY = 8
"""Bytes that are tried to get away from earlier items, where no further items must come."""

_FEW = 512
"""Most tokens that are tried one by one because they lower a cost."""

_REMEMBERED = 4096
"""Steps and bytes of configurations, where whitespace leads from them, and costs of branches that are remembered."""

(_SPACE,) = b" "

K = TypeVar("K")
V = TypeVar("V")


class BranchArena(Arena):
    """An arena whose states are sets of branches."""

    def __init__(self, common: Common) -> None:
        super().__init__(common)
        self.distinct = Distinct[int](self)
        self.suspects = suspects_of(common.vocabulary)
        self.costs: dict[Branch[int], int] = {}
        self.spaces: dict[int, list[tuple[int, list[int]]]] = {}
        self.possible: dict[int, list[int]] = {}  # of a configuration the bytes that may come next
        self.steps: dict[tuple[int, int], int] = {}
        self.rules: dict[int, int] = {}  # of a state the rule of its array with distinct items
        self.states: list[tuple[Branch[int], ...]] = []
        self.numbers: dict[tuple[Branch[int], ...], int] = {}
        self.start = self._number([Branch(self.start)])

    def _number(self, branches: Iterable[Branch[int]]) -> int:
        """The number of the state with these branches, `DEAD` for none."""
        found = tuple(dict.fromkeys(branches))
        if not found:
            return DEAD
        with self.lock:
            number = self.numbers.get(found)
            if number is None:
                number = self.numbers[found] = _FIRST - len(self.states)
                self.states.append(found)
        return number

    def branches(self, number: int) -> tuple[Branch[int], ...]:
        """The branches of a state."""
        return self.states[_FIRST - number]

    @property
    def words(self) -> int:
        return super().words + 64 * len(self.states)

    # -- what `Distinct` asks of the configurations

    def after(self, configuration: int, byte: int) -> int | None:
        """The configuration after one byte, None when it is refused."""
        at = configuration, byte
        reached = self.steps.get(at)
        if reached is None:
            reached = super().step(configuration, byte)
            _remember(self.steps, at, reached)
        return None if reached == DEAD else reached

    def bytes_at(self, configuration: int) -> list[int]:
        """The bytes that may come next; perhaps some more, which `after` refuses."""
        found = self.possible.get(configuration)
        if found is None:
            heap, first = self.arrays[kernels.HEAP], configuration + kernels.HEADER
            found = members_of(heap[first : first + kernels.BYTE_WORDS])
            _remember(self.possible, configuration, found)
        return found

    def items_of(self, configuration: int) -> tuple[list[Frame], bool]:
        """The items of a configuration, and whether it is accepting."""
        items = [(state, counter, stack) for state, counter, stack in self.items(configuration).tolist()]
        return items, self.accepting(configuration)

    def frames_of(self, stack: int) -> tuple[list[Frame], bool]:
        """The frames of a stack set, and whether the empty stack is in it."""
        heap, first = self.arrays[kernels.HEAP], stack + kernels.HEADER
        frames = heap[first : first + 3 * int(heap[stack + 1])].reshape(-1, 3).tolist()
        return [(back, counter, parent) for back, counter, parent in frames], bool(heap[stack + 2])

    def with_items(self, items: list[Frame], accepting: bool) -> int:
        """The configuration with these items."""
        return self._record(kernels.CONFIGURATION, accepting, items)

    def with_frames(self, frames: list[Frame], has_empty: bool) -> int:
        """The stack set with these frames."""
        return self._record(kernels.STACK, has_empty, frames)

    def _record(self, kind: int, flag: bool, triples: list[Frame]) -> int:
        return self.call(kernels.intern_record, kind, int(flag), np.array(sorted(triples), np.int32).reshape(-1))

    def distinct_rule(self, state: int) -> int:
        """The rule of a state inside of an array with distinct items, else -1."""
        found = self.rules.get(state)
        if found is None:
            tables = self.automaton.tables
            rule = int(tables.states[state, STATE_RULE])
            is_distinct, start = tables.rules[rule, [RULE_DISTINCT, RULE_START]].tolist()
            found = rule if is_distinct and state != start else -1  # at its start, the bracket is not read
            _remember(self.rules, state, found)
        return found

    # -- states

    def step(self, configuration: int, symbol: int) -> int:
        if configuration >= 0:
            return super().step(configuration, symbol)
        if symbol >= 256:
            reached = [(super(BranchArena, self).step(at, symbol), read) for at, read in self.branches(configuration)]
            return self._number([Branch(*at) for at in reached if at[0] != DEAD])
        return self._number(self.distinct.read(self.branches(configuration), bytes((symbol,))))

    def advance(self, configuration: int, token_id: int) -> int:
        if configuration >= 0:
            return super().advance(configuration, token_id)
        return self._number(self._after_token(self.branches(configuration), token_id))

    def _after_token(self, branches: Iterable[Branch[int]], token_id: int) -> Iterator[Branch[int]]:
        data = self.common.vocabulary.tokens[token_id]
        if b"[" in data:
            yield from self.distinct.read(branches, data)
            return
        for configuration, history in branches if data else ():
            read = history.read(data)
            reached = DEAD if read is None else super().advance(configuration, token_id)
            if read is not None and reached != DEAD and self.distinct.is_alive(after := Branch(reached, read)):
                yield after

    def _allows(self, branch: Branch[int], token_id: int, budget: int | None) -> bool:
        """Whether a token that the configuration allows is one that its branch allows; mostly the history says so."""
        if budget is not None:
            return any(self._suffices(after, budget - 2) for after in self._after_token((branch,), token_id))
        data = self.common.vocabulary.tokens[token_id]
        if b"[" in data:
            return bool(self.distinct.read((branch,), data))
        read = branch.history.read(data)
        if read is None or not read.toward():
            return read is not None
        return self.distinct.is_alive(Branch(super().advance(branch.configuration, token_id), read))

    def accepting(self, configuration: int) -> bool:
        if configuration >= 0:
            return super().accepting(configuration)
        complete = [at for at, history in self.branches(configuration) if not history.frames]
        return any(map(super().accepting, complete))

    def symbols(self, configuration: int) -> list[int]:
        if configuration >= 0:
            return super().symbols(configuration)
        found = set[int]().union(*map(super().symbols, [at for at, _ in self.branches(configuration)]))
        return [symbol for symbol in sorted(found) if self.step(configuration, symbol) != DEAD]

    def cost(self, configuration: int) -> int:
        if configuration >= 0:
            return super().cost(configuration)
        return min(map(self._cost, self.branches(configuration)))

    def _suffices(self, branch: Branch[int], most: int) -> bool:
        """Whether a branch costs at most so much: mostly the first way from earlier items shows that it does."""
        if branch not in self.costs:
            for distance, at in self.distinct.nearest(branch, few=_AWAY):
                if distance + super().cost(at.configuration) + self._needs(at) <= most:
                    return True
                if distance > most:
                    break
        return self._cost(branch) <= most

    def _cost(self, branch: Branch[int]) -> int:
        """A number of tokens that suffices from a branch: byte by byte away from earlier items, then as ever.

        Where only a key could become one that is there already, the next required one hardly does: then the tokens that
        lower the cost of the configuration are tried too. What further items need to differ from all before them is
        added for each that must come.
        """
        configuration, history = branch
        as_ever = super().cost(configuration) + self._needs(branch)
        if not history.toward():
            return as_ever
        best = self.costs.get(branch)
        if best is not None:
            return best
        best, few = kernels.TOO_MANY, 256 if any(self.automaton.all_needs()) else _AWAY
        for spaced in (False, True):
            for distance, at in self.distinct.nearest(branch, few=few, spaced=spaced):
                if distance >= best:
                    break
                best = min(best, distance + super().cost(at.configuration) + self._needs(at))
            if best < kernels.TOO_MANY:
                break
        if not history.toward_items() and best > as_ever:
            for token in self._lowering(configuration):
                best = min([best, *(1 + self._cost(after) for after in self._after_token((branch,), token))])
                if best <= as_ever:
                    break
        _remember(self.costs, branch, best)
        return best

    def _lowering(self, configuration: int) -> list[int]:
        """The tokens that lower the cost of a configuration, where they are few."""
        row = super().mask(configuration, super().cost(configuration) + 1) & self.suspects.plain
        return members_of(row) if int(np.unpackbits(row.view(np.uint8)).sum()) <= _FEW else []

    def _needs(self, branch: Branch[int]) -> int:
        """The bytes that suffice for the items that open arrays must have behind those that are begun."""
        frames, lexeme = branch.history
        needed = 0
        for depth, frame in enumerate(frames, 1):
            if isinstance(frame, Array) and frame.rule >= 0:
                begun = len(frame.items) + (depth < len(frames) or lexeme is not None)
                needed += sum(self.automaton.needs(frame.rule)[begun:])
        return needed

    # -- masks

    def known(self, number: int, budget: int | None) -> Bitmask | None:
        if number >= 0:
            return super().known(number, budget)
        return self.rows.get(number) if budget is None else None

    def mask(self, number: int, budget: int | None = None) -> Bitmask:
        if number >= 0:
            return super().mask(number, budget)
        with self.lock:
            row = self.rows.get(number) if budget is None else None
            if row is not None:
                return row
            if budget is not None:
                self.settle_all()
            row = np.zeros(self.leaves.words, np.int32)
            for branch in self.branches(number):
                row |= self._row(branch, budget)
            if budget is None:
                return self.common.rows.remember(self.rows, number, row, int(kernels.digest(row)))
        row.flags.writeable = False
        return row

    def _row(self, branch: Branch[int], budget: int | None) -> Bitmask:
        """The mask of one branch."""
        history, free = branch.history, super().mask(branch.configuration)
        row = free if budget is None else super().mask(branch.configuration, budget - self._needs(branch))
        suspects = self._suspected(branch, free)
        if budget is not None and any(self.automaton.all_needs()):  # a bracket adds to the needs, others may lower them
            several = among(free, self.suspects.single_or_bracket)
            suspects = sorted({*suspects, *several, *self._lowering(branch.configuration)})
        decided, allowed = suspects, [token for token in suspects if self._allows(branch, token, budget)]
        if history.frames and not history.in_string:
            read = history.step(_SPACE)
            for configuration, tokens in self._spaces(branch.configuration, free):
                is_alive = read is not None and self.distinct.is_alive(after := Branch(configuration, read))
                decided = decided + tokens
                if is_alive and (budget is None or self._suffices(after, budget - 2)):
                    allowed += tokens
        if len(decided) == len(allowed) and budget is None:
            return row
        return row & ~bitmask_of(decided, len(row)) | bitmask_of(allowed, len(row))

    def _spaces(self, configuration: int, free: Bitmask) -> list[tuple[int, list[int]]]:
        """The tokens that are nothing but whitespace, by where they lead: hundreds lead to a few configurations."""
        known = self.spaces.get(configuration)
        if known is None:
            found: dict[int, list[int]] = {}
            for token in among(free, self.suspects.spaces):
                found.setdefault(super().advance(configuration, token), []).append(token)
            known = list(found.items())
            _remember(self.spaces, configuration, known)
        return known

    def _suspected(self, branch: Branch[int], free: Bitmask) -> list[int]:
        """The tokens of a configuration's mask of which a look at the history decides, but whitespace."""
        history = branch.history
        if not history.frames:
            return [t for t in among(free, self.suspects.opening) if self._may_open(branch.configuration, t)]
        several = self.suspects.after_string if history.in_string else self.suspects.several
        leading = np.concatenate([*self._leading(history), several[:0]])
        return sorted({*among(free, several), *among(free, leading[~self.suspects.is_space[leading]])})

    def _may_open(self, configuration: int, token_id: int) -> bool:
        """Whether a bracket in a token may be that of an array with distinct items."""
        data, at = self.common.vocabulary.tokens[token_id], configuration
        for byte in data[: data.rindex(b"[") + 1]:
            after = self.after(at, byte)
            if after is None:
                return False
            if byte == OPEN and max(self.distinct.stacks.rules(after), default=-1) >= 0:
                return True
            at = after
        return False

    def _leading(self, history: History) -> Iterator[NDArray[np.int32]]:
        """The tokens that lead from a history towards an earlier item, or to one; but whitespace."""
        trie, at = self.common.vocabulary.trie, history
        pending = self._children(-1, at)
        if at.step(_SPACE) is at:
            behind = self.suspects.behind_space
            pending = [(node, byte, at) for byte in at.toward() for node in behind.get(byte, ())]
        while pending:
            node, byte, at = pending.pop()
            after = at.step(byte)
            if after is None:
                yield trie.tokens_below(node)
            elif after is at or after.toward():
                yield trie.token_ids[trie.tok_start[node] : trie.tok_end[node]]
                pending += self._children(node, after)

    def _children(self, node: int, history: History) -> list[tuple[int, int, History]]:
        """The nodes behind one of the trie, with the bytes to them, that lead towards an earlier item, or nowhere."""
        children = self.common.vocabulary.trie.children
        first, end = children.start[node + 1 : node + 3].tolist()
        leads = history.toward() if history.in_string else history.toward() | WHITESPACE
        found = zip(children.node[first:end].tolist(), children.byte[first:end].tolist(), strict=True)
        return [(child, byte, history) for child, byte in found if byte in leads]


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
