"""`gcd draw`: a grammar as a picture, in text that other programs show. Never imports torch."""

from __future__ import annotations

from typing import Annotated

import typer

from gcd.cli.exits import reported
from gcd.cli.sources import GrammarArgument, ImportRootOption, KindOption, from_path, with_imports

__all__ = ["draw"]


def draw(
    grammar: GrammarArgument,
    picture: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="PICTURE",
            help="svg: railroads of the rules; rules: which refer to which, for Mermaid; automaton: one, for Mermaid; "
            "automaton-svg: the same as SVG.",
        ),
    ] = "svg",
    rule: Annotated[
        str | None, typer.Option("--rule", metavar="NAME", help="Whose automaton; the start's if not given.")
    ] = None,
    kind: KindOption = None,
    import_root: ImportRootOption = None,
) -> None:
    """Draw a grammar: as railroads in SVG, or for Mermaid.

    The picture goes to stdout:

        gcd draw examples/arithmetic.lark > arithmetic.svg
    """
    with reported():
        if picture not in ("svg", "rules", "automaton", "automaton-svg"):
            raise typer.BadParameter(f"--as {picture} is none of svg, rules, automaton and automaton-svg.")
        if rule is not None and not picture.startswith("automaton"):
            raise typer.BadParameter("--rule goes with --as automaton and --as automaton-svg.")
        (source,) = with_imports([from_path(grammar, kind=kind)], import_root)
        from gcd.compile import check_wanted
        from gcd.parse import parse_wanted
        from grammars.automaton_svg import automaton_svg
        from grammars.drawing import automaton_mermaid, rules_mermaid, rules_svg

        report, automaton = check_wanted(parse_wanted(**source.keywords))
        if automaton is None:
            assert report.error is not None
            raise report.error
        read = automaton.source
        if rule is not None and rule not in read.rules:
            raise typer.BadParameter(f"--rule {rule}: the grammar has no such rule, or its start does not need it.")
        match picture:
            case "svg":
                text = rules_svg(read)
            case "rules":
                text = rules_mermaid(read)
            case _:
                text = (automaton_mermaid if picture == "automaton" else automaton_svg)(read, rule)
    typer.echo(text, nl=False)
