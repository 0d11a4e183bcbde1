"""Several processes that train together, forked from the test, and the smallest film objective that they can share."""

import gc
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rushes.models.transformer import Transformer, TransformerConfig, tiny
from rushes.nn import weights
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel import world as worlds
from rushes.train.parallel.gang import free_port
from rushes.train.parallel.share import Share
from rushes.train.parallel.world import ParallelConfig, World
from rushes.train.trainer import RunConfig, Trainer, generator


def together(num: int, work: Callable[[World], Any], config: ParallelConfig | None = None) -> list[Any]:
    """Return what `work(world)` returns in each of `num` processes; an error in one is raised here."""
    context, port = multiprocessing.get_context("fork"), free_port()
    pipes = [context.Pipe(duplex=False) for _ in range(num)]
    children = [
        context.Process(target=_one, args=(rank, num, port, work, config or ParallelConfig(), send))
        for rank, (_, send) in enumerate(pipes)
    ]
    # Nothing left to the collector may be collected in a child: a codec would wait for its threads, which stay here.
    gc.collect()
    gc.freeze()
    for child in children:
        child.start()
    gc.unfreeze()
    results = []
    for (receive, send), child in zip(pipes, children, strict=True):
        send.close()
        try:
            results.append(receive.recv())
        except EOFError:
            results.append(RuntimeError(f"a process ended with {child.exitcode}"))
    for child in children:
        child.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def _one(rank: int, num: int, port: int, work: Callable[[World], Any], config: ParallelConfig, send: Any) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(num)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    try:
        send.send(work(worlds.join(config)))
        worlds.leave()
    except Exception as error:
        traceback.print_exc()
        send.send(error)
    send.close()
    sys.stdout.flush()
    os._exit(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedConfig:
    """A tiny film model learns one film; from `bad_step` on, a number in its second block is none."""

    run: RunConfig = field(
        default_factory=lambda: RunConfig(
            steps=8, checkpoint_every=4, preview_every=8, log_every=4, dtype="float32", threads=1
        )
    )
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=0.01))
    model: TransformerConfig = field(default_factory=tiny)
    batch: int = 4
    frames: int = 8
    bad_step: int = 10**9

    def objective(self) -> "Shared":
        return Shared(self)


class Shared:
    """Flow matching of random films, each process its share of a batch; keeps which films it saw."""

    def __init__(self, config: SharedConfig) -> None:
        self.config, self.share = config, Share()
        self.model: nn.Module = Transformer(config.model)
        self.folder = Path()

    def prepare(self, folder: Path, say: Any) -> None:
        self.folder = folder

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        c, random = self.config, generator(self.config.run.seed, step)
        clean = torch.randn(c.batch, c.model.channels, c.frames, 2, 3, generator=random)
        ids = torch.randint(0, 5, (c.batch, c.model.text.length), generator=random)
        t = torch.rand(c.batch, generator=random) * 0.9 + 0.1
        films = torch.arange(c.batch) + step * c.batch
        films, clean, ids, t = self.share.of((films, clean, ids, t))
        with (self.folder / f"seen-{self.share.index}.txt").open("a") as file:
            file.write(f"{step} {films.tolist()}\n")
        bad = float("nan") if step >= c.bad_step else 1.0
        hook = model.blocks[1].mlp.register_forward_hook(lambda module, given, result: result * bad)  # type: ignore
        seconds = (torch.zeros(len(t)), torch.full((len(t),), c.frames / 2))
        loss = (model(clean * 0.5, t, model.read(ids), seconds) - clean).square().mean()  # type: ignore[operator]
        hook.remove()
        return loss, {"half_loss": loss.detach() / 2}

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        return {"weight": float(sum(p.abs().sum() for p in model.parameters()))}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        return weights.save(model, folder, family="transformer", config=self.config.model, facts=facts)


def shared(**run: Any) -> SharedConfig:
    """Return the config with other settings of the run."""
    config = SharedConfig()
    return replace(config, run=replace(config.run, **run))


def train(config: Any, folder: Path, world: World | None = None, stop_at: int | None = None) -> list[str]:
    """Train and return what was said."""
    said: list[str] = []
    trainer = Trainer(config, folder, said.append, world)
    trainer.run(lambda progress: None, stop_at=stop_at)
    trainer.close()
    return said
