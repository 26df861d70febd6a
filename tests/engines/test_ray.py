"""map_dataset on a local Ray: the same results whoever dies half-way. By `make test-engines`; skipped without Ray."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_models import byte_tokenizer

import gcd
from gcd.errors import InvalidGrammar

os.environ.update(RAY_USAGE_STATS_ENABLED="0")
ray = pytest.importorskip("ray", reason="Ray is not installed: make test-engines")
pytest.importorskip("ray.data", reason="Ray Data is not installed: make test-engines")

from gcd.integrations.ray import map_dataset  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

OPTIONS: dict[str, Any] = {"regex": "[ab]{6}", "prompt": "{text}", "batch_size": 3, "max_new_tokens": 8}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    # where the workers find this file, `tiny_models` and the library
    paths = [*map(str, Path(__file__).parents[:2]), str(Path.cwd())]
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}}
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    yield
    ray.shutdown()


def uniform(kind: type[gcd.ScriptedLM] = gcd.ScriptedLM) -> gcd.ScriptedLM:
    model = kind([1.0] * 259, eos_token_ids=[257, 258], bos_token_id=256)
    model.tokenizer = byte_tokenizer()
    return model


def dying(mark: Path) -> Callable[[], gcd.ScriptedLM]:
    """A model whose process ends by kill -9, once, where a prompt says so."""

    class Dying(gcd.ScriptedLM):
        def next_logits(self, sequences: Any) -> Any:
            if any(bytes(sequence[1:8]) == b"die now" for sequence in sequences) and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().next_logits(sequences)

    return lambda: uniform(Dying)


def results(model: Callable[[], object], records: list[dict[str, Any]], **options: Any) -> dict[int, dict[str, Any]]:
    rows = map_dataset(model, ray.data.from_items(records, override_num_blocks=4), **{**OPTIONS, **options}).take_all()
    assert sorted(row["id"] for row in rows) == list(range(len(records))), "a record was lost or made twice"
    return {row["id"]: json.loads(row["result"]) for row in rows}


def test_a_worker_that_is_killed_half_way_changes_nothing(tmp_path: Path) -> None:
    records = [{"id": number, "text": "die now" if number == 17 else f"record {number}"} for number in range(40)]
    whole = results(uniform, records, workers=2)
    mark = tmp_path / "killed"
    killed = results(dying(mark), records, workers=2)
    assert mark.exists(), "nobody was killed"
    assert killed == whole
    assert all(re.fullmatch("[ab]{6}", result["value"]) for result in whole.values())
    assert len({result["value"] for result in whole.values()}) > 20


def test_errors_are_results() -> None:
    """A record that lacks a member is one, though the column is there for the others."""
    made = results(uniform, [{"id": 0, "other": "a"}, {"id": 1, "text": "b"}])
    assert made[0].keys() == {"key", "error"}
    assert made[1].keys() == {"key", "value", "text", "finish_reason"}


def test_what_is_wrong_is_raised_before_anything_runs() -> None:
    dataset = ray.data.from_items([{"id": 0, "result": 1}])
    message = r"^the dataset has a column 'result' already: give another name for the results by into=$"
    with pytest.raises(ValueError, match=message):
        map_dataset(uniform, dataset, **OPTIONS)
    with pytest.raises(InvalidGrammar):
        map_dataset(uniform, dataset, into="other", **{**OPTIONS, "regex": "("})
