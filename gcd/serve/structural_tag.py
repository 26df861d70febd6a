"""Structural tags: free text with constrained parts behind tags, as vLLM, SGLang and xgrammar write them -> Language.

Place in the walk: beside `gcd.serve.wanted`; `gcd.tags` and its like do the work. Both forms are read: the old one
(`structures` and `triggers`), and the one of formats, of which these are known:

| type                  | fields                                                  | its texts                          |
|-----------------------|---------------------------------------------------------|------------------------------------|
| `const_string`        | `value`                                                 | that one                           |
| `json_schema`         | `json_schema`                                           | JSON                               |
| `regex`               | `pattern`                                               | what matches as a whole            |
| `grammar`             | `grammar`                                               | of a grammar, as `guided_grammar`  |
| `any_text`            |                                                         | any; inside a tag, up to its `end` |
| `sequence`, `or`      | `elements`                                              | one after the other; one of them   |
| `tag`                 | `begin`, `content`, `end`                               | the three                          |
| `triggered_tags`      | `triggers`, `tags`, `at_least_one`, `stop_after_first`  | free text; behind a trigger, a tag |
| `tags_with_separator` | `tags`, `separator`, `at_least_one`, `stop_after_first` | tags alone                         |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING

from gcd.serve.fields import Fields, shown

if TYPE_CHECKING:
    from gcd.language import Language

__all__ = ["parse_structural_tag"]


def parse_structural_tag(fields: Fields) -> Callable[[], Language]:
    """The language of a structural tag, read when it is called; raises RequestError for what is not known."""
    if "structures" in fields.value:
        return _old(fields)
    form = fields.within("format")
    if form is None:
        raise fields.fail("format", "is missing: or structures and triggers, in the older form", code="missing")
    return _format(form)


def _old(fields: Fields) -> Callable[[], Language]:
    """`{"structures": [{"begin", "schema", "end"}], "triggers": [...]}`."""
    from gcd import language

    triggers = fields.texts("triggers", 100)
    parts: list[tuple[str, Callable[[], Language]]] = []
    for structure in fields.each("structures", 1000) or ():
        begin, end = _text(structure, "begin"), _text(structure, "end")
        schema = structure.any("schema")
        if not isinstance(schema, dict | bool | str):
            raise structure.fail("schema", f"must be a JSON Schema, not {shown(schema)}", code="invalid_type")
        parts.append((begin, _tag(partial(language.schema, schema), end)))
    return _triggered(fields, triggers, parts, at_least=0, at_most=None)


def _tag(content: Callable[[], Language], end: str) -> Callable[[], Language]:
    return lambda: content() + end


def _format(form: Fields) -> Callable[[], Language]:
    from gcd import language

    kind = form.of(str, "type")
    match kind:
        case "const_string":
            value = _text(form, "value")
            return lambda: language.literal(value)
        case "json_schema":
            schema = form.any("json_schema")
            if not isinstance(schema, dict | bool | str):
                raise form.fail("json_schema", f"must be a JSON Schema, not {shown(schema)}", code="invalid_type")
            return lambda: language.schema(schema)
        case "regex":
            pattern = _text(form, "pattern")
            return lambda: language.regex(pattern)
        case "grammar":
            text = _text(form, "grammar")
            return lambda: _grammar(text)
        case "any_text":
            return lambda: language.without()
        case "sequence" | "or":
            parts = [_format(part) for part in _some(form, "elements")]
            if kind == "or":
                return lambda: reduce(or_, (part() for part in parts))
            return lambda: reduce(lambda left, right: left + right, (part() for part in parts))
        case "tag":
            begin, rest = _whole_tag(form)
            return lambda: begin + rest()
        case "triggered_tags":
            first = form.flag("stop_after_first")
            tags = [_whole_tag(tag) for tag in _some(form, "tags")]
            triggers = form.texts("triggers", 100)
            return _triggered(
                form, triggers, tags, at_least=int(form.flag("at_least_one")), at_most=1 if first else None
            )
        case "tags_with_separator":
            tags = [_whole_tag(tag) for tag in _some(form, "tags")]
            separator = _text(form, "separator")
            low, high = int(form.flag("at_least_one")), 1 if form.flag("stop_after_first") else None
            return lambda: reduce(or_, (begin + rest() for begin, rest in tags)).times(low, high, separator=separator)
        case _:
            raise form.fail("type", f"{shown(kind)} is not supported", code="unsupported_parameter")


def _whole_tag(form: Fields) -> tuple[str, Callable[[], Language]]:
    """The beginning of a tag, and the language of all behind it."""
    from gcd import language

    begin, end = _text(form, "begin"), _text(form, "end")
    content = form.within("content")
    if content is None:
        raise form.fail("content", "is missing", code="missing")
    if content.value.get("type") == "any_text" and end:
        return begin, lambda: language.until(end)
    return begin, _tag(_format(content), end)


def _triggered(
    form: Fields, triggers: tuple[str, ...], tags: list[tuple[str, Callable[[], Language]]],
    *, at_least: int, at_most: int | None,
) -> Callable[[], Language]:  # fmt: skip
    """Free text in which behind each trigger stands one of the tags that begin with it."""
    from gcd import language

    if not triggers:
        raise form.fail("triggers", "must have at least one trigger", code="missing")
    for begin, _ in tags:
        if not any(begin.startswith(trigger) for trigger in triggers):
            raise form.fail("triggers", f"has none that {shown(begin)} begins with")
    for trigger in triggers:
        if not any(begin.startswith(trigger) for begin, _ in tags):
            raise form.fail("triggers", f"has {shown(trigger)}, with which no tag begins")

    def read() -> Language:
        sections = {
            trigger: reduce(
                or_, (begin.removeprefix(trigger) + rest() for begin, rest in tags if begin.startswith(trigger))
            )
            for trigger in triggers
        }
        return language.tags(sections, at_least=at_least, at_most=at_most)

    return read


def _grammar(text: str) -> Language:
    from gcd import language
    from grammars.frontends.gbnf import is_gbnf

    return language.gbnf(text) if is_gbnf(text) else language.lark(text)


def _some(form: Fields, name: str) -> list[Fields]:
    found = form.each(name, 1000)
    if not found:
        raise form.fail(name, "must have at least one item", code="missing")
    return found


def _text(form: Fields, name: str) -> str:
    text = form.of(str, name)
    if text is None:
        raise form.fail(name, "is missing", code="missing")
    return text
