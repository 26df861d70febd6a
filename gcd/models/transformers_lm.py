"""TransformersLM: a transformers causal language model and its tokenizer behind the model protocol.

Sampling knobs of the checkpoint's generation_config (temperature, top_p, ...) are ignored: what `generate` is told is
what happens. All of its EOS ids count. Models that are not causal language models of text are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from gcd.errors import ModelError, PromptError, UnsupportedModel
from gcd.models.kv_session import forward_parameters, open_kv_session
from gcd.models.kv_tree import AnewTree, KVTree, keeps_all
from gcd.models.protocols import Session, StatelessSession, TreeSession

__all__ = ["TransformersLM", "check_causal"]

OTHER_INPUTS = {"vision_config": "images", "audio_config": "sound", "speech_config": "sound"}
"""Attribute of a config -> what a model with that attribute reads beside text."""


class TransformersLM:
    """A LanguageModel over `model` (any causal LM of transformers, on any device) with KV-cached sessions.

    `tokenizer` encodes prompts and knows the bytes of the tokens; it may be left out when prompts are token ids and the
    constraint is compiled already. Raises UnsupportedModel for a model of another kind.
    """

    needs_prompt = True

    def __init__(self, model: Any, tokenizer: Any = None) -> None:
        check_causal(model)
        self.model, self.tokenizer = model, tokenizer
        text_config = model.config.get_text_config()
        head = model.get_output_embeddings()
        # weights of a quantised head are packed, so that only out_features tells its width
        self.vocab_size = int(getattr(head, "out_features", text_config.vocab_size))
        generation_config = getattr(model, "generation_config", None)
        self.eos_token_ids = _ids(
            getattr(generation_config, "eos_token_id", None), getattr(tokenizer, "eos_token_id", None)
        ) or _ids(text_config.eos_token_id)
        bos = _ids(
            getattr(tokenizer, "bos_token_id", None),
            getattr(generation_config, "bos_token_id", None),
            text_config.bos_token_id,
        )
        self.bos_token_id = bos[0] if bos else None
        self.context_length: int | None = getattr(text_config, "max_position_embeddings", None)

    def __repr__(self) -> str:
        return f"TransformersLM({type(self.model).__name__}, {self.model.config.name_or_path!r}, {self.model.device})"

    @torch.no_grad()
    def next_logits(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits after each sequence, all read anew; padded on the right, where a causal model does not look."""
        self._check_ready()
        if not all(sequences):
            raise PromptError(f"{type(self.model).__name__} cannot start from an empty sequence: it needs one token")
        device, width = self.model.device, max(map(len, sequences))
        ids = torch.tensor([[*s, *[0] * (width - len(s))] for s in sequences], device=device)
        lengths = torch.tensor([len(s) for s in sequences], device=device)
        kwargs: dict[str, Any] = {"attention_mask": torch.arange(width, device=device) < lengths.unsqueeze(1)}
        columns = lengths - 1
        if "logits_to_keep" in forward_parameters(self.model):
            kwargs["logits_to_keep"], columns = torch.unique(columns, return_inverse=True)
        kwargs["attention_mask"] = kwargs["attention_mask"].long()
        logits: torch.Tensor = self.model(ids, use_cache=False, **kwargs).logits
        return logits[torch.arange(len(sequences), device=logits.device), columns.to(logits.device)]

    def open_session(self, prompts: Sequence[Sequence[int]]) -> Session:
        """A session over the prompts, with the model's own cache where it has one."""
        self._check_ready()
        return open_kv_session(self.model, prompts) or StatelessSession(self, prompts)

    def open_tree(self, prompt: Sequence[int]) -> TreeSession:
        """A tree session over a prompt, with the model's own cache where that keeps every token."""
        self._check_ready()
        return KVTree(self.model, prompt) if keeps_all(self.model) else AnewTree(self, prompt, counts_all=True)

    def _check_ready(self) -> None:
        if self.model.training:
            raise ModelError(
                f"{type(self.model).__name__} is in training mode, where dropout changes its answers: "
                "call model.eval() first"
            )


def check_causal(model: Any) -> None:
    """Raise UnsupportedModel unless `model` is a causal language model of text alone."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    name, config = type(model).__name__, model.config
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedModel(
            f"{name} is an encoder-decoder model: only decoder-only (causal) language models are supported"
        )
    for attribute, inputs in OTHER_INPUTS.items():
        if getattr(config, attribute, None) is not None:
            raise UnsupportedModel(
                f"{name} reads {inputs} as well as text (its config has a {attribute}): only causal language models of "
                "text are supported"
            )
    if not model.can_generate():
        raise UnsupportedModel(
            f"{name} does not generate text: load the checkpoint with transformers.AutoModelForCausalLM"
        )
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        raise UnsupportedModel(
            f"{name} is a masked language model, which looks ahead (model type {config.model_type!r}, without "
            "is_decoder): only causal language models are supported"
        )


def _ids(*values: int | Iterable[int] | None) -> tuple[int, ...]:
    """Ids as configs hold them (none, one, several) -> distinct ids in order."""
    found: list[int] = []
    for value in values:
        if value is not None:
            found += [value] if isinstance(value, int) else list(value)
    return tuple(dict.fromkeys(found))
