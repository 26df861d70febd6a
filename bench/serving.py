"""What the server costs beside generate() in the same process, how many tokens a second it makes, and what it keeps.

    python bench/serving.py [--model smollm2] [--requests 32] [--tokens 48] [--threads 1] [--only PART] [--json FILE]

Overhead: a model that costs nothing (its logits are one constant row) makes texts of 1 and of 200 tokens, by `generate`
and by requests one after the other; the difference of the two lengths is what a token costs, the rest what a request
does. Throughput: `--model` answers chats of 1, 8 and 32 clients at a time, with texts of up to `--tokens` tokens: free
(EOS may end them), in a regex that allows any text but nothing shorter, and in the JSON Schema of a list. Lists end
before their budget, so that fewer tokens pay for a prompt: what a wish is compared with are free texts for the same
prompts, of the lengths that its answers had. The two come by turns, the first one last in every other round, and the
ratio is the middle of those of all rounds: by the clock, and by the CPU time of the server (Linux).

Memory (`--only memory`, Linux): the application in this process answers `--schemas` requests, each with a schema of its
own (names, constants, patterns and lengths that no other has), 8 at a time; resident memory after every thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import torch
import uvicorn

import gcd
from gcd.cli.serve import listening
from gcd.serve import Engine, Settings, create_app

WISHES: dict[str, dict[str, Any]] = {
    "regex": {"regex": "(?s:.{12,})"},
    "schema": {
        "json_schema": {
            "type": "array", "minItems": 1, "items": {
                "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name", "age"], "additionalProperties": False,
            },
        },
    },
}  # fmt: skip


class Constant(gcd.ScriptedLM):
    """A model that costs nothing: every row is the same."""

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.zeros(len(sequences), self.vocab_size)


VOCABULARY = gcd.Vocabulary([*(bytes([i]) for i in range(256)), b""], eos_token_ids=[256])
CONSTANT = Constant([1.0] * 257, eos_token_ids=[256])
CONSTANT.tokenizer = VOCABULARY


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default="smollm2")
    arguments.add_argument("--requests", type=int, default=32, help="of each wish and number of clients")
    arguments.add_argument("--tokens", type=int, default=48, help="the most of a text")
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--threads", type=int, default=1, help="of torch")
    arguments.add_argument("--schemas", type=int, default=12_000, help="of the requests whose memory is measured")
    arguments.add_argument("--only", choices=["overhead", "throughput", "memory"])
    arguments.add_argument("--json", type=Path, metavar="FILE")
    arguments.add_argument("--serve", metavar="MODEL", help="only serve it: what the script starts itself with")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    if options.serve:
        serve(options.serve)
        return
    parts: dict[str, Callable[[argparse.Namespace], object]] = {
        "overhead": overhead, "throughput": throughput, "memory": memory,
    }  # fmt: skip
    report = {name: part(options) for name, part in parts.items() if options.only in (None, name)}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


class Server(NamedTuple):
    """A server in a process of its own."""

    url: str
    pid: int

    def cpu(self) -> float:
        """Seconds of processor time that it has taken; the clock where that is not told."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return time.perf_counter()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(model: str, options: argparse.Namespace) -> Iterator[Server]:
    """A server of a model, until the context is left."""
    line = [sys.executable, __file__, "--serve", model, "--threads", str(options.threads)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip(), process.pid)
        finally:
            process.terminate()


def serve(name: str) -> None:
    """Serve a model until the process ends; its base URL goes to stdout once it is warm."""
    engine = Engine(CONSTANT if name == "constant" else gcd.load(name), name="m", settings=Settings())
    with listening("127.0.0.1", 0) as sock:
        engine.when_warm = lambda: print(f"http://127.0.0.1:{sock.getsockname()[1]}/v1", flush=True)
        uvicorn.Server(uvicorn.Config(create_app(engine), log_level="error", access_log=False)).run(sockets=[sock])


def overhead(options: argparse.Namespace, repeats: int = 60) -> dict[str, dict[str, float]]:
    """Milliseconds of a request, and of each of its tokens, at best: other work on the machine only ever adds."""
    lengths = (1, 200)
    found: dict[str, dict[str, float]] = {}

    def timed(call: Callable[[int], object]) -> dict[str, float]:
        short, long = (min(seconds(call, length) for _ in range(repeats)) for length in lengths)
        a_token = (long - short) / (lengths[1] - lengths[0])
        return {"request": 1000 * (short - a_token), "token": 1000 * a_token}

    def seconds(call: Callable[[int], object], length: int) -> float:
        begun = time.perf_counter()
        call(length)
        return time.perf_counter() - begun

    with serving("constant", options) as server, httpx.Client() as client:

        def generate(length: int) -> object:
            return gcd.generate(CONSTANT, [65], tokenizer=VOCABULARY, regex=f"[a-z]{{{length}}}", seed=1)

        def request(length: int, stream: bool = False) -> object:
            body = {"model": "m", "prompt": [65], "regex": f"[a-z]{{{length}}}", "seed": 1, "stream": stream}
            reply = client.post(f"{server.url}/completions", json=body)
            assert reply.status_code == 200, reply.text
            return reply.text

        ways: dict[str, Callable[[int], object]] = {
            "generate": generate, "request": request, "streamed": lambda length: request(length, stream=True),
        }  # fmt: skip
        for name, call in ways.items():
            for length in lengths:
                call(length)  # compiles
            found[name] = timed(call)
    print("| | ms a request | ms a token |\n|---|---:|---:|")
    for name, row in found.items():
        print(f"| {name} | {row['request']:.2f} | {row['token']:.3f} |")
    return found


def throughput(options: argparse.Namespace) -> dict[str, dict[int, dict[str, float]]]:
    """For each wish and number of clients tokens a second, and the rates over those of free texts."""
    found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in WISHES}
    with serving(options.model, options) as server:
        for clients in options.clients:
            count = max(clients, options.requests if clients > 1 else options.requests // 8)
            for name, wish in WISHES.items():
                pairs = []
                lengths = asyncio.run(answer(server, wish, clients, [options.tokens] * count)).lengths
                for turn in range(options.rounds):
                    runs = [(wish, [options.tokens] * count), ({}, lengths)][:: -1 if turn % 2 else 1]
                    pair = [asyncio.run(answer(server, asked, clients, most)) for asked, most in runs]
                    pairs.append(pair[:: -1 if turn % 2 else 1])
                found[name][clients] = {
                    "tokens a second": statistics.median(inside.rate for inside, _ in pairs),
                    "of free, by the clock": statistics.median(inside.rate / free.rate for inside, free in pairs),
                    "of free, by CPU time": statistics.median(
                        inside.cpu_rate / free.cpu_rate for inside, free in pairs
                    ),
                }
                print(
                    f"{clients} clients, {name}:", {k: round(v, 3) for k, v in found[name][clients].items()}, flush=True
                )
    heads = " | ".join(f"{clients} at a time" for clients in options.clients)
    print(f"\n| | {heads} |\n|---|{'---:|' * len(options.clients)}")
    for name, by_clients in found.items():
        for what in next(iter(by_clients.values())):
            cells = [
                f"{row[what]:.1f}" if what == "tokens a second" else f"{row[what]:.2f}" for row in by_clients.values()
            ]
            print(f"| {name}, {what} | {' | '.join(cells)} |")
    return found


class Answers(NamedTuple):
    """How many tokens the answers had, and what they took of the clock and of the server's processor, in seconds."""

    lengths: list[int]
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        return sum(self.lengths) / self.wall

    @property
    def cpu_rate(self) -> float:
        return sum(self.lengths) / self.cpu


async def answer(server: Server, wish: dict[str, Any], clients: int, most: Sequence[int]) -> Answers:
    """What so many clients got, each with one request after the other; request i may have `most[i]` tokens."""
    numbers, lengths = iter(range(len(most))), list(most)

    async def client(http: httpx.AsyncClient) -> None:
        for number in numbers:
            message = {"role": "user", "content": f"Tell me a long story about the number {number}."}
            body = {"model": "m", "messages": [message], "seed": number, "max_tokens": most[number], **wish}
            reply = await http.post(f"{server.url}/chat/completions", json=body)
            assert reply.status_code == 200, reply.text
            lengths[number] = reply.json()["usage"]["completion_tokens"]

    async with httpx.AsyncClient(timeout=600, verify=False) as http:
        begun, cpu = time.perf_counter(), server.cpu()
        await asyncio.gather(*(client(http) for _ in range(clients)))
        return Answers(lengths, time.perf_counter() - begun, server.cpu() - cpu)


def memory(options: argparse.Namespace) -> dict[int, float]:
    """MiB of resident memory after so many requests, each with a schema of its own."""
    settings = Settings(compile_seconds=600)  # a machine that is busy makes no request fail
    return asyncio.run(memory_of(Engine(CONSTANT, name="m", settings=settings), options.schemas))


async def memory_of(engine: Engine, requests: int) -> dict[int, float]:
    found: dict[int, float] = {}
    engine.start()
    while not engine.ready:
        await asyncio.sleep(0.1)
    print("| requests | MiB | grammars kept |\n|---:|---:|---:|")
    transport = httpx.ASGITransport(create_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for begin in range(0, requests, 1000):
            numbers = iter(range(begin, begin + 1000))
            await asyncio.gather(*(ask_each(http, numbers) for _ in range(8)))
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            found[begin + 1000] = pages * resource.getpagesize() / 2**20
            print(f"| {begin + 1000:,} | {found[begin + 1000]:.1f} | {len(engine.constraints)} |", flush=True)
    engine.close()
    return found


async def ask_each(http: httpx.AsyncClient, numbers: Iterator[int]) -> None:
    for number in numbers:
        body = {"model": "m", "prompt": [65], "seed": number, "json_schema": own_schema(number)}
        reply = await http.post("/v1/completions", json=body)
        assert reply.status_code == 200, reply.text


def own_schema(number: int) -> dict[str, Any]:
    """A schema that shares its shape alone with those of other numbers."""
    own = f"{number:06d}"
    properties = {
        f"name_{own}": {"type": "string", "maxLength": 5 + number % 40},
        "id": {"const": own},
        "kind": {"enum": [f"a{own}", f"b{own}"]},
        "code": {"type": "string", "pattern": f"^[A-F]{{2}}-{own}$"},
        "count": {"type": "integer", "minimum": number, "maximum": 3 * number + 7},
        "more": {"type": "array", "items": {"type": "object", "properties": {f"x{own}": {"type": "boolean"}},
                                            "additionalProperties": False}, "maxItems": 2},
    }  # fmt: skip
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


if __name__ == "__main__":
    main()
