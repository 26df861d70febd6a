"""What lark's lexers lose: against lark itself, and what is not looked at."""

from __future__ import annotations

from pathlib import Path

import lark
import pytest

from grammars.compile import compile_grammar
from grammars.frontends.lark import parse_lark
from grammars.lexers import Difference, lexer_differences

TABLE = [
    ('start: "if" NAME\nNAME: /[a-z]+/', ["basic"]),  # NAME also matches if
    ("start: A B\nA: /[a-z]+/\nB: /[0-9a]+/", ["basic", "contextual"]),  # the longest A leaves no B
    ('start: A B\nA: /[a-z]+/\nB: /[0-9]+/\n%ignore " "', []),
    ('start: start "a" | start start | "b"', []),  # ambiguous: no LALR, and a basic lexer loses nothing
    ('start: A "!"\nA[lazy]: /a+/', []),  # lark knows no options
]


@pytest.mark.parametrize(("text", "lexers"), TABLE)
def test_what_lexers_lose(text: str, lexers: list[str]) -> None:
    grammar = parse_lark(text)
    found = lexer_differences(grammar, seconds=20, texts=60)
    assert [difference.lexer for difference in found] == lexers
    for difference in found:
        assert compile_grammar(grammar).accepts(difference.text.encode())
        parser = "earley" if difference.lexer == "basic" else "lalr"
        reader = lark.Lark(text, parser=parser, lexer=difference.lexer)  # type: ignore[arg-type]
        with pytest.raises(lark.exceptions.LarkError):
            reader.parse(difference.text)
        assert lark.Lark(text, parser="earley", lexer="dynamic_complete").parse(difference.text)


def test_what_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "b.lark").write_text("NAME: /[a-z]+/")
    assert lexer_differences(parse_lark('start: "if" NAME\n%import b.NAME', import_root=tmp_path)) == []
    wide = parse_lark(f'start: "if" NAME\nNAME: /{"[a-z]?" * 400}x/')
    assert lexer_differences(wide) == []
    narrow = parse_lark('start: "if" NAME\nNAME: /[a-z]+/')
    assert lexer_differences(narrow, seconds=0) == []
    assert [type(difference) for difference in lexer_differences(narrow, seconds=20)] == [Difference]
