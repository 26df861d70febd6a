"""Rules to equal rules that a stack machine can run: nothing dead, nothing left-recursive.

Place in the walk: rules -> **equal, simpler rules** -> ByteAutomaton. They may be applied because we only recognise and
build no trees.

- `prune`: calls that cannot end are cut, so that every remaining state can end; `reachable` leaves out the rules that
  nobody calls any more.
- `read_backwards`: a rule of a left-recursive cluster calls none of them before it has read a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from grammars.dfa import Dfa, Edge, Nfa, determinise, minimise, trim
from grammars.lengths import can_end
from grammars.rules import CALL, Kind, Rule, calls, is_call

__all__ = ["prune", "reachable", "read_backwards", "without_left_repeats"]

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


def without_left_repeats(rules: Mapping[int, Rule], rest: Callable[[Rule], int]) -> dict[int, Rule]:
    """The rules with X{m,n} as X X{m-1,n-1}, so that only the first X stands at the start; `rest` numbers the other."""
    return {number: _peel(rule, rest) if rule.kind is Kind.REPEAT else rule for number, rule in rules.items()}


def _peel(rule: Rule, rest: Callable[[Rule], int]) -> Rule:
    ((item, _),) = calls(rule.dfa.edges[0])
    call = CALL + item
    if rule.max == 1:
        return replace(rule, dfa=Dfa((((call, call, 1),), ()), frozenset({1})), kind=Kind.PLAIN)
    more = CALL + rest(replace(rule, min=max(1, rule.min - 1), max=None if rule.max is None else rule.max - 1))
    finals = frozenset({1, 2} if rule.min <= 1 else {2})
    return Rule(rule.name, Dfa((((call, call, 1),), ((more, more, 2),), ()), finals))


def read_backwards(rules: Mapping[int, Rule], target: int) -> Dfa:
    """The automaton of one of some left-recursive rules that calls none of them at its start; none may be nullable.

    A cluster of rules that call each other at their start is a left-linear system; read backwards, it is an automaton:
    begin with any member's other alternatives, and when a member is complete go on behind its call in whichever member
    called it. One such automaton is made per member, ending where that member ends: a shared one would accept too much
    (A -> B 'y' | 'a', B -> A 'x' | 'b', S -> A '1' | B '2' would take `a2`).

    E -> E '+' T | T   becomes   E -> T ('+' T)*
    """
    nfa = Nfa()
    offset: dict[int, int] = {}
    for number in sorted(rules):
        offset[number] = len(nfa.edges)
        for row in rules[number].dfa.edges:
            nfa.edges.append([(low, high, to + offset[number]) for low, high, to in row])
            nfa.empty.append([])
    for number, base in offset.items():
        start = rules[number].dfa.edges[0]
        nfa.edges[0] += [(low, high, to + base) for low, high, to in start if low < CALL]
        for callee, to in calls(start):
            if callee in rules:
                for final in rules[callee].dfa.finals:
                    nfa.empty[offset[callee] + final].append(to + base)
            else:
                nfa.edges[0].append((CALL + callee, CALL + callee, to + base))
    nfa.finals = {offset[target] + final for final in rules[target].dfa.finals}
    return minimise(determinise(nfa))
