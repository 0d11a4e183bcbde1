"""Tests of films by several processes: they are those of one process, and what goes wrong is one line."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from click.testing import CliRunner
from together import together

from rushes.cli._film_crew import Shared, pieces
from rushes.cli.main import main
from rushes.errors import InputError
from rushes.generate import Generator
from rushes.media.decode import read
from rushes.media.encode import encode
from rushes.models.autoencoder import Autoencoder, AutoencoderConfig
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import weights
from rushes.tiers import Plan, plan
from rushes.train.parallel.world import ParallelConfig, World
from rushes.types import Condition, GenerationRequest, VideoShape

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "rushes"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random weights whose film model has two heads."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    painter = AutoencoderConfig(channels=6, cell=4, widths=(8, 6, 4, 4, 4))
    text = TextConfig(words=("a", "boat", "cat", "left", "red", "sea"), length=6, width=16, depth=1, heads=1)
    film = TransformerConfig(channels=6, width=32, depth=2, heads=2, hidden=48, text=text)
    autoencoder, transformer = Autoencoder(painter), Transformer(film)
    autoencoder.transform.basis.normal_(std=0.1)
    torch.nn.init.normal_(transformer.out.weight, std=0.1)
    weights.save(autoencoder, folder / "autoencoder", family="autoencoder", config=painter)
    weights.save(transformer, folder / "film", family="transformer", config=film)
    return folder


@pytest.fixture(autouse=True)
def place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the tiny weights as the shipped ones."""
    monkeypatch.setenv("RUSHES_WEIGHTS", str(folder))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def request(seconds: int, *conditions: Condition, fps: int = 8) -> GenerationRequest:
    shape = VideoShape(frames=seconds * fps, height=320, width=768)
    effort = {"num_steps": 2, "guidance_scale": 3.0}
    return GenerationRequest(prompt="a red cat", shape=shape, fps=fps, conditions=conditions, **effort)  # type: ignore


def film_of(world: World, folder: Path, requests: list[GenerationRequest]) -> list[np.ndarray]:
    """Return the films of one of several processes: all of them in the first one, none in the others."""
    generator = Shared.load(folder, device="cpu", dtype="float32", threads=1).join(world, requests)
    if world.rank:
        generator.follow()
        return []
    assert generator.num_here == world.size
    films = [np.stack(list(generator.generate(each))) for each in requests]
    world.first(lambda: None)
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in generator.film.blocks)
    return films


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> list[GenerationRequest]:
    """A film that loops, one of two windows, and one that goes on with another."""
    path = tmp_path_factory.mktemp("given") / "before.mp4"
    before = np.random.default_rng(0).integers(0, 255, (16, 320, 768, 3), np.uint8)
    encode(path, before, fps=8, shape=VideoShape(frames=16, height=320, width=768))
    extended = Condition(kind="extend", uri=str(path), seconds=2)
    return [request(2, Condition(kind="loop")), request(12), request(4, extended, fps=24)]


@pytest.fixture(scope="module")
def alone(folder: Path, wanted: list[GenerationRequest]) -> list[np.ndarray]:
    """Those films as one process makes them."""
    generator = Generator.load(folder, device="cpu", dtype="float32", threads=1)
    return [np.stack(list(generator.generate(each))) for each in wanted]


@pytest.mark.parametrize("attention", ["ulysses", "ring"])
def test_two_processes_make_the_films_of_one(
    folder: Path, wanted: list[GenerationRequest], alone: list[np.ndarray], attention: str
) -> None:
    work = functools.partial(film_of, folder=folder, requests=wanted)
    made = together(2, work, ParallelConfig(attention=attention))[0]
    for film, expected in zip(made, alone, strict=True):
        assert film.shape == expected.shape
        assert np.abs(film.astype(int) - expected).max() <= 1 and (film != expected).mean() < 1e-3


@pytest.mark.parametrize("num", [1, 3, 4])
@pytest.mark.parametrize("loops", [False, True])
def test_pieces_are_painted_as_the_whole(folder: Path, num: int, loops: bool) -> None:
    painter = Generator.load(folder, device="cpu", dtype="float32", threads=1)
    latent = torch.randn(1, 6, num, 2, 3, generator=torch.Generator().manual_seed(num))
    shape = VideoShape(frames=8 + 4 * num - 3, height=48, width=72)
    shot = Plan(rows=2, columns=3, seconds=9, pixels=16, fps=8, shape=shape, given_s=1)  # its last frames are not shown
    whole = np.stack(list(painter.paint(latent, shot, loops=loops)))
    apart = [painter.paint(piece, part, loops=True) for piece, part in pieces(latent, shot, loops=loops)]
    assert np.array_equal(whole, np.concatenate([np.stack(list(each)) for each in apart]))


def too_many(world: World, folder: Path) -> str:
    try:
        Shared.load(folder, device="cpu", dtype="float32", threads=1).join(world, [request(2)])
    except InputError as error:
        return str(error)
    return ""


def test_a_number_that_cannot_share_the_film_names_the_nearest(folder: Path) -> None:
    said = together(3, functools.partial(too_many, folder=folder))
    expected = "3 processes cannot share 2 x 152 tokens and 2 heads by ulysses attention; the nearest legal number is 2"
    assert said == [expected] * 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--nproc", "2", "--attention", "line"), "attention 'line' is unknown; legal: ulysses, ring"),
        (("--nproc", "2", "--model", "wan2.1-1.3b"), "several processes share films of rushes alone"),
        (("--nproc", "2", "--device", "cuda:1"), "--device cuda:1 contradicts several processes"),
        (("--nproc", "2", "--threads", "2"), "--threads contradicts several processes"),
        (("--ray", "nowhere"), "Ray address 'nowhere' is illegal; legal are local, auto, HOST:PORT"),
        (("--ray", "local", "--live", "-", "-o", "a.mp4"), "--live - contradicts --ray"),
        (("--nproc", "2", "--size", "9x9"), "size 9x9 is illegal"),
        (("--nproc", "2", "--first", "none.png"), "none.png"),
    ],
)
def test_what_several_processes_cannot_do_is_one_line(options: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(main, ["film", "a red cat", *options])
    assert result.exit_code == 2
    assert said in result.stderr and result.stderr.count("\n") == 1


def test_the_command_starts_processes_and_so_does_torchrun(place: Path) -> None:
    (place / "prompts.txt").write_text("a red cat\na boat\n")
    told = ["film", "--prompts", "prompts.txt", "--tier", "short", "--seconds", "2", "--steps", "2", "--quiet"]
    commands = {
        "two": [sys.executable, "-m", "rushes", *told, "--nproc", "2"],
        "run": [*TORCHRUN, *told],
    }
    for name, command in commands.items():
        ended = subprocess.run([*command, "-o", f"{name}.mp4"], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout.splitlines()) == (0, [f"{name}-1.mp4", f"{name}-2.mp4"]), ended.stderr
    assert CliRunner().invoke(main, [*told, "--threads", "1", "-o", "one.mp4"]).exit_code == 0
    assert len(list(place.glob("*.mp4"))) == 6 and not list(place.glob(".*"))
    for number in (1, 2):
        films = [read(place / f"{name}-{number}.mp4").frames.astype(int) for name in ("one", *commands)]
        assert all(np.abs(film - films[0]).mean() < 0.01 for film in films)


@pytest.mark.parametrize("what", ["lost", "stopped"])
def test_a_film_that_ends_early_is_one_line_and_no_file(place: Path, what: str) -> None:
    command = [sys.executable, "-m", "rushes", "film", "a red cat", "--steps", "1000", "-o", "x.mp4", "--nproc", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as leader:
        assert leader.stderr
        assert leader.stderr.readline().startswith("240 frames")  # the estimate: the film begins
        others = psutil.Process(leader.pid).children()
        assert len(others) == 2
        if what == "lost":
            max(others, key=lambda each: each.pid).kill()
        else:
            leader.send_signal(signal.SIGTERM)
        rest = leader.stderr.read()
    if what == "lost":
        assert rest == "rushes: process 1 of 2 was lost (killed by SIGKILL); the film that it was at is not kept\n"
    else:
        assert rest == "rushes: interrupted\n"
    assert leader.returncode == (1 if what == "lost" else 130)
    psutil.wait_procs(others, timeout=30)
    assert list(place.iterdir()) == [] and not any(each.is_running() for each in others)


def test_a_plan_of_pieces_keeps_the_rest(folder: Path) -> None:
    shot = plan(request(3))
    parts = [part for _, part in pieces(torch.zeros(1, 6, 6, shot.rows, shot.columns), shot, loops=False)]
    assert [part.shape.frames for part in parts] == [8, 8, 8]
    assert {(part.pixels, part.fps, part.given_s) for part in parts} == {(shot.pixels, 8, 0)}
