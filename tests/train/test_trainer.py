"""Tests of the training loop: exact resume, refusals, and what it writes down."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from rushes.errors import InputError, RushesError
from rushes.nn import weights
from rushes.train import checkpoint
from rushes.train.film import FilmConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import Progress, RunConfig, Trainer, generator


@dataclass(frozen=True, slots=True, kw_only=True)
class LineConfig:
    """Fits a line; from `bad_step` on the loss is multiplied by `bad`."""

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    bad: float = 1.0
    bad_step: int = 10**9

    def objective(self) -> "Line":
        return Line(self)


class Line:
    """The smallest objective: a linear layer, batches of random points."""

    def __init__(self, config: LineConfig) -> None:
        self.config = config
        self.model: nn.Module = nn.Linear(3, 2)
        self.dtypes: set[torch.dtype] = set()

    def prepare(self, folder: Path, say: Any) -> None:
        say("ready")

    def num_samples(self, step: int) -> int:
        return 8

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        x = torch.randn(8, 3, generator=generator(self.config.run.seed, step))
        dtype = next(model.parameters()).dtype
        self.dtypes.add(dtype)
        loss = (model(x.to(dtype)).float() - x[:, :2]).square().mean()
        return loss * (self.config.bad if step >= self.config.bad_step else 1.0), {"half_loss": loss.detach() / 2}

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        (folder / f"step-{step}.txt").write_text("seen")
        return {"held_out": 0.25}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        return weights.save(model, folder, family="line", config=self.config, facts=facts)


RUN = RunConfig(steps=12, checkpoint_every=5, preview_every=6, log_every=4, dtype="float32", threads=1)
LINE = LineConfig(run=RUN, optimizer=OptimizerConfig(lr=0.05))


def silent(*said: object) -> None:
    """Nobody listens."""


def train(folder: Path, config: Any = LINE, **how: Any) -> Path | None:
    return Trainer(config, folder, say=silent).run(how.pop("watch", silent), **how)


def losses(folder: Path) -> list[list[float]]:
    return [json.loads(line) for line in (folder / "loss.jsonl").read_text().splitlines()]


def test_a_run_leaves_what_it_should(tmp_path: Path) -> None:
    seen: list[Progress] = []
    shipped = train(tmp_path, watch=seen.append)
    assert shipped == tmp_path / "weights"
    assert [step for step, _ in losses(tmp_path)] == list(range(1, 13))
    assert losses(tmp_path)[-1][1] < losses(tmp_path)[0][1]
    assert [path.name for path in checkpoint.committed(tmp_path / "checkpoints")] == ["step-00000010", "step-00000012"]
    assert sorted(path.name for path in (tmp_path / "previews").iterdir()) == ["step-12.txt", "step-6.txt"]
    assert json.loads((tmp_path / "config.json").read_text())["run"]["steps"] == 12
    record = weights.read_config(shipped, family="line")
    assert record["facts"]["steps"] == 12 and record["facts"]["preset"]["run"]["seed"] == 0
    assert [p.step for p in seen] == [4, 5, 6, 8, 10, 12]  # whenever a line, a checkpoint or a preview is due
    assert seen[0].loss == pytest.approx(sum(value for _, value in losses(tmp_path)[:4]) / 4)
    assert all(p.samples_per_s > 0 and p.tflops > 0 and p.share_of_ceiling > 0 for p in seen)
    assert seen[0].eta_s > seen[-1].eta_s == 0


def test_tensorboard_reads_the_log_also_after_a_resume(tmp_path: Path) -> None:
    train(tmp_path, stop_at=8)  # the newest checkpoint is at 5
    train(tmp_path)
    log = EventAccumulator(str(tmp_path / "log")).Reload()
    assert {"loss", "samples_per_s", "tflops", "share_of_ceiling", "half_loss", "held_out"} <= set(
        log.Tags()["scalars"]
    )
    assert [event.step for event in log.Scalars("loss")] == [4, 5, 6, 8, 10, 12]
    assert [event.value for event in log.Scalars("held_out")] == [0.25, 0.25]


def shipped_bytes(folder: Path) -> bytes:
    return (folder / "weights" / weights.FILE).read_bytes()


def test_stopped_and_resumed_runs_equal_an_unbroken_one(tmp_path: Path) -> None:
    train(tmp_path / "whole")
    for stop_at in (3, 7, 11, None):
        train(tmp_path / "broken", stop_at=stop_at)
    assert shipped_bytes(tmp_path / "broken") == shipped_bytes(tmp_path / "whole")
    assert (tmp_path / "broken" / "loss.jsonl").read_bytes() == (tmp_path / "whole" / "loss.jsonl").read_bytes()


def test_half_a_line_and_losses_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    train(tmp_path, stop_at=8)
    whole = losses(tmp_path)[:5]
    with (tmp_path / "loss.jsonl").open("a") as file:
        file.write("[9, 0.12")
    trainer = Trainer(LINE, tmp_path, say=silent)
    assert trainer.step == 5 and losses(tmp_path) == whole


def test_asked_to_stop_it_keeps_the_step_that_it_is_in(tmp_path: Path) -> None:
    train(tmp_path / "whole")
    trainer = Trainer(LINE, tmp_path / "broken", say=silent)
    usual = trainer.objective.loss

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        if step == 6:
            trainer.stop()
        return usual(model, step)

    trainer.objective.loss = loss
    assert trainer.run(silent) is None
    assert trainer.step == 7
    assert checkpoint.committed(tmp_path / "broken" / "checkpoints")[-1].name == "step-00000007"
    trainer.close()
    seen: list[Progress] = []
    train(tmp_path / "broken", watch=seen.append)
    assert [p.step for p in seen] == [8, 10, 12]
    assert seen[0].loss == pytest.approx(losses(tmp_path / "whole")[7][1])
    assert shipped_bytes(tmp_path / "broken") == shipped_bytes(tmp_path / "whole")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, bad: float) -> None:
    said = rf"the loss is {bad} at step 8, in the loss itself; the last checkpoint is good"
    with pytest.raises(RushesError, match=said):
        train(tmp_path, replace(LINE, bad=bad, bad_step=7))
    assert [step for step, _ in losses(tmp_path)] == list(range(1, 8))  # the good ones of its own interval too
    tensors, facts = checkpoint.read(checkpoint.committed(tmp_path / "checkpoints")[-1])
    assert facts["step"] == 5
    assert all(torch.isfinite(t).all() for group in tensors.values() for t in group.values())


def test_a_gradient_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    config = replace(LINE, run=replace(RUN, checkpoint_every=1), bad=1e38, bad_step=7)
    with pytest.raises(RushesError, match=r"the (gradient|loss) is inf at step 8"):
        train(tmp_path, config)
    assert checkpoint.committed(tmp_path / "checkpoints")[-1].name == "step-00000007"


def test_a_second_process_on_one_folder_is_refused(tmp_path: Path) -> None:
    trainer = Trainer(LINE, tmp_path, say=silent)
    with pytest.raises(InputError, match="another process trains in"):
        Trainer(LINE, tmp_path, say=silent)
    trainer.close()
    Trainer(LINE, tmp_path, say=silent)


def test_another_config_is_refused_and_its_keys_are_named(tmp_path: Path) -> None:
    train(tmp_path, stop_at=1)
    other = replace(LINE, run=replace(RUN, seed=1), optimizer=OptimizerConfig(lr=0.1))
    with pytest.raises(InputError, match=r"another run\.seed, optimizer\.lr; go on with its own"):
        Trainer(other, tmp_path, say=silent)


def test_a_run_that_is_older_than_a_key_goes_on_with_its_default(tmp_path: Path) -> None:
    train(tmp_path, stop_at=5)
    old = json.loads((tmp_path / "config.json").read_text())
    del old["run"]["compile"], old["bad_step"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    assert Trainer(LINE, tmp_path, say=silent).step == 5


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.dtype 'float16' is unknown; legal: auto, float32, bfloat16"):
        Trainer(replace(LINE, run=replace(RUN, dtype="float16")), tmp_path, say=silent)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_good(tmp_path: Path, name: str) -> None:
    train(tmp_path)
    newest = checkpoint.committed(tmp_path / "checkpoints")[-1]
    (newest / name).unlink()
    with pytest.raises(RushesError, match=r"step-00000012 is damaged .* delete it"):
        Trainer(LINE, tmp_path, say=silent)
    (newest / "state.json").unlink()
    for rest in newest.iterdir():
        rest.unlink()
    newest.rmdir()
    assert Trainer(LINE, tmp_path, say=silent).step == 10


def test_bfloat16_computes_low_and_keeps_float32_masters(tmp_path: Path) -> None:
    trainer = Trainer(replace(LINE, run=replace(RUN, dtype="bfloat16")), tmp_path / "low", say=silent)
    trainer.run(silent)
    assert trainer.objective.dtypes == {torch.bfloat16}
    assert {p.dtype for p in trainer.objective.model.parameters()} == {torch.float32}
    train(tmp_path / "exact")
    pairs = zip(losses(tmp_path / "low"), losses(tmp_path / "exact"), strict=True)
    assert all(low == pytest.approx(exact, rel=0.1, abs=0.01) for (_, low), (_, exact) in pairs)
    assert losses(tmp_path / "low") != losses(tmp_path / "exact")


def test_a_run_goes_on_in_the_dtype_that_it_began_with(tmp_path: Path) -> None:
    config = replace(LINE, run=replace(RUN, dtype="auto"))
    trainer = Trainer(config, tmp_path, say=silent)
    trainer.dtype = torch.bfloat16 if trainer.dtype == torch.float32 else torch.float32  # as on another day
    trainer.save()
    trainer.close()
    assert Trainer(config, tmp_path, say=silent).dtype == trainer.dtype


def test_a_finished_run_ships_again_without_training(tmp_path: Path) -> None:
    train(tmp_path)
    before, curve = shipped_bytes(tmp_path), losses(tmp_path)
    (tmp_path / "weights" / weights.FILE).unlink()
    assert train(tmp_path) == tmp_path / "weights"
    assert shipped_bytes(tmp_path) == before and losses(tmp_path) == curve


def test_steps_and_streams_have_random_numbers_of_their_own() -> None:
    draws = {(seed, step, stream): float(torch.rand((), generator=generator(seed, step, stream)))
             for seed in (0, 1) for step in range(20) for stream in range(3)}  # fmt: skip
    assert len(set(draws.values())) == len(draws)
    assert draws[1, 3, 2] == float(torch.rand((), generator=generator(1, 3, 2)))


def start(config: FilmConfig, folder: Path) -> subprocess.Popen[bytes]:
    run = [f"run.{name}={getattr(config.run, name)}" for name in ("steps", "log_every", "preview_every")]
    said = ["--preset", "toy", "-o", str(folder), *run, f"autoencoder={config.autoencoder}", f"banks={config.banks}"]
    command = [sys.executable, "-m", "rushes", "train", *said]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


def test_a_killed_toy_run_resumes_exactly(toy_config: FilmConfig, tmp_path: Path) -> None:
    """The bar of the project: kill -9 at a random moment, go on, and nothing in curve or weights tells."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    config = replace(toy_config, run=replace(toy_config.run, steps=30, log_every=2, preview_every=30))
    unbroken = Trainer(config, whole, say=silent)
    assert unbroken.run(silent) is not None
    unbroken.close()
    curve = broken / "loss.jsonl"
    for least in (1, 16):  # before the first checkpoint (if the kill is quick), and after the third
        killed = start(config, broken)
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and killed.poll() is None:
            if curve.exists() and curve.read_text().count("\n") >= least:
                break
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.05))
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        assert not (broken / "weights").exists()
    finished = start(config, broken)
    _, said = finished.communicate(timeout=600)
    assert finished.returncode == 0, said.decode()
    assert b"resumed at step 1" in said
    assert curve.read_bytes() == (whole / "loss.jsonl").read_bytes()
    assert shipped_bytes(broken) == shipped_bytes(whole)
    last = [checkpoint.committed(folder / "checkpoints")[-1] for folder in (broken, whole)]
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (last[0] / name).read_bytes() == (last[1] / name).read_bytes()
