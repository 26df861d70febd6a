"""Random small grammars and vocabularies that go where engines break, and the proof that they do.

A case is decided by its seed. Rules are drawn from templates (left, right, middle, mutual and hidden left recursion,
nullable chains, counted repeats of recursive things) filled with random parts; vocabularies are cut from texts of the
grammar, at places that have nothing to do with its terminals, so that one token ends several rules, passes both bounds
of a counter, or stops inside a character (`derivations.py` proves that they do).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from derivations import Derivation, derive
from derivatives import TooLarge
from naive import Language, Symbols, references, special_tokens

from grammars.ir import (
    EPSILON,
    NOTHING,
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
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    Texts,
    char_class,
    text,
)

__all__ = ["Case", "random_case", "random_language", "sample_derivations", "shrunken"]

TOOL = "<tool>"
ALPHABETS = (
    "ab",
    "ab",
    "ab,",
    "a[]",
    "()x",
    '"a\\',
    "aé",
    "é€😀",
    "\x7f\x80\u07ff\u0800",
    "\ud7ff\ue000\uffff\U00010000",
    "01.-",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A grammar with a vocabulary; `unrolled` is the compiler's limit, so that small repeats become counters too."""

    seed: int
    grammar: Grammar
    tokens: tuple[bytes, ...]
    eos_token_ids: tuple[int, ...]
    special_tokens: Mapping[str, int] = field(default_factory=dict)
    unrolled: int = 32

    @property
    def spellings(self) -> list[Symbols]:
        """The symbols of each id: bytes, the name of a special token that the grammar can use, or nothing."""
        found: list[Symbols] = [tuple(token) for token in self.tokens]
        for name, token_id in self.special_tokens.items():
            found[token_id] = (name,)
        for token_id in self.eos_token_ids:
            found[token_id] = ()
        return found

    def __str__(self) -> str:
        rules = "".join(f"    {name!r}: {node!r},\n" for name, node in self.grammar.rules.items())
        return (
            f"grammar = Grammar({{\n{rules}}})\ntokens = {list(self.tokens)!r}\n"
            f"eos_token_ids = {self.eos_token_ids!r}; special_tokens = {dict(self.special_tokens)!r}; "
            f"unrolled = {self.unrolled}; seed = {self.seed}"
        )


# -- grammars ---------------------------------------------------------------------------------------------------------


class Draw:
    """Random nodes over one small alphabet."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.alphabet = rng.choice(ALPHABETS)
        self.leaves = [f"t{i}" for i in range(rng.choice((0, 0, 1, 2)))]

    def rules(self) -> dict[str, Node]:
        rng = self.rng
        names = ["start", *(f"r{i}" for i in range(rng.randint(0, 3)))]
        rules = {name: self.rule(name, names) for name in names}
        if rng.random() < 0.5:
            rules |= rng.choice((self.nested, self.counted, self.merged, self.members))(names[-1])
        for i, name in enumerate(self.leaves):
            rules[name] = self.regular(2, self.leaves[i + 1 :])
        return rules

    def nested(self, other: str) -> dict[str, Node]:
        """Rules in rules with short ends, so that a token can end several of them."""
        rng = self.rng
        end = [rng.choice((self.chars(), self.word())) for _ in range(4)]
        inner = Repeat(Ref("start"), *rng.choice(((0, None), (1, 1), (1, 2), (2, 3), (0, 1))))
        first = Sequence((self.word(), Ref("b"), end[0]))
        left = Choice((Sequence((Ref("start"), first)), first))
        return {
            "start": rng.choice((first, first, Choice((first, Ref(other))), left)),
            "b": Choice((Sequence((self.chars(), inner, end[1])), Ref("c"), self.word())),
            "c": Sequence((Repeat(self.chars(), 0, 2), Ref("d"), Repeat(end[2], 0, 1))),
            "d": Choice((Sequence((self.word(), Repeat(Ref("start"), 0, 1), end[3])), self.chars())),
        }

    def merged(self, other: str) -> dict[str, Node]:
        """Rules that call the same rule at the same time, at several depths, and go on differently behind it."""
        rng = self.rng
        names = [f"m{i}" for i in range(rng.randint(2, 4))]
        shared = Ref("x")
        ways: list[Callable[[], Node]] = [
            lambda: Sequence((shared, self.chars())),
            lambda: Sequence((shared, self.word())),
            lambda: Sequence((shared, shared)),
            lambda: Sequence((Repeat(self.chars(), 0, 1), shared, self.word())),
            lambda: Sequence((Ref(rng.choice(names)), self.chars())),
            lambda: Sequence((Repeat(shared, *self.counts(3)), self.chars())),
            lambda: Choice((Sequence((self.chars(), Ref(rng.choice(names)))), Sequence((shared, self.word())))),
        ]
        again = Sequence((self.chars(), Ref(rng.choice(("start", *names))), rng.choice((self.chars(), EPSILON))))
        return {
            "start": Choice(tuple(Ref(name) for name in rng.sample(names, rng.randint(2, len(names))))),
            **{name: rng.choice(ways)() for name in names},
            "x": Choice((again, self.word(), rng.choice((self.chars(), Ref(other))))),
        }

    def counted(self, other: str) -> dict[str, Node]:
        """A small counter between other things, so that a token can pass both of its bounds."""
        low = self.rng.choice((1, 2, 2, 3))
        high = low + self.rng.choice((0, 0, 1, 2))
        item = self.rng.choice((self.chars(), self.word(), Choice((self.word(), self.chars())), Ref(other)))
        many: Node = Repeat(item, low, high)
        if isinstance(item, CharClass) and self.rng.random() < 0.4:
            many = Length(Repeat(item), low, high)
        some = Sequence((self.word(), many, self.word()))
        return {"start": self.rng.choice((some, Repeat(some, 1, 3), Choice((some, Sequence((many, Ref("start")))))))}

    def members(self, other: str) -> dict[str, Node]:
        """An object in an object: members that may be left out, their keys and its brackets out of few letters."""
        rng = self.rng
        letters = self.alphabet[:2].encode()
        keys = sorted({bytes(rng.choice(letters) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(1, 5))})
        quote = b'"' * (rng.random() < 0.7)  # then there may be an opening (`grammars.openings`)
        keys = [quote + key for key in keys if not any(key != k and key.startswith(k) for k in keys)]
        rng.shuffle(keys)
        some = (text(letters.decode()[:1]), Sequence((text(":"), Ref("w"))), Sequence((Ref("g"), text("::"))))
        values = [rng.choice((Ref("v"), self.chars(), Ref("o"), Sequence((text(":"), Ref("v"))), *some)) for _ in keys]
        gap, comma = Ref("g"), rng.choice((b",", b",", letters, letters[:1]))
        end = rng.choice((b"}", b"}", letters[1:] + b"}"))
        gaps = rng.random() < 0.4
        some_keys, is_open = 4, rng.random() < 0.4
        counts: dict[str, Any] = {}
        if rng.random() < 0.4:  # with a register; all orders of more keys would be too many to write down
            some_keys, low = 2 if is_open else 3, rng.choice((0, 0, 1, 2))
            high = rng.choice((None, None, max(1, low), low + 1, low + 2))
            counts = {"any_order": rng.random() < 0.7, "low": low, "high": high}
        node = Members(
            Sequence((Bytes(rng.choice((b"{", letters))), *[gap] * gaps)),
            tuple(keys[:some_keys]),
            tuple(values[:some_keys]),
            frozenset(i for i in range(len(keys[:some_keys])) if rng.random() < 0.3),
            ((JsonString(Repeat(self.chars(), 0, 2)), Ref("v")),) if is_open else (),
            Sequence((*[gap] * gaps, Bytes(comma), *[gap] * (rng.random() < 0.5))),
            Sequence((*[gap] * (rng.random() < 0.5), Bytes(end))),
            rng.choice((None, Bytes(b"}"), Sequence((Bytes(b"}"), gap)))),
            **counts,
        )
        return {
            "start": rng.choice(
                (Ref("o"), node, Choice((node, Ref(other))), Repeat(node, 1, 2), Sequence((node, node)))
            ),
            "o": node,
            "v": Choice((self.chars(), Sequence((self.chars(), Ref("o"))))),
            "w": text(self.alphabet[-1] + ":"),
            "g": Repeat(text(" "), 0, rng.choice((1, 2, None))),
        }

    def rule(self, name: str, names: list[str]) -> Node:
        rng, me = self.rng, Ref(name)
        other = Ref(rng.choice(names))
        part = partial(self.part, 1, names)
        templates: list[Callable[[], Node]] = [
            lambda: self.part(3, names),
            lambda: self.part(3, names),
            lambda: Choice((Sequence((me, part(), part())), part())),  # left
            lambda: Choice((Sequence((part(), me)), part())),  # right
            lambda: Choice((Sequence((self.word(), me, self.word())), part())),  # middle
            lambda: Choice((Sequence((self.word(), other, self.word())), part())),
            lambda: Sequence((self.word(), Choice((me, Repeat(other, *self.counts(3)), part())), self.word())),
            lambda: Choice((Sequence((Repeat(self.word(), 0, 1), me, part())), part())),  # hidden left
            lambda: Choice((Sequence((other, self.word())), part())),  # mutual left
            lambda: Choice((Sequence((me, me)), part(), EPSILON)),  # ambiguous and nullable
            lambda: Choice((Sequence((self.word(), Repeat(me, *self.counts(3)), self.word())), self.word())),
            lambda: Choice((Sequence((me, Repeat(other, *self.counts(3)))), self.word())),
            lambda: Choice((me, other, part())),  # unit cycles
            lambda: Choice((Sequence((Repeat(me, *self.counts(3)), self.word())), self.word())),  # a repeat on the left
        ]
        return rng.choice(templates)()

    def part(self, depth: int, names: list[str]) -> Node:
        """A node that may refer to any rule."""
        rng = self.rng
        if depth <= 0:
            return Ref(rng.choice(names)) if rng.random() < 0.35 else self.word()
        match rng.choices(("seq", "choice", "repeat", "ref", "word", "regular", "special"), (5, 5, 4, 4, 3, 4, 0.3))[0]:
            case "seq":
                return Sequence(tuple(self.part(depth - 1, names) for _ in range(rng.choice((0, 2, 2, 2, 3, 3)))))
            case "choice":
                return Choice(tuple(self.part(depth - 1, names) for _ in range(rng.choice((2, 2, 3)))))
            case "repeat":
                return Repeat(self.part(depth - 1, names), *self.counts(9))
            case "ref":
                return Ref(rng.choice(names))
            case "regular":
                return self.regular(depth, self.leaves)
            case "special":
                return SpecialToken(TOOL)
        return self.word()

    def regular(self, depth: int, leaves: list[str]) -> Node:
        """A node that refers to leaf rules at most."""
        rng = self.rng
        if depth <= 0:
            return Ref(rng.choice(leaves)) if leaves and rng.random() < 0.3 else self.word()
        item = partial(self.regular, depth - 1, leaves)
        kinds = ("seq", "choice", "repeat", "and", "not", "length", "gapped", "json", "word")
        match rng.choices(kinds, (4, 4, 4, 1.5, 1, 2, 1.5, 1.5, 2))[0]:
            case "seq":
                return Sequence((item(), item()))
            case "choice":
                return Choice((item(), item()))
            case "repeat":
                return Repeat(item(), *self.counts(9))
            case "and":
                return And((item(), item()))
            case "not" if rng.random() < 0.05:
                return Not(item())
            case "not":  # the universe cut down, so that few bytes are used
                within = Repeat(self.chars(), 0, rng.choice((None, 3, 5)))
                return And(rng.choice([(Not(item()), within), (within, Not(item()))]))
            case "length":
                low, high = self.counts(9)
                return Length(Repeat(rng.choice((self.chars(), item())), 0, None), low, high)
            case "gapped":
                low = rng.randint(0, 6)
                some = Sequence(tuple(self.chars() for _ in range(rng.randint(2, 4))))
                others = (some, Choice((some, Sequence((some, self.chars())))), Choice((self.chars(), some)))
                body = Repeat(rng.choice(others), 0, None)
                return Length(body, low, rng.choice((None, low, low + 1, low + 3, 9)))
            case "json":
                content = rng.choice((self.chars(), Repeat(self.chars(), *self.counts(4)), item()))
                return JsonString(content, rng.choice(("any", "any", "any", "raw", "ascii")))
        return self.word()

    def counts(self, most: int) -> tuple[int, int | None]:
        low = self.rng.choice((0, 0, 1, 2, 3, self.rng.randint(0, most)))
        return min(low, most), self.rng.choice((None, min(low, most), min(low, most) + 1, most, most + 3))

    def chars(self) -> Node:
        rng = self.rng
        low = ord(rng.choice(self.alphabet))
        if rng.random() < 0.3 and low not in (0xD7FF, 0xDFFF):
            return char_class([(low, min(low + rng.choice((1, 2, 70)), 0x10FFFF) if low > 0x7F else low + 1)])
        return char_class(
            [(ord(c), ord(c)) for c in rng.sample(self.alphabet, rng.randint(1, min(3, len(self.alphabet))))]
        )

    def word(self) -> Node:
        rng = self.rng
        roll = rng.random()
        if roll < 0.25:
            return self.chars()
        if roll < 0.3:
            low = rng.choice((0x61, 0x80, 0xC3, 0xFE))
            return ByteClass(((low, low + 1),))
        if roll < 0.33:
            return EPSILON
        if roll < 0.34:
            return NOTHING
        return text("".join(rng.choice(self.alphabet) for _ in range(rng.choice((1, 1, 1, 2, 3)))))


# -- vocabularies -----------------------------------------------------------------------------------------------------


def with_lists(node: Node) -> Node:
    """The node with about half of the choices of nothing but texts as one list each."""
    match node:
        case Choice(items) if items and all(isinstance(item, Bytes) for item in items):
            texts = tuple(item.data for item in items if isinstance(item, Bytes))
            return Texts(texts) if sum(map(sum, texts)) % 2 else node
        case Sequence(items) | Choice(items) | And(items):
            return type(node)(tuple(map(with_lists, items)))
        case Repeat(item, low, high) | Length(item, low, high):
            return type(node)(with_lists(item), low, high)
        case Not(item):
            return Not(with_lists(item))
        case JsonString(item, spelling):
            return JsonString(with_lists(item), spelling)
    return node


def random_language(rng: random.Random) -> tuple[Grammar, Language]:
    """A random grammar, seldom an empty one or one with short texts only."""
    while True:
        grammar = Grammar({name: with_lists(node) for name, node in Draw(rng).rules().items()})
        try:
            language = Language(grammar)
            if language.is_empty():
                if rng.random() < 0.15:
                    return grammar, language
            elif rng.random() < 0.15 or max(len(derive(language, rng).text) for _ in range(4)) > 3:
                return grammar, language
        except TooLarge:
            continue


def random_case(seed: int) -> Case:
    """The case of that seed; its language may be empty, then it has no tokens."""
    rng = random.Random(seed)
    grammar, language = random_language(rng)
    unrolled = rng.choice((0, 0, 4, 32))
    if language.is_empty():
        return Case(seed, grammar, (b"a", b""), (1,), unrolled=unrolled)
    tokens = list(random_tokens(language, seed, rng))
    rng.shuffle(tokens)
    if tokens and rng.random() < 0.06:
        missing = rng.choice(tokens)[:1] or b"?"
        everywhere = rng.random() < 0.5
        tokens = [token for token in tokens if not (missing in token if everywhere else token == missing)] or [b"?"]
    like_text = tokens[0] if tokens else b"a"  # special tokens have bytes that must not be read
    special = {}
    if special_tokens(grammar) or rng.random() < 0.1:
        special[TOOL] = len(tokens)
        tokens.append(rng.choice((b"", like_text, b"<tool>")))
    eos = tuple(range(len(tokens), len(tokens) + rng.choice((1, 1, 2))))
    tokens += [rng.choice((b"", like_text, b"</s>")) for _ in eos]
    return Case(seed, grammar, tuple(tokens), eos, special, unrolled)


def sample_derivations(language: Language, seed: int) -> list[Derivation]:
    """A few derivations that a vocabulary is cut from and that walks follow."""
    return [derive(language, random.Random(f"{seed}: derivation {i}")) for i in range(6)]


def random_tokens(language: Language, seed: int, rng: random.Random) -> Iterator[bytes]:
    """One-byte tokens for what the grammar uses, pieces of its texts, junk, duplicates."""
    used = sorted(language.used_bytes())
    yield from (bytes([byte]) for byte in used)
    runs = [run for derivation in sample_derivations(language, seed) for run in byte_runs(derivation.text)]
    starts = [(run, start) for run in runs for start in range(len(run) - 1)]
    pieces = [run[start : start + rng.choice((2, 2, 3, 3, 4, 6))] for run, start in starts]
    yield from rng.sample(pieces, min(len(pieces), rng.choice((4, 6, 8))))
    for _ in range(rng.choice((0, 2, 5))):
        yield bytes(rng.choice(used or [97]) for _ in range(rng.randint(2, 4)))
    yield from rng.sample([b"", b"", b"z", b"\xff", "é".encode(), pieces[0] if pieces else b""], rng.randint(0, 3))
    yield from (b"\x01" for _ in range(rng.choice((0, 0, 0, 20, 40))))


def byte_runs(symbols: Symbols) -> Iterator[bytes]:
    """The stretches between special tokens: `(97, "<tool>", 98)` -> `b"a"`, `b"b"`."""
    run = bytearray()
    for symbol in symbols:
        if isinstance(symbol, int):
            run.append(symbol)
        else:
            yield bytes(run)
            run.clear()
    yield bytes(run)


# -- shrinking --------------------------------------------------------------------------------------------------------


def shrunken(case: Case, fails: Callable[[Case], bool]) -> Case:
    """A smaller case that still fails: rules, nodes and tokens are dropped as long as the failure stays."""
    while smaller := next((c for c in smaller_cases(case) if fails(c)), None):
        case = smaller
    return case


def smaller_cases(case: Case) -> Iterator[Case]:
    rules = case.grammar.rules
    for name in rules:
        if name != case.grammar.start and not any(name in references(node) for node in rules.values()):
            yield replace(case, grammar=Grammar({n: node for n, node in rules.items() if n != name}))
    for name, node in rules.items():
        for smaller in smaller_nodes(node, rules):
            yield replace(case, grammar=Grammar({**rules, name: smaller}))
    specials = {*case.special_tokens.values(), *case.eos_token_ids}
    for i, token in enumerate(case.tokens):
        if i not in specials and len(token) != 1:
            yield replace(
                case,
                tokens=case.tokens[:i] + case.tokens[i + 1 :],
                eos_token_ids=tuple(t - (t > i) for t in case.eos_token_ids),
                special_tokens={name: t - (t > i) for name, t in case.special_tokens.items()},
            )


def smaller_nodes(node: Node, rules: Mapping[str, Node]) -> Iterator[Node]:
    """The parts of a node, then the node with one part made smaller."""
    match node:
        case Bytes(data):
            yield from (Bytes(data[:i] + data[i + 1 :]) for i in range(len(data)))
        case Texts(items):
            yield from (Texts((*items[:i], *items[i + 1 :])) for i in range(len(items)))
        case Ref(name):
            if not references(rules[name]):
                yield rules[name]
        case CharClass(ranges) | ByteClass(ranges):
            if len(ranges) > 1 or (ranges and ranges[0][0] < ranges[0][1]):
                yield type(node)(((ranges[0][0], ranges[0][0]),))
        case Sequence(items) | Choice(items) | And(items):
            yield from items
            for i, item in enumerate(items):
                if len(items) > 1:
                    yield type(node)((*items[:i], *items[i + 1 :]))
                yield from (type(node)((*items[:i], s, *items[i + 1 :])) for s in smaller_nodes(item, rules))
        case Repeat(item, low, high) | Length(item, low, high):
            yield item
            if low:
                yield type(node)(item, low - 1, high)
            if high is not None and high > low:
                yield type(node)(item, low, high - 1)
            yield from (type(node)(s, low, high) for s in smaller_nodes(item, rules))
        case Not(item):
            yield item
            yield from (Not(s) for s in smaller_nodes(item, rules))
        case JsonString(item, spelling):
            yield item
            yield from (JsonString(s, spelling) for s in smaller_nodes(item, rules))
        case Members():
            yield from node.values
            for i in range(len(node.keys)):
                kept = [k for k in range(len(node.keys)) if k != i]
                yield replace(
                    node,
                    keys=tuple(node.keys[k] for k in kept),
                    values=tuple(node.values[k] for k in kept),
                    required=frozenset(kept.index(k) for k in node.required if k != i),
                )
                if i in node.required:
                    yield replace(node, required=node.required - {i})
            if node.rest:
                yield replace(node, rest=())
            if node.any_order:
                yield replace(node, any_order=False)
            if node.low:
                yield replace(node, low=node.low - 1)
            if node.high is not None:
                yield replace(node, high=None)
            if node.empty is not None:
                yield replace(node, empty=None)
