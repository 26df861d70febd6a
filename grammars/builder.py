"""Builder: the rules of one grammar, each built when it is entered.

Place in the walk: Survey -> **rules** -> the tables of a ByteAutomaton. Each named rule becomes one rule of the
automaton; so does each part that counts (a repeat too large to write out, a window of characters) or needs set algebra
(And, Not, Length, JsonString). Equal parts are made once; a rule that is only another name for one of these is that
one.

What is built keeps the promises of the machines: every state can end, because calls of rules without a string are never
written; no rule has the empty string, because whoever calls a nullable rule may also pass it by; no rule calls itself
before it has read a byte, because the rules of a left-recursive cluster are rewritten together.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from grammars.alike import Kept
from grammars.collection import collection_paused
from grammars.errors import GrammarError, LimitExceeded
from grammars.fragments import Fragment, Leaf, body_leaf, fragment, leaf, window_leaf, written_out
from grammars.ir import (
    AtMostTokens,
    Bytes,
    CharClass,
    Choice,
    Distinct,
    JsonString,
    Members,
    Node,
    Ranges,
    Ref,
    Repeat,
    Sequence,
    Shared,
    Spelling,
    Texts,
)
from grammars.limits import Limits
from grammars.members import members_piece
from grammars.openings import QUOTE, key_byte, opening_piece
from grammars.overlay import overlay
from grammars.pieces import Columns, Piece
from grammars.positions import END, NULL, SOLID, Positions
from grammars.record import record
from grammars.rules import Kind, Rule, calls
from grammars.shapes import body_piece
from grammars.simplify import read_backwards, without_left_repeats
from grammars.store import Store
from grammars.strings import quoted, spelt
from grammars.summary import is_split, measure
from grammars.survey import LEAVES, Survey, in_rule, together
from grammars.tables import CALL_RULE, RULE_DISTINCT, RULE_OPENING, RULE_START, UNBUILT
from grammars.words import any_string, excluded_names, word_piece
from grammars.written_members import written_as_rules

__all__ = ["Builder"]


@record
class _Body:
    """A rule that is written out: the body of a named rule, or a part of one."""

    name: str
    node: Node
    is_part: bool = True
    spelling: Spelling | None = None  # of what is inside of a JSON string


@record
class _Counted:
    """Calls of one rule, `low` to `high` of them."""

    item: int
    low: int
    high: int | None


@record
class _Member:
    """A named rule of a left-recursive cluster."""

    name: str


@record
class _Leaf:
    """One of `LEAVES`; what becomes of it is decided when it is built."""

    node: Node


@record
class _Object:
    """The members of an object."""

    node: Members
    name: str


@record
class _Differing:
    """An array whose items must differ: a rule of its own, which stays on the stack until the array ends."""

    node: Node
    name: str


_Plan = _Body | _Differing | _Counted | _Member | _Leaf | _Object | Leaf | str
"""What a rule will be; of one that the grammar makes when it is asked for the name."""


class Builder:
    """Numbers rules when they are first called, and builds them into a `Store`."""

    writes_parts = True

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.lock = threading.RLock()
        self.alike = Kept()  # objects with many members
        self.needs: dict[int, tuple[int, ...]] = {}  # of the rules of arrays with distinct items
        self.token_limits: dict[int, int] = {}  # of the rules that have one
        self._begin(None if survey.taken_over is None else _begun(survey.taken_over, survey.limits))
        if self.number(survey.grammar.start):  # it is one of those that are there already
            self._begin(None)
            self.number(survey.grammar.start)
        for early in survey.early:
            self.build_with_parts(self.number(early) if isinstance(early, str) else self.part(early))
        for name in survey.clusters:
            self.build_with_parts(self.number(name))

    def _begin(self, begun: Builder | None) -> None:
        """With nothing, or with rules that are written in another builder, but for its start."""
        self.plans: list[_Plan] = [] if begun is None else [*begun.plans]
        self.names: dict[str, int] = {} if begun is None else {**begun.names}
        self.parts: dict[object, int] = {} if begun is None else {**begun.parts}
        self.fragments: dict[int, Fragment] = {} if begun is None else {**begun.fragments}
        self.openings: dict[tuple[Node, Node | None, int], int] = {} if begun is None else {**begun.openings}
        self.store: Store = Store() if begun is None else Store(begun.store)
        self.is_started = begun is None  # whether the start has its number

    # -- numbers

    def number(self, name: str) -> int:
        """The number of a named rule, or of what it is another name for."""
        known = self.names.get(name)
        if known is None:
            survey, other = self.survey, name
            if name not in survey.summaries:
                known = self.names[name] = self._reserve(name)
                later = survey.grammar.later
                if later is not None and not self._has_own_arena and (found := later.opening(name)) is not None:
                    opening = self.opening(*found)
                    self.store.tables.rules[known, RULE_OPENING] = opening
                return known
            while isinstance(node := survey.grammar.rules[other], Ref) and other not in survey.clusters:
                other = node.name
                if other not in survey.summaries:
                    break
            if other != name:
                known = self.number(other)
            elif name in self.survey.clusters:
                known = self._reserve(_Member(name))
            elif isinstance(node, Members):  # to look for an equal one would take as long as to write it
                known = self._reserve(_Object(node, name))
            elif isinstance(node, Distinct):
                known = self._differing(node, name)
            elif isinstance(node, LEAVES) or (isinstance(node, Repeat) and self.is_counted(node)):
                known = self.part(node)
            else:
                known = self._reserve(_Body(name, node, is_part=False))
            self.names[name] = known
        return known

    def part(self, node: Node, name: str = "part") -> int:
        """The number of the rule of a node."""
        if isinstance(node, Ref):
            return self.number(node.name)
        known = self.parts.get(node)
        if known is None:
            known = self.parts[node] = self._new_part(node, name)
        return known

    def _differing(self, node: Distinct, name: str) -> int:
        number = self._reserve(_Differing(node.item, name), 1 + sum(node.needs))
        self.needs[number] = node.needs
        return number

    def _new_part(self, node: Node, name: str) -> int:
        if isinstance(node, LEAVES):
            number = self._reserve(_Leaf(node))
            if isinstance(node, AtMostTokens):
                self.token_limits[number] = node.tokens
            return number
        if isinstance(node, Members):
            return self._reserve(_Object(node, name))
        if isinstance(node, Distinct):
            return self._differing(node, name)
        if isinstance(node, Repeat) and self.is_counted(node):
            if isinstance(node.item, CharClass):
                return self._reserve(window_leaf(node.item.ranges, node.min, node.max, None))
            number = self._reserve(_Body(name, node))  # before the item: the start has number 0
            low = _fewest(self.survey.facts_of(node.item), node.min)
            self.plans[number] = _Counted(self.part(node.item, "item"), low, node.max)
            return number
        return self._reserve(_Body(name, node))

    def counted(self, item: int, facts: int, low: int, high: int | None) -> int:
        """The number of the rule that counts calls of `item`."""
        plan = _Counted(item, _fewest(facts, low), high)
        if plan not in self.parts:
            self.parts[plan] = self._reserve(plan)
        return self.parts[plan]

    def window(self, ranges: Ranges, low: int, high: int | None, spelling: Spelling) -> tuple[int, int]:
        """Facts and number of a window of characters inside a JSON string."""
        facts = self.survey.facts_of(Repeat(CharClass(ranges), low, high))
        if not facts & SOLID:
            return facts, -1
        found = window_leaf(ranges, low, high, spelling)
        if found not in self.parts:
            self.parts[found] = self._reserve(found)
        return facts, self.parts[found]

    def spelt(self, item: Node, low: int, high: int | None, spelling: Spelling) -> tuple[int, int]:
        """Facts and number of the rule that counts items inside of a JSON string."""
        facts = self.survey.content_facts(item)
        whole = facts | NULL if low == 0 else facts
        if not facts & SOLID:
            return whole, -1
        plan = _Body("item", item, spelling=spelling)
        if plan not in self.parts:
            self.parts[plan] = self._reserve(plan)
        return whole, self.counted(self.parts[plan], facts, low, high)

    def written_out(self, node: Node) -> Node:
        """A regular node without references."""
        return written_out(node, self.survey.grammar.rules)

    def _reserve(self, plan: _Plan, distinct: int = 0) -> int:
        if not self.is_started:  # the start is rule 0, and asks first
            self.is_started, self.plans[0] = True, plan
            self.store.tables.rules[0, RULE_DISTINCT] = distinct
            return 0
        if self.store.rules >= self.survey.limits.rules:
            raise LimitExceeded(
                f"the grammar has more than {self.survey.limits.rules} rules", hint="raise Limits.rules"
            )
        self.plans.append(plan)
        return self.store.reserve(distinct)

    # -- what positions ask

    def is_counted(self, node: Repeat) -> bool:
        """Whether a repeat is counted at run time rather than written out."""
        copies = node.min if node.max is None else node.max
        if copies <= 1 or copies < node.min:
            return False
        return copies * measure(node.item) > self.survey.limits.unrolled

    def callee(self, node: Node, name: str = "part") -> tuple[int, int]:
        """Facts about what becomes a rule of its own, and the number of that rule if it is `SOLID`."""
        facts = self.survey.facts_of(node)
        if isinstance(node, Ref):
            known = self.names.get(node.name)
            return facts, known if known is not None else self.number(node.name) if facts & SOLID else -1
        return facts, self.part(node, name) if facts & SOLID else -1

    def literal(self, node: Node) -> bytes | None:
        """The only text of a node; None where there may be others."""
        while isinstance(node, Ref) and node.name in self.survey.summaries and node.name not in self.survey.clusters:
            node = self.survey.grammar.rules[node.name]
        return node.data if isinstance(node, Bytes) else None

    def special(self, name: str) -> int:
        """The index of a special token."""
        return self.survey.special_tokens[name]

    # -- building

    def is_built(self, rule: int) -> bool:
        return self.store.tables.rules.item(rule, RULE_START) != UNBUILT

    def enter(self, rule: int) -> None:
        """Writes what a machine needs to go on: of an object its opening, and when it is asked for again the rule."""
        if self.is_built(rule):
            return
        with self.lock, collection_paused():
            if self.is_built(rule):
                return
            plan = self._plan(rule)
            if not isinstance(plan, _Object) or not self._open(rule, plan.node):
                self._write(rule, plan)

    def _open(self, rule: int, node: Members) -> bool:
        """Gives an object its opening; False where it has one already, or there is none."""
        known = self.store.tables.rules.item(rule, RULE_OPENING)
        if known or self._has_own_arena or not (key := key_byte(node, self.survey)):
            return False
        opening = self.opening(node.begin, node.empty, key)
        self.store.tables.rules[rule, RULE_OPENING] = opening
        return opening > 0

    def opening(self, begin: Node, empty: Node | None, key: int = QUOTE) -> int:
        """The number of the opening of objects that begin so, written at once; 0 where there is none."""
        known = self.openings.get((begin, empty, key))
        if known is None:
            known, found = 0, opening_piece(begin, empty, key, self)
            if found is not None:
                known = self._reserve(_Body("opening", begin))
                self.store.append(known, found[0], opening=found[1])
            self.openings[begin, empty, key] = known
        return known

    @property
    def _has_own_arena(self) -> bool:
        """Whether the arenas of this grammar look at items themselves: they know no openings."""
        return self.survey.has_distinct or self.survey.has_token_limits

    def _plan(self, rule: int) -> _Plan:
        """What a rule will be; made now, where the grammar makes it when it is asked for."""
        if isinstance(plan := self.plans[rule], str):
            plan = self.plans[rule] = self._made(plan)
        return plan

    def build(self, rule: int) -> None:
        """Writes a rule into the store, unless it is there."""
        if self.is_built(rule):
            return
        with self.lock, collection_paused():
            if not self.is_built(rule):
                self._write(rule, self._plan(rule))

    def _write(self, rule: int, plan: _Plan) -> None:
        """Writes a rule that is not there, as planned."""
        match plan:
            case _Object(node, name):
                self._build_object(rule, node, name)
            case _Leaf(node):
                self._build_leaf(rule, self.survey.written_out(node))
            case Leaf() as found:
                self._append_leaf(rule, found)
            case _Counted(item, low, high):
                self.store.append(rule, _loop(item), Kind.REPEAT, low, high)
            case _Member(name):
                self._build_cluster(self.survey.clusters[name])
            case _Differing(node, name):
                self._build_body(rule, _Body(name, node), tails=False)
            case _Body() as body:
                self._build_body(rule, body)

    def _made(self, name: str) -> _Plan:
        """The plan of a rule that the grammar makes now; one that is another name for another calls it."""
        self.survey.make(name)
        node = self.survey.grammar.rules[name]
        if isinstance(node, Members):
            return _Object(node, name)
        return _Leaf(node) if isinstance(node, LEAVES) else _Body(name, node, is_part=False)

    def build_with_parts(self, rule: int) -> None:
        """Builds a rule and the parts without a name that it calls, and they."""
        pending = [rule]
        while pending:
            first, begin = pending.pop(), self.store.calls
            if not self.is_built(first):
                self.build(first)
                called = self.store.tables.calls[begin : self.store.calls, CALL_RULE]
                pending += set(called.tolist()) - set(self.names.values())

    def without_members(self) -> Builder:
        """The same language, its members written as rules."""
        return Builder(Survey(written_as_rules(self.survey.whole()), self.survey.limits))

    def fragment(self, rule: int) -> Fragment | None:
        """The fragment that a built rule is, None for one with calls or special tokens."""
        return self.fragments.get(rule)

    def _append_leaf(self, rule: int, found: Leaf) -> None:
        self.fragments[rule] = made = found.fragment
        self.store.append(rule, made.piece, found.kind, found.low, found.high, window=made.window)

    def _build_leaf(self, rule: int, node: Node) -> None:
        """Writes one of `LEAVES` without references; strings that leave out names as an overlay."""
        names = excluded_names(node.content) if isinstance(node, JsonString) else None
        if names is not None:
            assert isinstance(node, JsonString)
            anything = any_string(node.spelling)
            if not names:
                self._append_leaf(rule, leaf(anything))
                return
            host = self.part(anything)
            self.build(host)
            begin = int(self.store.tables.rules[host, RULE_START])
            self.store.append(rule, overlay(names, anything.spelling), host=begin)
        elif isinstance(node, Texts):
            self._append_leaf(rule, Leaf(fragment(word_piece(node.items))))
        elif is_split(node):
            self._build_body(rule, _Body("string", node))
        else:
            self._append_leaf(rule, leaf(node))

    def _build_body(self, rule: int, body: _Body, *, tails: bool = True) -> None:
        node = body.node
        try:
            summary = self.survey.summary_of(node)
            if summary.calls_nothing and body.spelling is None:
                if summary.leaf is None:
                    summary.leaf = body_leaf(node, self.survey.limits.states)
                self._append_leaf(rule, summary.leaf)
            else:
                self.store.append(rule, self._body(body, tails=tails))
        except GrammarError as error:
            raise in_rule(error, body.name) from None

    def _build_object(self, rule: int, node: Members, name: str) -> None:
        try:
            piece, order = members_piece(node, self, limit=self.survey.limits.states, kept=self.alike)
        except GrammarError as error:
            raise in_rule(error, name) from None
        self._open(rule, node)  # before it is there: it is always entered so, whoever asks first for what
        self.store.append(rule, piece, Kind.MEMBERS, order=order)

    def _body(self, body: _Body, *, tails: bool = True) -> Piece:
        """The piece of a body; where it would pass a limit that was not looked at before, that of smaller rules.

        A body of many literals and calls is left for later without knowing how many states it will have. They are
        hardly ever too many; where they are, its parts become rules, which the machines tell apart while they read.
        """
        node, limit = body.node, self.survey.limits.states
        positions = Positions(self)
        if body.spelling is not None:
            return positions.piece(spelt(positions, self, node, body.spelling, END), limit=limit)
        if isinstance(node, JsonString):
            return positions.piece(quoted(positions, self, node), limit=limit)
        try:
            return body_piece(node, self, limit=limit, tails=tails)
        except LimitExceeded:
            if self.survey.is_early(node) or not isinstance(node, Sequence | Choice | Repeat):
                raise
            return Positions(self).apart(node, tails=tails)

    # -- left recursion

    def _build_cluster(self, members: tuple[str, ...]) -> None:
        rules: dict[int, Rule] = {}
        for name in members:
            body = _Body(name, self.survey.grammar.rules[name], is_part=False)
            try:
                rules[self.number(name)] = Rule(name, self._body(body).dfa())
            except GrammarError as error:
                raise in_rule(error, name) from None
        names = list(rules)
        pending = list(rules)
        while pending:  # parts that stand at the start of a member belong to the system
            for callee, _ in calls(rules[pending.pop()].dfa.edges[0]):
                if callee not in rules and (part := self._open_part(callee)) is not None:
                    rules[callee] = part
                    pending.append(callee)
        system = without_left_repeats(rules, self._rest)
        for number in names:
            self.store.append(number, Piece.from_dfa(read_backwards(system, number), tails=True))

    def _open_part(self, rule: int) -> Rule | None:
        """A part with calls as a `Rule`."""
        match self.plans[rule]:
            case _Counted(item, low, high):
                return Rule("repeat", _loop(item).dfa(), Kind.REPEAT, low, high)
            case _Body(is_part=True) as body:
                return Rule(body.name, self._body(body).dfa())
        return None

    def _rest(self, repeat: Rule) -> int:
        """The number of a repeat of which the first item was taken off."""
        ((item, _),) = calls(repeat.dfa.edges[0])
        return self.counted(item, SOLID, repeat.min, repeat.max)


@lru_cache(maxsize=64)
def _begun(shared: Shared, limits: Limits) -> Builder:
    """What the builders of all grammars with these shared rules begin with: these are written.

    The start is still to be numbered: it is rule 0.
    """
    grammar = together(shared)
    builder = Builder(Survey(grammar, limits))
    for name in shared.rules:
        builder.build(builder.number(name))
    for begin, empty in shared.openings:
        builder.opening(begin, empty)
    del builder.names[grammar.start]
    return builder


def _fewest(facts: int, low: int) -> int:
    """The least number of items that are not empty; of items that may be empty there may be fewer than `low`."""
    return 1 if facts & NULL else max(1, low)


def _loop(item: int) -> Piece:
    """The piece of a counted repeat: one state with a call that returns to it."""
    columns = Columns()
    columns.begin(final=True)
    columns.calls.append((item, 0))
    return columns.piece()
