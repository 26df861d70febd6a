"""`gcd warm-up`: compiles the kernels, so that the first generation does not wait for it."""

from __future__ import annotations

import time

import typer

__all__ = ["warm_up"]


def warm_up() -> None:
    """Compile the kernels (once an installation: they are cached) and say how long it took."""
    from tokenizer_align.warm_up import warm_up as compile_kernels

    typer.echo("compiling the kernels (seconds the first time, then they are cached)", err=True)
    begun = time.perf_counter()
    compile_kernels()
    typer.echo(f"kernels ready after {time.perf_counter() - begun:.1f} s")
