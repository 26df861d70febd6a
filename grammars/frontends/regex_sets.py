"""Sets of characters that a regex can name: shorthands such as \\w, Unicode properties, both cases of a letter.

Place in the walk: regex text -> syntax tree -> Grammar; these are the leaves of the tree. All sets are inclusive
code-point ranges. What `re` and `unicodedata` know is asked of them, once and when first needed, so that the sets are
those of the Unicode version of the running Python; scripts, which they do not know, are in `regex_scripts.py`.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Literal, TypeAlias

from grammars.frontends.regex_scripts import script
from grammars.ir import ANY_CHAR, Ranges, char_class

__all__ = ["ANY", "Flavor", "complement", "dot", "ignore_case", "intersect", "property_set", "shorthand"]

Flavor: TypeAlias = Literal["python", "ecma"]

ANY: Ranges = ANY_CHAR.ranges
_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_ASCII_SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20))
_WHITE_SPACE: Ranges = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
# ECMA-262 has U+FEFF and not U+0085 among its WhiteSpace and LineTerminator code points (sections 12.2 and 12.3).
_ECMA_SPACE: Ranges = char_class([(0xFEFF, 0xFEFF), *(r for r in _WHITE_SPACE if r != (0x85, 0x85))]).ranges
_ECMA_NEWLINES: Ranges = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))

_ASCII_SHORTHANDS = {"d": _DIGIT, "w": _WORD, "s": _ASCII_SPACE}
_ECMA_SHORTHANDS = {"d": _DIGIT, "w": _WORD, "s": _ECMA_SPACE}

# Unicode's PropertyValueAliases.txt, General_Category.
_LONG_NAMES = {
    "Other": "C", "Control": "Cc", "Format": "Cf", "Unassigned": "Cn", "Private_Use": "Co", "Letter": "L",
    "Cased_Letter": "LC", "Lowercase_Letter": "Ll", "Modifier_Letter": "Lm", "Other_Letter": "Lo",
    "Titlecase_Letter": "Lt", "Uppercase_Letter": "Lu", "Mark": "M", "Combining_Mark": "M", "Spacing_Mark": "Mc",
    "Enclosing_Mark": "Me", "Nonspacing_Mark": "Mn", "Number": "N", "Decimal_Number": "Nd", "digit": "Nd",
    "Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc",
    "Dash_Punctuation": "Pd", "Close_Punctuation": "Pe", "Final_Punctuation": "Pf", "Initial_Punctuation": "Pi",
    "Other_Punctuation": "Po", "Open_Punctuation": "Ps", "Symbol": "S", "Currency_Symbol": "Sc",
    "Modifier_Symbol": "Sk", "Math_Symbol": "Sm", "Other_Symbol": "So", "Separator": "Z", "Line_Separator": "Zl",
    "Paragraph_Separator": "Zp", "Space_Separator": "Zs",
}  # fmt: skip

_SCRIPT_KEYS = {"sc": False, "Script": False, "scx": True, "Script_Extensions": True}  # whether with extensions


def complement(ranges: Ranges) -> Ranges:
    """All other code points: ((0, 96),) -> ((97, 0xD7FF), (0xE000, 0x10FFFF))."""
    return char_class(ranges, negate=True).ranges


def intersect(left: Ranges, right: Ranges) -> Ranges:
    """The code points in both."""
    if ANY in (left, right):
        return right if left == ANY else left
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            found.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def shorthand(letter: str, flavor: Flavor, *, ascii_only: bool = False) -> Ranges:
    """The set of \\d, \\w or \\s.

    ECMA-262's digits and word characters are ASCII; those of Python's `re` are Unicode's, unless `ascii_only`.

    >>> shorthand("d", "ecma")
    ((48, 57),)
    """
    if flavor == "ecma":
        return _ECMA_SHORTHANDS[letter]
    return _ASCII_SHORTHANDS[letter] if ascii_only else _unicode_shorthand(letter)


def dot(flavor: Flavor) -> Ranges:
    """What `.` matches: all but the flavour's line ends, next to which `^` and `$` match in multi-line mode."""
    return complement(_ECMA_NEWLINES if flavor == "ecma" else ((0x0A, 0x0A),))


def property_set(name: str) -> Ranges | None:
    """The set of `\\p{name}`: general categories, scripts, what else the standard library knows; None for others.

    Names are those of ECMA-262 (section 22.2.2.9), with `Script=` or `sc=`, `Script_Extensions=` or `scx=`.

    >>> property_set("Zs") == property_set("Space_Separator") == property_set("gc=Zs")
    True
    """
    key, _, value = name.rpartition("=")
    if key in _SCRIPT_KEYS:
        return script(value, extensions=_SCRIPT_KEYS[key])
    if key not in ("", "gc", "General_Category"):
        return None
    short = _LONG_NAMES.get(value, value)
    if not key and short in _OTHER_PROPERTIES:
        return _OTHER_PROPERTIES[short]()
    parts = ("Lu", "Ll", "Lt") if short == "LC" else (short,)
    found = [r for category, ranges in _categories().items() if category.startswith(parts) for r in ranges]
    return char_class(found).ranges if found and short else None


def ignore_case(ranges: Ranges, flavor: Flavor, *, ascii_only: bool = False) -> Ranges:
    """The characters that match one of `ranges` when case is ignored.

    As Python's `re` (simple lowercase, then lowercase letters with one uppercase: k, K, and the Kelvin sign), or as
    ECMA-262 in Unicode mode (section 22.2.2.7.3 Canonicalize: simple case folding).

    >>> ignore_case(((0x6B, 0x6B),), "python")
    ((75, 75), (107, 107), (8490, 8490))
    """
    variants = _variants("ascii" if ascii_only else flavor)
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return char_class([*ranges, *((v, v) for v in variants.get(ranges[0][0], ()))]).ranges
    added = [(v, v) for low, high in ranges for code in _within(low, high, variants) for v in variants[code]]
    return char_class([*ranges, *added]).ranges if added else ranges


def _within(low: int, high: int, variants: Mapping[int, tuple[int, ...]]) -> Iterable[int]:
    if high - low < len(variants):
        return (code for code in range(low, high + 1) if code in variants)
    return (code for code in variants if low <= code <= high)


@lru_cache(maxsize=3)
def _variants(rule: Literal["python", "ecma", "ascii"]) -> Mapping[int, tuple[int, ...]]:
    """Code point -> all that equal it when case is ignored, for those that have any but themselves."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    # Unicode has no cased character beyond plane 1.
    for code in range(0x80 if rule == "ascii" else 0x20000):
        char = chr(code)
        if char.lower() != char or char.upper() != char or char.casefold() != char:
            groups[_simple_fold(char) if rule == "ecma" else char.lower()[0].upper()].append(code)
    return {code: tuple(group) for group in groups.values() if len(group) > 1 for code in group}


def _simple_fold(char: str) -> str:
    """Unicode's simple case folding, which `str.casefold` (full folding) gives except where it lengthens."""
    for folded in (char.casefold(), char.lower()):
        if len(folded) == 1:
            return folded
    return char


@lru_cache(maxsize=3)
def _unicode_shorthand(letter: str) -> Ranges:
    # Two milliseconds, and by construction what `re` has.
    runs = re.finditer(rf"\{letter}+", _every_character())
    return char_class((run.start(), run.end() - 1) for run in runs).ranges


@lru_cache(maxsize=1)
def _categories() -> Mapping[str, Ranges]:
    found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    at = 0
    for category, run in groupby(map(unicodedata.category, _every_character())):
        length = sum(1 for _ in run)
        found[category].append((at, at + length - 1))
        at += length
    return {category: char_class(ranges).ranges for category, ranges in found.items() if category != "Cs"}


def _every_character() -> str:
    return array("I", range(0x110000)).tobytes().decode("utf-32", "surrogatepass")


@lru_cache(maxsize=2)
def _cased(upper: bool) -> Ranges:
    """Unicode's derived properties Uppercase and Lowercase, which `str.isupper` and `str.islower` test."""
    test = str.isupper if upper else str.islower
    return char_class((code, code) for code, char in enumerate(_every_character()) if test(char)).ranges


_OTHER_PROPERTIES: dict[str, Callable[[], Ranges]] = {
    "Any": lambda: ANY,
    "ASCII": lambda: ((0, 0x7F),),
    "Assigned": lambda: complement(_categories()["Cn"]),
    "White_Space": lambda: _WHITE_SPACE,
    "Uppercase": lambda: _cased(True),
    "Lowercase": lambda: _cased(False),
}
