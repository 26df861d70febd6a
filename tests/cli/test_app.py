"""The command itself: version, help, exit codes of errors."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest
from typer.testing import CliRunner

from gcd import errors
from gcd.cli.app import app
from gcd.cli.exits import Exit, code_of
from gcd.cli.warm_up import COMPILING

BUDGET = errors.BudgetTooSmall(budget=1, necessary=5, sufficient=9)


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == Exit.OK
    try:
        assert result.stdout == f"gcd {version('gcd-decoding')}\n"
    except PackageNotFoundError:
        assert result.stdout == "gcd, run from a source tree\n"


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["generate"],
        ["infill"],
        ["serve"],
        ["check"],
        ["explain"],
        ["sample"],
        ["tokens"],
        ["convert"],
        ["draw"],
        ["warm-up"],
    ],
)
def test_help_stands_for_itself(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == Exit.OK
    assert "Usage: " in result.stdout


def test_shells_are_told_how_to_complete() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gcd.cli"],
        env={**os.environ, "_GCD_COMPLETE": "complete_bash", "COMP_WORDS": "gcd ", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
    )
    assert set(done.stdout.split()) >= {"check", "explain", "sample", "generate"}


def test_warm_up_says_how_long_it_took() -> None:
    result = CliRunner().invoke(app, ["warm-up"], catch_exceptions=False)
    assert result.exit_code == Exit.OK
    assert result.stdout.startswith("kernels ready after ")
    assert "compiling the kernels" in result.stderr


@pytest.mark.parametrize(("patience", "said"), [(0.0, COMPILING + "\n"), (1e6, "")])
def test_compiling_is_announced_where_it_takes_long(patience: float, said: str) -> None:
    code = f"from gcd.cli.warm_up import make_ready; make_ready({patience})"  # here the kernels may be ready already
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", said)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidGrammar("x"), Exit.GRAMMAR),
        (errors.UnsupportedFeature("x"), Exit.GRAMMAR),
        (errors.EmptyLanguage("x"), Exit.GRAMMAR),
        (errors.LimitExceeded("x"), Exit.GRAMMAR),
        (errors.ValidationFailed("{}", ["x"]), Exit.NO_MATCH),
        (BUDGET, Exit.USAGE),
        (errors.PromptError("x"), Exit.USAGE),
        (errors.VocabularyMismatch("x"), Exit.MODEL),
        (errors.UnsupportedTokenizer("x"), Exit.MODEL),
        (errors.ModelError("x"), Exit.MODEL),
        (errors.UnknownModel("x"), Exit.MODEL),
        (errors.NoAllowedToken("x"), Exit.MODEL),
        (KeyError("a bug"), None),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: Exit | None) -> None:
    assert code_of(error) == code
