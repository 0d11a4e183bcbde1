"""A teacher in this very process: a vision-language model of `transformers`, its weights in a folder."""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from rushes.data.captioning.looking import unpack
from rushes.errors import InputError, RushesError
from rushes.models.open import _files as files
from rushes.nn import machine

NOISY = ("torchao", "torch.utils._pytree")  # they print on import what nobody who captions can act upon
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def fingerprint(model: str) -> str:
    """Return a SHA-256 of what shapes a model's answers: its weights, its words, how it is asked.

    Raises:
        InputError: neither a folder nor a repository.
        WeightsError: missing, truncated or pickled weights.
    """
    folder = _folder(model)
    beside = sorted({path for pattern in files.BESIDE for path in folder.glob(pattern)})
    return files.fingerprint([*files.weight_files(folder), *beside])


def open_model(model: str, prompt: str, *, tokens: int, timeout_s: float) -> Callable[[Sequence[bytes]], str]:
    """Return the function that shows JPEG pictures to a model, then `prompt`, and returns its words.

    Raises:
        InputError: `transformers` is not installed, or the folder holds no model that can be asked about pictures.
        WeightsError: as `fingerprint`.
    """
    library, folder, place = _library(), _folder(model), machine.device()
    files.weight_files(folder)
    dtype = machine.dtype(machine.AUTO, place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        processor, network = _read(library, folder, dtype)
    network = network.to(place).eval()

    def ask(jpegs: Sequence[bytes]) -> str:
        shown = [{"type": "image", "image": Image.fromarray(unpack(jpeg))} for jpeg in jpegs]
        chat = [{"role": "user", "content": [*shown, {"type": "text", "text": prompt}]}]
        began = time.monotonic()
        try:
            told = processor.apply_chat_template(
                chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            ).to(place, dtype)
            ids = network.generate(**told, max_new_tokens=tokens, max_time=timeout_s, do_sample=False)
        except Exception as error:  # a model is anybody's; what it raises fails this clip alone
            raise RushesError(f"{model} cannot answer ({_said(error)})") from None
        if time.monotonic() - began > timeout_s:
            raise RushesError(f"the teacher's answer is not complete after {timeout_s:g} s")
        return str(processor.decode(ids[0, told["input_ids"].shape[1] :], skip_special_tokens=True))

    return ask


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if not _REPOSITORY.fullmatch(model):
        raise InputError(f"there is no folder {model}; legal: a folder with weights, or OWNER/NAME on the hub")
    return files.locate_part(model)


def _library() -> Any:
    """Return transformers, imported without its chatter."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        import transformers
    except ModuleNotFoundError as error:
        said = f"{error.name}, which is not installed: pip install -c constraints.txt -e '.[families]'"
        raise InputError(f"this teacher needs {said}") from None
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _read(library: Any, folder: Path, dtype: Any) -> tuple[Any, Any]:
    """Return the processor and the network in a folder; code that lies beside them is never run."""
    here = {"local_files_only": True, "trust_remote_code": False}
    try:
        processor = library.AutoProcessor.from_pretrained(folder, **here)
        network, loaded = library.AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **here
        )
    except ImportError as error:  # those that also read films want more libraries than they need for pictures
        if "torchvision" in str(error).lower():
            said = "also reads films and needs torchvision; install the one that was built for your torch"
            raise InputError(f"the model in {folder} {said}: pip install torchvision") from None
        raise InputError(f"the model in {folder} needs what is not installed: {_said(error)}") from None
    except Exception as error:  # whatever the files of a folder make the library raise
        raise InputError(f"{folder} holds no vision-language model of transformers ({_said(error)})") from None
    if missing := sorted(loaded["missing_keys"]):
        raise InputError(f"{folder} lacks {len(missing)} of its model's weights, {missing[0]} among them")
    if not hasattr(processor, "image_processor") or not processor.chat_template:
        raise InputError(
            f"the model in {folder} cannot be asked about pictures: it has no image processor or chat template"
        )
    return processor, network


def _said(error: Exception) -> str:
    """Return the first sentence of an error; what follows is the library's advice to its own users."""
    first = " ".join(str(error).split()).partition(". ")[0] or type(error).__name__
    return first if len(first) <= 160 else f"{first[:160]}…"
