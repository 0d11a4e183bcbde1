"""Is the goodput that `rushes plan` predicts what real processes reach when they are killed?

A supervisor starts workers that train the toy film model together (gradients summed over gloo in every step) and keep
checkpoints. First they run undisturbed, which gives the time of a step, of a checkpoint and of a start. Then a trace of
failures, drawn by the seed, is replayed: at each moment one worker is killed with SIGKILL, the supervisor waits as long
as noticing and rescheduling take, and starts all of them from the last whole checkpoint. The share of the time that was
useful is compared with the event simulation of the same trace and with the closed form, which know the measured times.

Run: benchmarks/goodput_replay.py [--minutes 3] [--mean 15] [--seed 0]; it exits with 1 where the simulation is off by
more than a tenth. `--tick` paces steps, so that what else the machine does decides less. A second here stands for some
minutes of a cluster: Llama 3's failures came 3.1 hours apart and were minutes long, here they are seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from rushes.cluster import failures
from rushes.cluster.failures import Run

POLL_S = 0.01
BAR = 0.1
GRID, WORDS = (3, 4), 16
LOADED = ["torch", "torch.distributed", "rushes.models.toy", "rushes.train.checkpoint", "rushes.train.optimizer"]
# A start forks a process that has the libraries loaded, so that their loading is not what is measured.
SERVER = multiprocessing.get_context("forkserver")


def film_model() -> Any:
    """Return the toy film model, the same in every process."""
    import torch

    from rushes.models import toy
    from rushes.models.transformer import Transformer

    torch.manual_seed(0)
    config = toy.transformer()
    text = replace(config.text, words=tuple(f"word{index}" for index in range(WORDS)))
    return Transformer(replace(config, text=text))


def learn(model: Any, index: int) -> None:
    """Leave the gradients of one batch, drawn by its index, in the model's weights."""
    import torch

    from rushes.diffusion import flow
    from rushes.models import toy

    dice = torch.Generator().manual_seed(index)
    clean = torch.randn(2, toy.CHANNELS, 2, *GRID, generator=dice)
    noise, t = torch.randn(clean.shape, generator=dice), torch.rand(2, generator=dice)
    prompt = model.read(torch.randint(0, WORDS, (2, model.config.text.length), generator=dice))
    seconds = (torch.zeros(2), torch.ones(2))
    loss = flow.loss(lambda x, at: model(x, at, prompt, seconds), clean, noise, t, torch.ones(2, 1, 2, *GRID))
    loss.mean().backward()


def train(folder: Path, rank: int, world: int, steps: int, every: int, tick_s: float) -> None:
    """Be a worker: train from the last whole checkpoint to `steps`; rank 0 writes down each step when it is done."""
    import torch
    import torch.distributed as dist
    from torch.nn.utils import parameters_to_vector

    from rushes.train import checkpoint
    from rushes.train.optimizer import Optimizer, OptimizerConfig

    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    meeting = dist.FileStore(str(max(folder.glob("meeting-*"))), world)
    dist.init_process_group("gloo", store=meeting, rank=rank, world_size=world)
    model = film_model()
    optimizer, done = Optimizer(model, OptimizerConfig()), 0
    for path in checkpoint.committed(folder / "checkpoints")[-1:]:
        tensors, facts = checkpoint.read(path)
        model.load_state_dict(tensors["model"])
        optimizer.load_state(tensors["optimizer"])
        done = facts["step"]
    parameters = [p for p in model.parameters() if p.requires_grad]
    with (folder / "diary.jsonl").open("a", buffering=1) as diary:

        def note(what: str) -> None:
            if rank == 0:
                diary.write(json.dumps([what, done, time.monotonic()]) + "\n")

        note("ready")
        while done < steps:
            began = time.monotonic()
            learn(model, done * world + rank)
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            joined = parameters_to_vector(gradients)
            dist.all_reduce(joined)
            for parameter, part in zip(parameters, joined.split([p.numel() for p in parameters]), strict=True):
                parameter.grad = part.view_as(parameter) / world
            optimizer.step(done, steps)
            time.sleep(max(0.0, tick_s - (time.monotonic() - began)))
            done += 1
            note("step")
            if done % every == 0 and done < steps:
                if rank == 0:
                    state = {name: value.contiguous() for name, value in model.state_dict().items()}
                    held = {"model": state, "optimizer": optimizer.state()}
                    checkpoint.write(folder / "checkpoints", done, held, {})
                dist.barrier()
                note("kept")
        dist.barrier()  # nobody leaves before the last step of all


def quietly(folder: Path, *given: Any) -> None:
    """Be a worker whose last words go to a file: those of the mates of a killed one would fill the screen."""
    with (folder / "stderr").open("ab") as file:
        os.dup2(file.fileno(), 2)
        train(folder, *given)


@dataclass(kw_only=True)
class Crew:
    """The workers of a run, all started and all killed together."""

    folder: Path
    world: int
    steps: int
    every: int
    tick_s: float
    starts: int = 0

    def __post_init__(self) -> None:
        self.workers: list[ForkServerProcess] = []

    def start(self) -> None:
        """Start everybody, who meet at a place of their own."""
        self.starts += 1
        (self.folder / f"meeting-{self.starts:05d}").touch()
        for rank in range(self.world):
            given = (self.folder, rank, self.world, self.steps, self.every, self.tick_s)
            self.workers.append(SERVER.Process(target=quietly, args=given, daemon=True))
            self.workers[-1].start()

    def kill(self) -> None:
        """Kill everybody with SIGKILL."""
        for worker in self.workers:
            worker.kill()
            worker.join()
        self.workers = []

    def is_done(self) -> bool:
        """Return whether all have trained to the end. Raises: SystemExit, when one fails that nobody killed."""
        codes = [worker.exitcode for worker in self.workers]
        if any(code not in (None, 0) for code in codes):
            raise SystemExit(f"workers failed by themselves {codes}: {(self.folder / 'stderr').read_text()[-800:]}")
        return all(code == 0 for code in codes)

    def diary(self) -> list[tuple[str, int, float]]:
        """Return what rank 0 wrote: (what, steps done, when)."""
        file = self.folder / "diary.jsonl"
        text = file.read_text() if file.exists() else ""
        return [tuple(json.loads(line)) for line in text.splitlines() if line.endswith("]")]

    def await_ready(self, lines: int) -> float:
        """Return when the workers that were just started had their state; `lines` stood in the diary before."""
        while True:
            found = [when for what, _, when in self.diary()[lines:] if what == "ready"]
            if found:
                return found[0]
            self.is_done()
            time.sleep(POLL_S)


@dataclass(frozen=True, kw_only=True)
class Times:
    """What an undisturbed run took: seconds of a step, of a checkpoint on top, and from a start to the first step."""

    step_s: float
    pause_s: float
    start_s: float


def calibrate(world: int, tick_s: float, starts: int = 3) -> Times:
    """Return how long things take while nothing fails."""
    step, pause, start = [], [], []
    for index in range(starts + 1):
        with tempfile.TemporaryDirectory(prefix="rushes-goodput-") as name:
            crew = Crew(folder=Path(name), world=world, steps=60, every=15, tick_s=tick_s)
            began = time.monotonic()
            crew.start()
            try:
                ready = crew.await_ready(0)
                start += [ready - began] * (index > 0)  # the first one loads the libraries
                while not crew.is_done():
                    time.sleep(POLL_S)
            finally:
                crew.kill()
            for (_, _, before), (what, _, when) in pairwise(crew.diary()):
                (pause if what == "kept" else step).append(when - before)
    # Means, not medians: a run pays for the slow steps too.
    return Times(
        step_s=statistics.fmean(step), pause_s=statistics.fmean(pause),
        start_s=statistics.fmean(start),
    )  # fmt: skip


def replay(crew: Crew, moments: Iterator[float], down_s: float, seed: int) -> tuple[float, int]:
    """Kill one worker at each of `moments` (seconds of the run) until the work is done; return its seconds and kills.

    A kill while everybody is down or starting begins that anew, as another failing server would.
    """
    dice, kills = random.Random(seed), 0
    crew.start()
    zero = crew.await_ready(0)
    due = zero + next(moments)
    while not crew.is_done():
        if time.monotonic() < due:
            time.sleep(POLL_S)
            continue
        dice.choice(crew.workers).kill()  # SIGKILL
        kills += 1
        due = zero + next(moments)
        back = time.monotonic() + down_s
        while time.monotonic() < back:
            if time.monotonic() >= due:
                kills += 1
                back, due = time.monotonic() + down_s, zero + next(moments)
            time.sleep(POLL_S)
        crew.kill()
        crew.start()
    ended = max(when for what, _, when in crew.diary() if what == "step")
    return ended - zero, kills


def main() -> int:
    """Run the trial and say how far measurement and prediction are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=3.0, help="about how long the replay may take")
    parser.add_argument("--mean", type=float, default=15.0, help="seconds between failures, on average")
    parser.add_argument("--detect", type=float, default=1.0, help="seconds to notice a stop")
    parser.add_argument("--restart", type=float, default=1.0, help="seconds until a scheduler starts everybody again")
    parser.add_argument("--tick", type=float, default=0.1, help="least seconds of a step")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    SERVER.set_forkserver_preload(LOADED)
    times = calibrate(args.workers, args.tick)
    print(f"undisturbed: step {times.step_s:.4f} s, checkpoint {times.pause_s:.4f} s, start {times.start_s:.2f} s")
    bare = Run(
        between_failures_s=args.mean, interval_s=1.0, detect_s=args.detect,
        restart_s=args.restart + times.start_s, pause_s=times.pause_s,
    )  # fmt: skip
    every = max(1, round(failures.best_interval(bare) / times.step_s))
    run = replace(bare, interval_s=every * times.step_s)
    guess = failures.expected(run)
    steps = round(args.minutes * 60 * guess.goodput / times.step_s)
    work_s = steps * times.step_s
    foreseen = failures.simulate(run, work_s, failures=failures.exponential(args.mean, args.seed))
    print(f"{steps} steps, a checkpoint every {every} ({run.interval_s:.1f} s; Young {failures.young(run):.1f} s)")
    with tempfile.TemporaryDirectory(prefix="rushes-goodput-") as name:
        crew = Crew(folder=Path(name), world=args.workers, steps=steps, every=every, tick_s=args.tick)
        try:
            wall_s, kills = replay(
                crew, failures.exponential(args.mean, args.seed), args.detect + args.restart, args.seed
            )
        finally:
            crew.kill()
        done = sum(what == "step" for what, _, _ in crew.diary())
    measured = work_s / wall_s
    error = foreseen.goodput / measured - 1
    print(f"replayed: {kills} kills in {wall_s:.1f} s, {done - steps} steps done again, goodput {measured:.3f}")
    print(
        f"predicted: {foreseen.stops} stops in {foreseen.wall_s:.1f} s, {foreseen.lost_s / times.step_s:.0f} steps "
        f"done again, goodput {foreseen.goodput:.3f} ({error:+.1%}); closed form {guess.goodput:.3f} "
        f"({guess.goodput / measured - 1:+.1%})"
    )
    return int(abs(error) > BAR)


if __name__ == "__main__":
    sys.exit(main())
