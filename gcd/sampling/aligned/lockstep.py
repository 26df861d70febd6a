"""together: samplers side by side, that are given in one pass of the model what all of them wait for.

Place in the walk: between `rows.py` and the samplers that are written as tasks: generators that yield the nodes whose
rows they are about to ask for, and return what they made. A task yields nothing that it needs not, so that every pass
is as full as it can be, and it is the same one whether it goes alone or with others.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from gcd.sampling.aligned.rows import Rows
    from gcd.sampling.aligned.trie import Node

__all__ = ["Task", "alone", "together"]

Result = TypeVar("Result")
Task: TypeAlias = "Generator[Node, None, Result]"


def together(rows: Rows, tasks: Sequence[Task[Result]]) -> list[Result]:
    """What each task returns. Raises what one of them raises, or BadLogits; the others are closed then."""
    results: dict[int, Result] = {}
    try:
        while len(results) < len(tasks):
            wanted: list[Node] = []
            for number, task in enumerate(tasks):
                if number not in results:
                    try:
                        wanted.append(next(task))
                    except StopIteration as end:
                        results[number] = end.value
            rows.fetch(wanted)
    finally:
        for task in tasks:
            task.close()
    return [results[number] for number in range(len(tasks))]


def alone(rows: Rows, task: Task[Result]) -> Result:
    """What a task returns that goes by itself."""
    return together(rows, [task])[0]
