"""parse_json_schema: a JSON Schema to a Grammar of its texts.

Place in the walk: JSON Schema -> **Grammar** -> ByteAutomaton. One rule per conjunction of subschemas and depth of
indent, made from a worklist, so that neither deep nor recursive schemas nest Python calls. A subschema that allows
nothing becomes `NOTHING`: an optional property with it vanishes, and only when the whole schema is empty is that an
error.

The grammar's texts are a choice of spellings, never of values: keys in one order (or, if asked, in any), declared
strings in one spelling, any spelling for free strings, whitespace by `whitespace.Layout`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import islice

from grammars.collection import collection_paused
from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature, place_of
from grammars.frontends.json_schema.alternatives import alternatives
from grammars.frontends.json_schema.anything import ANY, ANY_OF_TYPES, any_value_rules
from grammars.frontends.json_schema.arrays import array_node, array_shape
from grammars.frontends.json_schema.bounds import merged_number_rules
from grammars.frontends.json_schema.chains import object_node
from grammars.frontends.json_schema.conjunction import Conjunction, flatten, type_clash
from grammars.frontends.json_schema.decimals import DIGITS
from grammars.frontends.json_schema.keywords import KEYWORDS, read
from grammars.frontends.json_schema.later import Later, Waiting
from grammars.frontends.json_schema.objects import object_shape
from grammars.frontends.json_schema.parts import (
    ARRAY,
    BOOLEAN,
    FRACTION,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Own,
    Part,
    Union,
    Work,
)
from grammars.frontends.json_schema.productive import is_seen_to_end, productive_rules, references
from grammars.frontends.json_schema.refs import Document, Location
from grammars.frontends.json_schema.registry import Schemas
from grammars.frontends.json_schema.spelling import check_strings, respelt
from grammars.frontends.json_schema.strings import string_node
from grammars.frontends.json_schema.supply import Needed, fill_needs
from grammars.frontends.json_schema.values import Listed, holds, key_text, listed, literal, only_strings, type_of
from grammars.frontends.json_schema.whitespace import Integers, KeyOrder, Layout, Whitespace, layout
from grammars.frontends.schema_options import Approximate
from grammars.ir import NOTHING, Bytes, Choice, Distinct, Grammar, Node, Numerals, Ref, Shared, Spelling
from grammars.words import one_of

__all__ = ["Compiler", "parse_json_schema"]

_RULES = 60_000
"""Most subschemas, alone and combined, of one grammar: the largest real schema at hand has 9,000."""

_WORK = 400_000
"""Most parts that are looked at for one grammar to see which alternatives are possible: one to two seconds."""


@collection_paused()
def parse_json_schema(
    schema: Mapping[str, object] | bool | str,
    *,
    whitespace: Whitespace = "bounded",
    key_order: KeyOrder = "schema",
    formats: bool = True,
    additional_properties: bool = True,
    approximate: Approximate = None,
    schemas: Schemas | None = None,
    strings: Spelling = "any",
    integers: Integers = "plain",
    digits: int = DIGITS,
    waits: bool = False,
) -> Grammar:
    """The grammar of the JSON texts that satisfy a schema (a dict, a bool, or JSON text).

        parse_json_schema({"type": "array", "items": {"const": 1}}, whitespace="compact")   # [] [1] [1,1] ...

    The options are those of `schema_options`. What `approximate="over"` leaves out is in `Grammar.widened`. With
    `waits`, rules of plain subschemas are made when they are asked for (`Grammar.later`): the schema must be what
    `json.loads` returns, and never change.

    Raises `InvalidGrammar` for what is no schema, `UnsupportedFeature` for a keyword that cannot be enforced exactly,
    `EmptyLanguage` for a contradiction, `LimitExceeded` for what is too large; all name the JSON pointer.
    """
    if approximate not in (None, "over"):
        raise InvalidGrammar(f"approximate={approximate!r} is no way to approximate", hint='use "over" or None')
    check_strings(strings)
    written = layout(whitespace, key_order, integers, digits)
    waits = waits and strings == "any" and approximate is None and written.indent is None and not written.any_order
    made = partial(
        Compiler, layout=written, is_open=additional_properties, strings=strings, waits=waits and digits >= DIGITS
    )
    try:
        try:
            return made(Document(schema, schemas, formats=formats), widens=approximate is not None).grammar()
        except LimitExceeded as error:
            if approximate is None:
                raise
            return made(Document(schema, schemas, formats=formats), widens=True, multiplied=error).grammar()
    except RecursionError:
        raise LimitExceeded("the schema is nested too deeply") from None


_NULL = Bytes(b"null")
_BOOLEAN = Choice((Bytes(b"true"), Bytes(b"false")))
_OF_TYPE: Mapping[int, Node] = {NULL: _NULL, BOOLEAN: _BOOLEAN}


@dataclass(slots=True)
class _Task:
    """A rule to be made: its name, what must hold, how deep its value stands, and which task asked for it."""

    name: str
    parts: tuple[Part, ...]
    depth: int
    asked_by: _Task | None


class Compiler:
    """The rules made so far and those still to be made.

    With `refusals`, refused keywords are collected there and their rules left empty, instead of being raised; one that
    `widens` leaves the keywords out, which allows more values whether they stand below `not` or elsewhere: a complement
    is written as keywords before any is left out. `multiplied` is the limit that the exact unions did not keep to: then
    the branches of `oneOf` may overlap.
    """

    def __init__(
        self,
        document: Document,
        layout: Layout,
        refusals: list[GrammarError] | None = None,
        *,
        is_open: bool = True,
        strings: Spelling = "any",
        widens: bool = False,
        multiplied: LimitExceeded | None = None,
        waits: bool = False,
    ) -> None:
        self.document, self.layout, self.refusals = document, layout, refusals
        self.is_open, self.strings, self.widens = is_open, strings, widens
        self.multiplied = multiplied
        self.widened: dict[str, GrammarError] = {} if multiplied is None else {str(multiplied): multiplied}
        self.rules: dict[str, Node] = {}
        self.contradictions: dict[str, EmptyLanguage] = {}
        self.refs: dict[tuple[tuple[Part, ...], int], Ref] = {}  # by what must hold, and how deep a value stands
        self._taken: dict[str, int] = {}
        self._pending: deque[_Task] = deque()
        self._task: _Task | None = None
        self.work = Work(_WORK)
        self._shared: dict[str, None] = {}
        self._needed: dict[str, Needed] = {}
        self._later = Later(self) if waits else None

    def grammar(self) -> Grammar:
        """The finished grammar; raises `EmptyLanguage` when a contradiction empties all of it."""
        start = self.run()
        later = self._later
        if later is not None and (self.contradictions or self._needed):  # these look through all rules
            later.make_all()
        shared = self._take_shared(0)
        if self.strings != "any":
            self.rules = respelt(self.rules, self.strings)
        self.contradictions |= fill_needs(self.rules, self._needed, is_indented=self.layout.indent is not None)
        later = later if later is not None and later.is_needed else None
        grammar = Grammar(self.rules, start, self.document.source, tuple(self.widened.values()), shared, later)
        if self.contradictions and (error := self._contradiction(grammar)):
            raise error
        return grammar

    def run(self) -> str:
        """Makes all rules that cannot wait, from the root's on; returns the name of the first."""
        start, later = self.rule((self.document.root,), 0).name, self._later
        if later is not None and start in later:
            if later.opening(start) is None:
                self._make(start, later.waiting.pop(start))
            elif self.strings == "any":
                self._shared |= dict.fromkeys(ANY_OF_TYPES.values())  # most of which will be asked for
        self._make_pending()
        return start

    def make(self, name: str, waiting: Waiting) -> Shared | None:
        """Makes a rule that has waited; returns the shared rules that are asked for the first time."""
        known = len(self._shared)
        self._make(name, waiting)
        return self._take_shared(known)

    def _make(self, name: str, waiting: Waiting) -> None:
        later = self._later
        assert later is not None
        node = later.node(*waiting)
        if node is None:
            self.work = Work(_WORK)  # what came before may have taken nearly all, and nothing may be refused now
            self._pending.append(_Task(name, (self.document.located(*waiting),), 0, None))
            self._make_pending()
        else:
            self.rules[name] = node
            later.certain.append(name)

    def _make_pending(self) -> None:
        """Makes the rules that were asked for, and those that they ask for."""
        while self._pending:
            self._task = task = self._pending.popleft()
            self.rules[task.name] = self._body(task)

    def _take_shared(self, known: int) -> Shared | None:
        """Writes the shared rules that were asked for, but the first ones, which are known."""
        asked = tuple(sorted(islice(self._shared, known, None)))
        if not asked and (known or not self.layout.rules):
            return None
        shared = any_value_rules(self.layout, asked)
        self.rules |= shared.rules
        return shared

    # What the builders of arrays and objects ask for

    def rule(self, parts: tuple[Part, ...], depth: int) -> Ref:
        """The rule of the values that satisfy all the parts, made later if it is new."""
        if not parts:
            return self.any(ANY)
        later, part = self._later, parts[0]
        if later is None or len(parts) > 1 or not isinstance(part, Location):
            written = False
        elif later.takes(part):
            return later.ref(part.schema, part.pointer, part.depth)
        else:
            written = later.writes(part)
        if not written:
            if len(parts) == 1 and (target := _target(part)) is not part:
                return self.rule((target,), depth)
            parts = tuple([_target(part) for part in parts])
            name = _any_of_type(parts)
            if name is not None and (name != ANY or self.layout.indent is None):  # else the error tells of the place
                return self.any(name)
        if self.layout.indent is None:
            depth = 0
        key = (parts, depth)
        ref = self.refs.get(key)
        if ref is None:
            if len(self.refs) == _RULES:
                raise self._too_large(f"more than {_RULES:,} rules")
            ref = self.refs[key] = Ref(self.name(_name(parts)))
            task = _Task(ref.name, parts, depth, self._task)
            if depth:
                self._refuse_endless_indent(task)
            self._pending.append(task)
        return ref

    def spend(self, parts: int) -> None:
        """Takes parts that are written off the work; raises `LimitExceeded` when none is left."""
        self.work.left -= parts
        if self.work.left < 0:
            raise self._too_large(f"a look at more than {_WORK:,} parts of alternatives")

    def _too_large(self, what: str) -> LimitExceeded:
        hint = "several anyOf, oneOf or not that hold at once multiply: merge them, or add a type and a const to each"
        return LimitExceeded(f"the schema needs {what}", pointer=_location(self._task), hint=hint)

    def distinct(self, name: str, node: Node, needed: Needed) -> Ref:
        """Adds a rule of those arrays of which no two items are equal; what they need is counted when all are made."""
        if needed.values:
            self._needed[name] = needed
        return self.define(name, Distinct(node))

    def define(self, name: str, node: Node) -> Ref:
        """Adds a helper rule; its name begins with the name of the rule that it helps."""
        self.rules[name] = node
        return Ref(name)

    def name(self, name: str) -> str:
        """A name of its own; `~` before anything but 0 and 1, which no JSON pointer has, sets other names apart."""
        count = self._taken[name] = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}~{count}"

    def any(self, name: str) -> Ref:
        if self.layout.indent is not None and name not in ("any string", "any number", "any integer"):
            raise UnsupportedFeature(
                f"an {name[4:]} that may hold anything cannot be indented by a fixed layout"
                if name != ANY
                else "a value of any kind cannot be indented by a fixed layout",
                pointer=_location(self._task),
                hint='close the schema, or use whitespace="bounded"',
            )
        self._shared[name] = None
        return _ANY[name]

    def _refuse_endless_indent(self, task: _Task) -> None:
        """A fixed indent needs one rule per depth, so that recursion would never end."""
        asked_by = task.asked_by
        while asked_by is not None:
            if asked_by.parts == task.parts:
                raise UnsupportedFeature(
                    "a recursive schema cannot be indented by a fixed layout",
                    pointer=_location(task),
                    hint='use whitespace="bounded"',
                )
            asked_by = asked_by.asked_by

    # The body of one rule

    def _body(self, task: _Task) -> Node:
        later, part = self._later, task.parts[0]
        if later is not None and len(task.parts) == 1 and isinstance(part, Location):
            node = later.body(part)
            if node is not None:
                return node
        try:
            conjunction = flatten(task.parts)
            if not conjunction.types:
                raise type_clash(conjunction)
            if (found := listed(conjunction)) is not None:
                return self._literals(found, conjunction, task)
            if conjunction.unions:
                return self._alternatives(conjunction, task)
            if not conjunction.owns:
                return self.any(ANY)
            return self._by_type(conjunction, task)
        except EmptyLanguage as error:
            self.contradictions[task.name] = error
        except UnsupportedFeature as error:
            if self.widens:
                self.widen(error)
                return self.any(ANY)
            self._refuse(error)
        return NOTHING

    def widen(self, error: UnsupportedFeature) -> None:
        """Notes that a keyword is left out; raises the error where none may be."""
        if not self.widens:
            raise error
        self.widened.setdefault(str(error), error)

    def _refuse(self, error: GrammarError) -> None:
        if self.refusals is None:
            raise error
        self.refusals.append(error)

    def _refuse_keywords(self, conjunction: Conjunction, types: int) -> bool:
        """Refuses all keywords that speak of these types and cannot be enforced; whether there were any."""
        found = False
        for own in conjunction.owns:
            for refusal in own.refused:
                if refusal.types & types:
                    if self.widens and isinstance(refusal.error, UnsupportedFeature):
                        self.widen(refusal.error)
                        continue
                    self._refuse(refusal.error)
                    found = True
        return found

    def _literals(self, found: Listed, conjunction: Conjunction, task: _Task) -> Node:
        pointer = found.pointers[0]
        if self._refuse_keywords(conjunction, _types_of(found.values, pointer)):
            return NOTHING
        values = [*self._passing(found)]
        if not values:
            raise EmptyLanguage(_no_value(found), pointer=pointer)
        if len(values) > 1 and only_strings(values):
            return one_of([key_text(value) for value in values])
        nodes = dict.fromkeys([literal(value, self.layout, task.depth, pointer) for value in values])
        return next(iter(nodes)) if len(nodes) == 1 else Choice(tuple(nodes))

    def _passing(self, found: Listed) -> Iterator[object]:
        """The listed values that satisfy the rest, as far as that can be told."""
        if not self.widens:
            yield from found.passing()
            return
        for value in found.values:
            try:
                if not holds(value, found.rest):
                    continue
            except UnsupportedFeature as error:
                self.widen(error)
            yield value

    def _alternatives(self, conjunction: Conjunction, task: _Task) -> Node:
        if self._refuse_keywords(conjunction, conjunction.types):
            return NOTHING
        choices = alternatives(conjunction, self.work, may_overlap=self.multiplied is not None)
        self.spend(0)
        return Choice(tuple([self.rule(parts, task.depth) for parts in choices]))

    def _by_type(self, conjunction: Conjunction, task: _Task) -> Node:
        if self._refuse_keywords(conjunction, conjunction.types):
            return NOTHING
        nodes: list[Node] = []
        errors: list[EmptyLanguage] = []
        for bits, name, build in _builders(conjunction.types):
            if name and not conjunction.says & bits:
                nodes.append(self.any(name))
                continue
            try:
                nodes.append(build(self, conjunction.owns, task))
            except EmptyLanguage as error:
                errors.append(error)
            except UnsupportedFeature as error:
                self.widen(error)
                nodes.append(self.any(name or "any number"))
        if not nodes:
            raise errors[0]
        return nodes[0] if len(nodes) == 1 else Choice(tuple(nodes))

    def of_types(self, types: int) -> Node:
        """The values of the types that a subschema names and of which it says no more."""
        nodes = [self.any(name) if name else _OF_TYPE[bits] for bits, name, _ in _builders(types)]
        return nodes[0] if len(nodes) == 1 else Choice(tuple(nodes))

    def null(self, owns: tuple[Own, ...], task: _Task) -> Node:
        return _NULL

    def boolean(self, owns: tuple[Own, ...], task: _Task) -> Node:
        excluded = {value for own in owns for value in own.excluded if isinstance(value, bool)}
        if not excluded:
            return _BOOLEAN
        return NOTHING if len(excluded) == 2 else Bytes(b"false" if True in excluded else b"true")

    def number(self, owns: tuple[Own, ...], task: _Task) -> Node:
        types = NUMBER
        for own in owns:
            types &= own.types
        made = merged_number_rules(
            owns, types, f"{task.name}~number", zero_fraction=self.layout.zero_fraction, digits=self.layout.digits
        )
        if len(made.rules) == 1:
            node = made.rules[made.start]
            if not isinstance(node, Numerals):
                return node
            name = _number_name(node)
            self.rules[name] = node
            return Ref(name)
        self.rules.update(made.rules)
        return Ref(made.start)

    def string(self, owns: tuple[Own, ...], task: _Task) -> Node:
        return string_node(owns)

    def array(self, owns: tuple[Own, ...], task: _Task) -> Node:
        return array_node(array_shape(owns), self, task.name, task.depth)

    def object(self, owns: tuple[Own, ...], task: _Task) -> Node:
        return object_node(
            object_shape(owns, is_open=self.is_open), self, task.name, task.depth, owns[0].location.pointer
        )

    # Why the whole is empty

    def _contradiction(self, grammar: Grammar) -> EmptyLanguage | None:
        """The contradiction that empties the start rule, if one does: the first on the way through empty rules."""
        if is_seen_to_end(self.rules, grammar.start):
            return None
        productive = productive_rules(self.rules)
        pending, seen = [grammar.start], {grammar.start}
        while pending:
            name = pending.pop()
            if name in productive:
                continue
            if name in self.contradictions:
                return self.contradictions[name]
            following = [ref for ref in references(grammar.rules[name]) if ref not in seen]
            seen.update(following)
            pending += reversed(following)
        return None


@lru_cache(maxsize=1024)
def _number_name(node: Numerals) -> str:
    """One rule for all numbers that have the same bounds."""
    return f"~number {node.positive} {node.negative}"


_ANY = {name: Ref(name) for name in (ANY, "any object", "any array", "any string", "any number", "any integer")}

_Build = Callable[[Compiler, tuple[Own, ...], _Task], Node]
_TYPES: tuple[tuple[int, str | None, _Build], ...] = (
    (OBJECT, "any object", Compiler.object),
    (ARRAY, "any array", Compiler.array),
    (STRING, "any string", Compiler.string),
    (NUMBER, "any number", Compiler.number),
    (BOOLEAN, None, Compiler.boolean),
    (NULL, None, Compiler.null),
)
"""Per type the shared rule for a schema that says nothing about it, and the method for one that does."""


@cache
def _builders(types: int) -> tuple[tuple[int, str | None, _Build], ...]:
    """What `_TYPES` has for a set of types, where a number may be an integer only."""
    return tuple(
        (bits, {INTEGER: "any integer", FRACTION: None}.get(types & bits, name), build)
        for bits, name, build in _TYPES
        if types & bits
    )


def _any_of_type(parts: tuple[Part, ...]) -> str | None:
    """The shared rule of a subschema that says nothing, or "string", "number" or "integer" alone; None for others."""
    if len(parts) > 1 or not isinstance(part := parts[0], Location):
        return None
    own = part.own or read(part)
    if own.says or own.values or own.before or own.after or own.refused:
        return None
    return ANY_OF_TYPES.get(own.types)


def _name(parts: tuple[Part, ...]) -> str:
    """What a rule is called, and maybe others that have the same first parts."""
    return _pointer(parts[0]) if len(parts) == 1 else " & ".join([*dict.fromkeys(map(_pointer, parts))][:3])


def _pointer(part: Part) -> str:
    return place_of(_location_of(part))


def _location_of(part: Part) -> str:
    return part.location.pointer if isinstance(part, Own) else part.pointer


def _location(task: _Task | None) -> str:
    return "" if task is None else _location_of(task.parts[0])


def _target(part: Part) -> Part:
    """What a subschema that is nothing but a reference leads to, so that all references to it share its rule."""
    if isinstance(part, Location) and not (part.own or read(part)).silent:
        return part
    seen: set[Part] = set()
    while isinstance(part, Location):
        own = part.own or read(part)
        if not own.silent or len(own.before) + len(own.after) != 1 or part in seen:
            break
        target = (*own.before, *own.after)[0]
        if isinstance(target, Union):
            break
        seen.add(part)
        part = target
    return part


def _types_of(values: list[object], pointer: str) -> int:
    types = 0
    for value in values if not only_strings(values) else values[:1]:
        types |= type_of(value, pointer=pointer)
    return types


def _no_value(found: Listed) -> str:
    """Why none of the listed values is left."""
    keyword = found.pointers[0].rpartition("/")[2]
    if not found.values:
        if len(found.pointers) == 1:
            return f"{keyword} lists no value"
        return "no value is listed by all of " + ", ".join(map(place_of, found.pointers[:3]))
    only = found.rest[0] if len(found.rest) == 1 else None
    if isinstance(only, Own) and isinstance(only.location.schema, dict):
        names = [name for name in only.location.schema if (known := KEYWORDS.get(name)) and known.read is not None]
        others = " and ".join(name for name in names if name not in ("enum", "const", keyword))
    else:
        others = "all of " + ", ".join(list(dict.fromkeys(map(_pointer, found.rest)))[:3])
    return f"{keyword} lists no value that satisfies {others}"
