"""parse_structural_tag: free text with constrained parts, as xgrammar's JSON says it, to a Grammar.

Place in the walk: a structural tag as JSON -> **Grammar** -> ByteAutomaton. It is what serving engines take as
`response_format={"type": "structural_tag", ...}`; the older form with `structures` and `triggers` is read as well.

| format                                  | its texts                                                               |
|-----------------------------------------|-------------------------------------------------------------------------|
| `const_string`, `regex`, `grammar`      | the text; the regex's (ECMA-262); the grammar's (GBNF, EBNF or Lark)    |
| `json_schema`                           | the schema's, of style json; `any_order`: the keys in any order         |
| `any_text`                              | any text without `excludes`, of at most `max_chars` characters and      |
|                                         | `max_tokens` tokens                                                     |
| `token`                                 | the special token of that name or number                                |
| `sequence`, `or`                        | `elements` one after the other, one of them                             |
| `optional`, `star`, `plus`, `repeat`    | counts of `content`, with `min` and `max`, -1 for no upper bound        |
| `tag`                                   | `begin`, `content`, and the `end` or one of several                     |
| `triggered_tags`                        | free text in which each trigger, where it is first complete, begins one |
|                                         | of the tags; `at_least_one`: a tag first; `stop_after_first`: none more |
| `dispatch`                              | the same with a format behind each pattern; `loop`: more than one       |
| `tags_with_separator`                   | tags with the separator between them                                    |

Free text of `any_text` and `triggered_tags` in a tag has none of its ends, which is how it is known to be over; of tags
inside one another the innermost counts. `dispatch` has `excludes` for that. Refused with their place: what is
said of any tokens, and JSON in the XML dialects of single models.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from typing import Unpack

from grammars.errors import InvalidGrammar, LimitExceeded
from grammars.frontends.json_schema.source import read_json, show
from grammars.frontends.phrases import tagged, without
from grammars.frontends.regex_syntax import MAX_DEPTH
from grammars.frontends.schema_options import SchemaOptions
from grammars.frontends.tag_place import Place
from grammars.ir import EPSILON, AtMostTokens, Choice, Grammar, Length, Node, Repeat, Sequence, SpecialToken
from grammars.ir import text as text_node

__all__ = ["parse_structural_tag"]

_TOKENS = "free text has no special tokens: any_text, triggered_tags and dispatch are by characters"
_REFUSED = {
    "exclude_token": _TOKENS,
    "any_tokens": _TOKENS,
    "token_triggered_tags": _TOKENS,
    "token_dispatch": _TOKENS,
    "qwen_xml_parameter": "write the parts between the values as const_string, and the values as json_schema or regex",
}


def parse_structural_tag(tag: Mapping[str, object] | str, **options: Unpack[SchemaOptions]) -> Grammar:
    """The grammar of a structural tag, a dict or JSON text; the options are those of all its schemas.

    Raises `InvalidGrammar` for what is no structural tag, `UnsupportedFeature` for what cannot be enforced exactly,
    `LimitExceeded` beyond 64 formats inside one another, each with the JSON pointer.

    >>> parse_structural_tag('{"type": "structural_tag", "format": {"type": "const_string", "value": "a"}}').rules
    {'start': Bytes(data=b'a')}
    """
    value: object = tag
    if isinstance(tag, str):
        try:
            value = read_json(tag)
        except InvalidGrammar as error:
            error.hint = None  # it is about schemas
            raise
    rules: dict[str, Node] = {}
    whole = Place(value, "", rules, options)
    if not isinstance(value, Mapping) or value.get("type") != "structural_tag":
        hint = 'write {"type": "structural_tag", "format": {"type": "tag", ...}}'
        raise whole.invalid("this is no structural tag", hint=hint)
    if "structures" in value:
        whole.fields("type", "structures", "triggers")
        tags = [(place, _structure(place)) for place in whole.get("structures").items()]
        node = _triggered(whole, tags, leads=False, once=False, excludes=[])
    else:
        whole.fields("type", "format")
        node = _format(whole.get("format"))
    return Grammar({"start": node, **rules})


def _format(place: Place) -> Node:
    """The node of a format, by its type."""
    if place.depth == MAX_DEPTH:
        raise LimitExceeded(f"more than {MAX_DEPTH} formats inside one another", pointer=place.pointer)
    place = replace(place, depth=place.depth + 1)
    if not isinstance(place.value, Mapping):
        raise place.invalid(f"a format is needed here, not {show(place.value)}")
    kind = place.get("type").text()
    if kind in _REFUSED:
        raise place.unsupported(f"the format {kind}", _REFUSED[kind])
    if kind not in _FORMATS:
        near = difflib.get_close_matches(kind, _FORMATS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"formats: {', '.join(_FORMATS)}"
        raise place.get("type").invalid(f"there is no format {show(kind)}", hint=hint)
    fields, node = _FORMATS[kind]
    place.fields("type", *fields)
    return node(place)


def _const_string(place: Place) -> Node:
    return text_node(place.get("value").text())


def _regex(place: Place) -> Node:
    from grammars.frontends.regex import parse_regex

    pattern = place.get("pattern")
    with pattern.reading("regex"):
        return parse_regex(pattern.text(), flavor="ecma")


def _grammar(place: Place) -> Node:
    from grammars.frontends.gbnf import is_gbnf, parse_gbnf
    from grammars.frontends.lark import parse_lark

    grammar = place.get("grammar")
    text = grammar.text()
    with grammar.reading("grammar"):
        return place.embed(parse_gbnf(text) if is_gbnf(text) else parse_lark(text))


def _json_schema(place: Place) -> Node:
    style, limit, excludes = place.get("style", "json"), place.get("max_whitespace_cnt", -1), place.get("excludes", [])
    if style.text() != "json":
        raise style.unsupported(f"the style {style.text()}", _REFUSED["qwen_xml_parameter"])
    if limit.value != -1:
        raise limit.unsupported("max_whitespace_cnt", "whitespace= is the option for all schemas")
    if excludes.items():
        raise excludes.unsupported("excludes of a schema", "say it by pattern in the schema's strings")
    options = place.options.copy()
    if place.get("any_order", False).flag():
        options["key_order"] = "any"
    return _schema(place.get("json_schema"), options)


def _schema(place: Place, options: SchemaOptions) -> Node:
    from grammars.frontends.json_schema import parse_json_schema

    schema = place.value
    if not isinstance(schema, Mapping | bool | str):
        raise place.invalid(f"a schema is needed here, not {show(schema)}")
    with place.reading("schema"):
        return place.embed(parse_json_schema(schema, **options))


def _any_text(place: Place) -> Node:
    free = without([*place.get("excludes", []).phrases(), *place.ends])
    if place.has("max_chars"):
        free = Length(free, 0, place.get("max_chars").count())
    if place.has("max_tokens"):
        most = place.get("max_tokens").count()
        return AtMostTokens(free, most) if most else EPSILON
    return free


def _token(place: Place) -> Node:
    token = place.get("token")
    if isinstance(token.value, int):
        return SpecialToken(f"<[{token.count()}]>")
    return SpecialToken(token.text())


def _sequence(place: Place) -> Node:
    return Sequence(tuple(map(_format, place.get("elements").items())))


def _or(place: Place) -> Node:
    elements = place.get("elements")
    if not elements.items():
        raise elements.invalid("there is nothing to choose from")
    return Choice(tuple(map(_format, elements.items())))


def _repeat(place: Place) -> Node:
    low, high = place.get("min").count(), place.get("max").count(-1)
    if -1 < high < low:
        raise place.invalid(f"from {low} to {high} is no number of times")
    return Repeat(_format(place.get("content")), low, None if high < 0 else high)


def _repeated(low: int, high: int | None) -> Callable[[Place], Node]:
    return lambda place: Repeat(_format(place.get("content")), low, high)


def _tag(place: Place) -> Node:
    begin = place.get("begin")
    first = text_node(begin.text()) if isinstance(begin.value, str) else _special(begin)
    return Sequence((first, *_inside(place)))


def _inside(place: Place) -> list[Node]:
    """What is behind the beginning of a tag: its content, and one of its ends."""
    end = place.get("end")
    if isinstance(end.value, Mapping):
        return [_format(replace(place.get("content"), ends=())), _special(end)]
    ends = [end.text()] if isinstance(end.value, str) else [item.text() for item in end.items()]
    if not ends:
        raise end.invalid("a tag needs an end", hint='"end": "" is none')
    content = replace(place.get("content"), ends=tuple(text for text in ends if text))
    return [_format(content), Choice(tuple(map(text_node, ends)))]


def _special(place: Place) -> Node:
    """The beginning or end of a tag that is a token."""
    if not isinstance(place.value, Mapping) or place.value.get("type", "token") != "token":
        raise place.invalid(f"a string or a token is needed here, not {show(place.value)}")
    place.fields("type", "token")
    return _token(place)


def _structure(place: Place) -> Node:
    """A tag of the older form, whose content is a schema; behind its beginning."""
    place.fields("begin", "schema", "end")
    return Sequence((_schema(place.get("schema"), place.options), text_node(place.get("end").text())))


def _triggered_tags(place: Place) -> Node:
    tags = [(tag, Sequence(tuple(_inside(tag)))) for tag in _tags(place)]
    leads, once = place.get("at_least_one", False).flag(), place.get("stop_after_first", False).flag()
    return _triggered(place, tags, leads=leads, once=once, excludes=place.get("excludes", []).phrases())


def _tags(place: Place) -> list[Place]:
    """The tags of a format, whose type may be left out."""
    tags = place.get("tags")
    for tag in tags.items():
        if isinstance(tag.value, Mapping) and tag.value.get("type", "tag") != "tag":
            raise tag.get("type").invalid("a tag is needed here")
        tag.fields("type", *_FORMATS["tag"][0])
    if not tags.items():
        raise tags.invalid("there are no tags")
    return tags.items()


def _triggered(
    place: Place, tags: SequenceOf[tuple[Place, Node]], *, leads: bool, once: bool, excludes: list[str]
) -> Node:
    """Free text with tags in it, each given by its place and what stands behind its beginning."""
    triggers = place.get("triggers")
    behind: dict[str, list[Node]] = {trigger: [] for trigger in triggers.phrases()}
    whole = []
    for tag, inside in tags:
        begin = tag.get("begin").text()
        found = [trigger for trigger in behind if begin.startswith(trigger)]
        if len(found) != 1:
            names = " and ".join(map(repr, found)) or "no trigger"
            hint = "the trigger of a tag is what its begin begins with, and only one is"
            raise tag.get("begin").invalid(f"{begin!r} begins with {names}", hint=hint)
        behind[found[0]].append(Sequence((text_node(begin[len(found[0]) :]), inside)))
        whole.append(Sequence((text_node(begin), inside)))
    for item in triggers.items():
        if not behind[item.text()]:
            raise item.invalid("no tag begins with this trigger", hint="excludes are what free text must not have")
    rules: dict[str, Node] = {trigger: Choice(tuple(nodes)) for trigger, nodes in behind.items()}
    with place.reading("tags"):
        if not leads:
            return _dispatched(rules, [*excludes, *place.ends], loops=not once)
        first = Choice(tuple(whole))
        return first if once else Sequence((first, _dispatched(rules, [*excludes, *place.ends], loops=True)))


def _dispatch(place: Place) -> Node:
    rules: dict[str, Node] = {}
    for rule in place.get("rules").items():
        if len(rule.items()) != 2:
            raise rule.invalid("a pattern and a format are needed here")
        pattern, content = rule.items()
        if pattern.text() in rules:
            raise pattern.invalid(f"{pattern.text()!r} has a rule already")
        rules[pattern.text()] = _format(content)
    loops, excludes = place.get("loop", True).flag(), place.get("excludes", []).phrases()
    with place.reading("rules"):
        return _dispatched(rules, excludes, loops=loops)


def _dispatched(rules: dict[str, Node], excludes: list[str], *, loops: bool) -> Node:
    """Free text in which behind each phrase stands what belongs to it."""
    for phrase in rules:
        if phrase in excludes:
            raise InvalidGrammar(f"{phrase!r} begins something here, and free text must not have it or ends with it")
    if loops:
        return tagged(rules, excluded=excludes)
    one = tagged(rules, low=1, high=1, excluded=excludes, open_end=False)
    return Choice((without([*rules, *excludes]), one))


def _tags_with_separator(place: Place) -> Node:
    one = Choice(tuple(map(_tag, _tags(place))))
    separator = text_node(place.get("separator").text())
    leads, once = place.get("at_least_one", False).flag(), place.get("stop_after_first", False).flag()
    some = one if once else Sequence((one, Repeat(Sequence((separator, one)))))
    return some if leads else Repeat(some, 0, 1)


_FORMATS: dict[str, tuple[tuple[str, ...], Callable[[Place], Node]]] = {
    "const_string": (("value",), _const_string),
    "json_schema": (("json_schema", "style", "any_order", "max_whitespace_cnt", "excludes"), _json_schema),
    "regex": (("pattern",), _regex),
    "grammar": (("grammar",), _grammar),
    "any_text": (("excludes", "max_tokens", "max_chars"), _any_text),
    "token": (("token",), _token),
    "sequence": (("elements",), _sequence),
    "or": (("elements",), _or),
    "optional": (("content",), _repeated(0, 1)),
    "star": (("content",), _repeated(0, None)),
    "plus": (("content",), _repeated(1, None)),
    "repeat": (("min", "max", "content"), _repeat),
    "tag": (("begin", "content", "end"), _tag),
    "triggered_tags": (("triggers", "tags", "at_least_one", "stop_after_first", "excludes"), _triggered_tags),
    "dispatch": (("rules", "loop", "excludes"), _dispatch),
    "tags_with_separator": (("tags", "separator", "at_least_one", "stop_after_first"), _tags_with_separator),
}
"""The fields of each format besides its type, and its node."""
