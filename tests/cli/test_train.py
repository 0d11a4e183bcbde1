"""Tests of `rushes train`: presets, settings, and how a run is stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rushes.cli.main import main
from rushes.train import checkpoint
from rushes.train.film import FilmConfig


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["train", *arguments])


def test_without_a_preset_the_known_ones_are_listed() -> None:
    result = run()
    assert result.exit_code == 2
    assert "known: " in result.stderr and all(name in result.stderr for name in ("film", "oracle", "toy"))


def test_an_unknown_preset_names_the_nearest() -> None:
    result = run("--preset", "flim")
    assert result.exit_code == 2
    assert "known: film, " in result.stderr and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("run.step=3", "unknown key 'run.step'; known keys here: steps, "),
        ("model.heads.x=3", "heads has no keys of its own"),
        ("run.steps=2.5", "run.steps=2.5 is no int"),
        ("run.steps", "'run.steps' is no key=value"),
        ("filters.kinds=['catt']", "kind 'catt' is unknown; the nearest legal one is 'cat'"),
        ("model.width=40", "width 40 is no multiple of 16 per head"),
    ],
)
def test_an_illegal_setting_is_one_line(assignment: str, said: str) -> None:
    result = run("--preset", "toy", assignment)
    assert result.exit_code == 2
    assert said in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["autoencoder", "film", "oracle", "toy", "toy_transform", "transform"])
def test_every_preset_shows_its_settings(name: str) -> None:
    result = run("--preset", name, "--show", "run.seed=7")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["run"]["seed"] == 7


def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    result = run("--preset", "toy", "-o", str(tmp_path / "run"), f"autoencoder={tmp_path}/none")
    assert result.exit_code == 1
    assert "there are no weights in" in result.stderr and "Traceback" not in result.output


def test_a_preset_trains_and_the_weights_are_printed(tmp_path: Path) -> None:
    result = run("--preset", "toy_transform", "-o", str(tmp_path / "run"), "num_windows=2")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path}/run/weights\n"
    assert (tmp_path / "run" / "weights" / "model.safetensors").is_file()


def test_a_terminated_run_keeps_its_step_and_goes_on(toy_config: FilmConfig, tmp_path: Path) -> None:
    places = [f"autoencoder={toy_config.autoencoder}", f"banks={toy_config.banks}"]
    settings = [*places, "run.steps=4000", "run.checkpoint_every=4000", "run.log_every=1"]
    command = [sys.executable, "-m", "rushes", "train", "--preset", "toy", "-o", str(tmp_path), *settings]
    trainer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    curve, deadline = tmp_path / "loss.jsonl", time.monotonic() + 300
    while not curve.exists() and trainer.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(trainer.pid, signal.SIGTERM)
    out, said = trainer.communicate(timeout=300)
    assert trainer.returncode == 130 and out == b"", said.decode()
    newest = checkpoint.committed(tmp_path / "checkpoints")[-1]
    step = checkpoint.read(newest)[1]["step"]
    assert f"stopped and kept at step {step}" in said.decode()
    assert len(curve.read_text().splitlines()) == step


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--nproc", "4", "--copies", "3"), "copies 3 does not divide 4 processes; the nearest legal value is 2"),
        (("--nproc", "2", "--sequence", "4"), "sequence 4 does not divide 2 processes; the nearest legal value is 2"),
        (("--nproc", "2", "--sequence", "2", "run.compile=true"), "run.compile=true contradicts --sequence"),
        (("--attention", "line"), "attention 'line' is unknown; legal: ulysses, ring"),
        (("--ray", "nowhere"), "Ray address 'nowhere' is illegal; legal are local, auto, HOST:PORT"),
    ],
)
def test_an_illegal_arrangement_is_one_line(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    result = run("--preset", "toy_transform", "-o", str(tmp_path), *options)
    assert result.exit_code == 2
    assert said in result.stderr and result.stderr.count("\n") == 1


def test_two_processes_train_and_one_speaks(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "rushes",
        "train",
        "--preset",
        "toy_transform",
        "-o",
        str(tmp_path),
        "--nproc",
        "2",
    ]
    done = subprocess.run([*command, "num_windows=2"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/weights\n" and done.stderr.count("fitting the transform") == 1
    assert (tmp_path / "processes" / "1.log").read_text() == ""


def test_a_fault_of_the_users_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    command = [
        sys.executable,
        "-m",
        "rushes",
        "train",
        "--preset",
        "toy_transform",
        "-o",
        str(tmp_path),
        "--nproc",
        "2",
    ]
    done = subprocess.run([*command, "run.dtype=float16"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert done.stderr.count("rushes: ") == 1 and "Traceback" not in done.stderr, done.stderr
