"""map_records: a result for each record, whatever ends the job and however often; errors are results."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import byte_tokenizer, tiny_byte_model
from toys import byte_vocabulary

import gcd
from gcd.bulk import Done, fill_template, map_records
from gcd.errors import GrammarError, InvalidGrammar, PromptError, ResultsMismatch

RECORDS = [{"prompt": f"record {number}", "id": number} for number in range(11)]
OPTIONS: dict[str, Any] = {"regex": "[ab]{6}", "batch_size": 3}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return written(tmp_path / "records.jsonl", RECORDS)


def written(path: Path, records: list[Any]) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines))
    return path


def run(records: Path, out: Path, **options: Any) -> Done:
    return map_records(MODEL, records, out, **{**OPTIONS, **options})


MODEL = gcd.TransformersLM(tiny_byte_model(), byte_tokenizer())


def read(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_each_record_has_a_result(records: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "out.jsonl", list[Done]()
    assert run(records, out, on_progress=seen.append) == Done(total=11, made=11)
    results = read(out)
    assert [result["index"] for result in results] == list(range(11))
    for result in results:
        assert result.keys() == {"index", "key", "value", "text", "finish_reason"}
        assert re.fullmatch("[ab]{6}", result["value"])
    assert len({result["text"] for result in results}) > 3
    assert [(done.made, done.left) for done in seen] == [(0, 11), (3, 8), (6, 5), (9, 2), (11, 0)]
    assert run(records, out) == Done(total=11, before=11)
    assert len(read(out)) == 11


def test_a_job_that_ended_anywhere_goes_on_to_the_same_results(records: Path, tmp_path: Path) -> None:
    """Whatever part of the file was written: what is there stays, what is missing comes, nothing comes twice."""
    whole = tmp_path / "whole.jsonl"
    run(records, whole)
    data, lines, seed = whole.read_bytes(), whole.read_bytes().splitlines(), random.randrange(2**32)
    for cut in random.Random(seed).sample(range(len(data)), 5):
        out = tmp_path / "out.jsonl"
        out.write_bytes(data[:cut])
        done = run(records, out, workers=2)
        assert done == Done(total=11, before=data[:cut].count(b"\n"), made=11 - data[:cut].count(b"\n"))
        assert out.read_bytes().startswith(data[: data.rfind(b"\n", 0, cut) + 1]), f"seed {seed}, cut {cut}"
        assert sorted(out.read_bytes().splitlines()) == sorted(lines), f"seed {seed}, cut {cut}"


JOB = """
    import sys, time
    from pathlib import Path
    sys.path[:0] = {path!r}
    import gcd, toys
    from gcd.bulk import map_records

    class Slow(gcd.ScriptedLM):
        def next_logits(self, sequences):
            time.sleep(0.02)
            return super().next_logits(sequences)

    vocabulary = toys.byte_vocabulary()
    slow = Slow([1.0] * vocabulary.size, eos_token_ids=vocabulary.eos_token_ids)
    def shown(done):
        print(done.made, flush=True)
    map_records(slow, Path({records!r}), Path({out!r}), tokenizer=vocabulary, on_progress=shown, **{options!r})
"""


def test_a_killed_job_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """kill -9 half-way, then to the end; beside it a job that nobody killed."""
    records = written(tmp_path / "records.jsonl", [{"id": number} for number in range(24)])
    killed, whole = tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
    options: dict[str, Any] = {"prompt": "", "regex": "[ab]{6}", "batch_size": 2, "workers": 2}
    code = textwrap.dedent(JOB).format(path=sys.path, records=str(records), out=str(killed), options=options)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        while int(job.stdout.readline()) < 8:
            pass
        job.send_signal(signal.SIGKILL)
    assert job.returncode == -signal.SIGKILL
    before = killed.read_bytes().count(b"\n")
    assert 8 <= before < 24
    vocabulary = byte_vocabulary()
    uniform = gcd.ScriptedLM([1.0] * vocabulary.size, eos_token_ids=vocabulary.eos_token_ids)
    for out in (killed, whole):
        map_records(uniform, records, out, tokenizer=vocabulary, **options)
    assert sorted(killed.read_bytes().splitlines()) == sorted(whole.read_bytes().splitlines())
    assert sorted(result["index"] for result in read(killed)) == list(range(24))
    assert all(re.fullmatch("[ab]{6}", result["value"]) for result in read(killed))


def test_errors_are_results_and_can_be_made_anew(tmp_path: Path) -> None:
    given = [{"prompt": "a"}, "{", "[1]", {"other": 1}, "", {"prompt": "x" * 5000}, {"prompt": "b"}]
    records, out = written(tmp_path / "records.jsonl", given), tmp_path / "out.jsonl"
    assert run(records, out) == Done(total=6, made=6, errors=4)
    errors = {result["index"]: result["error"] for result in read(out) if "error" in result}
    assert [result["index"] for result in read(out)] == [0, 1, 2, 3, 5, 6]
    assert errors[1] == {
        "type": "PromptError",
        "message": "the record is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    }
    assert errors[2] == {"type": "PromptError", "message": "the record is no JSON object but [1]"}
    assert errors[3] == {
        "type": "PromptError",
        "message": "the record has no 'prompt', which the prompt asks for; it has 'other'",
    }
    assert errors[5]["message"].startswith("the prompt has 5,001 tokens and the model's context ")
    before = read(out)
    assert run(records, out) == Done(total=6, before=6, errors=4)
    assert run(records, out, retry_errors=True) == Done(total=6, before=2, made=4, errors=4)
    assert sorted(read(out), key=lambda result: result["index"]) == before


def test_results_of_another_job_are_left_alone(records: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(records, out)
    data = out.read_bytes()
    other = "was made of another record or with other settings\nWrite to another file, or remove this one."
    for changed in ({"regex": "[ab]{5}"}, {"seed": 1}, {"prompt": "{id}"}, {"label": "another model"}):
        with pytest.raises(ResultsMismatch) as caught:
            run(records, out, **changed)
        assert str(caught.value) == f"{out} has a result of record 0 that {other}"
    written(records, [*RECORDS[:4], {"prompt": "new"}, *RECORDS[5:]])
    with pytest.raises(ResultsMismatch) as caught:
        run(records, out)
    assert str(caught.value) == f"{out} has a result of record 4 that {other}"
    written(records, RECORDS[:4])
    with pytest.raises(ResultsMismatch) as caught:
        run(records, out)
    assert str(caught.value) == f"{out} has results of records that are not in {records}\nWrite to another file."
    assert out.read_bytes() == data
    written(records, [*RECORDS, {"prompt": "one more"}])
    assert run(records, out) == Done(total=12, before=11, made=1)
    out.write_text('{"index": 0}\n')
    with pytest.raises(ResultsMismatch) as caught:
        run(records, out)
    assert str(caught.value) == f"line 1 of {out} is no result of gcd map\nWrite to another file."


def test_two_jobs_do_not_write_to_one_file(records: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    from gcd.bulk import _opened

    with _opened(tmp_path / "out.jsonl"), pytest.raises(ResultsMismatch) as caught:
        run(records, tmp_path / "out.jsonl")
    assert str(caught.value) == f"another process is writing to {tmp_path / 'out.jsonl'}"


def test_what_is_wrong_with_the_job_is_raised(records: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(GrammarError):
        run(records, out, regex="(")
    with pytest.raises(ValueError, match=r"^workers and batch_size must be integers >= 1, not 0 and 3$"):
        run(records, out, workers=0)


NAMES = st.text("abc", min_size=1, max_size=2)


@given(st.dictionaries(NAMES, st.text("x{}é", max_size=3)), st.lists(st.text("yé", max_size=2) | NAMES.map(repr)))
def test_templates_are_those_of_format(record: dict[str, str], parts: list[str]) -> None:
    """For members that are texts, str.format says the same: it knows more, such as attributes, which is not wanted."""
    template = "".join("{" + part.strip("'") + "}" if part.startswith("'") else part + "{{}}" for part in parts)
    try:
        twin = template.format(**record)
    except KeyError:
        with pytest.raises(PromptError):
            fill_template(template, record)
    else:
        assert fill_template(template, record) == twin


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{a} {b}: {c}", 'x é: {"d": [1, null]}'),
        ("{}", '{"a": "x", "b": "é", "c": {"d": [1, null]}, "": 1}'),
        ("{{a}} }}{{", "{a} }{"),
    ],
)
def test_members_that_are_no_texts_are_json(template: str, prompt: str) -> None:
    assert fill_template(template, {"a": "x", "b": "é", "c": {"d": [1, None]}, "": 1}) == prompt


@pytest.mark.parametrize(
    ("template", "kind", "message"),
    [
        ("a } b", InvalidGrammar, "the prompt has a } by itself at column 3\nWrite }} for the character."),
        ("{a", InvalidGrammar, "the prompt has a { by itself at column 1\nWrite {{ for the character."),
        ("{a.b}", PromptError, "the record has no 'a.b', which the prompt asks for; it has 'a'"),
    ],
)
def test_templates_that_are_wrong(template: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        fill_template(template, {"a": "x"})
    assert str(caught.value) == message
