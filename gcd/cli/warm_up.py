"""`gcd warm-up`: compiles the kernels, so that the first generation does not wait for it."""

from __future__ import annotations

import threading
import time
from functools import partial
from importlib.util import find_spec

import typer

__all__ = ["make_ready", "warm_up"]

COMPILING = "compiling the kernels (seconds the first time, then they are cached)"


def warm_up() -> None:
    """Compile the kernels (once an installation: they are cached) and say how long it took."""
    from tokenizer_align.warm_up import warm_up as compile_kernels

    typer.echo(COMPILING, err=True)
    begun = time.perf_counter()
    compile_kernels()
    if find_spec("torch") is not None:
        from gcd.diffusion.warm_up import warm_up as compile_lattices

        compile_lattices()
    typer.echo(f"kernels ready after {time.perf_counter() - begun:.1f} s")


def make_ready(patience: float = 1.0) -> None:
    """Compile the kernels, and say so on stderr once that takes longer than reading them from the cache would."""
    from tokenizer_align.warm_up import warm_up as compile_kernels

    notice = threading.Timer(patience, partial(typer.echo, COMPILING, err=True))
    notice.start()
    try:
        compile_kernels()
    finally:
        notice.cancel()
