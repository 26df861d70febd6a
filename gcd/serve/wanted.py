"""What a request wants of its text: every client's way to say it -> one Goal, or None for free text.

Place in the walk: the body of a request -> **Goal** -> Constraint. It fails closed: a way of constraining that is not
known here, or cannot be enforced, is an error that names it.

| who       | fields |
|-----------|--------|
| OpenAI    | `response_format`, or `text.format` of responses: `text`, `json_object`, `json_schema` |
| vLLM      | `structured_outputs`: `json`, `regex`, `choice`, `grammar`, `json_object`, `structural_tag` |
|           | the same in older requests: `guided_json`, `guided_regex`, ... |
| SGLang    | `regex`, `ebnf`, `json_schema`; `response_format`: `structural_tag` |
| llama.cpp | `grammar`, `json_schema`; `response_format` with a `schema` beside its type |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gcd.errors import RequestError
from gcd.parse import Wanted, parse_wanted
from gcd.serve.constraints import Goal
from gcd.serve.fields import Fields, shown

if TYPE_CHECKING:
    from gcd.language import Language

__all__ = ["ABOUT_TEXTS", "SHOWN", "goal_of_wanted", "language_goal", "read_goal", "refuse_unknown"]

ANY_OBJECT: dict[str, object] = {"type": "object"}

ABOUT_TEXTS = re.compile("guided|structur|gramma|regex|ebnf|schema|constrain|pattern|format|logits_proc", re.IGNORECASE)
"""Names that are about what a text may be: a field with such a name is never ignored."""

TOLERATED = frozenset({"guided_decoding_backend", "structured_outputs_backend"})
"""Fields with such a name that change nothing here: which engine enforces it."""

SHOWN = "schema_in_prompt"
"""A flag of this server's own: whether the model is told the schema that its answer is held to."""

GUIDED = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")


def read_goal(fields: Fields, *, max_schema: int, form: tuple[Fields, str] | None = None) -> Goal | None:
    """What the fields of a request want; raises RequestError for two wishes at once, and for one that is not known.

    `form` is where its format stands, if not in `response_format`. The goal has its schema where the
    prompt is to have it.

    >>> read_goal(Fields({"guided_regex": "[0-9]+"}), max_schema=1000).param
    'guided_regex'
    """
    found: list[Goal] = []
    for goal in (
        _response_format(*(form or (fields, "response_format"))),
        *_structured_outputs(fields),
        *_extras(fields),
    ):
        if goal is not None:
            found.append(goal)
    if len(found) > 1:
        names = " and ".join(goal.param for goal in found)
        raise RequestError(f"the text is constrained twice, by {names}: give one of them", param=found[1].param)
    for goal in found:
        if len(goal.key.encode()) > max_schema:
            raise RequestError(
                f"{goal.param} is larger than the {max_schema:,} bytes that this server allows",
                param=goal.param, code="schema_too_large",
            )  # fmt: skip
    if not fields.flag(SHOWN):
        return replace(found[0], schema=None) if found else None
    if not found or found[0].schema is None:
        raise fields.fail(SHOWN, "goes with a JSON Schema: in response_format, for example")
    return found[0]


def refuse_unknown(fields: Fields) -> None:
    """Raises RequestError for a field that nobody took and whose name is about what the text may be."""
    for name, value in fields.value.items():
        if name not in fields.taken and name not in TOLERATED and value is not None and ABOUT_TEXTS.search(name):
            raise fields.fail(
                name,
                "is no way to constrain a text that this server knows, and is not ignored: use response_format or "
                "structured_outputs",
                code="unsupported_parameter",
            )


def _response_format(fields: Fields, field: str) -> Goal | None:
    """`response_format`, of OpenAI's types and those of its followers."""
    form = fields.within(field)
    if form is None:
        return None
    match form.of(str, "type"):
        case "text":
            return None
        case "json_object":
            schema = form.any("schema")
            return _schema(form, "schema", ANY_OBJECT if schema is None else schema)
        case "json_schema":
            inner = form.within("json_schema")
            if inner is None:
                inner = form
            inner.of(str, "name")
            said = inner.of(str, "description")
            inner.of(bool, "strict")  # strict or not, schemas are enforced
            if "schema" not in inner.value:
                raise inner.fail("schema", "is missing: it is the JSON Schema of the answer", code="missing")
            goal = _schema(inner, "schema", inner.any("schema"))
            if said and isinstance(goal.schema, dict):
                goal = replace(goal, schema={"description": said, **goal.schema})
            return goal
        case "structural_tag":
            return _structural_tag(fields, field, form.value)
        case None:
            raise form.fail("type", "is missing: 'text', 'json_object' or 'json_schema'", code="missing")
        case other:
            raise form.fail(
                "type", f"must be 'text', 'json_object', 'json_schema' or 'structural_tag', not {shown(other)}",
                code="unsupported_parameter",
            )  # fmt: skip


def _structured_outputs(fields: Fields) -> list[Goal | None]:
    """vLLM's `structured_outputs`, and the `guided_...` that it had before."""
    goals: list[Goal | None] = []
    given = fields.within("structured_outputs")
    if given is not None:
        goals += _guided(given, "")
        for name, value in given.value.items():
            if name not in given.taken and value is not None and name not in ("backend", "_backend"):
                raise given.fail(name, "is nothing that this server can enforce", code="unsupported_parameter")
    goals += _guided(fields, "guided_")
    return goals


def _guided(fields: Fields, prefix: str) -> list[Goal | None]:
    if fields.any(f"{prefix}whitespace_pattern") is not None:
        problem = "is not supported: whitespace is at most 32 characters a gap; disable_any_whitespace leaves it out"
        raise fields.fail(f"{prefix}whitespace_pattern", problem, code="unsupported_parameter")
    options: dict[str, Any] = {}
    if not prefix:
        if fields.flag("disable_any_whitespace"):
            options["whitespace"] = "compact"
        if fields.flag("disable_additional_properties"):
            options["additional_properties"] = False
    goals: list[Goal | None] = []
    for kind in GUIDED:
        name = prefix + kind
        value = fields.any(name)
        if value is None:
            continue
        if kind == "json":
            goals.append(_schema(fields, name, value, **options))
        elif kind == "json_object":
            goals.append(_schema(fields, name, ANY_OBJECT, **options) if fields.flag(name) else None)
        elif kind == "choice":
            goals.append(_texts(fields, name))
        elif kind == "structural_tag":
            goals.append(_structural_tag(fields, name, value))
        else:
            goals.append(_text(fields, name, kind))
    return goals


def _extras(fields: Fields) -> list[Goal | None]:
    """The fields of SGLang and llama.cpp."""
    goals: list[Goal | None] = []
    if fields.any("json_schema") is not None:
        goals.append(_schema(fields, "json_schema", fields.any("json_schema")))
    goals += (
        _text(fields, name, kind) for name, kind in (("regex", "regex"), ("ebnf", "ebnf"), ("grammar", "grammar"))
    )
    return goals


def _schema(fields: Fields, name: str, schema: object, **options: Any) -> Goal:
    """A JSON Schema, as an object, a bool or JSON text."""
    if not isinstance(schema, dict | bool | str):
        raise fields.fail(name, f"must be a JSON Schema, not {shown(schema)}", code="invalid_type")
    param = fields.param(name)
    return goal_of_wanted(lambda: parse_wanted(schema=schema, **options), param)


def _texts(fields: Fields, name: str) -> Goal:
    choices = fields.any(name)
    if not isinstance(choices, list) or not all(isinstance(text, str) for text in choices):
        raise fields.fail(name, f"must be an array of strings, not {shown(choices)}", code="invalid_type")
    return goal_of_wanted(lambda: parse_wanted(choices=choices), fields.param(name))


def _text(fields: Fields, name: str, kind: str) -> Goal | None:
    """A regex, a grammar in Lark, GBNF or EBNF, or EBNF alone."""
    text = fields.of(str, name)
    if text is None:
        return None
    if kind == "regex":
        return goal_of_wanted(lambda: parse_wanted(regex=text), fields.param(name))
    if kind == "grammar":
        return goal_of_wanted(lambda: parse_wanted(grammar=text), fields.param(name))
    from gcd.language import gbnf

    return language_goal(json.dumps(["ebnf", text]), fields.param(name), lambda: gbnf(text))


def _structural_tag(fields: Fields, name: str, value: object) -> Goal:
    param = fields.param(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise fields.fail(name, f"is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise fields.fail(name, f"must be an object, not {shown(value)}", code="invalid_type")
    from gcd.language import structural_tag

    tag = {"type": "structural_tag", **value}  # which vLLM's structured_outputs leaves out
    return language_goal(json.dumps(["structural_tag", tag]), param, lambda: structural_tag(tag))


def goal_of_wanted(parse: Callable[[], Wanted], param: str) -> Goal:
    """The goal of what `parse_wanted` reads; what it refuses is about `param`."""
    try:
        wanted = parse()
    except ValueError as error:
        raise RequestError(f"{param}: {error}", param=param, code="invalid_grammar") from None
    check = wanted.to_value if wanted.schema is not None else None
    return Goal(repr(wanted.key), param, wanted.to_grammar, check, wanted.schema)


def language_goal(key: str, param: str, language: Callable[[], Language]) -> Goal:
    """The goal of a Language, which `key` says all of."""
    return Goal(key, param, lambda: language().grammar)
