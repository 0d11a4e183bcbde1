"""Tests of the painter's objective on crops made of noise, and of the transform's fit on the world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rushes.data.banks.bank import Bank
from rushes.models.autoencoder import Autoencoder
from rushes.train.optimizer import OptimizerConfig
from rushes.train.paint import PaintObjective
from rushes.train.presets.toy_transform import toy_transform
from rushes.train.trainer import RunConfig, Trainer

NUM = 16


def crops() -> Bank:
    """Sixteen crops of 2 x 2 cells: flat colours to be painted inverted, which no painter does before it learns."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (NUM, 1, 1, 1, 3))
    view = np.broadcast_to(colours, (NUM, 12, 16, 16, 3)).astype(np.uint8)
    target = np.broadcast_to(255 - colours, (NUM, 3, 160, 160, 3)).astype(np.uint8)
    frames = np.sort(rng.permuted(np.tile(np.arange(12), (NUM, 1)), axis=1)[:, :3])
    return Bank([{"view": view, "target": target, "frames": frames}], [{}] * NUM, NUM)


@pytest.fixture
def objective(toy_autoencoder: Path) -> PaintObjective:
    torch.manual_seed(0)
    config = replace(toy_transform(), run=RunConfig(steps=30, init=str(toy_autoencoder)))
    made = PaintObjective(config)
    made.bank = made.held_out = crops()
    return made


def test_the_toy_transform_codes_the_world(toy_autoencoder: Path) -> None:
    transform = Autoencoder.from_pretrained(toy_autoencoder).transform
    assert torch.allclose(transform.basis @ transform.basis.T, torch.eye(len(transform.basis)), atol=1e-4)
    grey = transform.encode(torch.zeros(1, 3, 4, 8, 8))
    assert transform.decode(grey).abs().max() < 0.2


def test_the_painter_learns(objective: PaintObjective) -> None:
    adam = torch.optim.Adam(objective.model.parameters(), lr=1e-2)
    losses = []
    for _ in range(24):
        loss, figures = objective.loss(objective.model, 0)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert set(figures) == {"l1_16", "l1_48", "l1_80"}
    assert losses[-1] < 0.6 * losses[0]


def test_the_transform_is_not_trained(objective: PaintObjective) -> None:
    objective.loss(objective.model, 0)[0].backward()
    assert all(p.grad is not None for name, p in objective.model.painter.named_parameters())
    assert all("transform" not in name for name, _ in objective.model.named_parameters())


def test_a_step_has_one_loss(objective: PaintObjective) -> None:
    first, again, other = (objective.loss(objective.model, step)[0] for step in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_previews_lay_rivals_side_by_side(objective: PaintObjective, tmp_path: Path) -> None:
    figures = objective.preview(objective.model.eval(), tmp_path, 5)
    assert 0 < figures["held_out_psnr_db"] < 60
    with Image.open(tmp_path / "step-0000005.png") as sheet:
        assert sheet.size == (2 * 3 * 160, 3 * 160)


def test_a_run_of_no_steps_ships_the_transform(toy_autoencoder: Path) -> None:
    assert {path.name for path in toy_autoencoder.iterdir()} == {"config.json", "model.safetensors"}
    assert not (toy_autoencoder.parent / "checkpoints").exists()


def test_the_same_seed_fits_the_same_transform(toy_autoencoder: Path, tmp_path: Path) -> None:
    config = toy_transform()
    again = Trainer(replace(config, optimizer=OptimizerConfig()), tmp_path, say=lambda line: None).run(lambda p: None)
    assert again is not None
    assert (again / "model.safetensors").read_bytes() == (toy_autoencoder / "model.safetensors").read_bytes()
