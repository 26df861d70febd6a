"""The command `gcd`. One file a command; nothing heavy is imported before a command needs it.

Place in the walk: the outermost layer. It turns arguments and files into the keywords of `gcd.generate` and
`gcd.check`, and their results and errors into text and exit codes; it decides nothing about grammars or models.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line `gcd ...` and exit with one of the codes of `gcd.cli.exits`."""
    from gcd.cli.app import app

    app(prog_name="gcd")
