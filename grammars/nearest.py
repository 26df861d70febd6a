"""nearest: a text -> the member of a language that differs from it by the fewest characters.

Place in the walk: beside the recogniser, whose configurations it goes through; it knows no tokenizer and no model. A
place is how much of the draft is read and where the machine is. From each the next character is kept, changed, left
out, or another one is written in; all but the first cost 1, and the cheapest way to the end is found by Dijkstra's
algorithm; of equal ones one that keeps most of the draft. A written character is its bytes, of which the first costs.
Bytes that lead to the same configuration are alike for all that follows, so one of them stands for all: a string's body
has a few successors, not two hundred.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, TypeAlias

from grammars.errors import LimitExceeded, UnsupportedFeature
from grammars.record import record

if TYPE_CHECKING:
    from grammars.automaton import ByteAutomaton
    from grammars.recogniser import Configuration

__all__ = ["Nearest", "nearest"]

Place: TypeAlias = "tuple[int, int, Configuration]"
"""Characters of the draft that are read, bytes that a written character still needs, and the machine."""


LOST, EDIT = 1, 1 << 32
"""Of two ways with equally many edits the one that loses fewer characters of the draft is cheaper."""


@record
class Nearest:
    """A member, and by how many characters (left out, written in, changed) it differs from the draft."""

    text: str
    edits: int


def nearest(automaton: ByteAutomaton, draft: str, *, max_places: int = 50_000) -> Nearest:
    """The nearest member, of equally near ones one that keeps most of the draft; the same one at every call.

    >>> nearest(compile_grammar(Grammar({"start": parse_regex("[0-9]{4}-[0-9]{2}")})), "2024/05!")
    Nearest(text='2024-05', edits=2)

    Raises LimitExceeded when more than `max_places` places were gone through, and UnsupportedFeature for arrays whose
    items must differ.
    """
    if automaton.has_distinct:
        raise UnsupportedFeature(
            "uniqueItems cannot be reached by edits: which items there were is not part of a place",
            hint="leave it out, and check the value",
        )
    machine = _Machine(automaton)
    start: Place = (0, 0, automaton.recogniser.start)
    costs: dict[Place, int] = {start: 0}
    came: dict[Place, tuple[Place, bytes]] = {}
    line: list[tuple[int, int, int, Place]] = [(0, 0, 0, start)]
    joined, settled = 0, set[Place]()
    while line:
        cost, _, _, place = heapq.heappop(line)
        if place in settled:
            continue
        settled.add(place)
        read, needs, at = place
        if read == len(draft) and not needs and at.accepting:
            return Nearest(_text(place, came).decode("utf-8", "surrogateescape"), cost // EDIT)
        if len(settled) > max_places:
            raise LimitExceeded(
                f"no text of the language differs from the draft by fewer than {cost // EDIT} characters, and "
                f"{max_places:,} places were gone through for it",
                hint="cut off what stands around the answer, or raise max_places=",
            )
        steps: list[tuple[int, Place, bytes]] = []
        if not needs and read < len(draft):
            steps.append((EDIT + LOST, (read + 1, 0, at), b""))
            data = draft[read].encode("utf-8", "surrogatepass")
            if (kept := machine.after(at, data)) is not None:
                steps.append((0, (read + 1, 0, kept), data))
        for byte, more, after in machine.successors(at, needs > 0):
            left = needs - 1 if needs else more
            steps.append((0 if needs else EDIT, (read, left, after), bytes((byte,))))
            if not needs and read < len(draft):
                steps.append((EDIT + LOST, (read + 1, left, after), bytes((byte,))))
        for price, after_step, data in steps:
            if cost + price < costs.get(after_step, cost + price + 1):
                costs[after_step] = cost + price
                came[after_step] = (place, data)
                joined += 1
                heapq.heappush(line, (cost + price, -after_step[0], joined, after_step))
    raise AssertionError("no rule is empty, so some member is at a finite distance")


def _text(place: Place, came: dict[Place, tuple[Place, bytes]]) -> bytes:
    parts: list[bytes] = []
    while place in came:
        place, data = came[place]
        parts.append(data)
    return b"".join(reversed(parts))


class _Machine:
    """The recogniser with what it said remembered."""

    def __init__(self, automaton: ByteAutomaton) -> None:
        self._recogniser = automaton.recogniser
        self._after: dict[tuple[Configuration, int], Configuration | None] = {}
        self._successors: dict[tuple[Configuration, bool], list[tuple[int, int, Configuration]]] = {}

    def after(self, at: Configuration, data: bytes) -> Configuration | None:
        """The configuration after all of the bytes, None where one is refused."""
        for byte in data:
            key = (at, byte)
            if key not in self._after:
                self._after[key] = self._recogniser.after(at, byte)
            after = self._after[key]
            if after is None:
                return None
            at = after
        return at

    def successors(self, at: Configuration, inside: bool) -> list[tuple[int, int, Configuration]]:
        """A byte, how many more its character needs, and the configuration: one for each of the last two.

        Letters and digits stand for others where they can; `inside` a character only its further bytes come.
        """
        key = (at, inside)
        if key not in self._successors:
            found: dict[tuple[int, Configuration], int] = {}
            for byte in sorted(self._recogniser.bytes_at(at), key=lambda byte: (not chr(byte).isalnum(), byte)):
                more = _more(byte)
                if (byte >> 6 == 2) == inside and more is not None and (after := self.after(at, bytes((byte,)))):
                    found.setdefault((more, after), byte)
            self._successors[key] = [(byte, more, after) for (more, after), byte in found.items()]
        return self._successors[key]


def _more(byte: int) -> int | None:
    """How many bytes of a character follow its first one; 0 for those that follow, None for what UTF-8 has not."""
    if byte < 0xC0:
        return 0
    return None if byte < 0xC2 or byte > 0xF4 else 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
