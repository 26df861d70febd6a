"""Does a grammar make a diffusion model's drawn answers worse? Both draw by the same random numbers, note by note.

    python bench/coupled.py [--notes 2000] [--first 0] [--steps 32] [--processes 15] [--device cuda] [--minutes 8]

Where `unconstrained, drawn` and `exact` of `bench/diffusion.py` differ, it is mostly by luck: the model is not sure,
and one of them drew what is right. Here every position has one random number for both, which picks a token by its place
in the law of that position. Each loop keeps its own law, and where the grammar changes nothing both draw the same; what
is left of their difference is the grammar's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Sequence
from itertools import islice

import torch
from demo_diffusion.records import Record, records
from diffusion import HELD_OUT, agreement, constraint_of, mean_of, parsed

import gcd
from gcd.diffusion import Lattice, policies

SURE = 1e-12
"""What is left to other tokens where a token is taken for certain, and the law of the rest for unchanged."""
Right = tuple[bool, int, int]
"""Whether an object is right; how many of its fields are, and how many there are."""


def pick(law: torch.Tensor, uniform: float) -> int:
    """The token whose stretch of [0, 1) has the number: tokens follow one another by id, each as long as its share."""
    return int(
        torch.searchsorted(law.cumsum(0), uniform * float(law.sum()), right=True).clamp(max=int(law.nonzero()[-1]))
    )


def fill(
    model: Callable[[torch.Tensor], torch.Tensor],
    prompt: Sequence[int],
    mask: int,
    uniforms: Sequence[float],
    steps: int,
    constraint: gcd.Constraint | None = None,
) -> list[int]:
    """A canvas as long as the uniform numbers: the most certain positions of the law, evenly, each drawn by its number.

    With a constraint the law is that of `decode(method="exact")`: each position is drawn given those drawn before.
    """
    ids = [mask] * len(uniforms)
    for left in range(steps, 0, -1):
        free = [i for i, token in enumerate(ids) if token == mask]
        if not free:
            break
        logits = model(torch.tensor([[*prompt, *ids]]))[0, len(prompt) :].double().cpu()
        logits[:, mask] = -torch.inf
        if constraint is None:
            laws = logits.softmax(-1)
            certain = laws[free].max(-1).values
            order = sorted(range(len(free)), key=lambda i: -float(certain[i]))
            for i in order[: -(-len(free) // left)]:
                ids[free[i]] = pick(laws[free[i]], uniforms[free[i]])
            continue
        lattice = Lattice(constraint, logits, fixed={i: token for i, token in enumerate(ids) if token != mask})
        for i in policies.evenly()(policies.view(lattice, free, left)):
            law = lattice.position_marginals(i)
            ids[i] = pick(law, uniforms[i])
            if law[ids[i]] < 1 - SURE:
                lattice = lattice.commit({i: ids[i]})
    return ids


def measure(number: int, record: Record, steps: int, device: str) -> tuple[int, Right, Right]:
    """One note without and with its grammar."""
    demo, model = gcd.load("demo-diffusion", device="cpu"), gcd.load("demo-diffusion", device=device)
    constraint, length = constraint_of(record.kind), demo.canvas_length or 96
    prompt = demo.tokenizer.encode(record.prompt, add_special_tokens=False).ids
    uniforms = torch.rand(length, generator=torch.Generator().manual_seed(number), dtype=torch.float64).tolist()
    found = []
    for given in (None, constraint):
        ids = fill(model, prompt, demo.mask_token_id, uniforms, steps, given)
        end = next((i for i, token in enumerate(ids) if token in demo.eos_token_ids), length)
        value = parsed(constraint.vocabulary.decode(ids[:end]).decode("utf-8", "replace"))
        found.append((value == record.value, *agreement(record.value, value)))
    return number, found[0], found[1]


def report(pairs: Sequence[tuple[Right, Right]], steps: int) -> str:
    """Both shares of what is right, and their paired difference with its standard error."""
    free, inside = zip(*pairs, strict=True)
    fields = sum(count for _, _, count in free)
    each = len(pairs) / fields
    objects = mean_of([float(b[0]) - float(a[0]) for a, b in pairs])
    by_field = mean_of([each * (b[1] - a[1]) for a, b in pairs])
    shares = [(sum(r[0] for r in side) / len(pairs), sum(r[1] for r in side) / fields) for side in (free, inside)]
    lines = [f"{len(pairs)} notes in {steps} steps, the same random numbers with a grammar and without"]
    for name, (same, right) in zip(("unconstrained, drawn", "exact"), shares, strict=True):
        lines.append(f"{name:22} objects {100 * same:5.2f} %  fields {100 * right:5.2f} %")
    for name, (mean, error) in (("objects", objects), ("fields", by_field)):
        lines.append(f"exact - unconstrained  {name} {100 * mean:+.2f} ± {100 * error:.2f} points")
    better, worse = (sum(side[0] > other[0] for other, side in order) for order in (pairs, [(b, a) for a, b in pairs]))
    return "\n".join([*lines, f"only exact is right: {better} notes; only unconstrained is: {worse}"])


def work(task: tuple[int, int, str]) -> tuple[int, Right, Right]:
    torch.set_num_threads(1)
    number, steps, device = task
    return measure(number, next(islice(records(HELD_OUT), number, None)), steps, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first note")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    options = parser.parse_args()
    until, pairs = time.monotonic() + 60 * options.minutes, list[tuple[Right, Right]]()
    tasks = [(number, options.steps, options.device) for number in range(options.first, options.first + options.notes)]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for number, free, inside in pool.imap(work, tasks):
            pairs.append((free, inside))
            if free[0] != inside[0]:
                print(f"note {number}: only {'exact' if inside[0] else 'unconstrained'} is right", flush=True)
            if time.monotonic() > until:
                break
    print(report(pairs, options.steps))


if __name__ == "__main__":
    main()
