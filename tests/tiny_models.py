"""Tiny transformers models with random weights, one for each kind of cache; nothing is downloaded."""

from __future__ import annotations

from typing import Any

import torch
import transformers

# threads gain nothing on matrices of this size, and on a busy machine they mostly wait for one another
torch.set_num_threads(1)

SIZES: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip

CONFIGS: dict[str, Any] = {
    "llama": lambda: transformers.LlamaConfig(**SIZES),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=128, bos_token_id=1, eos_token_id=2
    ),
    "bloom": lambda: transformers.BloomConfig(
        vocab_size=64, hidden_size=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2
    ),
    "mistral": lambda: transformers.MistralConfig(**SIZES, sliding_window=5),
    "gemma3": lambda: transformers.Gemma3TextConfig(**SIZES, head_dim=8, sliding_window=5),
    "mamba": lambda: transformers.MambaConfig(
        vocab_size=64, hidden_size=32, state_size=4, num_hidden_layers=2, bos_token_id=1, eos_token_id=2
    ),
    "lfm2": lambda: transformers.Lfm2Config(**SIZES, layer_types=["conv", "full_attention"]),
}
"""Name -> config: full attention, absolute positions, ALiBi, sliding windows, recurrent, recurrent and attention."""


def tiny_model(name: str, **changes: Any) -> Any:
    """A model of that kind with seeded random weights, large enough to make its distribution uneven."""
    config = CONFIGS[name]()
    for attribute, value in changes.items():
        setattr(config, attribute, value)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return model


TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def byte_tokenizer() -> Any:
    """A fast tokenizer of single bytes with <bos> 256, <eos> 257, <end> 258 and a chat template; it adds BOS itself."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    letters = set(pre_tokenizers.ByteLevel.alphabet())
    # byte i has id i: the alphabet is a permutation of code points, in the order that GPT-2 gives it
    spelled = {chr(i): i for i in range(256) if chr(i) in letters}
    others = sorted(letters - set(spelled))
    missing = [i for i in range(256) if i not in spelled.values()]
    tokenizer = Tokenizer(models.BPE(vocab={**spelled, **dict(zip(others, missing, strict=True))}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ("<bos>", "<eos>", "<end>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 256)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", chat_template=TEMPLATE
    )


def tiny_byte_model(name: str = "llama", width: int = 300) -> Any:
    """A tiny model whose vocabulary is that of `byte_tokenizer`, padded to `width`; it ends texts by 257 and 258."""
    model = tiny_model(name, vocab_size=width, pad_token_id=0)
    model.generation_config.eos_token_id = [257, 258]
    # checkpoints carry knobs like these; they must not matter
    model.generation_config.update(temperature=0.01, top_k=1, top_p=0.1, do_sample=True)
    return model
