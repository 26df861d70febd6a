"""Every text of a type's language is read by the type: whatever the automaton lets through, `load` takes."""

from __future__ import annotations

import math
import os
import random

import pytest
from type_samples import TYPES

from grammars.automaton import UNBOUNDED, ByteAutomaton
from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.python_types import describe_type
from grammars.rules import Kind

TEXTS = int(os.environ.get("GCD_TYPE_TEXTS", "25"))
"""Texts drawn from each language."""


@pytest.mark.parametrize("name", TYPES)
def test_every_text_of_a_language_validates(name: str) -> None:
    described = describe_type(TYPES[name].type)
    automaton = compile_grammar(parse_json_schema(described.schema))
    seed = random.randrange(2**32)
    texts = Texts(automaton, random.Random(seed))
    for number in range(TEXTS):
        text = texts.draw()
        assert number or automaton.accepts(text), (
            f"seed {seed}: the test itself drew {text!r}, which is not in the language"
        )
        try:
            described.load(text.decode())
        except Exception as error:
            raise AssertionError(f"seed {seed}: {name} does not load {text.decode()}") from error


class Texts:
    """Random texts of an automaton: a walk through its rules that takes the shortest way out once it is long enough."""

    def __init__(self, automaton: ByteAutomaton, rng: random.Random, enough: int = 100) -> None:
        self.table, self.rng, self.enough = automaton, rng, enough
        self.cost = self.costs()
        self.text = bytearray()

    def draw(self) -> bytes:
        self.text = bytearray()
        self.rule(0)
        return bytes(self.text)

    def costs(self) -> list[float]:
        """For each state, the least bytes to the end of its rule, a counter left aside."""
        table = self.table
        cost = [
            0.0 if final and table.rule_kind[rule] != Kind.REPEAT else math.inf
            for final, rule in zip(table.state_final, table.state_rule, strict=True)
        ]
        before: list[float] = []
        while before != cost:
            before = list(cost)
            for state, rule in enumerate(table.state_rule):
                if table.rule_kind[rule] == Kind.REPEAT:
                    low = int(table.rule_min[rule])
                    cost[state] = (
                        low * min(cost[table.rule_start[callee]] for callee, _ in self.calls(state)) if low else 0
                    )
                else:
                    ways = [1 + cost[target] for target, _, _ in self.edges(state)]
                    ways += [self.call_cost(cost, *call) for call in self.calls(state)]
                    cost[state] = min([cost[state], *ways])
        return cost

    def call_cost(self, cost: list[float], callee: int, back: int) -> float:
        return cost[self.table.rule_start[callee]] + (cost[back] if back >= 0 else 0)

    def edges(self, state: int) -> list[tuple[int, int, int]]:
        """(target, edge, tick) of the edges that read."""
        table = self.table
        numbers = range(table.edge_start[state], table.edge_start[state + 1])
        return [(int(table.edge_to[n]), n, int(table.edge_tick[n])) for n in numbers]

    def calls(self, state: int) -> list[tuple[int, int]]:
        table = self.table
        numbers = range(table.call_start[state], table.call_start[state + 1])
        return [(int(table.call_rule[n]), int(table.call_return[n])) for n in numbers]

    def rule(self, rule: int) -> None:
        """Writes one text of a rule."""
        table, state = self.table, int(self.table.rule_start[rule])
        low, high = int(table.rule_min[rule]), int(table.rule_max[rule])
        if table.rule_kind[rule] == Kind.REPEAT:
            for _ in range(low if self.is_long else self.rng.randint(low, min(high, low + 4))):
                self.rule(self.rng.choice(self.calls(state))[0])
            return
        is_window, count = table.rule_kind[rule] == Kind.WINDOW, 0
        while True:
            may_end = table.state_final[state] and (not is_window or low <= count <= high)
            ways = self.ways(state, count, is_window)
            if may_end and (not ways or self.is_long or self.rng.random() < 0.15):
                return
            if self.is_long and not is_window:
                least = min(cost for cost, *_ in ways)
                ways = [way for way in ways if way[0] == least]
            _, edge, target, callee, count = self.rng.choice(ways)
            if edge >= 0:
                self.text.append(self.rng.randint(int(table.edge_low[edge]), int(table.edge_high[edge])))
            else:
                self.rule(callee)
            if target < 0:  # a tail call
                return
            state = target

    def ways(self, state: int, count: int, is_window: bool) -> list[tuple[float, int, int, int, int]]:
        """(cost, edge or -1, next state, called rule, counter) of each way on."""
        table = self.table
        ways = [(self.call_cost(self.cost, *call), -1, call[1], call[0], 0) for call in self.calls(state)]
        for target, edge, tick in self.edges(state):
            counted = count + tick
            if table.rule_max[table.state_rule[state]] >= UNBOUNDED:
                counted = min(counted, int(table.rule_min[table.state_rule[state]]))
            if not is_window or table.recogniser.alive(target, counted):
                ways.append((1 + self.cost[target], edge, target, -1, counted))
        return ways

    @property
    def is_long(self) -> bool:
        return len(self.text) >= self.enough
