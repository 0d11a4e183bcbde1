"""Where weights lie, and whether they are whole: nothing that is pickled, truncated or another's is ever loaded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rushes.errors import WeightsError
from rushes.models.open import Checkpoint
from rushes.models.open._catalogue import INDEX, class_name, read_json

PLACE = "RUSHES_MODELS"  # a folder of folders, each called like a model
BESIDE = ("*.json", "*.txt", "*.model", "*.jinja")  # what a repository holds beside its weights
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
SAMPLES, SAMPLE_BYTES = 16, 1 << 16
LONGEST_HEADER = 100_000_000  # as safetensors itself says


def locate(checkpoint: Checkpoint) -> Path:
    """Return the folder of a checkpoint: one under $RUSHES_MODELS, else Hugging Face's cache, else what is downloaded.

    Raises:
        WeightsError: none is here, and the hub does not answer or must not be asked (HF_HUB_OFFLINE).
    """
    return here(checkpoint) or fetched(checkpoint.repo)


def here(checkpoint: Checkpoint) -> Path | None:
    """Return the folder of a checkpoint on this machine, None where there is none; a part may still be missing."""
    names = (checkpoint.name, checkpoint.repo.rpartition("/")[2])
    kept = cache() / f"models--{checkpoint.repo.replace('/', '--')}" / "snapshots"
    folders = [*(place() / name for name in names if name), *(sorted(kept.glob("*")) if checkpoint.repo else ())]
    return next((folder for folder in folders if (folder / INDEX).is_file()), None)


def cache() -> Path:
    """Return the folder in which Hugging Face's library keeps what it downloads."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def locate_part(repo: str) -> Path:
    """Return the folder of a component that lies in a repository of its own. Raises: as `locate`."""
    folder = place() / repo.rpartition("/")[2]
    return folder if (folder / "config.json").is_file() else fetched(repo, "*.safetensors")


def place() -> Path:
    """Return the folder in which models lie: $RUSHES_MODELS, else `models` here."""
    return Path(os.environ.get(PLACE) or "models").expanduser()


def fetched(repo: str, pattern: str = "*/*.safetensors") -> Path:
    """Return the folder of a repository in Hugging Face's cache, downloaded if need be.

    Weights outside of folders are the same ones again, for other programs: they are left where they are.

    Raises:
        WeightsError: the hub does not answer, refuses, or must not be asked.
    """
    import httpx
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    kept = Path(constants.HF_HUB_CACHE)
    said = f"the weights of {repo} are neither in ${PLACE} nor in {kept}"
    try:
        return Path(snapshot_download(repo, allow_patterns=[pattern, *BESIDE], ignore_patterns=["*.fp16.*"]))
    except HfHubHTTPError as error:
        raise WeightsError(f"{said}, and the hub refuses them: {str(error).splitlines()[0]}") from None
    except (LocalEntryNotFoundError, HFValidationError, httpx.HTTPError, OSError) as error:
        cause = "the hub must not be asked (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else "the hub does not answer"
        raise WeightsError(f"{said}, and {cause} ({type(error).__name__})") from None


def check(folder: Path, wanted: Iterable[str]) -> dict[str, str]:
    """Return a fingerprint of each component in a folder; all is whole and safe to read.

    `wanted` are the classes of pipelines that the folder may hold.

    Raises:
        WeightsError: missing, truncated or pickled weights, or another family's.
    """
    named, legal = class_name(folder), tuple(wanted)
    if named not in legal:
        raise WeightsError(f"{folder} holds a {named}, not a {' or '.join(legal)}")
    return {name: fingerprint(weight_files(folder / name)) for name in component_names(folder)}


def component_names(folder: Path) -> list[str]:
    """Return the names of the components of a pipeline that have weights. Raises: WeightsError."""
    says = read_json(folder / INDEX)
    named = {name: value for name, value in says.items() if isinstance(value, list) and value[0] is not None}
    return sorted(name for name, value in named.items() if _has_weights(value[1]))


def weight_files(folder: Path) -> list[Path]:
    """Return a component's weights files, all of them whole. Raises: WeightsError."""
    files = sorted(path for path in folder.glob("*.safetensors") if ".fp16." not in path.name)
    for index in folder.glob("*.safetensors.index.json"):
        listed = read_json(index).get("weight_map", {}).values()
        missing = sorted({name for name in listed if not (folder / name).is_file()})
        if missing:
            raise WeightsError(f"{folder / missing[0]} is missing; {index.name} names it")
    if not files:
        pickled = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLED)
        if pickled:
            said = "a pickle, which can run any code when it is read"
            raise WeightsError(f"{folder / pickled[0]} is {said}; only safetensors are read")
        raise WeightsError(f"there are no weights in {folder}")
    for path in files:
        header(path)
    return files


def header(path: Path) -> dict[str, Any]:
    """Return what a safetensors file says it holds: name -> dtype and shape. Raises: WeightsError for a cut-off one."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= LONGEST_HEADER:
                raise ValueError("its header has no length")
            says = json.loads(file.read(length))
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged, or no safetensors file ({error})") from None
    says.pop("__metadata__", None)
    whole = 8 + length + max((entry["data_offsets"][1] for entry in says.values()), default=0)
    if size != whole:
        raise WeightsError(f"{path} is truncated: it has {size:,} of {whole:,} bytes")
    return says


def fingerprint(files: Iterable[Path]) -> str:
    """Return a SHA-256 over names, sizes and headers of files and pieces spread over them, in hexadecimal.

    Reading 60 GB to name a film's weights would take minutes; a megabyte of each file tells weights apart as well.
    """
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.name} {path.stat().st_size}\n".encode())
        for piece in _pieces(path):
            found.update(piece)
    return found.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        for number in range(SAMPLES):
            file.seek(max(0, size - SAMPLE_BYTES) * number // (SAMPLES - 1))
            yield file.read(SAMPLE_BYTES)


def _has_weights(class_of: str | None) -> bool:
    """Return whether a component of this class has weights: tokenizers, schedulers and the like have none."""
    without = ("Tokenizer", "Scheduler", "Processor", "Extractor", "Guidance")
    return class_of is not None and not any(word in class_of for word in without)
