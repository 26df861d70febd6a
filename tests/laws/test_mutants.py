"""The laws have teeth: they fail on every planted error of `mutants.py`, and hold on the engine as it is.

Each runs in a process of its own, without JIT: nothing needs to be compiled.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import CORPUS, MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
UNCHANGED = [Mutant(cases, cases, "", ()) for cases in CORPUS]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[str, str]:
    """What fails in each of the selected mutants, "" where the laws hold."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    selected = [dataclasses.astuple(p["mutant"]) for p in parameters if "mutant" in p]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "planting.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "NUMBA_DISABLE_JIT": "1"},
        input=json.dumps(selected), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("mutant", UNCHANGED, ids=lambda mutant: mutant.cases)
def test_laws_hold_without_a_mutant(mutant: Mutant, outcomes: dict[str, str]) -> None:
    assert outcomes[mutant.name] == ""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_laws_catch(mutant: Mutant, outcomes: dict[str, str]) -> None:
    failed = outcomes[mutant.name]
    assert failed, f"the laws hold although {mutant.name}"
    assert failed.startswith(mutant.cases) or failed == "it does not end", failed  # not an error of the harness


def test_mutants_are_many_and_differ() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20
    assert {mutant.cases for mutant in MUTANTS} == set(CORPUS)
