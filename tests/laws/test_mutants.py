"""The laws have teeth: they fail on every planted error of `mutants.py`, and hold on the engine as it is.

Each runs in a process of its own, on a copy of the packages, without JIT: nothing needs to be compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from mutants import CORPUS, MUTANTS, Mutant, planted

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("grammars", "tokenizer_align")
SECONDS = 120  # a mutant takes 2; a walk that never ends is caught too


def laws_fail(packages: Path, cases: str) -> str:
    """What fails, "" when the laws hold for the packages under this folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT / "tests")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_DISABLE_JIT": "1",
    }
    command = [sys.executable, str(ROOT / "tests" / "mutants.py"), cases]
    try:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "it does not end"
    return "" if run.returncode == 0 else run.stdout or run.stderr


def outcome(mutant: Mutant, folder: Path) -> str:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    planted(mutant, folder)
    return laws_fail(folder, mutant.cases)


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """What fails in each of the selected mutants, two at a time."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    selected = [p.params["mutant"] for p in parameters if p is not None and "mutant" in p.params]
    with ThreadPoolExecutor(2) as pool:
        yield {m.name: pool.submit(outcome, m, tmp_path_factory.mktemp("mutant")) for m in selected}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("cases", CORPUS)
def test_laws_hold_without_a_mutant(cases: str) -> None:
    assert laws_fail(ROOT, cases) == ""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_laws_catch(mutant: Mutant, outcomes: dict[str, Future[str]]) -> None:
    failed = outcomes[mutant.name].result()
    assert failed, f"the laws hold although {mutant.name}"
    assert failed.startswith(mutant.cases) or failed == "it does not end", failed  # not an error of the harness


def test_mutants_are_many_and_differ() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20
    assert {mutant.cases for mutant in MUTANTS} == set(CORPUS)
