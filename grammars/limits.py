"""Limits: what one grammar may cost to compile.

Place in the walk: beside `grammars.compile`, which keeps to them, and in the automaton, so that it can be made again.
"""

from __future__ import annotations

from grammars.record import record

__all__ = ["Limits"]


@record
class Limits:
    """What one grammar may cost; beyond it `LimitExceeded` is raised.

    `states`: of one rule's automaton, with at most eight times as many positions in them; `rules`: of the whole
    grammar; `depth`: of nested nodes in one rule; `unrolled`: the largest repeat, in nodes, that is written out rather
    than counted; where that makes all of a rule call no other one, the rule may have 128 times as many.
    """

    states: int = 200_000
    rules: int = 500_000
    depth: int = 200
    unrolled: int = 32
