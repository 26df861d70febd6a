"""The laws on engines with a planted error, each in a process of its own that takes no time to start.

Run as a program it reads errors from stdin, JSON rows of name, cases, file and edits (`mutants.py`), and prints what
the laws say of each, as JSON rows of name and what fails, "" where they hold:

    echo '[["none", "counters", "", []]]' | PYTHONPATH=.:tests NUMBA_DISABLE_JIT=1 python tests/planting.py

It imports what others wrote, nothing of this repository, and forks: to import numba, numpy and hypothesis takes a
second, all else that most mutants need less. A module with an error is made from the changed text.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import hypothesis  # noqa: F401
import numba  # noqa: F401
import numpy.ma
import numpy.typing  # noqa: F401
import pytest  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
AT_ONCE = 2
SECONDS = 60.0
"""Of processor time; a mutant takes one. A walk that never ends is caught too."""


class Planted(MetaPathFinder, SourceFileLoader):
    """Finds one module: that of `file`, in which each old text, which must occur exactly once, becomes the new one."""

    def __init__(self, file: str, edits: Sequence[tuple[str, str]]) -> None:
        SourceFileLoader.__init__(self, file.removesuffix(".py").replace("/", "."), str(ROOT / file))
        self.source = Path(self.path).read_text()
        for old, new in edits:
            assert self.source.count(old) == 1, f"{self.source.count(old)} times in {file}: {old!r}"
            self.source = self.source.replace(old, new)

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


def what_fails(cases: str, file: str, edits: Sequence[tuple[str, str]]) -> str:
    """What a law says about an engine with the error, "" where all hold."""
    if file:
        sys.meta_path.insert(0, Planted(file, edits))
    from mutants import failing

    return failing(cases)


def outcomes(errors: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """The name of each error, and what fails with it."""
    running: dict[int, tuple[str, int]] = {}
    for name, cases, file, edits in errors:
        if len(running) == AT_ONCE:
            yield ended(running)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # its signal ends the process
            try:
                said = what_fails(cases, file, edits)
            except BaseException as error:
                said = f"not checked: {type(error).__name__}: {error}"
            os.write(writer, said[:2000].encode())
            os._exit(0)
        os.close(writer)
        running[child] = name, reader
    while running:
        yield ended(running)


def ended(running: dict[int, tuple[str, int]]) -> tuple[str, str]:
    child, status = os.wait()
    name, reader = running.pop(child)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(status)
    if code:
        said = "it does not end" if code == -signal.SIGPROF else f"not checked: ended with {code}"
    return name, said


if __name__ == "__main__":
    for outcome in outcomes(json.load(sys.stdin)):
        print(json.dumps(outcome), flush=True)
