"""Bare arguments: JSON as Gemma writes it, where keys have no quotes and strings stand raw between marks.

Place in the walk: beside `gcd.serve.tools` and `gcd.serve.calls`, which are about JSON, for the formats that have a
`quote`. With the quote `<escape>` of FunctionGemma (Gemma 4 has `<|"|>`) the second line is the first:

    {"city": "Oslo", "days": [1, 2], "in": {"ok": true}}
    {city:<escape>Oslo<escape>,days:[1,2],in:{ok:true}}

Keys stand in the order of Jinja's `dictsort`, as the templates of these models write them. What this cannot hold is
left out where a schema has more: strings that have the quote in them, and keys that are not `KEY`. A key that a schema
names is refused then, and so is what is counted or compared as JSON: `uniqueItems`, and counts of keys that are open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import count

from grammars.errors import UnsupportedFeature
from grammars.ir import (
    EPSILON,
    And,
    ByteClass,
    Bytes,
    Choice,
    Distinct,
    Grammar,
    JsonString,
    Length,
    Members,
    Node,
    Numerals,
    Ref,
    Repeat,
    Texts,
)
from grammars.ir import Sequence as Seq

__all__ = ["KEY", "BareReader", "bare_grammar", "bare_text"]

KEY = r"[^\x00- :,{}\[\]<>\x22\x7f]+"
"""Keys that can be told from what stands around them."""

_COLON = Bytes(b":")


def bare_text(value: object, quote: str) -> str:
    """A value of JSON in this notation.

    >>> bare_text({"b": ["x"], "a": None}, "<escape>")
    '{a:null,b:[<escape>x<escape>]}'
    """
    match value:
        case str():
            return f"{quote}{value}{quote}"
        case dict():
            members = sorted(value.items(), key=lambda member: _place(member[0]))
            return f"{{{','.join([f'{key}:{bare_text(item, quote)}' for key, item in members])}}}"
        case list():
            return f"[{','.join([bare_text(item, quote) for item in value])}]"
    return json.dumps(value)


def _place(key: str) -> tuple[str, str]:
    """Where a key stands among others: `dictsort` does not look at case."""
    return key.lower(), key


class BareReader:
    """Reads a text of this notation piece by piece, as JSON."""

    def __init__(self, quote: str) -> None:
        self._quote = quote
        self._open: list[str] = []
        self._in_string = self._at_key = False

    def read(self, text: str) -> tuple[str, int, bool]:
        """The JSON text of what is sure, how many of the characters that is, and whether the object ends there.

        >>> BareReader("<escape>").read("{city:<escape>Oslo<escape>}<end_function_call>")
        ('{"city":"Oslo"}', 29, True)
        """
        found, place = "", 0
        while place < len(text):
            written, end = self._string(text, place) if self._in_string else self._token(text, place)
            if end == place:
                break
            found, place = found + written, end
            if not self._open:
                return found, place, True
        return found, place, False

    def _string(self, text: str, place: int) -> tuple[str, int]:
        """More of a string, or its end."""
        end = text.find(self._quote, place)
        if end == place:
            self._in_string = False
            return '"', place + len(self._quote)
        if end < 0:
            end = len(text) - kept_back(text[place:], self._quote)
        return json.dumps(text[place:end], ensure_ascii=False)[1:-1], end

    def _token(self, text: str, place: int) -> tuple[str, int]:
        """What is no part of a string: a key with its colon, the beginning of a string, or one character."""
        char = text[place]
        if self._at_key and char != "}":
            end = text.find(":", place)
            if end < 0:
                return "", place
            self._at_key = False
            return f"{json.dumps(text[place:end], ensure_ascii=False)}:", end + 1
        rest = text[place : place + len(self._quote)]
        if rest == self._quote:
            self._in_string = True
            return '"', place + len(rest)
        if self._quote.startswith(rest):
            return "", place
        if char in "{[":
            self._open.append(char)
        elif char in "}]":
            self._open.pop()
        self._at_key = char == "{" or (char == "," and self._open[-1] == "{")
        return char, place + 1


def kept_back(text: str, mark: str) -> int:
    """The length of the longest end of the text with which the mark begins."""
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if mark.startswith(text[-size:])), 0)


def bare_grammar(grammar: Grammar, quote: str, mark: Node) -> Grammar:
    """A grammar of compact JSON in this notation; `mark` is the node of the quote.

    Raises `UnsupportedFeature` for what it cannot hold.
    """
    return Grammar(_Writer(grammar.rules, quote, mark).rules(), grammar.start)


class _Writer:
    def __init__(self, rules: Mapping[str, Node], quote: str, mark: Node) -> None:
        from grammars.frontends.phrases import without
        from grammars.frontends.regex import parse_regex

        self._given, self._quote, self._mark = rules, quote, mark
        self._raw = without((quote,))
        self._key = parse_regex(KEY)
        self._made: dict[str, Node] = {}
        self._numbers = count()

    def rules(self) -> dict[str, Node]:
        self._made.update({name: self._value(node) for name, node in self._given.items()})
        return self._made

    def _value(self, node: Node) -> Node:
        match node:
            case JsonString(content):
                return Seq((self._mark, And((content, self._raw)), self._mark))
            case Bytes(data):
                return self._literal(data)
            case Texts(items):
                return Choice(tuple([self._literal(item) for item in items]))
            case Seq(items):
                following = [*items[1:], EPSILON]
                return Seq(tuple([
                    self._open_key(item) if next_one == _COLON else self._value(item)
                    for item, next_one in zip(items, following, strict=True)
                ]))  # fmt: skip
            case Ref() | ByteClass() | Numerals() | Length():  # of these only numbers are made
                return node
            case Choice(items):
                return Choice(tuple(map(self._value, items)))
            case Repeat(item, low, high):
                return Repeat(self._value(item), low, high)
            case Members():
                return self._members(node)
            case Distinct():
                raise _unheld("uniqueItems cannot be enforced")
        raise _unheld(f"what becomes of the schema ({type(node).__name__}) cannot be written")

    def _literal(self, data: bytes) -> Node:
        """A declared string between marks; other literals of JSON are what they are."""
        if not data.startswith(b'"'):
            return Bytes(data)
        text = json.loads(data)
        if self._quote in text or not _is_utf8(text):
            return Choice(())
        return Seq((self._mark, Bytes(text.encode()), self._mark))

    def _open_key(self, node: Node) -> Node:
        """What stands before a colon."""
        match node:
            case Bytes(data):
                return Bytes(_declared(data))
            case Ref(name):
                return self._open_key(self._given[name])
            case JsonString(content):
                return And((content, self._key))
        raise TypeError(f"{node!r} is no key")

    def _members(self, node: Members) -> Node:
        """An object with its keys sorted; where keys are open, written out as rules, one for each key."""
        keys = [_declared(key) for key in node.keys]
        order = sorted(range(len(keys)), key=lambda index: _place(keys[index].decode()))
        values = [self._behind_colon(value) for value in node.values]
        if not node.rest:
            return Members(
                node.begin, tuple([keys[i] + b":" for i in order]), tuple([values[i] for i in order]),
                frozenset([place for place, i in enumerate(order) if i in node.required]), (),
                node.separator, node.end, node.empty, False, node.low, node.high,
            )  # fmt: skip
        if node.low > max(1, len(node.required)) or node.high is not None:
            raise _unheld("minProperties and maxProperties cannot be enforced where keys are open")
        entries = [Seq((self._open_key(key), _COLON, self._behind_colon(value))) for key, value in node.rest]
        others = Choice(tuple(entries))
        more = Repeat(Seq((node.separator, others)))
        ends: dict[bool, Node] = {
            True: Seq((more, node.end)), False: Choice((Seq((others, more, node.end)), node.empty or Choice(()))),
        }  # fmt: skip
        for i in reversed(order):
            ends = {begun: self._named(self._member(node, keys[i], values[i], begun, ends, i)) for begun in ends}
        return Seq((node.begin, ends[False]))

    def _member(
        self, node: Members, key: bytes, value: Node, begun: bool, following: Mapping[bool, Node], index: int
    ) -> Node:
        """What follows where a key may stand: it, with a comma where another has `begun`, or what comes behind it."""
        entry = Seq((*((node.separator,) if begun else ()), Bytes(key + b":"), value, following[True]))
        return entry if index in node.required else Choice((entry, following[begun]))

    def _named(self, node: Node) -> Ref:
        name = f"bare~{next(self._numbers)}"
        self._made[name] = node
        return Ref(name)

    def _behind_colon(self, value: Node) -> Node:
        """The value of a member, which is written as a colon and what follows."""
        assert isinstance(value, Seq)
        assert value.items[0] == _COLON
        return Seq(tuple(map(self._value, value.items[1:])))


def _declared(data: bytes) -> bytes:
    """A declared key without its quotes; raises `UnsupportedFeature` unless it can be told from what is around it."""
    key = json.loads(data)
    if not re.fullmatch(KEY, key):
        raise _unheld(f"the key {json.dumps(key, ensure_ascii=False)} cannot be written")
    return str(key).encode()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unheld(what: str) -> UnsupportedFeature:
    return UnsupportedFeature(f"{what} in the model's own format of calls, which has no quotes around keys")
