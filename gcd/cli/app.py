"""The typer application: its commands, `--version`, and the help text that explains the exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

from gcd.cli.check import check
from gcd.cli.convert import convert
from gcd.cli.draw import draw
from gcd.cli.explain import explain
from gcd.cli.generate import generate
from gcd.cli.infill import infill
from gcd.cli.map import map_command
from gcd.cli.mcp import mcp
from gcd.cli.sample import sample
from gcd.cli.serve import serve
from gcd.cli.tokens import tokens
from gcd.cli.warm_up import warm_up

__all__ = ["app"]

EPILOG = "Exit codes: 0 ok, 1 no match, 2 usage, 3 grammar wrong, unsupported or empty, 4 model or tokenizer."

app = typer.Typer(
    help="Language models that answer inside a grammar.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # what is left after gcd.cli.exits is a bug, and a bug needs its plain traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("generate", epilog=EPILOG)(generate)
app.command("infill", epilog=EPILOG)(infill)
app.command("map", epilog=EPILOG)(map_command)
app.command("serve", epilog=EPILOG)(serve)
app.command("check", epilog=EPILOG)(check)
app.command("explain", epilog=EPILOG)(explain)
app.command("sample", epilog=EPILOG)(sample)
app.command("tokens", epilog=EPILOG)(tokens)
app.command("convert", epilog=EPILOG)(convert)
app.command("draw", epilog=EPILOG)(draw)
app.command("mcp")(mcp)
app.command("warm-up")(warm_up)


def print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"gcd {version('gcd-decoding')}")
        except PackageNotFoundError:
            typer.echo("gcd, run from a source tree")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Language models that answer inside a grammar."""
