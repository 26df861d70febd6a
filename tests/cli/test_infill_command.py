"""`gcd infill`: how holes are written, what is filled in, and what is refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit
from gcd.cli.infill import parts_of
from gcd.diffusion import Hole

WEATHER = "examples/weather.json"
NOTE = "weather: It is 16 degrees in Athens. Fog. Wind from the west at 115 km/h. Warning issued. ->"
REST = '"wind":{"direction":"west","speed":115},"warning":true}'


def gcd_infill(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["infill", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(request.config.rootpath)


PARTS = [
    ("a<hole 2-5>b", ["a", Hole(2, 5), "b"]),
    ("<hole><hole 3>", [Hole(1, 8), Hole(3, 3)]),
    ("<hole 0-0> <holes> <hole a>", [Hole(0, 0), " <holes> <hole a>"]),
    ("", []),
]


@pytest.mark.parametrize(("text", "parts"), PARTS)
def test_holes_are_written_with_their_lengths(text: str, parts: list[object]) -> None:
    assert parts_of(text) == parts


def test_what_the_note_says_is_filled_in() -> None:
    text = '{"city":"<hole 1-4>","degrees":<hole 1-2>,"sky":"<hole 1-2>",' + REST
    result = gcd_infill(WEATHER, "-", "--prompt", NOTE, "--method", "dingo", "--json", stdin=text + "\n")
    assert (result.exit_code, result.stderr) == (Exit.OK, "")
    found = json.loads(result.stdout)
    assert found.keys() == {"text", "holes", "lengths", "length_law", "model_calls"}
    assert json.loads(found["text"]) == json.loads('{"city":"Athens","degrees":16,"sky":"fog",' + REST)
    assert found["holes"] == ["Athens", "16", "fog"]
    assert sum(p for _, p in found["length_law"]) == pytest.approx(1)
    assert found["model_calls"] > sum(found["lengths"])


REFUSED = [
    (["{<hole 9-4>}"], Exit.USAGE, "<hole 9-4> has at least 9 tokens and at most 4."),
    (["x", "--method", "mask"], Exit.USAGE, "--method is exact or dingo, not 'mask'."),
    (
        ['{"town":<hole>'],
        Exit.GRAMMAR,
        "gcd: no text of the grammar has these parts, whatever the lengths of the holes\n"
        "let the holes be longer; they are filled with whole tokens, and so are the parts\n",
    ),
    (
        ["<hole 0-999>"],
        Exit.GRAMMAR,
        "gcd: the holes have 1,000 combinations of lengths, each a canvas for the model, and 256 are allowed\n"
        "give the holes narrower bounds; in Python most_canvases= allows more\n",
    ),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_what_is_refused(arguments: list[str], code: Exit, message: str) -> None:
    result = gcd_infill(WEATHER, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    shown = " ".join(result.stderr.replace("│", " ").split())
    assert " ".join(message.split()) in shown
