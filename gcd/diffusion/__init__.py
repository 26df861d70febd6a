"""Diffusion language models inside a grammar: exact laws of whole blocks.

| name               | what it is                                                             |
|--------------------|------------------------------------------------------------------------|
| `Lattice`          | logits of a block × Constraint -> log Z, best strings, draws, ...      |
| `BlockLimits`      | what the ways of a block may cost                                      |

Names are looked up on first use: torch is imported then.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcd.diffusion.lattice import Lattice
    from gcd.diffusion.token_automaton import BlockLimits

__all__ = ["BlockLimits", "Lattice"]

_LAZY = {
    "BlockLimits": "gcd.diffusion.token_automaton",
    "Lattice": "gcd.diffusion.lattice",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'gcd.diffusion' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
