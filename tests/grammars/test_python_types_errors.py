"""What describe_type refuses, and how it says so: the field, what is wrong with it, what to do."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import enum
import re
import sys
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    AliasPath,
    BaseModel,
    Discriminator,
    EmailStr,
    Field,
    GetCoreSchemaHandler,
    Json,
    MongoDsn,
    PlainValidator,
    Tag,
)  # fmt: skip
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import core_schema

from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, UnsupportedFeature
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.python_types import describe_type


class Opaque:
    """Unknown to pydantic."""


class Instance:
    """Known to pydantic by a core schema of its own, which no JSON text satisfies."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(cls)


class Point(enum.Enum):
    ORIGIN = (0, 0)


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


@dataclasses.dataclass
class Holder:
    inner: dict[str, list[Opaque]]


class Late(BaseModel):
    later: Undefined  # type: ignore[name-defined]  # noqa: F821


def untyped(city, nights: int):  # type: ignore[no-untyped-def]
    raise AssertionError


def variadic(*cities: str) -> None:
    raise AssertionError


def keywords(**cities: str) -> None:
    raise AssertionError


def positional(city: str, /) -> None:
    raise AssertionError


def undefined(city: Undefined) -> None:  # type: ignore[name-defined]  # noqa: F821
    raise AssertionError


def model(annotation: Any, field: Any = ...) -> type[BaseModel]:
    """A model `Order` whose field `x` is so annotated."""
    namespace = {"__annotations__": {"x": annotation}, "__module__": __name__, **({} if field is ... else {"x": field})}
    return type("Order", (BaseModel,), namespace)


STATE = "Say what texts it has: Annotated[T, WithJsonSchema({...})] or PlainValidator(f, json_schema_input_type=...)."

APART = "Items that differ may be one value, as 0.1 and 0.10: use a list, or items of int, str, date or an enum."

REFUSED: list[tuple[object, type[GrammarError], str]] = [
    (
        model(list[Callable[[int], str]]),
        UnsupportedFeature,
        f"Order.x[]: a Callable cannot be written as JSON\n{STATE}",
    ),
    (
        model(Instance | None),
        UnsupportedFeature,
        f"Order.x: only instances of Instance are accepted, which no JSON text is\n{STATE}",
    ),
    (
        model(type[int]),
        UnsupportedFeature,
        f"Order.x: only classes are accepted, which no JSON text is\n{STATE}",
    ),
    (
        model(re.Pattern),
        UnsupportedFeature,
        f"Order.x: the function pattern_either_validator alone decides what is accepted\n{STATE}",
    ),
    (
        Holder,
        UnsupportedFeature,
        "Holder.inner[][]: pydantic does not know how to read Opaque\n"
        "Use a dataclass, or say what texts it has: Annotated[T, PlainValidator(f), WithJsonSchema({...})].",
    ),
    (
        model(Annotated[Annotated[Cat, Tag("c")] | Annotated[Dog, Tag("d")], Discriminator(lambda value: "c")]),
        UnsupportedFeature,
        "Order.x: a function as the discriminator of a union is not supported\n"
        "Name the field that tells the members apart: Field(discriminator='kind').",
    ),
    (
        model(set[list[int]]),
        UnsupportedFeature,
        "Order.x: the items of this set cannot be hashed, so only the empty set is accepted\n"
        "Use a list, or items that can be hashed: tuples, frozensets, frozen models and dataclasses.",
    ),
    (
        model(Annotated[set[Decimal], Field(min_length=2)]),
        UnsupportedFeature,
        f"Order.x: min_length=2 of a set of these items is not supported\n{APART}",
    ),
    (
        model(Annotated[frozenset[int | bool], Field(min_length=2)]),
        UnsupportedFeature,
        f"Order.x: min_length=2 of a set of these items is not supported\n{APART}",
    ),
    (
        model(Annotated[set[Literal[1, True]], Field(min_length=2)]),
        UnsupportedFeature,
        f"Order.x: min_length=2 of a set of these items is not supported\n{APART}",
    ),
    (
        collections.abc.Iterator[int],
        UnsupportedFeature,
        "collections.abc.Iterator[int]: pydantic does not know how to read collections.abc.Iterator[int]\n"
        "Write list in its place.",
    ),
    (
        bytearray,
        UnsupportedFeature,
        "bytearray: pydantic does not know how to read bytearray\nWrite bytes in its place.",
    ),
    (
        model(dict[tuple[int, int], str]),
        UnsupportedFeature,
        "Order.x.keys: the keys of a dict cannot be read from JSON as 'tuple'\nUse a list of pairs.",
    ),
    (
        model(dict[Point, str]),
        UnsupportedFeature,
        "Order.x.keys: no name in a JSON object is read as the key <Point.ORIGIN: (0, 0)>\nUse strings for keys.",
    ),
    (
        model(Point),
        UnsupportedFeature,
        "Order.x: <Point.ORIGIN: (0, 0)> cannot be read from JSON: its value is (0, 0)\n"
        "Give it a string or a number for a value.",
    ),
    (
        model(int, Field(validation_alias=AliasPath("a", 0))),
        UnsupportedFeature,
        "Order.x: an alias that is a path is not supported\nGive the field an alias that is one name.",
    ),
    (
        model(Annotated[Decimal, Field(multiple_of=5)]),
        UnsupportedFeature,
        "Order.x: multiple_of=5 of a Decimal is not supported\nPowers of ten up to 1 are: 0.01.",
    ),
    (
        model(Annotated[dt.timedelta, Field(gt=dt.timedelta(days=1))]),
        UnsupportedFeature,
        "Order.x: the bound gt of a timedelta is not supported\n"
        "Of a timedelta, ge=timedelta(0) and gt=timedelta(0) are; a validator is applied to the finished value.",
    ),
    (
        model(Annotated[bytes, Field(max_length=4)]),
        UnsupportedFeature,
        "Order.x: a length of bytes, which JSON gives as characters of up to four bytes, is not supported\n"
        "Use str with a length in characters, or val_json_bytes='base64'.",
    ),
    (
        model(Annotated[int | str, Field(ge=3)]),
        UnsupportedFeature,
        "Order.x: the constraint ge=3 on a union as a whole\n"
        "Put it on the member that it is about: Annotated[int, Field(ge=0)] | None.",
    ),
    (
        model(Annotated[str, Field(pattern=r"^\bx")]),
        UnsupportedFeature,
        "Order.x: in the pattern, word boundaries are not supported (line 1, column 2)\n"
        "    ^\\bx\n"
        "     ^^\n"
        "Say which characters may stand there, or anchor the pattern with ^ and $.",
    ),
    (
        model(Json[int]),
        UnsupportedFeature,
        "Order.x: JSON inside of a string (Json) is not supported\nUse the type itself in place of Json[...].",
    ),
    (
        model(MongoDsn),
        UnsupportedFeature,
        "Order.x: URLs with several hosts are not supported\nUse str or AnyUrl.",
    ),
    (
        model(complex),
        UnsupportedFeature,
        "Order.x: complex is not supported\nUse a pair of floats.",
    ),
    (
        model(SkipJsonSchema[int]),
        UnsupportedFeature,
        "Order.x: a required field cannot be left out of the JSON Schema",
    ),
    (
        Literal[Point.ORIGIN],
        UnsupportedFeature,
        "Literal[<Point.ORIGIN: (0, 0)>]: <Point.ORIGIN: (0, 0)> cannot be read from JSON: its value is (0, 0)\n"
        "Of a Literal, pydantic takes the member only: write Literal[(0, 0)], or the enum itself.",
    ),
    (
        model(Annotated[Decimal, Field(gt=5, lt=5)]),
        EmptyLanguage,
        "Order.x: no Decimal satisfies its constraints",
    ),
    (
        model(Annotated[dt.date, Field(ge=dt.date(2024, 1, 2), lt=dt.date(2024, 1, 2))]),
        EmptyLanguage,
        "Order.x: no date is between 2024-01-02 and 2024-01-01",
    ),
    (
        model(Annotated[dt.date, Field(gt=dt.date.max)]),
        EmptyLanguage,
        "Order.x: no date is beyond 9999-12-31",
    ),
    (
        Late,
        InvalidGrammar,
        "Late: the annotation 'Undefined' is not defined\n"
        "Define it before the type is used; call model_rebuild() on models that were defined before it.",
    ),
    (
        untyped,
        UnsupportedFeature,
        "untyped.city: the parameter city has no annotation\nWrite its type: city: str.",
    ),
    (
        variadic,
        UnsupportedFeature,
        "variadic.cities: *cities takes any arguments\nName the parameters one by one.",
    ),
    (
        keywords,
        UnsupportedFeature,
        "keywords.cities: **cities takes any arguments\nName the parameters one by one.",
    ),
    (
        positional,
        UnsupportedFeature,
        "positional.city: city is positional-only\nArguments are returned by name: drop the `/`.",
    ),
    (
        undefined,
        InvalidGrammar,
        "undefined: an annotation is not defined: name 'Undefined' is not defined\n"
        "Define it where the function is defined, or leave out the quotes.",
    ),
]


@pytest.mark.parametrize(
    ("type_", "kind", "message"), REFUSED, ids=[message.partition("\n")[0] for *_, message in REFUSED]
)
def test_refusals_name_the_field_and_the_way_out(type_: object, kind: type[GrammarError], message: str) -> None:
    with pytest.raises(kind) as caught:
        describe_type(type_)
    assert str(caught.value) == message
    assert type(caught.value) is kind


def test_two_fields_of_one_key_are_refused() -> None:
    class Twice(BaseModel):
        a: int = Field(alias="x")
        b: int = Field(alias="x")

    with pytest.raises(UnsupportedFeature, match=r"^Twice\.b: two fields are read from the key 'x'$"):
        describe_type(Twice)


def test_constraints_of_a_newer_pydantic_are_refused() -> None:
    class Newer:
        @classmethod
        def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
            return typing.cast(core_schema.CoreSchema, {"type": "str", "emoji_only": True})

    with pytest.raises(UnsupportedFeature) as caught:
        describe_type(Newer)
    assert str(caught.value) == "Newer: the constraint 'emoji_only' of pydantic's 'str' type is not known here"


def test_a_plain_validator_without_input_type_takes_any_json() -> None:
    assert describe_type(Annotated[Opaque, PlainValidator(lambda value: Opaque())]).schema == {}


def test_a_type_that_needs_another_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "email_validator", None)
    monkeypatch.setattr("pydantic.networks.email_validator", None, raising=False)
    with pytest.raises(UnsupportedFeature) as caught:
        describe_type(EmailStr)
    assert str(caught.value) == "EmailStr: email-validator is not installed, run `pip install 'pydantic[email]'`"


class Colours(enum.Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("type_", "most"), [(set[bool], 2), (set[None], 1), (frozenset[Colours], 2), (set[Literal["a", "b", "c"]], 3)]
)
def test_a_set_of_more_items_than_there_are_is_empty(type_: Any, most: int) -> None:
    """Exactly as many as there are can be asked for, in each order; one more is a contradiction."""
    parse_json_schema(describe_type(Annotated[type_, Field(min_length=most)]).schema)
    with pytest.raises(EmptyLanguage):
        parse_json_schema(describe_type(Annotated[type_, Field(min_length=most + 1)]).schema)
