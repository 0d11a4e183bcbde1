"""The one training loop: objectives say what a step's loss is, this file steps, keeps, resumes and reports.

Every random choice of a step comes from (seed, step), so weights, average, optimizer state and the step's number are
the whole state of a run: a resumed run repeats an unbroken one bit for bit (same machine, same number of threads).
Several processes share each batch; a film model is sharded over them, what is smaller each of them holds whole.
"""

from __future__ import annotations

import copy
import fcntl
import json
import math
import os
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from rushes import config as configs
from rushes.errors import InputError, RushesError
from rushes.nn import float8
from rushes.train import ceiling, checkpoint
from rushes.train.optimizer import Optimizer, OptimizerConfig
from rushes.train.parallel import blame, saving, sharding
from rushes.train.parallel.pace import Pace
from rushes.train.parallel.share import Share
from rushes.train.parallel.world import World

LOSSES = "loss.jsonl"  # line n is [n, loss of step n]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """How long and how carefully a run goes; `dtype` is auto, float32, bfloat16, or float8 where there is bfloat16.

    `init` names weights to start at.
    """

    steps: int
    seed: int = 0
    dtype: str = "auto"
    threads: int = 0
    compile: bool = False
    checkpoint_every: int = 200
    preview_every: int = 500
    log_every: int = 20
    init: str = ""


class Objective(Protocol):
    """What a run trains: the model, the loss of a step, what to look at meanwhile, what to ship at the end.

    One that several processes can train has a `share` too: the part of each step's batch that `loss` is about. Where
    `model` is but a part of what computes, that is the `network`.
    """

    model: nn.Module

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make or open the data."""

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of this step's batch and scalars for the log, all still on their device."""

    def num_samples(self, step: int) -> int:
        """Return how many samples this step's batch has."""

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Save something to look at and return held-out figures."""

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        """Write the finished weights."""


class Config(Protocol):
    """A preset's whole config: a dataclass with at least these."""

    @property
    def run(self) -> RunConfig: ...
    @property
    def optimizer(self) -> OptimizerConfig: ...
    def objective(self) -> Objective:
        """Build the objective, its model freshly initialised from the seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run is; rates are over the last log interval."""

    step: int
    steps: int
    loss: float
    samples_per_s: float
    tflops: float
    share_of_ceiling: float
    eta_s: float
    figures: dict[str, float]


def generator(seed: int, step: int, stream: int = 0, *, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the random generator of one step on a device; streams are independent."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + step) * 16 + stream)


class _Compute:
    """The copy of the model that computes: the masters themselves in float32, else a low-precision twin."""

    def __init__(
        self, masters: nn.Module, dtype: torch.dtype, layout: sharding.Layout | None, *, in_eight_bits: bool
    ) -> None:
        self.masters = masters
        self.twin = masters
        if dtype != torch.float32:
            self.twin = copy.deepcopy(masters)
            for parameter in self.twin.parameters():  # buffers, such as the transform, stay exact
                parameter.data = parameter.data.to(dtype)
        if in_eight_bits:
            float8.convert(self.twin)
        if layout is not None:
            for model in {id(model): model for model in (masters, self.twin)}.values():
                layout.spread(model)
        self.pairs = list(zip(masters.parameters(), self.twin.parameters(), strict=True))

    @torch.no_grad()
    def refresh(self) -> None:
        if self.twin is not self.masters:
            masters, twins = ([sharding.own(each.data) for each in side] for side in zip(*self.pairs, strict=True))
            torch._foreach_copy_(twins, masters)

    @torch.no_grad()
    def hand_back(self) -> None:
        if self.twin is not self.masters:
            for high, low in self.pairs:
                high.grad = None if low.grad is None else low.grad.float()
                low.grad = None


class Trainer:
    """One run in one folder, trained by the processes of `world` together."""

    def __init__(
        self, config: Config, folder: Path, say: Callable[[str], None] = print, world: World | None = None
    ) -> None:
        self.config, self.folder, self.world = config, folder, world or World()
        self.say = say if self.world.rank == 0 else _silent
        self.close: Callable[[], object] = _silent  # leaves the folder to others
        self.is_new = False
        self.world.first(self._open)
        run = config.run
        if run.threads:
            torch.set_num_threads(run.threads)
        self.is_stopping = False
        try:
            self._begin()
        except InputError:
            if self.is_new:  # else the folder would hold a run that never was, and refuse the one that was meant
                (folder / "config.json").unlink(missing_ok=True)
            raise
        if self.step:
            self.say(f"resumed at step {self.step} of {run.steps}")
        self.world.first(lambda: _forget_after(folder / LOSSES, self.step))

    def _open(self) -> None:
        """Take the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT)
        self.close = weakref.finalize(self, os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process trains in {self.folder}; name another folder") from None
        self._check_config()

    def _check_config(self) -> None:
        path, wanted = self.folder / "config.json", json.loads(json.dumps(configs.to_dict(self.config)))
        self.is_new = not path.exists()
        found = json.loads(path.read_text()) if path.exists() else wanted
        with suppress(InputError):  # keys that are newer than the run take their defaults
            found = json.loads(json.dumps(configs.to_dict(configs.from_dict(type(self.config), found))))
        if found != wanted:
            changed = ", ".join(_differences(found, wanted))
            raise InputError(
                f"{self.folder} holds a run with another {changed}; go on with its own, or name another folder"
            )
        configs.save(self.config, path)

    def _begin(self) -> None:
        """Bring everything to where the newest checkpoint is, or to the start."""
        run, world, place = self.config.run, self.world, ceiling.device()
        torch.manual_seed(run.seed)
        self.objective = self.config.objective()
        model = self.objective.model.to(place)
        world.in_turn(lambda: self.objective.prepare(self.folder, self.say))
        self.pace = Pace(world, place) if world.size > 1 else None
        self._share()
        newest = world.first(lambda: checkpoint.committed(self.folder / "checkpoints")[-1:])
        facts = checkpoint.facts_of(newest[0]) if newest else {}
        self.dtype = self._dtype(facts.get("dtype", "").removeprefix("torch."))
        self.layout = sharding.Layout(world, place) if world.size > 1 and sharding.is_sharded(model) else None
        self.blank = sharding.blank(model) if world.size > 1 else None
        self.compute = _Compute(model, self.dtype, self.layout, in_eight_bits=run.dtype == float8.NAME)
        optimizer = self.config.optimizer
        self.optimizer = (
            sharding.ShardedOptimizer(model, optimizer, self.layout) if self.layout else Optimizer(model, optimizer)
        )
        self.saver = saving.Saver(world, self.folder / "checkpoints")
        self.step = facts.get("step", 0)
        for path in newest:
            self._load(path)

    def _share(self) -> None:
        """Take this process's share of every batch. Raises: InputError where batches cannot be shared."""
        if self.pace is None:
            return
        if not isinstance(getattr(self.objective, "share", None), Share):
            raise InputError(f"{type(self.objective).__name__} cannot share its batches; train it by one process")
        batches = {self.objective.num_samples(step) for step in range(self.config.run.steps)}
        sharding.check(self.world, self.objective.model, batches)
        self.objective.share = replace(self.world.share, ready=self.pace.ready)  # type: ignore[attr-defined]

    def _dtype(self, kept: str) -> torch.dtype:
        """Return the dtype that computes; what is fastest is timed, so a run stays with what it began with."""
        dtypes, wanted = {"float32": torch.float32, "bfloat16": torch.bfloat16}, self.config.run.dtype
        if wanted == float8.NAME:
            float8.require(ceiling.device())
            return torch.bfloat16
        if wanted not in (*dtypes, "auto"):
            raise InputError(f"run.dtype {wanted!r} is unknown; legal: auto, {', '.join(dtypes)}, {float8.NAME}")
        return dtypes.get(wanted) or dtypes.get(kept) or self.world.first(ceiling.fastest_dtype)

    def _load(self, path: Path) -> None:
        if isinstance(self.optimizer, sharding.ShardedOptimizer):
            saving.load(path, self.objective.model, self.optimizer)
            return
        tensors, _ = checkpoint.read(path)
        try:
            self.objective.model.load_state_dict(tensors["model"])
            self.optimizer.load_state(tensors["optimizer"])
        except (KeyError, RuntimeError) as error:
            raise checkpoint.damaged(path, error) from None

    def stop(self) -> None:
        """Ask a running `run` to keep a checkpoint and return after the step that it is in."""
        self.is_stopping = True

    def save(self) -> None:
        """Commit a checkpoint of this step; a sharded run writes it while it goes on."""
        model, facts = self.objective.model, {"dtype": str(self.dtype)}
        if isinstance(self.optimizer, sharding.ShardedOptimizer):
            self.saver.save(model, self.optimizer, self.step, facts)
            return
        state = {k: v.detach().contiguous() for k, v in model.state_dict().items()}
        tensors = {"model": state, "optimizer": self.optimizer.state()}
        self.world.first(lambda: checkpoint.write(self.folder / "checkpoints", self.step, tensors, facts))

    def averaged(self) -> nn.Module:
        """Return a copy of the model that holds the EMA weights; the first process's alone is whole."""
        if self.blank is not None:
            average = self.optimizer.whole_average()
            return sharding.filled(self.blank, average, ceiling.device()) if self.world.rank == 0 else self.blank
        model = copy.deepcopy(self.objective.model)
        model.load_state_dict(self.optimizer.average, strict=False)
        return model.eval().requires_grad_(False)

    def run(self, watch: Callable[[Progress], None], *, stop_at: int | None = None) -> Path | None:
        """Train to the end and ship the averaged weights; returns None where `stop_at` or `stop` ended it sooner.

        Raises:
            RushesError: the loss is no number any more; the last checkpoint stays good.
        """
        run = self.config.run
        flops, peak = self._measure() if self.step < run.steps else (0.0, 1.0)
        if run.compile:
            for module in self.compute.twin.modules():
                if type(module).__name__.endswith("Block"):
                    module.compile()
        with self._log() as log, sharding.quiet():
            while self.step < min(run.steps, stop_at or run.steps) and not self.is_stopping:
                self._interval(watch, log, flops, peak)
        if self.is_stopping:
            self.save()
        self.saver.wait()
        if self.step < run.steps:
            return None
        facts, model = {"steps": run.steps, "preset": configs.to_dict(self.config)}, self.averaged()
        return self.world.first(lambda: self.objective.ship(model, self.folder / "weights", facts))

    def _measure(self) -> tuple[float, float]:
        """Return the FLOPs of this step per sample and the machine's matrix rate at its shapes."""
        self.compute.refresh()
        with sharding.quiet():
            flops, shapes = ceiling.count(lambda: self.objective.loss(self.compute.twin, self.step)[0].backward())
        for parameter in self.compute.twin.parameters():
            parameter.grad = None
        flops, peak = flops * self.world.size, sum(self.world.gather(ceiling.rate(shapes, self.dtype)))
        self.say(f"{flops / 1e9:.1f} GFLOP a step; this machine multiplies its matrices at {peak / 1e12:.3f} TFLOP/s")
        return flops / self.objective.num_samples(self.step), peak

    def _checked(self, losses: list[Tensor], norms: list[Tensor], first: int) -> tuple[list[float], list[float]]:
        """Keep the losses of an interval and return its numbers; only now does the device have to answer.

        Raises:
            RushesError: one is infinite or no number; its step is named, and the losses before it are kept.
        """
        together = self.world.mean(torch.stack(losses).float())
        found = {"loss": together.tolist(), "gradient": torch.stack(norms).float().tolist()}
        pairs = enumerate(zip(*found.values(), strict=True))
        bad = next((index for index, pair in pairs if not all(map(math.isfinite, pair))), None)
        lines = [json.dumps([first + i + 1, value]) + "\n" for i, value in enumerate(found["loss"][:bad])]
        self.world.first(lambda: _append(self.folder / LOSSES, lines))
        if bad is not None:
            name = next(name for name, values in found.items() if not math.isfinite(values[bad]))
            problem = f"the {name} is {found[name][bad]} at step {first + bad + 1}"
            where = self._origin(first + bad, problem)
            raise RushesError(f"{problem}{where}; the last checkpoint is good")
        return found["loss"], found["gradient"]

    def _origin(self, step: int, problem: str) -> str:
        """Train to `step` again, from the last checkpoint, and return in which layer its numbers end."""
        self.saver.wait()
        self._begin()
        self.say(f"{problem}; training from step {self.step} again to see where")
        while self.step < step:
            self._step()
        self.compute.refresh()
        model = self.compute.twin
        whole = getattr(self.objective, "network", model)
        where = blame.layer(whole, lambda: self.objective.loss(model, step)[0], self.world)
        return where and f", {where}"

    def _step(self) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Train one step: its loss, the norm of its gradient and scalars for the log, all still on their device."""
        if self.pace is not None:
            self.pace.begin()
        self.compute.refresh()
        loss, scalars = self.objective.loss(self.compute.twin, self.step)
        loss.backward()
        self.compute.hand_back()
        if self.layout is None:
            self.world.average(parameter.grad for parameter in self.compute.masters.parameters())
        norm = self.optimizer.step(self.step, self.config.run.steps)
        self.step += 1
        self.is_stopping = self.world.any(self.is_stopping)
        return loss.detach(), norm, scalars

    def _interval(
        self, watch: Callable[[Progress], None], log: SummaryWriter | None, flops: float, peak: float
    ) -> None:
        """Train to the next log line, then report, and keep and show what is due."""
        run, began, seen, first = self.config.run, time.perf_counter(), 0, self.step
        due = (run.log_every, run.checkpoint_every, run.preview_every)
        losses: list[Tensor] = []
        norms: list[Tensor] = []
        while True:
            seen += self.objective.num_samples(self.step)
            loss, norm, scalars = self._step()
            losses.append(loss)
            norms.append(norm)
            if self.is_stopping or self.step == run.steps or any(self.step % every == 0 for every in due):
                break
        values, gradients = self._checked(losses, norms, first)
        figures = {name: float(scalar) for name, scalar in scalars.items()}
        figures["gradient_norm"] = gradients[-1]
        spent = time.perf_counter() - began
        rate = seen * flops / spent
        steps_done = self.step - first
        progress = Progress(
            step=self.step, steps=run.steps, loss=sum(values) / steps_done, samples_per_s=seen / spent,
            tflops=rate / 1e12, share_of_ceiling=rate / peak,
            eta_s=(run.steps - self.step) * spent / steps_done, figures=figures,
        )  # fmt: skip
        for name in ("loss", "samples_per_s", "tflops", "share_of_ceiling"):
            self._note(log, name, getattr(progress, name))
        for name, figure in figures.items():
            self._note(log, name, figure)
        if self.world.rank == 0:
            watch(progress)
        for line in self.pace.report() if self.pace else ():
            self.say(line)
        last = self.step == run.steps
        if self.step % run.checkpoint_every == 0 or last:
            self.save()
        if self.step % run.preview_every == 0 or last:
            self._preview(log)

    def _preview(self, log: SummaryWriter | None) -> None:
        """Show what the average does."""
        model, folder = self.averaged(), self.folder / "previews"
        folder.mkdir(exist_ok=True)
        for name, figure in self.world.first(lambda: self.objective.preview(model, folder, self.step)).items():
            self._note(log, name, figure)
            self.say(f"step {self.step}: {name} {figure:.4f}")

    def _note(self, log: SummaryWriter | None, name: str, figure: float) -> None:
        if log is not None:
            log.add_scalar(name, figure, self.step)

    def _log(self) -> AbstractContextManager[SummaryWriter | None]:
        """Open the log; of several processes the first one writes it."""
        if self.world.rank:
            return nullcontext()
        return SummaryWriter(str(self.folder / "log"), purge_step=self.step + 1)


def _silent(*said: object) -> None:
    """Nobody listens."""


def _append(path: Path, lines: list[str]) -> None:
    with path.open("a") as file:
        file.writelines(lines)


def _forget_after(path: Path, step: int) -> None:
    """Drop the losses of the steps after `step`, which are about to be trained again."""
    if not path.exists():
        return
    kept = {}
    for line in path.read_text().splitlines():
        with suppress(ValueError):  # a killed run may leave half a line
            number, _ = json.loads(line)
            if number <= step:
                kept[number] = line
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text("".join(f"{kept[number]}\n" for number in sorted(kept)))
    draft.replace(path)


def _differences(found: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys at which two configs differ."""
    names = []
    for name in {**found, **wanted}:
        a, b = found.get(name), wanted.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            names += _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            names.append(f"{prefix}{name}")
    return names
