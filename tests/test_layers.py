"""The order of the layers, and what a light command may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "tokenizers", "accelerate")
NUMERIC = ("numba", "numpy", "jsonschema", "lark")


def imported_by(code: str, candidates: tuple[str, ...]) -> list[str]:
    """Those of the candidates that a fresh interpreter has imported after running `code`."""
    script = f"""
import sys
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print("imported:", *(name for name in {candidates!r} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


def command(*arguments: str) -> str:
    return f"sys.argv[1:] = {list(arguments)!r}; from gcd.cli import main; main()"


def test_imports_follow_the_layers() -> None:
    pytest.importorskip("importlinter")
    linter = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import grammars", HEAVY + NUMERIC),
        ("import tokenizer_align", HEAVY + NUMERIC),
        ("import gcd", (*HEAVY, *NUMERIC, "pydantic")),
        (command("--help"), HEAVY + NUMERIC),
        (command("--version"), HEAVY + NUMERIC),
        (command("generate", "--help"), HEAVY + NUMERIC),
        (command("infill", "--help"), HEAVY + NUMERIC),
        (command("map", "--help"), HEAVY + NUMERIC),
        (command("serve", "--help"), HEAVY + NUMERIC),
        (command("check", "examples/person.json"), HEAVY),
        (command("explain", "examples/arithmetic.lark", "--text", "1+1"), HEAVY),
        (command("sample", "examples/arithmetic.lark", "--length", "5"), HEAVY),
        (command("check", "examples/arithmetic.lark", "examples/date.regex", "--verbose"), HEAVY),
        (
            command("check", "--type", "examples.person:Person", "--instance-text", '{"name":"A","age":1,"city":"B"}'),
            HEAVY,
        ),
    ],
)
def test_light_code_stays_light(code: str, forbidden: tuple[str, ...]) -> None:
    assert imported_by(code, forbidden) == []


def test_a_folder_of_the_users_that_shadows_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "grammars").mkdir()
    (tmp_path / "grammars" / "__init__.py").write_text("")
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import gcd"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "ImportError" in last
    assert str(tmp_path / "grammars") in done.stderr
