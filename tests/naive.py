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
from dataclasses import replace
from functools import partial
from itertools import combinations_with_replacement, permutations, product
from itertools import count as counter
from typing import Any, TypeAlias, TypeGuard, TypeVar

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
    Members,
    Node,
    Not,
    Ranges,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    Texts,
)

__all__ = [
    "Language",
    "Symbols",
    "accepts",
    "mask",
    "prefix_alive",
    "references",
    "restricted",
    "special_tokens",
    "spellings",
]

Symbols: TypeAlias = tuple[int | str, ...]
At = TypeVar("At", int, bytes)
Place: TypeAlias = tuple[str, int]  # a rule, and where in the text it begins
Spans: TypeAlias = dict[Place, frozenset[int]]
Read: TypeAlias = Callable[[Place], frozenset[int | str]]  # what is known so far of a rule at a place


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


def copies(low: int, high: int | None, start: At, steps: Callable[[At], set[At]]) -> tuple[set[At], set[At]]:
    """The places behind `low` to `high` steps, and those behind fewer than `high`, where one more may begin."""
    row, enough, more = {start}, set[At](), set[At]()
    known: dict[At, set[At]] = {}
    for count in counter():
        if count >= low:
            if row <= enough:
                break  # so are all rows behind it
            enough |= row
        if count == high:
            break
        more |= row
        known |= {at: steps(at) for at in row if at not in known}
        row = set().union(*(known[at] for at in row))
    return enough, more


def least_fixpoint(first: Place, value: Callable[[Place, Read], set[int | str]]) -> dict[Place, frozenset[int | str]]:
    """The least values of a place and of all that it needs; `value` of a place grows with what it reads of others."""
    values: dict[Place, frozenset[int | str]] = {first: frozenset()}
    readers: dict[Place, set[Place]] = {first: set()}
    pending = [first]

    def read(reader: Place, other: Place) -> frozenset[int | str]:
        if other not in values:
            values[other], readers[other] = frozenset(), set()
            pending.append(other)
        readers[other].add(reader)
        return values[other]

    while pending:
        place = pending.pop()
        now = frozenset(value(place, partial(read, place)))
        if now != values[place]:
            values[place] = now
            pending += readers[place]
    return values


def is_bytes(symbols: Symbols) -> TypeGuard[tuple[int, ...]]:
    return not any(isinstance(symbol, str) for symbol in symbols)


def holds(ranges: Ranges, symbol: int | str) -> bool:
    return isinstance(symbol, int) and any(low <= symbol <= high for low, high in ranges)


def written(text: str, longest: int) -> set[bytes]:
    """Every spelling of a text inside a JSON string with at most `longest` bytes."""
    ways = {b""}
    for character in text:
        more = [way.encode() for way in spellings(character)]
        ways = {a + b for a in ways for b in more if len(a) + len(b) <= longest}
    return ways


def parts(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside a node."""
    match node:
        case Sequence(items) | Choice(items) | And(items):
            return items
        case Repeat(item, _, _) | Length(item, _, _) | Not(item) | JsonString(item):
            return (item,)
        case Members():
            return (spread(node),)
    return ()


def spread(node: Node) -> Node:
    """The node with each `Members` in it written as all the sequences that it allows, and `Texts` one by one."""
    match node:
        case Sequence(items) | Choice(items) | And(items):
            return type(node)(tuple(map(spread, items)))
        case Repeat(item, low, high) | Length(item, low, high):
            return type(node)(spread(item), low, high)
        case Not(item):
            return Not(spread(item))
        case JsonString(item, spelling):
            return JsonString(spread(item), spelling)
        case Texts(items):
            return Choice(tuple(map(Bytes, items)))
        case Members(any_order=any_order, low=low, high=high) if any_order or low or high is not None:
            return spread_in_ways(node)
        case Members(begin, keys, values, required, rest, separator, end, empty):
            entries = [Sequence((Bytes(key), spread(value))) for key, value in zip(keys, values, strict=True)]
            other = Choice(tuple(Sequence((key, spread(value))) for key, value in rest))
            others = Repeat(Sequence((separator, other)))
            ways: list[Node] = [] if empty is None or required else [Sequence((begin, empty))]
            for some in product((False, True), repeat=len(keys)):
                taken = [entry for entry, is_taken in zip(entries, some, strict=True) if is_taken]
                if all(some[number] for number in required):
                    first, *more = taken or [other]
                    apart = [part for entry in more for part in (separator, entry)]
                    ways.append(Sequence((begin, first, *apart, others, end)))
            return Choice(tuple(ways))
    return node


def spread_in_ways(node: Members) -> Node:
    """`Members` in any order, or with bounds, as all sequences of keys, other entries divided among them in every way.

    Of other entries without an upper bound there are as many as one likes behind those that must be.
    """
    entries = [Sequence((Bytes(key), spread(value))) for key, value in zip(node.keys, node.values, strict=True)]
    other = Choice(tuple(Sequence((key, spread(value))) for key, value in node.rest))
    ways: list[Node] = []
    if node.empty is not None and not node.required and not node.low:
        ways.append(Sequence((node.begin, node.empty)))
    orders = [
        order
        for count in range(len(entries) + 1)
        for order in permutations(range(len(entries)), count)
        if node.required <= {*order} and (node.any_order or order == tuple(sorted(order)))
    ]
    for order in orders:
        least = max(0, node.low - len(order), 0 if order else 1)
        most = least if node.high is None else node.high - len(order)
        gaps = len(order) + 1 if node.any_order else 1  # where others may stand: in order only at the end
        for count in range(least, most + 1):
            for places in combinations_with_replacement(range(gaps), count):
                parts: list[Node] = [] if node.any_order else [entries[i] for i in order]
                for gap in range(gaps):
                    parts += [other] * places.count(gap)
                    parts += [entries[i] for i in order[gap : gap + 1] if node.any_order]
                first, *more = parts
                apart = [part for entry in more for part in (node.separator, entry)]
                ways.append(Sequence((node.begin, first, *apart, node.end)))
                if node.high is None:
                    ways.append(with_more(node, parts, other))
    return Choice(tuple(ways))


def with_more(node: Members, entries: SequenceOf[Node], other: Node) -> Node:
    """Entries with any number of other ones between them, or behind them all."""
    before = Repeat(Sequence((other, node.separator)))
    more = Repeat(Sequence((node.separator, other)))
    parts: list[Node] = [node.begin]
    for number, entry in enumerate(entries):
        parts += [node.separator] * (number > 0)
        parts += [before, entry] if node.any_order else [entry]
    return Sequence((*parts, more, node.end))


def references(node: Node) -> set[str]:
    """The names of the rules that a node mentions."""
    return {node.name} if isinstance(node, Ref) else set().union(*map(references, parts(node)))


def restricted(grammar: Grammar, allowed: set[int]) -> Grammar:
    """The grammar of those members that have no other bytes."""
    grammar = replace(grammar, rules={name: spread(node) for name, node in grammar.rules.items()})
    only = Repeat(ByteClass(tuple((byte, byte) for byte in sorted(allowed))))

    def cut(node: Node) -> Node:
        match node:
            case Sequence(items) | Choice(items):
                return type(node)(tuple(map(cut, items)))
            case Repeat(item, low, high):
                return Repeat(cut(item), low, high)
            case Ref() | SpecialToken():
                return node
        return And((node, only))

    return replace(grammar, rules={name: cut(node) for name, node in grammar.rules.items()})


def reachable(grammar: Grammar) -> set[str]:
    """The rules that the start rule needs, itself included."""
    found = {grammar.start}
    while more := set().union(*(references(grammar.rules[name]) for name in found)) - found:
        found |= more
    return found


def special_tokens(grammar: Grammar) -> set[str]:
    """The names of the special tokens that the rules mention."""

    def named(node: Node) -> set[str]:
        return {node.name} if isinstance(node, SpecialToken) else set().union(*map(named, parts(node)))

    return set().union(*map(named, grammar.rules.values()))


class Language:
    """One grammar's answers, remembered per text."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar = replace(grammar, rules={name: spread(node) for name, node in grammar.rules.items()})
        self.derivatives = Derivatives()
        self._resolved: dict[int, Node] = {}
        self._expr: dict[int, Expr] = {}
        self._charts: dict[Symbols, Spans] = {}
        self._following: dict[Symbols, frozenset[int | str]] = {}
        self._regular: dict[tuple[int, Symbols], set[int | str]] = {}
        self._rules = sorted(reachable(grammar))
        self._productive: set[str] = set()
        while more := {n for n in self._rules if self._has_members(grammar.rules[n])} - self._productive:
            self._productive |= more

    # -- members --------------------------------------------------------------------------------------------------

    def accepts(self, text: bytes | Symbols) -> bool:
        """Whether the whole text is a string of the start rule."""
        symbols = tuple(text)
        return len(symbols) in self._chart(symbols)[self.grammar.start, 0]

    def _chart(self, text: Symbols) -> Spans:
        """The spans of every rule in the text, built on those in the text without its last symbol: they stay true."""
        if text not in self._charts:
            first = next((n for n in range(len(text), -1, -1) if text[:n] in self._charts), -1)
            for n in range(first + 1, len(text) + 1):
                spans = {(name, i): frozenset[int]() for name in self._rules for i in range(n + 1)}
                spans |= self._charts.get(text[: n - 1], {}) if n else {}
                self._settle(spans, partial(self._ends, text=text[:n], spans=spans))
                self._charts[text[:n]] = spans
        return self._charts[text]

    def _settle(self, values: dict[Place, frozenset[Any]], value: Callable[[Node, int], set[Any]]) -> None:
        """The least fixpoint of `value` of each rule at each i; it depends on places with the same or a larger i."""
        for i in sorted({i for _, i in values}, reverse=True):
            changed = True
            while changed:
                changed = False
                for name in self._rules:
                    now = frozenset(value(self.grammar.rules[name], i))
                    changed |= now != values[name, i]
                    values[name, i] = now

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
                return copies(low, high, i, lambda at: self._ends(item, at, text, spans))[0]
            case Ref(name):
                return set(spans[name, i])
            case And(items):
                return set.intersection(*(self._ends(self.resolve(item), i, text, spans) for item in items))
            case Not(item):
                inside = self._ends(self.resolve(item), i, text, spans)
                return {j for j in range(i, len(text) + 1) if decoded(text[i:j]) is not None} - inside
            case Length(item, low, high):
                inside = self._ends(self.resolve(item), i, text, spans)
                lengths = {j: len(t) for j in inside if (t := decoded(text[i:j])) is not None}
                return {j for j, n in lengths.items() if low <= n and (high is None or n <= high)}
            case JsonString(content, spelling):
                return {j for j in range(i + 2, len(text) + 1) if self._says(text[i:j], content, spelling)}
        raise AssertionError(node)

    def _says(self, text: Symbols, content: Node, spelling: str) -> bool:
        said = json_content(decoded(text))
        if said is None:
            return False
        if spelling != "any" and json.dumps(said.decode(), ensure_ascii=spelling == "ascii") != decoded(text):
            return False
        return len(said) in self._ends(self.resolve(content), 0, tuple(said), {})

    # -- continuations --------------------------------------------------------------------------------------------

    def alive(self, text: bytes | Symbols) -> bool:
        """Whether some continuation (the empty one included) makes it a member."""
        symbols = tuple(text)
        return not self.is_empty() and all(symbols[n] in self.following(symbols[:n]) for n in range(len(symbols)))

    def following(self, text: bytes | Symbols) -> frozenset[int | str]:
        """The symbols that can come next: what `text` followed by one of them is the beginning of a member."""
        symbols = tuple(text)
        if symbols not in self._following:
            known: dict[tuple[int, int], set[int]] = {}  # the chart is complete: what a node's spans are stays so

            def ends(node: Node, i: int) -> set[int]:
                if (id(node), i) not in known:
                    known[id(node), i] = self._ends(node, i, symbols, self._chart(symbols))
                return known[id(node), i]

            start = self.grammar.start, 0
            self._following[symbols] = least_fixpoint(
                start, lambda place, read: self._next(self.grammar.rules[place[0]], place[1], symbols, ends, read)
            )[start]
        return self._following[symbols]

    def _next(
        self, node: Node, i: int, text: Symbols, ends: Callable[[Node, int], set[int]], read: Read
    ) -> set[int | str]:
        """The symbols s such that text[i:] and s begin a string of the node, as far as is known of the rules."""
        rest = text[i:]
        match node:
            case Bytes(data):
                return {data[len(rest)]} if len(rest) < len(data) and tuple(data[: len(rest)]) == rest else set()
            case SpecialToken(name):
                return set() if rest else {name}
            case ByteClass(ranges):
                return set() if rest else {byte for low, high in ranges for byte in range(low, high + 1)}
            case Choice(items):
                return set().union(*(self._next(item, i, text, ends, read) for item in items))
            case Sequence(items):
                starts, found = {i}, set[int | str]()
                for item in items if all(map(self._has_members, items)) else ():
                    found |= set().union(*(self._next(item, j, text, ends, read) for j in starts))
                    starts = set().union(*(ends(item, j) for j in starts))
                return found
            case Repeat(item, low, high):
                if high is not None and low > high:
                    return set()
                starts = copies(low, high, i, partial(ends, item))[1]
                return set().union(*(self._next(item, j, text, ends, read) for j in starts))
            case Ref(name):
                return set(read((name, i)))
        if (id(node), rest) not in self._regular:
            after = self.derivatives.after(self.expression(node), bytes(rest)) if is_bytes(rest) else None
            self._regular[id(node), rest] = set() if after is None else set(self.derivatives.first_bytes(after))
        return self._regular[id(node), rest]

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
            case Not(item):
                return Not(self._resolve(item, inside))
            case JsonString(item, spelling):
                return JsonString(self._resolve(item, inside), spelling)
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
        used: dict[str, set[int]] = {name: set() for name in self._rules}
        changed = True
        while changed:
            now = {name: self._bytes_in(self.grammar.rules[name], used) for name in self._rules}
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
                return copies(low, high, b"", lambda at: usable(at + t for t in texts))[0]
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
            case JsonString(content, spelling):
                # No spelling of a character is shorter than its UTF-8 encoding.
                said = self._members(self.resolve(content), bytes(range(256)), max(longest - 2, 0), {})
                characters = [c for t in said if (c := decoded(tuple(t))) is not None]
                if spelling != "any":
                    return usable(json.dumps(c, ensure_ascii=spelling == "ascii").encode() for c in characters)
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
