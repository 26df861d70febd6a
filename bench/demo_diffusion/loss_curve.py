"""loss.json, as train.py writes it, to loss.svg.

python bench/demo_diffusion/loss_curve.py [loss.json]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("loss.json")
    log = [entry for entry in json.loads(path.read_text(encoding="utf-8")) if "loss" in entry]
    mpl.rcParams["svg.hashsalt"] = "gcd"
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    axes.semilogy([entry["step"] for entry in log], [entry["loss"] for entry in log], linewidth=1.2)
    axes.set_xlabel("step (512 records each)")
    axes.set_ylabel("nats a position")
    axes.set_title("loss of demo-diffusion, means of 100 steps", fontsize=10)
    axes.grid(alpha=0.3)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
