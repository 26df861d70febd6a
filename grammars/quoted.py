"""A DFA over code points to the table of the JSON strings that say its texts, all states at once.

Place in the walk: the last step from characters to bytes, for the strings of leaves. `grammars.utf8` makes the same
state by state, in the same order. States that differ in targets alone are one template here, and what differs is
columns of numbers: a pattern that counts to 200 has 400 states in 4 templates, which are 13,000 states in bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, count
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from grammars.dfa import Dfa, EdgeTable
from grammars.ir import Spelling
from grammars.record import record
from grammars.utf8 import QUOTE, TICK, Row, beyond_ascii, spelt_row

__all__ = ["quoted_table"]

Ints: TypeAlias = NDArray[np.int64]
Kind: TypeAlias = tuple[tuple[object, ...], tuple[int, ...]]

_REMEMBERED = 512
"""Templates."""

_MOST_KINDS = 1 << 14
"""Kinds that are numbered before numbers and templates are forgotten: about a kilobyte each."""

_KINDS: dict[Kind, int] = {}
"""The numbers of kinds of unfinished characters: their edges, on targets as they appear, and the kinds behind these."""

_NUMBERS = count()


def quoted_table(dfa: Dfa, spelling: Spelling, *, ticks: bool = False) -> EdgeTable:
    """The byte DFA of the JSON strings, quotes and all, that `encode_json(dfa, spelling, quoted=True)` gives.

    >>> quoted_table(Dfa((((97, 97, 1),), ()), frozenset({1})), "raw").dfa().edges     # "a"
    (((34, 34, 1),), ((97, 97, 2),), ((34, 34, 3),), ())
    """
    templates, of_state, targets = _templates(dfa, spelling, ticks)
    kind = np.array([number for template in templates for number in template.kinds], np.int64)
    which = np.array([number for template in templates for number in template.which], np.int64)
    lengths = np.array([length for template in templates for length in template.lengths])
    edges = np.concatenate([template.edges for template in templates])
    width = np.array([template.targets for template in templates])[of_state]  # of each state, as all that follows
    made = np.array([len(template.kinds) for template in templates])
    count, first_kind, first_row = made[of_state], _begins(made)[of_state], _begins(1 + made)[of_state]

    # The unfinished characters of all states, one state's behind the other's; the first of equal ones is a state.
    owner = np.repeat(np.arange(len(of_state)), count)
    at = _counted(first_kind, count)
    appearing, column, most = _appearing(templates, of_state, targets, _begins(width))
    keys = kind[at] * most + appearing[column[owner] + which[at]]
    _, first, same = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    names = np.empty_like(order)
    names[order] = np.arange(len(order))
    first = first[order]

    # What the edges of each state refer to: its targets, its unfinished characters, the end.
    end = 1 + len(of_state) + len(first)
    begins = _begins(width + count + 1)
    refers = np.full(int((width + count + 1).sum()), end)
    refers[_counted(begins, width)] = 1 + targets
    refers[_counted(begins + width, count)] = 1 + len(of_state) + names[same.reshape(-1)]

    # The opening quote, the states between characters, the unfinished characters, the end.
    rows = np.concatenate([first_row, (at - first_kind[owner] + first_row[owner] + 1)[first]])
    counts = lengths[rows]
    written = edges[_counted(_begins(lengths)[rows], counts)]
    written[:, 2] = refers[np.repeat(np.concatenate([begins, begins[owner[first]]]), counts) + written[:, 2]]
    table = np.concatenate([[(QUOTE, QUOTE, 1)], written])
    return EdgeTable(np.concatenate([[1], counts, [0]]), table, frozenset({end}))


def _appearing(templates: list[_Template], of_state: Ints, targets: Ints, first_target: Ints) -> tuple[Ints, Ints, int]:
    """Numbers for the targets that appear together, by state and `appearing`; where those of each state begin; and a
    number above all. A single target is its own number.
    """
    columns = np.array([len(template.appearing) for template in templates])
    count = columns[of_state]
    appearing = [found for template in templates for found in template.appearing]
    single = np.array([found[0] if len(found) == 1 else -1 for found in appearing], np.int64)
    which = _counted(_begins(columns)[of_state], count)
    owner, begins = np.repeat(np.arange(len(of_state)), count), _begins(count)
    found = targets[first_target[owner] + np.maximum(single[which], 0)]
    sets: dict[tuple[int, ...], int] = {}
    several = np.flatnonzero(single[which] < 0)
    numbers, firsts = targets.tolist(), first_target[owner[several]].tolist()
    for place, first, column in zip(several.tolist(), firsts, which[several].tolist(), strict=True):
        together = tuple([numbers[first + i] for i in appearing[column]])
        found[place] = len(of_state) + sets.setdefault(together, len(sets))
    return found, begins, len(of_state) + len(sets)


@record
class _Template:
    """What stands behind states with these edges on code points to targets 0, 1, ...: rows of edges on bytes.

    The first row is that of the state itself, the others are those of unfinished characters. An edge refers to a
    target, behind these to an unfinished character, behind these to the end.
    """

    targets: int
    lengths: tuple[int, ...]  # of the rows
    edges: Ints  # (n, 3): low, high, what it refers to
    kinds: tuple[int, ...]
    """Of each unfinished character the number of its kind.

    Two are the same state if their kinds and the targets that appear are.
    """
    appearing: tuple[tuple[int, ...], ...]
    """The targets that appear in unfinished characters, each tuple once."""
    which: tuple[int, ...]
    """Of each unfinished character the number of its tuple."""


def _templates(dfa: Dfa, spelling: Spelling, ticks: bool) -> tuple[list[_Template], Ints, Ints]:
    """The templates, that of each state, and the targets of all states, one state's behind the other's."""
    if len(_KINDS) > _MOST_KINDS:  # numbers are not given twice: what others are at work on has more states at worst
        _template.cache_clear()
        _kinds_beyond.cache_clear()
        _KINDS.clear()
    shapes: dict[tuple[Row, bool], int] = {}
    of_state, targets = [], list[int]()
    for state, row in enumerate(dfa.edges):
        places: dict[int, int] = {}
        shape = tuple([(low, high, places.setdefault(target, len(places))) for low, high, target in row])
        of_state.append(shapes.setdefault((shape, state in dfa.finals), len(shapes)))
        targets += places
    templates = [_template(shape, final, spelling, ticks) for shape, final in shapes]
    return templates, np.array(of_state), np.array(targets, np.int64)


@lru_cache(_REMEMBERED)
def _template(shape: Row, final: bool, spelling: Spelling, ticks: bool) -> _Template:
    targets = len({target for _, _, target in shape})
    spelt = spelt_row(shape, spelling, False)
    shift = TICK if ticks else 0
    first = [(low + shift, high + shift, to) for low, high, to in spelt.first]
    if final:
        first = sorted([*first, (QUOTE, QUOTE, targets + len(spelt.rows))])
    kinds, appearing = list[int](), list[tuple[int, ...]]()
    if not spelt.origins:
        _find_kinds(spelt.rows, targets, kinds, appearing)
    else:  # most of these rows were written, and have their kinds, for other states
        known = _kinds_beyond(spelt.others)
        for row, origin in zip(spelt.rows, spelt.origins, strict=True):
            if origin < 0:
                _find_kinds((row,), targets, kinds, appearing)
            else:
                kinds.append(known[0][origin])
                appearing.append(tuple([spelt.places[target] for target in known[1][origin]]))
    numbers = {found: i for i, found in enumerate(dict.fromkeys(appearing))}
    rows = (first, *spelt.rows)
    flat = array("q", chain.from_iterable(chain.from_iterable(rows)))
    return _Template(
        targets,
        tuple(map(len, rows)),
        np.array(flat, np.int64).reshape(-1, 3),
        tuple(kinds),
        tuple(numbers),
        tuple([numbers[found] for found in appearing]),
    )


@lru_cache(_REMEMBERED)
def _kinds_beyond(others: Row) -> tuple[list[int], list[tuple[int, ...]]]:
    """The kinds of unfinished characters beyond ASCII, and the targets that appear."""
    kinds, appearing = list[int](), list[tuple[int, ...]]()
    _find_kinds(beyond_ascii(others).rows, len({target for _, _, target in others}), kinds, appearing)
    return kinds, appearing


def _find_kinds(rows: Iterable[Row], targets: int, kinds: list[int], appearing: list[tuple[int, ...]]) -> None:
    """Appends the kinds of further unfinished characters, and the targets that appear, to those of the first ones."""
    for edges in rows:
        found: dict[int, int] = {}
        kind: list[object] = []
        others = []
        for low, high, to in edges:
            if to < targets:
                kind += (low, high, found.setdefault(to, len(found)))
            else:
                others.append(kinds[to - targets])
                kind += (low, high, tuple([found.setdefault(target, len(found)) for target in appearing[to - targets]]))
        kinds.append(_KINDS.setdefault((tuple(kind), tuple(others)), next(_NUMBERS)))
        appearing.append(tuple(found))


def _begins(counts: Ints) -> Ints:
    """Where each part begins when they stand one behind the other."""
    return np.cumsum(counts) - counts


def _counted(begins: Ints, counts: Ints) -> Ints:
    """The numbers from each beginning on, so many of them.

    >>> _counted(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    return np.arange(int(counts.sum())) + np.repeat(begins - _begins(counts), counts)
