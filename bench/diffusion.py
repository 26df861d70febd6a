"""How well does a diffusion model answer inside a grammar, by method and number of steps, and what does that cost?

    python bench/diffusion.py run RESULTS.jsonl [--prompts 300] [--steps 8 16 32 64] [--processes 2] [--device cpu]
    python bench/diffusion.py report RESULTS.jsonl [--readme] [--plot bench/diffusion.svg]

The model is the embedded one, the notes are those that it was not taught (`demo_diffusion/records.py`). A run can be
stopped and called again: what RESULTS has is not measured anew. Every process computes on one thread, and times are
those of that thread's CPU.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Any

import jsonschema
import torch
from demo_diffusion.records import SCHEMAS, Record, records

import gcd
from gcd.diffusion import decode

HELD_OUT = 1
FREE = ("unconstrained", "unconstrained, drawn")
METHODS = (*FREE, "greedy-mask", "dingo", "exact", "trajectory")
LIKE = {"greedy-mask": FREE[0], "dingo": FREE[0], "exact": FREE[1], "trajectory": FREE[1]}
"""What each would be without a grammar: the likeliest tokens, or drawn ones."""
BEGIN, END = "<!-- begin of the table of diffusion -->\n", "<!-- end of the table of diffusion -->\n"


class Timed:
    """A model, and how long it took."""

    def __init__(self, model: gcd.MaskedDiffusionLM) -> None:
        self.model, self.seconds, self.calls = model, 0.0, 0

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        begun = time.thread_time()
        logits = self.model(ids).float().cpu()
        self.seconds += time.thread_time() - begun
        self.calls += 1
        return logits


@cache
def constraint_of(kind: str) -> gcd.Constraint:
    demo = gcd.load("demo-diffusion", device="cpu")
    return gcd.compile(schema=SCHEMAS[kind], tokenizer=demo.tokenizer, whitespace="compact")


def fill_freely(model: Timed, prompt: Sequence[int], length: int, steps: int, mask: int, seed: int | None) -> list[int]:
    """Without any grammar: the most certain positions, evenly; the likeliest tokens, or with a seed drawn ones."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    ids = [mask] * length
    for left in range(steps, 0, -1):
        free = [i for i in range(length) if ids[i] == mask]
        if not free:
            break
        logits = model(torch.tensor([[*prompt, *ids]]))[0, len(prompt) :]
        logits[:, mask] = -torch.inf
        law = logits.softmax(-1)
        certain = law.max(-1).values
        chosen = sorted(free, key=lambda i: -float(certain[i]))[: -(-len(free) // left)]
        for i in chosen:
            ids[i] = int(law[i].argmax() if generator is None else torch.multinomial(law[i], 1, generator=generator))
    return ids


def measure(number: int, record: Record, method: str, steps: int, particles: int, device: str) -> dict[str, Any]:
    """One note by one method in so many steps."""
    demo, model = gcd.load("demo-diffusion", device="cpu"), Timed(gcd.load("demo-diffusion", device=device))
    constraint = constraint_of(record.kind)
    vocabulary, length = constraint.vocabulary, demo.canvas_length or 96
    prompt = demo.tokenizer.encode(record.prompt, add_special_tokens=False).ids
    begun = time.thread_time()
    if method in FREE:
        seed = number if "drawn" in method else None
        ids = fill_freely(model, prompt, length, steps, demo.mask_token_id, seed)
        end = next((i for i, token in enumerate(ids) if token in demo.eos_token_ids), length)
        data = vocabulary.decode(ids[:end])
    else:
        (made,) = decode(
            model, constraint, length, mask_token_id=demo.mask_token_id, prompt=prompt, method=method, steps=steps,
            particles=particles, seed=number,
        )  # fmt: skip
        data = made.data
    spent = time.thread_time() - begun
    text = data.decode("utf-8", "replace")
    value = parsed(text)
    valid = constraint.automaton.accepts(data) and jsonschema.Draft202012Validator(SCHEMAS[record.kind]).is_valid(value)
    right, fields = agreement(record.value, value)
    return {
        "number": number, "kind": record.kind, "method": method, "steps": steps, "text": text,
        "valid": valid,
        "right": right, "fields": fields, "same": value == record.value, "calls": model.calls,
        "seconds": spent, "model_seconds": model.seconds,
    }  # fmt: skip


def parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def agreement(expected: object, found: object) -> tuple[int, int]:
    """How many leaves of `expected` stand in `found` as well, at the same place, and how many there are."""
    if isinstance(expected, dict):
        parts = [(value, found.get(key) if isinstance(found, dict) else None) for key, value in expected.items()]
    elif isinstance(expected, list):
        others = found if isinstance(found, list) else []
        parts = [(value, others[i] if i < len(others) else None) for i, value in enumerate(expected)]
    else:
        return int(type(expected) is type(found) and expected == found), 1
    pairs = [agreement(*pair) for pair in parts]
    return sum(right for right, _ in pairs), sum(fields for _, fields in pairs)


def work(task: tuple[int, str, int, int, str]) -> dict[str, Any]:
    torch.set_num_threads(1)
    number, method, steps, particles, device = task
    return measure(number, next(islice(records(HELD_OUT), number, None)), method, steps, particles, device)


def tasks(options: argparse.Namespace, done: set[tuple[int, str, int]]) -> Iterator[tuple[int, str, int, int, str]]:
    """All notes by each method, the cheapest steps first."""
    notes = range(options.first, options.first + options.prompts)
    for steps, number, method in product(options.steps, notes, options.methods):
        if (number, method, steps) not in done:
            yield number, method, steps, options.particles, options.device


def run(options: argparse.Namespace) -> None:
    results = read(options.results) if options.results.exists() else []
    wanted = [*tasks(options, {(r["number"], r["method"], r["steps"]) for r in results})]
    until = time.monotonic() + options.minutes * 60
    with (
        options.results.open("a", encoding="utf-8") as file,
        multiprocessing.get_context("spawn").Pool(options.processes) as pool,
    ):
        for i, result in enumerate(pool.imap_unordered(work, wanted)):
            file.write(json.dumps(result) + "\n")
            file.flush()
            if i % 100 == 0:
                print(f"{i + 1} of {len(wanted)}", flush=True)
            if time.monotonic() > until:
                print("out of time; call again to go on")
                return


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def cells(results: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, float]]:
    """(method, steps) -> shares and costs, of the notes that every method has been through in as many steps."""
    found = dict[tuple[str, int], dict[str, float]]()
    for steps in sorted({r["steps"] for r in results}):
        of = {
            method: {r["number"]: r for r in results if (r["method"], r["steps"]) == (method, steps)}
            for method in METHODS
        }
        common = set.intersection(*({*by_number} for by_number in of.values() if by_number))
        for method, by_number in of.items():
            rows = [by_number[n] for n in common if n in by_number]
            if rows:
                found[method, steps] = {
                    "notes": len(rows),
                    "valid": sum(r["valid"] for r in rows) / len(rows),
                    "fields": sum(r["right"] for r in rows) / sum(r["fields"] for r in rows),
                    "same": sum(r["same"] for r in rows) / len(rows),
                    "ms": 1e3 * statistics.median((r["seconds"] - r["model_seconds"]) / r["calls"] for r in rows),
                }
    return found


def markdown(results: list[dict[str, Any]]) -> str:
    """| method | ... | for each number of steps."""
    table = cells(results)
    counts = sorted({steps for _, steps in table})
    notes = ", ".join(f"{int(table['dingo', steps]['notes'])} at {steps}" for steps in counts)
    lines = [
        f"Held-out notes: {notes} steps. Each cell: valid / fields right / objects right, in per cent.",
        "",
        "| method | " + " | ".join(f"{steps} steps" for steps in counts) + " | ms a step beside the model |",
        "|---|" + "---|" * (len(counts) + 1),
    ]
    for method in METHODS:
        shown = [table[method, steps] for steps in counts if (method, steps) in table]
        if shown:
            parts = [" / ".join(f"{100 * c[key]:.1f}" for key in ("valid", "fields", "same")) for c in shown]
            lines.append(f"| {method} | {' | '.join(parts)} | {statistics.median(c['ms'] for c in shown):.0f} |")
    return "\n".join(lines) + "\n"


def paired(results: list[dict[str, Any]]) -> str:
    """| method - the same without a grammar | mean differences of objects and fields, with standard errors | ... |"""
    by = {(r["method"], r["steps"], r["number"]): r for r in results}
    counts = sorted({r["steps"] for r in results})
    lines = [
        "What the grammar changes: objects right / fields right in per cent, less those without it, note by note, each "
        "with its standard error.",
        "",
        "| method, less the same without | " + " | ".join(f"{steps} steps" for steps in counts) + " |",
        "|---|" + "---|" * len(counts),
    ]
    for method, other in LIKE.items():
        cells = []
        for steps in counts:
            pairs = [
                (r, by[other, *k[1:]]) for k, r in by.items() if k[:2] == (method, steps) and (other, *k[1:]) in by
            ]
            if len(pairs) < 2:
                cells.append("")
                continue
            each = len(pairs) / sum(a["fields"] for a, _ in pairs)
            objects = mean_of([float(a["same"]) - float(b["same"]) for a, b in pairs])
            fields = mean_of([each * (a["right"] - b["right"]) for a, b in pairs])
            cells.append(" / ".join(f"{100 * mean:+.1f} ± {100 * error:.1f}" for mean, error in (objects, fields)))
        lines.append(f"| {method} - {other} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mean_of(values: list[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Fields right by steps, a line for each method; valid texts beside it."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "gcd"
    table = cells(results)
    figure, plots = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharex=True)
    for axes, key, title in zip(plots, ("fields", "valid"), ("fields right, %", "valid texts, %"), strict=True):
        for i, method in enumerate(METHODS):
            points = sorted((steps, 100 * cell[key]) for (name, steps), cell in table.items() if name == method)
            axes.plot(*zip(*points, strict=True), marker="osv^Dx"[i], markersize=4, linewidth=1, label=method)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({steps for _, steps in table}), labels=sorted({str(s) for _, s in table}, key=int))
        axes.set_xlabel("steps")
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
    plots[0].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


def report(options: argparse.Namespace) -> None:
    results = read(options.results)
    text = markdown(results) + "\n" + paired(results)
    print(text)
    if options.plot:
        draw(results, options.plot)
    if options.readme:
        readme = Path(__file__).with_name("README.md")
        before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        readme.write_text(before + BEGIN + text + END + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("run")
    measuring.add_argument("results", type=Path)
    measuring.add_argument("--prompts", type=int, default=300)
    measuring.add_argument("--first", type=int, default=0, help="the number of the first note")
    measuring.add_argument("--steps", type=int, nargs="+", default=[8, 16, 32, 64])
    measuring.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    measuring.add_argument("--particles", type=int, default=4)
    measuring.add_argument("--processes", type=int, default=1)
    measuring.add_argument("--device", default="cpu")
    measuring.add_argument("--minutes", type=float, default=float("inf"))
    measuring.set_defaults(command=run)
    reporting = commands.add_parser("report")
    reporting.add_argument("results", type=Path)
    reporting.add_argument("--readme", action="store_true", help="write the table into bench/README.md")
    reporting.add_argument("--plot", type=Path)
    reporting.set_defaults(command=report)
    options = parser.parse_args()
    options.command(options)


if __name__ == "__main__":
    main()
