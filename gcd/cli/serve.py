"""`gcd serve`: a model behind an OpenAI-compatible endpoint, until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from gcd.cli.exits import reported
from gcd.serve.settings import LOOPBACK, Settings, is_loopback

if TYPE_CHECKING:
    from gcd.serve.engine import Engine

__all__ = ["serve"]

KEY = "GCD_API_KEY"
DEFAULTS = Settings()


def serve(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A model's name or folder; smollm2 is the embedded one.")
    ] = "smollm2",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What requests call it; as --model if not given.")
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help=f"Where to listen; beyond this machine only with {KEY} set.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, max=65535, help="The port; with 0 a free one is taken and said.")
    ] = 8000,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name of this machine that requests may have in Host (repeatable)."),
    ] = None,
    dtype: Annotated[str, typer.Option(metavar="TYPE", help="auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="cuda, cuda:1, mps, cpu; the GPU if there is one.")
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The most tokens that a request may ask for.")
    ] = DEFAULTS.max_tokens,
    default_tokens: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The tokens of a text whose request does not say how many.")
    ] = DEFAULTS.default_tokens,
    max_rows: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Texts in the making at once; others wait.")
    ] = DEFAULTS.max_rows,
    max_queue: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Texts that may wait; beyond it requests get a 429.")
    ] = DEFAULTS.max_queue,
    compile_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.001, help="How long a request waits for its grammar.")
    ] = DEFAULTS.compile_seconds,
    grace: Annotated[
        int, typer.Option(metavar="SECONDS", min=0, help="How long texts may still take once SIGTERM has come.")
    ] = 10,
) -> None:
    """Serve a model as OpenAI's clients expect it: every answer is inside what the request asks for.

    The base URL is `http://HOST:PORT/v1`; which requests it takes says docs/agents.md:

        gcd serve --model smollm2 --port 8000

    Where the environment has GCD_API_KEY, requests have to bring it as their API key.
    """
    with reported():
        for package in ("starlette", "uvicorn"):
            if find_spec(package) is None:
                raise typer.BadParameter(f"the server needs {package}: pip install 'gcd-decoding[serve]'")
        key = os.environ.get(KEY) or None
        if key is None and not is_loopback(host):
            raise typer.BadParameter(
                f"{host} can be reached from other machines: set {KEY} in the environment to a key that requests must "
                "bring, or listen on 127.0.0.1"
            )
        settings = Settings(
            max_tokens=max_tokens,
            default_tokens=min(default_tokens, max_tokens),
            max_rows=max_rows,
            max_n=min(DEFAULTS.max_n, max_rows),
            max_queue=max_queue,
            compile_seconds=compile_seconds,
            api_key=key,
            allowed_hosts=allowed_hosts(host, allowed_host or []),
        )
        with listening(host, port) as sock:
            typer.echo(f"loading {model}", err=True)
            import gcd
            from gcd.serve.engine import Engine

            engine = Engine(gcd.load(model, dtype=dtype, device=device), name=name or model, settings=settings)
            run(engine, sock, f"http://{shown(host)}:{sock.getsockname()[1]}/v1", grace)
            if engine.error is not None:
                raise engine.error


def allowed_hosts(host: str, others: list[str]) -> tuple[str, ...]:
    """The names that requests may have in Host: those of this machine to itself, where it listens, and others.

    >>> allowed_hosts("192.168.0.5", ["Box"])
    ('localhost', '127.0.0.1', '[::1]', '192.168.0.5', 'box')
    """
    own = [] if host in ("0.0.0.0", "::") else [shown(host)]
    return tuple(dict.fromkeys(name.lower() for name in (*LOOPBACK, *own, *others)))


def shown(host: str) -> str:
    """An address as it stands in URLs: `::1` -> `[::1]`."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; what is wrong with the address is a mistake of usage.

    asyncio turns Nagle's algorithm off only for sockets that say that they are of TCP, and `socket.create_server` makes
    none such: each answer would take 40 ms more.
    """
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((bare, port))
        sock.listen(2048)
        return sock
    except OSError as error:
        sock.close()
        raise typer.BadParameter(f"cannot listen at {shown(host)}:{port}: {error.strerror or error}") from None


def run(engine: Engine, sock: socket.socket, url: str, grace: int) -> None:
    """Serve until SIGTERM or SIGINT: then no new requests, the running ones end in time or with an error."""
    import uvicorn

    from gcd.serve.app import create_app

    config = uvicorn.Config(
        create_app(engine), log_level="warning", access_log=False, timeout_graceful_shutdown=grace, server_header=False
    )
    server = uvicorn.Server(config)

    def warm() -> None:
        if engine.error is None:
            typer.echo(f"serving {engine.name} at {url}", err=True)
        else:
            server.should_exit = True

    engine.when_warm = warm
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal anew once it has shut down, which would turn a clean end into a death
        signal.signal(number, lambda *_: None)
    server.run(sockets=[sock])
