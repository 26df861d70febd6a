"""Partial values of streams: typed, never more than what is decided, growing to the value; items one by one."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import enum
import json
import os
import random
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, SecretStr
from toys import byte_vocabulary
from type_samples import TYPES, Folder
from typing_extensions import TypedDict

import gcd
from gcd.errors import ValidationFailed
from gcd.generation import Stream
from gcd.parse import parse_wanted
from gcd.partial_json import ABSENT, Reader, plain
from gcd.partial_types import Typed
from gcd.partials import Partials, Shape
from grammars.compile import compile_grammar
from grammars.frontends.python_types import describe_type
from grammars.samples import Samples

TEXTS = int(os.environ.get("GCD_PARTIAL_TEXTS", "4"))
"""Texts of each type, each of whose beginnings is read."""


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    number: int | None = None
    colours: set[Colour] = set()


@dataclasses.dataclass
class Point:
    x: int
    label: str = ""
    rest: list[Point] = dataclasses.field(default_factory=list)


class Options(TypedDict):
    name: str
    size: NotRequired[Decimal]


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str


class Dog(BaseModel):
    name: str
    kind: Literal["dog"]
    friends: list[Pet] = []


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
Dog.model_rebuild()


class Pair(NamedTuple):
    left: str
    right: int = 0


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    content: T | None = Field(default=None, alias="Content")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: str


class Numbers(RootModel[list[int]]):
    pass


class Person(BaseModel):
    name: str
    born: dt.date
    home: Address | None = None
    others: dict[Colour, Address] = {}
    pair: tuple[str, Point] | None = None


SHOWN: list[tuple[object, str, object]] = [
    (Person, "{", "Person()"),
    (Person, '{"name": "A', "Person(name='A')"),
    (Person, '{"name": "Ada", "born": "1815-12', "Person(name='Ada')"),
    (Person, '{"name":"Ada","born":"1815-12-10"', "Person(name='Ada', born=datetime.date(1815, 12, 10))"),
    (Person, '{"home":{"street":"S","number":1', "Person(home=Address(street='S'))"),
    (Address, '{"number":1,"colours":["red","bl', "Address(number=1, colours={<Colour.RED: 'red'>})"),
    (Person, '{"others":{"red":{"str', "Person(others={<Colour.RED: 'red'>: Address()})"),
    (Person, '{"home":n', "Person(home=None)"),
    (Address, '{"street":"S","number":12}', "Address(street='S', number=12, colours=set())"),
    (Box[Address], '{"Content":{"street":"a', "Box[Address](content=Address(street='a'))"),
    (Open, '{"a":"x","b":[1,2', "Open(a='x', b=[1])"),
    (Numbers, "[1,2", "Numbers(root=[1])"),
    (list[Options], '[{"name":"a","size":"1.50"},{"na', "[{'name': 'a', 'size': Decimal('1.50')}, {}]"),
    (Pet, '{"name":"Rex","fri', "<Absent.ABSENT: 'absent'>"),
    (Pet, '{"name":"Rex","kind":"dog"', "Dog(name='Rex', kind='dog')"),
    (Pet, '{"kind":"cat"', "Cat(kind='cat')"),
    (Pet, '{"kind":"dog","friends":[{"kind":"cat","na', "Dog(kind='dog', friends=[Cat(kind='cat')])"),
    (Cat | Options, '{"name":"a","size":"2",', "{'name': 'a', 'size': Decimal('2')}"),
    (Pair, '["l"', "('l',)"),
    (tuple[str, ...], '["a","b', "('a', 'b')"),
    (collections.deque[int], "[1,", "[1]"),
    (Annotated[str, AfterValidator(str.upper)], '"ab', "'ab'"),
    (Annotated[str, AfterValidator(str.upper)], '"ab"', "'AB'"),
    (list[dt.date | str], '["2024-01-0', "['2024-01-0']"),
    (SecretStr, '"ab', "<Absent.ABSENT: 'absent'>"),
    (Colour, '"red', "<Absent.ABSENT: 'absent'>"),
    (dict[int, str], '{"5":"a', "{5: 'a'}"),
    (Any, '{"a":[1,', "{'a': [1]}"),
]  # fmt: skip


def partial_of(type_: object, text: str) -> object:
    reader = Reader()
    reader.feed(text)
    return Typed(describe_type(type_).core).make(reader.root, text)


@pytest.mark.parametrize(("type_", "text", "shown"), SHOWN, ids=[text for _, text, _ in SHOWN])
def test_the_best_value_of_a_beginning(type_: object, text: str, shown: str) -> None:
    assert repr(partial_of(type_, text)) == shown


def test_what_is_not_decided_is_absent() -> None:
    part = partial_of(Person, '{"name":"Ada","home":null,')
    assert isinstance(part, Person)
    assert part.model_fields_set == {"name", "home"}
    assert not hasattr(part, "born")
    point = partial_of(Point, '{"label":"a","rest":[{"x":1},{"x":2')
    assert isinstance(point, Point)
    assert {name: str(value) for name, value in vars(point).items() if name == "label"} == {"label": "a"}
    assert [vars(each) for each in point.rest] == [{"x": 1, "label": "", "rest": []}, {}]


# --- laws over the types of the samples -------------------------------------------------------------------------------

EXCEPT = {"Union", "recursive alias", "string settings"}
"""Types whose partial values may be of another member, or lack what is made of a complete string."""


@pytest.mark.parametrize("name", [name for name in TYPES if name not in EXCEPT])
def test_partial_values_grow_to_the_value(name: str) -> None:
    described, seed, drawn = describe_type(TYPES[name].type), random.randrange(2**32), list[str]()
    if any(text[0] in "{[" for text in TYPES[name].accepted):
        drawn = texts_of(TYPES[name].type, TEXTS, random.Random(seed))
    for text in [*TYPES[name].accepted, *drawn]:
        try:
            value = described.load(text)
        except ValueError:  # a function of the user's refuses it
            continue
        typed, reader, before = Typed(described.core), Reader(), ABSENT
        for end, char in enumerate(text, 1):
            reader.feed(char)
            part = typed.make(reader.root, text[:end])
            assert is_below(before, part), f"seed {seed}: {text[:end]!r}: {before!r}, then {part!r}"
            assert is_below(part, value), f"seed {seed}: {text[:end]!r}: {part!r} of {value!r}"
            before = part
        reader.finish()
        assert typed.make(reader.root, text) == value


def texts_of(type_: Any, number: int, rng: random.Random) -> list[str]:
    """Some random texts of a type; fewer, where there are sets, whose items samples do not keep apart."""
    grammar = parse_wanted(schema=type_, whitespace="compact").to_grammar()
    samples, automaton = Samples(grammar, 150), compile_grammar(grammar)
    drawn = [samples.draw(rng) for _ in range(number)]
    return [text.decode() for text in drawn if automaton.accepts(text) and not has_equal_names(text.decode())]


def has_equal_names(text: str) -> bool:
    """Whether an object has two members of one name, or of names that are one number: then the last one counts."""
    found = False

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        names = {decimal_of(name) for name, _ in pairs}
        found = found or len(names) < len(pairs)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return found


def decimal_of(name: str) -> Decimal | str:
    try:
        return Decimal(name)
    except ArithmeticError:
        return name


def is_below(part: Any, value: Any) -> bool:
    """Whether `part` says nothing that `value` does not say."""
    if part is ABSENT:
        return True
    if isinstance(part, str) and type(value) is type(part):
        return value.startswith(part)
    if isinstance(part, dict):
        return isinstance(value, dict) and all(key in value and is_below(part[key], value[key]) for key in part)
    if isinstance(part, set | frozenset):
        return part <= value
    if isinstance(part, list | tuple | collections.deque):
        return len(part) <= len(value) and all(map(is_below, part, value))
    if dataclasses.is_dataclass(part) and type(part) is type(value):
        return is_below(attributes(part), attributes(value))
    if hasattr(part, "__dict__") and type(part) is type(value):
        return is_below(vars(part), vars(value))
    return type(part) is type(value) and part == value


def attributes(value: Any) -> dict[str, Any]:
    """Those of an instance itself: where they are no slots, defaults are attributes of the class."""
    names = [each.name for each in dataclasses.fields(value)]
    return vars(value) if hasattr(value, "__dict__") else {n: getattr(value, n) for n in names if hasattr(value, n)}


@pytest.mark.parametrize("type_", [Person, Address, list[Options], Box[dict[str, Address]], Open])
def test_nothing_that_is_decided_is_left_out(type_: Any) -> None:
    """What pydantic writes of a partial value is the partial value of the text, but for what has no JSON yet."""
    seed = random.randrange(2**32)
    for text in texts_of(type_, 5 * TEXTS, random.Random(seed)):
        typed, reader = Typed(describe_type(type_).core), Reader()
        for end, char in enumerate(text, 1):
            reader.feed(char)
            part = typed.make(reader.root, text[:end])
            if reader.root is not None and reader.root.end is None:
                decided = kept(plain(reader.root))
                assert is_below(decided, json_of(part)), f"seed {seed}: {text[:end]!r}: {part!r}"


def kept(value: Any) -> Any:
    """The decided value without what only a complete string says: a date, a colour, a number in a string."""
    if isinstance(value, dict):
        skipped = ("born", "size", "colours", "others", "pair")
        return {key: kept(each) for key, each in value.items() if key not in skipped}
    return [kept(each) for each in value] if isinstance(value, list) else value


def json_of(value: Any) -> Any:
    if isinstance(value, BaseModel):
        names = {name: field.alias or name for name, field in type(value).model_fields.items()}
        extras = value.__pydantic_extra__ or {}
        return {names.get(name, name): json_of(each) for name, each in {**vars(value), **extras}.items()}
    if isinstance(value, dict):
        return {key: json_of(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_of(each) for each in value]
    return value


def test_unions_that_nest_are_not_tried_over_and_over() -> None:
    class Left(BaseModel):
        child: Left | Right | None = None

    class Right(BaseModel):
        child: Left | Right | None = None

    Left.model_rebuild(_types_namespace={"Left": Left, "Right": Right})
    part = partial_of(Left | Right, '{"child":' * 40)
    for _ in range(39):
        assert isinstance(part, Left)
        part = part.child


def test_what_is_nested_beyond_the_stack_is_absent() -> None:
    for shape in (Shape(is_json=True), parse_wanted(schema=Folder).shape()):
        partials = Partials(shape)
        assert partials.after('{"a":' * 5000) == []
        assert partials.after("1" + "}" * 5000) == []


# --- streams ----------------------------------------------------------------------------------------------------------

VOCABULARY = byte_vocabulary()
MODEL = gcd.ScriptedLM([1.0] * VOCABULARY.size, eos_token_ids=VOCABULARY.eos_token_ids)


def streamed(text: str, size: int = 1, **wanted: Any) -> Stream:
    """A stream of that text, as if a model had written it, in pieces of that many characters."""
    found = parse_wanted(**wanted)

    def steps() -> Any:
        yield from (text[at : at + size] for at in range(0, len(text), size))
        value = found.to_value(text, validate=False)
        yield gcd.Generation(value, text, (), 0.0, 0.0, "stop", None, 0, 0, ())

    return Stream(steps(), found.shape)


def weather(city: str, days: int = 1) -> str:
    return f"{city}: {days}"


def test_partials_of_a_model() -> None:
    text = '{"street":"ab","number":12}'
    shown = list(streamed(text, schema=Address).partials())
    assert [repr(each) for each in shown] == [
        "Address()",
        "Address(street='')",
        "Address(street='a')",
        "Address(street='ab')",
        "Address(street='ab', number=12, colours=set())",
    ]
    assert [repr(each) for each in streamed(text, 99, schema=Address).partials()] == [repr(shown[-1])]


def test_partials_of_dicts_texts_and_numbers() -> None:
    assert list(streamed('{"a":[1,2]}', schema={}).partials()) == [{}, {"a": []}, {"a": [1]}, {"a": [1, 2]}]
    assert list(streamed("ab", regex="[a-z]+").partials()) == ["a", "ab"]
    assert list(streamed("12", schema=int).partials()) == [12]
    assert list(streamed('"ab"', schema=str).partials()) == ["", "a", "ab"]


def test_partials_of_tools() -> None:
    text = '{"name":"weather","arguments":{"city":"Ro","days":2}}'
    shown = list(streamed(text, schema=[weather, len_of]).partials())
    assert shown[:3] == [
        {"name": "weather"},
        {"name": "weather", "arguments": {}},
        {"name": "weather", "arguments": {"city": ""}},
    ]
    assert shown[-2:] == [
        {"name": "weather", "arguments": {"city": "Ro", "days": 2}},
        gcd.Call("weather", {"city": "Ro", "days": 2}, weather),
    ]
    assert list(streamed("Hi", schema=gcd.tools(weather, text=True)).partials()) == ["H", "Hi"]


def len_of(text: str) -> int:
    return len(text)


def test_items_come_when_they_are_complete() -> None:
    text = '[{"street":"a"},{"street":"b","number":1}]'
    stream = streamed(text, schema=list[Address])
    items = stream.items()
    assert next(items) == Address(street="a")
    assert "".join(stream._seen) == '[{"street":"a"}'
    assert list(items) == [Address(street="b", number=1)]
    assert stream.result.value == [Address(street="a"), Address(street="b", number=1)]
    assert list(streamed("[1,22,333]", schema={"type": "array"}).items()) == [1, 22, 333]
    assert list(streamed('["a",1]', schema=tuple[str, int]).items()) == ["a", 1]
    assert list(streamed("[1,2]", schema=Numbers).items()) == [1, 2]
    calls = streamed('[{"name":"weather","arguments":{"city":"R"}}]', schema=gcd.tools(weather, several=True))
    assert [call.call() for call in calls.items()] == ["R: 1"]
    assert list(streamed("[]", schema=list[int]).items()) == []


def test_partials_after_some_pieces_miss_nothing() -> None:
    stream = streamed('["ab","c"]', schema=list[str])
    for _ in range(6):
        next(stream)
    assert list(stream.items()) == ["ab", "c"]


def odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("even")
    return number


def test_items_of_what_is_no_array_and_items_that_are_refused() -> None:
    for wanted, text in [({"schema": Address}, '{"street":"a"}'), ({"regex": "a+"}, "aa")]:
        with pytest.raises(
            ValueError, match=r"^items\(\) is for texts that are JSON arrays, and this one is not: read pa"
        ):
            list(streamed(text, **wanted).items())  # type: ignore[arg-type]
    items = streamed("[1,2]", schema=list[Annotated[int, AfterValidator(odd)]]).items()
    assert next(items) == 1
    with pytest.raises(ValidationFailed) as caught:
        next(items)
    assert str(caught.value) == "the generated text does not validate: 2\n  value: Value error, even"


class Small(BaseModel):
    name: Annotated[str, Field(max_length=3)]
    points: Annotated[list[Point], Field(max_length=1)] = []


@pytest.mark.parametrize("wanted", [Small, list[Small], Annotated[set[int], Field(max_length=4)]])
def test_streams_of_a_model_end_with_their_value(wanted: Any) -> None:
    options: Any = {
        "schema": wanted,
        "seed": 3,
        "tokenizer": VOCABULARY,
        "max_new_tokens": 120,
        "whitespace": "compact",
    }
    shown = list(gcd.stream(MODEL, [1], **options).partials())
    assert shown[-1] == gcd.generate(MODEL, [1], **options).value

    async def read() -> list[Any]:
        return [each async for each in gcd.astream(MODEL, [1], **options).partials()]

    again = asyncio.run(read())
    assert len(again) == len(shown)
    assert again[-1] == shown[-1]


def test_items_of_an_asynchronous_stream() -> None:
    async def read() -> tuple[list[Any], Any]:
        stream = gcd.astream(MODEL, [1], schema={"const": [1, [2], "c"]}, tokenizer=VOCABULARY, whitespace="compact")
        first = await anext(stream)
        return [each async for each in stream.items()], (first, stream.result.value)

    items, (first, value) = asyncio.run(read())
    assert items == value == [1, [2], "c"]
    assert json.dumps(value, separators=(",", ":")).startswith(first)
