"""Reason: why one of two mask engines allows a token that the other forbids, and whose mask is right.

    judge.finding(GCD, place, data=rb' \\/', read=2)
    # Finding("the escape `\\/`", "gcd", "its text is valid: both validators")

Nothing is guessed. A token parts the engines at its first byte that one of them does not read. It is completed by the
engine that allows it, and then something is changed until the other one reads on:

1. the spelling of the character, number or whitespace at that byte, with the value left as it is (but for digits that
   are too many);
2. the schema, with one keyword taken out of it, or regular expressions written out as ECMA-262 reads them.

What had to be changed is the reason; where nothing helps, the reason is `UNEXPLAINED`. The engine that allows a token
is right when its completion parses and validates: by `gcd.validate`, which is jsonschema with exact decimals and with
this library's formats and regular expressions (ECMA-262's), and by jsonschema alone, whose verdict is told apart.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import jsonschema
from jsonschema.validators import validator_for

from gcd.errors import ValidationFailed
from gcd.validate import validate
from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.errors import GrammarError
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.json_schema.decimals import DIGITS
from tokenizer_align.constraint import Constraint, State

GCD, LLGUIDANCE = "gcd", "llguidance"
UNEXPLAINED = "unexplained"
A_BUG = "a bug: the mask of gcd is not that of its slow twin"
OPTIONS = {"json_allow_general_unicode_escapes": True}
"""What brings llguidance nearest to JSON: without it `\\u00e9` is refused."""
WHITESPACE = {
    "json": {"whitespace_pattern": r"[\x20\x0A\x0D\x09]+"},
    "bounded": {"whitespace_pattern": r"[\x20\x0A\x0D\x09]{1,32}"},
    "compact": {"whitespace_flexible": False},
}
"""llguidance's options for each of this library's ways to write whitespace."""
LONGEST = 4000  # bytes of a completion, beyond the text so far

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.0-9eE]+|[a-z]+|[ \t\n\r]+|[][{}:,]', re.DOTALL)
CHARACTER = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]+"
)

Schema = Mapping[str, Any] | bool


# -- the other engine --------------------------------------------------------------------------------------------------


class Peer:
    """llguidance with one-byte tokens at hand: the bytes that it reads, and texts that it completes."""

    def __init__(self, engine: Any, tokens: list[bytes], whitespace: str) -> None:
        self.engine, self.options = engine, OPTIONS | WHITESPACE[whitespace]
        self.bytes = {data[0]: token for token, data in enumerate(tokens) if len(data) == 1}

    def matcher(self, schema: Schema, *, forcing: bool) -> Any:
        """Its matcher, with `forcing` the default one; raises ValueError for what it refuses.

        Forcing: where the text can go on in one way only, the mask holds nothing but the first token of the tokenizer's
        own spelling of it.
        """
        if forcing:
            grammar = self.engine.matcher.grammar_from_json_schema(schema, overrides=self.options)
        else:
            within = {**(schema if isinstance(schema, dict) else {"allOf": [schema]}), "x-guidance": self.options}
            grammar = '%llguidance {"no_forcing": true}\nstart: %json ' + json.dumps(within)
        matcher = self.engine.matcher(self.engine.tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return matcher

    def reads(self, matcher: Any, data: bytes) -> int:
        """How many of the bytes may come next."""
        read: int = matcher.validate_tokens([self.bytes[byte] for byte in data])
        return read

    def complete(self, matcher: Any, data: bytes) -> bytes | None:
        """A text that goes on with the bytes; None when none is found, by closing soon and, later, by chance."""
        for attempt in range(6):
            rng, at, text = random.Random(attempt), matcher.deep_copy(), bytearray(data)
            if not at.consume_tokens([self.bytes[byte] for byte in data]):
                return None
            while not at.is_accepting() and len(text) < LONGEST // 10:
                row = self.engine.mask(at)
                allowed = [byte for byte, token in self.bytes.items() if int(row[token >> 5]) >> (token & 31) & 1]
                if not allowed:
                    break
                closing = [byte for byte in b'"}]:0' if byte in allowed]
                byte = closing[0] if closing and rng.random() >= attempt / 10 else rng.choice(allowed)
                at.consume_token(self.bytes[byte])
                text.append(byte)
            if at.is_accepting():
                return bytes(text)
        return None


# -- spellings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spelled:
    """A part of a JSON text that could be spelled otherwise: what it is, where it stands, its other spellings."""

    kind: str
    start: int
    end: int
    others: tuple[bytes, ...]


def spelled(text: bytes, offset: int) -> Spelled | None:
    r"""The character, number or whitespace of a JSON text in which the byte at `offset` stands.

    >>> spelled(rb'["\/"]', 3)
    Spelled(kind='the escape `\\/`', start=2, end=4, others=(b'/', b'\\u002f'))
    """
    token = next((found for found in TOKEN.finditer(text) if found.start() <= offset < found.end()), None)
    if token is None:
        return None
    data = token.group()
    if data.isspace():
        return Spelled("whitespace", token.start(), token.end(), (b"",))
    if data[:1] in b"-0123456789":
        return _spelled_number(data, token.start())
    if data[:1] != b'"':
        return None
    inside = CHARACTER.finditer(text, token.start() + 1, token.end() - 1)
    found = next((found for found in inside if found.start() <= offset < found.end()), None)
    return None if found is None else _spelled_character(found.group(), found.start())


def _spelled_number(data: bytes, start: int) -> Spelled | None:
    value = Decimal(data.decode())
    if math.isinf(float(value)) or (not float(value) and value):
        return Spelled("a number beyond the range of doubles", start, start + len(data), ())
    cut = re.sub(rb"([0-9]{%d})[0-9]+" % DIGITS, rb"\1", data)
    if cut != data:
        return Spelled(f"a number with more than {DIGITS} digits in a row", start, start + len(data), (cut,))
    plain = format(value, "f")
    short = (plain.rstrip("0").rstrip(".") if "." in plain else plain).encode()
    whole = short if b"." in short else short + b".0"
    sign, digits, _ = value.as_tuple()
    fraction = "".join(map(str, digits[1 : 1 + DIGITS])) or 0  # cut as well, where there are more
    scientific = f"{'-' * sign}{digits[0]}.{fraction}e{value.adjusted()}".encode()
    others = dict.fromkeys((short, whole, plain.encode(), scientific))
    kind = "a number with an exponent" if b"e" in data.lower() else "a number with other digits"
    return Spelled(kind, start, start + len(data), tuple(other for other in others if other != data))


def _spelled_character(data: bytes, start: int) -> Spelled:
    character = json.loads(b'"' + data + b'"', strict=False)
    raw = character.encode("utf-8", "surrogatepass")
    escaped = json.dumps(character)[1:-1].encode()
    hexadecimal = "".join(f"\\u{ord(unit):04x}" for unit in character).encode()
    others = dict.fromkeys((*((raw,) if character not in '"\\' and character >= " " else ()), escaped, hexadecimal))
    kind = f"U+{ord(character[0]):04X} as itself"
    if data[:1] == b"\\":
        kind = "a character as `\\uXXXX`" if data[1:2] == b"u" else f"the escape `{data.decode()}`"
    return Spelled(kind, start, start + len(data), tuple(other for other in others if other != data))


# -- schemas with something changed ------------------------------------------------------------------------------------

NAMES = {"properties", "patternProperties", "$defs", "definitions", "dependencies", "dependentSchemas"}
VALUES = {"enum", "const", "default", "examples"}
DIALECT = "regular expressions read as in ECMA-262"


def without(schema: Any, *keywords: str) -> Any:
    """The schema with some keywords taken out, wherever subschemas stand."""
    return _changed(schema, lambda each: {name: each[name] for name in each if name not in keywords})


def _changed(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(schema, list):
        return [_changed(each, change) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {}
    for name, value in change(schema).items():
        if name in NAMES and isinstance(value, dict):
            changed[name] = {key: _changed(each, change) for key, each in value.items()}
        else:
            changed[name] = value if name in VALUES else _changed(value, change)
    return changed


def _alone(schema: dict[str, Any]) -> dict[str, Any]:
    return {"$ref": schema["$ref"]} if isinstance(schema.get("$ref"), str) else schema


def _ecma(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"pattern": ecma(schema["pattern"])} if isinstance(schema.get("pattern"), str) else schema


SPACES = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


def ecma(pattern: str) -> str:
    r"""A regular expression with `.`, `\s` and `\S` written out as ECMA-262 defines them.

    >>> ecma(r"[.]\..")
    '[.]\\.[^\n\r\u2028\u2029]'
    """
    written, within = "", False
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part in ("[", "]"):
            within = part == "["
        if part == r"\s":
            written += SPACES if within else f"[{SPACES}]"
        elif part == r"\S" and not within:
            written += f"[^{SPACES}]"
        elif part == "." and not within:
            written += "[^\n\r\u2028\u2029]"
        else:
            written += part
    return written


CHANGES: dict[str, Callable[[Any], Any]] = {
    DIALECT: lambda schema: _changed(schema, _ecma),
    "keywords beside `$ref`": lambda schema: _changed(schema, _alone),
    **{
        " and ".join(f"`{name}`" for name in names): lambda schema, names=names: without(schema, *names)
        for names in (
            ("format",), ("pattern",), ("minLength", "maxLength"), ("multipleOf",),
            ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), ("minItems", "maxItems"),
            ("minProperties", "maxProperties"), ("patternProperties",), ("propertyNames",), ("required",),
            ("additionalProperties",), ("enum", "const"), ("oneOf",), ("anyOf",), ("allOf",), ("not",),
            ("if", "then", "else"), ("items", "prefixItems", "additionalItems"), ("uniqueItems",), ("properties",),
        )
    },
}  # fmt: skip
"""What is changed in a schema, in this order; the first change after which the other engine reads on is the reason."""


# -- judgement ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a token is in one mask only, who is right about it, and by which check."""

    reason: str
    right: str
    check: str


@dataclass(slots=True)
class Place:
    """One text so far, in this library and in llguidance with and without forcing."""

    text: bytes
    state: Any
    forcing: Any
    matcher: Any


@dataclass
class Judge:
    """One schema in both engines; what is changed in it is compiled when it is asked for."""

    schema: Schema
    constraint: Constraint
    peer: Peer
    matcher: Any  # of llguidance, without forcing, at the start
    whitespace: str
    _changed: dict[tuple[str, str], Any] = field(default_factory=dict)

    def parting(self, side: str, place: Place, *, data: bytes) -> int:
        """How many bytes of a token the engine reads that does not allow it."""
        if side == GCD:
            return self.peer.reads(place.matcher, data)
        read = 0
        while read < len(data) and self.behind(place.state, data[: read + 1]) is not None:
            read += 1
        return read

    def behind(self, state: State, data: bytes) -> State | None:
        """The state behind some bytes; None when they may not come."""
        after: State | None = state
        for byte in data:
            after = None if after is None else self.constraint.try_advance(after, self.peer.bytes[byte])
        return after

    def finding(self, side: str, place: Place, *, data: bytes, read: int) -> Finding:
        """Why the token with the bytes `data` is in the mask of `side` only; the other engine reads `read` of them."""
        text = place.text
        other = LLGUIDANCE if side == GCD else GCD
        twin = self.constraint.automaton.explain(text + data)
        if (twin.offset == len(text + data)) is not (side == GCD):
            return Finding(A_BUG, LLGUIDANCE, "`explain`")
        if read == len(data):
            return Finding(f"the mask of {other} lacks a token whose bytes it reads", side, "the engine's own machine")
        whole = self._complete(side, place, data)
        if whole is None:
            return Finding(UNEXPLAINED, "?", f"{side} does not complete it within {LONGEST} bytes")
        if side == GCD and not self.constraint.automaton.accepts(whole):
            return Finding(A_BUG, LLGUIDANCE, "`accepts`")
        return Finding(self._reason(other, whole, len(text) + read), *self._verdict(side, other, whole))

    def _complete(self, side: str, place: Place, data: bytes) -> bytes | None:
        """A whole text of the engine that goes on behind the place with the bytes; None when none is found."""
        if side == LLGUIDANCE:
            end = self.peer.complete(place.matcher, data)
            return None if end is None else place.text + end
        state, written = self.behind(place.state, data), bytearray(place.text + data)
        assert state is not None
        while not self.constraint.is_accepting(state):
            token = next(tokens_in(self.constraint.mask(state, self.constraint.min_tokens_to_end(state) + 1)))
            written += self.constraint.vocabulary.tokens[token]
            state = self.constraint.advance(state, token)
            if len(written) > len(place.text) + LONGEST:
                return None
        return bytes(written)

    def _reason(self, other: str, whole: bytes, offset: int) -> str:
        """What has to be changed so that the other engine reads on at the offset of a whole text."""
        part = spelled(whole, offset)
        if part is not None:
            if not part.others:
                return part.kind
            for spelling in part.others:
                again = whole[: part.start] + spelling + whole[part.end : part.end + 1]
                if self._reads(other, "", again):
                    return part.kind
        if (
            other == GCD
            and self._compiled(LLGUIDANCE, DIALECT)
            and not self._reads(LLGUIDANCE, DIALECT, whole[: offset + 1])
        ):
            return DIALECT
        for name in CHANGES:
            if self._reads(other, name, whole[: offset + 1]):
                return name
        return UNEXPLAINED

    def _reads(self, engine: str, change: str, data: bytes) -> bool:
        """Whether an engine reads a text, with the schema changed so."""
        compiled = self._compiled(engine, change)
        if compiled is None:
            return False
        if isinstance(compiled, ByteAutomaton):
            return compiled.explain(data).offset == len(data)
        return self.peer.reads(compiled, data) == len(data)

    def _compiled(self, engine: str, change: str) -> Any:
        """The changed schema in an engine; None when nothing is changed or the engine refuses it."""
        key = engine, change
        if key not in self._changed:
            self._changed[key] = self._compile(engine, change)
        return self._changed[key]

    def _compile(self, engine: str, change: str) -> Any:
        schema = CHANGES[change](self.schema) if change else self.schema
        if change and schema == self.schema:
            return None
        try:
            if engine == LLGUIDANCE:
                return self.peer.matcher(schema, forcing=False)
            return compile_grammar(parse_json_schema(schema, whitespace=self.whitespace))
        except (GrammarError, ValueError):
            return None

    def _verdict(self, side: str, other: str, whole: bytes) -> tuple[str, str]:
        """Who is right, and by which check of a text that one engine allows and the other does not."""
        text = whole.decode("utf-8", "surrogatepass")
        plain, exact = self._passes_jsonschema(text), self._passes(text)
        which = "both validators" if plain is exact else "gcd.validate" if plain is None else "gcd.validate alone"
        return (side, f"its text is valid: {which}") if exact else (other, f"its text is not valid: {which}")

    def _passes(self, text: str) -> bool:
        try:
            validate(text, self.schema)
        except ValidationFailed:
            return False
        return True

    def _passes_jsonschema(self, text: str) -> bool | None:
        """None where jsonschema has no answer: a regular expression that is none in Python, or no JSON."""
        try:
            passes: bool = self._validator.is_valid(json.loads(text))
        except Exception:  # whatever a format's own checker raises, too
            return None
        return passes

    @cached_property
    def _validator(self) -> Any:
        kind = validator_for(self.schema, default=jsonschema.Draft202012Validator)
        return kind(self.schema, format_checker=kind.FORMAT_CHECKER)


def tokens_in(row: Any) -> Iterator[int]:
    """The tokens of a bitmask, ascending."""
    for word in row.nonzero()[0]:
        bits = int(row[word]) & 0xFFFFFFFF
        while bits:
            low = bits & -bits
            yield 32 * int(word) + low.bit_length() - 1
            bits ^= low
