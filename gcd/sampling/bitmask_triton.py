"""The mask of `apply_bitmask_` as one Triton kernel: every logit is touched at most once, most of them never.

Place in the walk: imported by `gcd.sampling.bitmask` on the first CUDA tensor, since Triton is optional. With
TRITON_INTERPRET=1 it runs on CPU tensors, which is how machines without a GPU test it.

Memory decides its time, so it moves as little as it can. A thread owns 16 bytes of logits, the widest store, and reads
their 4 or 8 bits of the mask. All ones: nothing is read or written. All zeros: one store. Mixed: one load, one store,
which costs no more than single stores would, since memory is written by sectors of 32 bytes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

triton: Any = import_module("triton")  # untyped: its types differ between releases
tl: Any = import_module("triton.language")

__all__ = ["mask_rows"]

WARPS = 4
GROUPS = 4
"""Groups of 16 bytes a thread. With 8 there are more conditions than predicate registers, and ptxas 12.8 lost one."""


def mask_rows(logits: torch.Tensor, bitmask: torch.Tensor, rows: torch.Tensor | None) -> None:
    """What `apply_bitmask_` does, for arguments that it has checked: `rows` are contiguous ids on the same device.

    Rows that do not exist are left out. The kernel is launched on the current device and not waited for.
    """
    count, width = logits.shape
    group = 16 // logits.element_size()
    block = GROUPS * group * WARPS * 32
    programs = (count if rows is None else len(rows)) * triton.cdiv(width, block)
    if programs:
        # there is no arithmetic to fuse: Triton 3.9 warns of a change of its default unless it is told
        _mask_block[(programs,)](
            logits, bitmask, rows, count, bitmask.shape[1], width, logits.stride(0), bitmask.stride(0),
            group=group, block=block, num_warps=WARPS, enable_fp_fusion=False,
        )  # fmt: skip


# the sizes of masks and batches change from call to call; only what stores depend on is worth a specialisation. Triton
# looks annotations up as it compiles, and knows no others than its own
@triton.jit(do_not_specialize=["count", "words", "bitmask_stride"])  # type: ignore[untyped-decorator]
def _mask_block(  # type: ignore[no-untyped-def]
    logits, bitmask, rows, count, words, width, logits_stride, bitmask_stride, group: tl.constexpr, block: tl.constexpr
):  # fmt: skip
    blocks = tl.cdiv(width, block)
    row = (tl.program_id(0) // blocks).to(tl.int64)  # large batches pass 2^31 logits
    if rows is not None:
        row = tl.load(rows + row).to(tl.int64)
        if (row < 0) | (row >= count):
            return
    first = tl.program_id(0) % blocks * block + tl.arange(0, block // group) * group
    word = tl.load(bitmask + row * bitmask_stride + (first >> 5), mask=first >> 5 < words, other=0)
    ones = (1 << group) - 1
    bits = (word >> (first & 31)) & ones
    lane = tl.arange(0, group)[None, :]
    token = first[:, None] + lane
    # one condition for a whole group, so that its 16 bytes move at once
    touched = (bits != ones)[:, None] & (token < width)
    mixed = touched & (bits != 0)[:, None]
    place = logits + row * logits_stride + token
    old = tl.load(place, mask=mixed, other=float("-inf"))
    allowed = (bits[:, None] >> lane) & 1
    tl.store(place, tl.where(allowed != 0, old, float("-inf")), mask=touched)
