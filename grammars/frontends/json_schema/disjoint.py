"""Proofs that no value satisfies two subschemas at once, for `oneOf`.

Place in the walk: conjunction -> **branches of a oneOf**. "Exactly one branch" is "some branch" when no two branches
share a value. The proofs look at types, at finite values of required properties (a discriminator), at bounds and
lengths, at patterns, and into required properties and items, to a limited depth; they never guess. Where there is no
proof, each of two branches comes with the complement of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from grammars.errors import EmptyLanguage, GrammarError, UnsupportedFeature
from grammars.frontends.json_schema.arrays import array_shape
from grammars.frontends.json_schema.bounds import BOUNDS, holds_integer, is_crossed, merged_number_rules, range_of
from grammars.frontends.json_schema.conjunction import Conjunction, flatten, statically_false
from grammars.frontends.json_schema.emptiness import apart, nothing_in
from grammars.frontends.json_schema.negation import negated
from grammars.frontends.json_schema.objects import object_shape, parts_of_values
from grammars.frontends.json_schema.parts import ARRAY, INTEGER, NUMBER, OBJECT, STRING, Every, Own, Part, Union, Work
from grammars.frontends.json_schema.strings import string_content
from grammars.frontends.json_schema.values import equality_key, listed
from grammars.ir import And, Length

__all__ = ["exclusive", "overlapping"]

_DEPTH = 4
"""How deep a proof looks into required properties, items and branches."""
_STEPS = 20_000
"""How many parts one search looks at: about a tenth of a second."""
_LENGTH = 64
"""Up to which length of strings it combines lengths with patterns."""


def exclusive(union: Union, around: Conjunction, possible: Sequence[Part], work: Work) -> list[Part]:
    """Those branches of a `oneOf` that are `possible` with what holds around it.

    Each comes without the values that another one may have too.
    """
    others: list[list[Part]] = [[] for _ in possible]
    for left, right in overlapping(possible, lambda *branches: around.choose(union, *branches), work):
        others[left].append(negated(possible[right]))
        others[right].append(negated(possible[left]))
    return [Every((branch, *also)) if also else branch for branch, also in zip(possible, others, strict=True)]


def overlapping(
    branches: Sequence[Part],
    around: Callable[..., tuple[Part, ...]] = lambda *branches: branches,
    work: Work | None = None,
) -> Iterator[tuple[int, int]]:
    """The pairs of branches of which it is not proved that no value satisfies both, with what holds `around` them."""
    flat = [flatten(around(branch)) for branch in branches]
    if _typed_apart(flat):
        return
    objects = [branch for branch in flat if branch.types == OBJECT]
    settled = OBJECT if _discriminated(objects) else 0
    settled |= STRING if _patterned([branch for branch in flat if branch.types == STRING]) else 0
    proof = _Proof(work or Work(_STEPS))
    free = [_all_of(branch) for branch in flat]
    for (i, left), (j, right) in combinations(enumerate(flat), 2):
        if not left.types & right.types or (left.types == right.types and left.types & settled):
            continue
        if free[i] & free[j] or not proof.empty(around(branches[i], branches[j]), _DEPTH):
            yield i, j


def _all_of(branch: Conjunction) -> int:
    """Types of which all values satisfy a branch."""
    if branch.unions or any(own.values or own.excluded for own in branch.owns):
        return 0
    return branch.types & ~branch.says


def _typed_apart(branches: Sequence[Conjunction]) -> bool:
    """Whether no two branches have a type in common."""
    seen = 0
    for branch in branches:
        if branch.types & seen:
            return False
        seen |= branch.types
    return True


def _discriminated(branches: Sequence[Conjunction]) -> bool:
    """Whether some required property has different finite values in every one of two or more branches."""
    if len(branches) < 2:
        return False
    tables = [_required_values(branch.owns) for branch in branches]
    for name in tables[0]:
        found: set[object] = set()
        for table in tables:
            values = table.get(name)
            if values is None or not found.isdisjoint(values):
                break
            found |= values
        else:
            return True
    return False


def _patterned(branches: Sequence[Conjunction]) -> bool:
    """Whether the patterns and formats of three or more branches are seen at once to have no string in common."""
    try:
        contents = [string_content(branch.owns) for branch in branches]
        return len(contents) > 2 and apart([node.item if isinstance(node, Length) else node for node in contents])
    except GrammarError:
        return False


def _required_values(owns: Iterable[Own]) -> dict[str, set[object]]:
    """For each required property with finitely many values, those values."""
    owns = list(owns)
    table: dict[str, set[object]] = {}
    for name in dict.fromkeys(name for own in owns for name in own.required):
        declared = [own.properties[name] for own in owns if own.properties is not None and name in own.properties]
        if declared:
            found = listed(flatten(declared))
            if found is not None:
                table[name] = {equality_key(value) for value in found.values}
    return table


class _Proof:
    """One search for proofs, with the steps that it may still take, and the work that all searches may take."""

    def __init__(self, work: Work) -> None:
        self.steps, self.work = _STEPS, work

    def empty(self, parts: Sequence[Part], depth: int) -> bool:
        """Whether it is proved that no value satisfies all the parts; False means "not proved"."""
        try:
            return self._empty(parts, depth)
        except UnsupportedFeature:
            return False

    def _empty(self, parts: Sequence[Part], depth: int) -> bool:
        conjunction = flatten(parts)
        self.steps -= len(conjunction.parts)
        self.work.left -= 2 * len(conjunction.parts)
        types = conjunction.types
        if not types or self.steps < 0 or self.work.left < 0:
            return not types
        if (found := listed(conjunction)) is not None:
            return not any(True for _ in found.passing())
        if depth and any(
            all(self.empty(conjunction.choose(union, branch), depth - 1) for branch in union.branches)
            for union in conjunction.unions
        ):
            return True
        proofs = {NUMBER: self.no_number, STRING: self.no_string, ARRAY: self.no_array, OBJECT: self.no_object}
        if types & ~sum(proofs):
            return False
        return all(_proves(prove, conjunction, depth) for bits, prove in proofs.items() if types & bits)

    def no_number(self, conjunction: Conjunction, depth: int) -> bool:
        owns, between = conjunction.owns, range_of(conjunction.owns)
        if is_crossed(*between):
            return True
        if any(own.scalars.keys() - BOUNDS or own.excluded for own in owns) or not (
            conjunction.types & INTEGER and holds_integer(*between)
        ):
            merged_number_rules(owns, conjunction.types, "")
        return False

    def no_string(self, conjunction: Conjunction, depth: int) -> bool:
        content = string_content(conjunction.owns)
        if isinstance(content, Length) and (content.min if content.max is None else content.max) > _LENGTH:
            content = content.item
        return isinstance(content, And | Length) and nothing_in(content)

    def no_array(self, conjunction: Conjunction, depth: int) -> bool:
        shape = array_shape(conjunction.owns)
        needed = list(shape.prefix[: shape.low])
        if shape.rest is not None and shape.low > len(shape.prefix):
            needed.append(shape.rest)
        return depth > 0 and any(parts and self.empty(parts, depth - 1) for parts in needed)

    def no_object(self, conjunction: Conjunction, depth: int) -> bool:
        if any(own.scalars or own.names is not None for own in conjunction.owns):
            object_shape(conjunction.owns)
        required = dict.fromkeys(name for own in conjunction.owns for name in own.required)
        for _, parts in parts_of_values(conjunction.owns, [*required]):
            if statically_false(parts) is not None:
                return True
            if depth and len(parts) > 1 and self.empty(parts, depth - 1):
                return True
        return False


def _proves(prove: Callable[[Conjunction, int], bool], conjunction: Conjunction, depth: int) -> bool:
    """What a proof says; a contradiction met on the way is a proof, and what is not supported is none."""
    try:
        return prove(conjunction, depth)
    except EmptyLanguage:
        return True
    except GrammarError:
        return False
