"""Writes docs/cli.md from the commands themselves; `make docs` calls it, and a test compares the two."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer

from gcd.cli.app import app

TARGET = Path(__file__).with_name("cli.md")

HEAD = """\
# The command line

Written by `make docs` from the commands; do not edit.

Results go to stdout, everything else to stderr. A file named `-` is stdin.
`gcd --install-completion` teaches your shell to complete commands and options; `gcd --show-completion` prints how.

| exit code | says |
|---|---|
| 0 | ok |
| 1 | no match: the instance is not in the language, or a validator of the type refuses what was generated |
| 2 | usage: an unknown option, a file that cannot be read, a budget that cannot suffice |
| 3 | the grammar is wrong, unsupported, contradictory, or too large |
| 4 | the model or its tokenizer cannot be used |
"""


def render() -> str:
    """The whole page."""
    group: Any = typer.main.get_command(app)
    return "\n".join([HEAD, *(section(name, command) for name, command in group.commands.items())])


def section(name: str, command: Any) -> str:
    """One command: usage, what it does, a table of its arguments and options."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join(["gcd", name, *(["[OPTIONS]"] if options else []), *(shown_argument(p) for p in arguments)])
    lines = [f"## gcd {name}", "", "```", usage, "```", "", cleandoc(command.help or ""), ""]
    if arguments or options:
        lines += ["| | | default |", "|---|---|---|"]
        lines += [row(f"`{shown_argument(p)}`", p) for p in arguments]
        lines += [row(shown_option(p), p) for p in options]
        lines.append("")
    return "\n".join(lines)


def shown_argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).upper().strip("[]").removesuffix("...")
    name += "..." if parameter.nargs == -1 else ""
    return name if parameter.required else f"[{name}]"


def shown_option(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    return names if parameter.is_flag else f"{names} `{parameter.metavar}`"


def row(name: str, parameter: Any) -> str:
    default = parameter.default
    is_shown = default not in (None, "", False, (), []) and isinstance(default, str | int | float)
    return f"| {name} | {parameter.help or ''} | {f'`{default}`' if is_shown else ''} |"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    print(f"wrote {TARGET}")
