"""The mask is exact: on random grammars and vocabularies the engine agrees with the naive twin, state by state.

GCD_LAW_CASES=5000 checks that many cases, GCD_LAW_FIRST=100000 begins at that seed. A failing seed is printed with the
smallest failing grammar that was found from it.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from derivations import has_hidden_left_recursion, is_ambiguous
from mask_laws import check_case, report
from naive import Language
from random_grammars import random_case

from grammars.compile import compile_grammar
from grammars.errors import UnsupportedFeature
from grammars.ir import Grammar
from grammars.tables import RULE_OPENING

CASES = int(os.environ.get("GCD_LAW_CASES", "200"))
FIRST = int(os.environ.get("GCD_LAW_FIRST", "0"))

MET_AT_LEAST = {  # in the first 200 cases
    "tokens": 2000,
    "masks": 2500,
    "accepting": 500,
    "budget binds": 500,
    "pops several rules": 10,
    "several terminals": 300,
    "passes both bounds": 10,
    "ends inside a character": 50,
    "ambiguous": 40,
    "hidden left recursion": 15,
    "openings": 4,
    "empty": 4,
    "lacks bytes": 4,
}


def test_mask_equals_naive_mask() -> None:
    met: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + CASES):
        case = random_case(seed)
        try:
            met += check_case(case)
        except Exception as error:
            raise AssertionError(report(case)) from error
    print(dict(met))
    assert met["refused"] < CASES / 20, "too many cases are refused by the compiler to say anything"
    if CASES >= 200:
        met += features()
        scarce = {name: (met[name], least) for name, least in MET_AT_LEAST.items() if met[name] < least}
        assert not scarce, f"the cases say too little (met, wanted): {scarce}"


@pytest.mark.parametrize("rubbish", [-1, 0x55555555])
def test_what_was_in_memory_before_does_not_matter(monkeypatch: pytest.MonkeyPatch, rubbish: int) -> None:
    empty = np.empty

    def used_before(shape: Any, dtype: Any = float, **options: Any) -> np.ndarray:
        found = empty(shape, dtype, **options)
        if found.dtype == np.int32:
            found.fill(rubbish)
        return found

    monkeypatch.setattr(np, "empty", used_before)
    for seed in range(FIRST, FIRST + max(1, CASES // 10)):
        case = random_case(seed)
        try:
            check_case(case)
        except Exception as error:
            raise AssertionError(report(case)) from error


def has_openings(grammar: Grammar) -> bool:
    """Whether an object is entered by an opening."""
    try:
        automaton = compile_grammar(grammar)
    except UnsupportedFeature:
        return False
    automaton.build_all()
    return bool((automaton.tables.rules[: automaton.num_rules, RULE_OPENING] > 0).any())


def features() -> Counter[str]:
    """What the grammars of the first 200 cases are like."""
    met: Counter[str] = Counter()
    for seed in range(200):
        grammar = random_case(seed).grammar
        language = Language(grammar)
        if not language.is_empty():
            met["ambiguous"] += is_ambiguous(language, random.Random(seed))
            met["hidden left recursion"] += has_hidden_left_recursion(grammar)
            met["openings"] += has_openings(grammar)
    return met
