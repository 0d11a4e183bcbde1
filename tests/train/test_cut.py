"""Tests that the cut-out model learns what the world's subjects look like."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rushes.models.cutout import CutoutModel, tiny
from rushes.train.cut import CutConfig, CutObjective, looks_of, on_table
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig, Trainer
from rushes.world.cutout import cutout
from rushes.world.scene import SceneFilters


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> CutConfig:
    return CutConfig(
        run=RunConfig(steps=30, checkpoint_every=10, preview_every=30, log_every=10, threads=1),
        optimizer=OptimizerConfig(lr=5e-3, ema=0.8),
        model=replace(tiny(), text=replace(tiny().text, length=16)),
        filters=SceneFilters(num_subjects_weights=(0.5, 0.5)),
        num=128,
        batch=16,
        banks=str(tmp_path_factory.mktemp("banks")),
        workers=1,
    )


def test_the_loss_falls_and_what_ships_draws(config: CutConfig, tmp_path: Path) -> None:
    trainer = Trainer(config, tmp_path / "run", say=lambda line: None)
    losses: list[float] = []
    shipped = trainer.run(lambda p: losses.append(p.loss))
    assert shipped is not None and losses[-1] < 0.8 * losses[0]
    assert list((tmp_path / "run" / "previews").glob("*.png"))
    model = CutoutModel.from_pretrained(shipped)
    assert float(model.deviation.min()) > 0.1 and float(model.mean[3]) > 0.1


def test_each_subject_is_asked_for_by_its_number(config: CutConfig, tmp_path: Path) -> None:
    objective = CutObjective(config)
    objective.prepare(tmp_path, lambda line: None)
    films = objective.films
    assert films is not None
    rows = np.arange(len(films.ids))
    pictures, which, *_ = objective._noised(films, rows, 3)
    wanted = films.pictures[films.looks[torch.from_numpy(rows), which]].float() / 255
    assert torch.equal(pictures, wanted) and pictures.flatten(1).any(1).all()
    assert 0.1 < float(which.float().mean()) < 0.4


def test_looks_are_drawn_once_each() -> None:
    which, pictures = looks_of([[("car", "red")], [("cat", "blue"), ("car", "red")]])
    assert which.tolist() == [[1, 0], [2, 1]] and pictures.shape == (3, 4, 48, 48)
    assert not pictures[0].any() and np.array_equal(pictures[2].permute(1, 2, 0).numpy(), cutout("cat", "blue"))
    seen = on_table(pictures.float() / 255)
    assert seen.shape == (48, 144, 3) and len(np.unique(seen[:, :48])) == 1
