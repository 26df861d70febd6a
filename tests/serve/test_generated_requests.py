"""Requests that schemathesis makes of `/openapi.json`, right and wrong ones: none is the server's fault.

It is in the group `clients`: `make test-clients` runs this. GCD_SERVE_ROUNDS sends more, each round from its own seed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from served import scripted, serving

from gcd.serve.openapi import POSTED

ROUNDS = int(os.environ.get("GCD_SERVE_ROUNDS", "1"))
CLI = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis, of the group `clients`, is not installed")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_generated_requests_are_answered_or_refused(tmp_path: Path, seed: int) -> None:
    limits = {"max_body": 200_000, "max_schema": 20_000, "max_tokens": 100, "default_tokens": 50, "max_n": 4}
    with serving(scripted(), **limits) as (url, engine):
        line = [
            sys.executable, "-c", CLI, "run", f"{url}/openapi.json", "--checks", "not_a_server_error",
            "--seed", str(seed), "--max-examples", "200", "--phases", "examples,coverage,fuzzing",
            "--generation-database", "none", "--request-timeout", "60",
            "--suppress-health-check", "all", "--continue-on-failure", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        counts = engine.metrics.requests
    assert not {key for key in counts if key[1] >= 500}
    # the description is good enough that what it makes reaches the model
    assert {path for path, status in counts if status == 200} > set(POSTED), counts
