"""What an exit code says, and how an error of the library becomes one.

A user's mistake ends in the error's own text (with its caret) on stderr and a code; anything else is a bug and keeps
its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

__all__ = ["Exit", "code_of", "reported"]


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    NO_MATCH = 1
    USAGE = 2
    GRAMMAR = 3
    MODEL = 4


def code_of(error: Exception) -> Exit | None:
    """The exit code that `error` stands for, None for an error that is not the user's: a bug.

    >>> code_of(EmptyLanguage("no text satisfies this"))
    <Exit.GRAMMAR: 3>
    """
    from gcd import errors

    table: tuple[tuple[type[Exception], Exit], ...] = (
        (errors.GrammarError, Exit.GRAMMAR),
        (errors.ValidationFailed, Exit.NO_MATCH),
        (errors.BudgetTooSmall, Exit.USAGE),
        (errors.PromptError, Exit.USAGE),
        (errors.ResultsMismatch, Exit.USAGE),
        (errors.AlignmentError, Exit.MODEL),
        (errors.GenerationError, Exit.MODEL),
    )
    return next((code for kind, code in table if isinstance(error, kind)), None)


@contextmanager
def reported() -> Iterator[None]:
    """Run the body; on an error of the user's, print its text to stderr and leave with its code."""
    try:
        yield
    except Exception as error:
        code = code_of(error)
        if code is None:
            raise
        typer.echo(f"gcd: {error}", err=True)
        raise typer.Exit(code) from None
