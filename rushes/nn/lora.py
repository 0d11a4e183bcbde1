"""Low-rank adapters: small matrices that, added to a model's own, change what it does; one file each.

b... any batch axes, n columns of a matrix (what goes in), m rows (what comes out), r rank, w words, d width
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rushes import config as configs
from rushes.errors import InputError, WeightsError, nearest_first
from rushes.nn import weights

M = TypeVar("M", bound=nn.Module)
RECORD = "rushes"  # the key of the file's own metadata that holds the record as JSON
DOWN, UP, ROWS = "down", "up", "rows"
FAMILY = "transformer"  # whose adapters do not say of which family they are
PICKLED = (b"PK", b"\x80")  # how a pickle begins, in a zip of torch's or bare


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """`rank` 0 is no adapter; `alpha / rank` scales it; `targets` are patterns of names of linear layers.

    Source: LoRA (arXiv 2106.09685, section 4.1).
    """

    rank: int = 0
    alpha: float = 16.0
    targets: tuple[str, ...] = ("blocks.*.qkv", "blocks.*.text_kv", "blocks.*.out", "blocks.*.mlp.*")

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise InputError(f"rank {self.rank} is illegal; the nearest legal value is 0, which is no adapter")

    @property
    def scale(self) -> float:
        """Return what the product of the two matrices is multiplied by."""
        return self.alpha / self.rank if self.rank else 0.0


def difference(down: Tensor, up: Tensor, scale: float) -> Tensor:
    """Return what an adapter adds to a matrix: `scale up down`, `[m r] [r n] -> [m n]`."""
    return (up @ down) * scale


class _Adapted(torch.autograd.Function):
    """`x (W + s U D)^T + b`: forward with the sum, as after merging; backward without the gradients of W and b.

    Those are frozen: a third of a plain layer's work is saved.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frozen: tuple[Tensor, Tensor | None], down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        weight, bias = frozen
        summed = weight + difference(down, up, scale)
        ctx.save_for_backward(x, summed, down, up)
        ctx.scale = scale
        return F.linear(x, summed, bias)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        x, summed, down, up = ctx.saved_tensors
        slope, seen = slopes[0].flatten(0, -2), x.flatten(0, -2)
        narrow = (slope @ up) * ctx.scale
        back = slopes[0] @ summed if ctx.needs_input_grad[0] else None
        return back, None, narrow.T @ seen, slope.T @ (seen @ down.T) * ctx.scale, None


class LoraLinear(nn.Module):
    """A linear layer whose own matrix is frozen, with an adapter that begins at nothing; `[b... n] -> [b... m]`."""

    def __init__(self, plain: nn.Linear, config: LoraConfig) -> None:
        super().__init__()
        self.weight, self.bias, self.scale = plain.weight, plain.bias, config.scale
        drawn = torch.randn(config.rank, plain.in_features) / plain.in_features**0.5
        self.down = nn.Parameter(drawn.to(plain.weight))
        self.up = nn.Parameter(plain.weight.new_zeros(plain.out_features, config.rank))

    def forward(self, x: Tensor) -> Tensor:
        return _Adapted.apply(x, (self.weight, self.bias), self.down, self.up, self.scale)


class LoraEmbedding(nn.Module):
    """An embedding whose own rows are frozen, but for some that learn in their place; `[b...] -> [b... d]`."""

    ids: Tensor

    def __init__(self, plain: nn.Embedding, ids: Sequence[int]) -> None:
        super().__init__()
        self.weight = plain.weight
        self.register_buffer("ids", torch.tensor(ids))
        self.rows = nn.Parameter(plain.weight.detach()[list(ids)].clone())

    def forward(self, words: Tensor) -> Tensor:
        return F.embedding(words, self.weight.index_copy(0, self.ids, self.rows))


def attach(model: M, config: LoraConfig) -> M:
    """Freeze `model` and give each linear layer that a target names an adapter; the names of its own weights stay.

    Raises:
        InputError: a target that names no linear layer; the known ones are listed, nearest first.
    """
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    for target in config.targets:
        if not fnmatch.filter(linear, target):
            raise InputError(f"target {target!r} names no linear layer; known: {nearest_first(target, linear)}")
    model.requires_grad_(False)
    for name, module in linear.items():
        if any(fnmatch.fnmatchcase(name, target) for target in config.targets):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, LoraLinear(module, config))
    return model


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapter:
    """An adapter by itself: its matrices by name (`blocks.0.qkv.down`), and the SHA-256 of the weights it was made for.

    `model` is the family of those weights; `words` are those that it teaches, in the order of their `rows` `[w d]`.
    `sha256` is that of its file, empty before there is one.
    """

    config: LoraConfig
    base: str
    tensors: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    model: str = FAMILY
    words: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def rows(self) -> Tensor:
        """Return what its words mean, `[w d]`."""
        return next(tensor for name, tensor in self.tensors.items() if name.endswith(f".{ROWS}"))


def adapter_of(model: nn.Module, config: LoraConfig, *, base: str, facts: dict[str, Any] | None = None) -> Adapter:
    """Return the adapters of a model that `attach` gave some, as one."""
    tensors = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            for part, tensor in ((DOWN, module.down), (UP, module.up)):
                tensors[f"{name}.{part}"] = tensor.detach().float().cpu().clone()
        elif isinstance(module, LoraEmbedding):
            tensors[f"{name}.{ROWS}"] = module.rows.detach().float().cpu().clone()
    return Adapter(config=config, base=base, tensors=tensors, facts=facts or {})


def save(adapter: Adapter, path: Path) -> Path:
    """Write an adapter, whole or not at all: one .safetensors file, float32, its config in the file's own metadata."""
    record = {
        "family": "lora",
        "config": configs.to_dict(adapter.config),
        "base": adapter.base,
        "facts": adapter.facts,
        "model": adapter.model,
        "words": adapter.words,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    save_file(adapter.tensors, draft, metadata={RECORD: json.dumps(record, sort_keys=True)})
    draft.rename(path)
    return path


def read(path: Path) -> Adapter:
    """Read what `save` wrote.

    Raises:
        WeightsError: no such file, a damaged or pickled one, or one that is no adapter of ours.
    """
    if not path.is_file():
        raise WeightsError(f"there is no adapter {path}")
    try:
        with safe_open(path, "pt") as file:
            record = json.loads((file.metadata() or {}).get(RECORD, "{}"))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        with path.open("rb") as opened:
            if opened.read(2).startswith(PICKLED):
                said = "is a pickle, which can run any code when it is read"
                raise WeightsError(f"{path} {said}; only safetensors are read") from None
        raise WeightsError(f"{path} is damaged, or no safetensors file ({' '.join(str(error).split())})") from None
    if not isinstance(record, dict) or record.get("family") != "lora":
        raise WeightsError(f"{path} is no adapter that Rushes wrote")
    try:
        config: LoraConfig = configs.from_dict(LoraConfig, record["config"])
        adapter = Adapter(
            config=config,
            base=str(record["base"]),
            tensors=tensors,
            facts=record["facts"],
            model=str(record.get("model", FAMILY)),
            words=tuple(record.get("words", ())),
            sha256=weights.digest(path),
        )
    except (InputError, KeyError) as error:
        raise WeightsError(f"{path} is an adapter of another version: {error}") from None
    if bool(adapter.words) != any(name.endswith(f".{ROWS}") for name in tensors):
        raise WeightsError(f"{path} is damaged: it names words and has none, or has some and names none")
    return adapter


@torch.no_grad()
def merge(model: M, adapter: Adapter, strength: float = 1.0) -> M:
    """Add an adapter's matrices, times `strength`, to a model's own, in place.

    At strength 1 and in one dtype the model then computes, bit for bit, what the one that was trained computed.

    Raises:
        WeightsError: the model has no such layers, or others of their shape.
    """
    names = sorted({name.rpartition(".")[0] for name in adapter.tensors if not name.endswith(f".{ROWS}")})
    modules = dict(model.named_modules())
    pairs = []
    for name in names:
        down, up = (adapter.tensors.get(f"{name}.{part}") for part in (DOWN, UP))
        own = getattr(modules.get(name), "weight", None)
        if down is None or up is None or own is None or own.shape != (up.shape[0], down.shape[1]):
            raise WeightsError(f"the adapter's {name} does not fit these weights: it was made for others")
        pairs.append((own, down, up))
    if not pairs:
        raise WeightsError("the adapter is empty")
    for own, down, up in pairs:  # only now, so that a misfit changes nothing
        added = difference(down.to(own.device), up.to(own.device), adapter.config.scale)
        own.copy_(own + (added * strength if strength != 1.0 else added).to(own.dtype))
    return model
