"""compile_grammar: the only road from a Grammar to a ByteAutomaton.

Place in the walk: Grammar -> rules -> (prune, remove_nullable, remove_left_recursion, inline_units) -> **automaton**.
Each named rule becomes one rule automaton; so does each part that counts (a repeat too large to unroll, a window of
characters) or needs set algebra (And, Not, Length, JsonString). Equal parts are made once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace

from grammars.automaton import ByteAutomaton
from grammars.chars import char_dfa
from grammars.dfa import Dfa, Edge, Nfa, determinise, minimise
from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature
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
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
)
from grammars.limits import Limits
from grammars.rules import CALL, SPECIAL, Kind, Rule
from grammars.simplify import inline_units, prune, reachable, remove_left_recursion, remove_nullable
from grammars.utf8 import TICK, encode_json, encode_utf8

__all__ = ["Limits", "compile_grammar"]


def compile_grammar(grammar: Grammar, *, limits: Limits | None = None) -> ByteAutomaton:
    """The automaton that accepts exactly the strings of the grammar.

    Raises `InvalidGrammar` for an undefined rule, `EmptyLanguage` when there is no string at all,
    `UnsupportedFeature` and `LimitExceeded` as their names say.

    >>> compile_grammar(Grammar({"start": Repeat(Bytes(b"ab"), 1, 2)})).accepts(b"abab")
    True
    """
    limits = limits or Limits()
    builder = _Builder(grammar, limits)
    rules = prune(builder.build())
    if not rules[0].dfa.finals:
        raise EmptyLanguage(
            "no text satisfies this grammar", hint="every alternative of its start contradicts itself or never ends"
        )
    rules, nullable = remove_nullable(rules)
    rules = prune(rules)
    rules = inline_units(remove_left_recursion(rules))
    rules = [rule if rule.kind is Kind.WINDOW else replace(rule, dfa=minimise(rule.dfa)) for rule in reachable(rules)]
    return ByteAutomaton.from_rules(
        rules, builder.special_tokens, accepts_empty=0 in nullable, source=grammar, limits=limits
    )


class _Builder:
    """Writes each rule's nodes as an automaton over bytes and calls."""

    def __init__(self, grammar: Grammar, limits: Limits) -> None:
        self.grammar, self.limits = grammar, limits
        self.special_tokens: list[str] = []
        self.rules: list[Rule] = []
        self.names: dict[str, int] = {}
        self.parts: dict[Node, int] = {}
        self.pending: list[tuple[int, str]] = []
        self.resolved: dict[str, Node] = {}
        self.sizes: dict[Node, int] = {}

    def build(self) -> list[Rule]:
        """All rules that the start needs, the start first."""
        self.call(self.grammar.start)
        while self.pending:
            number, name = self.pending.pop()
            self.rules[number] = Rule(name, self.automaton(self.grammar.rules[name], name))
        return self.rules

    def call(self, name: str) -> int:
        """The number of the rule of that name."""
        if name not in self.names:
            if name not in self.grammar.rules:
                near = difflib.get_close_matches(name, list(self.grammar.rules), n=1)
                raise InvalidGrammar(
                    f"the rule {name!r} is not defined", hint=f"did you mean {near[0]!r}?" if near else None
                )
            self.names[name] = self.reserve(name)
            self.pending.append((self.names[name], name))
        return self.names[name]

    def reserve(self, name: str) -> int:
        if len(self.rules) >= self.limits.rules:
            raise LimitExceeded(f"the grammar has more than {self.limits.rules} rules", hint="raise Limits.rules")
        self.rules.append(Rule(name, Dfa(((),), frozenset())))
        return len(self.rules) - 1

    def part(self, node: Node, rule: Rule) -> int:
        """The number of the anonymous rule that `node` became."""
        self.parts[node] = self.reserve(rule.name)
        self.rules[self.parts[node]] = rule
        return self.parts[node]

    def automaton(self, node: Node, name: str) -> Dfa:
        nfa = Nfa()
        try:
            nfa.finals.add(self.add(nfa, node, 0, 0))
            return determinise(nfa, limit=self.limits.states)
        except GrammarError as error:
            if error.pointer is None and error.span is None and error.hint is not None and "rule" not in error.message:
                raise type(error)(f"{error.message} (in the rule {name!r})", hint=error.hint) from None
            raise

    def add(self, nfa: Nfa, node: Node, source: int, depth: int) -> int:
        """Adds `node` behind `source`; returns the state where its strings end."""
        if depth > self.limits.depth:
            raise LimitExceeded(
                f"nodes are nested more than {self.limits.depth} deep",
                hint="name parts as rules, or raise Limits.depth",
            )
        if len(nfa.edges) > 8 * self.limits.states:
            raise LimitExceeded(f"a rule has more than {8 * self.limits.states} positions", hint="raise Limits.states")
        match node:
            case Bytes(data):
                for byte in data:
                    source = _edge(nfa, source, ((byte, byte),))
                return source
            case ByteClass(ranges):
                return _edge(nfa, source, ranges)
            case CharClass(ranges):
                if ranges and ranges[-1][1] <= 0x7F:
                    return _edge(nfa, source, ranges)
                target = nfa.state()
                nfa.embed(encode_utf8(char_dfa(node)), source, target)
                return target
            case Sequence(items):
                for item in items:
                    source = self.add(nfa, item, source, depth + 1)
                return source
            case Choice(items):
                target = nfa.state()
                for item in items:
                    nfa.empty[self.add(nfa, item, source, depth + 1)].append(target)
                return target
            case Repeat():
                return self.repeat(nfa, node, source, depth)
            case Ref(name):
                return self.call_edge(nfa, source, self.call(name))
            case SpecialToken(name):
                if name not in self.special_tokens:
                    self.special_tokens.append(name)
                symbol = SPECIAL + self.special_tokens.index(name)
                return _edge(nfa, source, ((symbol, symbol),))
            case And() | Not() | Length() | JsonString():
                return self.call_edge(nfa, source, self.leaf(node))

    def call_edge(self, nfa: Nfa, source: int, rule: int) -> int:
        target = nfa.state()
        nfa.edges[source].append((CALL + rule, CALL + rule, target))
        return target

    def repeat(self, nfa: Nfa, node: Repeat, source: int, depth: int) -> int:
        low, high = node.min, node.max
        if high is not None and (high < low or high == 0):
            return source if high == low else nfa.state()
        copies = low if high is None else high
        if copies * self.size(node.item) > self.limits.unrolled and copies > 1:
            return self.call_edge(nfa, source, self.counted(node))
        for _ in range(low):
            source = self.add(nfa, node.item, source, depth + 1)
        target = nfa.state()
        nfa.empty[source].append(target)
        if high is None:
            inside = nfa.state()
            nfa.empty[source].append(inside)
            nfa.empty[self.add(nfa, node.item, inside, depth + 1)] += [inside, target]
        else:
            for _ in range(high - low):
                source = self.add(nfa, node.item, source, depth + 1)
                nfa.empty[source].append(target)
        return target

    def counted(self, node: Repeat) -> int:
        """The rule of a repeat that is counted at run time: a window of characters, or calls of its item."""
        if node in self.parts:
            return self.parts[node]
        if isinstance(node.item, CharClass):
            window = encode_utf8(char_dfa(Repeat(node.item)), ticks=True)
            return self.part(node, Rule("repeat", window, Kind.WINDOW, node.min, node.max))
        item = self.parts.get(node.item)
        if isinstance(node.item, Ref):
            item = self.call(node.item.name)
        if item is None:
            item = self.part(node.item, Rule("item", self.automaton(node.item, "item")))
        loop = Dfa((((CALL + item, CALL + item, 0),),), frozenset({0}))
        return self.part(node, Rule("repeat", loop, Kind.REPEAT, node.min, node.max))

    def leaf(self, node: Node) -> int:
        """The rule of a part that needs set algebra or spellings."""
        if node in self.parts:
            return self.parts[node]
        match node:
            case JsonString(content):
                if self.size(content) > 1000:
                    return self.part(node, self.split_string(content))
                inside = self.regular(content)
                if isinstance(inside, Length) and not (inside.max is None and inside.min <= 4):
                    return self.part(node, self.window(inside, json=True))
                return self.part(node, Rule("string", _quoted(encode_json(char_dfa(inside)))))
            case _:
                inside = self.regular(node)
                if isinstance(inside, Length):
                    return self.part(node, self.window(inside, json=False))
                return self.part(node, Rule("text", encode_utf8(char_dfa(inside))))

    def window(self, node: Length, *, json: bool) -> Rule:
        item = node.item
        low, high = node.min, node.max
        while isinstance(item, Length):
            low = max(low, item.min)
            high = item.max if high is None else high if item.max is None else min(high, item.max)
            item = item.item
        if isinstance(item, Repeat) and isinstance(item.item, CharClass):
            low = max(low, item.min)
            high = item.max if high is None else high if item.max is None else min(high, item.max)
            item = Repeat(item.item)
        counted = char_dfa(item)
        dfa = _quoted(encode_json(counted, ticks=True)) if json else encode_utf8(counted, ticks=True)
        return Rule("window", dfa, Kind.WINDOW, low, high)

    def split_string(self, content: Node) -> Rule:
        """A JSON string whose content is too large for one automaton: its repeats are counted at run time."""
        nfa = Nfa()
        source = _edge(nfa, 0, ((0x22, 0x22),))
        nfa.finals.add(_edge(nfa, self.add_escaped(nfa, content, source), ((0x22, 0x22),)))
        return Rule("string", determinise(nfa, limit=self.limits.states))

    def add_escaped(self, nfa: Nfa, node: Node, source: int) -> int:
        if self.size(node) > 1000:
            match node:
                case Sequence(items):
                    for item in items:
                        source = self.add_escaped(nfa, item, source)
                    return source
                case Choice(items):
                    target = nfa.state()
                    for item in items:
                        nfa.empty[self.add_escaped(nfa, item, source)].append(target)
                    return target
                case Ref(name):
                    return self.add_escaped(nfa, self.regular(Ref(name)), source)
                case Repeat(CharClass() as item, low, high):
                    window = encode_json(char_dfa(Repeat(item)), ticks=True)
                    return self.call_edge(nfa, source, self.unshared(Rule("repeat", window, Kind.WINDOW, low, high)))
                case Repeat(item, low, high) if (high or low) * self.size(item) > 1000 and (high or low) > 1:
                    inner = Nfa()
                    inner.finals.add(self.add_escaped(inner, item, 0))
                    callee = CALL + self.unshared(Rule("item", determinise(inner, limit=self.limits.states)))
                    loop = Dfa((((callee, callee, 0),),), frozenset({0}))
                    return self.call_edge(nfa, source, self.unshared(Rule("repeat", loop, Kind.REPEAT, low, high)))
        target = nfa.state()
        nfa.embed(encode_json(char_dfa(self.regular(node))), source, target)
        return target

    def unshared(self, rule: Rule) -> int:
        number = self.reserve(rule.name)
        self.rules[number] = rule
        return number

    def size(self, node: Node) -> int:
        """How many positions the node has when its repeats are written out."""
        if node not in self.sizes:
            self.sizes[node] = self.measure(node)
        return self.sizes[node]

    def measure(self, node: Node) -> int:
        match node:
            case Bytes(data):
                return len(data)
            case Sequence(items) | Choice(items) | And(items):
                return sum(map(self.size, items))
            case Repeat(item, low, high):
                return self.size(item) * max(1, low if high is None else high)
            case Not(item) | Length(item, _, _) | JsonString(item):
                return self.size(item)
            case _:
                return 1

    def regular(self, node: Node) -> Node:
        """The node with its references written out; raises `UnsupportedFeature` where they are recursive."""
        return _written_out(node, self.grammar.rules, ())


def _written_out(node: Node, rules: Mapping[str, Node], inside: tuple[str, ...]) -> Node:
    match node:
        case Ref(name):
            if name in inside:
                raise UnsupportedFeature(
                    f"the rule {name!r} is recursive inside a part that must be regular (And, Not, Length, JsonString)",
                    hint="intersections, complements and lengths are decided for regular parts only",
                )
            if name not in rules:
                raise InvalidGrammar(f"the rule {name!r} is not defined")
            return _written_out(rules[name], rules, (*inside, name))
        case And(items):
            return _lengths_outside(tuple(_written_out(item, rules, inside) for item in items))
        case Sequence(items) | Choice(items):
            changed = tuple(_written_out(item, rules, inside) for item in items)
            return node if changed == items else type(node)(changed)
        case Repeat(item, low, high):
            return Repeat(_written_out(item, rules, inside), low, high)
        case Length(item, low, high):
            return Length(_written_out(item, rules, inside), low, high)
        case Not(item):
            return Not(_written_out(item, rules, inside))
        case _:
            return node


def _lengths_outside(items: tuple[Node, ...]) -> Node:
    """The intersection with its lengths moved outside, where a window counts them: x{m,n} & y = (x & y){m,n}."""
    low: int = 0
    high: int | None = None
    inner: list[Node] = []
    for item in items:
        while isinstance(item, Length):
            low = max(low, item.min)
            high = item.max if high is None else high if item.max is None else min(high, item.max)
            item = item.item
        inner.append(item)
    both = inner[0] if len(inner) == 1 else And(tuple(inner))
    return both if low == 0 and high is None else Length(both, low, high)


def _edge(nfa: Nfa, source: int, ranges: tuple[tuple[int, int], ...]) -> int:
    target = nfa.state()
    nfa.edges[source] += [(low, high, target) for low, high in ranges]
    return target


def _quoted(dfa: Dfa) -> Dfa:
    """The same strings between quotes; the start is new, the end is the last state."""
    end = len(dfa.edges) + 1
    quote = 0x22
    rows: list[tuple[Edge, ...]] = [((quote, quote, 1),)]
    for state, row in enumerate(dfa.edges):
        shifted = [(low, high, target + 1) for low, high, target in row]
        if state in dfa.finals:
            shifted.append((quote, quote, end))
        rows.append(tuple(sorted(shifted)))
    return Dfa((*rows, ()), frozenset({end}))


assert TICK + 0xFF < SPECIAL
