"""The partial value of every beginning of a JSON text is what all of its completions have in common."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcd.partial_json import ABSENT, Reader, plain

EXAMPLES = int(os.environ.get("GCD_PARTIAL_TEXTS", "25"))
STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)', re.DOTALL)
HEX = ("0041", "d83d", "dc00", "ffff")


def plain_of(text: str) -> object:
    reader = Reader()
    reader.feed(text)
    return plain(reader.root)


# --- the slow twin: close the text in all ways ------------------------------------------------------------------------


def completions(text: str) -> list[Any]:
    """The values of JSON texts that begin so: every end of a token, then of a member, then all brackets closed."""
    last = [found[0] for found in STRING.finditer(text)][-1:]
    if last and text.endswith(last[0]) and not is_string(last[0]):
        escape = re.search(r"\\(u[0-9a-fA-F]{0,3})?$", last[0])
        begun = escape[0] if escape and is_string(last[0][: escape.start()] + '"') else ""
        escapes = [r"\n", r"\t", *(rf"\u{digits}" for digits in HEX)]
        ends = [each[len(begun) :] for each in escapes if each.lower().startswith(begun.lower())] if begun else [""]
        if begun.startswith("\\u"):
            ends = [digits[len(begun) - 2 :] for digits in HEX] + [(begun[2:] + "0000")[len(begun) - 2 : 4]]
            ends += ["c00", "C01"] if begun in ("\\ud", "\\uD") else []
        ends = [end + more + '"' for end in ends for more in ("", "z", "zz", r"\udc00", r"\udc01", r"\n")]
    else:
        ends = ["", "0", "1", "5", ".5", "e1", "0e5", "rue", "ue", "e", "alse", "lse", "se", "ull", "ll", "l"]
    members = ["", ":0", ":1", ':"s"', "0", "1", '"s"', "[]", '"s":0', '"s":1']
    brackets = re.sub(r"[^\[\]{}]", "", STRING.sub("", text))
    while re.search(r"\[\]|\{\}", brackets):
        brackets = re.sub(r"\[\]|\{\}", "", brackets)
    closing = brackets[::-1].translate(str.maketrans("[{", "]}"))
    return [
        value
        for end, member in itertools.product(ends, members)
        if (value := loaded(text + end + member + closing)) is not ABSENT
    ]


def is_string(text: str) -> bool:
    return isinstance(loaded(text), str)


def loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return ABSENT


def meet(values: list[Any]) -> Any:
    """What values have in common."""
    if all(isinstance(value, dict) for value in values):
        names = [name for name in values[0] if all(name in value for value in values)]
        found = {name: meet([value[name] for value in values]) for name in names}
        return {name: value for name, value in found.items() if value is not ABSENT}
    if all(isinstance(value, list) for value in values):
        items = [meet(list(items)) for items in zip(*values, strict=False)]
        return [item for item in items if item is not ABSENT]
    if all(isinstance(value, str) for value in values):
        return "".join(
            chars[0] for chars in itertools.takewhile(lambda chars: len({*chars}) == 1, zip(*values, strict=False))
        )
    same = all(type(value) is type(values[0]) and value == values[0] for value in values)
    return values[0] if same else ABSENT


# --- the law ----------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet='ab"\\/\n\x01é😀\ud83d\udc00', max_size=4)
)  # fmt: skip


def named(values: list[Any]) -> dict[str, Any]:
    """Members whose names begin with letters of their own, so that no name becomes another one as it is read."""
    return {f'{chr(65 + index)}\\"é'[: 1 + index % 4]: value for index, value in enumerate(values)}


DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(named), max_leaves=5
)


@settings(max_examples=EXAMPLES)
@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 1]))
def test_the_partial_value_is_what_all_completions_have_in_common(value: Any, ascii_only: bool, indent: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    value, reader = json.loads(text), Reader()  # two halves of a character may have become it
    for end, char in enumerate(text, 1):
        reader.feed(char)
        twin = meet([value, *completions(text[:end])])
        assert plain(reader.root) == twin, f"{text[:end]!r} of {text!r}"
    reader.finish()
    assert plain(reader.root) == value
    assert json.dumps(plain(reader.root)) == json.dumps(value)


@settings(max_examples=EXAMPLES)
@given(DOCUMENTS, st.integers(0, 2**32))
def test_pieces_are_read_as_characters_are(value: Any, seed: int) -> None:
    text, rng, reader = json.dumps(value), random.Random(seed), Reader()
    at = 0
    while at < len(text):
        size = rng.randint(1, 5)
        reader.feed(text[at : at + size])
        at += size
        assert plain(reader.root) == plain_of(text[:at])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ABSENT),
        ('"', ""),
        ("12", ABSENT),
        ("12 ", 12),
        ("t", True),
        ('{"a": 1', {}),
        ('{"a": 1,', {"a": 1}),
        ('{"a": [1, "b', {"a": [1, "b"]}),
        ('{"a": {"b', {"a": {}}),
        ('["\\u00e', [""]),
        ('["\\ud83d', [""]),
        ('["\\ud83d\\ud', [""]),
        ('["\\ud83d\\ude00', ["😀"]),
        ('["\\ud83dx', ["\ud83dx"]),
        ("[" + "9" * 5000 + ",", []),
    ],
)
def test_examples(text: str, value: object) -> None:
    assert plain_of(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1,]", "no JSON text has ']' at offset 3"),
        ("{1", "no JSON text has '1' at offset 1"),
        ('{"a" 1', "no JSON text has '1' at offset 5"),
        ("trie", "no JSON text has 'i' at offset 2"),
        ("1 2", "no JSON text has '2' at offset 2"),
        ("[}", "no JSON text has '}' at offset 1"),
        ('"\\x', "no JSON text has 'x' behind a backslash at offset 2"),
        ("NaN", "no JSON text has 'N' at offset 0"),
    ],
)
def test_what_is_no_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        plain_of(text)
