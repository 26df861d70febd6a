"""Any JSON value: the shared rules for what a schema says nothing about.

Place in the walk: an open `{}` of a schema -> **rules**, the same few for the whole grammar. Strings in any spelling,
numbers as JSON spells them (with the limits of `numbers`), arrays and objects without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from grammars.frontends.json_schema.chains import END, begin_of_members
from grammars.frontends.json_schema.decimals import shortened
from grammars.frontends.json_schema.numbers import integer, number
from grammars.frontends.json_schema.parts import ALL, INTEGER, NUMBER, STRING
from grammars.frontends.json_schema.productive import references
from grammars.frontends.json_schema.strings import ANY_TEXT
from grammars.frontends.json_schema.whitespace import Layout
from grammars.ir import Bytes, Choice, JsonString, Node, Ref, Repeat, Sequence, Shared

__all__ = ["ANY", "ANY_OF_TYPES", "any_value_rules"]

ANY = "any value"

ANY_OF_TYPES = {ALL: ANY, STRING: "any string", NUMBER: "any number", INTEGER: "any integer"}
"""The shared rules that stand for a whole subschema, by its types."""


@cache
def any_value_rules(layout: Layout, starts: tuple[str, ...] = (ANY,)) -> Shared:
    """The rules that `starts` need, among `any value` and one for each type of JSON, and what stands between tokens.

    With a fixed indent only strings and numbers can be had: the depth of a value of any kind is not known.
    """
    rules = _rules(layout)
    starts = (*[name for name, _ in layout.rules], *starts)
    found = {start: rules[start] for start in starts}
    pending = [*starts]
    while pending:
        for name in references(found[pending.pop()]):
            if name in rules and name not in found:
                found[name] = rules[name]
                pending.append(name)
    return Shared(found, starts, tuple([(begin_of_members(layout), end) for end in (None, END)]))


@cache
def _rules(layout: Layout) -> Mapping[str, Node]:
    """All of them, each one object: what is known of a rule holds in every grammar that has it."""
    string, value = Ref("any string"), Ref(ANY)
    return {
        **dict(layout.rules),
        ANY: Choice(
            (
                Ref("any object"),
                Ref("any array"),
                string,
                Ref("any number"),
                Bytes(b"true"),
                Bytes(b"false"),
                Bytes(b"null"),
            )
        ),
        "any object": _container(layout, b"{}", (string, *layout.colon(), value)),
        "any array": _container(layout, b"[]", (value,)),
        "any string": JsonString(ANY_TEXT),
        "any number": shortened(number(), layout.digits),
        "any integer": shortened(integer(zero_fraction=layout.zero_fraction), layout.digits),
    }


def _container(layout: Layout, brackets: bytes, member: tuple[Node, ...]) -> Node:
    more = Repeat(Sequence((*layout.comma(0), *member)))
    full = (*layout.opening(brackets[:1], 0), *member, more, *layout.closing(brackets[1:], 0))
    return Choice((Sequence(layout.empty(brackets)), Sequence(full)))
