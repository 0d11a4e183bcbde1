"""Checkpoints of sharded runs: each process writes its own parts beside the training, any number of them read it.

The parts are safetensors files that say where in a whole tensor they lie (torch.distributed.checkpoint).
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.distributed.checkpoint import CheckpointException, HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.tensor import DTensor, distribute_tensor

from rushes.errors import RushesError
from rushes.train import checkpoint
from rushes.train.parallel.sharding import ShardedOptimizer, own
from rushes.train.parallel.world import World


def _named(model: nn.Module, optimizer: ShardedOptimizer) -> dict[str, Any]:
    """Return every tensor of a run's state, over the memory that it lives in."""
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    return state | {f"optimizer.{name}": tensor for name, tensor in optimizer.state().items()}


class Saver:
    """Writes checkpoints while the training goes on, one at a time."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.thread = ThreadPoolExecutor(1)
        self.pending: Future[None] | None = None

    def save(self, model: nn.Module, optimizer: ShardedOptimizer, step: int, facts: dict[str, Any]) -> None:
        """Copy the state of this step, which may change then, and begin to write it."""
        self.wait()
        draft = self.world.first(lambda: checkpoint.begin(self.folder, step))
        if draft is None:
            return
        writer = HuggingFaceStorageWriter(str(draft), save_distributed=True)
        written = dcp.async_save(_named(model, optimizer), storage_writer=writer, process_group=self.world.files)
        assert isinstance(written, Future)
        self.pending = self.thread.submit(self._commit, written, draft, step, facts)

    def _commit(self, written: Future[Any], draft: Path, step: int, facts: dict[str, Any]) -> None:
        written.result()  # on the first process: all have written
        if self.world.rank == 0:
            checkpoint.commit(draft, step, facts)

    def wait(self) -> None:
        """Return when what was begun is kept. Raises: what went wrong with it."""
        if self.pending is not None:
            pending, self.pending = self.pending, None
            failed = pending.exception()
            if isinstance(failed, CheckpointException):  # no Exception in torch's eyes
                failed = RushesError(f"the checkpoint cannot be written: {' '.join(str(failed).split())}")
            assert failed is None or isinstance(failed, Exception)
            self.world.raise_together(failed)


def load(path: Path, model: nn.Module, optimizer: ShardedOptimizer) -> None:
    """Fill a sharded run's state from a checkpoint of any number of processes.

    Raises:
        RushesError: it is damaged.
    """
    try:
        if checkpoint.in_parts(path):
            reader = HuggingFaceStorageReader(str(path))
            keys = reader.read_metadata().state_dict_metadata
            optimizer.expect(key.removeprefix("optimizer.") for key in keys)
            dcp.load(_named(model, optimizer), storage_reader=reader)
        else:
            _load_whole(path, model, optimizer)
    except (OSError, KeyError, ValueError, SafetensorError, CheckpointException) as error:
        raise checkpoint.damaged(path, error) from None


@torch.no_grad()
def _load_whole(path: Path, model: nn.Module, optimizer: ShardedOptimizer) -> None:
    """Take this process's parts out of the files of a single one."""
    with safe_open(path / "optimizer.safetensors", framework="pt") as file:
        optimizer.expect(file.keys())
    files: dict[str, dict[str, Any]] = {"model": {}, "optimizer": {}}
    for key, target in _named(model, optimizer).items():
        group, _, name = key.partition(".")
        files[group][name] = target
    for group, targets in files.items():
        with safe_open(path / f"{group}.safetensors", framework="pt") as file:
            for name, target in targets.items():
                own(target).copy_(_part(file.get_tensor(name), target))


def _part(whole: Tensor, like: Any) -> Tensor:
    if not isinstance(like, DTensor):
        return whole
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None).to_local()
