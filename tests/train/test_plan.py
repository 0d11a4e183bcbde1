"""Tests that the layout model learns where the world's subjects go, and that a killed run would go on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rushes import layouts
from rushes.models.layout import LayoutModel, tiny
from rushes.train.optimizer import OptimizerConfig
from rushes.train.plan import PlanConfig, PlanObjective, drawn
from rushes.train.trainer import RunConfig, Trainer
from rushes.world.scene import SceneFilters


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PlanConfig:
    return PlanConfig(
        run=RunConfig(steps=30, checkpoint_every=10, preview_every=30, log_every=10, threads=1),
        optimizer=OptimizerConfig(lr=5e-3, ema=0.8),
        model=replace(tiny(), text=replace(tiny().text, length=16)),
        filters=SceneFilters(num_subjects_weights=(0.7, 0.3)),
        seconds=(1, 2),
        num=128,
        batch=32,
        banks=str(tmp_path_factory.mktemp("banks")),
        workers=1,
    )


def test_the_loss_falls_and_what_ships_plans(config: PlanConfig, tmp_path: Path) -> None:
    trainer = Trainer(config, tmp_path / "run", say=lambda line: None)
    losses: list[float] = []
    shipped = trainer.run(lambda p: losses.append(p.loss))
    assert shipped is not None and losses[-1] < 0.8 * losses[0]
    assert list((tmp_path / "run" / "previews").glob("*.png"))
    model = LayoutModel.from_pretrained(shipped)
    assert model.deviation.min() >= 0.0199 and model.mean.abs().sum() > 0


def test_what_is_not_there_does_not_count(config: PlanConfig, tmp_path: Path) -> None:
    objective = PlanObjective(replace(config, filters=SceneFilters(num_subjects_weights=(1.0, 0.0)), num=128))
    objective.prepare(tmp_path, lambda line: None)
    model = objective.model.eval()
    rows = objective.films[1][:8].clone()
    before = objective._error(model, objective._noised(rows, objective.ids[:8, 0], 5), 1)
    assert not rows[:, :, layouts.columns(1)].any()
    weightless = rows.clone()
    weightless[:, :, layouts.columns(1)][..., : layouts.PRESENT] = 3.0
    model.out.weight.data.zero_()
    after = objective._error(model, objective._noised(weightless, objective.ids[:8, 0], 5), 1)
    assert float(before.detach()) == pytest.approx(float(after.detach()), rel=1e-4)


def test_a_drawn_layout_shows_its_boxes() -> None:
    rows = np.zeros((12, layouts.COLUMNS), np.float32)
    rows[:, layouts.columns(0)] = (0, 0, 0, 0, 1, 1, 1)
    empty, full = np.asarray(drawn(rows * 0, "")), np.asarray(drawn(rows, ""))
    assert (empty != full).any(2).sum() > 100
