"""Writes grammars/frontends/scripts.txt, the scripts of Unicode that `\\p{Script=Greek}` names, anew.

    python docs/make_scripts.py

It takes them from fontTools (which comes with matplotlib): Scripts.txt, ScriptExtensions.txt and
PropertyValueAliases.txt of the Unicode Character Database. `grammars/frontends/regex_scripts.py` says how they are
written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from fontTools.unicodedata import ScriptExtensions, Scripts

FILE = Path(__file__).parent.parent / "grammars/frontends/scripts.txt"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

Ranges = list[tuple[int, int]]


def made() -> str:
    """The whole file."""
    assert Scripts.__file__ is not None
    found = re.search(r"# Scripts-([\d.]+)\.txt", Path(Scripts.__file__).read_text(encoding="utf-8"))
    assert found is not None
    own: defaultdict[str, Ranges] = defaultdict(list)
    added: defaultdict[str, Ranges] = defaultdict(list)
    for low, high, script in ranges_of(Scripts.RANGES, Scripts.VALUES):
        own[script].append((low, high))
    for low, high, others in ranges_of(ScriptExtensions.RANGES, ScriptExtensions.VALUES):
        for script in others or ():
            added[script].append((low, high))
    lines = [f"# Unicode {found[1]}: made by docs/make_scripts.py; (c) Unicode, Inc., unicode.org/license.txt"]
    for short in sorted(own.keys() - {"Zzzz"}):
        extra = minus(added[short], own[short])
        lines.append(f"{short} {Scripts.NAMES[short]}: {written(own[short])}: {written(extra)}".rstrip())
    return "\n".join(lines) + "\n"


def ranges_of(starts: list[int], values: list) -> Iterable[tuple]:
    return ((low, high - 1, value) for (low, high), value in zip(pairwise([*starts, 0x110000]), values, strict=True))


def minus(ranges: Ranges, others: Ranges) -> Ranges:
    """The code points that are in the one and not in the other, few as they are, as ranges."""
    known = [range(low, high + 1) for low, high in others]
    codes = (code for low, high in ranges for code in range(low, high + 1))
    return [(code, code) for code in codes if not any(code in each for each in known)]


def written(ranges: Ranges) -> str:
    """Ranges as how many code points are passed over before each and how many there are in it, by turns."""
    joined: Ranges = []
    for low, high in ranges:
        if joined and joined[-1][1] + 1 == low:
            joined[-1] = joined[-1][0], high
        else:
            joined.append((low, high))
    at, numbers = 0, list[int]()
    for low, high in joined:
        numbers += [low - at, high + 1 - low]
        at = high + 1
    return " ".join(map(base36, numbers))


def base36(number: int) -> str:
    return (base36(number // 36) if number >= 36 else "") + DIGITS[number % 36]


if __name__ == "__main__":
    FILE.write_text(made(), encoding="utf-8")
