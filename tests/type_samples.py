"""Python types with texts that their language has, what those are read as, and texts that it does not have."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import fractions
import ipaddress
import pathlib
import re
import uuid
import zoneinfo
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, Required, TypeVar

import pydantic
from pydantic import (
    UUID4,
    AfterValidator,
    AliasChoices,
    AliasPath,
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    FileUrl,
    HttpUrl,
    NaiveDatetime,
    PlainValidator,
    PrivateAttr,
    RootModel,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
    computed_field,
    field_validator,
)  # fmt: skip
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import TypeAliasType, TypedDict

__all__ = ["TYPES", "Address", "Pair", "Person", "Sample", "Tree", "Validated", "book"]


class Address(BaseModel):
    """Where somebody lives."""

    street: str = Field(min_length=1, max_length=20, description="with the number of the house")
    postcode: Annotated[str, Field(pattern=r"^[0-9]{5}$", alias="zip")]


class Person(BaseModel):
    name: str
    age: Annotated[int, Field(ge=0, le=120)]
    email: str | None = None
    home: Address
    work: Address | None = None


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


Item = TypeVar("Item")


class Box(BaseModel, Generic[Item]):
    content: Item
    more: list[Item] = []


class Cat(BaseModel):
    model_config = ConfigDict(json_schema_extra={"properties": {"lives": {"maximum": 9}}})
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Kennel(BaseModel):
    kind: Literal["kennel", "pound"]
    inside: list[Pet] = []


Pet = Annotated[Cat | Kennel, Field(discriminator="kind")]
Kennel.model_rebuild()


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    norm: float = dataclasses.field(default=0.0, init=False)


@dataclasses.dataclass
class Chain:
    first: Point
    rest: Chain | None = None


@pydantic.dataclasses.dataclass(frozen=True)
class Frozen:
    x: Annotated[int, Field(gt=0)]


class Options(TypedDict):
    name: str
    size: NotRequired[int]


class Partial(TypedDict, total=False):
    name: str


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Colour(enum.Enum):
    RED = "red"
    ONE = 1
    HALF = 0.5
    NONE = None


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Unit(enum.StrEnum):
    METRE = "m"
    DEGREE = "°"


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    a: int = Field(alias="A")
    b: int = Field(default=0, validation_alias=AliasChoices(AliasPath("bs", 0), "B", "b2"))


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int
    b: int = Field(default=0, validation_alias=AliasChoices("B", "b2"))


class OpenInts(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    a: str


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    count: int
    when: dt.date
    price: Decimal
    data: bytes
    tags: set[str]
    at: ipaddress.IPv6Address
    sizes: collections.defaultdict[str, int]


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, str_max_length=3, str_to_upper=True)
    text: str
    code: Annotated[str, Field(pattern="^[a-z ]+$")]


class Hex(BaseModel):
    model_config = ConfigDict(val_json_bytes="hex")
    data: Annotated[bytes, Field(min_length=1, max_length=2)]


class Base64(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")
    data: Annotated[bytes, Field(min_length=2, max_length=4)]


class Validated(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def as_it_is(cls, n: int) -> int:
        return n


class Skipped(BaseModel):
    n: int | SkipJsonSchema[None] = None


class Numbers(RootModel[list[int]]):
    pass


class Opaque:
    """A class that pydantic knows nothing of."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and self.text == other.text


def book(
    city: str,
    nights: Annotated[int, Field(ge=1)] = 1,
    *,
    arrival: dt.date,
    guests: int = Field(default=2, le=5),
) -> None:
    """Books a room."""
    raise AssertionError("the function was called")


class Generator(BaseModel):
    model_config = ConfigDict(alias_generator=str.upper)
    a: int
    b: int = Field(default_factory=lambda data: data["a"] + 1)
    _private: int = PrivateAttr(3)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.a


@dataclasses.dataclass(kw_only=True, slots=True)
class Measure(Generic[Item]):
    value: Item
    scale: dataclasses.InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        pass


class Mixed(TypedDict, total=False):
    a: Required[int]
    b: str


class Wide(TypedDict, extra_items=int):  # type: ignore[call-arg]
    name: str


class Left(BaseModel):
    side: Literal[Unit.METRE] = Field(alias="Side")


class Right(BaseModel):
    side: Literal[Unit.DEGREE] = Field(alias="Side")


class Folder(RootModel["dict[str, Folder | int]"]):
    pass


UserId = NewType("UserId", int)
Maybe = TypeAliasType("Maybe", "list[Item] | None", type_params=(Item,))
Nested = TypeAliasType("Nested", "list[Nested] | int")


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """A type, texts of its language with what they are read as, and texts outside of it."""

    type: object
    accepted: Mapping[str, object]
    refused: Sequence[str]


UTC = dt.UTC

TYPES: Mapping[str, Sample] = {
    # scalars
    "None": Sample(type(None), {"null": None}, ["0", '""']),
    "bool": Sample(bool, {"true": True, "false": False}, ['"true"', "1", "True"]),
    "int": Sample(int, {"0": 0, "-12": -12, "9" * 30: int("9" * 30)}, ["1.0", "1e30", '"1"', "01", "true"]),
    "int bounds": Sample(Annotated[int, Field(gt=3, le=20, multiple_of=4)], {"4": 4, "20": 20}, ["0", "3", "5", "24"]),
    "int strict": Sample(pydantic.StrictInt, {"7": 7}, ["7.0", "7e0"]),
    "float": Sample(float, {"0.5": 0.5, "-1e-7": -1e-7, "3": 3.0}, ["1e999", "-1e400", '"1"', "NaN", "Infinity", ".5"]),
    "float bounds": Sample(
        Annotated[float, Field(gt=0.1, lt=1)], {"0.2": 0.2, "0.99": 0.99}, ["0.1", "0.10000000000000000001", "1", "1.0"]
    ),
    "float multiple": Sample(Annotated[float, Field(ge=0, multiple_of=0.25)], {"0.75": 0.75}, ["0.3", "-0.25"]),
    "str": Sample(str, {'""': "", '"é\\n"': "é\n", '"\\ud83d\\ude00"': "😀"}, ["a", '"\\ud800"', '"\n"']),
    "str length": Sample(
        Annotated[str, Field(min_length=2, max_length=3)], {'"ab"': "ab", '"😀é!"': "😀é!"}, ['"a"', '"abcd"']
    ),
    "str pattern": Sample(
        Annotated[str, Field(pattern=r"^(?P<area>\d{3})-\w+\z")],
        {'"030-Köln_1"': "030-Köln_1", '"٠٣٠-a"': "٠٣٠-a"},
        ['"03-a"', '"030-a b"'],
    ),
    "str search": Sample(Annotated[str, Field(pattern="b.d")], {'"abcde"': "abcde"}, ['"b\\nd"', '"bd"']),
    "str compiled": Sample(
        Annotated[str, Field(pattern=re.compile(r"^(?!no)\S+$"))], {'"yes"': "yes"}, ['"nope"', '"a b"']
    ),
    "str stripped": Sample(
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)],
        {'"a b"': "a b"},
        ['" a"', '"a\\t"', '"\u3000"', '""'],
    ),
    "bytes": Sample(bytes, {'"é"': "é".encode()}, ["[1]", "1"]),
    "Decimal": Sample(
        Decimal,
        {'"0.10"': Decimal("0.10"), '"-12"': Decimal(-12), f'"{"9" * 40}.5"': Decimal("9" * 40 + ".5")},
        ['"hello"', "0.1", '"1e5"', '"NaN"', '".5"'],
    ),
    "Decimal bounds": Sample(
        Annotated[Decimal, Field(gt=0, le=100)],
        {'"0.001"': Decimal("0.001"), '"100.0"': Decimal(100)},
        ['"0"', '"0.000"', '"100.01"', '"-1"', '"101"'],
    ),
    "Decimal digits": Sample(
        Annotated[Decimal, Field(max_digits=4, decimal_places=2, ge=-5)],
        {'"99.99"': Decimal("99.99"), '"-4.5"': Decimal("-4.5")},
        ['"100"', '"1.234"', '"-5.01"'],
    ),
    "Decimal multiple": Sample(
        Annotated[Decimal, Field(multiple_of=Decimal("0.01"))], {'"1.25"': Decimal("1.25")}, ['"1.255"']
    ),
    "Fraction": Sample(
        fractions.Fraction, {'"-3/4"': fractions.Fraction(-3, 4), '"5"': fractions.Fraction(5)}, ['"1/0"', '"a"']
    ),
    "UUID": Sample(uuid.UUID, {f'"{uuid.UUID(int=5)}"': uuid.UUID(int=5)}, ['"' + "0" * 32 + '"', '"x"']),
    "UUID4": Sample(
        UUID4,
        {'"12345678-1234-4678-8234-567812345678"': uuid.UUID("12345678-1234-4678-8234-567812345678")},
        ['"12345678-1234-4678-1234-567812345678"', '"12345678-1234-5678-8234-567812345678"'],
    ),
    # dates and times
    "date": Sample(
        dt.date,
        {'"2024-02-29"': dt.date(2024, 2, 29), '"0001-01-01"': dt.date.min, '"9999-12-31"': dt.date.max},
        ['"2023-02-29"', '"1900-02-29"', '"0000-01-01"', '"2024-04-31"', '"2024-1-1"'],
    ),
    "date bounds": Sample(
        Annotated[dt.date, Field(ge=dt.date(2020, 2, 28), lt=dt.date(2024, 3, 1))],
        {'"2020-02-28"': dt.date(2020, 2, 28), '"2024-02-29"': dt.date(2024, 2, 29)},
        ['"2020-02-27"', '"2024-03-01"', '"2025-01-01"'],
    ),
    "time": Sample(
        dt.time,
        {'"10:20:30"': dt.time(10, 20, 30), '"23:59:59.5Z"': dt.time(23, 59, 59, 500000, UTC)},
        ['"24:00:00"', '"23:59:60"', '"10:20:30+24:00"', '"10:20:30.1234567"'],
    ),
    "datetime": Sample(
        dt.datetime,
        {
            '"2024-02-29T00:00:00"': dt.datetime(2024, 2, 29),
            '"2024-01-01T00:00:00.5+01:30"': dt.datetime(
                2024, 1, 1, 0, 0, 0, 500000, dt.timezone(dt.timedelta(minutes=90))
            ),
        },
        ['"0000-01-01T00:00:00"', '"2024-01-01T00:00:00+25:00"', '"2023-02-29T00:00:00Z"', "0"],
    ),
    "datetime aware": Sample(
        AwareDatetime, {'"2024-01-01T00:00:00Z"': dt.datetime(2024, 1, 1, tzinfo=UTC)}, ['"2024-01-01T00:00:00"']
    ),
    "datetime naive": Sample(
        NaiveDatetime, {'"2024-01-01T00:00:00"': dt.datetime(2024, 1, 1)}, ['"2024-01-01T00:00:00Z"']
    ),
    "datetime bounds": Sample(
        Annotated[
            dt.datetime, Field(ge=dt.datetime(2024, 2, 28, 12, tzinfo=UTC), lt=dt.datetime(2024, 3, 1, tzinfo=UTC))
        ],
        {
            '"2024-02-29T00:00:00"': dt.datetime(2024, 2, 29),
            '"2024-02-29T23:59:59.999999Z"': dt.datetime(2024, 2, 29, 23, 59, 59, 999999, UTC),
        },
        ['"2024-02-28T11:59:59"', '"2024-03-01T00:00:00"', '"2024-02-29T00:00:00+01:00"', '"2024-02-30T00:00:00"'],
    ),
    "time bounds": Sample(
        Annotated[dt.time, Field(gt=dt.time(9, 30), le=dt.time(17))],
        {
            '"09:30:00.1"': dt.time(9, 30, 0, 100000),
            '"17:00:00.000"': dt.time(17),
            '"12:00:00Z"': dt.time(12, tzinfo=UTC),
        },
        ['"09:30:00"', '"17:00:00.000001"', '"12:00:00+01:00"', '"08:59:59"'],
    ),
    "timedelta positive": Sample(
        Annotated[dt.timedelta, Field(gt=dt.timedelta(0))],
        {'"PT0.5S"': dt.timedelta(seconds=0.5)},
        ['"PT0S"', '"-PT1S"'],
    ),
    "timedelta": Sample(
        dt.timedelta,
        {
            '"P1DT2H"': dt.timedelta(days=1, hours=2),
            '"-PT0.5S"': dt.timedelta(seconds=-0.5),
            '"P2W"': dt.timedelta(weeks=2),
            '"P999999999DT23H59M59.999999S"': dt.timedelta.max,
            '"-P999999999D"': dt.timedelta.min,
        },
        ['"P"', '"PT"', '"P1000000000D"', '"-P999999999DT1S"', '"P1DT"', '"1 day"'],
    ),
    # fixed values
    "Literal": Sample(
        Literal["a", 1, True, None], {'"a"': "a", "1": 1, "true": True, "null": None}, ['"b"', "2", "false"]
    ),
    "Enum": Sample(
        Colour, {'"red"': Colour.RED, "1": Colour.ONE, "0.5": Colour.HALF, "null": Colour.NONE}, ['"RED"', "2"]
    ),
    "IntEnum": Sample(Level, {"1": Level.LOW, "2": Level.HIGH}, ["3", '"1"', '"LOW"']),
    "StrEnum": Sample(Unit, {'"m"': Unit.METRE, '"°"': Unit.DEGREE}, ['"METRE"']),
    # networks and files
    "HttpUrl": Sample(
        HttpUrl,
        {
            '"https://a-b.example:8080/x?y=1#z"': HttpUrl("https://a-b.example:8080/x?y=1#z"),
            '"http://127.0.0.1"': HttpUrl("http://127.0.0.1"),
        },
        ['"ftp://a.b"', '"http://"', '"http://a.b:65536"', '"http://a.0x1"', '"http://256.1.1.1"'],
    ),
    "AnyUrl": Sample(
        AnyUrl,
        {'"ftp://a.b/c"': AnyUrl("ftp://a.b/c"), '"urn+x://a"': AnyUrl("urn+x://a")},
        ['"a.b"', '"file://a.b:80/x"'],
    ),
    "FileUrl": Sample(FileUrl, {'"file:///etc/hosts"': FileUrl("file:///etc/hosts")}, ['"http://a"']),
    "IPv4Address": Sample(
        ipaddress.IPv4Address,
        {'"192.168.0.1"': ipaddress.ip_address("192.168.0.1")},
        ['"1.2.3"', '"1.2.3.256"', '"01.2.3.4"'],
    ),
    "IPv4Network": Sample(
        ipaddress.IPv4Network, {'"10.0.0.0/8"': ipaddress.ip_network("10.0.0.0/8")}, ['"10.0.0.1/8"', '"10.0.0.0/33"']
    ),
    "IPv4Interface": Sample(
        ipaddress.IPv4Interface, {'"10.0.0.1/8"': ipaddress.ip_interface("10.0.0.1/8")}, ['"10.0.0.1/33"']
    ),
    "IPv6Address": Sample(
        ipaddress.IPv6Address,
        {'"2001:db8::1"': ipaddress.ip_address("2001:db8::1"), '"::"': ipaddress.ip_address("::")},
        ['"1::2::3"', '"12345::"', '"1:2:3:4:5:6:7"'],
    ),
    "IPv6Interface": Sample(ipaddress.IPv6Interface, {'"::1/64"': ipaddress.ip_interface("::1/64")}, ['"::1/129"']),
    "IPv6Network": Sample(
        ipaddress.IPv6Network,
        {
            '"2001:db8::/32"': ipaddress.ip_network("2001:db8::/32"),
            '"::/0"': ipaddress.ip_network("::/0"),
            '"1:2:3:4:5:6:7:8"': ipaddress.ip_network("1:2:3:4:5:6:7:8"),
            '"fe80::/10"': ipaddress.ip_network("fe80::/10"),
            '"1:2:3:4:5:6:7:8000/113"': ipaddress.ip_network("1:2:3:4:5:6:7:8000/113"),
        },
        ['"2001:db8::1/32"', '"::/129"', '"fec0::/9"', '"1.2.3.4/8"'],
    ),
    "IPvAnyAddress": Sample(
        pydantic.IPvAnyAddress,
        {'"10.0.0.1"': ipaddress.ip_address("10.0.0.1"), '"::1"': ipaddress.ip_address("::1")},
        ['"10.0.0"', "1", '"::1/64"'],
    ),
    "IPvAnyInterface": Sample(
        pydantic.IPvAnyInterface,
        {'"10.0.0.1/8"': ipaddress.ip_interface("10.0.0.1/8"), '"::1/64"': ipaddress.ip_interface("::1/64")},
        ['"10.0.0.1/64"', "1"],
    ),
    "ZoneInfo": Sample(
        zoneinfo.ZoneInfo, {'"Europe/Berlin"': zoneinfo.ZoneInfo("Europe/Berlin")}, ['"Europe/Atlantis"', '"../etc"']
    ),
    "Path": Sample(pathlib.Path, {'"a/b.txt"': pathlib.Path("a/b.txt")}, ["1"]),
    "SecretStr": Sample(Annotated[SecretStr, Field(min_length=3)], {'"abc"': SecretStr("abc")}, ['"ab"']),
    "Base64Bytes": Sample(Base64Bytes, {'"YWI="': b"ab", '""': b""}, ['"YWI"', '"YW=="', '"a"']),
    "ByteSize": Sample(ByteSize, {"1024": ByteSize(1024)}, ["-1"]),
    # containers
    "list": Sample(list[int], {"[]": [], "[1, 2]": [1, 2]}, ["[1,]", '["a"]', "1"]),
    "list length": Sample(
        Annotated[list[bool], Field(min_length=1, max_length=2)], {"[true]": [True]}, ["[]", "[true,true,true]"]
    ),
    "set": Sample(set[int], {"[1,2]": {1, 2}, "[]": set()}, ['["a"]', "[1,2,2]", "[0,-0]"]),
    "set length": Sample(Annotated[set[int], Field(min_length=1, max_length=2)], {"[1,2]": {1, 2}}, ["[]", "[1,2,3]"]),
    "set at least": Sample(
        Annotated[set[int | str], Field(min_length=2)], {'[1,"1"]': {1, "1"}}, ["[1]", '["a","\\u0061"]', "[1,1,1]"]
    ),
    "frozenset of Enum": Sample(
        Annotated[frozenset[Level], Field(min_length=2)], {"[2,1]": frozenset(Level)}, ["[1]", "[1,1]", "[1,2,1]"]
    ),
    "set of tuples": Sample(
        Annotated[set[tuple[dt.date, bool | None]], Field(min_length=2)],
        {'[["2024-01-01",true],["2024-01-01",null]]': {(dt.date(2024, 1, 1), True), (dt.date(2024, 1, 1), None)}},
        ['[["2024-01-01",true]]', '[["2024-01-01",true],["2024-01-01",true]]'],
    ),
    "set of anything": Sample(set, {'[1,"a",null]': {1, "a", None}}, ["[[]]", "[{}]", '["a","a"]']),
    "frozenset": Sample(frozenset[tuple[int, ...]], {"[[1],[]]": frozenset({(1,), ()})}, ["[1]"]),
    "set of frozen": Sample(set[Frozen], {'[{"x":1}]': {Frozen(1)}}, ['[{"x":0}]']),
    "tuple": Sample(tuple[int, str], {'[1,"a"]': (1, "a")}, ["[1]", '["a",1]', '[1,"a",2]']),
    "tuple variadic": Sample(tuple[int, ...], {"[]": (), "[1,2]": (1, 2)}, ['["a"]']),
    "tuple empty": Sample(tuple[()], {"[]": ()}, ["[1]"]),
    "deque": Sample(collections.deque[int], {"[1]": collections.deque([1])}, ["1"]),
    "Sequence": Sample(Sequence[int], {"[1]": [1]}, ['"a"', "{}"]),
    "NamedTuple": Sample(Pair, {"[1]": Pair(1), '[1,"b"]': Pair(1, "b")}, ["[]", '[1,"b",2]', '["b"]']),
    "dict": Sample(dict[str, int], {'{"a":1}': {"a": 1}, "{}": {}}, ['{"a":"b"}', "[]"]),
    "dict of int": Sample(
        dict[int, bool],
        {'{"12":true,"-3":false}': {12: True, -3: False}},
        ['{"a":true}', '{"1.5":true}', '{"01":true}'],
    ),
    "dict of bounded": Sample(
        dict[Annotated[int, Field(ge=10, lt=13)], int], {'{"12":1}': {12: 1}}, ['{"13":1}', '{"9":1}']
    ),
    "dict of dates": Sample(dict[dt.date, int], {'{"2024-02-29":1}': {dt.date(2024, 2, 29): 1}}, ['{"2023-02-29":1}']),
    "dict of Enum": Sample(dict[Level, str], {'{"1":"a"}': {Level.LOW: "a"}, "{}": {}}, ['{"3":"a"}']),
    "dict of Literal": Sample(dict[Literal["x", "y"], int], {'{"x":1,"y":2}': {"x": 1, "y": 2}}, ['{"z":1}']),
    "dict of pattern": Sample(
        dict[Annotated[str, Field(pattern="^k", max_length=2)], int], {'{"k1":1}': {"k1": 1}}, ['{"a":1}', '{"k12":1}']
    ),
    "dict of floats": Sample(dict[float, int], {'{"1.5":1,"2e-7":2}': {1.5: 1, 2e-7: 2}}, ['{"inf":1}', '{"a":1}']),
    "dict of bool": Sample(dict[bool, int], {'{"true":1}': {True: 1}}, ['{"yes":1}']),
    "dict of unions": Sample(
        dict[Literal["a"] | Level, int], {'{"a":1}': {"a": 1}, '{"2":1}': {Level.HIGH: 1}}, ['{"b":1}']
    ),
    "defaultdict": Sample(
        collections.defaultdict[str, int], {'{"a":1}': collections.defaultdict(int, a=1)}, ['{"a":"b"}']
    ),
    "Counter": Sample(collections.Counter[str], {'{"a":2}': collections.Counter(a=2)}, ['{"a":0.5}']),
    "Any": Sample(Any, {'{"a":[1,null]}': {"a": [1, None]}, "1": 1}, ["", "[", "nul"]),
    # unions
    "Optional": Sample(Optional[int], {"null": None, "1": 1}, ['"a"']),  # noqa: UP045
    "Union": Sample(int | str | list[bool], {"1": 1, '"1"': "1", "[true]": [True]}, ["null", "[1]"]),
    "discriminated": Sample(
        Pet,
        {
            '{"kind":"cat","lives":7}': Cat(lives=7),
            '{"kind":"pound","inside":[{"kind":"cat"}]}': Kennel(kind="pound", inside=[Cat()]),
        },
        [
            '{"lives":7}',
            '{"kind":"dog"}',
            '{"kind":"cat","lives":10}',
            '{"kind":"kennel","lives":7}',
            '{"kind":"kennel","inside":[{}]}',
        ],
    ),
    # classes
    "model": Sample(
        Person,
        {
            '{"name":"A","age":36,"home":{"street":"S 1","zip":"12345"}}': Person(
                name="A", age=36, home=Address(street="S 1", zip="12345")
            ),
            '{"name":"A","age":0,"email":null,"home":{"street":"S","zip":"12345"},"work":null}': Person(
                name="A", age=0, home=Address(street="S", zip="12345")
            ),
        },
        [
            '{"name":"A","age":36}',
            '{"name":"A","age":121,"home":{"street":"S","zip":"12345"}}',
            '{"name":"A","age":3,"home":{"street":"","zip":"12345"}}',
            '{"name":"A","age":3,"home":{"street":"S","zip":"1234"}}',
            '{"name":"A","age":3,"home":{"street":"S","zip":"12345"},"other":1}',
        ],
    ),
    "recursive": Sample(
        Tree,
        {'{"value":1,"children":[{"value":2}]}': Tree(value=1, children=[Tree(value=2)])},
        ['{"value":1,"children":[{}]}'],
    ),
    "generic": Sample(Box[int], {'{"content":1,"more":[2]}': Box[int](content=1, more=[2])}, ['{"content":"a"}']),
    "generic of model": Sample(
        Box[Tree], {'{"content":{"value":1}}': Box[Tree](content=Tree(value=1))}, ['{"content":1}']
    ),
    "aliases": Sample(Aliased, {'{"A":1,"B":2}': Aliased(a=1, B=2)}, ['{"a":1}', '{"A":1,"b2":2}', '{"A":1,"bs":[2]}']),
    "open": Sample(Open, {'{"a":1,"x":"y"}': Open(a=1, x="y")}, ['{"a":1,"b2":"no"}', '{"x":1}']),
    "open typed": Sample(OpenInts, {'{"a":"b","n":5}': OpenInts(a="b", n=5)}, ['{"a":"b","n":"c"}']),
    "strict": Sample(
        Strict,
        {
            '{"count":1,"when":"2024-01-01","price":"1.5","data":"x","tags":["a"],"at":"::1","sizes":{"a":1}}': Strict(
                count=1,
                when=dt.date(2024, 1, 1),
                price=Decimal("1.5"),
                data=b"x",
                tags={"a"},
                at=ipaddress.IPv6Address("::1"),
                sizes=collections.defaultdict(int, a=1),
            )
        },
        ['{"count":1.0,"when":"2024-01-01","price":"1.5","data":"x","tags":["a"],"at":"::1","sizes":{}}'],
    ),
    "string settings": Sample(
        Stripped,
        {'{"text":"a b","code":"x y"}': Stripped(text="a b", code="x y")},
        ['{"text":" a","code":"x"}', '{"text":"a","code":" x"}', '{"text":"abcd","code":"x"}'],
    ),
    "hex bytes": Sample(
        Hex,
        {'{"data":"00fF"}': Hex(data=b"\x00\xff")},
        ['{"data":""}', '{"data":"0"}', '{"data":"000000"}'],
    ),
    "base64 bytes": Sample(
        Base64,
        {'{"data":"YWI="}': Base64(data=b"ab"), '{"data":"YWJjZA=="}': Base64(data=b"abcd")},
        ['{"data":"YQ=="}', '{"data":"YWJjZGU="}'],
    ),
    "validated": Sample(Validated, {'{"n":1}': Validated(n=1)}, ['{"n":"a"}']),
    "skipped": Sample(Skipped, {'{"n":1}': Skipped(n=1), "{}": Skipped()}, ['{"n":null}']),
    "computed": Sample(
        Generator,
        {'{"A":1}': Generator(A=1), '{"A":1,"B":5}': Generator(A=1, B=5)},
        ['{"a":1}', '{"A":1,"twice":2}', '{"A":1,"_private":2}'],
    ),
    "discriminated by Enum and alias": Sample(
        Annotated[Left | Right, Field(discriminator="side")],
        {'{"Side":"m"}': Left(Side=Unit.METRE), '{"Side":"°"}': Right(Side=Unit.DEGREE)},
        ['{"side":"m"}', '{"Side":"k"}', "{}"],
    ),
    "recursive root model": Sample(Folder, {'{"a":{"b":1}}': Folder({"a": Folder({"b": 1})})}, ["1", '{"a":"b"}']),
    "generic dataclass": Sample(
        Measure[int],
        {'{"value":1}': Measure(value=1), '{"value":1,"scale":2}': Measure(value=1)},
        ['{"value":"a"}', "{}"],
    ),
    "Required": Sample(Mixed, {'{"a":1}': {"a": 1}, '{"a":1,"b":"x"}': {"a": 1, "b": "x"}}, ["{}", '{"b":"x"}']),
    "extra items": Sample(Wide, {'{"name":"a","n":1}': {"name": "a", "n": 1}}, ['{"name":"a","n":"b"}', '{"n":1}']),
    "generic alias": Sample(Maybe[int], {"[1]": [1], "null": None}, ['["a"]', "1"]),
    "root model": Sample(Numbers, {"[1]": Numbers([1])}, ['{"root":[1]}']),
    "dataclass": Sample(Point, {'{"x":1}': Point(1), '{"x":1,"y":2}': Point(1, 2)}, ['{"y":2}', '{"x":1,"norm":2.0}']),
    "recursive dataclass": Sample(
        Chain, {'{"first":{"x":1},"rest":{"first":{"x":2}}}': Chain(Point(1), Chain(Point(2)))}, ['{"rest":null}']
    ),
    "TypedDict": Sample(
        Options,
        {'{"name":"a"}': {"name": "a"}, '{"name":"a","size":2}': {"name": "a", "size": 2}},
        ['{"size":2}', '{"name":"a","x":1}'],
    ),
    "partial TypedDict": Sample(Partial, {"{}": {}, '{"name":"a"}': {"name": "a"}}, ['{"name":1}']),
    "NewType": Sample(UserId, {"5": 5}, ['"5"']),
    "recursive alias": Sample(Nested, {"[1,[[],2]]": [1, [[], 2]], "3": 3}, ['["a"]']),
    "JsonValue": Sample(pydantic.JsonValue, {'{"a":[1,null]}': {"a": [1, None]}}, ["{", "[1,]"]),
    # functions and what an author says
    "function": Sample(
        book,
        {
            '{"city":"Rome","arrival":"2024-05-01"}': {"city": "Rome", "arrival": dt.date(2024, 5, 1), "guests": 2},
            '{"city":"Rome","nights":3,"arrival":"2024-05-01","guests":4}': {
                "city": "Rome",
                "nights": 3,
                "arrival": dt.date(2024, 5, 1),
                "guests": 4,
            },
        },
        [
            '{"city":"Rome"}',
            '{"city":"Rome","nights":0,"arrival":"2024-05-01"}',
            '{"city":"Rome","arrival":"2024-05-01","guests":6}',
        ],
    ),
    "after validator": Sample(Annotated[int, AfterValidator(str)], {"5": "5"}, ['"a"']),
    "stated schema": Sample(
        Annotated[Opaque, PlainValidator(Opaque), WithJsonSchema({"type": "string", "pattern": "^x"})],
        {'"xy"': Opaque("xy")},
        ['"y"', "1"],
    ),
    "stated input": Sample(
        Annotated[Opaque, PlainValidator(Opaque, json_schema_input_type=Literal["a"])], {'"a"': Opaque("a")}, ['"b"']
    ),
    "added keywords": Sample(
        Annotated[list[int], Field(json_schema_extra={"minItems": 2, "examples": [[1, 2]]})], {"[1,2]": [1, 2]}, ["[1]"]
    ),
}
