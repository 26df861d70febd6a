"""Garbage collection, put off while a grammar is made.

Place in the walk: around the front end of JSON Schema and the survey. What they make lasts, and nearly none of it is
garbage; yet each few hundred new objects start a search through those made before. Of a schema of a megabyte that was a
third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["collection_paused"]

P = ParamSpec("P")
R = TypeVar("R")


class collection_paused:  # noqa: N801 - a context and a decorator
    """Pauses the cyclic garbage collector, unless it is paused already; for the whole process, as it has only one.

    Each rule is built inside of one, so it is no `contextmanager`, which takes ten times as long.
    """

    __slots__ = ("pauses",)

    def __enter__(self) -> None:
        self.pauses = gc.isenabled()
        if self.pauses:
            gc.disable()

    def __exit__(self, *error: object) -> None:
        if self.pauses:
            gc.enable()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def paused(*args: P.args, **kwargs: P.kwargs) -> R:
            with collection_paused():
                return function(*args, **kwargs)

        return paused
