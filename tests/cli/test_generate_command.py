"""`gcd generate` and `gcd map`: what comes to stdout, what to stderr, and the exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit

PERSON = "examples/person.json"


def gcd_generate(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["generate", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(request.config.rootpath)


def test_the_text_goes_to_stdout(embedded_model: str) -> None:
    result = gcd_generate("--schema", PERSON, "--whitespace", "compact", "--seed", "1", "Ada, 36, London ->")
    assert result.exit_code == Exit.OK
    assert result.stderr == ""
    assert set(json.loads(result.stdout)) == {"name", "age", "city"}


def test_json_lines_carry_everything(embedded_model: str) -> None:
    result = gcd_generate(
        "--type",
        "examples.person:Person",
        "--n",
        "2",
        "--whitespace",
        "compact",
        "--seed",
        "1",
        "--json",
        "-",
        stdin="Ada: ",
    )
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(records) == 2
    for record in records:
        assert record.keys() == {
            "text",
            "value",
            "token_ids",
            "logprob",
            "finish_reason",
            "seed",
            "widened",
            "captures",
        }
        assert json.loads(record["text"]) == record["value"]
        assert record["seed"] == 1
        assert record["finish_reason"] in ("stop", "length")


def test_the_same_seed_gives_the_same_text(embedded_model: str) -> None:
    first, second = (gcd_generate("--regex", "[a-z]{12}", "--seed", "5").stdout for _ in range(2))
    assert first == second
    assert re.fullmatch("[a-z]{12}\n", first)


def test_choices_grammar_and_chat(embedded_model: str) -> None:
    assert gcd_generate("--choices", "yes,no", "Is water wet?", "--chat").stdout in ("yes\n", "no\n")
    summed = gcd_generate("--grammar", "examples/arithmetic.lark", "--max-new-tokens", "20", "1 + 1 = ").stdout
    assert re.fullmatch(r"[0-9()+*/-]+\n", summed)


def test_a_grammar_imports_from_a_folder_that_is_given(embedded_model: str, tmp_path: Path) -> None:
    (tmp_path / "main.lark").write_text('start: NAME "!"\n%import names.NAME\n')
    (tmp_path / "names.lark").write_text("NAME: /[a-c]/\n")
    asked = ["--grammar", str(tmp_path / "main.lark"), "--seed", "1", "A letter: "]
    assert gcd_generate(*asked, "--import-root", str(tmp_path)).stdout in ("a!\n", "b!\n", "c!\n")
    refused = gcd_generate(*asked)
    assert (refused.exit_code, refused.stdout) == (Exit.GRAMMAR, "")
    assert "give import_root=Path(...) for files" in refused.stderr


def test_whitespace_is_a_choice(embedded_model: str) -> None:
    text = gcd_generate("--schema", PERSON, "--whitespace", "2", "--temperature", "0", "Ada, 36, London ->").stdout
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["Hello"], Exit.USAGE, "say what is wanted: --schema, --regex, --grammar, --choices or --type."),
        (["--schema", "-", "-"], Exit.USAGE, "stdin cannot be both the prompt and the grammar."),
        (["--schema", "gone.json"], Exit.USAGE, "cannot read gone.json: no such file or directory."),
        (
            ["--schema", PERSON, "--whitespace", "wide"],
            Exit.USAGE,
            "--whitespace wide is none of bounded, compact, json and no number of spaces.",
        ),
        (["--regex", "a", "--seed", "-1"], Exit.USAGE, "Invalid value for '--seed': "),
        (["--regex", "a(b"], Exit.GRAMMAR, "(line 1, column 2) a(b ^"),
        (["--choices", "[]"], Exit.GRAMMAR, "gcd: "),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(arguments: list[str], code: Exit, message: str) -> None:
    result = gcd_generate(*arguments, "--model", "not-loaded")
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_an_unknown_model_is_a_model_error(embedded_model: str) -> None:
    result = gcd_generate("--regex", "a", "--model", "./no/such/folder")
    assert result.exit_code == Exit.MODEL
    assert result.stderr.startswith("gcd: no model './no/such/folder'")


def test_a_budget_that_cannot_suffice_is_a_usage_error(embedded_model: str) -> None:
    result = gcd_generate("--schema", PERSON, "--max-new-tokens", "2")
    assert result.exit_code == Exit.USAGE
    assert result.stderr.startswith("gcd: max_new_tokens=2 ")


def test_texts_are_drawn_by_any_method(embedded_model: str) -> None:
    options = [
        "--regex",
        " (yes|no)",
        "--max-new-tokens",
        "4",
        "--seed",
        "1",
        "Is the sky blue? Answer with yes or no:",
    ]
    exact = gcd_generate("--method", "cars", "--n", "3", *options)
    assert (exact.exit_code, exact.stderr, len(exact.stdout.splitlines())) == (Exit.OK, "", 3)
    assert set(exact.stdout.splitlines()) <= {" yes", " no"}
    best = gcd_generate("--method", "best_first", "--json", *options)
    assert json.loads(best.stdout)["logprob"] == pytest.approx(
        max(json.loads(line)["logprob"] for line in gcd_generate("--n", "9", "--json", *options).stdout.splitlines()),
        abs=1e-3,
    )


REFUSED = [
    (["--steps", "3"], "--steps goes with --diffusion."),
    (
        ["--method", "dingo"],
        "--method without --diffusion is mask, asap, cars, mcmc, smc, awrs, best_first, beam or distinct, not 'dingo'.",
    ),
    (
        ["--diffusion", "--method", "cars"],
        "--method with --diffusion is exact, trajectory, dingo or greedy-mask, not 'cars'.",
    ),
    (
        ["--diffusion", "--model", "smollm2"],
        "the diffusion model with a name is demo-diffusion; others are wrapped in Python: gcd.MaskedDiffusionLM.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_goes_with_a_diffusion_model(arguments: list[str], message: str) -> None:
    result = gcd_generate("--regex", "a", *arguments)
    assert result.exit_code == Exit.USAGE
    told = " ".join(result.stderr.replace("│", " ").split())
    assert message in told


def test_map_writes_results_to_a_file_and_a_summary_to_stderr(embedded_model: str, tmp_path: Path) -> None:
    records, out = tmp_path / "records.jsonl", tmp_path / "out.jsonl"
    records.write_text('{"text": "I love it"}\n{"txt": "?"}\n{"text": "I hate it"}\n')
    arguments = [
        "map", str(records), "-o", str(out), "--choices", "good,bad", "--prompt", "{text}. A {{mood}}:",
        "--temperature", "0", "--max-new-tokens", "4",
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (result.exit_code, result.stdout) == (Exit.NO_MATCH, "")
    assert result.stderr == "3 of 3 records, 1 error\n"
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line.get("value") in ("good", "bad") for line in lines] == [True, False, True]
    assert lines[1]["error"]["message"] == "the record has no 'text', which the prompt asks for; it has 'txt'"
    again = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert again.stderr == "3 of 3 records, 3 of them before, 1 error\n"
    other = CliRunner().invoke(app, [*arguments, "--seed", "1"], catch_exceptions=False)
    assert other.exit_code == Exit.USAGE
    assert other.stderr == (
        f"gcd: {out} has a result of record 0 that was made of another record or with other settings\n"
        "Write to another file, or remove this one.\n"
    )
