"""The grammars in examples/: each accepts and refuses what its author means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gcd.cli.app import app
from gcd.cli.exits import Exit

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
GRAMMARS = sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".json", ".regex", ".lark"))

CASES: dict[str, tuple[list[object], list[object]]] = {
    "person.json": (
        [{"name": "Ada", "age": 36, "city": "London"}],
        [{"name": "Ada", "age": 151, "city": "London"}, {"name": "", "age": 1, "city": "x"}, {"name": "Ada"}, []],
    ),
    "invoice.json": (
        [
            {
                "number": "INV-2024-0012",
                "currency": "EUR",
                "seller": {"name": "Acme", "vat": "DE123456789"},
                "buyer": {"name": "Ada", "vat": None},
                "lines": [{"text": "Engine", "quantity": 1, "price": 99.5}],
                "paid": False,
            }
        ],
        [{"number": "INV-24-1", "currency": "EUR"}],
    ),
    "product_review.json": (
        [
            {
                "product": "Lamp",
                "stars": 4,
                "sentiment": "positive",
                "praise": ["bright"],
                "complaints": [],
                "would_buy_again": None,
            }
        ],
        [{"product": "Lamp", "stars": 6, "sentiment": "positive"}],
    ),
    "tool_call.json": (
        [{"tool": "search", "query": "automata"}, {"tool": "weather", "city": "Oslo", "unit": "celsius"}],
        [{"tool": "search", "city": "Oslo"}, {"tool": "delete", "text": "all"}],
    ),
    "file_tree.json": (
        [{"name": "src", "entries": [{"name": "a.py", "size": 3}, {"name": "b", "entries": []}]}],
        [{"name": "a/b", "entries": []}, {"name": "src", "entries": [{"name": "a.py"}]}],
    ),
    "calendar_event.json": (
        [{"title": "Tea", "date": "2024-02-29", "start": "16:30", "minutes": 30, "attendees": [], "place": None}],
        [{"title": "Tea", "date": "2023-02-29", "start": "16:30", "minutes": 30, "attendees": [], "place": None}],
    ),
    "recipe.json": (
        [
            {
                "name": "Tea",
                "servings": 2,
                "ingredients": [
                    {"item": "water", "amount": 500, "unit": "ml"},
                    {"item": "tea", "amount": 2.5, "unit": "tsp"},
                ],
                "steps": ["Boil the water."],
            }
        ],
        [{"name": "Tea", "servings": 0, "ingredients": [], "steps": []}],
    ),
    "server_config.json": (
        [
            {"host": "db.example", "port": 5432, "log_level": "info"},
            {"host": "db", "port": 1, "log_level": "info", "workers": "auto", "environment": {"TZ": "UTC"}},
        ],
        [{"host": "db", "port": 70000, "log_level": "info"}, {"host": "DB", "port": 1, "log_level": "info"}],
    ),
    "route.json": (
        [{"name": "home", "points": [[13.4, 52.5], [-0.1, 51.5]], "closed": False}],
        [{"name": "home", "points": [[181, 0], [0, 0]], "closed": False}, {"name": "x", "points": [], "closed": False}],
    ),
    "support_ticket.json": (
        [{"reasoning": "", "category": "bug", "priority": 2, "order_ids": ["AB123456"], "reply": "We look into it."}],
        [{"reasoning": "", "category": "bug", "priority": 4, "order_ids": [], "reply": "We look into it."}],
    ),
    "weather.json": (
        [
            {
                "city": "Athens",
                "degrees": 16,
                "sky": "fog",
                "wind": {"direction": "west", "speed": 115},
                "warning": True,
            }
        ],
        [{"city": "Athens", "degrees": 16, "sky": "fog", "wind": {"direction": "up", "speed": 1}, "warning": True}],
    ),
    "date.regex": (["1969-07-20", "2024-12-31"], ["1969-13-20", "69-07-20", "1969-07-20 "]),
    "phone.regex": (["(555) 123-4567", "5551234567"], ["555-12", "phone"]),
    "arithmetic.lark": (["1+2*3", "(1+2)*(3/(4-5))"], ["1+", "(1", "12345"]),
    "select.lark": (
        ["SELECT * FROM users;", "SELECT name, age FROM users WHERE age >= 18 AND city = 'Oslo';"],
        ["SELECT FROM users;", "DROP TABLE users;", "SELECT * FROM users"],
    ),
}


def exit_code(path: Path, instance: object) -> int:
    text = json.dumps(instance) if path.suffix == ".json" else str(instance)
    return CliRunner().invoke(app, ["check", str(path), "--instance-text", text], catch_exceptions=False).exit_code


def test_every_grammar_has_its_cases() -> None:
    assert sorted(CASES) == sorted(path.name for path in GRAMMARS)


@pytest.mark.parametrize("path", GRAMMARS, ids=lambda path: path.name)
def test_examples_accept_and_refuse(path: Path) -> None:
    accepted, refused = CASES[path.name]
    assert [x for x in accepted if exit_code(path, x) != Exit.OK] == []
    assert [x for x in refused if exit_code(path, x) != Exit.NO_MATCH] == []
