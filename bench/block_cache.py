"""What does a block cache save, and what does it change?

    python bench/block_cache.py [--prompts 100] [--steps 4]

The embedded model turns notes that it was not taught into JSON, in one block of 96 tokens or in three of 32, without a
cache and with each, by turns. At each step with one the model is asked without it as well, beside the clock: how often
is another token the likeliest, of those that are masked? Times are CPU time of one thread. What there is so far is
written behind every tenth note.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeAlias

import torch
from demo_diffusion.records import Record, records
from diffusion import HELD_OUT, agreement, constraint_of, parsed

import gcd
from gcd.diffusion import decode
from gcd.diffusion.predictor import BlockCache, Window

CANVAS = 96
Variant: TypeAlias = tuple[int, BlockCache | None]

VARIANTS: list[Variant] = [
    (96, None), (96, "prefix"), (32, None), (32, "prefix"), (32, "dual"),
]  # fmt: skip
"""Block length and cache; behind a block of the whole canvas there is nothing to keep."""
METHODS = ("dingo", "exact")


class Compared:
    """A model, how long it takes, and where it says something else with a cache than without."""

    def __init__(self, model: gcd.MaskedDiffusionLM) -> None:
        self.model, self.seen = model, Counter[str]()

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        with self.clock():
            return self.model(ids)

    def open_window(self, ids: torch.Tensor, begin: int, stop: int) -> tuple[torch.Tensor, Window]:
        with self.clock():
            logits, window = self.model.open_window(ids, begin, stop)

        def compared(inside: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            with self.clock():
                found = window(inside, rows)
            whole = ids[rows].clone()
            whole[:, begin:stop] = inside
            masked, anew = inside == self.model.mask_token_id, self.model(whole)[:, begin:stop]
            self.seen["masked"] += int(masked.sum())
            self.seen["others"] += int((found.argmax(-1) != anew.argmax(-1))[masked].sum())
            return found

        return logits, compared

    @contextmanager
    def clock(self) -> Iterator[None]:
        begun = time.thread_time_ns()
        yield
        self.seen["ns"] += time.thread_time_ns() - begun
        self.seen["calls"] += 1


def measure(number: int, record: Record, method: str, variant: Variant, steps: int) -> Counter[str]:
    """One note by one method: counts of what was seen, valid texts, right fields and right objects."""
    demo, constraint = gcd.load("demo-diffusion", device="cpu"), constraint_of(record.kind)
    model, (block_length, cache) = Compared(demo), variant
    (made,) = decode(
        model, constraint, CANVAS, mask_token_id=demo.mask_token_id,
        prompt=demo.tokenizer.encode(record.prompt, add_special_tokens=False).ids, method=method,
        steps=steps * block_length // 32, block_length=block_length, block_cache=cache, seed=number,
    )  # fmt: skip
    value = parsed(made.data.decode("utf-8", "replace"))
    right, fields = agreement(record.value, value)
    counts = {"valid": constraint.automaton.accepts(made.data), "right": right, "fields": fields, "notes": 1}
    return model.seen + Counter({**counts, "same": value == record.value})


def table(found: dict[Variant, dict[str, Counter[str]]]) -> str:
    """One row for each block length and cache."""
    lines = [
        "| block | cache | model, ms a step | of that without | another likeliest token | "
        + " | ".join(f"{method}: valid / fields / objects" for method in METHODS) + " |",
        "|---:|---|---:|---:|---:|" + "---|" * len(METHODS),
    ]  # fmt: skip
    for (block_length, cache), by_method in found.items():
        seen, plain = (sum(by.values(), Counter[str]()) for by in (by_method, found[block_length, None]))
        ms, without = (of["ns"] / 1e6 / of["calls"] for of in (seen, plain))
        others = f"{100 * seen['others'] / seen['masked']:.2f} %" if seen["masked"] else ""
        right = [
            f"{100 * of['valid'] / of['notes']:.0f} / {100 * of['right'] / of['fields']:.1f} / "
            f"{100 * of['same'] / of['notes']:.1f}"
            for of in by_method.values()
        ]
        share = f"{100 * ms / without:.0f} %"
        lines.append(f"| {block_length} | {cache or 'none'} | {ms:.1f} | {share} | {others} | {' | '.join(right)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--steps", type=int, default=4, help="calls of the model for each 32 tokens")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {variant: {method: Counter[str]() for method in METHODS} for variant in VARIANTS}
    for number, record in enumerate(islice(records(HELD_OUT), options.prompts), 1):
        for method in METHODS:
            for variant in VARIANTS:
                found[variant][method] += measure(number - 1, record, method, variant, options.steps)
        if number % 10 == 0 or number == options.prompts:
            print(f"{number} notes, {options.steps} steps for each 32 tokens\n\n{table(found)}\n", flush=True)


if __name__ == "__main__":
    main()
