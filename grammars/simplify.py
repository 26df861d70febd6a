"""Rules to equal rules that a stack machine can run: nothing dead, nothing nullable, nothing left-recursive.

Place in the walk: rules -> **equal, simpler rules** -> ByteAutomaton. Four rewrites, each a function from rules to
rules; they may be applied because we only recognise and build no trees.

1. `prune`: calls that cannot end are cut, so that every remaining state can end.
2. `remove_nullable`: no rule accepts the empty string; whoever called a nullable rule may also pass it by.
3. `remove_left_recursion`: no rule calls itself before it has read a byte.
4. `inline_units`: a rule that only calls another one is replaced by it.

After each, `reachable` leaves out the rules that nobody calls any more.

After 1 to 3, entering a rule always ends at bytes, and leaving a rule always follows at least one byte: both closures
of the machine are finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from grammars.dfa import Dfa, Edge, Nfa, crawl, determinise, minimise, trim
from grammars.lengths import can_end
from grammars.rules import CALL, Kind, Rule, calls, is_call

__all__ = ["inline_units", "prune", "reachable", "remove_left_recursion", "remove_nullable"]

_NOTHING = Dfa(((),), frozenset())


def prune(rules: Sequence[Rule]) -> list[Rule]:
    """The rules without calls of rules that have no string; such a rule itself keeps no final state.

    A -> 'a' | B 'b', B -> B 'c'   becomes   A -> 'a', B -> (nothing)
    """
    productive: set[int] = set()
    pending = list(range(len(rules)))
    callers: dict[int, set[int]] = {}
    for number, rule in enumerate(rules):
        for row in rule.dfa.edges:
            for callee, _ in calls(row):
                callers.setdefault(callee, set()).add(number)
    while pending:
        number = pending.pop()
        if number not in productive and _ends(rules[number], productive):
            productive.add(number)
            pending += callers.get(number, ())
    return [
        replace(rule, dfa=trim(_without_calls(rule.dfa, productive)) if number in productive else _NOTHING)
        for number, rule in enumerate(rules)
    ]


def _ends(rule: Rule, productive: set[int]) -> bool:
    """Whether the rule has a string, given the rules that are known to have one."""
    if rule.kind is Kind.WINDOW:
        return can_end(rule)
    if rule.kind is Kind.REPEAT and rule.min == 0:
        return True
    reached = {0}
    pending = [0]
    while pending:
        for low, high, target in rule.dfa.edges[pending.pop()]:
            if target not in reached and (low < CALL or any(s - CALL in productive for s in range(low, high + 1))):
                reached.add(target)
                pending.append(target)
    # A repeat's only state is final from the start: what counts is whether its item has a string.
    if rule.kind is Kind.REPEAT:
        return any(callee in productive for row in rule.dfa.edges for callee, _ in calls(row))
    return not reached.isdisjoint(rule.dfa.finals)


def _without_calls(dfa: Dfa, keep: set[int]) -> Dfa:
    rows = []
    for row in dfa.edges:
        kept: list[Edge] = [edge for edge in row if not is_call(edge)]
        kept += [(CALL + callee, CALL + callee, target) for callee, target in calls(row) if callee in keep]
        rows.append(tuple(kept))
    return Dfa(tuple(rows), dfa.finals)


def reachable(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that rule 0 needs, renumbered in the order in which they are met."""
    place = {0: 0}
    order = [0]
    for number in order:
        for row in rules[number].dfa.edges:
            for callee, _ in calls(row):
                if callee not in place:
                    place[callee] = len(order)
                    order.append(callee)
    if order == list(range(len(rules))):
        return list(rules)

    def renumber(dfa: Dfa) -> Dfa:
        rows = []
        for row in dfa.edges:
            kept = [edge for edge in row if edge[0] < CALL]
            kept += sorted((CALL + place[callee], CALL + place[callee], target) for callee, target in calls(row))
            rows.append(tuple(kept))
        return Dfa(tuple(rows), dfa.finals)

    return [replace(rules[number], dfa=renumber(rules[number].dfa)) for number in order]


def remove_nullable(rules: Sequence[Rule]) -> tuple[list[Rule], frozenset[int]]:
    """The rules without the empty string, and which of them had it.

    A -> B 'b', B -> 'c'?   becomes   A -> B 'b' | 'b', B -> 'c'   and {B}
    """
    nullable: set[int] = set()
    changed = True
    while changed:
        changed = False
        for number, rule in enumerate(rules):
            if number not in nullable and _accepts_empty(rule, nullable):
                nullable.add(number)
                changed = True
    simpler = []
    for rule in rules:
        if rule.kind is Kind.REPEAT:
            ((callee, _),) = list(calls(rule.dfa.edges[0])) or [(-1, 0)]
            low = 1 if callee in nullable else max(1, rule.min)
            simpler.append(replace(rule, min=low))
        else:
            dfa = rule.dfa
            if any(callee in nullable for row in dfa.edges for callee, _ in calls(row)):
                dfa = _pass_by(dfa, nullable)
            simpler.append(replace(rule, dfa=_without_empty(dfa, rule)))
    return simpler, frozenset(nullable)


def _accepts_empty(rule: Rule, nullable: set[int]) -> bool:
    if rule.kind is Kind.WINDOW:
        return rule.min == 0 and 0 in rule.dfa.finals
    if rule.kind is Kind.REPEAT:
        return rule.min == 0 or any(callee in nullable for callee, _ in calls(rule.dfa.edges[0]))
    reached = {0}
    pending = [0]
    while pending:
        for callee, target in calls(rule.dfa.edges[pending.pop()]):
            if callee in nullable and target not in reached:
                reached.add(target)
                pending.append(target)
    return not reached.isdisjoint(rule.dfa.finals)


def _pass_by(dfa: Dfa, nullable: set[int]) -> Dfa:
    nfa = Nfa()
    nfa.edges = [list(row) for row in dfa.edges]
    nfa.empty = [[target for callee, target in calls(row) if callee in nullable] for row in dfa.edges]
    nfa.finals = set(dfa.finals)
    return determinise(nfa)


def _without_empty(dfa: Dfa, rule: Rule) -> Dfa:
    """The same strings without the empty one: the start becomes a state of its own that is not final."""
    if 0 not in dfa.finals or (rule.kind is Kind.WINDOW and rule.min > 0):
        return dfa
    again = len(dfa.edges)  # the old start, for those who come back to it
    rows = [
        tuple((low, high, again if target == 0 else target) for low, high, target in row)
        for row in (*dfa.edges, dfa.edges[0])
    ]
    return trim(Dfa(tuple(rows), (dfa.finals - {0}) | {again}))


def remove_left_recursion(rules: Sequence[Rule]) -> list[Rule]:
    """The rules without left recursion; none of them may be nullable.

    A cluster of rules that call each other at their start is a left-linear system; read backwards, it is an automaton:
    begin with any member's other alternatives, and when a member is complete go on behind its call in whichever member
    called it. One such automaton is made per member, ending where that member ends: a shared one would accept too much
    (A -> B 'y' | 'a', B -> A 'x' | 'b', S -> A '1' | B '2' would take `a2`).

    E -> E '+' T | T   becomes   E -> T ('+' T)*
    """
    rules = list(rules)
    for cluster in _left_clusters(rules):
        for number in cluster:
            if rules[number].kind is Kind.REPEAT:
                _peel(rules, number)
    for cluster in _left_clusters(rules):
        members = frozenset(cluster)
        unrolled = {number: _read_backwards(rules, members, number) for number in cluster}
        for number, dfa in unrolled.items():
            rules[number] = replace(rules[number], dfa=dfa)
    return rules


def _left_clusters(rules: Sequence[Rule]) -> list[list[int]]:
    """The strongly connected components of 'calls at its start' that contain a cycle (Tarjan, without recursion)."""
    graph = [[callee for callee, _ in calls(rule.dfa.edges[0])] for rule in rules]
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    clusters = []
    for root in range(len(rules)):
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
                    if len(component) > 1 or node in graph[node]:
                        clusters.append(component)
    return clusters


def _peel(rules: list[Rule], number: int) -> None:
    """X{m,n} becomes X X{m-1,n-1}, so that only its first X stands at the start."""
    rule = rules[number]
    ((item, _),) = calls(rule.dfa.edges[0])
    call = CALL + item
    rest = CALL + len(rules)
    finals = frozenset({1, 2} if rule.min <= 1 else {2})
    if rule.max == 1:
        rules[number] = replace(rule, dfa=Dfa((((call, call, 1),), ()), frozenset({1})), kind=Kind.PLAIN)
        return
    rules.append(replace(rule, min=max(1, rule.min - 1), max=None if rule.max is None else rule.max - 1))
    rules[number] = Rule(rule.name, Dfa((((call, call, 1),), ((rest, rest, 2),), ()), finals))


def _read_backwards(rules: Sequence[Rule], members: frozenset[int], target: int) -> Dfa:
    nfa = Nfa()
    offset: dict[int, int] = {}
    for number in sorted(members):
        offset[number] = len(nfa.edges)
        for row in rules[number].dfa.edges:
            nfa.edges.append([(low, high, to + offset[number]) for low, high, to in row])
            nfa.empty.append([])
    for number, base in offset.items():
        start = rules[number].dfa.edges[0]
        nfa.edges[0] += [(low, high, to + base) for low, high, to in start if low < CALL]
        for callee, to in calls(start):
            if callee in members:
                for final in rules[callee].dfa.finals:
                    nfa.empty[offset[callee] + final].append(to + base)
            else:
                nfa.edges[0].append((CALL + callee, CALL + callee, to + base))
    nfa.finals = {offset[target] + final for final in rules[target].dfa.finals}
    return minimise(determinise(nfa))


def inline_units(rules: Sequence[Rule]) -> list[Rule]:
    """The rules with every call of a rule that only calls another one led to that other one.

    A -> B 'x', B -> C   becomes   A -> C 'x'
    """
    alias = {}
    for number, rule in enumerate(rules):
        if rule.kind is Kind.PLAIN and len(rule.dfa.edges) == 2 and rule.dfa.finals == {1} and not rule.dfa.edges[1]:
            found = list(calls(rule.dfa.edges[0]))
            if len(found) == 1 and len(rule.dfa.edges[0]) == 1:
                alias[number] = found[0][0]

    def resolve(number: int) -> int:
        seen = {number}
        while number in alias and alias[number] not in seen:
            number = alias[number]
            seen.add(number)
        return number

    if not alias:
        return list(rules)
    return [replace(rule, dfa=_renamed(rule.dfa, resolve)) for rule in rules]


def _renamed(dfa: Dfa, resolve: Callable[[int], int]) -> Dfa:
    rows = []
    for row in dfa.edges:
        renamed: dict[int, set[int]] = {}
        for callee, target in calls(row):
            renamed.setdefault(resolve(callee), set()).add(target)
        if any(len(targets) > 1 for targets in renamed.values()):
            rows.append(row)  # two calls would become one with two targets: leave this state as it is
            continue
        kept = [edge for edge in row if not is_call(edge)]
        kept += [(CALL + callee, CALL + callee, target) for callee, (target,) in sorted(renamed.items())]
        rows.append(tuple(kept))
    return crawl(0, lambda q: rows[q], lambda q: q in dfa.finals)
