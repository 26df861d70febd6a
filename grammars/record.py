"""record: a class of values, quick to make.

Place in the walk: nodes, automata, what keywords say: all that is made once and read from then on. Thousands are made
for one grammar, and a frozen dataclass takes two to four times as long to make as one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, dataclass_transform, overload

__all__ = ["record"]

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, eq: bool = True, match_args: bool = True, weakref_slot: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[Any] | None = None, /, *, eq: bool = True, **options: Any) -> Any:
    """A dataclass with slots whose fields are never written again; type checkers see to that, nothing at run time.

    >>> @record
    ... class Point:
    ...     x: int
    >>> Point(1) == Point(1), hash(Point(1)) == hash(Point(1))
    (True, True)
    """
    if cls is None:
        return partial(_made, eq=eq, **options)
    return _made(cls, eq=eq, **options)


def _made(cls: type[Any], *, eq: bool, **options: Any) -> type[Any]:
    hashes = eq and "__hash__" not in vars(cls)  # by its fields, where it has no way of its own
    return dataclass(slots=True, eq=eq, unsafe_hash=hashes, **options)(cls)
