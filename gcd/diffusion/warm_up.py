"""warm_up: compiles the kernels of lattices on tiny blocks, one through listed states and one through a forest.

Place in the walk: beside it; `gcd warm-up` calls it where torch is installed.
"""

from __future__ import annotations

__all__ = ["warm_up"]


def warm_up() -> None:
    """Compile all kernels for the argument types that they are used with, and cache them."""
    import torch

    import gcd
    from gcd.diffusion.lattice import Lattice
    from gcd.diffusion.token_automaton import BlockLimits

    vocabulary = gcd.Vocabulary([b"(", b")", b""], eos_token_ids=[2])
    constraint = gcd.compile(grammar='start: "(" start ")" |', tokenizer=vocabulary)
    for limits in (BlockLimits(), BlockLimits(states=1)):
        for dtype in (torch.float32, torch.bfloat16):
            logits = torch.zeros(4, 3, dtype=dtype, requires_grad=True)
            lattice = Lattice(constraint, logits, limits=limits)
            lattice.log_z.backward()  # type: ignore[no-untyped-call]  # torch does not type it
            lattice.map()
            lattice.k_best(2)
            lattice.sample(2, generator=torch.Generator().manual_seed(0))
            lattice.position_marginals(0)
            lattice.commit({0: 0}).marginals()
            lattice.entropy()
            lattice.ended()
