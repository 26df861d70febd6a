"""Random JSON Schemas with values that may satisfy them: what the random laws of the front end draw from.

`pick` is a `random.Random`, or hypothesis' (`st.randoms(use_true_random=False)`), which shrinks what it has picked.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator
from decimal import Decimal

NAMES = ["a", "b", "ab"]
VALUES = [None, True, False, 0, 1, 2, 1.5, "", "a", "ab", "b", [], [1], {}, {"a": 1}]


def random_schema(pick: random.Random, depth: int = 3) -> dict | bool:
    if pick.random() < 0.07:
        return pick.random() < 0.6
    keywords = pick.sample(list(WRITERS if depth else LEAVES), pick.randint(0, 3))
    schema = {name: WRITERS[name](pick, depth - 1) for name in keywords}
    if pick.random() < 0.6:
        schema["type"] = pick.choice(["null", "integer", "number", "string", "array", "object", "object", "object"])
    return schema


def schemas(pick: random.Random, depth: int) -> list[dict | bool]:
    return [random_schema(pick, depth) for _ in range(pick.randint(1, 3))]


def schema_map(names: list[str], pick: random.Random, depth: int) -> dict:
    return {name: random_schema(pick, depth) for name in pick.sample(names, pick.randint(0, len(names)))}


LEAVES = {
    "type": lambda pick, _: pick.sample(["null", "boolean", "integer", "number", "string", "array", "object"], 3),
    "enum": lambda pick, _: pick.sample(VALUES, 5),
    "const": lambda pick, _: pick.choice(VALUES),
    "minimum": lambda pick, _: pick.randint(-1, 2),
    "maximum": lambda pick, _: pick.randint(0, 3),
    "exclusiveMaximum": lambda pick, _: pick.choice([0, 1, 2.5]),
    "multipleOf": lambda pick, _: pick.choice([1, 2, 3, 0.5]),
    "minLength": lambda pick, _: pick.randint(0, 2),
    "maxLength": lambda pick, _: pick.randint(0, 2),
    "pattern": lambda pick, _: pick.choice(["a", "^a", "b$", "^(ab)*$"]),
    "minItems": lambda pick, _: pick.randint(0, 2),
    "maxItems": lambda pick, _: pick.randint(0, 2),
    "uniqueItems": lambda pick, _: pick.random() < 0.8,
    "minProperties": lambda pick, _: pick.randint(0, 2),
    "maxProperties": lambda pick, _: pick.randint(0, 2),
    "minContains": lambda pick, _: pick.randint(0, 2),
    "maxContains": lambda pick, _: pick.randint(0, 2),
    "required": lambda pick, _: pick.sample(NAMES, pick.randint(0, 2)),
    "$ref": lambda pick, _: pick.choice(["#/$defs/x", "#/$defs/y"]),
}
WRITERS = LEAVES | {
    "items": random_schema,
    "prefixItems": schemas,
    "properties": lambda pick, depth: schema_map(NAMES, pick, depth),
    "patternProperties": lambda pick, depth: schema_map(["a", "^b", "b$"], pick, depth),
    "additionalProperties": random_schema,
    "propertyNames": lambda pick, _: random_schema(pick, 0),
    "anyOf": schemas,
    "oneOf": schemas,
    "allOf": schemas,
    "not": random_schema,
    "if": random_schema,
    "then": random_schema,
    "else": random_schema,
    "contains": random_schema,
    "dependentRequired": lambda pick, _: {pick.choice(NAMES): pick.sample(NAMES, pick.randint(0, 2))},
    "dependentSchemas": lambda pick, depth: schema_map(NAMES, pick, depth),
    "unevaluatedProperties": random_schema,
    "unevaluatedItems": random_schema,
}


def random_value(pick: random.Random, depth: int = 2) -> object:
    if not depth or pick.random() < 0.4:
        return pick.choice(VALUES)
    if pick.random() < 0.3:
        return [random_value(pick, depth - 1) for _ in range(pick.randint(0, 3))]
    return {name: random_value(pick, depth - 1) for name in pick.sample([*NAMES, "c"], pick.randint(0, 3))}


def random_document(pick: random.Random) -> dict:
    """A schema with two definitions, which do not refer to one another."""
    definitions = {"x": without_references(random_schema(pick, 1)), "y": without_references(random_schema(pick, 2))}
    return {"$defs": definitions, "allOf": [random_schema(pick)]}


def without_references(schema: object) -> object:
    if isinstance(schema, dict):
        return {key: without_references(item) for key, item in schema.items() if key != "$ref"}
    return [without_references(item) for item in schema] if isinstance(schema, list) else schema


# --- values that a schema may mean ------------------------------------------------------------------------------------


def meant(pick: random.Random, schema: object, definitions: dict, depth: int = 3) -> object:
    """A value drawn towards what a subschema asks for; whether it is valid is for a validator to say."""
    asked: dict = {}
    gather(pick, schema, definitions, asked)
    if "const" in asked:
        return asked["const"]
    if asked.get("enum"):
        return pick.choice(asked["enum"])
    kinds = asked.get("type") or ["object", "array", "string", "number", "integer", "boolean", "null"]
    kind = pick.choice([kinds] if isinstance(kinds, str) else kinds)
    if kind == "object":
        return meant_object(pick, asked, definitions, depth)
    if kind == "array":
        return meant_array(pick, asked, definitions, depth)
    if kind == "string":
        words = ["", "a", "b", "ab", "abab", "aé", 'b"', "\\a", "😀b", "ba"]
        fits = [w for w in words if asked.get("minLength", 0) <= len(w) <= asked.get("maxLength", 9)]
        return pick.choice(fits or words)
    if kind in ("integer", "number"):
        unit = asked.get("multipleOf", 1 if kind == "integer" else pick.choice([1, 0.5, 0.1]))
        low = asked.get("minimum", asked.get("exclusiveMinimum", -2))
        high = min(asked.get("maximum", low + 4), asked.get("exclusiveMaximum", low + 4))
        product = Decimal(str(unit)) * pick.randint(
            math.floor(low / unit), max(math.floor(low / unit), math.ceil(high / unit))
        )
        return int(product) if product == int(product) else float(product)
    return pick.choice([True, False]) if kind == "boolean" else None


def gather(pick: random.Random, schema: object, definitions: dict, asked: dict) -> None:
    """The keywords of a subschema and of all that it combines into `asked`; one branch of a union is picked."""
    if not isinstance(schema, dict):
        return
    for name, value in schema.items():
        if name in ("properties", "patternProperties", "dependentSchemas"):
            asked[name] = asked.get(name, {}) | value
        elif name == "required":
            asked[name] = [*asked.get(name, []), *value]
        else:
            asked[name] = value
    branches = [*schema.get("allOf", [])]
    branches += [pick.choice(schema[union]) for union in ("anyOf", "oneOf") if union in schema]
    branches += [schema[name] for name in (pick.choice(["then", "else"]),) if name in schema and "if" in schema]
    branches += [definitions[schema["$ref"].rpartition("/")[2]]] if "$ref" in schema else []
    for branch in branches:
        gather(pick, branch, definitions, asked)


def meant_object(pick: random.Random, asked: dict, definitions: dict, depth: int) -> dict:
    properties, required = asked.get("properties", {}), asked.get("required", [])
    least, most = asked.get("minProperties", 0), asked.get("maxProperties", 4)
    names = [name for name in dict.fromkeys([*properties, *NAMES, "c"]) if name not in required]
    wanted = max(0, min(most, max(least, pick.randint(0, 3))) - len(set(required)))
    chosen = [*dict.fromkeys(required), *pick.sample(names, min(wanted, len(names)))]
    rest = asked.get("additionalProperties", asked.get("unevaluatedProperties", True))
    return {name: meant(pick, properties.get(name, rest), definitions, depth - 1) if depth else 1 for name in chosen}


def meant_array(pick: random.Random, asked: dict, definitions: dict, depth: int) -> list:
    first, rest = asked.get("prefixItems", []), asked.get("items", asked.get("contains", True))
    length = max(asked.get("minItems", 0), min(asked.get("maxItems", 3), pick.randint(0, 3)))
    items = [*first[:length], *[rest] * (length - len(first))]
    return [meant(pick, item, definitions, depth - 1) if depth else 1 for item in items]


# --- one change -------------------------------------------------------------------------------------------------------


def mutated(pick: random.Random, value: object) -> object:
    """The value with one change somewhere: a key less or more, a number next to it, a character, another type."""
    if isinstance(value, dict) and value and pick.random() < 0.6:
        name = pick.choice(list(value))
        return {**value, name: mutated(pick, value[name])}
    if isinstance(value, list) and value and pick.random() < 0.6:
        at = pick.randint(0, len(value) - 1)
        return [*value[:at], mutated(pick, value[at]), *value[at + 1 :]]
    if pick.random() < 0.2:
        return pick.choice(VALUES)
    match value:
        case bool():
            return not value
        case int():
            return pick.choice([value - 1, value + 1, beside(pick, value), -value])
        case float():
            return beside(pick, value)
        case str():
            at = pick.randint(0, len(value))
            return value[:at] + pick.choice(["a", "b", "é", '"', "\\", "\n", ""]) + value[at + pick.randint(0, 1) :]
        case list():
            return pick.choice([value[1:], value[:-1], [*value, pick.choice(VALUES)], value[::-1]])
        case dict():
            left = [*value]
            gone = pick.choice(left) if left else None
            fewer = {name: item for name, item in value.items() if name != gone}
            return pick.choice([fewer, {**value, pick.choice([*NAMES, "c", "é"]): pick.choice(VALUES)}])
    return pick.choice(VALUES)


def beside(pick: random.Random, value: float) -> float:
    """A double next to the number."""
    return math.nextafter(value or 1, pick.choice([-math.inf, math.inf]))


def with_a_key_twice(pick: random.Random, value: dict) -> str:
    """The value as JSON, one key written once more at a random place, with a value of its own."""
    members = [f"{plain(name)}: {plain(item)}" for name, item in value.items()]
    again = f"{plain(pick.choice(list(value)))}: {plain(pick.choice([*value.values(), *VALUES]))}"
    members.insert(pick.randint(0, len(members)), again)
    return f"{{{', '.join(members)}}}"


# --- texts ------------------------------------------------------------------------------------------------------------


def orders(value: object) -> Iterator[object]:
    """The value with the keys of all its objects in every order."""
    if isinstance(value, list):
        yield from map(list, itertools.product(*map(orders, value)))
    elif isinstance(value, dict):
        for keys in itertools.permutations(value):
            for items in itertools.product(*(orders(value[key]) for key in keys)):
                yield dict(zip(keys, items, strict=True))
    else:
        yield value


def text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def plain(value: object) -> str:
    """The value as JSON in the spelling of the grammar: plain decimals, no fraction of zeros."""
    match value:
        case float():
            return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
        case list():
            return f"[{', '.join(map(plain, value))}]"
        case dict():
            return f"{{{', '.join(f'{plain(name)}: {plain(item)}' for name, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
