"""tools: what is generated is a call that fits the function, a list of them, or an answer in text."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import functools
import inspect
import os
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, validate_call
from toys import byte_vocabulary
from typing_extensions import TypedDict

import gcd
from gcd.calls import Call, Tools
from gcd.errors import InvalidGrammar, UnsupportedFeature, ValidationFailed
from gcd.parse import parse_wanted
from grammars.compile import compile_grammar
from grammars.samples import Samples

TEXTS = int(os.environ.get("GCD_TYPE_TEXTS", "25"))
"""Texts drawn from each language."""


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


class Guest(BaseModel):
    name: Annotated[str, Field(max_length=5)]
    friends: list[Guest] = []


class Extra(TypedDict, total=False):
    breakfast: bool


def weather(city: Literal["Rome", "Paris"], unit: Unit = Unit.CELSIUS) -> tuple[object, ...]:
    """What the weather is like."""
    return city, unit


def book(
    guest: Guest, *, nights: Annotated[int, Field(ge=1, description="how long")] = 1, arrival: dt.date,
    price: Decimal | None = None, extras: Extra | None = None, floors: frozenset[int] = frozenset(),
    beds: int = Field(default=2, le=5),
) -> tuple[object, ...]:  # fmt: skip
    return guest, nights, arrival, price, extras, floors, beds


def now() -> str:
    return "now"


class Clock:
    def alarm(self, at: dt.time) -> dt.time:
        return at


async def search(query: str) -> str:
    return query


FUNCTIONS = [weather, book, now, Clock().alarm, search]


VOCABULARY = byte_vocabulary()
MODEL = gcd.ScriptedLM([1.0] * VOCABULARY.size, eos_token_ids=VOCABULARY.eos_token_ids)
"""Every byte is as likely as any other."""


def value_of(text: str, wanted: object) -> Any:
    return parse_wanted(schema=wanted).to_value(text)


def calls_of(value: object) -> Sequence[Call]:
    return value if isinstance(value, list) else [value]  # type: ignore[list-item]


@pytest.mark.parametrize("several", [False, True, 2])
@pytest.mark.parametrize("functions", [FUNCTIONS, [weather], [now], [book, search]])
def test_what_is_generated_validates_and_binds(functions: list[Any], several: bool | int) -> None:
    """Any text of the language is a call that the signature takes, and that pydantic's own validation leaves alone."""
    wanted = parse_wanted(schema=gcd.tools(*functions, several=several))
    grammar = wanted.to_grammar()
    samples, seed = Samples(grammar, 300), random.randrange(2**32)
    rng = random.Random(seed)
    automaton = compile_grammar(grammar)
    for _ in range(TEXTS):
        text = samples.draw(rng).decode()
        if not automaton.accepts(text.encode()):  # a set with equal items, which samples do not avoid
            continue
        calls = calls_of(wanted.to_value(text))
        assert 1 <= len(calls) <= (99 if several is True else several or 1), f"seed {seed}: {text}"
        for call in calls:
            assert call.function in functions
            assert call.name == call.function.__name__
            inspect.signature(call.function).bind(**call.arguments)
            again, made = validate_call(call.function)(**call.arguments), call.call()
            if inspect.iscoroutine(made):
                again, made = asyncio.run(again), asyncio.run(made)
            assert again == made, f"seed {seed}: {text}"


def test_a_call_is_a_value() -> None:
    call = value_of('{"name":"weather","arguments":{"city":"Rome","unit":"F"}}', [weather, now])
    assert (call.name, call.arguments) == ("weather", {"city": "Rome", "unit": Unit.FAHRENHEIT})
    assert call.call() == ("Rome", Unit.FAHRENHEIT)
    assert repr(call) == "Call(name='weather', arguments={'city': 'Rome', 'unit': <Unit.FAHRENHEIT: 'F'>})"
    assert value_of('{"name":"weather","arguments":{"city":"Rome"}}', (weather,)).call() == ("Rome", Unit.CELSIUS)
    assert value_of('{"name":"now","arguments":{}}', [weather, now]).call() == "now"


@pytest.mark.parametrize(
    ("wanted", "accepted", "refused"),
    [
        (
            gcd.tools(weather, now),
            ['{"name":"weather","arguments":{"city":"Rome"}}', '{"name":"now","arguments":{}}'],
            [
                '{"name":"weather","arguments":{}}', '{"name":"now","arguments":{"city":"Rome"}}',
                '{"name":"tomorrow","arguments":{}}', '{"name":"now"}', "[]", "no",
                '[{"name":"now","arguments":{}}]', '{"name":"weather","arguments":{"city":"Bonn"}}',
            ],
        ),
        (
            gcd.tools(now, several=2),
            ['[{"name":"now","arguments":{}}]', '[{"name":"now","arguments":{}},{"name":"now","arguments":{}}]'],
            ["[]", '{"name":"now","arguments":{}}', "[" + ",".join(['{"name":"now","arguments":{}}'] * 3) + "]"],
        ),
        (
            gcd.tools(now, several=True),
            ["[" + ",".join(['{"name":"now","arguments":{}}'] * 5) + "]"],
            ["[]"],
        ),
        (
            gcd.tools(now, text=True),
            ['{"name":"now","arguments":{}}', "It is late.", "é\n{}", "]"],
            ["", " no", "{", "[1] says", '{"name":"then","arguments":{}}', '[{"name":"now","arguments":{}}]'],
        ),
        (gcd.tools(now, several=True, text=True), ['[{"name":"now","arguments":{}}]', "Well"], ["[]", "{}"]),
    ],
)  # fmt: skip
def test_what_may_be_said(wanted: Tools, accepted: list[str], refused: list[str]) -> None:
    automaton = compile_grammar(parse_wanted(schema=wanted, whitespace="compact").to_grammar())
    assert [text for text in accepted if not automaton.accepts(text.encode())] == []
    assert [text for text in refused if automaton.accepts(text.encode())] == []
    for text in accepted:
        value = parse_wanted(schema=wanted).to_value(text)
        if text[0] in "{[":
            assert all(call.call() == "now" or call.name == "weather" for call in calls_of(value))
            assert isinstance(value, list) == text.startswith("[")
        else:
            assert value == text


def test_generate_takes_tools_and_lists_of_functions() -> None:
    options: dict[str, Any] = {"seed": 1, "whitespace": "compact", "max_new_tokens": 90, "tokenizer": VOCABULARY}
    call = gcd.generate(MODEL, [1], schema=[weather, now], **options).value
    assert call.function in (weather, now)
    assert gcd.generate(MODEL, [1], schema=gcd.tools(weather, now), **options).value == call
    several = gcd.generate(MODEL, [1], schema=gcd.tools(weather, now, several=3), **options).value
    assert [type(each) for each in several] == [Call] * len(several)
    said = gcd.generate(MODEL, [1], schema=gcd.tools(now, text=True), **options)
    assert said.value == said.text
    batch = gcd.generate(MODEL, [[1], [2]], schema=[weather, now], **options)  # of a batch, one for each prompt
    assert set(batch[0].value) <= {"city", "unit"}
    assert (batch[1].value, batch[1].text) == ({}, "{}")


def test_functions_of_equal_signatures_are_kept_apart() -> None:
    """Compiled constraints are remembered; the value is of the function that was given."""

    def make(answer: str) -> Any:
        def ask() -> str:
            return answer

        return ask

    for answer in ("yes", "no"):
        gen = gcd.generate(MODEL, schema=[make(answer)], tokenizer=VOCABULARY, whitespace="compact")
        assert gen.value.call() == answer


def test_definitions_are_what_chat_templates_take() -> None:
    assert gcd.tools(weather, now).definitions == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "What the weather is like.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {"enum": ["Rome", "Paris"]},
                        "unit": {"title": "Unit", "enum": ["C", "F"]},
                    },
                    "required": ["city"],
                    "additionalProperties": False,
                },
            },
        },
        {
            "type": "function",
            "function": {
                "name": "now",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
            },
        },
    ]
    described = gcd.tools(book).definitions[0]["function"]["parameters"]["properties"]["nights"]
    assert described == {"type": "integer", "minimum": 1, "description": "how long"}


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: gcd.tools(), TypeError, "tools takes at least one function"),
        (lambda: gcd.tools(now, several=0), ValueError, "several must be True, False or an integer >= 1, not 0"),
        (
            lambda: gcd.tools(now, functools.partial(now)),
            InvalidGrammar,
            "two tools are called 'now'\nRename one: a call says which by its name.",
        ),
        (
            lambda: gcd.tools(now, Guest),
            InvalidGrammar,
            "tools are functions, not the class Guest\nA type goes into schema= by itself.",
        ),
        (
            lambda: gcd.tools(now, "now"),  # type: ignore[arg-type]
            InvalidGrammar,
            "tools are functions, not 'now'\nA type goes into schema= by itself.",
        ),
        (
            lambda: parse_wanted(schema=[now, lambda city: city]),
            UnsupportedFeature,
            "<lambda>.city: the parameter city has no annotation\nWrite its type: city: str.",
        ),
        (
            lambda: value_of('{"name":"book","arguments":{}}', [book]),
            ValidationFailed,
            'the generated text does not validate: {"name":"book","arguments":{}}\n'
            "  arguments.guest: Field required\n  arguments.arrival: Field required",
        ),
    ],
)
def test_errors(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert (type(caught.value), str(caught.value)) == (kind, message)
