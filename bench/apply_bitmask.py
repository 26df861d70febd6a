"""How fast are masks put into logits on a GPU, beside other implementations, and how near to the memory's bandwidth?

    python bench/apply_bitmask.py [--width 128256] [--batch 1 8 64 512] [--dtype float32 bfloat16 float16] [--json FILE]

In one run, on the current CUDA device, every implementation gets the same logits and masks and is compared with the
others before it is timed:

    gcd             gcd.apply_bitmask_, its Triton kernel
    torch           the same by torch operations: unpack the bits, masked_fill_
    xgrammar        xgrammar.apply_token_bitmask_inplace as it comes, its Triton kernel (where xgrammar is installed)
    xgrammar-cuda   the same with backend="cuda" (where nvcc is installed too: it is compiled first)

A time is that of one call on the GPU: a CUDA graph of many calls, each on logits and masks of its own, together eight
times the L2 cache, is replayed, and the median replay is divided by the calls. An empty kernel is timed in the same
way: no call can be faster. "host" is the time until a call without a graph returns: what the caller's thread pays.

Masks allow each token by chance: 0.1 % (a few names and punctuation), 96 % (the inside of a JSON string: 123 of 128
thousand tokens of Llama 3.1) and all but 0.1 %. The bytes of a mask are those that must move: its words, read once, and
the sectors of 32 bytes that hold a forbidden token, written once; allowed logits beside a forbidden one in its sector
are not counted as read. The share of bandwidth is bytes / time over that of a device-to-device copy of 2 GiB in the
same run (bytes read and written), outside of a graph, where copies are slower.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
import triton

import gcd
from gcd.sampling import bitmask
from gcd.sampling.logits import unpack_bitmask

Apply = Callable[[torch.Tensor, torch.Tensor], object]

DENSITIES = (0.001, 0.96, 0.999)
SECTOR = 32
REPLAYS = 21
ROTATED = 400 << 20
"""Bytes of logits in a graph, at least: eight times the L2 cache of an H100."""


def implementations() -> dict[str, Apply]:
    """Those that run here, by name."""
    if bitmask._kernel(torch.empty(0, device="cuda").device, torch.float32) is None:
        raise SystemExit("the Triton kernel does not work here")
    found: dict[str, Apply] = {"gcd": gcd.apply_bitmask_, "torch": lambda x, words: bitmask._mask_rows(x, words, None)}
    probe = torch.zeros(1, 4096, device="cuda"), torch.zeros(1, 128, dtype=torch.int32, device="cuda")
    try:
        from xgrammar import apply_token_bitmask_inplace
    except ImportError:
        return found
    for name, backend in (("xgrammar", "auto"), ("xgrammar-cuda", "cuda")):
        try:
            apply_token_bitmask_inplace(*probe, backend=backend)
        except Exception as error:  # whatever its build raises
            print(f"{name} does not run here: {type(error).__name__}: {str(error)[:200]}")
            continue
        found[name] = lambda x, words, backend=backend: apply_token_bitmask_inplace(x, words, backend=backend)
    return found


@triton.jit
def nothing(place):
    pass


def microseconds(works: Sequence[Callable[[], object]]) -> float:
    """The time of one of `works` on the GPU: the median replay of a graph of them all, divided by their number."""
    for work in works[:2]:
        work()  # compiles
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for work in works:
            work()
    return elapsed(graph.replay) / len(works)


def elapsed(work: Callable[[], object]) -> float:
    """The median time between two events around `work`, in microseconds."""
    times = []
    for _ in range(REPLAYS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1000)
    return sorted(times)[REPLAYS // 2]


def host_microseconds(work: Callable[[], object], calls: int = 50) -> float:
    """The best of five medians of the time until one call returns."""
    medians = []
    for _ in range(5):
        torch.cuda.synchronize()
        times = []
        for _ in range(calls):
            begin = time.perf_counter_ns()
            work()
            times.append(time.perf_counter_ns() - begin)
        medians.append(sorted(times)[calls // 2] / 1000)
    return min(medians)


def copy_bandwidth() -> float:
    """Bytes a second, read and written, of a copy of 2 GiB on the device."""
    source = torch.randint(-(2**31), 2**31 - 1, (2**29,), dtype=torch.int32, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / elapsed(lambda: target.copy_(source)) * 1e6


def moved(words: torch.Tensor, width: int, size: int) -> int:
    """The bytes that a mask moves: its words, and the sectors with a forbidden token."""
    forbidden = ~unpack_bitmask(words, width)
    held = SECTOR // size
    sectors = torch.nn.functional.pad(forbidden, (0, -width % held)).view(len(words), -1, held).any(-1).sum()
    return words.nbytes + SECTOR * int(sectors)


def masks(batch: int, width: int, density: float) -> torch.Tensor:
    """int32 (batch, words): each token allowed with probability `density`, from a seed."""
    generator = torch.Generator(device="cuda").manual_seed(batch)
    shape = batch, (width + 31) // 32, 32
    bits = torch.rand(shape, generator=generator, device="cuda") < density
    return (bits.long() << torch.arange(32, device="cuda")).sum(-1).to(torch.int32)


def measure(arguments: argparse.Namespace) -> tuple[dict[str, object], list[dict[str, object]]]:
    """What was measured on what, and a row for each dtype, density and batch."""
    bandwidth = copy_bandwidth()
    empty = torch.zeros(1, device="cuda")
    place: dict[str, object] = {
        "device": torch.cuda.get_device_name(),
        "copy, GB/s": bandwidth / 1e9,
        "empty kernel, us": microseconds([lambda: nothing[(1,)](empty)] * 100),
        "width": arguments.width,
        **{name: installed(name) for name in ("torch", "triton", "xgrammar")},
    }
    applies = implementations()
    table: list[dict[str, object]] = []
    for name in arguments.dtype:
        dtype = getattr(torch, name)
        for density in DENSITIES:
            for batch in arguments.batch:
                logits = torch.randn(batch, arguments.width, device="cuda").to(dtype)
                words = masks(batch, arguments.width, density)
                expected = logits.masked_fill(~unpack_bitmask(words, arguments.width), -torch.inf)
                size = moved(words, arguments.width, dtype.itemsize)
                row: dict[str, object] = {"dtype": name, "allowed": density, "batch": batch, "MB": size / 1e6}
                copies = max(2, -(-ROTATED // logits.nbytes))
                pairs = [(logits.clone(), words.clone()) for _ in range(copies)]
                for engine, apply in applies.items():
                    for found, _ in pairs:
                        found.copy_(logits)
                    works = [functools.partial(apply, *pair) for pair in pairs]
                    row[engine] = us = microseconds(works)
                    assert all(torch.equal(found, expected) for found, _ in pairs[:8]), (engine, row)
                    row[f"{engine} share"] = size / us * 1e6 / bandwidth
                    row[f"{engine} host"] = host_microseconds(works[0])
                table.append(row)
    return place, table


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def show(place: dict[str, object], table: list[dict[str, object]]) -> None:
    """A Markdown table: µs, the share of the bandwidth, µs on the host."""
    print(", ".join(f"{k} {v:,.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in place.items()), "\n")
    engines = [key for key in table[0] if f"{key} share" in table[0]]
    print("| dtype | allowed | batch | MB |", *(f"{e}, us | % | host |" for e in engines))
    print("|---|---:|---:|---:|" + "---:|---:|---:|" * len(engines))
    for row in table:
        cells = (
            f"{row[e]:.1f} | {100 * float(str(row[f'{e} share'])):.0f} | {row[f'{e} host']:.0f} |" for e in engines
        )
        print(f"| {row['dtype']} | {float(str(row['allowed'])):.1%} | {row['batch']} | {row['MB']:.2f} |", *cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=128_256)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16", "float16"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    place, table = measure(arguments)
    show(place, table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"place": place, "table": table}, indent=1))


if __name__ == "__main__":
    main()
