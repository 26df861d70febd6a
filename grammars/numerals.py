"""Numbers between bounds, straight to their automaton: digits are compared with those of the bounds as they are read.

Place in the walk: beside `grammars.fragments`, for the node `Numerals`. That is a choice of sequences of digits, which
is what all others read; positions would take ten times as long to find that most of their sets go on alike.

A state knows how many digits were read and how they compare with as many digits of each bound: `LESS`, `TIGHT` or
`MORE`. Where no digits to come can break a bound (from zeros on below, from nines on above) it is no longer tight. A
zero before the point counts as no digits. The first digit and those behind its point are read as a plain number and as
the mantissa of a scientific one at once.

Where no bound tells the digits to come apart, what is left is a chain: a state for each number of digits for which
there is room. Most states are of chains, which are written from their ends, without looking at one state after another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, TypeAlias

from grammars.dfa import Edge, too_large
from grammars.ir import Magnitudes, Numerals
from grammars.pieces import Piece, flat_piece

__all__ = ["numerals_piece"]

LESS, TIGHT, MORE = -1, 0, 1

State: TypeAlias = tuple[Any, ...]
"""A function, and what it takes to tell the edges from here and whether the number may end here."""

Edges: TypeAlias = tuple[tuple[int, int, State | int], ...]
"""Low, high, and the state: its number where it has been written."""

Row: TypeAlias = tuple[Edge, ...]

Found: TypeAlias = tuple[bool, Edges]

Pair: TypeAlias = tuple[int, int]
"""How the digits so far compare with those of a lower and of an upper bound."""

_End: TypeAlias = tuple[bool, Pair | None]
"""Whether a number may end, and between which exponents it may have one."""

_NEVER: _End = (False, None)

_ZEROS = (2, 2)
"""The mantissa of a number that is 0, in place of a pair."""

_PLUS, _MINUS, _POINT, _ZERO, _NINE = 43, 45, 46, 48, 57


def numerals_piece(node: Numerals, *, limit: int) -> Piece:
    """The piece of a node that has a string, trimmed; raises `LimitExceeded` beyond `limit` states."""
    states = _States(limit)
    positive, negative = [None if side is None else _Reader(side, states) for side in (node.positive, node.negative)]
    if node.positive == node.negative:
        negative = positive

    def begin() -> Found:
        edges = () if positive is None else positive.begin()[1]
        return False, edges if negative is None else ((_MINUS, _MINUS, (_Reader.begin, negative)), *edges)

    return states.piece((begin,))


class _States:
    """The states found so far by their numbers: those of chains are written, the others waiting."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: list[Row] = []
        self.finals: list[int] = []
        self.numbers: dict[State, int] = {}
        self.waiting: list[State] = []
        self.rests: dict[tuple[_End, _End], list[int]] = {}

    def piece(self, initial: State) -> Piece:
        """All that is reached from a state, which is the first."""
        self.number(initial)
        for state in self.waiting:
            number = self.numbers[state]
            final, edges = state[0](*state[1:])
            self.rows[number] = self.numbered(edges)
            if final:
                self.finals.append(number)
        first_edges = list(accumulate(map(len, self.rows), initial=0))[:-1]
        edges = list(chain.from_iterable(self.rows))
        columns = [low for low, _, _ in edges], [high for _, high, _ in edges], [target for _, _, target in edges]
        return flat_piece(self.finals, first_edges, [0] * len(self.rows), columns, ([], []))

    def number(self, state: State) -> int:
        """The number of a state that is written later."""
        number = self.numbers.get(state)
        if number is None:
            number = self.numbers[state] = self.write([()], final=False)[0]
            self.waiting.append(state)
        return number

    def numbered(self, edges: Edges) -> Row:
        """The row of some edges: those side by side that lead to one state are one."""
        row: list[Edge] = []
        for low, high, to in edges:
            target = self.number(to) if isinstance(to, tuple) else to
            if row and row[-1][2] == target and row[-1][1] + 1 == low:
                low = row.pop()[0]
            row.append((low, high, target))
        return tuple(row)

    def write(self, rows: list[Row], *, final: bool) -> range:
        """The numbers of new states with these rows."""
        numbers = range(len(self.rows), len(self.rows) + len(rows))
        if numbers.stop > self.limit:
            raise too_large(f"{self.limit} states")
        self.rows += rows
        if final:
            self.finals += numbers
        return numbers

    def link(self, states: list[int], left: int, row: Callable[[int, int], Row], *, final: bool) -> int:
        """The state of a chain with room for so many digits.

        `states` are those with less room that are written; `row` takes a room and the state that has one digit less.
        """
        first = len(self.rows)
        if len(states) <= left:
            shorter = [states[-1], *range(first, first + left - len(states))]
            states += self.write([row(room, state) for room, state in enumerate(shorter, len(states))], final=final)
        return states[left]

    def rest(self, left: int, zeros: _End, others: _End) -> int:
        """Behind the point and digits, with room for some others: how it ends while they are zeros, and with others."""
        if left == 0:
            others = zeros
        states = self.rests.setdefault((zeros, others), [])
        if left < len(states):
            return states[left]
        ends, exponents = zeros
        letter = self.numbered(_letter(exponents))
        if not states:
            states += self.write([letter], final=ends) if zeros == others else [self.rest(0, zeros, zeros)]
        if zeros == others:
            return self.link(states, left, lambda _, digit: ((_ZERO, _NINE, digit), *letter), final=ends)
        if others == _NEVER:
            return self.link(states, left, lambda _, zero: ((_ZERO, _ZERO, zero), *letter), final=ends)
        self.rest(left - 1, others, others)
        digits = self.rests[others, others]
        return self.link(
            states,
            left,
            lambda room, zero: ((_ZERO, _ZERO, zero), (_ZERO + 1, _NINE, digits[room - 1]), *letter),
            final=ends,
        )


class _Reader:
    """Reads the numbers of one `Magnitudes`, which have no sign."""

    def __init__(self, numbers: Magnitudes, states: _States) -> None:
        self.states = states
        self.free: list[int] = []
        self.places, self.zero = numbers.places, numbers.zero
        self.floor = self.above = self.ceiling = self.below = self.least = self.most = ""
        self.plain, self.exponents, self.mantissa_from_nines = numbers.plain is not None, (1, 0), 0
        self.to_zeros = self.mantissa_to_zeros = 0
        if numbers.plain is not None:
            (self.floor, self.above), (self.ceiling, self.below) = numbers.plain
            self.to_zeros = len(self.below)
            self.below = self.below.ljust(self.places, "0")
            self.from_zeros = len((self.floor + self.above).rstrip("0"))
            self.from_nines = len((self.ceiling + self.below).rstrip("9"))
        if numbers.scientific is not None:
            (first, self.least), (last, most) = numbers.scientific
            self.mantissa_to_zeros = len(most)
            self.exponents, self.most = (first, last), most.ljust(1 + self.places, "0")
            self.mantissa_from_nines = len(self.most.rstrip("9"))

    # -- the states; those without a mantissa or as nothing but one have None in place of the pair

    def begin(self) -> Found:
        edges: list[tuple[int, int, State | int]] = []
        if (self.plain and not self.floor) or self.zero:
            pair = (self._low(0, TIGHT), self._high(0, TIGHT)) if self.plain and not self.floor else None
            edges.append((_ZERO, _ZERO, (_Reader.whole, self, 0, pair, _ZEROS if self.zero else None)))
        return False, (*edges, *self._digits(_Reader.whole, 0, (TIGHT, TIGHT) if self.plain else None, (TIGHT, TIGHT)))

    def whole(self, read: int, pair: Pair | None, mantissa: Pair | None) -> Found:
        """Behind digits before the point."""
        edges: list[tuple[int, int, State | int]] = []
        behind = None
        if pair is not None and len(self.floor) <= read <= len(self.ceiling):
            low = pair[0] if read == len(self.floor) else MORE
            high = pair[1] if read == len(self.ceiling) else LESS
            behind = (low, high) if low >= TIGHT and high <= TIGHT else None
        if self.places and (behind or mantissa):
            edges.append((_POINT, _POINT, (_Reader.fraction, self, 0, behind, mantissa)))
        if read and pair is not None:
            edges += self._digits(_Reader.whole, read, pair, None)
        return behind is not None and behind[0] == MORE, (*edges, *_letter(self._exponent(mantissa)))

    def fraction(self, read: int, pair: Pair | None, mantissa: Pair | None) -> Found:
        """Behind the point and some digits."""
        edges = self._digits(_Reader.fraction, read, pair, mantissa) if read < self.places else []
        ends = read > 0 and pair is not None and pair[0] == MORE
        return ends, (*edges, *_letter(self._exponent(mantissa if read else None)))

    # -- one more digit

    def _digits(
        self, kind: Callable[..., Found], read: int, pair: Pair | None, mantissa: Pair | None
    ) -> list[tuple[int, int, State | int]]:
        """The edges by one more digit; digits that no bound tells apart are one range."""
        before = kind is _Reader.whole
        place = read if before else 1 + read  # of a mantissa
        tight = [*_tight(pair, *((self.floor, self.ceiling) if before else (self.above, self.below)), read)]
        tight += (0, 0) if mantissa == _ZEROS else _tight(mantissa, self.least, self.most, place)
        low, high, least, most = tight
        told = {10}
        for digit in tight:
            if digit >= 0:
                told |= {digit, digit + 1}
        begin = 1 if before and not read else 0
        edges: list[tuple[int, int, State | int]] = []
        for end in sorted(told):
            if end <= begin:
                continue
            after = same = None
            if pair is not None:
                orders = _order(pair[0], begin, low), _order(pair[1], begin, high)
                after = self._whole(read + 1, *orders) if before else self._behind(read + 1, *orders)
            if mantissa == _ZEROS:
                same = None if begin else _ZEROS
            elif mantissa is not None:
                same = self._mantissa(place + 1, _order(mantissa[0], begin, least), _order(mantissa[1], begin, most))
            if after is not None or same is not None:
                chained = self._free(read + 1, after, same) if before else self._tail(read + 1, after, same)
                target = (kind, self, read + 1, after, same) if chained is None else chained
                edges.append((_ZERO + begin, _ZERO + end - 1, target))
            begin = end
        return edges

    def _low(self, read: int, order: int) -> int:
        """How as many digits of a plain number compare with the lower bound, if they decide anything."""
        return MORE if order == TIGHT and read >= self.from_zeros else order

    def _high(self, read: int, order: int) -> int:
        return LESS if order == TIGHT and read >= self.from_nines else order

    def _whole(self, read: int, low: int, high: int) -> Pair | None:
        """The pair of so many digits before the point; None if no number within the bounds begins with them."""
        low = MORE if read > len(self.floor) else self._low(read, low)
        high = self._high(read, high)
        fewest = len(self.floor) if read <= len(self.floor) and low >= TIGHT else max(read, len(self.floor) + 1)
        most = len(self.ceiling) if high <= TIGHT else len(self.ceiling) - 1
        return (low, high) if read <= most and fewest <= most else None

    def _behind(self, read: int, low: int, high: int) -> Pair | None:
        """The pair of so many digits behind the point, the same way."""
        low, high = self._low(len(self.floor) + read, low), self._high(len(self.ceiling) + read, high)
        return (low, high) if low >= TIGHT and high <= TIGHT else None

    def _mantissa(self, read: int, low: int, high: int) -> Pair | None:
        """The pair of so many digits of a mantissa; None if it has no exponent within the bounds."""
        first, last = self.exponents
        if low == TIGHT and read >= len(self.least):
            low = MORE
        if high == TIGHT and read >= self.mantissa_from_nines:
            high = LESS
        return (low, high) if first + (low == LESS) <= last - (high == MORE) else None

    def _free(self, read: int, pair: Pair | None, mantissa: Pair | None) -> int | None:
        """The state before the point from which any digits follow; None if a bound tells them apart."""
        if pair is None or mantissa is not None or pair[0] != MORE or pair[1] == TIGHT or read < len(self.floor):
            return None
        left = len(self.ceiling) - read - (pair[1] == MORE)
        states = self.states
        point = (_POINT, _POINT, (_Reader.fraction, self, 0, (MORE, LESS), None))
        before = states.numbered((point,) if self.places else ())
        if not self.free:
            self.free += states.write([before], final=True)
        return states.link(self.free, left, lambda _, digit: (*before, (_ZERO, _NINE, digit)), final=True)

    def _tail(self, read: int, pair: Pair | None, mantissa: Pair | None) -> int | None:
        """The state behind the point from which bounds tell only whether all digits to come are zeros, if they do."""
        if pair is not None and (pair[0] == TIGHT or (pair[1] == TIGHT and read < self.to_zeros)):
            return None
        if mantissa is not None and mantissa[0] == TIGHT:
            return None
        if mantissa is not None and mantissa[1] == TIGHT and 1 + read < self.mantissa_to_zeros:
            return None
        zeros = pair is not None, self._exponent(mantissa)
        others = pair is not None and pair[1] != TIGHT, zeros[1]
        if mantissa == _ZEROS:
            others = others[0], None
        elif mantissa is not None and mantissa[1] == TIGHT:
            others = others[0], self._exponent((mantissa[0], MORE))
        return self.states.rest(self.places - read, zeros, others)

    def _exponent(self, mantissa: Pair | None) -> Pair | None:
        """Between which exponents the number of a mantissa is within the bounds."""
        if mantissa is None or mantissa == _ZEROS:
            return mantissa and (-999, 999)
        first, last = self.exponents[0] + (mantissa[0] != MORE), self.exponents[1] - (mantissa[1] == MORE)
        return (first, last) if first <= last else None


def _letter(exponents: Pair | None) -> Edges:
    """The edges by the letter of an exponent."""
    return () if exponents is None else ((69, 69, (_sign, *exponents)), (101, 101, (_sign, *exponents)))


def _tight(pair: Pair | None, low: str, high: str, place: int) -> tuple[int, int]:
    """The digits of two bounds with which one more digit has to be compared, -1 where there is none."""
    if pair is None:
        return -1, -1
    return (
        int(low[place]) if pair[0] == TIGHT and place < len(low) else -1,
        int(high[place]) if pair[1] == TIGHT and place < len(high) else -1,
    )


def _order(order: int, digit: int, tight: int) -> int:
    """How one more digit compares."""
    return order if tight < 0 else (digit > tight) - (digit < tight)


# -- exponents: one to three digits ------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _sign(first: int, last: int) -> Found:
    """Behind the letter of an exponent from `first` to `last`."""
    edges: Edges = ()
    if first <= 0:
        edges = ((_MINUS, _MINUS, (_padded, False, *_up_to_three(max(-last, 0), -first))),)
    if last >= 0:
        digits = _up_to_three(max(first, 0), last)
        edges = ((_PLUS, _PLUS, (_padded, False, *digits)), *edges, *_padded(False, *digits)[1])
    return False, edges


def _up_to_three(first: int, last: int) -> tuple[Pair, ...]:
    return tuple([(first, min(last, 10**digits - 1)) for digits in (1, 2, 3)])


@lru_cache(maxsize=1024)
def _padded(ends: bool, *ranges: Pair) -> Found:
    """Where the numbers of one more digit, of two and so on lie in these ranges."""
    edges: list[tuple[int, int, State]] = []
    for digit in range(10):
        rest = []
        for power, (first, last) in enumerate(ranges):
            unit = 10**power
            low, high = max(first - digit * unit, 0), min(last - digit * unit, unit - 1)
            rest.append((low, high) if low <= high else (1, 0))
        if any(low <= high for low, high in rest):
            begin, state = _ZERO + digit, (_padded, rest[0] == (0, 0), *rest[1:])
            if edges and edges[-1][2] == state:
                begin = edges.pop()[0]
            edges.append((begin, _ZERO + digit, state))
    return ends, tuple(edges)
