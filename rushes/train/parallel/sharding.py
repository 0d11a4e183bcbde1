"""A film model's weights, gradients and optimizer state in parts, one on each process (FSDP2, HSDP).

Source: PyTorch FSDP (arXiv 2304.11277); Muon under sharding, each matrix whole on one process: Muon is scalable for
LLM training (arXiv 2502.16982, section 2.3).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed._composable import checkpoint as recompute
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from rushes.errors import InputError
from rushes.models.transformer import Transformer
from rushes.nn import sequence
from rushes.train.optimizer import Optimizer, OptimizerConfig, orthogonalise
from rushes.train.parallel.world import World


def own(tensor: Any) -> Any:
    """Return the part of `tensor` that lies here: all of it, unless it is sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def is_sharded(model: nn.Module) -> bool:
    """Whether a model is worth sharding; the others are small, and every process holds them whole."""
    return isinstance(model, Transformer)


class Layout:
    """Where a film model's parts lie: `world.config.copies` copies of it, each over the processes of one row."""

    def __init__(self, world: World, place: torch.device) -> None:
        self.world, copies = world, world.config.copies
        self.size = world.size // copies
        self.mesh = init_device_mesh(place.type, (copies, self.size), mesh_dim_names=("copies", "parts"))
        self.parts: DeviceMesh = self.mesh["parts"]
        self.shared: dist.ProcessGroup | None = None
        if world.config.sequence > 1:
            shape = (world.size // world.config.sequence, world.config.sequence)
            films = init_device_mesh(place.type, shape, mesh_dim_names=("films", "tokens"))
            self.shared = films["tokens"].get_group()

    def spread(self, model: nn.Module) -> None:
        """Shard `model` in place: block by block, each gathered when it computes."""
        assert isinstance(model, Transformer)
        # A scalar cannot be sharded; each process holds these, and their gradients are averaged by hand.
        scalars = {parameter for parameter in model.parameters() if parameter.ndim == 0}
        mesh = self.mesh if self.world.config.copies > 1 else self.parts
        options: dict[str, Any] = {"mesh": mesh, "ignored_params": scalars}
        options["mp_policy"] = MixedPrecisionPolicy(reduce_dtype=torch.float32)
        for block in model.blocks:
            if self.world.config.recompute:
                recompute(block)
            fully_shard(block, **options)
            register_fsdp_forward_method(block, "text")
        if self.shared is not None:
            sequence.spread(model.blocks, model.config.heads, self.shared, self.world.config.attention)
        fully_shard(model, **options)
        register_fsdp_forward_method(model, "read")


@contextmanager
def quiet() -> Iterator[None]:
    """Compute without FSDP's advice on views, which no block of ours changes in place."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
        yield


class ShardedOptimizer(Optimizer):
    """The optimizer, each process stepping its own parts; only Muon's matrices are brought together."""

    def __init__(self, model: nn.Module, config: OptimizerConfig, layout: Layout) -> None:
        self.layout = layout
        self.wholes = {name: p for name, p in model.named_parameters() if p.requires_grad}
        super().__init__(model, config)

    def _parameters(self, model: nn.Module) -> dict[str, nn.Parameter]:
        # A parameter of its own, over the same memory: what follows is plain arithmetic on plain tensors.
        return {name: nn.Parameter(own(p.detach())) for name, p in self.wholes.items()}

    def _is_whole(self, name: str) -> bool:
        return not isinstance(self.wholes[name], DTensor)

    def _clip(self) -> Tensor:
        """Take the gradients, scale them to the norm that is allowed, and return the whole model's before that."""
        gradients: dict[bool, list[Tensor]] = {True: [], False: []}
        for name, whole in self.wholes.items():
            if whole.grad is not None:
                gradient = own(whole.grad)
                self.named[name].grad, whole.grad = gradient, None
                gradients[self._is_whole(name)].append(gradient)
        if gradients[True]:  # scalars all
            together = self.layout.world.mean(torch.stack(gradients[True]))
            torch._foreach_copy_(gradients[True], list(together.unbind()))
        square = _square(gradients[False])
        dist.all_reduce(square, group=self.layout.parts.get_group())
        norm = (square + _square(gradients[True])).sqrt()
        torch._foreach_mul_(gradients[True] + gradients[False], (self.config.clip / (norm + 1e-6)).clamp(max=1.0))
        return norm

    def _orthogonal(self, ahead: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`ahead [s r n]` are this process's rows of s matrices; each is made whole on one process, and cut again."""
        size, group = self.layout.size, self.layout.parts.get_group()
        num, rows, width = ahead.shape
        most, each = -(-shape[0] // size), -(-num // size)  # rows of a part, matrices of a process
        sent = ahead.new_zeros(size * each, most, width)
        sent[:num, :rows] = ahead
        got = _exchange(sent, group).view(size, each, most, width)
        whole = got.transpose(0, 1).reshape(each, size * most, width)
        whole[:, : shape[0]] = orthogonalise(whole[:, : shape[0]])
        back = whole.view(each, size, most, width).transpose(0, 1).reshape(size * each, most, width)
        return _exchange(back, group)[:num, :rows]

    def state(self) -> dict[str, Tensor]:
        """Return every tensor of the state by name, as parts of whole ones."""
        return {key: self._as_part(key, tensor) for key, tensor in super().state().items()}

    def _as_part(self, key: str, tensor: Tensor) -> Tensor:
        kind, _, name = key.partition(".")  # momentum.NAME, average.NAME, adam.WHAT.NAME
        name = name.partition(".")[2] if kind == "adam" else name
        whole = self.wholes[name]
        if tensor.shape != self.named[name].shape or not isinstance(whole, DTensor):
            return tensor
        return _part_like(whole, tensor)

    def expect(self, keys: Iterable[str]) -> None:
        """Make room for the moments that a checkpoint with these keys holds; what never had a gradient has none."""
        held = set(keys)
        for name in self.adam_names:
            if f"adam.step.{name}" in held:
                parameter = self.named[name]
                moments = {k: torch.zeros_like(parameter) for k in ("exp_avg", "exp_avg_sq")}
                self.adam.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}

    def whole_average(self) -> dict[str, Tensor]:
        """Gather the average on every process, one tensor at a time; only the first one keeps it."""
        kept = {}
        for name, average in self.average.items():
            whole = self.wholes[name]
            tensor = _part_like(whole, average).full_tensor() if isinstance(whole, DTensor) else average
            if self.layout.world.rank == 0:
                kept[name] = tensor.clone()
        return kept


def _part_like(whole: DTensor, part: Tensor) -> DTensor:
    return DTensor.from_local(
        part, whole.device_mesh, whole.placements, run_check=False, shape=whole.shape, stride=whole.stride()
    )


def _exchange(sent: Tensor, group: dist.ProcessGroup) -> Tensor:
    got = torch.empty_like(sent)
    dist.all_to_all_single(got, sent, group=group)
    return got


def _square(tensors: list[Tensor]) -> Tensor:
    return torch.stack(torch._foreach_norm(tensors)).square().sum() if tensors else torch.zeros(())


def blank(model: nn.Module) -> nn.Module:
    """Return a copy of `model` that holds what is not trained; what is trained has no memory yet."""
    shadow = {id(p): p for p in model.parameters() if p.requires_grad}
    memo: dict[int, Any] = {key: nn.Parameter(torch.empty_like(p, device="meta")) for key, p in shadow.items()}
    return copy.deepcopy(model, memo)


def filled(model: nn.Module, tensors: dict[str, Tensor], place: torch.device) -> nn.Module:
    """Return a copy of a blank model with `tensors` in it, for the eye and for shipping."""
    model = copy.deepcopy(model)
    model.load_state_dict(tensors, strict=False, assign=True)
    return model.to(place).eval().requires_grad_(False)


def check(world: World, model: nn.Module, batches: Iterable[int]) -> None:
    """Raises: InputError where the work cannot be shared by this many processes."""
    if world.config.sequence > 1 and not is_sharded(model):
        raise InputError("only film models share a film's tokens; leave --sequence out")
    for num in sorted(set(batches)):
        world.share.of(torch.empty(num))
