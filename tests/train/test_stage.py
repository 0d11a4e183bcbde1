"""Tests that the backdrop model learns what the world's places look like."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rushes.data.banks.world_rows import StageRows
from rushes.models.backdrop import BackdropModel, tiny
from rushes.train.optimizer import OptimizerConfig
from rushes.train.stage import StageConfig, StageObjective
from rushes.train.trainer import RunConfig, Trainer
from rushes.world.backdrop import backdrop
from rushes.world.scene import SceneFilters


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> StageConfig:
    return StageConfig(
        run=RunConfig(steps=20, checkpoint_every=10, preview_every=20, log_every=10, threads=1),
        optimizer=OptimizerConfig(lr=5e-3, ema=0.8),
        model=replace(tiny(), text=replace(tiny().text, length=16)),
        filters=SceneFilters(places=("sea", "space"), times=("night",), weathers=("clear",)),
        num=128,
        batch=8,
        banks=str(tmp_path_factory.mktemp("banks")),
        workers=1,
    )


def test_the_loss_falls_and_what_ships_draws(config: StageConfig, tmp_path: Path) -> None:
    trainer = Trainer(config, tmp_path / "run", say=lambda line: None)
    losses: list[float] = []
    shipped = trainer.run(lambda p: losses.append(p.loss))
    assert shipped is not None and losses[-1] < 0.8 * losses[0]
    assert list((tmp_path / "run" / "previews").glob("*.png"))
    model = BackdropModel.from_pretrained(shipped)
    assert float(model.deviation.min()) > 0.05 and float(model.mean[3]) > 0.1


def test_each_prompt_has_its_own_place_s_middle(config: StageConfig, tmp_path: Path) -> None:
    objective = StageObjective(config)
    objective.prepare(tmp_path, lambda line: None)
    films = objective.films
    assert films is not None and len(films.places.numbers) <= 32  # each is drawn once
    pictures, *_ = objective._noised(films, np.arange(4), 3)
    assert tuple(side // 16 for side in pictures.shape[2:]) in objective.sizes
    high, wide = pictures.shape[2:]
    rows = [StageRows(filters=config.filters)(index)[1] for index in range(4)]
    for number, picture in enumerate(pictures):
        whole = torch.from_numpy(backdrop(*rows[number]["stage"])).permute(2, 0, 1) / 255
        top, left = (whole.shape[1] - high) // 2, (whole.shape[2] - wide) // 2
        assert torch.equal(picture, whole[:, top : top + high, left : left + wide])
