"""Garbage collection, put off while a grammar is made.

Place in the walk: around the front end of JSON Schema and the survey. What they make lasts, and nearly none of it is
garbage; yet each few hundred new objects start a search through those made before. Of a schema of a megabyte that was a
third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collection_paused"]


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pauses the cyclic garbage collector, unless it is paused already; for the whole process, as it has only one."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
