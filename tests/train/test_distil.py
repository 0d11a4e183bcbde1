"""Tests of distillation: films are curated, a teacher behind a real server describes them, the captioner learns it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from together import together

from rushes.data.banks.teacher_rows import TeacherRows, newest
from rushes.data.dataset import Dataset
from rushes.data.run import curate
from rushes.data.settings import CurateConfig
from rushes.data.shots import ShotConfig
from rushes.errors import InputError
from rushes.media.encode import encode
from rushes.models.captioner import Captioner, CaptionerConfig
from rushes.train.describe import DescribeConfig, DescribeObjective
from rushes.train.distil import Lessons
from rushes.train.parallel.world import World
from rushes.train.trainer import RunConfig
from rushes.types import VideoShape

SMALL = CaptionerConfig(
    widths=(8, 8, 12), close_widths=(6, 8, 8), shape_width=24, colour_width=8, slots=2, width=32, depth=1, heads=2,
    text_depth=1, embedding=16,
)  # fmt: skip
SAID = {"medium": "a red cat walks at night", "subjects": [{"kind": "cat", "colour": "red"}], "time": "night"}


class Endpoint(BaseHTTPRequestHandler):
    """Says the same of every clip."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"choices": [{"message": {"content": json.dumps(SAID)}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Serial:
    """A runner that runs everything here, in order."""

    def map(self, function: Any, items: Any) -> Iterator[Any]:
        for item in items:
            yield item, function(item, lambda frames: None)


def config(**stages: str) -> CurateConfig:
    return replace(CurateConfig(), shots=ShotConfig(min_s=1.0, max_s=2.0), stages=stages)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a dataset of two films that a teacher described."""
    folder, place = (tmp_path_factory.mktemp(name) for name in ("films", "data"))
    for seed in range(2):
        frames = np.random.default_rng(seed).integers(0, 256, (36, 48, 64, 3), dtype=np.uint8)
        encode(folder / f"{seed}.mp4", frames, fps=12, shape=VideoShape(frames=36, height=48, width=64))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        teacher = f"http://127.0.0.1:{server.server_port}/v1 m"
        curate(str(place / "d"), [str(folder)], config(teacher=teacher), Serial())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    yield str(place / "d")


def test_rows_are_clips_with_what_was_said(dataset: str) -> None:
    version, num = newest(dataset)
    assert num == Dataset.open(dataset).clips().num_rows >= 2
    make = TeacherRows(dataset=dataset, version=version)
    arrays, values = make(1)
    assert arrays["frames"].shape == (10, 90, 160, 3) and arrays["times"].shape == (10,)
    assert values["texts"]["medium"] == SAID["medium"] and values["fields"]["subjects"][0]["kind"] == "cat"
    assert make(1 + num)[1] == values and make(0)[1]["clip"] != values["clip"]


def test_a_dataset_without_a_teacher_is_an_error(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (36, 48, 64, 3), dtype=np.uint8)
    (tmp_path / "films").mkdir()
    encode(tmp_path / "films" / "a.mp4", frames, fps=12, shape=VideoShape(frames=36, height=48, width=64))
    curate(str(tmp_path / "d"), [str(tmp_path / "films")], config(), Serial())
    with pytest.raises(InputError, match="no teacher has described"):
        newest(str(tmp_path / "d"))


def test_the_captioner_learns_what_the_teacher_says(dataset: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    said: list[str] = []
    settings = DescribeConfig(
        run=RunConfig(steps=9), model=SMALL, batch=2, eye="", data=dataset, banks=str(tmp_path), workers=1
    )
    objective = DescribeObjective(settings)
    objective.lessons = Lessons(dataset, tmp_path, 1, said.append)
    assert "described by teacher" in said[0] and objective.num_samples(1) == 2
    assert isinstance(objective.model, Captioner)
    adam = torch.optim.Adam(objective.model.parameters(), lr=5e-3)
    losses = []
    for _ in range(12):
        loss, scalars = objective.loss(objective.model, 1)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert set(scalars) == {"teacher_words", "teacher_fields", "contrast"}
    assert losses[-1] < 0.6 * losses[0]


def test_two_processes_learn_from_a_teacher_what_one_does(dataset: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = DescribeConfig(
        run=RunConfig(steps=9), model=SMALL, batch=2, eye="", data=dataset, banks=str(tmp_path), workers=1
    )
    objective = DescribeObjective(settings)
    objective.lessons = Lessons(dataset, tmp_path, 1, lambda line: None)

    def loss(world: World) -> tuple[float, float]:
        objective.share = world.share
        found, _ = objective.loss(objective.model, 1)
        found.backward()
        gradients = [p.grad for p in objective.model.parameters() if p.grad is not None]
        world.average(gradients)
        return float(world.mean(found.detach().clone())), float(torch.cat([g.flatten() for g in gradients]).norm())

    assert together(2, loss)[0] == pytest.approx(loss(World()), rel=1e-3)
