"""`/openapi.json`: what the endpoints take and give, for tools that make clients, pages or tests of it.

Place in the walk: beside the application; nothing here checks a request. Requests say more than stands here: fields
that are not listed are let be or refused by `gcd.serve.ask` and `gcd.serve.wanted`, and schemas by the compiler.
"""

from __future__ import annotations

from typing import Any

__all__ = ["openapi"]

Schema = dict[str, Any]


def openapi(model: str) -> dict[str, Any]:
    """The description, in OpenAPI 3.1, of a server of the model with that name.

    >>> openapi("smollm2")["components"]["schemas"]["Model"]
    {'const': 'smollm2'}
    """
    paths: dict[str, Any] = {
        "/": {"get": _answers("text/html", {"type": "string"}, "A page to try schemas and grammars", key=False)},
        "/health": {"get": _answers("application/json", {"type": "object"}, "The process lives", key=False)},
        "/ready": {"get": _answers("application/json", {"type": "object"}, "The model is warm", key=False)},
        "/metrics": {"get": _answers("text/plain", {"type": "string"}, "Counts for Prometheus")},
        "/openapi.json": {"get": _answers("application/json", {"type": "object"}, "This description")},
        "/v1/models": {"get": _answers("application/json", {"type": "object"}, "The one model that is served")},
        "/v1/models/{name}": {
            "get": {
                **_answers("application/json", {"type": "object"}, "The model of that name"),
                "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
            }
        },
    }
    for path, (summary, schema) in POSTED.items():
        paths[path] = {
            "post": {
                **_answers("application/json", {"type": "object"}, summary, "text/event-stream"),
                "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "gcd", "version": "1", "description": "Answers inside what is asked for"},
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR, **KEYWORDS, "Model": {"const": model}},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _answers(kind: str, schema: Schema, summary: str, *others: str, key: bool = True) -> dict[str, Any]:
    """An operation: what it gives, or an error in OpenAI's shape; some ask for the key, where the server has one."""
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    content: dict[str, Any] = {kind: {"schema": schema}, **{other: {"schema": {"type": "string"}} for other in others}}
    responses = {"200": {"description": summary, "content": content}}
    responses |= {"4XX": {"description": "What is wrong with the request", "content": error}}
    responses |= {"503": {"description": "Not ready, or too much waits", "content": error}}
    return {"summary": summary, "responses": responses, **({"security": [{}, {"key": []}]} if key else {})}


def _object(*required: str, **properties: Any) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


TEXT, FLAG, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 1}
ANY_SCHEMA: Schema = {"$ref": "#/components/schemas/JsonSchema"}
SCHEMAS: Schema = {"type": "array", "items": ANY_SCHEMA, "minItems": 1}
LENGTH: Schema = {"type": "integer", "minimum": 0}
TYPE: Schema = {"enum": ["null", "boolean", "integer", "number", "string", "array", "object"]}
APPLICATORS = _object(
    properties={"type": "object", "additionalProperties": ANY_SCHEMA}, additionalProperties=ANY_SCHEMA,
    items=ANY_SCHEMA, prefixItems=SCHEMAS, anyOf=SCHEMAS, oneOf=SCHEMAS, allOf=SCHEMAS,
)  # fmt: skip
ASSERTIONS = _object(
    type={"anyOf": [TYPE, {"type": "array", "items": TYPE, "minItems": 1, "uniqueItems": True}]},
    enum={"type": "array", "minItems": 1}, required={"type": "array", "items": TEXT, "uniqueItems": True},
    minItems=LENGTH, maxItems=LENGTH, uniqueItems=FLAG,
    minLength=LENGTH, maxLength=LENGTH, pattern={**TEXT, "format": "regex"}, format=TEXT,
    minimum={"type": "number"}, maximum={"type": "number"}, multipleOf={"type": "number", "exclusiveMinimum": 0},
)  # fmt: skip
KEYWORDS: dict[str, Schema] = {
    "JsonSchema": {
        "type": ["object", "boolean"],
        "allOf": [{"$ref": "#/components/schemas/Applicators"}, {"$ref": "#/components/schemas/Assertions"}],
    },
    "Applicators": {**APPLICATORS, "type": ["object", "boolean"]},
    "Assertions": {**ASSERTIONS, "type": ["object", "boolean"]},
}
"""A JSON Schema by its commonest keywords, in two parts, since schemathesis negates no more than 15 properties at once;
docs/json-schema.md has all."""
ERROR = _object(
    "error", error=_object("message", "type", "param", "code", message=TEXT, type=TEXT, code=TEXT, param=_or_null(TEXT))
)
FUNCTION = _object(
    "name", name={**TEXT, "pattern": "^[A-Za-z0-9_.-]{1,64}$"}, description=TEXT,
    parameters={"allOf": [ANY_SCHEMA, _object(type={"const": "object"})], "type": "object"},
)  # fmt: skip
FORMAT: Schema = {
    "oneOf": [
        _object("type", type={"const": "text"}),
        _object("type", type={"const": "json_object"}),
        _object("type", "json_schema", type={"const": "json_schema"}, json_schema=_object(
            "name", "schema", name=TEXT, schema=ANY_SCHEMA, strict=_or_null(FLAG))),
    ]
}  # fmt: skip
FLAT_FORMAT: Schema = {
    "oneOf": [
        *FORMAT["oneOf"][:2],
        _object("type", "name", "schema", type={"const": "json_schema"}, name=TEXT, schema=ANY_SCHEMA),
    ]
}
NAMED = _object("type", type={"const": "function"}, function=_object("name", name=TEXT), name=TEXT)
CHOICE: Schema = {"anyOf": [{"enum": ["none", "auto", "required"]}, NAMED]}
CONTENT: Schema = {
    "anyOf": [TEXT, {"type": "array", "items": _object("type", "text", type={"const": "text"}, text=TEXT)}]
}
CALL = _object("type", "function", id=TEXT, type={"const": "function"}, function=_object(
    "name", "arguments", name=TEXT, arguments=TEXT))  # fmt: skip
MESSAGE = _object(
    "role", role={"enum": ["system", "developer", "user", "assistant", "tool"]}, content=_or_null(CONTENT),
    tool_calls={"type": "array", "items": CALL}, tool_call_id=TEXT,
)  # fmt: skip
ITEM: Schema = {
    "anyOf": [
        _object("role", "content", role={"enum": ["system", "developer", "user", "assistant"]}, content=TEXT),
        _object("type", "name", "arguments", "call_id", type={"const": "function_call"}, name=TEXT, arguments=TEXT,
                call_id=TEXT),
        _object("type", "call_id", "output", type={"const": "function_call_output"}, call_id=TEXT, output=TEXT),
    ]
}  # fmt: skip
DRAWN: Schema = {
    "model": {"$ref": "#/components/schemas/Model"}, "stream": FLAG, "seed": _or_null({"type": "integer"}),
    "temperature": _or_null({"type": "number", "minimum": 0}),
    "top_p": _or_null({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
    "top_k": {"type": "integer", "minimum": -1}, "min_p": {"type": "number", "minimum": 0, "maximum": 1},
}  # fmt: skip
ENDED: Schema = {
    "n": COUNT, "max_tokens": _or_null(COUNT), "stop": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]},
    "stream_options": _object(include_usage=FLAG), "response_format": FORMAT,
}  # fmt: skip
CONSTRAINED: Schema = {
    "structured_outputs": _object(
        json=ANY_SCHEMA, regex=TEXT, choice={"type": "array", "items": TEXT}, grammar=TEXT, json_object=FLAG,
        structural_tag=_object(),
    ),
    "guided_json": ANY_SCHEMA, "guided_regex": TEXT, "guided_choice": {"type": "array", "items": TEXT},
    "guided_grammar": TEXT, "regex": TEXT, "ebnf": TEXT, "grammar": TEXT, "json_schema": ANY_SCHEMA,
}  # fmt: skip
THOUGHTS: Schema = {
    "thinking_token_budget": {"type": "integer", "minimum": 0}, "reasoning_effort": TEXT,
    "chat_template_kwargs": _object(enable_thinking=FLAG, thinking=FLAG), "tool_choice": CHOICE,
    "schema_in_prompt": FLAG,
    "parallel_tool_calls": FLAG, "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
}  # fmt: skip

POSTED: dict[str, tuple[str, Schema]] = {
    "/v1/chat/completions": ("An answer to a chat, whole or as events", _object(
        "model", "messages", **DRAWN, **ENDED, **CONSTRAINED, **THOUGHTS, max_completion_tokens=_or_null(COUNT),
        messages={"type": "array", "items": MESSAGE, "minItems": 1}, logprobs=FLAG,
        tools={"type": "array", "items": _object("type", "function", type={"const": "function"}, function=FUNCTION)},
    )),
    "/try": ("A schema, regex or grammar tried out, for the page", _object(
        "kind", "text", **DRAWN, kind={"enum": ["schema", "regex", "grammar"]}, text=TEXT, prompt=TEXT,
        max_tokens=COUNT,
    )),
    "/v1/completions": ("A text that goes on, whole or as events", _object(
        "model", **DRAWN, **ENDED, **CONSTRAINED, logprobs={"type": "integer", "minimum": 0, "maximum": 5},
        prompt={"anyOf": [TEXT, {"type": "array", "items": {"type": "integer", "minimum": 0}}]},
    )),
    "/v1/responses": ("A response, whole or as events", _object(
        "model", "input", **DRAWN, **CONSTRAINED, **THOUGHTS, instructions=_or_null(TEXT),
        input={"anyOf": [TEXT, {"type": "array", "items": ITEM, "minItems": 1}]}, text=_object(format=FLAT_FORMAT),
        max_output_tokens=_or_null(COUNT), include={"type": "array", "items": TEXT},
        tools={"type": "array", "items": {**FUNCTION, "required": ["type", "name"], "properties": {
            **FUNCTION["properties"], "type": {"const": "function"}}}},
    )),
}  # fmt: skip
"""Path -> what it is for, and what it takes."""
