"""script: the characters of a script of Unicode, by its name.

Place in the walk: beside `regex_sets.py`, for `\\p{Script=Greek}`. The standard library knows no scripts, so
`scripts.txt` has them, in a Unicode version of its own, which its first line says; `docs/make_scripts.py` writes it. A
line has both names of a script, and two sets of characters: those of the script, and those of no or another script that
it uses too (UAX #24, section 2.8). A set is a list of numbers in base 36: how many code points are passed over, how
many are in it, by turns.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from grammars.ir import Ranges, char_class

__all__ = ["script"]

_ALIASES = {"Qaac": "Copt", "Qaai": "Zinh"}  # the third names in PropertyValueAliases.txt
_UNKNOWN = ("Zzzz", "Unknown")  # of no script: what is in no line
_SHARED = ("Zyyy", "Zinh")  # of many scripts: Common and Inherited


class _Script(NamedTuple):
    short: str
    own: str
    extra: str


def script(name: str, *, extensions: bool = False) -> Ranges | None:
    """The characters of a script, None where none has that name; with `extensions` all that are used in it.

    >>> script("Cherokee") == script("Cher")
    True
    >>> script("Cherokee", extensions=True)[0]
    (768, 770)
    """
    name = _ALIASES.get(name, name)
    if name in _UNKNOWN:
        return char_class((pair for each in set(_scripts().values()) for pair in _ranges(each.own)), negate=True).ranges
    found = _scripts().get(name)
    if found is None:
        return None
    ranges = char_class(_ranges(found.own)).ranges
    if not extensions:
        return ranges
    if found.short not in _SHARED:
        return char_class([*ranges, *_ranges(found.extra)]).ranges
    used = {code for each in _scripts().values() for a, b in _ranges(each.extra) for code in range(a, b + 1)}
    return char_class((code, code) for a, b in ranges for code in range(a, b + 1) if code not in used).ranges


@lru_cache(maxsize=1)
def _scripts() -> dict[str, _Script]:
    """The scripts by both of their names."""
    found: dict[str, _Script] = {}
    for line in files("grammars.frontends").joinpath("scripts.txt").read_text("ascii").splitlines()[1:]:
        names, own, extra = line.split(":")
        short, long = names.split()
        found[short] = found[long] = _Script(short, own, extra)
    return found


def _ranges(numbers: str) -> Iterable[tuple[int, int]]:
    at = 0
    turns = iter(numbers.split())
    for gap, size in zip(turns, turns, strict=True):
        low = at + int(gap, 36)
        at = low + int(size, 36)
        yield low, at - 1
