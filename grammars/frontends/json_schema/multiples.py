"""`multipleOf` -> IR: an automaton of residues under bounds, written as right-linear rules without cycles.

Place in the walk: `numbers.py` scales unit and bounds to integers and calls `multiple_rules`. Reading digits from the
left, a state knows the residue of what it has read and how that compares with as many digits of either bound; equal
states are merged from the last digit back. Automata beyond `STATES` are refused, or listed where multiples are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import lcm
from typing import TypeAlias

from grammars.errors import UnsupportedFeature
from grammars.frontends.json_schema.decimals import DIGITS, EXACT, choice, literal, optional, signed, zero_fraction
from grammars.ir import EPSILON, NOTHING, ByteClass, Bytes, Node, Ref, Repeat, Sequence
from grammars.record import record

__all__ = ["Multiple", "multiple_rules"]

STATES = 50_000
"""Most states of an automaton before equal ones are merged: seconds of work."""

UNBOUNDED = 20
"""Most digits where no bound says how many: every digit costs a state for each residue, and 2**64 has 20."""

LISTED = 5_000
"""Most multiples that are listed one by one where the automaton would pass `STATES`."""


@record
class Multiple:
    """Multiples of unit / 10**decimals; `fraction`: whether they may be written with a point; `text` for messages.

    None is a multiple of one of `others`, of which there are some only where there are no decimals. No part has more
    than `digits`.
    """

    unit: int
    decimals: int
    fraction: bool
    text: str
    others: tuple[int, ...] = ()
    digits: int = DIGITS

    def listed(self, low: int, high: int | None) -> Node:
        """The multiples for the quotients from low >= 0 to high, one by one, without a sign."""
        assert high is not None, "only short ranges are listed"
        return choice(node for quotient in range(low, high + 1) for node in self.spelled(quotient))

    def leaves_out(self, number: int) -> bool:
        """Whether a number is a multiple of one of the others."""
        return any(number % other == 0 for other in self.others)

    def spelled(self, quotient: int) -> Iterator[Node]:
        """The texts of one multiple, with zeros behind the point; none where a double would not hold it."""
        digits = str(quotient * self.unit).rjust(self.decimals + 1, "0")
        whole, part = digits[: len(digits) - self.decimals], digits[len(digits) - self.decimals :].rstrip("0")
        exact = len((whole + part).lstrip("0")) <= EXACT
        if self.leaves_out(quotient * self.unit) or max(len(whole), len(part)) > self.digits:
            return
        if not part:
            yield Sequence(
                (literal(whole), *((optional(zero_fraction(self.digits)),) if self.fraction and exact else ()))
            )
        elif exact:
            yield Sequence((literal(f"{whole}.{part}"), Repeat(Bytes(b"0"), 0, self.digits - len(part))))


def multiple_rules(prefix: str, multiple: Multiple, low: int | None, high: int | None) -> dict[str, Node]:
    """The multiples whose quotients lie from low to high, as rules named after `prefix`; the one of that name starts.

    Raises UnsupportedFeature where both the automaton and the list would be too large.
    """
    if low is not None and high is not None and high - low < LISTED:
        digits = len(str(max(-low, high) * multiple.unit))
        if digits * multiple.unit > STATES:
            return {prefix: signed(low, high, 0, multiple.listed)}
    merged = _Merged(prefix)
    start = signed(low, high, 0, lambda a, b: merged.add(_Residues.of(multiple, a, b)))
    return merged.rules | {prefix: start}


# A state while digits are read: the phase, how many digits the part that it names has so far, the residue of all
# digits, and how they compare (-1, 0, 1) to as many digits of the lower and of the upper bound.
_State: TypeAlias = tuple[int, int, int, int, int]
START, WHOLE, ZERO, PART = range(4)

_POINT = 46


@record
class _Residues:
    """A deterministic automaton without cycles for the multiples between two bounds, without a sign.

    Bounds and unit are scaled to integers; each bound is its digits before and behind the point. `zeros` follow the
    digits of every number but 0: multiples of 700 are multiples of 7 and two zeros.
    """

    multiple: Multiple
    modulus: int
    decimals: int
    zeros: int
    fraction: bool
    low: tuple[str, str]
    high: tuple[str, str] | None
    longest: int

    @classmethod
    def of(cls, multiple: Multiple, low: int, high: int | None) -> _Residues:
        """The automaton for the quotients from low >= 0 to high. Raises UnsupportedFeature for too large a unit."""
        unit, zeros = multiple.unit, 0
        while multiple.decimals == 0 and unit % 10 == 0 and not multiple.others:
            unit, zeros = unit // 10, zeros + 1
        modulus = lcm(unit, *multiple.others)
        longest = max(UNBOUNDED, len(str(low * unit))) if high is None else len(str(high * unit))
        most = STATES // 4 if multiple.others else STATES  # of these nearly all remain after merging
        if longest * modulus > most:
            raise UnsupportedFeature(
                f"{multiple.text} needs an automaton of more than {most:,} states",
                hint=f"Narrower bounds help: up to {LISTED:,} multiples are listed one by one.",
            )

        def halves(scaled: int) -> tuple[str, str]:
            digits = str(scaled).rjust(multiple.decimals + 1, "0")
            return digits[: len(digits) - multiple.decimals], digits[len(digits) - multiple.decimals :]

        top = None if high is None else halves(high * unit)
        return cls(multiple, modulus, multiple.decimals, zeros, multiple.fraction, halves(low * unit), top, longest)

    def follow(self, state: _State) -> list[tuple[int, _State]]:
        """The digits that may come next, as bytes, each with the state behind it."""
        phase, count, residue, low, high = state
        if phase == ZERO or count == (min(self.decimals, self.multiple.digits) if phase == PART else self.longest):
            return []
        side = phase == PART
        floor = int(self.low[side][count]) if count < len(self.low[side]) and not low else None
        if floor is None and count >= len(self.low[side]):
            low = 1
        ceiling, most = None, 9
        if self.high is None:
            high = -1
        elif count == len(self.high[side]):
            return []
        else:
            if not high:
                ceiling = int(self.high[side][count])
            if count + 1 == len(self.high[side]):
                most = 9 if high < 0 else -1 if high > 0 else int(self.high[side][count])
        residue *= 10
        found = []
        for digit in range(most + 1):
            above = low if floor is None else (digit > floor) - (digit < floor)
            below = high if ceiling is None else (digit > ceiling) - (digit < ceiling)
            then = (WHOLE if digit else ZERO) if phase == START else phase
            found.append((48 + digit, (then, count + 1, (residue + digit) % self.modulus, above, below)))
        return found

    def point(self, state: _State) -> _State | None:
        """The state behind the point, None where none may stand."""
        phase, count, residue, low, high = state
        significant = count if phase == WHOLE else 0
        if phase not in (WHOLE, ZERO) or not self.decimals or significant + self.decimals > EXACT:
            return None
        low, high = self.closed(state)
        return None if low < 0 or high > 0 else (PART, 0, residue, low, high)

    def closed(self, state: _State) -> tuple[int, int]:
        """How the digits before the point compare to the bounds when no more of them follow."""
        _, count, _, low, high = state
        return (
            -1 if count < len(self.low[0]) else low,
            -1 if self.high is None or count < len(self.high[0]) else high,
        )

    def rest(self, state: _State) -> Node | None:
        """What may follow when no more digits count: nothing or zeros; None where the text so far is out."""
        phase, count, residue, low, high = state
        if phase == START or (phase == PART and count == 0):
            return None
        part = count if phase == PART else 0
        if phase != PART:
            low, high = self.closed(state)
        residue = residue * 10 ** (self.decimals - part) % self.modulus
        if residue % (self.multiple.unit // 10**self.zeros) or self.multiple.leaves_out(residue) or high > 0:
            return None
        if low < 0 or (low == 0 and self.low[1][part:].strip("0")):
            return None
        if phase == PART:
            return _zeros(self.multiple.digits - part) if part == self.decimals else EPSILON
        zeros = self.zeros if phase == WHOLE else 0
        pointed = self.fraction and not self.decimals and (count + zeros <= EXACT or phase == ZERO)
        return _whole_zeros(zeros, self.multiple.digits if pointed else 0)


@cache
def _zeros(most: int) -> Node:
    return Repeat(Bytes(b"0"), 0, most)


@cache
def _whole_zeros(zeros: int, digits: int) -> Node:
    return Sequence((Bytes(b"0" * zeros), *((optional(zero_fraction(digits)),) if digits else ())))


class _Merged:
    """Automata as right-linear rules, equal states as one rule: minimal, because made from the last digit back."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.rules: dict[str, Node] = {}
        self.names: dict[Node, str] = {}

    def add(self, automaton: _Residues) -> Node:
        """The node of the automaton's start; the states behind it become rules, dead ones vanish."""
        start: _State = (START, 0, 0, 0, 0)
        edges: dict[_State, list[tuple[int, _State]]] = {}
        order = [start]
        seen = {start}
        for state in order:
            steps = edges[state] = automaton.follow(state)
            if (behind := automaton.point(state)) is not None:
                steps.append((_POINT, behind))
            for _, target in steps:
                if target not in seen:
                    seen.add(target)
                    order.append(target)
        classes: dict[_State, int] = {}  # of each state the number of those with its future, -1 where there is none
        futures: dict[tuple[Node | None, tuple[tuple[int, int], ...]], int] = {}
        nodes: list[Node] = []
        for state in sorted(order, key=lambda state: (state[0] == PART, state[1]), reverse=True):  # targets first
            live = tuple([(byte, classes[target]) for byte, target in edges[state] if classes[target] >= 0])
            rest = automaton.rest(state)
            if not live and rest is None:
                classes[state] = -1
                continue
            number = futures.setdefault((rest, live), len(nodes))
            classes[state] = number
            if number == len(nodes):
                node = _node(rest, [(byte, nodes[target]) for byte, target in live])
                nodes.append(self.named(node) if live and state != start else node)
        return nodes[classes[start]] if classes[start] >= 0 else NOTHING

    def named(self, node: Node) -> Ref:
        """A reference to the rule of the node."""
        if node not in self.names:
            self.names[node] = f"{self.prefix}.{len(self.rules) + 1}"
            self.rules[self.names[node]] = node
        return Ref(self.names[node])


def _node(rest: Node | None, edges: list[tuple[int, Node]]) -> Node:
    """What is left to write in a state: nothing that counts, or a byte and what is left to write behind it."""
    bytes_to: dict[Node, list[int]] = {}
    for byte, target in edges:
        bytes_to.setdefault(target, []).append(byte)
    items: list[Node] = [Sequence((_bytes(found), target)) for target, found in bytes_to.items()]
    return choice([*items, rest] if rest is not None else items)


def _bytes(found: list[int]) -> ByteClass:
    """The class of some ascending bytes."""
    ranges: list[tuple[int, int]] = []
    for byte in found:
        if ranges and ranges[-1][1] == byte - 1:
            ranges[-1] = (ranges[-1][0], byte)
        else:
            ranges.append((byte, byte))
    return ByteClass(tuple(ranges))
