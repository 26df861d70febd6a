"""Writes docs/alignment.svg: what masking does to the law of a toy, and what each method gives back.

python docs/make_alignment.py        (needs matplotlib, which the extra `bench` has)
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import matplotlib as mpl

import gcd

N = 20_000
LETTERS = gcd.Vocabulary([b"0", b"1", b""], eos_token_ids=[2])
MODEL = gcd.ScriptedLM(
    lambda prefix: [1, 1, 0] if len(prefix) < 5 else [0, 0, 1], eos_token_ids=[2], vocab_size=3
)  # fmt: skip
CALLS = {
    "mask": {"method": "mask"},
    "mcmc, 3 steps": {"method": "mcmc", "steps": 3, "n": 4000},
    "asap, first 50 draws": {"method": "asap", "n": 50},
    "asap, 20,000 draws": {"method": "asap"},
    "cars": {"method": "cars"},
}


def shares(**options: object) -> list[float]:
    """The share of each of the 17 texts, in order; 50 draws at a time are repeated until there are enough."""
    n = int(options.pop("n", N))  # type: ignore[call-overload]
    counts: Counter[str] = Counter()
    for seed in range(max(1, 4000 // n) if n < 1000 else 1):
        out = gcd.sample(
            MODEL, "", n, regex="00000|1[01]{4}", tokenizer=LETTERS, max_new_tokens=6, seed=seed, **options
        )  # type: ignore[arg-type]
        counts.update(one.text for one in out)
    texts = ["00000", *(f"1{i:04b}" for i in range(16))]
    return [counts[text] / counts.total() for text in texts]


def main() -> None:
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "gcd", "font.size": 8})
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(CALLS), figsize=(10, 2.2), sharey=True)
    for axis, (name, options) in zip(axes, CALLS.items(), strict=True):
        axis.bar(range(17), shares(**options), color=["#c44e52", *["#4c72b0"] * 16])
        axis.axhline(1 / 17, color="black", linewidth=0.8, linestyle="--")
        axis.set_title(name)
        axis.set_xticks([0, 1, 16], ["00000", "", "11111"])
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of the texts")
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("alignment.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
