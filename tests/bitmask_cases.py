"""apply_bitmask_ against its naive twin: the cases, and the comparison, for whatever device and implementation.

As a script it compares the Triton kernel, in Triton's interpreter: TRITON_INTERPRET=1 python tests/bitmask_cases.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Case:
    """`width` logits and `words` of mask a row; rows `gap` and `mask_gap` further apart than they are long."""

    batch: int
    width: int
    words: int
    gap: int = 0
    mask_gap: int = 0
    indices: tuple[int, ...] | None = None
    allowed: float = 0.5


CASES = (
    Case(1, 1, 1),
    Case(2, 32, 1),
    Case(2, 33, 2),
    Case(3, 100, 4),
    Case(3, 4096, 128),
    Case(2, 4097, 129, allowed=0.99),
    Case(2, 9001, 282, allowed=0.01),
    Case(2, 12288, 384),
    Case(2, 4096, 128, allowed=0.0),
    Case(2, 4096, 128, allowed=1.0),
    Case(3, 160, 2),  # logits wider than the mask
    Case(2, 9000, 3),
    Case(2, 40, 7),  # a mask wider than the logits
    Case(3, 0, 0),
    Case(0, 64, 2),
    Case(2, 64, 0),
    Case(4, 100, 4, gap=1),  # rows apart, 16 bytes aligned or not
    Case(4, 96, 3, gap=32, mask_gap=5),
    Case(5, 4160, 130, indices=(3, 0)),
    Case(5, 77, 3, gap=3, mask_gap=1, indices=(4, 4, 1)),
    Case(2, 64, 2, indices=()),
)


def naive(logits: torch.Tensor, bitmask: torch.Tensor, indices: tuple[int, ...] | None) -> torch.Tensor:
    """Token by token, by the definition; a new tensor."""
    masked = logits.clone()
    words = bitmask.tolist()
    for row in range(len(logits)) if indices is None else indices:
        for token in range(logits.shape[1]):
            word = words[row][token >> 5] if token >> 5 < len(words[row]) else 0
            if not (word >> (token & 31)) & 1:
                masked[row, token] = -torch.inf
    return masked


def compare(
    apply: Callable[[torch.Tensor, torch.Tensor, tuple[int, ...] | None], object],
    case: Case,
    dtype: torch.dtype,
    device: str = "cpu",
) -> None:
    """Let `apply` mask a case in place and compare all bits, between the rows too; NaN and infinity are there."""
    generator = torch.Generator().manual_seed(case.width)
    whole = torch.randn(case.batch, case.width + case.gap, generator=generator).to(dtype)
    whole.view(-1)[::7] = torch.nan
    whole.view(-1)[::11] = torch.inf
    allowed = torch.rand(case.batch, case.words + case.mask_gap, 32, generator=generator) < case.allowed
    masks = (allowed.long() << torch.arange(32)).sum(-1).to(torch.int32)[:, : case.words]
    expected = whole.clone()
    expected[:, : case.width] = naive(whole[:, : case.width], masks, case.indices)
    # where the mask is strided on the CPU it must be on the device
    moved = torch.zeros(allowed.shape[:2], dtype=torch.int32, device=device)[:, : case.words].copy_(masks)
    found = whole.to(device)
    apply(found[:, : case.width], moved, case.indices)
    integer = torch.int32 if dtype == torch.float32 else torch.int16
    torch.testing.assert_close(found.cpu().view(integer), expected.view(integer), rtol=0, atol=0)


def interpret() -> None:
    """The Triton kernel on CPU tensors."""
    from gcd.sampling.bitmask_triton import mask_rows

    def apply(logits: torch.Tensor, bitmask: torch.Tensor, indices: tuple[int, ...] | None) -> None:
        mask_rows(logits, bitmask, None if indices is None else torch.tensor(indices, dtype=torch.int64))

    for case in CASES:
        for dtype in DTYPES:
            compare(apply, case, dtype)
    # rows that do not exist are left out, before and behind
    logits = torch.zeros(2, 8)
    mask_rows(logits[:1], torch.zeros(1, 1, dtype=torch.int32), torch.tensor([-1, 1], dtype=torch.int32))
    assert (logits == 0).all()
    print(f"{len(CASES) * len(DTYPES)} cases agree")


if __name__ == "__main__":
    interpret()
