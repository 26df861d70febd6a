"""Scripts of Unicode: the table is what its maker makes of fontTools, and the `regex` module has the same sets."""

from __future__ import annotations

import re
import runpy
import unicodedata

import pytest

from grammars.frontends.regex_scripts import _scripts, script

NAMES = ("Latin", "Grek", "Cyrillic", "Hani", "Hiragana", "Kana", "Arab", "Deva", "Zyyy", "Zinh", "Qaai", "Copt")


def test_the_table_is_what_its_maker_makes() -> None:
    pytest.importorskip("fontTools.unicodedata")
    maker = runpy.run_path("docs/make_scripts.py")
    made, kept = maker["made"](), maker["FILE"].read_text(encoding="utf-8")
    if made.splitlines()[0] != kept.splitlines()[0]:
        pytest.skip("this fontTools has another version of Unicode")
    assert made == kept


@pytest.mark.parametrize("key", ["Script", "Script_Extensions"])
def test_another_module_has_the_same_scripts(key: str) -> None:
    """On what this Python's Unicode has: what was assigned later, they may know in different versions."""
    regex = pytest.importorskip("regex")
    assigned = "".join(char for char in map(chr, range(0x110000)) if unicodedata.category(char) not in ("Cn", "Cs"))
    for name in NAMES:
        ranges = script(name, extensions=key == "Script_Extensions")
        assert ranges is not None
        mine = "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges)
        mine = re.sub(r"[][\\^&~|]", r"\\\g<0>", mine)
        ours = set(re.findall(f"[{mine}]", assigned))
        theirs = set(regex.findall(rf"\p{{{key}={name}}}", assigned))
        assert {hex(ord(char)) for char in ours ^ theirs} == set(), name


def test_every_character_has_one_script() -> None:
    """The scripts are 177, each with a short and a long name; with the unknown one they are a partition."""
    names = {each.short for each in _scripts().values()}
    assert len(names) == 177
    sizes = [sum(high - low + 1 for low, high in script(name) or ()) for name in (*names, "Zzzz")]
    assert sum(sizes) == 0x110000 - 0x800
    assert all(sizes)
