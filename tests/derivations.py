"""Random derivations of a grammar's texts, and what one token goes through in them.

A derivation knows more than its text: where rules, terminals and copies of a repeat end. So it proves that a test met
what it is there for: a token that ends two rules, one that passes both bounds of a counter, one that stops inside a
character; and a grammar with two derivations of one text is ambiguous.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from derivatives import Derivatives, Expr
from naive import Language, Symbols, references

from grammars.ir import (
    Bytes,
    CharClass,
    Choice,
    Grammar,
    Length,
    Node,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
)

__all__ = ["Derivation", "Frame", "crossings", "derive", "has_hidden_left_recursion", "is_ambiguous"]

DEEP = 6
"""Below this depth of references a derivation takes the alternatives that end soonest."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A part of a derivation from `start` to `end`; `steps` are where copies or characters end."""

    kind: str
    name: str
    start: int
    end: int
    steps: tuple[int, ...] = ()
    low: int = 0
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Derivation:
    text: Symbols
    frames: tuple[Frame, ...]


def derive(language: Language, rng: random.Random) -> Derivation:
    """A random member of a language that is not empty, with how it came about."""
    deriving = _Deriving(language, rng)
    deriving.node(Ref(language.grammar.start), 0)
    return Derivation(tuple(deriving.text), tuple(deriving.frames))


class _Deriving:
    def __init__(self, language: Language, rng: random.Random) -> None:
        self.language, self.rng = language, rng
        self.text: list[int | str] = []
        self.frames: list[Frame] = []
        self.heights = heights(language)

    def node(self, node: Node, depth: int) -> None:
        start = len(self.text)
        match node:
            case Bytes(data):
                self.text += data
                self.frames.append(Frame("terminal", repr(data), start, len(self.text)))
            case SpecialToken(name):
                self.text.append(name)
            case Choice(items):
                possible = [item for item in items if height(item, self.heights, self.language) is not None]
                if depth > DEEP or len(self.text) > 30:
                    possible = [min(possible, key=lambda item: height(item, self.heights, self.language) or 0)]
                deeper = [item for item in possible if references(item)]
                self.node(self.rng.choice(deeper if deeper and self.rng.random() < 0.5 else possible), depth)
            case Sequence(items):
                for item in items:
                    self.node(item, depth)
            case Repeat(item, low, high):
                steps = []
                for _ in range(self.count(node, depth)):
                    self.node(item, depth)
                    steps.append(len(self.text))
                self.frames.append(Frame("repeat", "", start, len(self.text), tuple(steps), low, high))
            case Ref(name):
                self.node(self.language.grammar.rules[name], depth + 1)
                self.frames.append(Frame("rule", name, start, len(self.text)))
            case _:
                self.regular(node)

    def count(self, node: Repeat, depth: int) -> int:
        if height(node.item, self.heights, self.language) is None:
            return 0
        if depth > DEEP or len(self.text) > 30:
            return node.min
        most = node.min + 3 if node.max is None else min(node.max, node.min + 6)
        return self.rng.choice((node.min, most, self.rng.randint(node.min, most)))

    def regular(self, node: Node) -> None:
        start = len(self.text)
        data = sample(self.language.derivatives, self.language.expression(node), self.rng)
        self.text += data
        kind = "character" if isinstance(node, CharClass) else "terminal"
        self.frames.append(Frame(kind, type(node).__name__, start, len(self.text)))
        if isinstance(node, Length):
            ends, at = [], start
            for character in data.decode():
                at += len(character.encode())
                ends.append(at)
            self.frames.append(Frame("repeat", "Length", start, at, tuple(ends), node.min, node.max))


def heights(language: Language) -> dict[str, int]:
    """Of each rule with members, the least depth of references under it."""
    found: dict[str, int] = {}
    changed = True
    while changed:
        changed = False
        for name, node in language.grammar.rules.items():
            now = height(node, found, language)
            if now is not None and now != found.get(name):
                found[name], changed = now, True
    return found


def height(node: Node, known: dict[str, int], language: Language) -> int | None:
    match node:
        case Ref(name):
            return None if name not in known else 1 + known[name]
        case Choice(items):
            return min((h for item in items if (h := height(item, known, language)) is not None), default=None)
        case Sequence(items):
            parts = [height(item, known, language) for item in items]
            return None if None in parts else max((h for h in parts if h is not None), default=0)
        case Repeat(item, low, high):
            return None if high is not None and high < low else height(item, known, language) if low else 0
        case Bytes() | SpecialToken():
            return 0
    return 0 if language.derivatives.possible(language.expression(node)) else None


def sample(derivatives: Derivatives, e: Expr, rng: random.Random) -> bytes:
    """A random member of a regular language: a random walk, then the shortest way out."""
    data = bytearray()
    length = rng.choice((2, 4, 8))
    while not (derivatives.nullable(e) and (len(data) >= length or rng.random() < 0.2)):
        if len(data) >= length:
            return bytes(data) + shortest(derivatives, e)
        steps = derivatives.steps(e)
        if not steps:
            break
        start, stop, e = rng.choice(steps)
        data.append(rng.randrange(start, stop))
    return bytes(data)


def shortest(derivatives: Derivatives, e: Expr) -> bytes:
    """A shortest member."""
    seen, row = {e}, [(b"", e)]
    while True:
        for data, at in row:
            if derivatives.nullable(at):
                return data
        after = []
        for data, at in row:
            for byte, _, to in derivatives.steps(at):
                if to not in seen:
                    seen.add(to)
                    after.append((data + bytes([byte]), to))
        row = after


# -- what a derivation shows ------------------------------------------------------------------------------------------


def crossings(derivation: Derivation, start: int, end: int) -> set[str]:
    """What the token derivation.text[start:end] goes through in this derivation."""
    tags = set()
    inside = [frame for frame in derivation.frames if start < frame.end < end]
    if len({frame.end for frame in inside if frame.kind == "rule" and frame.start < start}) >= 2:
        tags.add("pops several rules")
    if len([frame for frame in inside if frame.kind in ("terminal", "character") and frame.start < frame.end]) >= 1:
        tags.add("several terminals")
    for frame in derivation.frames:
        if frame.kind == "character" and frame.start < end < frame.end:
            tags.add("ends inside a character")
        if frame.kind == "repeat" and frame.high is not None and len(frame.steps) == frame.high > 1 and frame.low:
            before = sum(step <= start for step in frame.steps)
            if before < frame.low and start < frame.steps[-1] < end:
                tags.add("passes both bounds")
    return tags


def is_ambiguous(language: Language, rng: random.Random, *, tries: int = 20) -> bool:
    """Whether two derivations of one text were met in so many tries."""
    met: dict[Symbols, tuple[Frame, ...]] = {}
    for _ in range(tries):
        derivation = derive(language, rng)
        if met.setdefault(derivation.text, derivation.frames) != derivation.frames:
            return True
    return False


def has_hidden_left_recursion(grammar: Grammar) -> bool:
    """Whether some rule comes back to itself on the left behind something that can be empty but need not be."""
    edges = {(name, to, hidden) for name, node in grammar.rules.items() for to, hidden in _left(node, grammar)}
    reach = {(a, b) for a, b, _ in edges}
    while more := {(a, d) for a, b in reach for c, d in reach if b == c} - reach:
        reach |= more
    return any(hidden and (a == b or (b, a) in reach) for a, b, hidden in edges)


def _left(node: Node, grammar: Grammar) -> set[tuple[str, bool]]:
    match node:
        case Ref(name):
            return {(name, False)}
        case Choice(items):
            return set().union(*(_left(item, grammar) for item in items))
        case Sequence(items):
            found: set[tuple[str, bool]] = set()
            hidden = False
            for item in items:
                found |= {(name, hidden or deep) for name, deep in _left(item, grammar)}
                alone = Language(Grammar({**grammar.rules, "?": item}, "?"))
                if not alone.accepts(b""):
                    break
                hidden |= bool(alone.used_bytes())
            return found
        case Repeat(item, _, _):
            return _left(item, grammar)
    return set()
