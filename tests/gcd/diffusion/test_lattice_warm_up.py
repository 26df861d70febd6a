"""warm_up compiles every kernel of lattices: what is asked for afterwards finds them compiled."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
from gcd.diffusion.warm_up import warm_up
warm_up()
from gcd.diffusion import forest_kernels, kernels
for module in (kernels, forest_kernels):
    for name, value in vars(module).items():
        if getattr(value, "__module__", "") == module.__name__ and hasattr(value, "signatures"):
            print(name, len(value.signatures))
"""


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled without JIT")
def test_every_kernel_is_compiled_for_one_signature():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    counts = dict(line.split() for line in done.stdout.splitlines())
    assert len(counts) >= 13
    # These are only called by others, and have no signature of their own where those came from the cache.
    inner = {"exponentials", "is_again", "scaled", "spread"}
    assert {name for name, count in counts.items() if count != "1"} <= inner
    assert all(int(counts[name]) <= 1 for name in inner)
