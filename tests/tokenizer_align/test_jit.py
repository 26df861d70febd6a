"""@kernel: compiled and cached, plain without JIT, and at home where nothing can be written but a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tokenizer_align.jit import kernel

ROOT = Path(__file__).resolve().parents[2]

MODULE = """
from tokenizer_align.jit import kernel

@kernel
def double(x):
    return 2 * x

@kernel
def quadruple(x):
    return double(double(x))
"""


@kernel
def total(values: np.ndarray) -> int:
    result = 0
    for value in values:
        result += value
    return result


@pytest.fixture
def package(tmp_path):
    """A module with two kernels, in a folder of its own."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "kernels.py").write_text(MODULE)
    (tmp_path / "temporary").mkdir()
    return tmp_path


def run(package: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` beside the module, with HOME in the temporary folder, every warning shown, nothing inherited."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_", "PYTHON"))}
    settings = {
        "PYTHONPATH": os.pathsep.join([str(package / "package"), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(package / "home"),
        "TMPDIR": str(package / "temporary"),
    }
    command = [sys.executable, "-W", "always", "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=package, env=inherited | settings | environment
    )


CALL = "import kernels; print(kernels.quadruple(3))"
HITS = CALL + "; stats = kernels.quadruple.stats; print(sum(stats.cache_hits.values()), stats.cache_path)"


def block_writing(package: Path) -> None:
    """Makes `__pycache__` a file: no user can write into it, root neither."""
    (package / "package" / "__pycache__").write_text("")


def test_kernel_computes():
    assert total(np.arange(5)) == 10


def test_kernel_releases_the_gil_and_is_compiled_by_its_first_call():
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        pytest.skip("NUMBA_DISABLE_JIT is set: kernels are plain functions")
    total(np.arange(5))
    assert total.targetoptions["nogil"]
    assert "parallel" not in total.targetoptions
    assert len(total.signatures) == 1


def test_without_jit_a_kernel_is_the_function_itself(package):
    code = "import kernels, types; assert type(kernels.double) is types.FunctionType; " + CALL
    assert run(package, code, NUMBA_DISABLE_JIT="1").stdout == "12\n"


def test_cached_beside_the_module(package):
    first, second = run(package, HITS), run(package, HITS)
    folder = package / "package" / "__pycache__"
    assert first.stdout == f"12\n0 {folder}\n"
    assert second.stdout == f"12\n1 {folder}\n"
    assert first.stderr == second.stderr == ""


def test_read_only_package_and_no_home(package):
    """Then the cache lies in a folder of ours in the temporary folder, and the next process finds it."""
    block_writing(package)
    settings = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"}
    first, second = run(package, HITS, **settings), run(package, HITS, **settings)
    (folder,) = (package / "temporary").iterdir()
    assert folder.name.startswith("gcd-decoding-numba-")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert first.stdout.startswith(f"12\n0 {folder}{os.sep}")
    assert second.stdout.startswith(f"12\n1 {folder}{os.sep}")
    assert first.stderr == second.stderr == ""


def test_a_numba_folder_elsewhere_is_left_alone(package):
    """The setting that numba reads for other libraries' functions is not changed."""
    block_writing(package)
    code = "import numba; before = numba.config.CACHE_DIR; import kernels; assert numba.config.CACHE_DIR == before"
    run(package, code, HOME="/dev/null", XDG_CACHE_HOME="/dev/null")


@pytest.mark.parametrize("folder", ["missing", "writable by others"])
def test_nowhere_to_write_is_one_warning(package, folder):
    block_writing(package)
    temporary = package / "temporary"
    if folder == "missing":
        temporary.rmdir()
        temporary.write_text("")
        code = f"import tempfile; tempfile.tempdir = {str(temporary)!r}; {CALL}"
    else:
        planted = temporary / f"gcd-decoding-numba-{os.getuid()}"
        planted.mkdir()
        planted.chmod(0o777)
        code = CALL
    done = run(package, code, HOME="/dev/null", XDG_CACHE_HOME="/dev/null")
    assert done.stdout == "12\n"
    warning, _line = done.stderr.splitlines()
    assert warning.endswith(
        "RuntimeWarning: no folder can hold the compiled kernels, so every process compiles them anew (half a minute); "
        "set NUMBA_CACHE_DIR to a folder that only you can write"
    )
    assert "kernels.py:4:" in warning


COUNT = """
import numpy as np
from tokenizer_align import kernels
kernels.digest(np.zeros(2, np.int32))
print(sum(kernels.digest.stats.cache_hits.values()))
"""


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled without JIT")
def test_machine_code_depends_on_the_constants_of_other_files(tmp_path):
    for package in ("grammars", "tokenizer_align"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def hits() -> int:
        command = [sys.executable, "-c", COUNT]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert [hits(), hits()] == [0, 1]
    tables = tmp_path / "grammars" / "tables.py"
    tables.write_text(tables.read_text() + "\nSOME_COLUMN = 3\n")
    assert [hits(), hits()] == [0, 1]
