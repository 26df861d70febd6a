"""How many tests of the official JSON Schema Test Suite the JSON Schema front end gets right, file by file.

    python bench/json_schema_suite.py SUITE [--draft draft2020-12] [--list]

SUITE is a clone of https://github.com/json-schema-org/JSON-Schema-Test-Suite. A test is right when the instance,
written with the default separators or compactly, is accepted iff it is valid; a contradiction accepts nothing. "order"
are valid instances that are accepted with their keys in another order; "refused" belong to schemas that are refused by
name.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
OUTCOMES = ("right", "order", "valid refused", "invalid accepted", "refused")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("suite", type=Path)
    arguments.add_argument("--draft", choices=DIALECTS, default="draft2020-12")
    arguments.add_argument("--list", action="store_true", help="name the tests that are not right")
    options = arguments.parse_args()
    total: Counter[str] = Counter()
    print(f"| file | tests | {' | '.join(OUTCOMES)} |\n|---|{'---:|' * (len(OUTCOMES) + 1)}")
    wrong = []
    for file in sorted((options.suite / "tests" / options.draft).glob("*.json")):
        counts: Counter[str] = Counter()
        for where, outcome in judged(file, DIALECTS[options.draft]):
            counts[outcome] += 1
            if outcome != "right":
                wrong.append(f"{file.stem}: {where}: {outcome}")
        total += counts
        print(f"| {file.stem} | {row(counts)} |")
    print(f"| **all** | {row(total)} |\n\n{total['right'] / total.total():.1%} right")
    print(*wrong if options.list else [], sep="\n")


def row(counts: Counter[str]) -> str:
    return " | ".join([str(counts.total()), *(str(counts[outcome]) for outcome in OUTCOMES)])


def judged(file: Path, dialect: str) -> Iterator[tuple[str, str]]:
    """(test, outcome) of each test of a file."""
    for group in json.loads(file.read_text()):
        schema = {"$schema": dialect, **group["schema"]} if isinstance(group["schema"], dict) else group["schema"]
        accepts = acceptor(schema)
        for test in group["tests"]:
            where = f"{group['description']}: {test['description']}"
            if accepts is None:
                yield where, "refused"
            elif any(accepts(text) for text in texts(test["data"])) == test["valid"]:
                yield where, "right"
            elif not test["valid"]:
                yield where, "invalid accepted"
            else:
                others = (accepts(text) for data in orders(test["data"]) for text in texts(data))
                yield where, "order" if any(others) else "valid refused"


def acceptor(schema: Any) -> Callable[[bytes], bool] | None:
    """What tells whether a text is accepted; None for a schema that is refused."""
    try:
        return compile_grammar(parse_json_schema(schema)).accepts
    except EmptyLanguage:
        return lambda text: False
    except GrammarError:
        return None


def texts(value: Any) -> list[bytes]:
    return [json.dumps(value, ensure_ascii=False, separators=s).encode() for s in ((", ", ": "), (",", ":"))]


def orders(value: Any) -> Iterator[Any]:
    """The value with the keys of its objects in other orders, the outermost first; at most a thousand."""
    if isinstance(value, dict):
        for keys in itertools.islice(itertools.permutations(value), 1_000):
            yield {key: value[key] for key in keys}
    elif isinstance(value, list):
        yield from (list(items) for items in itertools.islice(itertools.product(*map(orders, value)), 1_000))
    else:
        yield value


if __name__ == "__main__":
    main()
