"""Tests of the oracle's objective: its labels, its batches, and that it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rushes.data.banks.bank import Bank
from rushes.data.banks.world_rows import FrameRows
from rushes.models.oracle import ATTRIBUTES, STATIC, Oracle, OracleConfig
from rushes.train.presets.film import ONE_SUBJECT
from rushes.train.read import LABELS, ReadConfig, ReadObjective, labels_of, spoil
from rushes.train.trainer import RunConfig
from rushes.world.scene import Scene, Subject, to_dict

SMALL = OracleConfig(widths=(8, 8, 12), slots=2, width=32, depth=1, heads=2)
NUM = 32


@pytest.fixture(scope="module")
def films() -> Bank:
    make = FrameRows(height=36, width=64, filters=ONE_SUBJECT)
    rows = [make(index) for index in range(NUM)]
    return Bank([{"frames": np.stack([arrays["frames"] for arrays, _ in rows])}], [values for _, values in rows], NUM)


@pytest.fixture
def objective(films: Bank) -> ReadObjective:
    torch.manual_seed(0)
    config = ReadConfig(run=RunConfig(steps=40), model=SMALL, batch=4, still_batch=8, filters=ONE_SUBJECT)
    made = ReadObjective(config)
    made.bank = made.held_out = films
    return made


def test_labels_name_what_the_scene_holds() -> None:
    subject = Subject(kind="cat", colour="red", motion="drift", direction="left")
    scene = to_dict(Scene(place="hills", time="dusk", weather="rain", subjects=(subject,)))
    words = {a: LABELS[a][index] for a, index in labels_of(scene).items()}
    assert words == {
        "kind": "cat", "colour": "red", "size": "medium", "place": "hills", "time": "dusk",
        "weather": "rain", "motion": "drift", "direction": "left", "camera": "still",
    }  # fmt: skip


def test_stills_come_first_and_read_static_attributes(objective: ReadObjective) -> None:
    _, early = objective.loss(objective.model, 0)
    _, late = objective.loss(objective.model, 20)
    assert set(early) == {"astray", *(f"right_{a}" for a in STATIC)}
    assert set(late) == {"astray", *(f"right_{a}" for a in ATTRIBUTES)}
    assert [objective.num_samples(step) for step in (19, 20)] == [8, 4]


def test_a_step_has_one_loss(objective: ReadObjective) -> None:
    first, again, other = (objective.loss(objective.model, step)[0] for step in (25, 25, 26))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_it_starts_at_chance_and_learns(objective: ReadObjective) -> None:
    adam = torch.optim.Adam(objective.model.parameters(), lr=3e-3)
    losses = []
    for step in range(16):
        loss, _ = objective.loss(objective.model, step)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    chance = sum(np.log(len(LABELS[a])) for a in STATIC) + np.log(12 * 20)  # and where the subject is, of all cells
    assert losses[0] == pytest.approx(chance, rel=0.25)
    assert sum(losses[-4:]) < 0.93 * sum(losses[:4])


def test_previews_count_what_is_read_right(objective: ReadObjective, tmp_path: Path) -> None:
    figures = objective.preview(objective.model.eval(), tmp_path, 1)
    assert set(figures) == {f"held_out_{a}" for a in ATTRIBUTES}
    assert all(0 <= share <= 1 for share in figures.values())


def test_spoiled_frames_stay_pictures_of_the_same_thing() -> None:
    frames = torch.zeros(1, 2, 3, 36, 64, dtype=torch.uint8)
    frames[..., 20:, :] = 255
    for seed in range(6):
        found = spoil(frames, torch.Generator().manual_seed(seed), blur=0.5)
        assert found.shape == frames.shape and found.abs().max() < 1.6
        assert found[..., :12, :].mean() < -0.8 and found[..., 28:, :].mean() > 0.8
    same = [spoil(frames, torch.Generator().manual_seed(0), blur=0.5) for _ in range(2)]
    assert torch.equal(*same)


def test_shipped_weights_know_their_labels(objective: ReadObjective, tmp_path: Path) -> None:
    found = Oracle.from_pretrained(objective.ship(objective.model, tmp_path / "w", {}))
    assert found.labels == {a: tuple(LABELS[a]) for a in ATTRIBUTES}
    started = ReadObjective(replace(objective.config, run=RunConfig(steps=1, init=str(tmp_path / "w"))))
    assert all(p.requires_grad for p in started.model.parameters())
