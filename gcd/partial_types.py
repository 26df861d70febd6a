"""Typed: parts of a JSON text × a type -> the best instance of what is decided.

Place in the walk: behind `partial_json`, beside pydantic. A part that is complete is read by pydantic as what it is;
one under way is put together from its own parts, by the core schema of the type: models and dataclasses without the
attributes that are not decided, dicts without the keys, lists with the items so far. Text under way is shown for `str`
only, before validators. The finished value is never made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import CoreConfig, SchemaValidator, core_schema

from gcd.partial_json import ABSENT, Part, plain

__all__ = ["Typed"]

Node: TypeAlias = Mapping[str, Any]

LISTS = {"list": list, "set": set, "frozenset": frozenset, "tuple": tuple, "deque": list, "generator": list}
INSIDE = {
    "default": "schema", "nullable": "schema", "model-field": "schema", "dataclass-field": "schema",
    "typed-dict-field": "schema", "custom-error": "schema", "function-before": "schema", "function-after": "schema",
    "function-wrap": "schema", "json-or-python": "json_schema", "lax-or-strict": "lax_schema",
    "missing-sentinel": "schema",
}  # fmt: skip
"""Nodes around another one, and where that is."""


class Typed:
    """Makes instances of one type. `core` is its core schema."""

    def __init__(self, core: Node) -> None:
        self.definitions: dict[str, Node] = {}
        if core["type"] == "definitions":
            self.definitions = {node["ref"]: node for node in core["definitions"]}
            core = core["schema"]
        self.core = core
        self._validators: dict[int, SchemaValidator] = {}
        self._unfinished: dict[tuple[int, int], object] = {}
        """What was made of parts under way, since the last piece: unions ask for the same again and again."""

    def make(self, part: Part | None, text: str) -> object:
        """The instance of what is decided of a text, whose root is `part`; ABSENT where nothing is."""
        self._unfinished.clear()
        return ABSENT if part is None else self._make(self.core, part, text, {})

    def item(self, part: Part, index: int, text: str) -> object:
        """A complete item of the array that the text is; raises pydantic's ValidationError."""
        node, config = self._peeled(self.core, {})
        if node["type"] == "model":  # a root model
            node, config = self._peeled(node["schema"], node.get("config", config))
        item = self._item_node(node, index)
        return plain(part) if item is None else self._validate(item, part, text, config)

    def _make(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        if part.end is not None or part.kind == "word":
            if id(node) not in part.made:
                try:
                    part.made[id(node)] = self._validate(node, part, text, config)
                except ValidationError:  # by a function: the whole will be refused in the end
                    part.made[id(node)] = ABSENT
            return part.made[id(node)]
        key = (id(node), id(part))
        if key not in self._unfinished:
            self._unfinished[key] = self._make_unfinished(node, part, text, config)
        return self._unfinished[key]

    def _make_unfinished(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        node, config = self._peeled(node, config, is_text=part.kind == "string")
        kind = node["type"]
        if kind in ("union", "tagged-union"):
            return self._union(node, part, text, config)
        if kind == "any":
            return plain(part)
        if part.kind == "string":
            return part.text if kind == "str" else ABSENT
        if kind == "model" and node.get("root_model"):
            root = self._make(node["schema"], part, text, node.get("config", config))
            return ABSENT if root is ABSENT else _instance(node["cls"], {"root": root}, {"root"}, None)
        if part.kind == "object" and kind in OBJECTS:
            return OBJECTS[kind](self, node, part, text, config)
        if part.kind == "array" and (kind in LISTS or _fields(node) is not None):
            made = [
                value
                for index, item in enumerate(part.items)
                if kind not in ("set", "frozenset") or item.end is not None
                if (value := self._make(self._item_node(node, index) or ANY, item, text, config)) is not ABSENT
            ]
            return LISTS.get(kind, tuple)(made)
        return ABSENT

    def _validate(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        validator = self._validator(node, config)
        return validator.validate_json(part.text if part.kind == "word" else text[part.start : part.end])

    def _validator(self, node: Node, config: Mapping[str, Any]) -> SchemaValidator:
        if id(node) not in self._validators:
            schema: Any = node
            if schema["type"] in ("model-field", "dataclass-field", "typed-dict-field"):
                schema = node["schema"]
            if self.definitions:
                definitions = cast("list[core_schema.CoreSchema]", list(self.definitions.values()))
                schema = core_schema.definitions_schema(schema, definitions)
            self._validators[id(node)] = SchemaValidator(schema, cast(CoreConfig, config))
        return self._validators[id(node)]

    def _peeled(
        self, node: Node, config: Mapping[str, Any], *, is_text: bool = False
    ) -> tuple[Node, Mapping[str, Any]]:
        """What is inside of nodes around it, but for functions of pydantic's own that make something of a text."""
        while True:
            kind = node["type"]
            if kind == "definition-ref":
                node = self.definitions[node["schema_ref"]]
            elif kind in INSIDE and INSIDE[kind] in node:
                if is_text and kind.startswith("function-") and _is_of_pydantic(node["function"]["function"]):
                    return node, config
                node = node[INSIDE[kind]]
            else:
                return node, config

    def _item_node(self, node: Node, index: int) -> Node | None:
        fields = _fields(node)
        if fields is not None:
            return cast(Node, fields[index]["schema"])
        items: Any = node.get("items_schema")
        if node["type"] != "tuple" or items is None:
            return items  # type: ignore[no-any-return]
        variadic = node.get("variadic_item_index")
        last = len(items) - 1 if variadic is None else variadic
        return items[min(index, last)]  # type: ignore[no-any-return]

    def _union(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        """The first choice that fits what is decided; where a tag decides, the only one."""
        is_tagged = node["type"] == "tagged-union"
        choices = node["choices"].values() if is_tagged else node["choices"]
        nodes = [choice[0] if isinstance(choice, tuple) else choice for choice in choices]
        fitting = [choice for choice in nodes if self._fits(choice, part, text, config)]
        if not fitting or (is_tagged and len(fitting) > 1):
            return ABSENT
        return self._make(fitting[0], part, text, config)

    def _fits(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> bool:
        """Whether a part under way can be of this choice, as far as its complete members tell."""
        made = self._make(node, part, text, config)
        if made is ABSENT:
            return False
        node, config = self._peeled(node, config)
        if part.kind != "object" or node.get("root_model") or node["type"] not in ("model", "dataclass", "typed-dict"):
            return True
        fields, config, is_open = self._fields(node, config)
        by_key = _by_key(fields)
        return all(
            is_open if key not in by_key
            else member.end is None or self._make(by_key[key][1], member, text, config) is not ABSENT
            for key, member in part.members.items()
        )  # fmt: skip

    def _fields(
        self, node: Node, config: Mapping[str, Any]
    ) -> tuple[Iterable[tuple[str, Node]], Mapping[str, Any], bool]:
        """The fields of a model, dataclass or TypedDict by name, the configuration inside, whether others may be."""
        config = node.get("config", config)
        inner = node if node["type"] == "typed-dict" else self._peeled(node["schema"], config)[0]
        behavior = inner.get("extra_behavior", config.get("extra_fields_behavior"))
        fields = inner["fields"]
        listed = fields.items() if isinstance(fields, Mapping) else [(each["name"], each) for each in fields]
        return listed, config, behavior == "allow"

    def _members(
        self, node: Node, part: Part, text: str, config: Mapping[str, Any]
    ) -> tuple[dict[str, object], dict[str, object]]:
        """The decided fields by name, and the decided extras."""
        fields, config, _ = self._fields(node, config)
        by_key = _by_key(fields)
        found: dict[str, object] = {}
        extras: dict[str, object] = {}
        for key, member in part.members.items():
            name, inner = by_key.get(key, (key, ANY))
            value = self._make(inner, member, text, config)
            if value is not ABSENT:
                (found if key in by_key else extras)[name] = value
        return found, extras

    def _model(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        found, extras = self._members(node, part, text, config)
        is_open = self._fields(node, config)[2]
        return _instance(node["cls"], found, {*found, *extras}, extras if is_open else None)

    def _dataclass(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        made = object.__new__(node["cls"])
        init_only = {field["name"] for _, field in self._fields(node, config)[0] if field.get("init_only")}
        for name, value in self._members(node, part, text, config)[0].items():
            if name not in init_only:
                object.__setattr__(made, name, value)
        return made

    def _typed_dict(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        found, extras = self._members(node, part, text, config)
        return {**found, **extras}

    def _dict(self, node: Node, part: Part, text: str, config: Mapping[str, Any]) -> object:
        names, values = node.get("keys_schema", ANY), node.get("values_schema", ANY)
        return dict(self._entries(names, values, part, text, config))

    def _entries(
        self, names: Node, values: Node, part: Part, text: str, config: Mapping[str, Any]
    ) -> Iterator[tuple[object, object]]:
        for key, member in part.members.items():
            value = self._make(values, member, text, config)
            if value is ABSENT:
                continue
            try:
                yield self._validator(names, config).validate_strings(cast(Any, key)), value
            except ValidationError:
                continue


ANY: Node = {"type": "any"}

OBJECTS: Mapping[str, Callable[[Typed, Node, Part, str, Mapping[str, Any]], object]] = {
    "model": Typed._model,
    "dataclass": Typed._dataclass,
    "typed-dict": Typed._typed_dict,
    "dict": Typed._dict,
}


def _fields(node: Node) -> Sequence[Mapping[str, Any]] | None:
    """The fields of a named tuple, None of anything else; before pydantic 2.13 it was a call of its class."""
    if node["type"] == "call" and hasattr(node["function"], "_fields"):
        return cast("Sequence[Mapping[str, Any]]", node["arguments_schema"]["arguments_schema"])
    return cast("Sequence[Mapping[str, Any]]", node["fields"]) if node["type"] == "named-tuple" else None


def _by_key(fields: Iterable[tuple[str, Node]]) -> dict[str, tuple[str, Node]]:
    """Key in the text -> name and node of its field."""
    found: dict[str, tuple[str, Node]] = {}
    for name, node in fields:
        alias = node.get("validation_alias")
        paths = [[alias]] if isinstance(alias, str) else alias or []
        keys = [path if isinstance(path, str) else path[0] for path in paths]
        found |= dict.fromkeys([name, *keys], (name, node))
    return found


def _instance(cls: type[BaseModel], found: dict[str, object], names: set[str], extras: dict[str, object] | None) -> Any:
    """A model with these attributes and no others: its defaults are not there before the text is complete."""
    made = cls.__new__(cls)
    object.__setattr__(made, "__dict__", found)
    object.__setattr__(made, "__pydantic_fields_set__", names)
    if not cls.__pydantic_root_model__:
        object.__setattr__(made, "__pydantic_extra__", extras)
        object.__setattr__(made, "__pydantic_private__", None)
    return made


def _is_of_pydantic(function: object) -> bool:
    return (getattr(function, "__module__", "") or "").partition(".")[0] in ("pydantic", "pathlib", "builtins")
