"""Formats: texts in and out by table, the official suite, and that strict readers take what is generated."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import random
import uuid
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import pytest
from data import data_folder

from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.json_schema.formats import FORMATS, UNENFORCED
from grammars.frontends.json_schema.formats import REFUSED as HELD_BY_NO_AUTOMATON
from grammars.ir import ByteClass, Bytes, CharClass, Choice, Grammar, Length, Node, Repeat, Sequence


@cache
def automaton(name: str) -> ByteAutomaton:
    return compile_grammar(Grammar({"start": FORMATS[name]}))


def accepts(name: str, text: str) -> bool:
    return automaton(name).accepts(text.encode())


LABEL = "a" * 63
TABLE: list[tuple[str, list[str], list[str]]] = [
    # RFC 3339, 5.6
    (
        "date",
        ["2024-02-29", "2000-02-29", "9999-12-31", "2023-04-30"],
        [
            "2023-02-29",
            "1900-02-29",
            "2023-04-31",
            "2023-13-01",
            "2023-00-10",
            "2023-1-1",
            "2023-01-00",
            "",
            "0000-02-29",
            "0000-01-01",
        ],
    ),
    (
        "time",
        ["00:00:00Z", "23:59:59.123456789+23:59", "12:34:56z", "12:34:56-00:00"],
        ["24:00:00Z", "12:60:00Z", "12:00:60Z", "23:59:60Z", "12:00:00", "12:00:00.Z", "12:00:00+24:00", "12:00Z"],
    ),
    (
        "date-time",
        ["2024-02-29T12:00:00Z", "2024-02-29t12:00:00.5-03:30"],
        ["2023-02-29T12:00:00Z", "2024-02-29 12:00:00Z", "2024-02-29T12:00:00", "2024-02-29"],
    ),
    # RFC 3339, appendix A
    (
        "duration",
        ["P1Y", "P1Y2M3DT4H5M6S", "PT1M", "PT1H2M", "P3W", "P1M3D", "P0D", "P1DT1S"],
        ["P", "PT", "P1", "1Y", "P1YT", "P1Y1D", "PT1H1S", "P1W1D", "P1.5D", "-P1D", "P1H", "p1d"],
    ),
    # RFC 1123, 2.1; RFC 5890, 2.3.1
    (
        "hostname",
        ["a", "a-b.c", "1.example", "a--b", "x-n--a", LABEL, ".".join([LABEL] * 3 + ["b" * 61])],
        ["", "-a", "a-", "a_b", "a..b", "a.", ".a", "xn--a", "ab--c", LABEL + "a", ".".join([LABEL] * 3 + ["b" * 62])],
    ),
    # RFC 2673, 3.2; RFC 4291, 2.2
    ("ipv4", ["0.0.0.0", "255.249.199.99"], ["256.0.0.0", "1.2.3", "01.2.3.4", "1.2.3.4.5", "1.2.3.4/8"]),
    (
        "ipv6",
        ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:1.2.3.4", "A::b:1.2.3.4"],
        [
            "1:2:3:4:5:6:7",
            "1::2::3",
            ":::",
            "1:2:3:4:5:6:7:8:9",
            "12345::",
            "::1.2.3",
            "::1.2.3.256",
            "fe80::1%eth0",
            "1:2:3:4:5:6:7::8",
        ],
    ),
    # RFC 5321, 4.1.2
    (
        "email",
        ["a@b", "a.b+c@d-e.f", '"a b"@c', '"\\""@c', "a@[127.0.0.1]", "a@[IPv6:::1]", "a" * 64 + "@b"],
        [
            "a",
            "@b",
            "a@",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a b@c",
            "a@b_c",
            "a@[1.2.3]",
            "a@[IPv6:1:2:3:4:5:6:7::]",
            "a" * 65 + "@b",
            "é@b",
            f"a@{'.'.join([LABEL] * 4)}",
        ],
    ),
    # RFC 3986, 3987
    (
        "uri",
        ["a:", "http://a/b?c#d", "urn:x:y", "a://u:p@h:8/%20", "a://[::1]/", "a://[v1.x]", "a:/", "a:b/c", "a://"],
        ["", "//a/b", "a/b", "1:b", "a:b c", "a:%2", "a://b:c", "a://[::1", "a:é", "a:b#c#d", "a:[", "a://b/\\"],
    ),
    (
        "uri-reference",
        ["", "a", "/a", "//a", "?a", "#a", "./a:b", "a:b", "../x"],
        ["1:b", "a b", "#a#b", "/é", "{", "%"],
    ),
    (
        "iri",
        ["a:é", "http://ü.de/ß?\ue000#é", "a:\U00020000"],
        ["é:a", "a:\ue000", "a:#\ue000", "a:\ufffe", "a:\U0001ffff", "/é"],
    ),
    ("iri-reference", ["é", "//ü/é", ""], ["a b", "\ue000", "é:b"]),
    # RFC 6570, 2
    (
        "uri-template",
        ["", "/a{b}", "{+a,b*,c:3}", "{?a.b,%41}", "'", "é{#x}"],
        ["{", "}", "{}", "{a", "{a,}", "{=a}", "{a:0}", "{a:10000}", "{a..b}", "a b", "%4"],
    ),
    # RFC 9562, 4; RFC 6901, 3
    (
        "uuid",
        ["2eb8aa08-AA98-11ea-b4aa-73b441d16380"],
        ["2eb8aa08aa9811eab4aa73b441d16380", "2eb8aa08-aa98-11ea-b4aa-73b441d1638g"],
    ),
    (
        "uuid4",
        ["2eb8aa08-aa98-41ea-b4aa-73b441d16380"],
        ["2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08-aa98-41ea-f4aa-73b441d16380"],
    ),
    ("json-pointer", ["", "/", "/a/b~0/~1", "/é\n", "//"], ["a", "/~", "/~2", "#/a"]),
    ("relative-json-pointer", ["0", "1/a", "10#", "0/"], ["", "/a", "01", "-1", "0##", "0#/a", "1a", "0+1"]),
    # RFC 4648, 4 and 5
    ("base64", ["", "QQ==", "QUI=", "QUJD", "+/+/"], ["Q", "QQ", "QQ=", "QR==", "_-==", "QUJ="]),
    ("base64url", ["QQ==", "_-A="], ["+/+/", "QQ"]),
    ("fraction", ["1/2", "-3", "0.5", "12/7"], ["1/0", "1/", "/2", "1e3", "1/-2", ".5"]),
    ("ipv4interface", ["1.2.3.4", "1.2.3.4/0", "1.2.3.4/32"], ["1.2.3.4/33", "1.2.3.4/", "::1"]),
    (
        "ipv4network",
        ["1.2.3.4", "10.0.0.0/8", "1.2.128.0/17", "0.0.0.0/0"],
        ["10.0.0.1/8", "1.2.64.0/17", "1.2.3.4/33"],
    ),
    ("ipv6interface", ["::1/64", "::"], ["::1/129", "1.2.3.4"]),
    ("ipv6network", ["::/0", "1:2::/32", "1::5/128", "::1"], ["1::5/64", "1:2:3::/32"]),
    ("ipvanyaddress", ["1.2.3.4", "::1"], ["1.2.3", "::1/4"]),
    ("ipvanyinterface", ["1.2.3.4/8", "::1/64"], ["1.2.3.4/64"]),
    ("ipvanynetwork", ["10.0.0.0/8", "1::/16"], ["10.1.0.0/8"]),
    ("multi-host-uri", ["a://b,c:80/d?e#f", "postgres://u:p@h1:1,h2/db"], ["a:b", "a://", "a://b,", "://b"]),
]


@pytest.mark.parametrize(("name", "accepted", "refused"), TABLE, ids=[name for name, _, _ in TABLE])
def test_format(name: str, accepted: list[str], refused: list[str]) -> None:
    assert [text for text in accepted if not accepts(name, text)] == []
    assert [text for text in refused if accepts(name, text)] == []


def test_every_format_has_a_row_or_is_explained() -> None:
    versions = {f"uuid{version}" for version in range(1, 9)}
    assert {name for name, _, _ in TABLE} | versions == set(FORMATS)
    assert len(FORMATS) == len(list(FORMATS))
    assert not set(FORMATS) & (set(UNENFORCED) | set(HELD_BY_NO_AUTOMATON))
    assert "regex" not in FORMATS
    with pytest.raises(KeyError):
        FORMATS["regex"]


# The files of the official suite.
SUITE = ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "iri",
         "iri-reference", "uri-template", "uuid", "json-pointer", "relative-json-pointer"]  # fmt: skip
# Valid in the suite, and refused here for the reasons in the docstring of `formats`.
REFUSED = {"hostname": "xn--", "date-time": ":60", "time": ":60"}


@pytest.mark.parametrize("draft", ["draft7", "draft2019-09", "draft2020-12", "v1"])
@pytest.mark.parametrize("name", SUITE)
def test_official_suite(name: str, draft: str) -> None:
    folders = [data_folder("json-schema-test-suite") / "tests" / draft / sub for sub in ("optional/format", "format")]
    path = next((folder / f"{name}.json" for folder in folders if (folder / f"{name}.json").exists()), None)
    if path is None:
        pytest.skip(f"{draft} has no tests of {name}")
    cases = [case for group in json.loads(path.read_text("utf-8")) for case in group["tests"]]
    texts = [(case["data"], case["valid"]) for case in cases if isinstance(case["data"], str)]
    assert len(texts) > 3
    assert [text for text, valid in texts if not valid and accepts(name, text)] == []
    refused = [text for text, valid in texts if valid and not accepts(name, text)]
    assert [text for text in refused if name not in REFUSED or REFUSED[name] not in text] == []


def sample(node: Node, rng: random.Random) -> str:
    """A random string of the node: every choice is even, repeats go on with probability 2/3."""
    match node:
        case Bytes(data):
            return data.decode()
        case ByteClass(ranges) | CharClass(ranges):
            low, high = rng.choice(ranges)
            return chr(rng.randint(low, high))
        case Sequence(items):
            return "".join(sample(item, rng) for item in items)
        case Choice(items):
            return sample(rng.choice(items), rng)
        case Repeat(item, low, high):
            count = low
            while (high is None or count < high) and rng.random() < 2 / 3:
                count += 1
            return "".join(sample(item, rng) for _ in range(count))
        case Length(item, low, high):
            while not low <= len(text := sample(item, rng)) <= (high or 10**9):
                pass
            return text
    raise AssertionError(f"formats hold no {type(node).__name__}")


def read_time(text: str) -> object:
    """Python reads no lower-case letters, and before 3.11 no more than six digits; RFC 3339 allows both."""
    return datetime.datetime.fromisoformat(f"2000-01-01T{text.upper()}")


def read_date(text: str) -> object:
    return datetime.datetime.fromisoformat(text.upper())


READERS: dict[str, Callable[[str], object]] = {
    "date": read_date,
    "date-time": read_date,
    "time": read_time,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "ipv4interface": ipaddress.IPv4Interface,
    "ipv4network": ipaddress.IPv4Network,
    "ipv6interface": ipaddress.IPv6Interface,
    "ipv6network": ipaddress.IPv6Network,
    "ipvanyaddress": ipaddress.ip_address,
    "ipvanyinterface": ipaddress.ip_interface,
    "ipvanynetwork": ipaddress.ip_network,
    "uuid": uuid.UUID,
    "base64": lambda text: base64.b64decode(text, validate=True),
    "base64url": base64.urlsafe_b64decode,
    "fraction": Fraction,
    "hostname": lambda text: text.encode("idna"),
}


@pytest.mark.parametrize("name", READERS)
def test_strict_readers_take_what_is_generated(name: str) -> None:
    rng = random.Random(name)
    for _ in range(300):
        text = sample(FORMATS[name], rng)
        try:
            READERS[name](text)
        except ValueError as error:
            pytest.fail(f"{name} {text!r}: {error}")


@pytest.mark.parametrize("version", range(1, 9))
def test_uuid_versions(version: int) -> None:
    rng = random.Random(version)
    for _ in range(50):
        assert uuid.UUID(sample(FORMATS[f"uuid{version}"], rng)).version == version


@pytest.mark.parametrize("name", FORMATS)
def test_samples_are_members(name: str) -> None:
    """The automaton takes what a walk over the nodes writes."""
    rng = random.Random(name)
    for _ in range(20):
        assert accepts(name, text := sample(FORMATS[name], rng)), text


@pytest.mark.parametrize("name", ["uri", "uri-reference"])
def test_a_large_format_with_a_length_is_counted_at_run_time(name: str) -> None:
    schema = {"type": "string", "format": name, "minLength": 9, "maxLength": 2000}
    automaton = compile_grammar(parse_json_schema(schema))
    for length, accepted in ((8, False), (9, True), (2000, True), (2001, False)):
        text = '"' + "ab://c/".ljust(length, "d") + '"'
        assert automaton.accepts(text.encode()) is accepted
