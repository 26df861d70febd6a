"""The truth against which the engine is tested: slow, and meant to be believed at a glance.

Reads the raw IR and nothing else of the library. `Language` answers four questions about a grammar:

- is this text a member? Spans: `(rule, i) -> {j : text[i:j] is a string of the rule}`, the least fixpoint of the
  denotation table in `grammars/ir.py`, so that left recursion, nullable cycles and ambiguity need no thought;
- which symbols can come next? The same recursion, with "the text ends inside"; so: does it have a continuation?
- is there a member at all, and which bytes occur in members? Fixpoints over the rules;
- what are the members up to a length? By enumeration from below, which shares nothing with the other three.

Two places need more than spans, because "has a continuation" does not distribute over them: `And`, `Not`, `Length` and
`JsonString`. There the answer comes from `derivatives.py`, whose membership is tested against the spans.

Texts are tuples of symbols: an int is a byte, a str is the special token of that name. Bytes may be given as such.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from functools import cache
from itertools import product
from typing import TypeAlias, TypeVar

from derivatives import Derivatives, Expr, TooLarge

from grammars.ir import (
    And,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    Grammar,
    JsonString,
    Length,
    Node,
    Not,
    Ranges,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
)

__all__ = ["Language", "Symbols", "accepts", "mask", "prefix_alive", "special_tokens", "spellings"]

Symbols: TypeAlias = tuple[int | str, ...]
Place = TypeVar("Place", int, bytes)
Spans: TypeAlias = dict[tuple[str, int], frozenset[int]]
Following: TypeAlias = dict[tuple[str, int], frozenset[int | str]]


def decoded(symbols: Symbols) -> str | None:
    """The text whose UTF-8 encoding it is, None if it is none."""
    try:
        return bytes(symbols).decode()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def json_content(text: str | None) -> bytes | None:
    """What a JSON string says, in UTF-8; None when the text is not exactly one JSON string without lone surrogates."""
    if text is None or len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return None
    try:
        return str(json.loads(text, strict=True)).encode()
    except ValueError:  # a JSON syntax error, or a lone surrogate
        return None


def spellings(character: str) -> list[str]:
    """Every way to write one character inside a JSON string: `/` is `/`, `\\/`, `\\u002f`, `\\u002F`, ..."""
    units = character.encode("utf-16-be")
    ways = [list({d.lower(), d.upper()}) for d in units.hex()]
    found = ["".join(rf"\u{''.join(w[i : i + 4])}" for i in range(0, len(w), 4)) for w in product(*ways)]
    short = {'"': r"\"", "\\": r"\\", "/": r"\/", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
    if character in short:
        found.append(short[character])
    if character >= " " and character not in '"\\':
        found.append(character)
    return found


def counted(low: int, high: int | None, start: Place, steps: Callable[[Place], set[Place]]) -> set[tuple[int, Place]]:
    """All (count, place) reached by that many steps, at most `high`; without `high` a count above `low` reads `low`."""
    reached, agenda, steps = {(0, start)}, [(0, start)], cache(steps)
    while agenda:
        count, at = agenda.pop()
        for place in steps(at) if count != high else ():
            step = (min(count + 1, low) if high is None else count + 1, place)
            if step not in reached:
                reached.add(step)
                agenda.append(step)
    return reached


def holds(ranges: Ranges, symbol: int | str) -> bool:
    return isinstance(symbol, int) and any(low <= symbol <= high for low, high in ranges)


def written(text: str, longest: int) -> set[bytes]:
    """Every spelling of a text inside a JSON string with at most `longest` bytes."""
    ways = {b""}
    for character in text:
        more = [way.encode() for way in spellings(character)]
        ways = {a + b for a in ways for b in more if len(a) + len(b) <= longest}
    return ways


def special_tokens(grammar: Grammar) -> set[str]:
    """The names of the special tokens that the rules mention."""

    def named(node: Node) -> set[str]:
        match node:
            case SpecialToken(name):
                return {name}
            case Sequence(items) | Choice(items):
                return set().union(*map(named, items))
            case Repeat(item, _, _):
                return named(item)
        return set()

    return set().union(*map(named, grammar.rules.values()))


class Language:
    """One grammar's answers, remembered per text."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.derivatives = Derivatives()
        self._resolved: dict[int, Node] = {}
        self._expr: dict[int, Expr] = {}
        self._charts: dict[Symbols, Spans] = {}
        self._following: dict[Symbols, frozenset[int | str]] = {}
        self._productive: set[str] = set()
        while more := {n for n in grammar.rules if self._has_members(grammar.rules[n])} - self._productive:
            self._productive |= more
        self._charts[()] = self._fixpoint((), {})

    # -- members --------------------------------------------------------------------------------------------------

    def accepts(self, text: bytes | Symbols) -> bool:
        """Whether the whole text is a string of the start rule."""
        symbols = tuple(text)
        return len(symbols) in self._chart(symbols)[self.grammar.start, 0]

    def _chart(self, text: Symbols) -> Spans:
        """The spans of every rule that is asked for from (start, 0) on, once nothing changes any more.

        It starts from the chart of the text without its last symbol: what that holds stays true.
        """
        if text not in self._charts:
            first = next(n for n in range(len(text), -1, -1) if text[:n] in self._charts)
            for n in range(first + 1, len(text) + 1):
                self._charts[text[:n]] = self._fixpoint(text[:n], self._charts[text[: n - 1]])
        return self._charts[text]

    def _fixpoint(self, text: Symbols, known: Mapping[tuple[str, int], frozenset[int]]) -> Spans:
        spans = {(self.grammar.start, 0): frozenset[int](), **known}
        changed = True
        while changed:
            changed = False
            for name, i in sorted(spans, key=lambda key: -key[1]):
                size = len(spans)
                ends = self._ends(self.grammar.rules[name], i, text, spans)  # asks for more spans, perhaps
                changed |= ends != spans[name, i] or len(spans) > size
                spans[name, i] = frozenset(ends)
        return spans

    def _ends(self, node: Node, i: int, text: Symbols, spans: Spans) -> set[int]:
        """All j such that text[i:j] is a string of the node, as far as the chart knows."""
        match node:
            case Bytes(data):
                return {i + len(data)} if text[i : i + len(data)] == tuple(data) else set()
            case SpecialToken(name):
                return {i + 1} if text[i : i + 1] == (name,) else set()
            case ByteClass(ranges):
                return {i + 1} if i < len(text) and holds(ranges, text[i]) else set()
            case CharClass(ranges):
                return {
                    j
                    for j in range(i + 1, min(i + 4, len(text)) + 1)
                    if (character := decoded(text[i:j])) and len(character) == 1 and holds(ranges, ord(character))
                }
            case Choice(items):
                return set().union(*(self._ends(item, i, text, spans) for item in items))
            case Sequence(items):
                ends = {i}
                for item in items:
                    ends = set().union(*(self._ends(item, j, text, spans) for j in ends))
                return ends
            case Repeat(item, low, high):
                reached = counted(low, high, i, lambda at: self._ends(item, at, text, spans))
                return {j for count, j in reached if count >= low}
            case Ref(name):
                return set(spans.setdefault((name, i), frozenset()))
            case And(items):
                return set.intersection(*(self._ends(self.resolve(item), i, text, spans) for item in items))
            case Not(item):
                inside = self._ends(self.resolve(item), i, text, spans)
                return {j for j in range(i, len(text) + 1) if decoded(text[i:j]) is not None} - inside
            case Length(item, low, high):
                inside = self._ends(self.resolve(item), i, text, spans)
                lengths = {j: len(t) for j in inside if (t := decoded(text[i:j])) is not None}
                return {j for j, n in lengths.items() if low <= n and (high is None or n <= high)}
            case JsonString(content):
                return {j for j in range(i + 2, len(text) + 1) if self._says(text[i:j], content)}
        raise AssertionError(node)

    def _says(self, text: Symbols, content: Node) -> bool:
        said = json_content(decoded(text))
        return said is not None and len(said) in self._ends(self.resolve(content), 0, tuple(said), {})

    # -- continuations --------------------------------------------------------------------------------------------

    def alive(self, text: bytes | Symbols) -> bool:
        """Whether some continuation (the empty one included) makes it a member."""
        symbols = tuple(text)
        return not self.is_empty() and all(symbols[n] in self.following(symbols[:n]) for n in range(len(symbols)))

    def following(self, text: bytes | Symbols) -> frozenset[int | str]:
        """The symbols that can come next: what `text` followed by one of them is the beginning of a member."""
        symbols = tuple(text)
        if symbols not in self._following:
            spans = self._chart(symbols)
            size_of_chart = len(spans)
            following: Following = {(self.grammar.start, 0): frozenset()}
            changed = True
            while changed:
                changed = False
                for name, i in sorted(following, key=lambda key: -key[1]):
                    size = len(following)
                    found = self._next(self.grammar.rules[name], i, symbols, spans, following)
                    changed |= found != following[name, i] or len(following) > size
                    following[name, i] = frozenset(found)
            assert len(spans) == size_of_chart, "the chart is complete"
            self._following[symbols] = following[self.grammar.start, 0]
        return self._following[symbols]

    def _next(self, node: Node, i: int, text: Symbols, spans: Spans, following: Following) -> set[int | str]:
        """The symbols s such that text[i:] and s begin a string of the node, as far as `following` knows."""
        rest = text[i:]
        match node:
            case Bytes(data):
                return {data[len(rest)]} if len(rest) < len(data) and tuple(data[: len(rest)]) == rest else set()
            case SpecialToken(name):
                return set() if rest else {name}
            case ByteClass(ranges):
                return set() if rest else {byte for low, high in ranges for byte in range(low, high + 1)}
            case Choice(items):
                return set().union(*(self._next(item, i, text, spans, following) for item in items))
            case Sequence(items):
                starts, found = {i}, set[int | str]()
                for item in items if all(map(self._has_members, items)) else ():
                    found |= set().union(*(self._next(item, j, text, spans, following) for j in starts))
                    starts = set().union(*(self._ends(item, j, text, spans) for j in starts))
                return found
            case Repeat(item, low, high):
                if high is not None and low > high:
                    return set()
                reached = counted(low, high, i, lambda at: self._ends(item, at, text, spans))
                starts = {j for count, j in reached if count != high}
                return set().union(*(self._next(item, j, text, spans, following) for j in starts))
            case Ref(name):
                return set(following.setdefault((name, i), frozenset()))
        if any(isinstance(symbol, str) for symbol in rest):
            return set()
        after = self.derivatives.after(self.expression(node), bytes(rest))  # type: ignore[arg-type]
        return set(self.derivatives.first_bytes(after))

    def resolve(self, node: Node) -> Node:
        """The node with every reference replaced by its rule; And, Not, Length and JsonString allow no cycles."""
        if id(node) not in self._resolved:
            self._resolved[id(node)] = self._resolve(node, ())
        return self._resolved[id(node)]

    def _resolve(self, node: Node, inside: tuple[str, ...]) -> Node:
        match node:
            case Ref(name) if name in inside:
                raise ValueError(f"{name} is recursive where only regular items are allowed")
            case Ref(name):
                return self._resolve(self.grammar.rules[name], (*inside, name))
            case Sequence(items) | Choice(items) | And(items):
                return type(node)(tuple(self._resolve(item, inside) for item in items))
            case Repeat(item, low, high) | Length(item, low, high):
                return type(node)(self._resolve(item, inside), low, high)
            case Not(item) | JsonString(item):
                return type(node)(self._resolve(item, inside))
        return node

    def expression(self, node: Node) -> Expr:
        """The regular expression of a regular node."""
        if id(node) not in self._expr:
            self._expr[id(node)] = self.derivatives.of(self.resolve(node))
        return self._expr[id(node)]

    # -- the language as a whole ----------------------------------------------------------------------------------

    def is_empty(self) -> bool:
        return self.grammar.start not in self._productive

    def _has_members(self, node: Node) -> bool:
        match node:
            case Bytes() | SpecialToken():
                return True
            case ByteClass(ranges) | CharClass(ranges):
                return bool(ranges)
            case Choice(items):
                return any(map(self._has_members, items))
            case Sequence(items):
                return all(map(self._has_members, items))
            case Repeat(item, low, high):
                return low == 0 or (self._has_members(item) and (high is None or low <= high))
            case Ref(name):
                return name in self._productive
        return self.derivatives.possible(self.expression(node))

    def used_bytes(self) -> set[int]:
        """The bytes that occur in some member."""
        used: dict[str, set[int]] = {name: set() for name in self.grammar.rules}
        changed = True
        while changed:
            now = {name: self._bytes_in(node, used) for name, node in self.grammar.rules.items()}
            changed, used = now != used, now
        return used[self.grammar.start]

    def _bytes_in(self, node: Node, used: Mapping[str, set[int]]) -> set[int]:
        if not self._has_members(node):
            return set()
        match node:
            case Ref(name):
                return used[name]
            case SpecialToken():
                return set()
            case Choice(items) | Sequence(items):
                return set().union(*(self._bytes_in(item, used) for item in items))
            case Repeat(item, _, high):
                return set() if high == 0 else self._bytes_in(item, used)
        return self.derivatives.bytes_in(self.expression(node))

    def members(self, alphabet: bytes, longest: int) -> set[bytes]:
        """All members over the alphabet with at most `longest` bytes, enumerated from below.

        Special tokens are left out. `Not` tries every text: (size of alphabet) ** longest of them.
        """
        known: dict[str, set[bytes]] = {name: set() for name in self.grammar.rules}
        changed = True
        while changed:
            now = {n: self._members(node, alphabet, longest, known) for n, node in self.grammar.rules.items()}
            changed, known = now != known, now
        return known[self.grammar.start]

    def _members(self, node: Node, alphabet: bytes, longest: int, known: Mapping[str, set[bytes]]) -> set[bytes]:
        def of(item: Node) -> set[bytes]:
            return self._members(item, alphabet, longest, known)

        def usable(texts: Iterable[bytes]) -> set[bytes]:
            return {text for text in texts if len(text) <= longest and not set(text) - set(alphabet)}

        match node:
            case Bytes(data):
                return usable([data])
            case ByteClass(ranges):
                return usable(bytes([byte]) for byte in alphabet if holds(ranges, byte))
            case CharClass(ranges):
                return usable(chr(point).encode() for low, high in ranges for point in range(low, high + 1))
            case Sequence(items):
                found = {b""}
                for item in items:
                    found = usable(a + b for a in found for b in of(item))
                return found
            case Choice(items):
                return set().union(*map(of, items))
            case Repeat(item, low, high):
                texts = of(item)
                return {t for n, t in counted(low, high, b"", lambda at: usable(at + t for t in texts)) if n >= low}
            case Ref(name):
                return known[name]
            case And(items):
                return set.intersection(*(of(self.resolve(item)) for item in items))
            case Not(item):
                if len(alphabet) ** longest > 1_000_000:
                    raise TooLarge(f"{len(alphabet)} ** {longest} texts")
                every = (t for n in range(longest + 1) for t in product(alphabet, repeat=n))
                return {bytes(t) for t in every if decoded(t) is not None} - of(self.resolve(item))
            case Length(item, low, high):
                lengths = {t: len(c) for t in of(self.resolve(item)) if (c := decoded(tuple(t))) is not None}
                return {t for t, n in lengths.items() if low <= n and (high is None or n <= high)}
            case JsonString(content):
                # No spelling of a character is shorter than its UTF-8 encoding.
                said = self._members(self.resolve(content), bytes(range(256)), max(longest - 2, 0), {})
                characters = [c for t in said if (c := decoded(tuple(t))) is not None]
                return usable(b'"%b"' % way for c in characters for way in written(c, longest - 2))
        return set()  # a special token has no bytes

    # -- tokens ---------------------------------------------------------------------------------------------------

    def mask(self, tokens: SequenceOf[Symbols], prefix: bytes | Symbols) -> set[int]:
        """The ids of the tokens (empty ones never) behind which the text can still become a member.

        This is the mask of the engine where every byte that the grammar uses has a one-byte token.
        """
        return {t for t, spelling in enumerate(tokens) if spelling and self.alive((*prefix, *spelling))}

    def spellable_mask(self, tokens: SequenceOf[Symbols], prefix: bytes | Symbols, longest: int) -> set[int]:
        """The ids of the tokens with which a way of tokens to a member of at most `longest` bytes starts.

        Exact for languages whose members are not longer, whatever bytes the vocabulary has.
        """
        text = tuple(prefix)
        after = {t: (*text, *spelling) for t, spelling in enumerate(tokens) if spelling}
        return {t for t, so_far in after.items() if self._ends_in_tokens(so_far, tokens, longest)}

    def _ends_in_tokens(self, text: Symbols, tokens: SequenceOf[Symbols], longest: int) -> bool:
        seen, agenda = {text}, [text]
        while agenda:
            at = agenda.pop()
            if len(at) <= longest and self.accepts(at):
                return True
            after = {(*at, *spelling) for spelling in tokens if spelling} if len(at) < longest else set()
            agenda += [t for t in after if t not in seen and len(t) <= longest and self.alive(t)]
            seen |= after
        return False

    def forced_text(self, prefix: bytes | Symbols) -> bytes:
        """The longest common beginning of everything that can follow the prefix (which must be alive)."""
        text = tuple(prefix)
        while not self.accepts(text) and len(self.following(text)) == 1:
            (symbol,) = self.following(text)
            if isinstance(symbol, str):
                break
            text = (*text, symbol)
        return bytes(text[len(prefix) :])  # type: ignore[arg-type]

    def forced_tokens(self, tokens: SequenceOf[Symbols], prefix: bytes | Symbols) -> list[int]:
        """The longest run of singleton masks; it ends where the text could."""
        text, run = tuple(prefix), list[int]()
        while not self.accepts(text) and len(only := self.mask(tokens, text)) == 1:
            run += only
            text = (*text, *tokens[run[-1]])
        return run


def accepts(grammar: Grammar, data: bytes | Symbols) -> bool:
    return Language(grammar).accepts(data)


def prefix_alive(grammar: Grammar, data: bytes | Symbols) -> bool:
    return Language(grammar).alive(data)


def mask(grammar: Grammar, tokens: SequenceOf[Symbols], prefix: bytes | Symbols) -> set[int]:
    return Language(grammar).mask(tokens, prefix)
