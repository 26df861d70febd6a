"""Writes docs/json-schema.md from the table of keywords and from measured figures; `make docs` calls it.

    python docs/make_json_schema.py [--maskbench DIR] [--suite DIR]

With a folder of MaskBench files, and a clone of the JSON Schema Test Suite, the figures in docs/json-schema.json are
measured anew first. Those of the other engines stay as they were measured, see there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from grammars.frontends.json_schema.formats import FORMATS, REFUSED, UNENFORCED
from grammars.frontends.json_schema.keywords import KEYWORDS, READ_WITH

TARGET, FIGURES = Path(__file__).with_name("json-schema.md"), Path(__file__).with_name("json-schema.json")

LIMITS = {
    "type": 'an integer is written without a fraction, unless `integers="fraction"` is said',
    "enum": 'a value has one spelling, an integer two with `integers="fraction"`',
    "const": 'a value has one spelling, an integer two with `integers="fraction"`',
    "$ref": "in the schema, in `schemas=`, to a meta-schema; nothing is fetched",
    "not": "refused: not `uniqueItems`; not `multipleOf` a fraction, or of more than 12,500 states; numbers that are "
    "no integers are plain decimals of at most 15 digits",
    "minimum": "plain decimals of 64 digits a part, or one digit and an exponent of three",
    "multipleOf": "plain decimals of at most 15 digits; refused where the residues need more than 50,000 states",
    "maxLength": "counted in characters, through escapes",
    "pattern": "ECMA-262, found anywhere; backreferences are refused",
    "properties": "one order: as declared, then required ones that nobody declared, then others (or any)",
    "minProperties": "refused where several open keys would have to be different",
    "patternProperties": "at most 256 ways for patterns to overlap",
    "contains": "at most 10,000 states of positions and counts",
    "unevaluatedProperties": "at most 256 ways for a subschema to hold",
    "unevaluatedItems": "at most 256 ways for a subschema to hold",
    "anyOf": "branches that hold at once multiply: at most 60,000 rules",
    "oneOf": "branches that hold at once multiply: at most 60,000 rules",
    "uniqueItems": "objects in the items have no key twice; refused: beside `contains` and either of `prefixItems`, "
    "`minItems` with `maxContains`, or another `contains`",
    "$dynamicRef": "by dynamic scope; outside of the schema as `$ref`",
    "$recursiveRef": "by dynamic scope; only `#`",
    "format": "see below",
}
"""What is to be known about a keyword that is enforced, or why it is not."""

IN_SUITE = dict.fromkeys(("if", "then", "else"), "if-then-else") | {"$ref": "ref", "$dynamicRef": "dynamicRef"}
"""Files of the suite with another name than their keyword."""

HEAD = """\
# JSON Schema

Written by `make docs` from the table of keywords; do not edit.

Drafts 4, 6, 7, 2019-09 and 2020-12 are read, by `$schema`; without it a schema is read as 2020-12, and what older
drafts wrote otherwise keeps its meaning. A keyword is enforced exactly, or refused by name and place
(`UnsupportedFeature`); a schema that no value satisfies is `EmptyLanguage`. Unknown keywords and formats are
annotations. `gcd check --verbose` tells what becomes of every keyword of a schema.

What is chosen is how values are written, never which: keys in one order (or, with `key_order="any"`, in any), numbers
and listed values in one of their spellings (integers as `12`, with `integers="fraction"` also as `12.0`; no part of a
number has more than 64 digits, or `digits=`), free strings in all spellings (with `strings="raw"` escaped only where
they must be, with `strings="ascii"` as `json.dumps` writes them). Complements are taken of values:
`{"not": {"const": 1}}` has no `1.0` either. Keys that a schema names are written once. Others may be written twice,
and count as readers of JSON have them, who keep the last: under `{"not": {"additionalProperties": {"type": "string"}}}`
the key whose value is no string stands last.

## References

A reference may lead out of the schema to one that is given beside it, by its URI. Nothing is ever fetched; the
meta-schemas of the drafts are at hand.

```python
import gcd

address = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
order = {"type": "object", "properties": {"to": {"$ref": "https://example.com/address"}}}
assert gcd.check(schema=order, schemas={"https://example.com/address": address}).ok
```

`schemas` maps URIs to schemas (dicts, bools or JSON texts), for `gcd.generate`, `gcd.compile` and all beside them; on
the command line it is `--schemas FILE_OR_FOLDER`. A schema is known by the URI that it is given by and by its own
`$id`, and so are those in it; two different ones of the same URI are an error where a reference means them. URIs are
resolved against the `$id` around (RFC 3986); where there is none, names such as `address.json` stand for themselves.

Each document has the dialect of its own `$schema`, else that of the schema. A `$schema` may also be one of those given,
which is read for its `$vocabulary`: keywords of a vocabulary that it leaves out say nothing, and one that it requires
and that is not known is refused.
"""


def render() -> str:
    """The whole page."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    used, suite, peers = figures["maskbench"], figures["suite"], figures["peers"]
    lines = [
        HEAD,
        "## Keywords",
        "",
        f"*MaskBench*: of {used['schemas']:,} schemas, those in which the keyword stands. *Suite*: of the tests in its",
        "file of the official suite of 2020-12, those that gcd, llguidance 1.9.1 and xgrammar 0.2.8 (defaults) get",
        'right: gcd with keys in any order, `integers="fraction"`, and formats as annotations, as the required tests',
        "mean. No figure counts a refused schema as right.",
        "",
        "| keyword | drafts | | to be known | MaskBench | suite: tests | gcd | llguidance | xgrammar |",
        "|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, keyword in KEYWORDS.items():
        file = IN_SUITE.get(name, name)
        tests, right = suite.get(file, ["", ""])
        others = peers.get(file, ["", ""])
        lines.append(
            f"| `{name}` | {_drafts(keyword)} | {_status(name, keyword)} | {LIMITS.get(name, '')} | "
            f"{used['keywords'].get(name, 0)} | {tests} | {right} | {others[0]} | {others[1]} |"
        )
    total = [sum(column) for column in zip(*suite.values(), strict=True)]
    llguidance, xgrammar = (sum(column) for column in zip(*peers.values(), strict=True))
    lines += [
        f"| **all files of the suite** | | | | | {total[0]} | {total[1]} | {llguidance} | {xgrammar} |",
        "",
        f"Of MaskBench {used['grammars']:,} schemas become a grammar, {used['empty']} have no value, "
        f"{used['refused']} are refused.",
        "",
        "## Formats",
        "",
        f"Enforced: {', '.join(f'`{name}`' for name in sorted(FORMATS))}.",
        "",
        *(f"- refused: `{name}`: {reason}" for name, reason in REFUSED.items()),
        *(f"- annotation: `{name}`: {reason}" for name, reason in UNENFORCED.items()),
        "",
    ]
    return "\n".join(lines)


def _drafts(keyword: Any) -> str:
    names = {4: "4", 6: "6", 7: "7", 8: "2019-09", 9: "2020-12"}
    first, last = names[keyword.since], names[keyword.until]
    if first == last:
        return first
    return f"{first} on" if keyword.until == 9 else f"{first} to {last}"


def _status(name: str, keyword: Any) -> str:
    if name in READ_WITH:
        return f"with `{READ_WITH[name]}`"
    if keyword.read is None:
        return "annotation"
    return "enforced"


def maskbench(folder: Path) -> dict[str, Any]:
    """In how many schemas each keyword stands, and what becomes of the schemas."""
    from grammars.compile import compile_grammar
    from grammars.errors import EmptyLanguage, GrammarError
    from grammars.frontends.json_schema import parse_json_schema

    files = sorted(folder.glob("*.json"))
    keywords: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for number, file in enumerate(files, start=1):
        schema = json.loads(file.read_text())["schema"]
        keywords.update(_names(schema) & KEYWORDS.keys())
        try:
            compile_grammar(parse_json_schema(schema))
            outcomes["grammars"] += 1
        except EmptyLanguage:
            outcomes["empty"] += 1
        except GrammarError:
            outcomes["refused"] += 1
        print(f"\r{number} of {len(files)} schemas", end="", file=sys.stderr, flush=True)
    return {"schemas": len(files), **outcomes, "keywords": dict(sorted(keywords.items()))}


def _names(value: Any) -> set[str]:
    """The keys in a schema, but for those of properties and of values."""
    found: set[str] = set()
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            for key, item in node.items():
                found.add(key)
                is_map = key in ("properties", "patternProperties", "$defs", "definitions") and isinstance(item, dict)
                if key not in ("enum", "const", "default", "examples"):
                    pending += item.values() if is_map else [item]
    return found


def suite(folder: Path) -> dict[str, list[int]]:
    """Of each file of the official suite of 2020-12 the number of tests, and of those that are right."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))
    from json_schema_suite import judged_draft

    required = {name: found for name, found in judged_draft(folder, "draft2020-12").items() if "/" not in name}
    return {name: [len(found), sum(v.outcome == "right" for v in found)] for name, found in required.items()}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--maskbench", type=Path)
    arguments.add_argument("--suite", type=Path)
    options = arguments.parse_args()
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    if options.maskbench:
        figures["maskbench"] = maskbench(options.maskbench)
    if options.suite:
        figures["suite"] = suite(options.suite)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    TARGET.write_text(render(), encoding="utf-8")
    print(f"wrote {TARGET}")
