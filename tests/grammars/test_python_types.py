"""describe_type: what the languages of Python types have and do not have, and what they are read as."""

from __future__ import annotations

import functools
import pathlib
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import jsonschema
import pytest
from pydantic import Base64Str, BaseModel, IPvAnyNetwork, TypeAdapter, ValidationError
from pydantic_core import core_schema
from type_samples import TYPES, Address, Pair, Person, Tree, Validated, book

from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.python_types import PythonType, describe_type, is_python_type


@functools.cache
def described(name: str) -> PythonType:
    return describe_type(TYPES[name].type)


@functools.cache
def automaton(name: str) -> ByteAutomaton:
    return compile_grammar(parse_json_schema(described(name).schema))


@pytest.mark.parametrize("name", TYPES)
def test_accepted_texts_are_read_as_their_values(name: str) -> None:
    for text, value in TYPES[name].accepted.items():
        explanation = automaton(name).explain(text.encode())
        assert explanation.accepted, f"{text}: {explanation}"
        loaded = described(name).load(text)
        assert loaded == value
        assert type(loaded) is type(value)


@pytest.mark.parametrize("name", TYPES)
def test_refused_texts_are_not_in_the_language(name: str) -> None:
    assert [text for text in TYPES[name].refused if automaton(name).accepts(text.encode())] == []


@pytest.mark.parametrize("name", TYPES)
def test_schemas_are_valid_and_the_same_each_time(name: str) -> None:
    schema = described(name).schema
    jsonschema.Draft202012Validator.check_schema(schema)
    again = describe_type(TYPES[name].type).schema
    assert list(_leaves(again)) == list(_leaves(schema))


def _leaves(value: Any, path: str = "") -> Any:
    """Every leaf of a schema with its path, in order."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}/{index}")
    else:
        yield path, value


def test_schema_of_a_model() -> None:
    assert describe_type(Address).schema == {
        "title": "Address",
        "description": "Where somebody lives.",
        "type": "object",
        "properties": {
            "street": {
                "type": "string",
                "minLength": 1,
                "maxLength": 20,
                "description": "with the number of the house",
            },
            "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
        },
        "required": ["street", "zip"],
        "additionalProperties": False,
    }


def test_schema_of_a_recursive_model() -> None:
    schema = describe_type(Tree).schema
    assert schema["$ref"] == "#/$defs/Tree"
    assert schema["$defs"]["Tree"]["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Tree"}}


def test_definitions_of_one_name_are_numbered() -> None:
    class Node(BaseModel):
        left: Node | None = None

    first = Node

    class Node(BaseModel):  # type: ignore[no-redef]
        right: Node | None = None

    definitions = describe_type(tuple[first, Node]).schema["$defs"]  # type: ignore[valid-type]
    assert definitions["Node"]["properties"] == {"left": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}
    assert definitions["Node_2"]["properties"] == {"right": {"anyOf": [{"$ref": "#/$defs/Node_2"}, {"type": "null"}]}}


def test_named_tuples_of_older_pydantic_are_calls() -> None:
    class Older(Pair):
        @classmethod
        def __get_pydantic_core_schema__(cls, source: object, handler: object) -> core_schema.CoreSchema:
            parameters = [
                core_schema.arguments_parameter("left", core_schema.int_schema()),
                core_schema.arguments_parameter(
                    "right", core_schema.with_default_schema(core_schema.str_schema(), default="r")
                ),
            ]
            return core_schema.call_schema(core_schema.arguments_schema(parameters), cls)

    assert describe_type(Older).schema == describe_type(Pair).schema
    assert describe_type(Older).load("[1]") == Older(1)


def test_a_function_is_never_called() -> None:
    function = describe_type(book)
    assert function.type is book
    assert function.load('{"city":"Rome","arrival":"2024-05-01","nights":2}')["nights"] == 2  # type: ignore[index]
    with pytest.raises(AssertionError, match="the function was called"):
        TypeAdapter(book).validate_json('{"city":"Rome","arrival":"2024-05-01"}')


def test_methods_and_partials_are_functions_without_what_is_bound() -> None:
    class Hotel:
        def book(self, nights: int) -> None:
            raise AssertionError

        @classmethod
        def named(cls, name: str) -> None:
            raise AssertionError

    def of(function: object) -> list[str]:
        return list(describe_type(function).schema["properties"])

    assert of(Hotel().book) == ["nights"]
    assert of(Hotel.named) == ["name"]
    assert of(functools.partial(book, "Rome")) == ["nights", "arrival", "guests"]


def test_what_no_automaton_holds_is_checked_at_the_end() -> None:
    class Even(Validated):
        def model_post_init(self, context: object) -> None:
            if self.n % 2:
                raise ValueError("odd")

    assert describe_type(Even).load('{"n":2}') == Even(n=2)
    with pytest.raises(ValidationError, match="odd"):
        describe_type(Even).load('{"n":1}')


def test_networks_of_any_version_are_those_of_both() -> None:
    patterns = [describe_type(type_).schema["pattern"][1:-1] for type_ in (IPv4Network, IPv6Network)]
    assert describe_type(IPvAnyNetwork).schema["pattern"] == f"^(?:{'|'.join(patterns)})$"


def test_encoded_text_is_base64_and_its_utf_8_is_checked_at_the_end() -> None:
    automaton = compile_grammar(parse_json_schema(describe_type(Base64Str).schema))
    assert [automaton.accepts(text) for text in (b'"w6k="', b'""', b'"w6k"', b'"\xc3\xa9"')] == [
        True,
        True,
        False,
        False,
    ]
    assert describe_type(Base64Str).load('"w6k="') == "é"
    with pytest.raises(ValidationError, match="decode"):
        describe_type(Base64Str).load('"/w=="')


@pytest.mark.parametrize(
    "value",
    [
        int,
        list[int],
        Person,
        book,
        Any,
        print,
        int | None,
        TYPES["Literal"].type,
        TYPES["NewType"].type,
        Person.model_dump,
        type(None),
    ],
)
def test_types_and_functions_are_python_types(value: object) -> None:
    assert is_python_type(value)


@pytest.mark.parametrize(
    "value",
    [None, {"type": "object"}, True, False, '{"type": "string"}', pathlib.Path("a.json"), 5, [int], Tree(value=1)],
)
def test_schemas_and_values_are_not_python_types(value: object) -> None:
    assert not is_python_type(value)
