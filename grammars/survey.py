"""Survey: what one walk over a grammar tells about its rules, without building any.

Place in the walk: Grammar -> **Survey** -> rules, built when they are entered. It knows of each rule that is needed

- whether it has the empty string, and whether it has another (least fixpoints, but nearly every rule is decided at once
  because it is looked at after those it refers to);
- whether it may call itself before it has read a byte, and together with which others: its cluster;
- whether it must be built at once, because only that shows whether it keeps to the limits.

Whatever is wrong with a grammar is found here: undefined rules, recursion in regular parts, nodes nested too deep.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from grammars.chars import char_dfa
from grammars.errors import GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.fragments import facts_of_leaf, quick_facts, written_out
from grammars.ir import (
    And,
    AtMostTokens,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    Distinct,
    Grammar,
    JsonString,
    Length,
    Members,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    Shared,
    SpecialToken,
    Texts,
)
from grammars.limits import Limits
from grammars.members import has_register
from grammars.positions import NULL, SOLID
from grammars.summary import CLASSES, Summary, is_split, summarise

__all__ = ["LEAVES", "Survey", "in_rule"]

LEAVES = (JsonString, And, Not, Length, Texts, AtMostTokens)
"""Nodes that become rules without calls."""

_READ = (ByteClass, CharClass, SpecialToken, Members, Distinct)


_CERTAIN = Summary(0)
"""Of rules that need no survey."""


class _InQuotes(NamedTuple):
    """The note of a node inside of a JSON string: facts about the string."""

    facts: int


class Survey:
    """The rules that the start of a grammar needs, by name; see the module."""

    def __init__(self, grammar: Grammar, limits: Limits) -> None:
        self.grammar, self.limits = grammar, limits
        self.summaries: dict[str, Summary] = {}
        self.facts: dict[str, int] = {}
        self.left: dict[str, list[str]] = {}
        self.clusters: dict[str, tuple[str, ...]] = {}
        self.special_tokens: dict[str, int] = {}
        self.has_distinct = False  # whether there is an array with distinct items
        self.has_token_limits = False  # whether there is a part with a limit in tokens
        self.written: dict[int, tuple[Node, Node]] = {}  # of leaves with references, by identity
        self.early: list[str | Node] = []  # rules and leaves to be built at once
        self.open = False  # whether the facts asked for last depend on a rule that was not decided yet
        self.taken_over: Shared | None = None  # the rules that were known from the start
        self._certain = 0  # how many rules were known for certain
        self._add(grammar.start, grammar.shared)

    def make(self, name: str) -> None:
        """Sees to it that a rule is there which the grammar makes when it is asked for."""
        if name not in self.summaries:
            later = self.grammar.later
            self._add(name, None if later is None or name not in later else later.make(name))
            assert self.facts[name] == SOLID, name

    def whole(self) -> Grammar:
        """The grammar with all its rules."""
        if self.grammar.later is not None:
            self.grammar.later.make_all()
            self.grammar = replace(self.grammar, later=None)
        return self.grammar

    def _add(self, start: str, shared: Shared | None) -> None:
        """Looks at the rules that one needs and that were not met before."""
        if shared is not None:
            self._take_over(shared)
        later = self.grammar.later
        if later is not None:
            for name in islice(later.certain, self._certain, None):
                self.summaries[name], self.facts[name] = _CERTAIN, SOLID
            self._certain = len(later.certain)
            if start in self.summaries:
                return
        known = len(self.left)
        undecided = self._visit(start)
        self._settle(undecided)
        if self.has_distinct and self.has_token_limits:
            raise UnsupportedFeature(
                "limits in tokens are not supported beside arrays whose items must differ (uniqueItems)",
                hint="leave out one of them; lengths in characters are possible beside both",
            )
        self._check_members(islice(self.summaries.items(), known, None))
        self._find_clusters(known)

    def _take_over(self, shared: Shared) -> None:
        """Takes over what is known of rules that other grammars have too."""
        found, rules = _surveyed(shared, self.limits), self.grammar.rules
        if found is not None and shared.rules.items() <= rules.items():
            self.summaries |= found.summaries
            self.facts |= found.facts
            self.left |= found.left
            self.taken_over = self.taken_over or shared

    # -- the walk

    def _visit(self, start: str) -> list[str]:
        """Decides each rule after those it refers to; returns those that could not wait for one."""
        undecided = []
        summaries, later = self.summaries, self.grammar.later
        stack: list[str | None] = [start]  # None: the rule below it was visited
        while stack:
            name = stack.pop()
            if name is None:
                name = stack.pop()
                assert name is not None
                if self._decide(name):
                    undecided.append(name)
            elif later is not None and name in later:
                self.facts[name] = SOLID
            elif name not in summaries:
                refs = self._summary(name).refs
                stack += (name, None)
                if refs:
                    stack += [ref for ref in refs if ref not in summaries]
        if len(summaries) > self.limits.rules:
            raise LimitExceeded(f"the grammar has more than {self.limits.rules} rules", hint="raise Limits.rules")
        return undecided

    def _summary(self, name: str) -> Summary:
        """The summary of a rule that was not met before."""
        node = self.grammar.rules.get(name)
        if node is None:
            near = difflib.get_close_matches(name, list(self.grammar.rules), n=1)
            raise InvalidGrammar(
                f"the rule {name!r} is not defined", hint=f"did you mean {near[0]!r}?" if near else None
            )
        try:
            found = self.summaries[name] = self.summary_of(node)
            for part in found.leaves:
                if not self.leaf_facts(part):
                    found.doubtful = True
        except GrammarError as error:
            raise in_rule(error, name) from None
        self.has_distinct |= found.distinct
        self.has_token_limits |= found.token_limits
        if found.specials:
            for special in found.specials:
                self.special_tokens.setdefault(special, len(self.special_tokens))
        if (found.classes or found.members) and self.is_early(node):
            self.early.append(name)
        return found

    def summary_of(self, node: Node) -> Summary:
        """What one walk over the node of a rule finds."""
        found = getattr(node, "note", None)
        if type(found) is not Summary or found.unrolled != self.limits.unrolled or found.depth > self.limits.depth:
            found = summarise(node, self.limits)
            if not isinstance(node, LEAVES):
                node.note = found
        return found

    def is_early(self, node: Node) -> bool:
        """Whether only building the rule of a node tells whether it keeps to the limits.

        It has at most 2^(size + 1) states. Literals and calls alone, and what has an end, rarely pass a limit.
        """
        found = self.summary_of(node)
        if found.members and found.size > self.limits.states:
            return True
        return found.classes and found.loops and found.size + 1 >= self.limits.states.bit_length()

    def _decide(self, name: str) -> bool:
        """Facts and left calls of a rule; whether they depend on a rule that is not decided yet."""
        summary, node, facts = self.summaries[name], self.grammar.rules[name], self.facts
        self.open = False
        left = self.left[name] = list[str]()
        if not self.starts(node, left) and not summary.doubtful and all(map(facts.get, summary.refs)):
            facts[name] = SOLID
        else:
            facts[name] = self.facts_of(node)
        return self.open

    def _settle(self, undecided: list[str]) -> None:
        """Raises the facts of all rules to their least fixpoint."""
        callers: dict[str, list[str]] = {}
        pending = undecided
        changed = False
        while pending:
            again: dict[str, None] = {}
            for name in pending:
                facts = self.facts_of(self.grammar.rules[name])
                if facts != self.facts[name]:
                    self.facts[name] = facts
                    changed = True
                    if not callers:
                        for caller, summary in self.summaries.items():
                            for ref in summary.refs:
                                callers.setdefault(ref, []).append(caller)
                    again.update(dict.fromkeys(callers.get(name, ())))
            pending = list(again)
        for name in self.summaries if changed else undecided:
            self.left[name] = []
            self.starts(self.grammar.rules[name], self.left[name])

    def _check_members(self, summaries: Iterable[tuple[str, Summary]]) -> None:
        """Raises `InvalidGrammar` where the parts of an object are not what they must be."""
        solid: set[int] = set()  # what stands around them, and has a text, by identity: mostly the same
        for name, summary in summaries:
            for node in summary.members:
                for part in (node.begin, node.separator, node.end, node.empty):
                    if part is not None and id(part) not in solid:
                        if not self.facts_of(part):
                            raise InvalidGrammar(f"there is no text around the members in the rule {name!r}")
                        solid.add(id(part))
                for value in (*node.values, *[value for _, value in node.rest]):
                    if not _has_literal(value) and self.facts_of(value) & NULL:
                        raise InvalidGrammar(f"a value of the members in the rule {name!r} may be empty")

    # -- facts about nodes

    def facts_of(self, node: Node) -> int:
        """`NULL` and `SOLID` of a node, from what is known of the rules so far."""
        if isinstance(node, Ref):
            facts = self.facts.get(node.name)
            if facts is None:
                if self.grammar.later is not None and node.name in self.grammar.later.promised:
                    self.facts[node.name] = SOLID
                    return SOLID
                self.open = True
                return 0
            return facts
        if isinstance(node, Bytes):
            return SOLID if node.data else NULL
        if isinstance(node, Sequence):
            null, solid = NULL, 0
            for item in node.items:
                facts = self.facts_of(item)
                if not facts:
                    return 0
                null &= facts
                solid |= facts & SOLID
            return null | solid
        if isinstance(node, Choice):
            found = 0
            for item in node.items:
                found |= (SOLID if item.data else NULL) if isinstance(item, Bytes) else self.facts_of(item)
            return found
        if isinstance(node, Repeat):
            if node.max is not None and (node.max < node.min or node.max == 0):
                return NULL if node.max == node.min else 0
            facts = self.facts_of(node.item)
            return facts | NULL if node.min == 0 else facts
        if isinstance(node, CLASSES):
            return SOLID if node.ranges else 0
        if isinstance(node, Members):
            return self.members_facts(node)
        if isinstance(node, Distinct):
            return self.facts_of(node.item) & SOLID
        return SOLID if isinstance(node, SpecialToken) else self.leaf_facts(node)

    def members_facts(self, node: Members) -> int:
        """`SOLID` when all required members have a value, and any entry has or there need not be one."""
        if has_register(node):
            return self.register_facts(node)
        found = SOLID if node.empty is not None and not node.required else 0
        for number, value in enumerate(node.values):
            if self.facts_of(value):
                found = SOLID
            elif number in node.required:
                return 0
        if not found:
            found = max([SOLID for key, value in node.rest if self.leaf_facts(key) and self.facts_of(value)], default=0)
        return found

    def register_facts(self, node: Members) -> int:
        """`SOLID` when enough entries have a value, the required ones too, and there is room for these."""
        possible = [number for number, value in enumerate(node.values) if self.facts_of(value)]
        if not node.required.issubset(possible) or (node.high is not None and len(node.required) > node.high):
            return 0
        if any(self.leaf_facts(key) and self.facts_of(value) for key, value in node.rest):
            return SOLID
        enough = node.low <= len(possible) and (possible or (node.empty is not None and not node.low))
        return SOLID if enough else 0

    def starts(self, node: Node, left: list[str]) -> bool:
        """Whether a node has the empty string; appends to `left` the rules that may be called at its start."""
        if isinstance(node, Sequence):
            for item in node.items:  # noqa: SIM110 - half the time of all()
                if not self.starts(item, left):
                    return False
            return True
        if isinstance(node, Bytes):
            return not node.data
        if isinstance(node, Ref):
            left.append(node.name)
            facts = self.facts.get(node.name)
            if facts is None:
                self.open = True
                return False
            return facts & NULL != 0
        if isinstance(node, Choice):
            nullable = False
            for item in node.items:
                nullable |= not item.data if isinstance(item, Bytes) else self.starts(item, left)
            return nullable
        if isinstance(node, Repeat):
            if node.max is not None and (node.max < node.min or node.max == 0):
                return node.max == node.min
            return self.starts(node.item, left) or node.min == 0
        if isinstance(node, _READ):
            return False
        return self.leaf_facts(node) & NULL != 0

    def leaf_facts(self, node: Node) -> int:
        """The facts of one of `LEAVES`; raises what is wrong with it."""
        note = getattr(node, "note", None)
        if type(note) is int:
            return note
        if isinstance(node, Texts):
            return (NULL if b"" in node.items else 0) | (SOLID if any(node.items) else 0)
        if isinstance(node, JsonString) and type(note := getattr(node.content, "note", None)) is _InQuotes:
            return note.facts
        facts = quick_facts(node)
        if facts is None:
            written = self.written_out(node)
            if is_split(written):
                self.early.append(node)
                return SOLID if self.content_facts(written.content) else 0
            facts = facts_of_leaf(written)
            if written is not node:
                return facts
            if isinstance(node, JsonString) and note is None:  # formats are one content in a new string each time
                node.content.note = _InQuotes(facts)
        node.note = facts
        return facts

    def written_out(self, node: Node) -> Node:
        """One of `LEAVES` without references."""
        known = self.written.get(id(node))
        if known is None:
            if isinstance(node, JsonString):
                content = written_out(node.content, self.grammar.rules)
                known = node, node if content is node.content else JsonString(content, node.spelling)
            else:
                known = node, written_out(node, self.grammar.rules)
            self.written[id(node)] = known
        return known[1]

    def content_facts(self, node: Node) -> int:
        """The facts of a part of the content of a JSON string, in characters."""
        match node:
            case Ref() | And() | Not() | Length():
                dfa = char_dfa(written_out(node, self.grammar.rules))
                return (NULL if 0 in dfa.finals else 0) | (SOLID if dfa.edges[0] else 0)
            case Sequence(items):
                facts = [self.content_facts(item) for item in items]
                return 0 if 0 in facts else SOLID if any(f & SOLID for f in facts) else NULL
            case Choice(items):
                return max((self.content_facts(item) for item in items), default=0)
            case Repeat(item, low, high) if high is None or high >= max(low, 1):
                return self.content_facts(item) or (NULL if low == 0 else 0)
            case _:
                return self.facts_of(node)

    # -- left recursion

    def _find_clusters(self, known: int) -> None:
        """Sets the cluster of each rule that may call itself before it has read a byte; the first ones do not."""
        left = self.left
        rest = list(left)
        safe = {*rest[:known], *(self.facts.keys() - left.keys())}  # with those that are made later
        rest = rest[known:]
        while True:
            kept = []
            for name in rest:
                if safe.issuperset(left[name]):
                    safe.add(name)
                else:
                    kept.append(name)
            if len(kept) == len(rest):
                break
            rest = kept
        if not rest:
            return
        numbers = {name: i for i, name in enumerate(rest)}
        graph = [[numbers[ref] for ref in left[name] if ref in numbers] for name in rest]
        for component in components(graph):
            if len(component) > 1 or component[0] in graph[component[0]]:
                members = tuple(sorted(rest[i] for i in component))
                self.clusters.update(dict.fromkeys(members, members))


def together(shared: Shared) -> Grammar:
    """The grammar of some shared rules, which are all that it needs."""
    return Grammar({**shared.rules, _TOGETHER: Sequence(tuple(map(Ref, shared.starts)))}, _TOGETHER)


_TOGETHER = ""


@lru_cache(maxsize=64)
def _surveyed(shared: Shared, limits: Limits) -> Survey | None:
    """The survey of rules by themselves; None where facts are not all that has to be known of them."""
    found = Survey(together(shared), limits)
    if found.early or found.special_tokens or found.clusters or found.has_distinct or found.has_token_limits:
        return None
    del found.summaries[_TOGETHER], found.facts[_TOGETHER], found.left[_TOGETHER]
    return found


def _has_literal(node: Node) -> bool:
    """Whether a node is a sequence with a literal that is not empty."""
    if isinstance(node, Sequence):
        for item in node.items:
            if isinstance(item, Bytes) and item.data:
                return True
    return False


def in_rule(error: GrammarError, name: str) -> GrammarError:
    """The error with the rule that it is in, where it says nothing better about the place."""
    if error.pointer is None and error.span is None and error.hint is not None and "rule" not in error.message:
        return type(error)(f"{error.message} (in the rule {name!r})", hint=error.hint)
    return error


def components(graph: list[list[int]]) -> list[list[int]]:
    """The strongly connected components (Tarjan 1972, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    found = []
    for root in range(len(graph)):
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    work.append((successor, iter(graph[successor])))
                    break
                if successor in low:
                    low[node] = min(low[node], low[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        component.append(member)
                        del low[member]
                        if member == node:
                            break
                    found.append(component)
    return found
