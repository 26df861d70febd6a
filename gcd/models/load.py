"""A name, a folder, a GGUF file or a model object -> LanguageModel, loaded once."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from gcd.errors import ModelError, UnknownModel, UnsupportedModel
from gcd.models.demo import find_smollm2
from gcd.models.gguf_file import gguf_read_once
from gcd.models.protocols import is_diffusion

if TYPE_CHECKING:
    from gcd.models.masked_diffusion import MaskedDiffusionLM
    from gcd.models.protocols import LanguageModel
    from gcd.models.transformers_lm import TransformersLM

__all__ = ["as_model", "load"]

EMBEDDED: dict[str, Callable[[], Path]] = {"smollm2": find_smollm2}
"""Names that stand for a file of an installed package."""
DEMO_DIFFUSION = "demo-diffusion"
"""The embedded diffusion model, whose weights are in this package."""

_loaded: dict[tuple[str, str, str], TransformersLM | MaskedDiffusionLM] = {}
_lock = threading.Lock()


@overload
def load(  # type: ignore[overload-overlap]  # a literal is a str as well
    name: Literal["demo-diffusion"], *, dtype: str = ..., device: str | None = ..., progress: bool = ...
) -> MaskedDiffusionLM: ...
@overload
def load(name: str | Path, *, dtype: str = ..., device: str | None = ..., progress: bool = ...) -> TransformersLM: ...
def load(
    name: str | Path, *, dtype: str = "auto", device: str | None = None, progress: bool = False
) -> TransformersLM | MaskedDiffusionLM:
    """The model of that name with its tokenizer, loaded once for each (name, dtype, device) and kept.

    `name`: "smollm2" or "demo-diffusion" (the embedded models), a local folder, a local .gguf file, or a name on the
    Hugging Face hub.
    `dtype`: "auto" is the checkpoint's own, else "float32", "bfloat16", "float16". `device`: None is "cuda" where there
    is one, else "cpu". `progress` lets transformers draw its bars.

    >>> gcd.load("smollm2")
    TransformersLM(LlamaForCausalLM, 'smollm2', cpu)

    Raises UnknownModel, UnsupportedModel, and ModelError when transformers is not installed.
    """
    for package in ("torch", "transformers") if name != DEMO_DIFFUSION else ("torch",):
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"models need {package}: pip install 'gcd-decoding[transformers]'")
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.device(device)
    except RuntimeError:
        raise ModelError(f"device={device!r} is no device of torch: say 'cpu', 'cuda' or 'cuda:1', 'mps'") from None
    if dtype != "auto" and not isinstance(getattr(torch, dtype, None), torch.dtype):
        raise ModelError(f"dtype={dtype!r} is no type of torch: say 'auto', 'float32', 'bfloat16' or 'float16'")
    key = (str(name), dtype, device)
    with _lock:
        if key not in _loaded:
            if name == DEMO_DIFFUSION:
                from gcd.models.demo_diffusion.load import load_demo_diffusion

                _loaded[key] = load_demo_diffusion(device)
            else:
                _loaded[key] = _load(str(name), dtype, device, progress)
        return _loaded[key]


def as_model(model: object, tokenizer: object = None) -> LanguageModel:
    """Whatever a user calls a model, as a LanguageModel: a name, a Path, a transformers model, or one already.

    Raises ModelError for anything else, and for a transformers model that comes without `tokenizer`.
    """
    if isinstance(model, str | Path):
        loaded: Any = load(model)
        if tokenizer is None or model == DEMO_DIFFUSION:
            return cast("LanguageModel", loaded)
        model = loaded.model
    if hasattr(model, "next_logits") or is_diffusion(model):
        return cast("LanguageModel", model)
    if hasattr(model, "config") and hasattr(model, "forward"):
        from gcd.models.diffusion_gemma import DiffusionGemmaLM
        from gcd.models.transformers_lm import TransformersLM

        if tokenizer is None:
            name = getattr(model.config, "name_or_path", "") or "..."
            raise ModelError(
                f"a transformers model needs its tokenizer: pass tokenizer=AutoTokenizer.from_pretrained({name!r})"
            )
        if type(model).__name__ == "DiffusionGemmaForBlockDiffusion":
            return cast("LanguageModel", DiffusionGemmaLM(model, tokenizer))
        return TransformersLM(model, tokenizer)
    raise ModelError(
        f"{type(model).__name__} is no model: give a transformers model with tokenizer=, a name or Path for gcd.load, "
        "or an object with vocab_size, eos_token_ids and next_logits(sequences), or mask_token_id and model(token_ids)"
    )


def _load(name: str, dtype: str, device: str, progress: bool) -> TransformersLM:
    """Read a checkpoint; everything that is wrong with its name becomes UnknownModel."""
    from gcd.models.transformers_lm import TransformersLM

    transformers: Any = importlib.import_module("transformers")
    source, options = _place(name)
    with _quiet(not progress), gguf_read_once() if "gguf_file" in options else nullcontext():
        try:
            config = transformers.AutoConfig.from_pretrained(source, **options)
        except (OSError, ValueError, KeyError) as error:
            raise UnknownModel(_unknown(name, error)) from error
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(source, config=config, dtype=dtype, **options)
        except OSError as error:
            raise UnknownModel(_unknown(name, error)) from error
        except ValueError as error:
            if "Unrecognized configuration class" not in str(error):
                raise
            raise UnsupportedModel(
                f"{name!r} is no causal language model: transformers knows no causal model of type "
                f"{config.model_type!r}"
            ) from error
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
            if len(tokenizer) <= len(tokenizer.all_special_ids):
                raise ValueError("it found no tokens")  # transformers makes an empty tokenizer where files are missing
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{name!r} has a model and no tokenizer that transformers can read: load both yourself and pass "
                f"model=, tokenizer= ({_first_line(error)})"
            ) from error
    if "gguf_file" in options:
        _mend_end(tokenizer, config)
    model.config.name_or_path = name
    return TransformersLM(model.to(device).eval(), tokenizer)


def _place(name: str) -> tuple[str, dict[str, Any]]:
    """A name -> what `from_pretrained` takes: where, and the GGUF file there if it is one."""
    path = EMBEDDED[name]() if name in EMBEDDED else Path(name)
    if path.suffix == ".gguf" and path.is_file():
        for package in ("gguf", "accelerate"):
            if importlib.util.find_spec(package) is None:
                raise ModelError(f"GGUF files need {package}: pip install 'gcd-decoding[demo]'")
        return str(path.parent), {"gguf_file": path.name}
    return name, {}


def _mend_end(tokenizer: Any, config: Any) -> None:
    """Give the tokenizer of a GGUF file the EOS of the file, which its config has.

    transformers 5.16 takes the BOS token for it: SmolLM2 could end a text by <|im_start|>.
    """
    if isinstance(config.eos_token_id, int) and tokenizer.eos_token_id != config.eos_token_id:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(config.eos_token_id)


def _unknown(name: str, error: Exception) -> str:
    return (
        f"no model {name!r}: it is none of the embedded ones ({', '.join(sorted([*EMBEDDED, DEMO_DIFFUSION]))}), no "
        "local folder or .gguf file with a model in it, and transformers did not find it on the Hugging Face hub: "
        f"{_first_line(error)}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    """Without the progress bars of transformers and of its GGUF reader, which uses tqdm directly."""
    if not wanted:
        yield
        return
    gguf_reader: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    logging: Any = importlib.import_module("transformers.utils.logging")

    shown = logging.is_progress_bar_enabled()
    bar = gguf_reader.tqdm
    logging.disable_progress_bar()
    gguf_reader.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        gguf_reader.tqdm = bar
        if shown:
            logging.enable_progress_bar()
