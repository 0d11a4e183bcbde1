"""Tests of cached latents: what they hold, built once, whoever builds them and however often that is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rushes.data.banks import latents
from rushes.data.banks.latents import LatentConfig, Latents, build, encode_clip, nearest_grid
from rushes.data.dataset import Dataset
from rushes.data.workers.pool import Failure, LocalRunner
from rushes.errors import InputError, RushesError
from rushes.models.autoencoder import Autoencoder
from rushes.nn import weights


@pytest.fixture
def place(world_dataset: Path, tmp_path: Path) -> Path:
    """Return a copy of the dataset to write into."""
    return Path(shutil.copytree(world_dataset, tmp_path / "data"))


@pytest.fixture(scope="module")
def wide(toy_autoencoder: Path) -> LatentConfig:
    return LatentConfig(autoencoder=str(toy_autoencoder))


def wide_clips(place: Path) -> list[str]:
    rows = Dataset.open(place).clips().select(["clip_id", "width_px", "height_px"]).to_pylist()
    return [row["clip_id"] for row in rows if row["width_px"] > row["height_px"]]


def columns(place: Path) -> dict[str, bytes]:
    return {str(file.relative_to(place)): file.read_bytes() for file in sorted((place / "columns").rglob("*.*"))}


def test_latents_are_those_of_the_clips_pictures(place: Path, wide: LatentConfig) -> None:
    ids = wide_clips(place)
    seen: list[tuple[int, int]] = []
    made = build(str(place), {wide: ids}, watch=lambda *counts: seen.append(counts))[wide]
    assert seen == [(0, len(ids)), (len(ids), len(ids))] and len(ids) >= 6
    data = Dataset.open(place)
    for clip_id in ids:
        row = data._row(clip_id)
        assert made.frames(clip_id) == 2 * int(row["duration_s"])
        whole = encode_clip(data.read_clip(clip_id), wide, row["duration_s"])
        assert whole.dtype == np.float16 and whole.shape == (made.frames(clip_id), 24, 9, 16)
        assert np.array_equal(made.take(clip_id, 0, len(whole)), whole.transpose(1, 0, 2, 3))
        assert np.array_equal(made.take(clip_id, 1, 2), whole[1:3].transpose(1, 0, 2, 3))
    assert made.frames("no such clip") == 0 and made.failures() == {}


def test_latents_decode_to_what_the_clip_shows(place: Path, wide: LatentConfig, toy_autoencoder: Path) -> None:
    clip_id = wide_clips(place)[0]
    made = build(str(place), {wide: [clip_id]})[wide]
    latent = torch.from_numpy(made.take(clip_id, 0, 2)).float()[None]
    shown = Autoencoder.from_pretrained(toy_autoencoder).transform.decode(latent)[0].permute(1, 2, 3, 0).numpy()
    shape = latents.BucketConfig(frames=8 * int(made.frames(clip_id) / 2), fps=8, height=72, width=128)
    frames = latents.read_frames(Dataset.open(place).read_clip(clip_id), shape)[:8] / 127.5 - 1
    assert np.abs(shown - frames).mean() < 0.12 < np.abs(shown - frames[:, ::-1]).mean()


def test_what_is_there_is_not_made_again(place: Path, wide: LatentConfig) -> None:
    ids = wide_clips(place)
    build(str(place), {wide: ids[:3]})
    before = columns(place)
    commits = Dataset.open(place).ledger.num_commits
    calls: list[tuple[int, int]] = []
    build(str(place), {wide: ids[:3]}, watch=lambda *counts: calls.append(counts))
    assert calls == [] and Dataset.open(place).ledger.num_commits == commits
    made = build(str(place), {wide: ids})[wide]
    assert before.items() <= columns(place).items() and set(made.rows) == set(ids)


def test_workers_and_this_process_make_the_same_bytes(place: Path, wide: LatentConfig, tmp_path: Path) -> None:
    other = Path(shutil.copytree(place, tmp_path / "other"))
    build(str(place), {wide: wide_clips(place)})
    with LocalRunner(2, silent_s=120, memory_mb=4096) as runner:
        build(str(other), {wide: wide_clips(other)}, runner)
    assert columns(place) == columns(other) and Dataset.open(place).digest() == Dataset.open(other).digest()


def test_other_latents_lie_in_other_columns(
    place: Path, wide: LatentConfig, toy_autoencoder: Path, tmp_path: Path
) -> None:
    square = replace(wide, rows=12, columns=12)
    painted = Path(shutil.copytree(toy_autoencoder, tmp_path / "painted"))
    better, finer = Autoencoder.from_pretrained(painted), Autoencoder.from_pretrained(painted)
    torch.nn.init.normal_(better.painter.grow4.weight)
    weights.save(better, painted, family="autoencoder", config=better.config)
    finer.transform.divisor.mul_(1.01)
    weights.save(finer, tmp_path / "finer", family="autoencoder", config=finer.config)
    assert square.prefix() != wide.prefix() and "latents-12x12@" in square.prefix()
    assert LatentConfig(autoencoder=str(painted)).prefix() == wide.prefix()  # a painter spoils no latents
    assert LatentConfig(autoencoder=str(tmp_path / "finer")).prefix() != wide.prefix()
    ids = wide_clips(place)[:1]
    made = build(str(place), {wide: ids, square: ids})
    assert made[square].take(ids[0], 0, 1).shape == (24, 1, 12, 12)


def test_a_clip_that_cannot_be_read_is_a_row(place: Path, wide: LatentConfig) -> None:
    ids = wide_clips(place)
    row = Dataset.open(place)._row(ids[1])
    shard = place / row["shard"]
    content = bytearray(shard.read_bytes())
    content[row["offset"] : row["offset"] + row["num_bytes"]] = bytes(row["num_bytes"])
    shard.write_bytes(content)
    made = build(str(place), {wide: ids})[wide]
    assert set(made.failures()) == {ids[1]} and made.frames(ids[1]) == 0 and made.frames(ids[0]) > 0


class Dying:
    """A runner whose worker dies of every part that holds one clip."""

    def __init__(self, clip_id: str) -> None:
        self.clip_id = clip_id

    def map(self, function, items):
        for task in items:
            is_deadly = any(clip["clip_id"] == self.clip_id for clip in task.clips)
            yield task, Failure(kind="crashed", reason="it died") if is_deadly else function(task, lambda num: None)


def test_a_clip_that_kills_its_worker_costs_no_other(place: Path, wide: LatentConfig) -> None:
    ids = wide_clips(place)
    made = build(str(place), {wide: ids}, Dying(ids[2]))[wide]
    assert made.failures() == {ids[2]: "it died"} and made.rows[ids[2]]["outcome"] == "crashed"
    assert all(made.frames(clip_id) for clip_id in ids if clip_id != ids[2])


class Full:
    """A runner whose disk is full."""

    def map(self, function, items):
        for task in items:
            yield task, Failure(kind="failed", reason="full", error=RushesError("the disk is full"))


def test_what_ends_the_run_ends_it(place: Path, wide: LatentConfig) -> None:
    with pytest.raises(RushesError, match="the disk is full"):
        build(str(place), {wide: wide_clips(place)}, Full())
    with pytest.raises(InputError, match="there is no clip 'none'"):
        build(str(place), {wide: ["none"]})


BUILD = """
import sys
from rushes.data.banks import latents
latents.PART_CLIPS = 1
config = latents.LatentConfig(autoencoder=sys.argv[2])
latents.build(sys.argv[1], {config: sys.argv[3:]}, watch=lambda done, wanted: print(done, flush=True))
"""


def test_a_killed_build_goes_on(
    place: Path, wide: LatentConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(place, tmp_path / "other"))
    ids = wide_clips(place)
    said = [sys.executable, "-c", BUILD, str(place), wide.autoencoder, *ids]
    run = subprocess.Popen(said, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert run.stdout is not None
    while int(run.stdout.readline() or 99) < 2:
        time.sleep(0)
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    monkeypatch.setattr(latents, "PART_CLIPS", 1)
    config = replace(wide)
    found = Latents.open(Dataset.open(place), config)
    assert 2 <= len(found.rows) <= len(ids)
    build(str(place), {config: ids})
    build(str(other), {config: ids})
    named = {name: data for name, data in columns(place).items() if name in Dataset.open(place).ledger.entries}
    assert named == columns(other) and Dataset.open(place).digest() == Dataset.open(other).digest()


def test_a_short_clip_has_none(wide: LatentConfig) -> None:
    with pytest.raises(InputError, match="less than a second"):
        encode_clip(b"", wide, 0.9)


def test_grids_follow_the_aspect() -> None:
    grids = ((9, 16), (16, 9), (12, 12))
    pairs = {(1920, 1080): (9, 16), (720, 1280): (16, 9), (500, 480): (12, 12), (640, 272): (9, 16)}
    assert {size: nearest_grid(grids, *size) for size in pairs} == pairs
