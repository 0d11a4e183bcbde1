"""Eight-bit floating point, where an accelerator multiplies it: for films (weights and activations) and for training.

Sources: FP8 formats (arXiv 2209.05433); the products and their scales are torchao's.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import nn

from rushes.errors import InputError, RushesError

NAME = "float8"
FIRST = (8, 9)  # compute capability of the first GPUs that multiply it: Ada; then Hopper and Blackwell
MULTIPLE = 16  # of a matrix's rows and columns, as the products want them
NOISY = ("torchao", "torch.utils._pytree")  # they print on import what nobody can act upon


def is_there(place: torch.device) -> bool:
    """Return whether `place` multiplies eight-bit floats."""
    return place.type == "cuda" and torch.cuda.get_device_capability(place) >= FIRST


def require(place: torch.device) -> None:
    """Raise InputError unless `place` multiplies eight-bit floats."""
    if not is_there(place):
        has = f"a GPU of {'.'.join(map(str, torch.cuda.get_device_capability(place)))}" if place.type == "cuda" else ""
        needs = f"an NVIDIA GPU of compute capability {'.'.join(map(str, FIRST))} or later"
        raise InputError(f"{NAME} needs {needs}, and here is {has or f'a {place.type}'}; legal: bfloat16, float32")


def quantise(model: nn.Module) -> None:
    """Give a bfloat16 model's linear layers eight-bit weights; what they read is rounded as it comes, row by row."""
    library = _library("torchao.quantization")
    config = library.Float8DynamicActivationFloat8WeightConfig(granularity=library.PerRow())
    library.quantize_(model, config, filter_fn=_is_rounded)


def _is_rounded(module: nn.Module, name: str) -> bool:
    return fits(module) and module.weight.dtype == torch.bfloat16


def convert(model: nn.Module, *, is_emulated: bool = False) -> None:
    """Let a model's linear layers multiply eight-bit floats, forwards and backwards; their weights stay as they are.

    `is_emulated`: what would be computed, by any machine, and slowly.
    """
    library = _library("torchao.float8")
    config = library.Float8LinearConfig(emulate=is_emulated)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library.convert_to_float8_training(model, config=config, module_filter_fn=_learns)


def _learns(module: nn.Module, name: str) -> bool:
    """Return whether a layer may multiply eight-bit floats while it learns; an adapter's thin matrices may not."""
    return fits(module) and "lora_" not in name


def fits(module: nn.Module) -> bool:
    """Return whether a module is a linear layer whose matrix can be multiplied in eight bits."""
    return isinstance(module, nn.Linear) and not any(side % MULTIPLE for side in module.weight.shape)


def _library(name: str) -> Any:
    """Return a part of torchao, imported without its chatter. Raises: RushesError where it is not installed."""
    for each in NOISY:
        logging.getLogger(each).setLevel(logging.ERROR)
    try:
        if name == "torchao.float8":
            import torchao.float8 as library
        else:
            import torchao.quantization as library
    except ModuleNotFoundError as error:
        said = f"{error.name} is not installed; run: pip install -c constraints.txt -e '.[families]'"
        raise RushesError(said) from None
    return library
