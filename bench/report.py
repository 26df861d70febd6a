"""markdown, draw: what `maskbench.py` measured to tables and a plot.

Two views of the same measurements. "Everything" is each engine on all that it runs: its own tokens, its own schemas.
"The same work" is the schemas that all engines compile, and of every instance the tokens that all of them reach;
only there are ratios meaningful. Percentiles are observed values: p99 is the least time that 99% do not exceed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

OUTCOMES = ("pass", "compile error", "crash", "timeout", "valid refused", "invalid accepted")
LOST = ("compile error", "crash", "timeout")
PERCENTILES = (25, 50, 75, 90, 95, 99, 99.9)
STATISTICS: dict[str, Callable[[Times], float]] = {
    "mean": lambda times: float(times.mean()),
    **{f"p{p:g}": lambda times, p=p: float(np.percentile(times, p, method="inverted_cdf")) for p in PERCENTILES},
    "max": lambda times: float(times.max()),
}
EMPTY, FILLED = "empty", "filled"  # the caches on disk when an engine was set up
BEGIN, END = "<!-- begin of the report -->\n", "<!-- end of the report -->\n"


@dataclass(slots=True)
class Run:
    """One engine: about the run, and by schema what became of it."""

    engine: str
    about: dict[str, Any]
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What a file keeps of it, one JSON object a line: first about the run, then each schema."""
        yield {"engine": self.engine, "about": self.about}
        for name, record in self.records.items():
            yield {"engine": self.engine, "schema": name} | record

    def ttfm(self, names: Iterable[str]) -> Times:
        """ns of every schema that was compiled; one that ran out of time before its first mask took the time-out."""
        limit = int(self.about["timeout"] * 1e9)
        records = [self.records[name] for name in names]
        return np.array(
            [r.get("ttfm", limit) for r in records if "ttfm" in r or r["outcome"] == "timeout"], dtype=np.int64
        )

    def tokens(self, part: str) -> Times:
        """ns of every token: "mask", "commit", or "token" for both."""
        return gather(part, ((walk, None) for record in self.records.values() for walk in record["instances"]))

    def count(self, *, valid: bool) -> str:
        walks = [walk for record in self.records.values() for walk in record["instances"] if walk["valid"] is valid]
        return f"{sum(walk['accepted'] is valid for walk in walks):,} of {len(walks):,}"

    def errors(self) -> int:
        return sum(walk["error"] is not None for record in self.records.values() for walk in record["instances"])


def gather(part: str, walks: Iterable[tuple[dict[str, Any], int | None]]) -> Times:
    """The times of the first n tokens of each walk, of all with n = None."""
    times: list[int] = []
    for walk, n in walks:
        mask, commit = walk["mask"][:n], walk["commit"][:n]
        times += {"mask": mask, "commit": commit}.get(part) or [m + c for m, c in zip(mask, commit, strict=True)]
    return np.array(times, dtype=np.int64)


def read_runs(files: Sequence[Path]) -> list[Run]:
    """The runs in files that `--json` wrote, in their order; an engine's runs are one, of a schema the last counts."""
    runs: dict[str, Run] = {}
    for file in files:
        for text in file.read_text().splitlines():
            line = json.loads(text)
            engine = line.pop("engine")
            if "about" in line:
                runs.setdefault(engine, Run(engine, {})).about = line["about"]
            else:
                runs[engine].records[line.pop("schema")] = line
    return list(runs.values())


def markdown(runs: list[Run]) -> str:
    """The whole report."""
    return "\n\n".join([
        about(runs), set_up_table(runs), everything(runs), same_work(runs), slowest(runs)
    ]) + "\n"  # fmt: skip


def about(runs: list[Run]) -> str:
    first = runs[0].about
    versions = {name: number for run in runs for name, number in run.about["set-up"][FILLED]["versions"].items()}
    return (
        f"{first['date']}, {first['machine']}, Python {first['python']}, "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}; tokenizer {first['tokenizer']}; "
        f"{len(runs[0].records):,} schemas, {first['timeout']:g} s a schema, one thread. Times in µs, less is better."
    )


def set_up_table(runs: list[Run]) -> str:
    """Imports and tables, just-in-time compilation, a first schema: once a process, in none of the times below."""
    rows = []
    for run in runs:
        for cache, cost in run.about["set-up"].items():
            times = [f"{cost[key] / 1e9:.2f}" for key in ("tables", "jit", "first schema")]
            # The process that only fills the caches runs no schemas.
            later = [] if cache == EMPTY else [record["MiB"] for record in run.records.values() if "MiB" in record]
            usage = [cost["MiB"], *later]
            memory = usage[0]["now"], usage[-1]["now"], max(use["peak"] for use in usage)
            rows.append([run.engine, cache, *times, *(f"{mib:,.0f}" for mib in memory)])
    header = ["", "disk cache", "tables, s", "JIT, s", "first schema, s", "MiB then", "MiB at the end", "MiB at most"]
    return "### Set-up and memory\n\n" + table(header, rows)


def everything(runs: list[Run]) -> str:
    rows = statistics("token", [run.tokens("token") for run in runs])
    rows += statistics("mask alone", [run.tokens("mask") for run in runs], ("mean", "p50", "p99"))
    rows += statistics("commit alone", [run.tokens("commit") for run in runs], ("mean", "p50", "p99"))
    rows += statistics("TTFM", [run.ttfm(run.records) for run in runs])
    outcomes = [Counter(record["outcome"] for record in run.records.values()) for run in runs]
    rows += [[name, *(f"{count[name]:,}" for count in outcomes)] for name in OUTCOMES]
    rows += [
        ["valid instances accepted", *(run.count(valid=True) for run in runs)],
        ["invalid instances refused", *(run.count(valid=False) for run in runs)],
        ["errors of the engine on an instance", *(str(run.errors()) for run in runs)],
        ["tokens", *(f"{len(run.tokens('mask')):,}" for run in runs)],
        ["- CPU time taken, being descheduled", *(str(descheduled(run)) for run in runs)],
    ]
    return "### Everything that each engine runs\n\n" + table(["", *(run.engine for run in runs)], rows)


def same_work(runs: list[Run]) -> str:
    """The schemas that all compile and the tokens that all reach, with the first engine's share of each other's."""
    if len(runs) < 2:
        return "### The same work\n\nOne engine alone has nothing to be compared with."
    names = [
        name for name in runs[0].records
        if all(name in run.records and run.records[name]["outcome"] not in LOST for run in runs)
    ]  # fmt: skip
    if not names:
        return "### The same work\n\nNo schema is compiled by all engines."
    tokens = [gather("token", walks) for walks in common_walks(runs, names)]
    ttfm = [run.ttfm(names) for run in runs]
    rows = statistics("token", tokens, ratios=True) + statistics("TTFM", ttfm, ratios=True)
    header = ["", *(run.engine for run in runs), *(f"{runs[0].engine} / {run.engine}" for run in runs[1:])]
    title = f"### The same work: {len(names):,} schemas that all compile, {len(tokens[0]):,} tokens that all reach"
    return title + "\n\n" + table(header, rows)


def common_walks(runs: list[Run], names: list[str]) -> list[list[tuple[dict[str, Any], int]]]:
    """For each run its walks, each with the number of tokens that all engines have reached in that instance."""
    found: list[list[tuple[dict[str, Any], int]]] = [[] for _ in runs]
    for name in names:
        for walks in zip(*(run.records[name]["instances"] for run in runs), strict=True):
            reached = min(len(walk["mask"]) for walk in walks)
            for place, walk in zip(found, walks, strict=True):
                place.append((walk, reached))
    return found


def slowest(runs: list[Run], n: int = 3) -> str:
    """Where to look first."""
    rows = []
    for run in runs:
        first = {name: record["ttfm"] for name, record in run.records.items() if "ttfm" in record}
        token = {
            name: max(m + c for walk in record["instances"] for m, c in zip(walk["mask"], walk["commit"], strict=True))
            for name, record in run.records.items()
            if any(walk["mask"] for walk in record["instances"])
        }
        rows.append([run.engine, *(largest(times, n) for times in (first, token))])
    return "### The slowest schemas\n\n" + table(["", "by TTFM", "by one token"], rows)


def largest(times: dict[str, int], n: int) -> str:
    return ", ".join(f"{name} {micro(times[name])}" for name in sorted(times, key=times.__getitem__)[: -n - 1 : -1])


def statistics(
    label: str, columns: list[Times], names: Sequence[str] = tuple(STATISTICS), *, ratios: bool = False
) -> list[list[str]]:
    """Rows of the named statistics of each column in µs; with `ratios`, the first column's over each other's."""
    rows = []
    for name in names:
        values = [STATISTICS[name](column) if len(column) else float("nan") for column in columns]
        shares = [f"{values[0] / value:.2f}" for value in values[1:]] if ratios else []
        rows.append([f"{label}, {name}", *map(micro, values), *shares])
    return rows


def micro(ns: float) -> str:
    """ns as µs with three digits: 4523 gives "4.52"."""
    if ns != ns:
        return "-"
    us = ns / 1000
    return f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:,.0f}"


def descheduled(run: Run) -> int:
    return sum(walk["descheduled"] for record in run.records.values() for walk in record["instances"])


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(runs: list[Run], file: Path) -> None:
    """Both distributions, each engine on all that it runs: the share of tokens or schemas done within a time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shares = np.linspace(0, 100, 1001)
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 4), sharey=True)
    for panel, title in zip(panels, ("mask + commit of a token", "compile + first mask of a schema"), strict=True):
        for run in runs:
            times = run.tokens("token") if "token" in title else run.ttfm(run.records)
            panel.plot(np.percentile(times / 1000, shares), shares / 100, label=run.engine)
        panel.set(title=title, xscale="log", xlabel="µs", ylim=(0, 1.005))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("share done within this time")
    panels[1].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(file, dpi=150)


def machine() -> dict[str, str]:
    """When and where."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return {
        "date": date.today().isoformat(),
        "machine": f"{name}, {os.cpu_count()} cores, {platform.system()}",
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def replace_report(text: str, report: str) -> str:
    """`text` with what stands between the two markers replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{report}\n{END}{after}"
