"""sketch(): drafts of any kind to texts of the language, whole; and what it cannot do, said in time."""

from __future__ import annotations

import json

import pydantic
import pytest
from toys import EOS, TOY

import gcd
from gcd.errors import EmptyLanguage, InvalidGrammar, LimitExceeded, UnsupportedFeature


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.mark.parametrize(
    ("draft", "text", "edits"),
    [
        ('{"name": "Ada", "age": 36}', '{"name": "Ada", "age": 36}', 0),
        ('Sure! {"name": "Ada", "age": 36}', '{"name": "Ada", "age": 36}', 6),
        ('{"name": "Ada", "age": 36', '{"name": "Ada", "age": 36}', 1),
        ('{"name": "Ada", "age": "36"}', '{"name": "Ada", "age": 36}', 2),
        ('{"name": "Zoë" "age": 7}', '{"name": "Zoë", "age": 7}', 1),
        ('{"name": "😀"; "age": 7}', '{"name": "😀", "age": 7}', 1),
    ],
)
def test_drafts_become_the_nearest_text(draft, text, edits):
    found = gcd.sketch(draft, schema=Person)
    assert (found.draft, found.edits, type(found.value)) == (draft, edits, Person)
    assert found.value == Person.model_validate_json(found.text)
    assert json.loads(found.text) == json.loads(text)  # white space may be anywhere


def test_what_is_wanted_may_be_said_in_all_four_ways():
    assert gcd.sketch("2024/05!", regex="[0-9]{4}-[0-9]{2}").text == "2024-05"
    assert gcd.sketch("It is positive.", choices=["positive", "negative"]).value == "positive"
    assert gcd.sketch("((1+2", grammar='start: "(" start ")" | /[0-9]/ "+" /[0-9]/').text == "((1+2))"
    calls = []
    assert gcd.sketch(lambda: calls.append(1) or "[1 2]", schema=list[int], whitespace="compact").value in (
        [1, 2],
        [12],
    )
    assert calls == [1]


def test_with_a_model_the_draft_is_part_of_its_prompt():
    seen = []

    def row(prefix: tuple[int, ...]) -> list[float]:
        seen.append(prefix)
        return [0.1, 0.1, 0, 0, 0.7, 0.1, 0, 0]

    model = gcd.ScriptedLM(row, eos_token_ids=[EOS], vocab_size=8)
    made = gcd.sketch("b", model=model, tokenizer=TOY, choices=["a", "c"], prompt=lambda draft: [1])
    assert (made.text, made.value, made.draft, made.edits) == ("c", "c", "b", None)
    assert seen[0] == (1,)


def message_of(kind: type[Exception], call) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


def test_bad_input_ends_in_an_error():
    assert message_of(InvalidGrammar, lambda: gcd.sketch(lambda: 3, regex="a")) == "a draft is a str, not int"
    assert message_of(LimitExceeded, lambda: gcd.sketch("hello " * 50, schema=Person, max_places=2000)).startswith(
        "no text of the language differs from the draft by fewer than "
    )
    far = message_of(LimitExceeded, lambda: gcd.sketch("x" * 9, regex="[a-w]{3}", max_places=5))
    assert far == (
        "no text of the language differs from the draft by fewer than 2 characters, and 5 places were gone through for "
        "it\n"
        "cut off what stands around the answer, or raise max_places="
    )
    unique = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    assert message_of(UnsupportedFeature, lambda: gcd.sketch("[1,1]", schema=unique)) == (
        "uniqueItems cannot be reached by edits: which items there were is not part of a place\n"
        "leave it out, and check the value"
    )
    with pytest.raises(EmptyLanguage):
        gcd.sketch("a", schema={"allOf": [{"const": 1}, {"const": 2}]})
    with pytest.raises(TypeError, match=r"^say what is wanted by exactly one of schema=, regex=, grammar=, choices=;"):
        gcd.sketch("a")
