"""Tests of the captioner's objective: labels and tracks, what is searched for, and that it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from caption_films import SMALL, caption_films
from together import together

from rushes.data.captioning.sentences import LABELS, every_word, fields_of
from rushes.errors import RushesError
from rushes.models._fields import FIELDS, STILL_FIELDS
from rushes.models.captioner import Captioner, pick
from rushes.models.oracle import Oracle
from rushes.models.oracle import tiny as tiny_oracle
from rushes.nn import weights
from rushes.train.describe import (
    DescribeConfig,
    DescribeObjective,
    Films,
    forget,
    in_tracks,
    jitter,
    labels_of,
    matched,
    moved,
    read,
    search_loss,
    ship_average,
)
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.parallel.world import World
from rushes.train.trainer import RunConfig, Trainer
from rushes.world.scene import Scene, Subject, from_dict

CAR = Subject(kind="car", colour="red", motion="drift", direction="left")
DOG = Subject(kind="dog", colour="blue", motion="drift", direction="left")


@pytest.fixture(scope="module")
def films() -> Films:
    return caption_films()


@pytest.fixture
def objective(films: Films) -> DescribeObjective:
    torch.manual_seed(0)
    config = DescribeConfig(
        run=RunConfig(steps=40), model=SMALL, batch=2, still_batch=4, still_share=0.25, texts=2, eye=""
    )
    made = DescribeObjective(config)
    made.bank = made.held_out = films
    return made


def fields(relation: str, direction: str = "left") -> dict:
    subjects = tuple(replace(one, direction=direction) for one in (CAR, DOG))
    if relation in ("behind", "left_of"):
        subjects = tuple(replace(one, motion="rest", direction="none") for one in subjects)
    return fields_of(Scene(place="desert", subjects=subjects, relation=relation), np.zeros((1, 2, 4)))


@pytest.mark.parametrize(
    ("relation", "direction", "left"),
    [("chases", "left", "dog"), ("chases", "right", "car"), ("behind", "left", "dog"), ("left_of", "left", "car")],
)
def test_tracks_begin_with_the_subject_on_the_left(relation: str, direction: str, left: str) -> None:
    one = fields(relation, direction)
    labels = labels_of([one])
    assert LABELS["kind"][labels["kind"][0][0]] == left
    boxes = torch.tensor([[[[0.0, 0.1, 0.1, 1.0], [0.0, 0.2, 0.1, 1.0]]]])
    first = in_tracks(boxes, [one])[0, 0, 0, 1]
    assert float(first) == pytest.approx(0.1 if left == "car" else 0.2)


def test_tracks_agree_with_the_pictures(films: Films) -> None:
    """Whoever's label comes first is on the left in the first frame that shows both apart."""
    for index, values in enumerate(films.small.values):
        scene = from_dict(values["scene"])
        if len(scene.subjects) == 2:
            boxes = torch.from_numpy(films.small.columns[0]["boxes"][index : index + 1])
            tracks = in_tracks(boxes, [fields_of(scene, boxes[0].numpy())])[0]
            apart = [frame for frame in tracks if abs(float(frame[0, 1] - frame[1, 1])) > 0.05]
            assert apart and apart[0][0, 1] < apart[0][1, 1], scene


def test_one_subject_fills_both_tracks() -> None:
    one = fields_of(Scene(place="desert", subjects=(CAR,)), np.zeros((1, 2, 4)))
    assert labels_of([one])["kind"] == [[LABELS["kind"].index("car")] * 2]
    boxes = torch.tensor([[[[0.0, 0.1, 0.1, 1.0], [0.0, 0.0, 0.0, 0.0]]]])
    assert torch.equal(in_tracks(boxes, [one])[0, 0, 0], in_tracks(boxes, [one])[0, 0, 1])


def test_a_perfect_search_costs_least() -> None:
    boxes = torch.tensor([[[0.1, -0.5, 0.2, 1.0], [0.3, 0.5, 0.1, 1.0]]])
    found = torch.full((1, 4, 12, 20), -8.0)
    for row, column, half, _ in boxes[0].tolist():
        y, x = (row + 1) * 6, (column + 1) * 10
        found[0, :, int(y), int(x)] = torch.tensor([8.0, y % 1 - 0.5, x % 1 - 0.5, float(np.log(half))])
    assert float(search_loss(found, boxes)) < 0.05
    assert torch.allclose(pick(found)[0, :, :3], boxes[0, :, :3], atol=1e-3)
    assert float(search_loss(found.roll(3, -1), boxes)) > 1
    assert float(search_loss(found, torch.zeros_like(boxes))) > 0


def test_found_boxes_are_put_into_their_tracks() -> None:
    tracks = torch.tensor([[[[0.0, 0.5, 0.1, 1.0], [0.0, -0.5, 0.1, 1.0]]]])
    assert matched(tracks.flip(2), tracks).tolist() == [[1]] and matched(tracks, tracks).tolist() == [[0]]


def test_boxes_move_with_the_picture() -> None:
    frames = torch.zeros(1, 1, 3, 40, 64)
    frames[..., 18:22, 30:34] = 1.0
    x, boxes = moved(frames, torch.tensor([[[[0.0, 0.0, 0.1, 1.0]] * 2]]), np.random.default_rng(2))
    rows, columns = x[0, 0, 0].nonzero().float().mean(0).tolist()
    row, column = boxes[0, 0, 0, :2].tolist()
    assert (row, column) != (0, 0)
    assert row == pytest.approx((rows + 0.5) / 20 - 1) and column == pytest.approx((columns + 0.5) / 32 - 1)
    assert jitter(boxes, np.random.default_rng(0)).shape == boxes.shape


def test_forgotten_fields_are_none() -> None:
    one = fields("chases")
    lost = [forget(one, np.random.default_rng(seed)) for seed in range(20)]
    assert {some["place"] for some in lost} == {"desert", None}
    assert all(some["subjects"][0]["kind"] in ("car", None) for some in lost)


def test_a_batch_is_what_the_bank_holds(films: Films) -> None:
    batch = read(films, np.arange(4), np.random.default_rng(0), stills=False, spoilt=0.0)
    assert batch.frames.shape == (4, 10, 3, 90, 160) and batch.labels["kind"].shape == (4, 2)
    assert batch.details.shape == (4, 3, 90, 160) and float(batch.details.std()) > 0.1
    stills = read(films, np.arange(4), np.random.default_rng(0), stills=True, spoilt=1.0)
    assert stills.frames.shape[1] == 2 and (stills.times[:, 1] > stills.times[:, 0]).all() and stills.tags.all()


def test_stills_come_first_and_then_now_and_again(objective: DescribeObjective) -> None:
    assert [objective.num_samples(step) for step in (0, 9, 10, 11, 12)] == [4, 4, 2, 2, 4]
    _, early = objective.loss(objective.model, 0)
    _, late = objective.loss(objective.model, 10)
    assert {f"right_{a}" for a in STILL_FIELDS} | {"search", "words"} == set(early)
    assert {f"right_{a}" for a in FIELDS} | {"search", "words", "contrast"} == set(late)


def test_a_step_that_only_seeks_teaches_what_seeks(objective: DescribeObjective) -> None:
    objective.config = replace(objective.config, sought=1.0)
    loss, scalars = objective.loss(objective.model, 0)
    loss.backward()
    taught = {name.split(".")[0] for name, p in objective.model.named_parameters() if p.grad is not None}
    assert taught == {"stem", "stages", "deeper", "search"} and set(scalars) == {"search"}
    assert "right_kind" in objective.loss(objective.model, 10)[1]


def test_a_step_has_one_loss(objective: DescribeObjective) -> None:
    first, again, other = (objective.loss(objective.model, step)[0] for step in (10, 10, 11))
    assert torch.equal(first, again) and not torch.equal(first, other)


def learned(objective: DescribeObjective, step: int, world: World | None = None) -> tuple[float, list[np.ndarray]]:
    """Return the loss of a step and its gradients, the means over all processes."""
    objective.model.zero_grad()
    objective.share = world.share if world else Share()
    loss, _ = objective.loss(objective.model, step)
    loss.backward()
    gradients = [p.grad.clone() for p in objective.model.parameters() if p.grad is not None]
    if world:
        world.average(gradients)
        loss = world.mean(loss.detach().clone())
    return float(loss.detach()), [gradient.numpy() for gradient in gradients]


def test_two_processes_learn_what_one_does(objective: DescribeObjective) -> None:
    steps = (0, 10, 11, 13)  # the first one reads stills
    alone = [learned(objective, step) for step in steps]
    both = together(2, lambda world: [learned(objective, step, world) for step in steps])
    for (loss, gradients), (shared, means) in zip(alone, both[0], strict=True):
        assert shared == pytest.approx(loss, rel=1e-4)
        assert all(np.allclose(a, b, rtol=1e-3, atol=2e-5) for a, b in zip(gradients, means, strict=True))


def test_it_learns(objective: DescribeObjective) -> None:
    adam = torch.optim.Adam(objective.model.parameters(), lr=4e-3)
    losses = []
    for _ in range(10):
        loss, _ = objective.loss(objective.model, 0)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < 0.85 * sum(losses[:3])


def test_every_parameter_is_taught(objective: DescribeObjective) -> None:
    for step in (10, 11, 13):  # of some steps the boxes are told, of others nothing is seen
        objective.loss(objective.model, step)[0].backward()
    assert [name for name, p in objective.model.named_parameters() if p.grad is None] == []


def test_previews_count_what_is_read_right(objective: DescribeObjective, tmp_path: Path) -> None:
    figures = objective.preview(objective.model.eval(), tmp_path, 1)
    assert set(figures) == {f"held_out_{a}" for a in FIELDS} and all(0 <= x <= 1 for x in figures.values())


def test_a_new_captioner_has_the_oracles_eye(tmp_path: Path) -> None:
    torch.manual_seed(1)
    given = Oracle(tiny_oracle())
    weights.save(given, tmp_path, family="oracle", config=given.config)
    config = DescribeConfig(run=RunConfig(steps=1), model=replace(SMALL, widths=(8, 8, 12)), eye=str(tmp_path))
    model = DescribeObjective(config).model
    assert isinstance(model, Captioner)
    assert torch.equal(model.stem.weight, given.to(torch.bfloat16).float().stem.weight)


def test_a_run_ships_at_any_checkpoint_and_starts_another(films: Films, tmp_path: Path) -> None:
    config = DescribeConfig(
        run=RunConfig(steps=2, checkpoint_every=1, preview_every=100, dtype="float32"),
        optimizer=OptimizerConfig(ema=0.5), model=SMALL, batch=1, still_batch=2, texts=2, eye="", num=128,
    )  # fmt: skip

    class Small(DescribeObjective):
        def prepare(self, folder: Path, say: object) -> None:
            self.bank = self.held_out = films

    class SmallConfig(DescribeConfig):
        def objective(self) -> Small:
            return Small(self)

    run = tmp_path / "run"
    with pytest.raises(RushesError, match="no checkpoint"):
        run.mkdir()
        (run / "config.json").write_text('{"run": {"steps": 1}}')
        ship_average(run, tmp_path / "none")
    (run / "config.json").unlink()
    values = {name: getattr(config, name) for name in config.__dataclass_fields__}
    trainer = Trainer(SmallConfig(**values), run, say=lambda _: None)
    trainer.run(lambda _: None, stop_at=1)
    found = Captioner.from_pretrained(ship_average(run, tmp_path / "w"))
    assert found.pieces.pieces[-1] == every_word()[-1]
    expected = trainer.averaged().to(torch.bfloat16).float()
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), expected.parameters(), strict=True))
    started = DescribeObjective(replace(config, run=replace(config.run, init=str(tmp_path / "w"))))
    assert all(p.requires_grad for p in started.model.parameters())
