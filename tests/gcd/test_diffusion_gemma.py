"""DiffusionGemma: logits are those of transformers' own loop, and every canvas is in the language or leads there."""

from __future__ import annotations

from copy import copy

import pytest
import torch

import gcd
from gcd.diffusion import decode_canvases
from gcd.errors import BudgetTooSmall, EmptyLanguage, ModelError

transformers = pytest.importorskip("transformers")
if not hasattr(transformers, "DiffusionGemmaForBlockDiffusion"):
    pytest.skip("this version of transformers has no DiffusionGemma", allow_module_level=True)

EOS, SIZE, CANVAS = 1, 40, 8
LETTERS = {token: bytes([97 + token - 3]) for token in range(3, 29)}
VOCABULARY = gcd.Vocabulary(
    [LETTERS.get(token, b"") for token in range(SIZE)], eos_token_ids=[EOS],
    special_tokens={"<pad>": 0, "<bos>": 2, **{f"<{t}>": t for t in range(29, SIZE)}},
)  # fmt: skip


@pytest.fixture(scope="module")
def network():
    text = transformers.DiffusionGemmaTextConfig(
        vocab_size=SIZE, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, global_head_dim=8, sliding_window=8, num_experts=2, top_k_experts=1,
        moe_intermediate_size=8, pad_token_id=0, eos_token_id=EOS, bos_token_id=2, max_position_embeddings=256,
        layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    vision = transformers.Gemma4VisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, position_embedding_size=16,
    )  # fmt: skip
    config = transformers.DiffusionGemmaConfig(
        text_config=text,
        vision_config=vision,
        canvas_length=CANVAS,
        boi_token_id=37,
        eoi_token_id=38,
        image_token_id=39,
    )
    torch.manual_seed(0)
    return transformers.DiffusionGemmaForBlockDiffusion(config).eval()


def test_logits_are_those_of_its_own_loop(network, monkeypatch):
    """Two canvases of three steps each by `generate`, replayed: the canvas, what is fed back, the cache between."""
    canvases, processed, forward = [], [], network.forward

    def watched(**options):
        canvases.append(options["decoder_input_ids"][0].clone())
        return forward(**options)

    class Recorded(transformers.LogitsProcessor):
        def __call__(self, input_ids, scores, cur_step):
            processed.append((int(cur_step), scores[0].clone()))
            return scores

    monkeypatch.setattr(network, "forward", watched)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)  # imports a compiler for seconds
    torch.manual_seed(1)
    made = network.generate(
        torch.tensor([[5, 6, 7]]), max_new_tokens=2 * CANVAS, max_denoising_steps=3, stability_threshold=None,
        logits_processor=transformers.LogitsProcessorList([Recorded()]),
    ).sequences[0]  # fmt: skip
    monkeypatch.undo()
    assert len(canvases) == len(processed) == 6
    session = gcd.DiffusionGemmaLM(network).open_canvases([5, 6, 7])
    for i, (canvas, (step, raw)) in enumerate(zip(canvases, processed, strict=True)):
        temperature = 0.4 + 0.4 * step / 3
        torch.testing.assert_close(session.denoise(canvas, temperature) * temperature, raw, atol=1e-6, rtol=1e-5)
        if i == 2:
            session.finish(made[3 : 3 + CANVAS].tolist())


@pytest.mark.parametrize("method", ["exact", "dingo"])
def test_every_text_is_in_the_language(network, method):
    """In up to three canvases of eight tokens; a text that must be long is, and one that must end does in time."""
    for regex, most in [("(ab|c)*d", 20), ("[a-f]{17}", 24), ("x{3}|y{9}", 11), ("[a-z]*", 16)]:
        texts = gcd.generate(
            network, [[5, 6], [7]], regex=regex, tokenizer=VOCABULARY, method=method, max_new_tokens=most, steps=2,
            seed=2,
        )  # fmt: skip
        for generation in texts:
            assert len(generation.token_ids) <= most
            assert generation.value == generation.text
            assert generation.model_calls <= 3 * 2
            assert generation.finish_reason == ("stop" if generation.token_ids[-1] == EOS else "length")


class Decided:
    """A session of a model that is sure of one text from the first step on; it notes what it was given."""

    canvas_length, temperatures = 4, (0.8, 0.4)

    def __init__(self, text: bytes) -> None:
        self.text, self.given, self.finished = text, list[torch.Tensor](), list[list[int]]()

    def open_canvases(self, prompt):
        assert prompt == [9]
        return self

    def denoise(self, canvas, temperature):
        self.given.append(canvas)
        begin = 4 * len(self.finished)
        wanted = [*(3 + c - 97 for c in self.text), *[EOS] * 8][begin : begin + 4]
        return torch.nn.functional.one_hot(torch.tensor(wanted), SIZE) * 30 / temperature

    def finish(self, token_ids):
        self.finished.append(token_ids)


def test_a_model_that_is_sure_is_finished_in_two_steps_a_canvas():
    model = Decided(b"abcabc")
    made = decode_canvases(model, gcd.compile(regex="[a-c]*", tokenizer=VOCABULARY), 10, prompt=[9], seed=1)
    assert (made.data, made.calls) == (b"abcabc", 4)
    assert [len(tokens) for tokens in model.finished] == [4, 4]
    assert model.given[1].tolist() == [3, 4, 5, 3]  # all of it was kept
    assert model.given[0].tolist() != model.given[2].tolist()  # noise


def test_what_the_grammar_forbids_is_replaced_and_the_rest_kept():
    model = Decided(b"abzabc")
    made = decode_canvases(model, gcd.compile(regex="[a-c]{6}", tokenizer=VOCABULARY), 6, prompt=[9], steps=4, seed=1)
    assert made.data[:2] + made.data[3:] == b"ababc"
    assert len(made.token_ids) == 6


def test_a_canvas_leaves_room_for_the_end():
    """The model would write a for ever; of ten tokens the last two of three canvases are beyond the length."""
    made = decode_canvases(
        Decided(b"a" * 20), gcd.compile(regex="a*bcd", tokenizer=VOCABULARY), 10, prompt=[9], steps=2, seed=1
    )
    assert made.data == b"aaaaaaabcd"


def test_no_room_is_refused_before_the_model_is_asked():
    model = Decided(b"")
    with pytest.raises(EmptyLanguage):
        decode_canvases(model, gcd.compile(regex="a{9}", tokenizer=VOCABULARY), 8, prompt=[9])
    assert model.given == []


REFUSED = [
    (
        {"method": "trajectory"},
        "method='trajectory' is for models that commit tokens, and DiffusionGemmaLM improves whole canvases: say "
        "'exact' or 'dingo'",
    ),
    ({"particles": 3}, "particles= is for models that commit tokens, and DiffusionGemmaLM improves whole canvases"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_has_no_meaning_is_refused(network, options, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        gcd.generate(network, [5], regex="a", tokenizer=VOCABULARY, **options)
    assert str(caught.value) == message


def test_a_budget_that_is_too_small_and_a_model_in_training(network):
    with pytest.raises(BudgetTooSmall):
        gcd.generate(network, [5], regex="a{9}", tokenizer=VOCABULARY, max_new_tokens=8)
    network.train()
    with pytest.raises(ModelError) as caught:
        gcd.DiffusionGemmaLM(network)
    network.eval()
    assert str(caught.value) == (
        "DiffusionGemmaForBlockDiffusion is in training mode, where dropout changes its answers: "
        "call model.eval() first"
    )


def test_caches_of_a_fixed_size_and_compiled_steps_are_refused(network, monkeypatch):
    steps, whole = copy(network), copy(network)
    steps.forward = torch.compile(network.forward, backend="eager")
    whole.compile(backend="eager")
    for compiled in (torch.compile(network, backend="eager"), steps, whole):
        with pytest.raises(ModelError, match="DiffusionGemmaForBlockDiffusion is compiled, and would be compiled anew"):
            gcd.DiffusionGemmaLM(compiled)
    monkeypatch.setattr(network.generation_config, "cache_implementation", "static")
    with pytest.raises(ModelError, match="asks for a 'static' cache, and canvases are read into one that grows: set"):
        gcd.DiffusionGemmaLM(network)
