"""Tests of the captioner's thinking: what was seen is kept, it alone learns, and two looks differ."""

from pathlib import Path

import pytest
import torch
from caption_films import NUM, SMALL, caption_films

from rushes.models._fields import FIELDS
from rushes.models.captioner import NUM_FRAMES
from rushes.train.mind import EYE, KEPT, SEEN, MindConfig, MindObjective
from rushes.train.trainer import RunConfig


@pytest.fixture
def objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MindObjective:
    torch.manual_seed(0)
    made = MindObjective(MindConfig(run=RunConfig(steps=4), model=SMALL, batch=6, spoken=2, texts=2, looks=2))
    made.describing.bank = made.describing.held_out = caption_films()
    monkeypatch.setattr(made.describing, "prepare", lambda folder, say: None)
    made.prepare(tmp_path, print)
    return made


def test_what_was_seen_is_kept_and_not_looked_at_again(objective: MindObjective, tmp_path: Path, monkeypatch) -> None:
    assert set(objective.seen) == {*SEEN, *(f"is_{a}" for a in FIELDS), "tags", "matched", "followed"}
    assert {len(tensor) for tensor in objective.seen.values()} == {2 * NUM}
    assert objective.seen["boxes"].shape[1:] == (NUM_FRAMES, 2, 4)
    first, second = objective.seen["whole"][:NUM], objective.seen["whole"][NUM:]
    assert not torch.equal(first, second) and torch.equal(
        objective.seen["is_kind"][:NUM], objective.seen["is_kind"][NUM:]
    )
    monkeypatch.setattr(objective, "_look", lambda say: pytest.fail("it looked again"))
    objective.prepare(tmp_path, print)
    assert (tmp_path / KEPT).is_file()


def test_only_what_thinks_learns(objective: MindObjective) -> None:
    before = {name: weight.clone() for name, weight in objective.model.named_parameters()}
    learning = [weight for weight in objective.model.parameters() if weight.requires_grad]
    optimizer, losses = torch.optim.Adam(learning, 4e-3), []
    for step in range(12):
        loss, right = objective.loss(objective.model, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    changed = {name for name, weight in objective.model.named_parameters() if not weight.equal(before[name])}
    assert changed == {name for name in before if not name.startswith(EYE)}
    assert set(right) == {f"right_{a}" for a in FIELDS} | {"words", "contrast"}
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_a_step_has_one_loss(objective: MindObjective) -> None:
    first, again, other = (objective.loss(objective.model, step)[0] for step in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
