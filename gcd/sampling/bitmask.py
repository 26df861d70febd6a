"""apply_bitmask_: -inf into logits where a bitmask forbids the token, in place and on the logits' device.

Place in the walk: between a Constraint's masks and a sampler, ours or one of another engine. On CUDA it is one kernel
(bitmask_triton.py) where Triton is installed and can compile, as it is with torch's wheels for Linux; otherwise, and on
every other device, it is a few torch operations. It computes no masks and waits for nothing.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from gcd.sampling.logits import unpack_bitmask

__all__ = ["apply_bitmask_"]

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

MaskRows: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], None]


def apply_bitmask_(
    logits: torch.Tensor, bitmask: torch.Tensor, *, indices: Sequence[int] | torch.Tensor | None = None
) -> torch.Tensor:
    """Set `logits` to -inf where the bit of the token is 0, in place; returns `logits`.

    >>> logits = torch.zeros(1, 5)
    >>> gcd.apply_bitmask_(logits, torch.tensor([[0b10110]], dtype=torch.int32))
    tensor([[-inf, 0., 0., -inf, 0.]])

    `logits`: (batch, V), floats of 16, 32 or 64 bits; each row is contiguous, rows may lie apart. `bitmask`: int32
    (batch, W) on the same device, where bit t & 31 of word t >> 5 allows token t; tokens from 32 W on are forbidden,
    bits from V on mean nothing. `indices`: only these rows of both, as ints or an int32 or int64 tensor.

    Allowed logits keep their bits, NaN included. Nothing waits for a CUDA device: for that, ids in a CUDA tensor are
    not looked at, and with Triton those of rows that do not exist are skipped. Only the first call for a dtype compiles
    and compares, which takes about a second: make it before a CUDA graph is captured. Raises ValueError for other
    shapes, dtypes, devices and ids.
    """
    _check(logits, bitmask)
    rows = None if indices is None else _rows(indices, logits)
    kernel = _kernel(logits.device, logits.dtype) if logits.is_cuda else None
    if kernel is None:
        _mask_rows(logits, bitmask, rows)
    else:
        with torch.cuda.device(logits.device):
            kernel(logits, bitmask, rows)
    return logits


def _mask_rows(logits: torch.Tensor, bitmask: torch.Tensor, rows: torch.Tensor | None) -> None:
    """The same by torch operations, on any device."""
    if rows is None:
        logits.masked_fill_(~unpack_bitmask(bitmask, logits.shape[1]), -torch.inf)
    else:
        logits[rows] = logits[rows].masked_fill(~unpack_bitmask(bitmask[rows], logits.shape[1]), -torch.inf)


@functools.cache
def _kernel(device: torch.device, dtype: torch.dtype) -> MaskRows | None:
    """The Triton kernel, tried once for a device and dtype; None without Triton, and with a warning where it fails."""
    try:
        from gcd.sampling.bitmask_triton import mask_rows
    except ImportError:
        return None
    try:
        with torch.cuda.device(device):
            problem = "" if _agrees(mask_rows, device, dtype) else "its machine code is wrong"
    except Exception as error:  # no C compiler, an old GPU, another driver: Triton has a type for few of them
        problem = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    if not problem:
        return mask_rows
    warnings.warn(
        f"Triton is installed and does not work for {str(dtype).removeprefix('torch.')} on "
        f"{torch.cuda.get_device_name(device)}, so masks are applied by slower torch operations ({problem})",
        RuntimeWarning,
        stacklevel=3,
    )
    return None


def _agrees(mask_rows: MaskRows, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel, as it was compiled here, does what the torch operations do.

    A wrong mask shows nowhere, and compilers err: ptxas 12.8 did, when the kernel had twice as many logits a thread.
    """
    for width in (8192, 8191):  # 16 bytes at a time, and one by one
        logits = (torch.arange(2 * width, device=device) % 251).to(dtype).view(2, width)
        bitmask = (torch.arange(2 * 256, device=device) * 0x9E3779B1).to(torch.int32).view(2, 256)
        found, expected = logits.clone(), logits.clone()
        mask_rows(found, bitmask, None)
        _mask_rows(expected, bitmask, None)
        if not torch.equal(found, expected):
            return False
    return True


def _check(logits: torch.Tensor, bitmask: torch.Tensor) -> None:
    if logits.ndim != 2 or logits.dtype not in FLOATS:
        raise ValueError(f"logits must be floats of shape (batch, V), not {_shown(logits)}")
    if bitmask.ndim != 2 or bitmask.dtype != torch.int32 or len(bitmask) != len(logits):
        raise ValueError(f"the bitmask must be int32 of shape ({len(logits)}, words), not {_shown(bitmask)}")
    if bitmask.device != logits.device:
        raise ValueError(f"the bitmask is on {bitmask.device} and the logits on {logits.device}: move it there first")
    for name, tensor in (("logits", logits), ("bitmask", bitmask)):
        if tensor.shape[1] > 1 and tensor.stride(1) != 1:
            raise ValueError(f"each row of the {name} must be contiguous, not of strides {tensor.stride()}")
    if len(logits) > 1 and logits.stride(0) < logits.shape[1]:
        raise ValueError(f"the rows of the logits lie over one another, with strides {logits.stride()}")
    if logits.requires_grad and torch.is_grad_enabled():
        raise ValueError("the logits require grad and are written in place: call it under torch.no_grad()")


def _rows(indices: Sequence[int] | torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Row ids as a contiguous tensor on the device of the logits."""
    rows = indices if isinstance(indices, torch.Tensor) else torch.tensor(list(indices), dtype=torch.int64)
    if rows.ndim != 1 or rows.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"indices must be int32 or int64 of shape (rows,), not {_shown(rows)}")
    if rows.is_cuda and rows.device == logits.device:
        return rows.contiguous()
    if rows.device.type != "cpu":
        raise ValueError(f"the indices are on {rows.device} and the logits on {logits.device}: move them there first")
    if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < len(logits):
        raise ValueError(f"indices must be rows of the batch, 0 to {len(logits) - 1}, not {rows.tolist()}")
    # from pinned memory the copy waits for nothing
    return rows.pin_memory().to(logits.device, non_blocking=True) if logits.is_cuda else rows.to(logits.device)


def _shown(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
