"""Diffusion language models inside a grammar: exact laws of whole blocks.

| name                 | what it is                                                             |
|----------------------|------------------------------------------------------------------------|
| `Lattice`            | logits of a block × Constraint -> log Z, best strings, draws, ...      |
| `best_string`        | the most probable string alone, by search                              |
| `decode`, `Decoding` | a model fills a canvas inside a grammar -> what it returns             |
| `decode_canvases`    | the same for a model that improves canvases of noise                   |
| `infill`, `Hole`     | a text with holes, whose lengths are drawn too -> `Infilling`          |
| `policies`           | which positions to commit next                                         |
| `constrained_nll`    | the loss of a model that will be used inside a grammar                 |
| `BlockLimits`        | what the ways of a block may cost                                      |
| `WindowedDenoiser`   | what a model offers for `block_cache=`                                 |

Names are looked up on first use: torch is imported then.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcd.diffusion import policies
    from gcd.diffusion.best_first import best_string
    from gcd.diffusion.canvases import decode_canvases
    from gcd.diffusion.holes import Hole, Infilling, infill
    from gcd.diffusion.lattice import Lattice
    from gcd.diffusion.loops import Decoding, decode
    from gcd.diffusion.loss import constrained_nll
    from gcd.diffusion.predictor import WindowedDenoiser
    from gcd.diffusion.token_automaton import BlockLimits

__all__ = [
    "BlockLimits", "Decoding", "Hole", "Infilling", "Lattice", "WindowedDenoiser", "best_string", "constrained_nll",
    "decode", "decode_canvases", "infill", "policies",
]  # fmt: skip

_LAZY = {
    "BlockLimits": "gcd.diffusion.token_automaton",
    "Decoding": "gcd.diffusion.loops",
    "Hole": "gcd.diffusion.holes",
    "Infilling": "gcd.diffusion.holes",
    "Lattice": "gcd.diffusion.lattice",
    "WindowedDenoiser": "gcd.diffusion.predictor",
    "best_string": "gcd.diffusion.best_first",
    "constrained_nll": "gcd.diffusion.loss",
    "decode": "gcd.diffusion.loops",
    "decode_canvases": "gcd.diffusion.canvases",
    "infill": "gcd.diffusion.holes",
}


def __getattr__(name: str) -> Any:
    if name == "policies":
        return importlib.import_module("gcd.diffusion.policies")
    if name not in _LAZY:
        raise AttributeError(f"module 'gcd.diffusion' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
