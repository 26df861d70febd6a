"""Language: what is wanted, as a value that is put together from others.

Place in the walk: a user's schemas, regexes, grammars and texts -> **one Grammar**, for `grammar=`. Each part is read
when it is written down, so that its errors come at once; nothing is compiled here.

    gcd.regex(r"[a-z]+") & ~gcd.regex("if|else")            # names that are no keywords
    "<think>" + gcd.until("</think>") + gcd.schema(Answer)   # free text, then JSON
    gcd.tags({"<tool>": gcd.schema(Call) + "</tool>"})       # free text with calls in it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Unpack

from grammars.errors import InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.ir import (
    And,
    AtMostTokens,
    Choice,
    Distinct,
    Grammar,
    JsonString,
    Length,
    Members,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
)
from grammars.ir import text as text_node

if TYPE_CHECKING:
    from grammars.frontends.regex_sets import Flavor
    from grammars.frontends.schema_options import SchemaOptions

__all__ = [
    "Language", "capture", "choices", "containing", "gbnf", "lark", "literal", "regex", "schema", "special",
    "structural_tag", "substring", "tags", "until", "without",
]  # fmt: skip

MAX_SIZE = 100_000
MAX_DEPTH = 150
"""Of what is complemented or intersected, with its rules written out."""

_numbers = count(1)
_REGULAR = "it is for regexes, choices, phrases and grammars without recursion; a schema has allOf, not and pattern"


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """A set of texts; `a + b` is concatenation, `a | b` choice, `a & b` both, `~a` all other texts; a str is itself.

    `&` and `~` are for what is regular: regexes, choices, phrases, grammars without recursion, and what `+`, `|` and
    `times` make of these; of others they raise `UnsupportedFeature`.

    >>> (gcd.regex("[ab]") + "!").times(2, 3)
    """

    node: Node = field(repr=False)
    rules: Mapping[str, Node] = field(default_factory=dict, repr=False)

    @property
    def grammar(self) -> Grammar:
        """All of it as one grammar."""
        return Grammar({"start": self.node, **self.rules})

    def times(self, low: int = 0, high: int | None = None, *, separator: Language | str | None = None) -> Language:
        """From `low` to `high` of its texts, one after the other, with the separator between them."""
        if low < 0 or (high is not None and high < low):
            raise InvalidGrammar(f"from {low} to {high} is no number of copies")
        if separator is None:
            return Language(Repeat(self.node, low, high), self.rules)
        if high == 0:
            return literal("")
        more = (_language(separator) + self).times(max(low - 1, 0), None if high is None else high - 1)
        return self + more if low else (self + more).optional()

    def optional(self) -> Language:
        """Its texts and the empty one."""
        return self.times(0, 1)

    def __add__(self, other: Language | str) -> Language:
        return _joined(Sequence, self, other)

    def __radd__(self, other: str) -> Language:
        return _joined(Sequence, other, self)

    def __or__(self, other: Language | str) -> Language:
        return _joined(Choice, self, other)

    def __ror__(self, other: str) -> Language:
        return _joined(Choice, other, self)

    def __and__(self, other: Language | str) -> Language:
        return _regular("&", _joined(And, self, other))

    def __rand__(self, other: str) -> Language:
        return _regular("&", _joined(And, other, self))

    def __invert__(self) -> Language:
        return _regular("~", Language(Not(self.node), self.rules))


Part: TypeAlias = Language | str


def literal(text: str) -> Language:
    """That text alone."""
    return Language(text_node(_encodable(text)))


def special(name: str) -> Language:
    """The special token of that name, which is one token and no text: `special("<|tool|>")`."""
    return Language(SpecialToken(name))


def regex(pattern: str, *, search: bool = False, flavor: Flavor = "python") -> Language:
    """The texts that a regex matches as a whole; with `search`, those in which it matches somewhere.

    >>> gcd.regex("[a-z]+") & ~gcd.regex("if|else")
    """
    from grammars.frontends.regex import parse_regex

    return Language(parse_regex(pattern, search=search, flavor=flavor))


def capture(name: str, part: Language | str) -> Language:
    """The same texts; what each of them is in a finished text is found in `Generation.captures` under the name.

    >>> "I am from " + gcd.capture("city", gcd.regex("[A-Z][a-z]+")) + "."
    """
    from grammars.captures import captured_as

    rule = f"{next(_numbers)}/{name}[capture={name}]"
    if captured_as(rule) != name:
        raise InvalidGrammar(f"{name!r} is no name of a capture", hint="a name is a text without brackets")
    language = _language(part)
    return Language(Ref(rule), {rule: language.node, **language.rules})


def choices(texts: SequenceOf[str]) -> Language:
    """One of the texts."""
    from grammars.frontends.choices import parse_choices

    return Language(parse_choices(texts).rules["start"])


def schema(wanted: object, **options: Unpack[SchemaOptions]) -> Language:
    """The JSON texts of a schema or of a Python type, as `schema=` takes them, with its options."""
    from gcd.parse import parse_wanted

    return _embedded(parse_wanted(schema=wanted, **options).to_grammar())


def lark(
    text: str | Path, *, start: str = "start", import_root: Path | None = None, rules: Mapping[str, Part] | None = None
) -> Language:
    """The texts of a Lark grammar; `rules` are others, named as the grammar calls them.

    `import_root` is the folder under which `%import` may read files.

    >>> gcd.lark('start: "call " person', rules={"person": gcd.schema(Person)})
    """
    from grammars.frontends.lark import parse_lark

    return _embedded(parse_lark(_read(text), start=start, import_root=import_root, given=_given(rules)))


def gbnf(text: str | Path, *, start: str = "root", rules: Mapping[str, Part] | None = None) -> Language:
    """The texts of a grammar in GBNF or EBNF; `rules` are others, named as the grammar calls them."""
    from grammars.frontends.gbnf import parse_gbnf

    return _embedded(parse_gbnf(_read(text), start=start, given=_given(rules)))


def structural_tag(tag: Mapping[str, object] | str | Path, **options: Unpack[SchemaOptions]) -> Language:
    """Free text with constrained parts as xgrammar's JSON says it: what engines take as `response_format`.

    The options are those of all schemas in it.

    >>> gcd.structural_tag({"type": "structural_tag", "format": {"type": "any_text", "excludes": ["<"]}})
    """
    from grammars.frontends.structural_tag import parse_structural_tag

    return _embedded(parse_structural_tag(_read(tag) if isinstance(tag, Path) else tag, **options))


def substring(document: str | SequenceOf[str]) -> Language:
    """Whatever stands in a document without a gap: of a str any run of characters, of chunks any run of whole ones."""
    from grammars.frontends.substring import parse_substring

    grammar = parse_substring(document, prefix=f"{next(_numbers)}/")
    return Language(Ref(grammar.start), grammar.rules)


def containing(*phrases: str) -> Language:
    """Any text in which each of the phrases occurs."""
    from grammars.frontends.phrases import containing as texts

    return Language(texts(phrases))


def without(*phrases: str) -> Language:
    """Any text, the empty one too, in which none of the phrases occurs."""
    from grammars.frontends.phrases import without as texts

    return Language(texts(phrases))


def until(*stops: str) -> Language:
    """Any text up to the first of the stops, which ends it."""
    from grammars.frontends.phrases import until as texts

    return Language(texts(stops))


def tags(
    sections: Mapping[str, Part], *, at_least: int = 0, at_most: int | None = None, excluding: SequenceOf[str] = ()
) -> Language:
    """Free text in which behind each tag stands what belongs to it, then free text again, with any number of tags.

    Free text has none of the tags and none of the `excluding` phrases.

    >>> gcd.tags({"<tool>": gcd.schema(Call) + "</tool>"}, at_least=1)
    """
    from grammars.frontends.phrases import tagged

    parts = {tag: _language(part) for tag, part in sections.items()}
    node = tagged({tag: part.node for tag, part in parts.items()}, low=at_least, high=at_most, excluded=excluding)
    return Language(node, _united(parts.values()))


def _language(part: object) -> Language:
    if isinstance(part, Language):
        return part
    if isinstance(part, str):
        return literal(part)
    raise TypeError(f"a part of a language is a str or another language, not {type(part).__name__}")


def _joined(kind: type[Sequence] | type[Choice] | type[And], *parts: Part) -> Language:
    """The parts under one node, without others of its kind in it."""
    languages = [_language(part) for part in parts]
    items: list[Node] = []
    for language in languages:
        node = language.node
        items += node.items if isinstance(node, Sequence | Choice | And) and type(node) is kind else [node]
    return Language(kind(tuple(items)), _united(languages))


def _regular(operator: str, language: Language) -> Language:
    """The language, which is regular; raises `UnsupportedFeature` for the parts that are not, and `LimitExceeded`.

    The compiler writes out the rules of what is complemented and intersected.
    """
    sizes: dict[str, tuple[int, int]] = {}
    inside: set[str] = set()

    def measure(node: Node, depth: int) -> tuple[int, int]:
        """How many nodes there are with all rules written out, and how deep they are nested."""
        match node:
            case Ref(name):
                if name in inside:
                    raise UnsupportedFeature(f"{operator} of a recursive grammar is not supported", hint=_REGULAR)
                if name not in sizes:
                    inside.add(name)
                    sizes[name] = measure(language.rules[name], depth + 1)
                    inside.remove(name)
                return sizes[name]
            case Sequence() | Choice() | And():
                parts = node.items
            case Repeat(item) | Length(item) | Not(item):
                parts = (item,)
            case JsonString() | Members() | Distinct() | SpecialToken() | AtMostTokens():
                named = {SpecialToken: "a special token", AtMostTokens: "what has a limit in tokens"}
                what = named.get(type(node), "JSON strings and objects")
                raise UnsupportedFeature(f"{operator} of {what} is not supported", hint=_REGULAR)
            case _:
                return 1, 1
        found = [measure(part, depth + 1) for part in parts] if depth < MAX_DEPTH else [(0, MAX_DEPTH)]
        size, deepest = 1 + sum(size for size, _ in found), 1 + max((deep for _, deep in found), default=0)
        if size > MAX_SIZE or deepest > MAX_DEPTH:
            raise LimitExceeded(
                f"{operator} of a grammar of over {MAX_SIZE:,} parts or {MAX_DEPTH} levels, its rules written out"
            )
        return size, deepest

    measure(language.node, 0)
    return language


def _united(languages: Iterable[Language]) -> dict[str, Node]:
    return {name: node for language in languages for name, node in language.rules.items()}


def _embedded(grammar: Grammar) -> Language:
    """A grammar under names of its own, so that it may stand beside any other."""
    from grammars.frontends.embed import embed

    rules: dict[str, Node] = {}
    return Language(embed(grammar, rules, f"{next(_numbers)}"), rules)


def _given(rules: Mapping[str, Part] | None) -> dict[str, Grammar]:
    return {name: _language(part).grammar for name, part in (rules or {}).items()}


def _read(source: str | Path) -> str:
    from gcd.parse import text_of

    return text_of("grammar", source)


def _encodable(text: str) -> str:
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise InvalidGrammar(f"{text!r} has a lone surrogate, which no text holds")
    return text
