"""A server in a thread of the test, over a model that is known, and what asks it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import uvicorn
from tiny_models import byte_tokenizer

import gcd
from gcd.cli.serve import listening
from gcd.serve import Engine, Settings, create_app

WIDTH, EOS = 259, 257
CLIENT = httpx.Client(timeout=60)
"""One for all requests: to make one takes a fifth of a second."""


def noise(prefix: tuple[int, ...]) -> list[float]:
    """Probabilities that depend on the last tokens alone: a model of no sense, and the same in every process."""
    seed = hash(prefix[-3:]) % (1 << 32)
    return np.random.default_rng(seed).random(WIDTH).tolist()


def says(text: str) -> Callable[[tuple[int, ...]], list[float]]:
    """A model that answers every chat with a text, whatever is asked."""
    tokens = [*text.encode(), EOS]
    mark = list(b"[assistant]")

    def row(prefix: tuple[int, ...]) -> list[float]:
        ids = list(prefix)
        begin = next((i for i in range(len(ids) - len(mark), -1, -1) if ids[i : i + len(mark)] == mark), -len(mark))
        done = len(ids) - begin - len(mark)
        found = [1e-6] * WIDTH
        found[tokens[done] if done < len(tokens) else EOS] = 1.0
        return found

    return row


def scripted(script: Any = noise) -> gcd.ScriptedLM:
    """A model of bytes with the chat template of `byte_tokenizer`."""
    model = gcd.ScriptedLM(script, eos_token_ids=[EOS, 258], vocab_size=WIDTH, bos_token_id=256)
    model.tokenizer = byte_tokenizer()
    return model


class Slow(gcd.ScriptedLM):
    """A scripted model that takes its time for every pass."""

    seconds = 0.01

    def next_logits(self, sequences: Any) -> Any:
        time.sleep(self.seconds)
        return super().next_logits(sequences)


def slow(script: Any = noise, seconds: float = 0.01) -> gcd.ScriptedLM:
    model = Slow(script, eos_token_ids=[EOS, 258], vocab_size=WIDTH, bos_token_id=256)
    model.tokenizer, model.seconds = byte_tokenizer(), seconds
    return model


@contextmanager
def serving(model: Any, *, name: str = "m", **settings: Any) -> Iterator[tuple[str, Engine]]:
    """The URL of a server over the model, once it is ready, and its engine."""
    engine = Engine(model, name=name, settings=Settings(**settings))
    with listening("127.0.0.1", 0) as sock:
        config = uvicorn.Config(create_app(engine), log_level="error", access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        try:
            wait_until(lambda: engine.ready or engine.error is not None)
            assert engine.error is None, engine.error
            yield url, engine
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def wait_until(true: Callable[[], bool], seconds: float = 60) -> float:
    """How long it took until something was true; fails after `seconds`."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "it never came true"
        time.sleep(0.005)
    return time.monotonic() - begun


def ask(url: str, path: str = "/v1/chat/completions", **body: Any) -> httpx.Response:
    """One request; a chat has a message where it is given none."""
    body = {"model": "m", **body}
    if path.endswith("chat/completions"):
        body = {"messages": [{"role": "user", "content": "Hi"}], **body}
    return CLIENT.post(url + path, json=body)


def answer(url: str, **body: Any) -> dict[str, Any]:
    """The first choice of a chat that must go well."""
    response = ask(url, **body)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def chunks(url: str, path: str = "/v1/chat/completions", **body: Any) -> list[dict[str, Any]]:
    """The chunks of a stream that must end well."""
    response = ask(url, path, stream=True, **body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


def error(response: httpx.Response) -> tuple[int, str | None, str, str]:
    """Status, param, code and message."""
    found = response.json()["error"]
    return response.status_code, found["param"], found["code"], found["message"]
