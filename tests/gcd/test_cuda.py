"""What holds on the CPU holds on CUDA: tiny models with random weights, and apply_bitmask_ as a Triton kernel."""

from __future__ import annotations

import functools
import json
import math
import re
import warnings

import pytest
import torch
from bitmask_cases import CASES, DTYPES, compare
from tiny_models import byte_tokenizer, tiny_byte_model, tiny_model
from toys import EOS, TOKENS, finite

import gcd
from gcd.errors import BadLogits
from gcd.sampling import bitmask, masked

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "b": {"enum": ["x", "yy"]}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
WANTED = [
    {"schema": SCHEMA},
    {"regex": "[0-9]{2}[a-z]{1,3}"},
    {"choices": ["yes", "no", "yes, but no"]},
    {"grammar": 'start: "a" NUMBER\nNUMBER: /[0-9]{1,3}/'},
]
KINDS = ["llama", "gpt2", "gemma3"]
TEXTS = ("ab", "aab", "abab", "c", "ba", "bac", "é")
GENERATE = {"max_new_tokens": 12, "eos_token_id": EOS, "pad_token_id": 0, "use_cache": True}


def on(device: str, kind: str = "llama", dtype: torch.dtype = torch.float32) -> gcd.TransformersLM:
    return gcd.TransformersLM(tiny_byte_model(kind).to(device, dtype), byte_tokenizer())


@pytest.fixture(scope="module")
def model() -> gcd.TransformersLM:
    return on("cuda")


def right(text: str, wanted: dict[str, object]) -> bool:
    """Whether a text is what was wanted, judged without the engine."""
    match wanted:
        case {"schema": _}:
            value = json.loads(text)
            return set(value) == {"a", "b"} and 0 <= value["a"] <= 99 and value["b"] in ("x", "yy")
        case {"regex": str(pattern)}:
            return bool(re.fullmatch(pattern, text))
        case {"choices": list(choices)}:
            return text in choices
        case _:
            return bool(re.fullmatch("a[0-9]{1,3}", text))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: next(iter(wanted)))
def test_greedy_tokens_are_those_of_the_cpu(kind, wanted):
    cpu, cuda = (gcd.generate(on(d, kind), "Tell me:", temperature=0, **wanted) for d in ("cpu", "cuda"))
    assert cuda.token_ids == cpu.token_ids
    assert cuda.logprob == pytest.approx(cpu.logprob, abs=1e-3)
    assert cuda.masked_logprob == pytest.approx(cpu.masked_logprob, abs=1e-3)
    assert right(cuda.text, wanted)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: next(iter(wanted)))
def test_sampled_texts_are_what_was_wanted_and_a_seed_repeats_them(dtype, wanted):
    model = on("cuda", dtype=dtype)
    knobs = {"n": 8, "seed": 3, "temperature": 1.3, "top_k": 50, "top_p": 0.95, "min_p": 0.001}
    first, again = (gcd.generate(model, "Tell me:", **knobs, **wanted) for _ in range(2))
    assert all(right(g.text, wanted) for g in first)
    assert [g.token_ids for g in first] == [g.token_ids for g in again]
    assert [g.logprob for g in first] == [g.logprob for g in again]
    if "choices" not in wanted:
        assert len({g.text for g in first}) > 1


def test_a_batch_with_a_schema_for_each_prompt(model):
    schemas = [SCHEMA, {"const": 1.5}, {"enum": ["red", "blue"]}, {"type": "array", "items": {"type": "boolean"}}]
    prompts = ["a", "a much longer prompt", "b", [1, 2, 3]]
    found = gcd.generate(model, prompts, schema=schemas, n=3, seed=1, batch_size=5)
    values = [[g.value for g in found[i : i + 3]] for i in range(0, 12, 3)]
    assert all(right(json.dumps(value), WANTED[0]) for value in values[0])
    assert values[1] == [1.5] * 3
    assert set(values[2]) <= {"red", "blue"}
    assert all(isinstance(item, bool) for value in values[3] for item in value)


def test_a_row_does_not_depend_on_its_batch(model):
    together = gcd.generate(model, ["x", "a longer one"], regex="[a-z]{8}", n=2, seed=4)
    alone = gcd.generate(model, ["x", "a longer one"], regex="[a-z]{8}", n=2, seed=4, batch_size=1)
    assert [g.token_ids for g in together] == [g.token_ids for g in alone]


def test_a_stream_has_the_tokens_of_generate(model):
    stream = gcd.stream(model, "x", regex="[a-zé]{12}", seed=5)
    assert "".join(stream) == stream.result.text
    assert stream.result.token_ids == gcd.generate(model, "x", regex="[a-zé]{12}", seed=5).token_ids


def test_masks_go_to_the_device_of_the_logits(model, monkeypatch):
    """What is drawn from stays on CUDA: no logits come to the CPU, and the kernel is the one that masks them."""
    seen = []

    def spy(logits, words):
        seen.append((logits.device.type, words.device.type, words.shape[1]))
        return gcd.apply_bitmask_(logits, words)

    monkeypatch.setattr(masked, "apply_bitmask_", spy)
    gcd.generate(model, "x", regex="[a-z]{3}", jump_ahead="off")
    assert set(seen) == {("cuda", "cuda", math.ceil(300 / 32))}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_no_distribution_are_an_error(value):
    model = on("cuda")
    model.model.lm_head.weight.data[97] = value
    with pytest.raises(BadLogits) as caught:
        gcd.generate(model, "x", regex="[ab]{3}", seed=0)
    assert caught.value.problem.endswith("for 1 of 300 tokens")
    (bad,) = gcd.generate(model, ["x"], regex="[ab]{3}", seed=0, errors="return")
    assert isinstance(bad.error, BadLogits)


# GrammarLogitsProcessor inside transformers' own generate


@pytest.fixture(scope="module")
def toy():
    return tiny_model("llama", pad_token_id=0).to("cuda")


def texts(rows: torch.Tensor, prompt: int = 4) -> list[str]:
    """The texts of finished rows; fails unless each has ended by EOS, with nothing but padding behind."""
    found = []
    for row in rows.tolist():
        end = row.index(EOS, prompt)
        assert set(row[end + 1 :]) <= {0, EOS}  # beams are padded by EOS
        found.append(b"".join(TOKENS[token] for token in row[prompt:end]).decode())
    return found


def test_the_processor_samples_inside_transformers(toy):
    ids = torch.tensor([[0, 0, 0, 9], [9, 10, 11, 12]], device="cuda")
    torch.manual_seed(5)
    rows = toy.generate(
        ids, attention_mask=(ids != 0).long(), logits_processor=[gcd.GrammarLogitsProcessor(finite(TEXTS))],
        do_sample=True, num_return_sequences=10, **GENERATE,
    )  # fmt: skip
    assert set(texts(rows)) <= set(TEXTS)
    assert len(set(texts(rows))) > 2


def test_the_processor_searches_beams_as_on_the_cpu(toy):
    found = {}
    for device in ("cpu", "cuda"):
        rows = toy.to(device).generate(
            torch.tensor([[9, 10, 11, 12]], device=device), num_beams=8, num_return_sequences=3, do_sample=False,
            logits_processor=[gcd.GrammarLogitsProcessor(finite(TEXTS))], **GENERATE,
        )  # fmt: skip
        found[device] = rows.tolist()
        assert set(texts(rows)) <= set(TEXTS)
    assert found["cuda"] == found["cpu"]


def test_the_processor_answers_on_the_device_and_leaves_its_scores_alone():
    scores = torch.zeros(2, 64, dtype=torch.bfloat16, device="cuda")
    found = gcd.GrammarLogitsProcessor(finite(["ab"]))(torch.tensor([[9], [9]], device="cuda"), scores)
    assert (found.device, found.dtype) == (scores.device, scores.dtype)
    assert (scores == 0).all()
    assert [row.isfinite().nonzero().flatten().tolist() for row in found] == [[0, 2]] * 2


def test_nan_scores_of_transformers_are_an_error():
    scores = torch.zeros(1, 64, device="cuda")
    scores[0, 5:8] = math.nan
    with pytest.raises(BadLogits, match="are NaN for 3 of 64 tokens"):
        gcd.GrammarLogitsProcessor(finite(["ab"]))(torch.tensor([[9]], device="cuda"), scores)


# apply_bitmask_


@pytest.mark.parametrize("triton", [True, False], ids=["triton", "torch"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_apply_bitmask_agrees_with_the_naive_twin(case, dtype, triton, monkeypatch):
    if triton:
        pytest.importorskip("triton")
        assert bitmask._kernel(torch.zeros(1, device="cuda").device, dtype) is not None
    else:
        monkeypatch.setattr(bitmask, "_kernel", lambda device, dtype: None)
    compare(lambda logits, words, rows: gcd.apply_bitmask_(logits, words, indices=rows), case, dtype, "cuda")


@pytest.mark.parametrize("triton", [True, False], ids=["triton", "torch"])
def test_apply_bitmask_waits_for_nothing(triton, monkeypatch):
    if not triton:
        monkeypatch.setattr(bitmask, "_kernel", lambda device, dtype: None)
    logits = torch.zeros(3, 4096, device="cuda")
    words = torch.zeros(3, 128, dtype=torch.int32, device="cuda")
    rows = torch.tensor([2], device="cuda")
    gcd.apply_bitmask_(logits, words, indices=rows)  # compiles
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "a prototype feature"
        torch.cuda.set_sync_debug_mode("error")
    try:
        gcd.apply_bitmask_(logits, words, indices=rows)
        gcd.apply_bitmask_(logits, words, indices=[0])
        gcd.apply_bitmask_(logits, words)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert logits.isinf().all()


def test_apply_bitmask_in_a_cuda_graph():
    logits = torch.zeros(2, 4096, device="cuda")
    words = torch.zeros(2, 128, dtype=torch.int32, device="cuda")
    gcd.apply_bitmask_(logits, words)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        gcd.apply_bitmask_(logits, words)
    logits.zero_()
    words.fill_(0b110)
    graph.replay()
    assert logits[0].isfinite().nonzero().flatten().tolist()[:4] == [1, 2, 33, 34]


def test_triton_skips_rows_that_do_not_exist():
    pytest.importorskip("triton")
    logits, words = torch.zeros(2, 8, device="cuda"), torch.zeros(1, 1, dtype=torch.int32, device="cuda")
    gcd.apply_bitmask_(logits[:1], words, indices=torch.tensor([-1, 1, 2**40], device="cuda"))
    assert (logits == 0).all()


def test_a_mask_must_lie_on_the_device_of_the_logits():
    with pytest.raises(ValueError, match="bitmask is on cpu and the logits on cuda:0"):
        gcd.apply_bitmask_(torch.zeros(1, 8, device="cuda"), torch.zeros(1, 1, dtype=torch.int32))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda *_: None, "its machine code is wrong"),
    ],
    ids=["fails", "errs"],
)
def test_a_triton_that_does_not_work_is_said_once_and_replaced(broken, said, monkeypatch):
    kernel = pytest.importorskip("gcd.sampling.bitmask_triton")
    monkeypatch.setattr(kernel, "mask_rows", broken)
    monkeypatch.setattr(bitmask, "_kernel", functools.cache(bitmask._kernel.__wrapped__))
    logits, words = torch.zeros(1, 8, device="cuda"), torch.zeros(1, 1, dtype=torch.int32, device="cuda")
    with pytest.warns(RuntimeWarning, match=re.escape(f"by slower torch operations ({said})")):
        assert gcd.apply_bitmask_(logits, words).isinf().all()
    assert gcd.apply_bitmask_(logits, words).isinf().all()
