"""map_dataset: the job of `gcd map` on Ray Data: a Dataset of records -> the Dataset with their results.

Place in the walk: `bulk.Job`, one in each of Ray's workers, which Ray starts, feeds and replaces. A batch of records is
made by one call, with random numbers that depend on the records in it alone: what a worker that died was making is made
anew by another, the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gcd.bulk import Block, Job

if TYPE_CHECKING:
    import pyarrow
    from ray.data import Dataset

__all__ = ["map_dataset"]


def map_dataset(
    model: str | Callable[[], object], dataset: Dataset, *,
    workers: int = 1, num_gpus: float = 0, into: str = "result", **options: Any,
) -> Dataset:  # fmt: skip
    """The dataset with a result for each record, made lazily by `workers` processes with a model each.

    >>> people = ray.data.read_json("people.jsonl")
    >>> map_dataset("smollm2", people, schema=schema, prompt="{text} ->", workers=2).write_json("out")

    `model`: what `gcd.load` takes, or a function that returns a model, called in each worker. `prompt`, `chat`, `seed`,
    `batch_size`, `label` and the options of `generate` are those of `gcd.bulk.map_records`, and so are the results: the
    column `into` has one for each record, as JSON text, so that blocks with and without errors have one type. A null is
    no member, since records without it come as null here too: a prompt that asks for it is an error. What is wrong
    with what is wanted is raised here, before Ray starts. Raises ModuleNotFoundError without the package `ray`, and
    ValueError for a dataset that has such a column.
    """
    from ray.data import ActorPoolStrategy

    if workers < 1:
        raise ValueError(f"workers must be an integer >= 1, not {workers!r}")
    if into in (dataset.columns() or ()):
        raise ValueError(f"the dataset has a column {into!r} already: give another name for the results by into=")
    job = _job(None, options)
    return dataset.map_batches(
        Worker,
        fn_constructor_args=(model, into, options),
        batch_size=job.batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=workers),
        num_gpus=num_gpus,
    )


class Worker:
    """What Ray keeps in a process: a model, and the job over it."""

    def __init__(self, model: str | Callable[[], object], into: str, options: dict[str, Any]) -> None:
        import gcd

        self.into = into
        self.job = _job(gcd.load(model) if isinstance(model, str) else model(), options)

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        """The records of a batch with their results."""
        import pyarrow

        lines = [json.dumps(_present(row), ensure_ascii=False, default=str).encode() for row in table.to_pylist()]
        results = [_line(result) for result in self.job.results(Block(_number(lines), lines))]
        return table.append_column(self.into, pyarrow.array(results, pyarrow.string()))


def _job(model: object, options: dict[str, Any]) -> Job:
    """The job, and what is wrong with it."""
    about = {name: options[name] for name in ("prompt", "chat", "seed", "batch_size", "label") if name in options}
    return Job.of(model, {name: value for name, value in options.items() if name not in about}, **about)


def _present(row: dict[str, Any]) -> dict[str, Any]:
    """The members that a record has: a table says null of what was not there."""
    return {name: value for name, value in row.items() if value is not None}


def _number(lines: list[bytes]) -> int:
    """A number for a batch that depends on its records alone, in place of where it begins in a file."""
    return int.from_bytes(hashlib.sha256(b"\n".join(lines)).digest()[:8])


def _line(result: dict[str, Any]) -> str:
    """A result as `gcd map` writes it, but for the number of its line."""
    return json.dumps({name: value for name, value in result.items() if name != "index"}, ensure_ascii=False)
