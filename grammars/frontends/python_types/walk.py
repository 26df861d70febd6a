"""Walk: what every step from a core schema to a JSON Schema needs.

A step is a function `(walk, node, place) -> Schema`, listed in a table under the `type` of the node with the keys that
it reads. A node with a key that its step does not read is refused: a constraint of a newer pydantic is never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeAlias

from grammars.errors import UnsupportedFeature
from grammars.record import record

__all__ = ["Node", "Omitted", "Place", "Schema", "Step", "Walk", "refuse"]

Node: TypeAlias = Mapping[str, Any]
"""A node of a pydantic core schema."""

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema object, 2020-12."""

EVERYWHERE = frozenset({"type", "ref", "metadata", "serialization", "strict"})
"""Keys that any node may have; strictness matters to few steps, since JSON itself makes pydantic lenient."""


class Omitted(Exception):
    """The node says that it is to be left out (`SkipJsonSchema`, the MISSING sentinel)."""


@record
class Place:
    """Where a node is: the path for messages (`Order.items[].price`) and the configuration in force."""

    path: str
    config: Mapping[str, Any] = field(default_factory=dict)

    def at(self, step: str) -> Place:
        return replace(self, path=self.path + step)


@record
class Step:
    """How one type of node is read, and the keys of it that are read or have no bearing on the texts."""

    emit: Callable[[Walk, Node, Place], Schema]
    keys: frozenset[str]


@dataclass(slots=True)
class Walk:
    """One walk over one core schema: the table of steps, the definitions met, the tags to require at the end."""

    steps: Mapping[str, Step]
    document: Callable[[Walk, Node, Place], Schema]
    nodes: dict[str, tuple[Node, Mapping[str, Any]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, Schema] = field(default_factory=dict)
    tagged: list[tuple[Schema, tuple[str, ...], Place]] = field(default_factory=list)

    def schema(self, node: Node, place: Place) -> Schema:
        """The JSON Schema of a node, with what its author says about it."""
        return self.document(self, node, place)

    def plain(self, node: Node, place: Place) -> Schema:
        """The JSON Schema of a node, read from what it validates only."""
        kind = node["type"]
        step = self.steps.get(kind)
        if step is None:
            refuse(place, f"pydantic's {kind!r} type is not known here")
        unknown = sorted(node.keys() - step.keys - EVERYWHERE)
        if unknown:
            refuse(place, f"the constraint {unknown[0]!r} of pydantic's {kind!r} type is not known here")
        return step.emit(self, node, place)

    def strict(self, node: Node, place: Place) -> bool:
        """Whether the node is validated in strict mode."""
        return bool(node.get("strict", place.config.get("strict", False)))

    def name_of(self, reference: str) -> str:
        """The key in `$defs` of a core reference: the bare name of the class, numbered when it is taken."""
        if reference not in self.names:
            bare = "".join(part.rsplit(":", 1)[0].rsplit(".", 1)[-1] + mark for part, mark in _parts(reference))
            name = "".join(c if c.isalnum() else "_" for c in bare).strip("_") or "Type"
            taken = set(self.names.values())
            self.names[reference] = next(
                x for x in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if x not in taken
            )
        return self.names[reference]


def _parts(reference: str) -> list[tuple[str, str]]:
    """A core reference cut at its brackets and commas: `m.Box:1[m.Item:2]` -> [("m.Box:1", "["), ("m.Item:2", "]")]."""
    parts, current = [], ""
    for char in reference:
        if char in "[],":
            parts.append((current, char))
            current = ""
        else:
            current += char
    return [*parts, (current, "")]


def refuse(place: Place, what: str, *, hint: str | None = None) -> NoReturn:
    """Raises UnsupportedFeature: `what` must not be written as JSON, or not exactly, at that place."""
    raise UnsupportedFeature(f"{place.path}: {what}", hint=hint)
