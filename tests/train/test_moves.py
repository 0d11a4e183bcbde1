"""Tests of the oracle's layers that read shifts: they alone learn, what was seen is kept, and the rest stays."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rushes.data.banks.bank import Bank
from rushes.data.banks.world_rows import FrameRows
from rushes.models.oracle import ATTRIBUTES, MOVING, NUM_FRAMES, Oracle, OracleConfig, shifted
from rushes.nn.shifts import WIDTH, shifts
from rushes.train.moves import KEPT, MovesConfig, MovesObjective
from rushes.train.presets.film import ONE_SUBJECT
from rushes.train.trainer import RunConfig

SMALL = OracleConfig(widths=(8, 8, 12), close_widths=(4, 6, 8), slots=2, width=32, depth=1, heads=2, moves=16)
NUM = 32


@pytest.fixture(scope="module")
def films() -> Bank:
    make = FrameRows(height=36, width=64, filters=ONE_SUBJECT)
    rows = [make(index) for index in range(NUM)]
    return Bank([{"frames": np.stack([arrays["frames"] for arrays, _ in rows])}], [values for _, values in rows], NUM)


@pytest.fixture
def objective(films: Bank, tmp_path: Path, monkeypatch) -> MovesObjective:
    torch.manual_seed(0)
    made = MovesObjective(MovesConfig(run=RunConfig(steps=4), model=SMALL, batch=8, filters=ONE_SUBJECT))
    made.reading.bank = made.reading.held_out = films
    monkeypatch.setattr(made.reading, "prepare", lambda folder, say: None)
    made.prepare(tmp_path, print)
    return made


def test_what_was_seen_is_kept_and_not_looked_at_again(objective: MovesObjective, tmp_path: Path, monkeypatch) -> None:
    assert set(objective.seen) == {"tokens", "moved", *MOVING}
    assert {len(tensor) for tensor in objective.seen.values()} == {NUM}
    assert objective.seen["moved"].shape[1] == (NUM_FRAMES - 1) * (WIDTH + 1)
    kept = (tmp_path / KEPT).read_bytes()
    monkeypatch.setattr(objective, "_look", lambda say: pytest.fail("it looked again"))
    objective.prepare(tmp_path, print)
    assert (tmp_path / KEPT).read_bytes() == kept


def test_only_what_reads_shifts_learns(objective: MovesObjective) -> None:
    before = {name: weight.clone() for name, weight in objective.model.named_parameters()}
    learning = [weight for weight in objective.model.parameters() if weight.requires_grad]
    optimizer, losses = torch.optim.Adam(learning, 5e-3), []
    for step in range(30):
        loss, right = objective.loss(objective.model, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    changed = {name for name, weight in objective.model.named_parameters() if not weight.equal(before[name])}
    assert {name.split(".")[0] for name in changed} == {"moves", "told"}
    assert set(right) == {f"right_{a}" for a in MOVING}
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_a_pan_and_a_zoom_look_unlike(films: Bank) -> None:
    texture = torch.rand(1, 1, 3, 90, 260)
    pan = torch.cat([texture[..., 4 * i : 4 * i + 160] for i in range(3)], dim=1)
    across, down, sureness, _ = shifts(pan)[0].unflatten(1, (12, 4)).unbind(-1)
    assert torch.allclose(across, torch.full_like(across, -2.0), atol=0.3)  # the grid has half as many columns
    assert down.abs().max() < 0.3 and sureness.min() > 0.3
    still = shifts(pan[:, :1].expand(-1, 3, -1, -1, -1))[0].unflatten(1, (12, 4))
    assert still[..., :2].abs().max() < 0.05


def test_frames_are_put_in_order_before_they_are_compared() -> None:
    frames, times = torch.rand(1, NUM_FRAMES, 3, 36, 64), torch.rand(1, NUM_FRAMES)
    order = times.argsort(dim=1)[0]
    assert torch.equal(shifted(frames, times), shifted(frames[:, order], times[:, order]))


def test_what_is_shipped_loads_and_answers(objective: MovesObjective, tmp_path: Path) -> None:
    objective.ship(objective.model, tmp_path / "weights", {"steps": 0})
    model = Oracle.from_pretrained(tmp_path / "weights")
    assert model.config.moves == 16
    assert set(model.read(torch.rand(NUM_FRAMES, 3, 90, 160), 1.0)) == set(ATTRIBUTES)
