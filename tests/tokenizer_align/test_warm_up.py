"""warm_up compiles everything, once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
from tokenizer_align.warm_up import warm_up
warm_up()
from tokenizer_align import kernels, leaf_kernels
for name, value in (vars(kernels) | vars(leaf_kernels)).items():
    if hasattr(value, "signatures"):
        print(name, len(value.signatures))
"""

without_jit = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled without JIT")


@without_jit
def test_the_second_process_does_its_half() -> None:
    code = "from tokenizer_align import warm_up; warm_up._second_half()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@without_jit
def test_every_kernel_is_compiled_for_one_signature() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    counts = {name: int(count) for name, count in map(str.split, done.stdout.splitlines())}
    assert len(counts) > 3
    # A kernel that only others call has no signature of its own where those came from the cache.
    assert {name: count for name, count in counts.items() if count > 1} == {}
    assert {name for name, count in counts.items() if count} >= {
        "advance",
        "recipe",
        "longest_round",
        "rehash",
        "rehash_steps",
        "set_tokens",
        "settle_bytes",
        "settle_tokens",
        "tabulate",
    }
