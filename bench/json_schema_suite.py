"""What becomes of every test of the official JSON Schema Test Suite, file by file.

    python bench/json_schema_suite.py SUITE [--draft draft2020-12] [--list]
    python bench/json_schema_suite.py SUITE --write

SUITE is a clone of https://github.com/json-schema-org/JSON-Schema-Test-Suite. `--write` writes what is expected of both
drafts anew into `tests/suites/`, whose test compares exactly; a reason that somebody wrote there by hand stays.

A test is right when the instance, written with the default separators or compactly, is accepted iff it is valid; a
contradiction accepts nothing. Keys may stand in any order, integers may have a zero fraction, and the schemas under
`remotes` are given beside each. The required tests take formats for annotations, as their draft does; the optional
ones are of formats that are enforced. "order" are valid instances that are accepted with their keys in another order,
"spelling" those with their whole numbers written in the other way (1, 1.0), "refused" belong to schemas that are
refused by name.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError
from grammars.frontends.json_schema import parse_json_schema

DIALECTS = {
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft4": "http://json-schema.org/draft-04/schema#",
}
FOLDERS = {"required": "", "optional": "optional", "formats": "optional/format"}
"""The parts of the suite of a draft, and where each lies."""

REASONS = {
    "order": "keys that keywords ask for stand last",
    "spelling": "declared numbers have one spelling, integers no fraction",
    "valid refused": None,
    "invalid accepted": None,
    "refused": None,
}
"""The outcomes beside "right"; the reason where it is always the same."""

OUTCOMES = ("right", *REASONS)
EXPECTED = Path(__file__).parents[1] / "tests" / "suites"
DRAFTS = ("draft2020-12", "draft7")
"""Those whose outcomes are expected in `tests/suites/`."""


class Verdict(NamedTuple):
    """One test: "its group: its name", what became of it, and why; None where somebody has to say why."""

    where: str
    outcome: str
    reason: str | None = None


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("suite", type=Path)
    arguments.add_argument("--draft", choices=DIALECTS, action="append", help="may be repeated")
    arguments.add_argument("--list", action="store_true", help="name the tests that are not right")
    arguments.add_argument("--write", action="store_true", help="write tests/suites/ anew")
    options = arguments.parse_args()
    for draft in options.draft or DRAFTS:
        found = judged_draft(options.suite, draft)
        print(f"{table(draft, found)}\n")
        for name, verdicts in found.items() if options.list else ():
            print(*(f"{name}: {v.where}: {v.outcome}: {v.reason}" for v in verdicts if v.outcome != "right"), sep="\n")
        if options.write and draft in DRAFTS:
            target = EXPECTED / f"{draft}.json"
            known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
            target.write_text(written(expectations(found, known)), encoding="utf-8")
            print(f"wrote {target}")


def judged_draft(suite: Path, draft: str) -> dict[str, list[Verdict]]:
    """The verdicts of every file of a draft, by its path: "allOf", "optional/format/date"."""
    root = suite / "tests" / draft
    files = [file for folder in FOLDERS.values() for file in sorted((root / folder).glob("*.json"))]
    schemas = remotes(suite)
    found = {}
    for file in files:
        name = str(file.relative_to(root).with_suffix(""))
        found[name] = judged(file, DIALECTS[draft], formats=name.startswith("optional/"), schemas=schemas)
    return found


def remotes(suite: Path) -> dict[str, Any]:
    """URI -> schema: what the tests may refer to."""
    folder = suite / "remotes"
    return {
        f"http://localhost:1234/{file.relative_to(folder).as_posix()}": json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.json"))
    }


def judged(file: Path, dialect: str, *, formats: bool, schemas: dict[str, Any]) -> list[Verdict]:
    """The verdict of each test of a file."""
    found = []
    for group in json.loads(file.read_text(encoding="utf-8")):
        schema = {"$schema": dialect, **group["schema"]} if isinstance(group["schema"], dict) else group["schema"]
        try:
            accepts = acceptor(schema, formats=formats, schemas=schemas)
        except GrammarError as error:
            why = f"{type(error).__name__}: {error.message}"
            found += [Verdict(f"{group['description']}: {t['description']}", "refused", why) for t in group["tests"]]
            continue
        for test in group["tests"]:
            outcome = outcome_of(test, accepts)
            reason = REASONS.get(outcome)
            found.append(Verdict(f"{group['description']}: {test['description']}", outcome, reason))
    return found


def acceptor(schema: Any, **options: Any) -> Callable[[bytes], bool]:
    """What tells whether a text is accepted; raises GrammarError for a schema that is refused."""
    try:
        return compile_grammar(parse_json_schema(schema, key_order="any", integers="fraction", **options)).accepts
    except EmptyLanguage:
        return lambda text: False


def outcome_of(test: dict[str, Any], accepts: Callable[[bytes], bool]) -> str:
    data = test["data"]
    if any(map(accepts, texts(data))) == test["valid"]:
        return "right"
    if not test["valid"]:
        return "invalid accepted"
    if any(accepts(text) for other in orders(data) for text in texts(other)):
        return "order"
    respelled = (text for kind in (int, float) for text in texts(with_whole_numbers(data, kind)))
    return "spelling" if any(map(accepts, respelled)) else "valid refused"


def texts(value: Any) -> list[bytes]:
    """The value as JSON, with the default separators and compactly."""
    written = (json.dumps(value, ensure_ascii=False, separators=s) for s in ((", ", ": "), (",", ":")))
    return [text.encode("utf-8", "surrogatepass") for text in written]


def orders(value: Any) -> Iterator[Any]:
    """The value with the keys of its objects in other orders, the outermost first; at most a thousand."""
    if isinstance(value, dict):
        for keys in itertools.islice(itertools.permutations(value), 1_000):
            yield {key: value[key] for key in keys}
    elif isinstance(value, list):
        yield from (list(items) for items in itertools.islice(itertools.product(*map(orders, value)), 1_000))
    else:
        yield value


def with_whole_numbers(value: Any, kind: type[int] | type[float]) -> Any:
    """The value with its whole numbers as `int`, written 1, or as `float`, written 1.0."""
    match value:
        case list():
            return [with_whole_numbers(item, kind) for item in value]
        case dict():
            return {key: with_whole_numbers(item, kind) for key, item in value.items()}
        case int() | float() if not isinstance(value, bool) and abs(value) < 1e300 and value == int(value):
            return kind(value)
    return value


# --- what is expected -------------------------------------------------------------------------------------------------


def expectations(found: dict[str, list[Verdict]], known: dict[str, Any]) -> dict[str, Any]:
    """By file: how many tests are right, and every other one with its outcome and reason.

    All tests of a group stand as one entry, the group's name, where they share both. A reason that is missing is taken
    from `known`, if the same test has the same outcome there.
    """
    expected: dict[str, Any] = {}
    for name, verdicts in found.items():
        before = known.get(name, {}).get("others", {})
        groups: dict[str, list[Verdict]] = {}
        for verdict in verdicts:
            groups.setdefault(verdict.where.partition(": ")[0], []).append(verdict)
        others: dict[str, list[str | None]] = {}
        for group, members in groups.items():
            kinds = {(verdict.outcome, verdict.reason) for verdict in members}
            if kinds == {("refused", members[0].reason)}:
                others[group] = ["refused", members[0].reason]
                continue
            for where, outcome, reason in members:
                old = before.get(where, [None, None])
                if outcome != "right":
                    others[where] = [outcome, old[1] if reason is None and old[0] == outcome else reason]
        expected[name] = {"tests": len(verdicts), "right": sum(v.outcome == "right" for v in verdicts)}
        if others:
            expected[name]["others"] = others
    return expected


def written(expected: dict[str, Any]) -> str:
    """As JSON with a line for each test, so that a change shows as what changed."""
    lines = []
    for name, file in expected.items():
        head = f'{json.dumps(name)}: {{"tests": {file["tests"]}, "right": {file["right"]}'
        entries = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in file.get("others", {}).items())
        lines.append(head + (', "others": {\n' + ",\n".join(entries) + "\n}}" if "others" in file else "}"))
    return "{\n" + ",\n".join(lines) + "\n}\n"


# --- tables -----------------------------------------------------------------------------------------------------------


def table(draft: str, found: dict[str, list[Verdict]]) -> str:
    """Outcomes by file, then by part of the suite."""
    lines = [f"| {draft} | tests | {' | '.join(OUTCOMES)} |", f"|---|{'---:|' * (len(OUTCOMES) + 1)}"]
    lines += [f"| {name} | {row(verdicts)} |" for name, verdicts in found.items()]
    return "\n".join([*lines, *part_rows(found)])


def part_rows(found: dict[str, list[Verdict]]) -> list[str]:
    """One line of a table for each part of the suite: required, optional, formats."""
    lines = []
    for part, folder in FOLDERS.items():
        within = [v for name, vs in found.items() if name.rpartition("/")[0] == folder for v in vs]
        lines.append(f"| **{part}** | {row(within)} |")
    return lines


def row(verdicts: list[Verdict]) -> str:
    counts = Counter(verdict.outcome for verdict in verdicts)
    return " | ".join([str(counts.total()), *(str(counts[outcome]) for outcome in OUTCOMES)])


if __name__ == "__main__":
    main()
