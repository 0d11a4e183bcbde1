"""Adapters of open-weight models: read and added, trained by peft, and written as one file that diffusers reads too."""

from __future__ import annotations

import fnmatch
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rushes import config as configs
from rushes.errors import InputError, WeightsError, nearest_first
from rushes.media.encode import replacing
from rushes.models.open import Adaptation, Checkpoint
from rushes.models.open import _files as files
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig

FAMILY = "open_lora"  # what the record in a file of ours says of it
NAME = "taught"
TEMPORAL = "*motion_modules*"  # layers that see the same place at other times, and nothing in a still
ATTENTION = ("*.to_q", "*.to_k", "*.to_v", "*.to_out.0")


class Taught(nn.Module):
    """The weights of a denoiser that learn, by themselves: the others stay where they are and are never copied."""

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        for name, parameter in denoiser.named_parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
                self.register_parameter(name.replace(".", "/"), parameter)

    def into(self, denoiser: nn.Module) -> None:
        """Let a denoiser compute with these very weights, and leave its gradients in them."""
        for name, parameter in self.named_parameters():
            where, _, last = name.replace("/", ".").rpartition(".")
            setattr(denoiser.get_submodule(where), last, parameter)


def attach(denoiser: Any, config: LoraConfig, *, only_stills: bool) -> None:
    """Freeze a denoiser and give each linear layer that a target names an adapter that changes nothing yet.

    Layers that look along time learn from films alone.

    Raises:
        InputError: a target that names no linear layer; the known ones are listed, nearest first.
    """
    import peft

    linear = [name for name, module in denoiser.named_modules() if isinstance(module, nn.Linear)]
    for target in config.targets:
        if not fnmatch.filter(linear, target):
            raise InputError(f"target {target!r} names no linear layer; known: {nearest_first(target, linear)}")
    named = {name for target in config.targets for name in fnmatch.filter(linear, target)}
    named -= set(fnmatch.filter(linear, TEMPORAL)) if only_stills else set()
    denoiser.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scale: Any = config.alpha  # peft divides it by the rank, whatever it is
        chosen = peft.LoraConfig(r=config.rank, lora_alpha=scale, target_modules=sorted(named))
        denoiser.add_adapter(chosen, adapter_name=NAME)


def save(taught: Taught, path: Path, config: LoraConfig, *, denoiser: str, base: str, facts: dict[str, Any]) -> Path:
    """Write an adapter, whole or not at all, in peft's names, whose scale is in its numbers; return its path.

    `denoiser` is the component that it belongs to, `base` that one's fingerprint. Any program that knows diffusers'
    format reads it; the record in the file's own metadata is ours.
    """
    tensors = {}
    for name, tensor in taught.named_parameters():
        key = f"{denoiser}.{name.replace('/', '.').replace(f'.{NAME}.', '.')}"
        scale = config.scale if ".lora_B." in key else 1.0
        tensors[key] = (tensor.detach().float().cpu() * scale).contiguous()
    record = {"family": FAMILY, "base": base, "config": configs.to_dict(config), "facts": facts}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as draft:
        save_file(tensors, draft, metadata={lora.RECORD: json.dumps(record, sort_keys=True)})
    return path


def adapt(pipe: Any, checkpoint: Checkpoint, adapters: tuple[Adaptation, ...], hashes: dict[str, str]) -> str:
    """Add adapters to a pipeline, one beside the other; return what a film's file says of them.

    `hashes` are the fingerprints of the pipeline's components.

    Raises:
        InputError: the family takes none.
        WeightsError: no such file, a damaged or pickled one, or one that was made for another base.
    """
    if not checkpoint.has_lora:
        raise InputError(f"{checkpoint.name} takes no adapters")
    names = []
    for number, each in enumerate(adapters):
        said = f"{each.path} was made for another base than {checkpoint.name}"
        tensors = _read(each.path, hashes[checkpoint.denoiser], said)
        names.append(f"adapter_{number}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _load(pipe, checkpoint, dict(tensors), names[-1])
            except (ValueError, KeyError, RuntimeError, TypeError, IndexError, AttributeError) as error:
                raise WeightsError(f"{said}: {next(iter(str(error).splitlines()), '')}"[:300]) from None
        wanted, added = _num_pairs(tensors), _num_added(pipe, names[-1])
        if added < wanted:
            raise WeightsError(f"{said}: {wanted - added} of its {wanted} layers are not there")
    _choose(pipe, checkpoint, names, [each.scale for each in adapters])
    return ",".join(f"{weights.digest(each.path)}:{each.scale:g}" for each in adapters)


def _load(pipe: Any, checkpoint: Checkpoint, tensors: dict[str, Tensor], name: str) -> None:
    """Add one adapter; of HunyuanVideo-1.5 the denoiser alone knows how."""
    if hasattr(pipe, "load_lora_weights"):
        pipe.load_lora_weights(tensors, adapter_name=name)
    else:
        pipe.components[checkpoint.denoiser].load_lora_adapter(tensors, prefix=checkpoint.denoiser, adapter_name=name)


def _choose(pipe: Any, checkpoint: Checkpoint, names: list[str], scales: list[float]) -> None:
    """Let adapters work together, each by its scale."""
    holder = pipe if hasattr(pipe, "load_lora_weights") else pipe.components[checkpoint.denoiser]
    holder.set_adapters(names, scales)


def _read(path: Path, base: str, said: str) -> dict[str, Tensor]:
    """Return the tensors of an adapter that may be for `base`."""
    if not path.is_file():
        raise WeightsError(f"there is no adapter {path}")
    if path.suffix in files.PICKLED:
        raise WeightsError(f"{path} is a pickle, which can run any code when it is read; only safetensors are read")
    files.header(path)
    with safe_open(path, "pt") as opened:
        record = json.loads((opened.metadata() or {}).get(lora.RECORD, "{}"))
    if record and record.get("family") != FAMILY:
        raise WeightsError(f"{path} was made for Rushes' own film model, not for an open-weight one")
    if record and record["base"] != base:
        raise WeightsError(f"{said}: its base is {str(record['base'])[:12]}…, these weights are {base[:12]}…")
    tensors = load_file(path)
    if not _num_pairs(tensors):
        raise WeightsError(f"{path} is no adapter: it holds no pair of low-rank matrices")
    return tensors


def _num_pairs(tensors: dict[str, Tensor]) -> int:
    return sum(".lora_A." in name or "lora_down" in name or ".lora.down" in name for name in tensors)


def _num_added(pipe: Any, adapter: str) -> int:
    """Return how many layers of a pipeline's models have got an adapter."""
    models = [model for model in pipe.components.values() if isinstance(model, torch.nn.Module)]
    names = (name for model in models for name, _ in model.named_modules())
    return sum(name.endswith(f"lora_A.{adapter}") for name in names)
