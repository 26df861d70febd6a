"""`gcd mcp`: an MCP server over stdio."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from gcd.cli.exits import reported

__all__ = ["mcp"]


def mcp(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A model's name or folder; smollm2 is the embedded one.")
    ] = "smollm2",
    max_characters: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The most characters in the arguments of a call.")
    ] = 100_000,
) -> None:
    """Offer validate, explain and generate as tools to an MCP host, over stdin and stdout.

    The tools take text and never paths, and use this one model, which is loaded when it is first asked:

        {"mcpServers": {"gcd": {"command": "gcd", "args": ["mcp"]}}}
    """
    with reported():
        if find_spec("mcp") is None:
            raise typer.BadParameter("the package mcp is not installed: pip install 'gcd-decoding[mcp]'")
        from gcd.integrations.mcp import make_server

        make_server(model, max_characters=max_characters).run()
