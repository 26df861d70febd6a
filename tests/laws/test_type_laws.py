"""Every text of a type's language is read by the type: whatever the automaton lets through, `load` takes."""

from __future__ import annotations

import json
import math
import os
import random
from typing import TypeAlias

import pytest
from type_samples import TYPES

from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.python_types import describe_type
from grammars.rules import Kind
from grammars.tables import UNBOUNDED
from grammars.written_members import written_as_rules

Way: TypeAlias = tuple[float, tuple[int, int] | None, int, int, int]
"""Cost, symbols of an edge or None, next state, called rule, counter."""

TEXTS = int(os.environ.get("GCD_TYPE_TEXTS", "25"))
"""Texts drawn from each language."""


@pytest.mark.parametrize("name", TYPES)
def test_every_text_of_a_language_validates(name: str) -> None:
    described = describe_type(TYPES[name].type)
    grammar = parse_json_schema(described.schema)
    automaton = compile_grammar(grammar)
    seed = random.randrange(2**32)
    has_sets = "uniqueItems" in str(described.schema)
    texts = Texts(compile_grammar(written_as_rules(grammar)), random.Random(seed))
    for number in range(TEXTS):
        text = texts.draw()
        if has_sets and not automaton.accepts(text):  # the walk does not know which items it had
            continue
        assert number or automaton.accepts(text), (
            f"seed {seed}: the test itself drew {text!r}, which is not in the language"
        )
        try:
            described.load(text.decode())
        except Exception as error:
            raise AssertionError(f"seed {seed}: {name} does not load {text.decode()}") from error


@pytest.mark.parametrize("name", ["set", "set length", "set at least", "frozenset of Enum", "set of tuples"])
def test_a_set_has_as_many_items_as_its_text(name: str) -> None:
    described = describe_type(TYPES[name].type)
    grammar = parse_json_schema(described.schema)
    automaton = compile_grammar(grammar)
    seed = random.randrange(2**32)
    texts = Texts(compile_grammar(written_as_rules(grammar)), random.Random(seed))
    drawn = {text for _ in range(20 * TEXTS) if automaton.accepts(text := texts.draw())}
    assert max(len(json.loads(text)) for text in drawn) > 1, f"seed {seed}"
    for text in drawn:
        value = described.load(text.decode())
        assert len(value) == len(json.loads(text)), f"seed {seed}: {text!r}"  # type: ignore[arg-type]


class Texts:
    """Random texts of an automaton: a walk through its rules that takes the shortest way out once it is long enough."""

    def __init__(self, automaton: ByteAutomaton, rng: random.Random, enough: int = 100) -> None:
        automaton.build_all()
        self.machine, self.rng, self.enough = automaton.recogniser, rng, enough
        self.states = [self.machine.state(number) for number in range(automaton.num_states)]
        self.starts = [self.machine.enter(number) for number in range(automaton.num_rules)]
        self.cost = self.costs()
        self.text = bytearray()

    def draw(self) -> bytes:
        self.text = bytearray()
        self.rule(0)
        return bytes(self.text)

    def costs(self) -> list[float]:
        """For each state, the least bytes to the end of its rule, a counter left aside."""
        cost = [0.0 if at.final and at.kind != Kind.REPEAT else math.inf for at in self.states]
        before: list[float] = []
        while before != cost:
            before = list(cost)
            for state, at in enumerate(self.states):
                if at.kind == Kind.REPEAT:
                    cost[state] = at.low * min(cost[self.starts[callee]] for callee, _ in at.calls) if at.low else 0
                else:
                    ways = [1 + cost[target] for _, _, target, _ in at.edges]
                    ways += [self.call_cost(cost, *call) for call in at.calls]
                    cost[state] = min([cost[state], *ways])
        return cost

    def call_cost(self, cost: list[float], callee: int, back: int) -> float:
        return cost[self.starts[callee]] + (cost[back] if back >= 0 else 0)

    def rule(self, rule: int) -> None:
        """Writes one text of a rule."""
        state = self.starts[rule]
        at = self.states[state]
        low, high = at.low, at.high
        if at.kind == Kind.REPEAT:
            for _ in range(low if self.is_long else self.rng.randint(low, min(high, low + 4))):
                self.rule(self.rng.choice(at.calls)[0])
            return
        is_window, count = at.kind == Kind.WINDOW, 0
        while True:
            may_end = self.states[state].final and (not is_window or low <= count <= high)
            ways = self.ways(state, count, is_window)
            if may_end and (not ways or self.is_long or self.rng.random() < 0.15):
                return
            if self.is_long and not is_window:
                least = min(cost for cost, *_ in ways)
                ways = [way for way in ways if way[0] == least]
            _, symbols, target, callee, count = self.rng.choice(ways)
            if symbols is not None:
                self.text.append(self.rng.randint(*symbols))
            else:
                self.rule(callee)
            if target < 0:  # a tail call
                return
            state = target

    def ways(self, state: int, count: int, is_window: bool) -> list[Way]:
        """Each way on, by a call or an edge."""
        at = self.states[state]
        ways: list[Way] = [(self.call_cost(self.cost, *call), None, call[1], call[0], 0) for call in at.calls]
        for low, high, target, tick in at.edges:
            counted = count + tick
            if at.high >= UNBOUNDED:
                counted = min(counted, at.low)
            if not is_window or self.machine.alive(target, counted):
                ways.append((1 + self.cost[target], (low, high), target, -1, counted))
        return ways

    @property
    def is_long(self) -> bool:
        return len(self.text) >= self.enough
