"""`gcd tokens`: what a tokenizer's vocabulary looks like to the engine. Never imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcd.cli.exits import reported

if TYPE_CHECKING:
    from tokenizer_align.census import Census

__all__ = ["tokens"]

SHOWN = 10
"""How many names, duplicates and bytes are shown to people."""


def tokens(
    tokenizer: Annotated[str, typer.Argument(metavar="TOKENIZER", help="A tokenizer.json, or its folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object with everything.")] = False,
) -> None:
    """Say what the vocabulary of a tokenizer looks like to the engine.

    How many ids spell text, which share their bytes, which end a text, and which bytes no token spells:

        gcd tokens path/to/tokenizer.json
    """
    with reported():
        from tokenizer_align.census import census
        from tokenizer_align.vocabulary import Vocabulary

        found = census(Vocabulary.from_tokenizer(Path(tokenizer)))
    typer.echo(json.dumps(to_json(found), ensure_ascii=False) if as_json else describe(found))


def describe(found: Census) -> str:
    """The census in lines for people."""
    names = sorted(found.special.items(), key=lambda item: item[1])
    special = [f"{name} {i}" for name, i in names]
    shared = [f"{spelled(token)} {', '.join(map(str, ids))}" for token, ids in found.duplicates]
    most = max(found.lengths, default=0)
    mean = sum(size * count for size, count in found.lengths.items()) / max(1, found.spelling)
    rows = [
        ("ids", f"{found.size:,}"),
        ("spell text", f"{found.spelling:,}, with {mean:.1f} bytes in the mean and {most} at most"),
        ("end a text", listed([name_of(found, i) for i in found.eos])),
        ("begin a text", "none" if found.bos is None else name_of(found, found.bos)),
        ("special", f"{len(special):,}{': ' if special else ''}{listed(special)}"),
        ("unused", f"{found.unused:,}"),
        ("same bytes", f"{len(shared):,}{': ' if shared else ''}{listed(shared)}"),
        ("no whole characters", f"{found.inside_characters:,}, of which {found.never_text:,} occur in no UTF-8 text"),
        ("bytes without a token", listed([f"0x{byte:02X}" for byte in found.missing_bytes]) or "none"),
        ("bytes in no token", listed([f"0x{byte:02X}" for byte in found.absent_bytes]) or "none"),
        ("longest", listed([f"{spelled(token, 32)} ({len(token)} bytes, {i})" for token, i in found.longest])),
        ("nodes of the trie", f"{found.trie_nodes:,}"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)


def name_of(found: Census, token_id: int) -> str:
    names = [name for name, i in found.special.items() if i == token_id]
    return f"{names[0]} {token_id}" if names else str(token_id)


def listed(words: list[str]) -> str:
    more = f", ... ({len(words) - SHOWN:,} more)" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def spelled(token: bytes, most: int = 60) -> str:
    """The text of a token in quotes, cut where it is long; what is no UTF-8 as bytes."""
    try:
        text = token.decode()
    except UnicodeDecodeError:
        return repr(token)
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def to_json(found: Census) -> dict[str, object]:
    """Everything; bytes as text with \\xNN for what is no UTF-8."""
    return {
        "size": found.size,
        "spelling": found.spelling,
        "special": found.special,
        "eos": list(found.eos),
        "bos": found.bos,
        "unused": found.unused,
        "duplicates": [
            {"text": token.decode("utf-8", errors="backslashreplace"), "ids": list(ids)}
            for token, ids in found.duplicates
        ],
        "inside_characters": found.inside_characters,
        "never_text": found.never_text,
        "missing_bytes": list(found.missing_bytes),
        "absent_bytes": list(found.absent_bytes),
        "lengths": {str(size): count for size, count in found.lengths.items()},
        "longest": [
            {"text": token.decode("utf-8", errors="backslashreplace"), "bytes": len(token), "id": i}
            for token, i in found.longest
        ],
        "trie_nodes": found.trie_nodes,
    }
