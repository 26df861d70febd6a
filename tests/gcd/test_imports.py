"""Imports: `import gcd` is light, and a folder that shadows its siblings is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gcd

ROOT = Path(gcd.__file__).resolve().parents[1]


def python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a Python whose path begins with `paths` and the project."""
    head = f"import sys; sys.path[:0] = {[str(path) for path in (*paths, ROOT)]!r}\n"
    return subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True)


def test_import_gcd_loads_nothing_heavy():
    heavy = ("torch", "transformers", "numba", "numpy", "pydantic", "lark", "asyncio")
    code = f"import gcd\nprint([m for m in {heavy} if m in sys.modules])"
    assert python(code).stdout == "[]\n"


def test_check_loads_no_torch():
    code = (
        "import gcd\nassert gcd.check(schema={'type': 'object'}).ok and gcd.check(regex='a+').ok\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    assert python(code).stdout == "[]\n"


def test_a_constraint_needs_no_torch():
    code = (
        "import gcd\nfrom gcd import Vocabulary\n"
        "gcd.compile(regex='a+', tokenizer=Vocabulary([b'a', b''], eos_token_ids=[1]))\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    assert python(code).stdout == "[]\n"


def test_a_folder_that_shadows_a_sibling_is_named(tmp_path):
    (tmp_path / "grammars").mkdir()
    (tmp_path / "grammars" / "__init__.py").write_text("")
    found = python("import gcd", tmp_path)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == (
        f"ImportError: gcd needs the package 'grammars' that lies beside it in {ROOT}, and Python found another one "
        f"first: {tmp_path / 'grammars'}. Rename that one, or take its folder off sys.path"
    )
