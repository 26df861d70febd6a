"""Pictures: whole where they are small, else well-formed and inside of their frame."""

from __future__ import annotations

import re
import xml.etree.ElementTree
from pathlib import Path

import pytest

from gcd.parse import parse_wanted
from grammars.automaton_svg import automaton_svg
from grammars.drawing import automaton_mermaid, edge_labels, rule_dfa, rules_mermaid, rules_svg
from grammars.errors import LimitExceeded, UnsupportedFeature
from grammars.frontends.lark import parse_lark
from grammars.frontends.regex import parse_regex
from grammars.ir import Grammar
from grammars.library import NAMES, library

SVG = "{http://www.w3.org/2000/svg}"
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.json"))


def boxes(
    element: xml.etree.ElementTree.Element, x: float = 0, y: float = 0
) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every box in the picture."""
    moved = re.fullmatch(r"translate\((-?[\d.e+-]+),(-?[\d.e+-]+)\)", element.get("transform", ""))
    if moved:
        x, y = x + float(moved[1]), y + float(moved[2])
    found = []
    if element.tag == f"{SVG}rect":
        left, top = x + float(element.get("x", 0)), y + float(element.get("y", 0))
        found.append((left, top, left + float(element.get("width", 0)), top + float(element.get("height", 0))))
    return found + [box for child in element for box in boxes(child, x, y)]


def check(picture: str) -> int:
    """No box leaves the frame or lies over another one; how many there are."""
    root = xml.etree.ElementTree.fromstring(picture)
    *_, width, height = map(float, root.get("viewBox", "").split())
    found = boxes(root)
    for left, top, right, bottom in found:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for i, (left, top, right, bottom) in enumerate(found):
        for other in found[i + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    return len(found)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sql_select"])
def test_railroads_of_the_library(name: str) -> None:
    assert check(rules_svg(parse_lark(library(name)))) >= 3


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_railroads_of_schemas(path: Path) -> None:
    assert check(rules_svg(parse_wanted(schema=path).to_grammar())) > 3


def test_a_railroad_says_what_the_rules_say() -> None:
    picture = rules_svg(parse_lark('start: "<a>" item ~ 2..5 | NAME?\nitem: "b"\nNAME: /[a-z]+/\n%ignore " "'))
    root = xml.etree.ElementTree.fromstring(picture)
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert words == ["start", '"<a>"', "item", "2 to 5", "NAME", "NAME", "[a-z]", "item", '"b"']


@pytest.mark.parametrize(
    ("grammar", "picture"),
    [
        ('start: "a"', 'flowchart LR\n  r0(["start"])\n'),
        (
            'start: a B | start\na: B\nB: "b"\n%ignore " "',
            'flowchart LR\n  r0(["start"]) --> r1["B"]\n  r0(["start"]) --> r2["a"]\n'
            '  r0(["start"]) --> r0(["start"])\n'
            '  r2["a"] --> r1["B"]\n',
        ),
    ],
)
def test_references(grammar: str, picture: str) -> None:
    drawn = rules_mermaid(parse_lark(grammar))
    assert sorted(re.sub(r"r\d", "r", line) for line in drawn.splitlines()) == sorted(
        re.sub(r"r\d", "r", line) for line in picture.splitlines()
    )


def test_automata() -> None:
    assert automaton_mermaid(Grammar({"start": parse_regex('[ab]"c*')})) == (
        "flowchart LR\n"
        "  begin(( )) --> s0\n"
        '  s0(("0"))\n'
        '  s0 -- "[ab]" --> s1\n'
        '  s1(("1"))\n'
        "  s1 -- \"'#34;'\" --> s2\n"
        '  s2((("2")))\n'
        '  s2 -- "c" --> s2\n'
    )
    grammar = parse_lark('start: "(" start ")" | NAME\nNAME: /x/')
    assert '  s0 -- "x" --> s1\n' in automaton_mermaid(grammar, "NAME")
    with pytest.raises(UnsupportedFeature):
        automaton_mermaid(grammar)
    with pytest.raises(LimitExceeded) as caught:
        automaton_mermaid(Grammar({"start": parse_regex("a{300}")}))
    assert str(caught.value) == "the automaton of start has 301 states; 200 are drawn at most"


@pytest.mark.parametrize("pattern", ["a", "ab*|c", '"[^"]*"', "(a|b)*abb", "<&>", "a{3,5}", "[a-z]*x[0-9]"])
def test_an_automaton_as_svg_has_its_states_and_edges(pattern: str) -> None:
    grammar = Grammar({"start": parse_regex(pattern)})
    dfa = rule_dfa(grammar, None)
    labels = [words for state in range(len(dfa.edges)) for _, words in edge_labels(dfa, state)]
    tree = xml.etree.ElementTree.fromstring(automaton_svg(grammar))
    shapes = [(part.tag.partition("}")[2], part.get("class")) for part in tree]
    assert shapes.count(("circle", None)) == len(dfa.edges) + len(dfa.finals)
    assert shapes.count(("path", "edge")) == len(labels) + 1  # one leads to the start
    assert [part.text for part in tree if part.get("class") == "edge" and part.text] == labels
    centres = {(part.get("cx"), part.get("cy")) for part in tree if part.get("cx")}
    assert len(centres) == len(dfa.edges)
