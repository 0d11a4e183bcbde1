"""Do 1, 2 and 4 processes learn the same, does a run go on with fewer, and does it survive kills?

A tiny film model learns random films (the real trainer, sharding, checkpoints and gang; gloo on a CPU). Processes are
forked, so that what is measured is not the import of torch.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rushes.errors import RushesError
from rushes.models.transformer import Transformer, TransformerConfig, tiny
from rushes.nn import weights
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel import gang
from rushes.train.parallel import world as worlds
from rushes.train.parallel.share import Share
from rushes.train.parallel.world import ParallelConfig
from rushes.train.trainer import RunConfig, Trainer, generator

FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomConfig:
    """`batch` random films a step."""

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3))
    model: TransformerConfig = field(default_factory=tiny)
    batch: int = 8

    def objective(self) -> "RandomFilms":
        return RandomFilms(self)


class RandomFilms:
    """Writes down which films each process saw at each step."""

    def __init__(self, config: RandomConfig) -> None:
        self.config, self.share, self.folder = config, Share(), Path()
        self.model: nn.Module = Transformer(config.model)

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        c, draw = self.config, generator(self.config.run.seed, step)
        clean = torch.randn(c.batch, c.model.channels, 8, 2, 3, generator=draw)
        ids = torch.randint(0, 5, (c.batch, c.model.text.length), generator=draw)
        t, films = torch.rand(c.batch, generator=draw) * 0.9 + 0.1, torch.arange(c.batch) + step * c.batch
        films, clean, ids, t = self.share.of((films, clean, ids, t))
        with (self.folder / f"seen-{self.share.index}.jsonl").open("a") as file:
            file.write(json.dumps([step, films.tolist()]) + "\n")
        seconds = (torch.zeros(len(t)), torch.full((len(t),), 4.0))
        loss = (model(clean * 0.5, t, model.read(ids), seconds) - clean).square().mean()  # type: ignore[operator]
        return loss, {}

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        return {}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        return weights.save(model, folder, family="transformer", config=self.config.model, facts=facts)


class ForkSeat:
    """A seat whose process is forked from this one."""

    def __init__(self, rank: int, work: Callable[[], None]) -> None:
        self.rank, self.work = rank, work
        self.child: Any = None

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", gang.free_port()

    def start(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.child = FORK.Process(target=self._live, args=(environment,))
        self.child.start()

    def _live(self, environment: dict[str, str]) -> None:
        os.environ |= environment | {"LOCAL_RANK": str(self.rank)}
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        try:
            self.work()
        except RushesError as error:
            print(f"rushes: {error}", file=sys.stderr)
            os._exit(error.exit_code)
        except Exception as error:
            if not worlds.is_loss(error):
                traceback.print_exc()
            os._exit(gang.LOST)
        os._exit(0)

    def poll(self) -> tuple[int | None, list[gang.Line]]:
        return self.child.exitcode, []

    def last_words(self) -> str:
        return ""

    def send(self, number: int) -> None:
        if self.child is not None and self.child.is_alive():
            os.kill(self.child.pid, number)

    def end(self) -> None:
        self.send(signal.SIGKILL)
        if self.child is not None:
            self.child.join()


def train(config: RandomConfig, folder: Path, num: int, *, kills: int = 0, stop_at: int | None = None) -> list[str]:
    """Train with `num` processes, `kills` of which are killed at random steps; returns what the gang said."""

    def work() -> None:
        torch.set_num_threads(1)
        world = worlds.join(ParallelConfig())
        Trainer(config, folder, lambda line: None, world).run(lambda progress: None, stop_at=stop_at)
        worlds.leave()

    said: list[str] = []
    seats = [ForkSeat(rank, work) for rank in range(num)]
    done = threading.Event()
    killer = threading.Thread(target=_kill, args=(seats, folder, kills, said, done))
    killer.start()
    code = gang.Gang(seats, [], lambda line: said.append(line[1])).run(kills)
    done.set()
    killer.join()
    assert code == 0, said
    return said


def _kill(seats: list[ForkSeat], folder: Path, kills: int, said: list[str], done: threading.Event) -> None:
    dice, file = random.Random(0), folder / "seen-0.jsonl"
    for number in range(kills):
        # Each victim falls some steps after everybody went on.
        start = _lines(file)
        while not done.is_set() and (_lines(file) < start + dice.randint(2, 12) or len(said) < number):
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.1))
        with contextlib.suppress(ProcessLookupError):
            seats[dice.randrange(len(seats))].send(signal.SIGKILL)
        while not done.is_set() and len(said) <= number:
            time.sleep(0.01)


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def curve(folder: Path) -> list[float]:
    return [json.loads(line)[1] for line in (folder / "loss.jsonl").read_text().splitlines()]


def seen(folder: Path) -> dict[int, list[int]]:
    """Return the films that each kept step was made of; of a step that was trained again, those of the last time."""
    films: dict[int, list[int]] = {}
    for file in sorted(folder.glob("seen-*.jsonl")):
        for step, rows in dict(json.loads(line) for line in file.read_text().splitlines()).items():
            films.setdefault(step, []).extend(rows)
    return films


def farthest(one: list[float], other: list[float]) -> float:
    return max(abs(a - b) / a for a, b in zip(one, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    steps, base = max(20, arguments.steps // 20 * 20), Path(tempfile.mkdtemp())  # runs change hands at checkpoints
    run = RunConfig(steps=steps, checkpoint_every=5, preview_every=steps, log_every=1, dtype="float32", threads=1)
    config = RandomConfig(run=run)
    for num in (1, 2, 4):
        began = time.perf_counter()
        train(config, base / f"of-{num}", num)
        far = farthest(curve(base / "of-1"), curve(base / f"of-{num}"))
        print(f"| {num} processes | {steps} steps | {time.perf_counter() - began:.0f} s | {far:.1e} |", flush=True)
    for num, stop_at in ((4, steps // 4), (2, steps // 2), (1, None)):
        train(config, base / "fewer", num, stop_at=stop_at)
    far = farthest(curve(base / "of-1"), curve(base / "fewer"))
    print(
        f"4 -> 2 -> 1 processes: losses within {far:.1e} of one process's; films {seen_alike(base, 'fewer')}",
        flush=True,
    )
    began = time.perf_counter()
    said = train(config, base / "killed", 4, kills=arguments.kills)
    files = ("loss.jsonl", "weights/model.safetensors")
    same = all((base / "killed" / name).read_bytes() == (base / "of-4" / name).read_bytes() for name in files)
    again = sum(_lines(file) for file in (base / "killed").glob("seen-*.jsonl")) // 4 - steps
    spent, films = time.perf_counter() - began, seen_alike(base, "killed")
    print(f"{len(said)} kills in {spent:.0f} s; {again} steps were begun again; films {films}")
    print(f"losses and weights {'are' if same else 'ARE NOT'} those of the unbroken run, bit for bit")


def seen_alike(base: Path, name: str) -> str:
    """Say whether a run's steps were made of the films that the steps of one process were made of."""
    return "alike" if seen(base / name) == seen(base / "of-1") else "DIFFER"


if __name__ == "__main__":
    main()
