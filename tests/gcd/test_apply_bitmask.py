"""apply_bitmask_ against its naive twin on the CPU, its refusals, and the Triton kernel in Triton's interpreter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from bitmask_cases import CASES, DTYPES, compare

import gcd
from gcd.sampling.bitmask import _kernel

ROOT = Path(gcd.__file__).resolve().parents[1]
WORDS = torch.tensor([[0b101], [0b110]], dtype=torch.int32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_torch_operations_agree_with_the_naive_twin(case, dtype):
    compare(lambda logits, bitmask, rows: gcd.apply_bitmask_(logits, bitmask, indices=rows), case, dtype)


def test_the_triton_kernel_agrees_with_the_naive_twin_in_the_interpreter():
    if find_spec("triton") is None:
        pytest.skip("triton is not installed: it has wheels for Linux only")
    done = subprocess.run(
        [sys.executable, "tests/bitmask_cases.py"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(CASES) * len(DTYPES)} cases agree\n"


@pytest.mark.parametrize(("dtype", "group"), [("fp32", 4), ("bf16", 8), ("fp16", 8)])
@pytest.mark.parametrize("rows", ["constexpr", "*i32", "*i64"])
def test_the_triton_kernel_compiles_and_moves_16_bytes_at_once(dtype, group, rows, tmp_path, monkeypatch):
    """For a Hopper GPU that need not be there: the interpreter runs what the compiler refuses."""
    compiler = pytest.importorskip("triton.compiler", reason="triton is not installed: it has wheels for Linux only")
    from triton.backends.compiler import GPUTarget

    from gcd.sampling.bitmask_triton import GROUPS, WARPS, _mask_block

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    numbers = dict.fromkeys(("count", "words", "width", "logits_stride", "bitmask_stride"), "i32")
    constants = {"group": group, "block": GROUPS * group * WARPS * 32} | ({"rows": None} if rows == "constexpr" else {})
    kinds = {"logits": f"*{dtype}", "bitmask": "*i32", "rows": rows, **numbers, **dict.fromkeys(constants, "constexpr")}
    aligned = {(place,): [["tt.divisibility", 16]] for place in (0, 1, 5, 6)}  # as for 128,256 logits
    compiled = compiler.compile(
        compiler.ASTSource(_mask_block, kinds, constants, aligned), target=GPUTarget("cuda", 90, 32),
        options={"num_warps": WARPS, "enable_fp_fusion": False},
    )  # fmt: skip
    assert re.findall(r"st\.global\S*", compiled.asm["ptx"]) == ["st.global.v4.b32"] * GROUPS


def test_it_returns_the_logits_that_it_wrote():
    logits = torch.zeros(2, 3)
    assert gcd.apply_bitmask_(logits, WORDS) is logits
    assert logits.isfinite().tolist() == [[True, False, True], [False, True, True]]


@pytest.mark.parametrize("indices", [[1], (1,), torch.tensor([1]), torch.tensor([1], dtype=torch.int32)], ids=str)
def test_indices_may_be_a_sequence_or_a_tensor(indices):
    logits = torch.zeros(2, 3)
    gcd.apply_bitmask_(logits, WORDS, indices=indices)
    assert logits.isfinite().tolist() == [[True, True, True], [False, True, True]]


FLOATS = torch.zeros(2, 3)
GRAD = torch.zeros(2, 3, requires_grad=True)
NOWHERE = torch.zeros(1, dtype=torch.int64, device="meta")
REFUSED = [
    (torch.zeros(3), WORDS, None, "logits must be floats of shape (batch, V), not float32 of shape (3,)"),
    (FLOATS.int(), WORDS, None, "logits must be floats of shape (batch, V), not int32 of shape (2, 3)"),
    (FLOATS, WORDS.long(), None, "the bitmask must be int32 of shape (2, words), not int64 of shape (2, 1)"),
    (FLOATS[:1], WORDS, None, "the bitmask must be int32 of shape (1, words), not int32 of shape (2, 1)"),
    (FLOATS, WORDS[0], None, "the bitmask must be int32 of shape (2, words), not int32 of shape (1,)"),
    (FLOATS.to("meta"), WORDS, None, "the bitmask is on cpu and the logits on meta: move it there first"),
    (torch.zeros(3, 2).T, WORDS, None, "each row of the logits must be contiguous, not of strides (1, 2)"),
    (FLOATS[0].expand(2, 3), WORDS, None, "the rows of the logits lie over one another, with strides (0, 1)"),
    (GRAD, WORDS, None, "the logits require grad and are written in place: call it under torch.no_grad()"),
    (FLOATS, WORDS, [2], "indices must be rows of the batch, 0 to 1, not [2]"),
    (FLOATS, WORDS, [-1, 0], "indices must be rows of the batch, 0 to 1, not [-1, 0]"),
    (FLOATS, WORDS, WORDS > 5, "indices must be int32 or int64 of shape (rows,), not bool of shape (2, 1)"),
    (FLOATS, WORDS, WORDS[:, 0] > 5, "indices must be int32 or int64 of shape (rows,), not bool of shape (2,)"),
    (FLOATS, WORDS, NOWHERE, "the indices are on meta and the logits on cpu: move them there first"),
]  # fmt: skip


@pytest.mark.parametrize(("logits", "bitmask", "indices", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_masked_is_refused_and_not_written(logits, bitmask, indices, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        gcd.apply_bitmask_(logits, bitmask, indices=indices)
    assert logits.is_meta or not logits.isinf().any()


def test_one_row_of_mask_may_be_expanded_to_all_rows_of_logits():
    logits = gcd.apply_bitmask_(torch.zeros(2, 3), WORDS[:1].expand(2, 1))
    assert logits.isfinite().tolist() == [[True, False, True]] * 2


def test_without_triton_there_is_no_kernel(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "gcd.sampling.bitmask_triton", raising=False)
    assert _kernel.__wrapped__(torch.device("cuda"), torch.float32) is None
