"""`gcd serve`: what it says, whom it lets in, how it ends; in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import CLIENT
from typer.testing import CliRunner

from gcd.cli.app import app
from gcd.cli.exits import Exit
from gcd.cli.serve import allowed_hosts

ROOT = Path(__file__).resolve().parents[2]

SCRIPTED = """
import sys, time
sys.path[:0] = ["tests", "."]
import gcd
from toys import byte_vocabulary

class Slow(gcd.ScriptedLM):
    tokenizer = byte_vocabulary()
    def next_logits(self, sequences):
        time.sleep(0.02)
        return super().next_logits(sequences)

gcd.load = lambda name, **options: Slow([float(token == 120) for token in range(257)], eos_token_ids=[256])
from gcd.cli import main
main()
"""
"""The command with a slow model, which says x for ever, in place of whatever is named; it needs no transformers."""


@contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`gcd serve` over that model, once it serves, and its URL; killed in the end."""
    line = [sys.executable, "-c", SCRIPTED, "serve", "--port", "0", "--name", "m", *arguments]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "loading smollm2\n"
        said = process.stderr.readline()
        assert said.startswith("serving m at http://127.0.0.1:")
        assert said.endswith("/v1\n")
        yield process, said.split()[-1]
    finally:
        process.kill()
        process.communicate()


BODY = {"model": "m", "prompt": [65], "stream": True}


def read_on(lines: Iterator[str]) -> list[str]:
    """The lines that still come; raises httpx.HTTPError when the answer is not whole."""
    return [line for line in lines if line]


def test_it_ends_cleanly_when_it_is_told_to() -> None:
    """A text that ends within the grace is whole, one that does not is an error, and the exit code is 0.

    Of prompts, answers and grammars, right or wrong, nothing has been written to the log.
    """
    with command("--grace", "1") as (process, url):
        assert CLIENT.get(f"{url}/models").json()["data"][0]["id"] == "m"
        asked = {"model": "m", "prompt": list(b"SECRET"), "max_tokens": 9}
        wishes = ({}, {"regex": "SECRET"}, {"regex": "(SECRET"})  # what the model says, cannot say, nobody can
        replies = [CLIENT.post(f"{url}/completions", json={**asked, **wish}) for wish in wishes]
        assert [reply.status_code for reply in replies] == [200, 500, 400]
        short, long = (CLIENT.stream("POST", f"{url}/completions", json={**BODY, "max_tokens": n}) for n in (9, 400))
        with short as first, long as second:
            ending, outliving = first.iter_lines(), second.iter_lines()
            next(outliving)
            process.send_signal(signal.SIGTERM)
            assert read_on(ending)[-1] == "data: [DONE]"
            with pytest.raises(httpx.RemoteProtocolError):
                read_on(outliving)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        log = process.stderr.read()
        assert log.startswith("a request failed by BadLogits\n")
        assert "SECRET" not in log
        assert "xxx" not in log


def test_a_killed_server_is_an_error_to_openais_client() -> None:
    """One client reads a stream, another waits for a whole answer: neither takes what has come for all there is."""
    openai = pytest.importorskip("openai", reason="pip install openai, as the group `test` does")
    wish: dict[str, Any] = {"model": "m", "prompt": [65], "max_tokens": 4000}
    with command() as (process, url), ThreadPoolExecutor() as threads:
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
        whole = threads.submit(client.completions.create, **wish)
        stream = client.completions.create(**wish, stream=True)
        assert next(stream).choices[0].text == "x"
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises((openai.APIConnectionError, httpx.HTTPError)):  # openai 2 lets httpx's own through
            list(stream)
        assert isinstance(whole.exception(20), openai.APIConnectionError)
        client.close()


def test_beyond_this_machine_a_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCD_API_KEY", raising=False)
    result = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"], env={"TERM": "dumb", "COLUMNS": "200"})
    assert result.exit_code == Exit.USAGE
    assert "0.0.0.0 can be reached from other machines: set GCD_API_KEY" in " ".join(result.stderr.split())


def test_a_port_that_is_taken_is_a_mistake_of_usage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["serve", "--port", str(port)], env={"TERM": "dumb", "COLUMNS": "200"})
    assert result.exit_code == Exit.USAGE
    assert f"cannot listen at 127.0.0.1:{port}: Address already in use" in " ".join(result.stderr.split())


def test_an_unknown_model_has_its_exit_code(embedded_model: str) -> None:
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--model", "/no/such/model"])
    assert result.exit_code == Exit.MODEL
    assert result.stderr.startswith("loading /no/such/model\ngcd: no model '/no/such/model': ")


def test_names_of_this_machine() -> None:
    assert allowed_hosts("127.0.0.1", []) == ("localhost", "127.0.0.1", "[::1]")
    assert allowed_hosts("0.0.0.0", ["Box.local"]) == ("localhost", "127.0.0.1", "[::1]", "box.local")
    assert allowed_hosts("fe80::1", []) == ("localhost", "127.0.0.1", "[::1]", "[fe80::1]")
