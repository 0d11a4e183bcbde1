"""Tests that a subject is learned from stills: its word, beside the world's own, again and again the same."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import subjects_there
import torch
from PIL import Image

from rushes.errors import InputError
from rushes.models import _taught as taught
from rushes.models import layout
from rushes.models.autoencoder import Autoencoder, AutoencoderConfig
from rushes.models.captioner import Captioner
from rushes.models.captioner import tiny as tiny_captioner
from rushes.models.cutout import CutoutModel
from rushes.models.layout import LayoutModel
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import lora, weights
from rushes.train.optimizer import OptimizerConfig
from rushes.train.subject import (
    SubjectConfig,
    SubjectObjective,
    alike,
    moved,
    read_looks,
    read_stills,
    worded,
    wordings,
)
from rushes.train.trainer import RunConfig, Trainer
from rushes.world.scene import SceneFilters

LEFT = ("*-left.*",)


def silent(*said: object) -> None:
    """A `say` or `watch` that nobody hears."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> SubjectConfig:
    folder = tmp_path_factory.mktemp("subject")
    return SubjectConfig(
        run=RunConfig(
            steps=24, checkpoint_every=8, preview_every=24, log_every=12, threads=1, dtype="float32",
            init=str(subjects_there.cutter(folder / "weights/cutout")),
        ),
        optimizer=OptimizerConfig(lr=2e-2, muon_lr=0.0, ema=0.5),
        lora=subjects_there.RANK,
        data=str(subjects_there.stills(folder / "stills")),
        name="fox",
        like="orange cat",
        captioner="",
        num=128,
        batch=8,
        banks=str(folder / "banks"),
        workers=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(config: SubjectConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert Trainer(config, folder, say=silent).run(silent) == folder / "weights/fox.safetensors"
    return folder


@pytest.fixture
def objective(config: SubjectConfig, tmp_path: Path) -> Iterator[SubjectObjective]:
    made = SubjectObjective(config)
    made.prepare(tmp_path, silent)
    yield made


def losses(folder: Path) -> list[float]:
    return [json.loads(line)[1] for line in (folder / "loss.jsonl").read_text().splitlines()]


def test_one_file_teaches_the_subject(config: SubjectConfig, run: Path, objective: SubjectObjective) -> None:
    adapter = lora.read(run / "weights/fox.safetensors")
    assert adapter.base == weights.read_config(Path(config.run.init), family="cutout")["sha256"]
    assert (adapter.model, adapter.words) == ("cutout", ("fox",))
    told = {name: adapter.facts[name] for name in ("name", "like", "stills", "steps")}
    assert told == {"name": "fox", "like": "orange cat", "stills": 5, "steps": 24}
    plain, model = (CutoutModel.from_pretrained(Path(config.run.init)) for _ in range(2))
    taught.make_room(plain, ("fox",), "orange cat")
    taught.teach(model, adapter)
    before, after = (sum(float(objective._error(m, objective._shown(9 + i))) for i in range(8)) for m in (plain, model))
    assert after < 0.9 * before


def test_what_films_use_is_what_training_saw(config: SubjectConfig, run: Path) -> None:
    trainer = Trainer(config, run, say=silent)
    seen = trainer.averaged()
    trainer.close()
    assert isinstance(seen, CutoutModel)
    model = CutoutModel.from_pretrained(Path(config.run.init))
    taught.teach(model, lora.read(run / "weights/fox.safetensors"))
    for prompt in ("a fox moves left", "a red cat moves left"):
        one, other = (m.cut(prompt, torch.Generator().manual_seed(2)) for m in (seen, model))
        assert torch.equal(one, other)


def test_previews_show_the_subject_and_old_ones(run: Path) -> None:
    with Image.open(run / "previews/step-0000024.png") as sheet:
        assert sheet.size == (8 * 48, 5 * 48)
    prompts = (run / "previews/prompts.txt").read_text().splitlines()
    assert len(prompts) == 16 and all("fox" in text for text in prompts[:8])


def test_a_stopped_run_resumes_exactly(config: SubjectConfig, run: Path, tmp_path: Path) -> None:
    first = Trainer(config, tmp_path, say=silent)
    assert first.run(silent, stop_at=12) is None
    first.close()
    shipped = Trainer(config, tmp_path, say=silent).run(silent)
    assert shipped is not None and losses(tmp_path) == losses(run)
    one, other = (lora.read(folder / "weights/fox.safetensors").tensors for folder in (run, tmp_path))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_stills_that_changed_are_another_run(config: SubjectConfig, run: Path, tmp_path: Path) -> None:
    stills = subjects_there.stills(tmp_path / "stills", 6)
    (run / "config.json").rename(run / "config.kept")
    try:
        with pytest.raises(InputError, match=r"are others than when .* began; name another folder"):
            Trainer(replace(config, data=str(stills)), run, say=silent)
    finally:
        (run / "config.kept").rename(run / "config.json")


def test_half_of_a_batch_is_the_world_as_it_was(objective: SubjectObjective) -> None:
    assert objective.num_samples(0) == 8 and len(objective.kept) == 128
    pictures, which, ids, noise, t = objective._shown(3)
    assert pictures.shape == noise.shape == (4, 4, 48, 48) and len(t) == 4 and set(which.tolist()) <= {0, 1}
    fox = objective.model.vocabulary.ids["fox"]
    assert (ids == fox).any(1).all() and pictures.flatten(1).any(1).all()
    learning = {name for name, p in objective.model.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in learning} == {"down", "up", "rows"}


def test_who_is_beside_the_subject_is_drawn_too(objective: SubjectObjective) -> None:
    rng = np.random.default_rng(0)
    shown = [objective._told(objective.stills[0], rng) for _ in range(200)]
    is_still = [torch.equal(picture, objective.stills[0].picture) for _, _, picture in shown]
    assert 0.8 < np.mean(is_still) < 1
    assert all("fox" in text for text, _, _ in shown)


def test_a_known_name_leaves_its_old_prompts_out(config: SubjectConfig, tmp_path: Path) -> None:
    made = SubjectObjective(replace(config, name="red cat", like="dog"))
    made.prepare(tmp_path, silent)
    assert made.words == ("cat",) and 0 < len(made.kept) < 128
    cat = made.model.vocabulary.ids["cat"]
    assert made.films is not None and not (made.films.ids[torch.from_numpy(made.kept)] == cat).any()


def test_captions_are_the_world_s_with_the_name_in_them() -> None:
    found = wordings(60, 0, SceneFilters(num_subjects_weights=(0.5, 0.5)))
    assert len(found) > 40 and {one.which for one in found} == {0, 1}
    assert all(one.text.count("{}") == 1 for one in found)
    beside = [one for one in found if one.other]
    assert 10 < len(beside) < 40 and all(f"{one.other[1]} {one.other[0]}" in one.text for one in beside)
    assert worded("watch a {} and a red {x}".replace("{x}", "car"), "orange fox") == "watch an orange fox and a red car"
    assert worded("a small {} rests", "owl") == "a small owl rests"


def test_stills_face_right_and_bring_their_texts(tmp_path: Path) -> None:
    folder = subjects_there.stills(tmp_path)
    (folder / "0.txt").write_text("a fox with a long nose\n")
    (folder / "notes.md").write_text("not a still")
    found = read_stills(folder, LEFT)
    assert [still.text for still in found] == ["a fox with a long nose", "", "", "", ""]
    for still in found:
        left, right = still.picture[3, :, :24].sum(), still.picture[3, :, 24:].sum()
        assert left > 1.5 * right
    as_it_is = read_stills(folder, ("nobody-*",))[4].picture
    assert torch.equal(as_it_is.flip(-1), found[4].picture)
    unsaid = read_stills(folder, ())
    assert all(torch.equal(one.picture, other.picture) for one, other in zip(found, unsaid, strict=True))


def test_pictures_are_turned_and_scaled() -> None:
    picture = torch.zeros(1, 4, 48, 48)
    picture[:, :, 20:28, 8:40] = 1.0
    same = moved(picture, torch.zeros(1), torch.ones(1))
    assert torch.allclose(same, picture, atol=1e-5)
    upright = moved(picture, torch.tensor([np.pi / 2]), torch.ones(1))
    assert torch.allclose(upright, picture.transpose(2, 3), atol=1e-4)
    half = moved(picture, torch.zeros(1), torch.tensor([0.5]))
    assert float(half[0, 3].sum()) == pytest.approx(float(picture[0, 3].sum()) / 4, rel=0.1)


def test_the_captioner_says_what_each_still_is_like(tmp_path: Path) -> None:
    torch.manual_seed(0)
    captioner = Captioner(tiny_captioner()).eval().requires_grad_(False)
    found = read_looks(captioner, read_stills(subjects_there.stills(tmp_path), LEFT))
    assert len(found) == 5
    assert {kind for kind, _ in found} <= set(captioner.labels["kind"])
    assert {colour for _, colour in found} <= set(captioner.labels["colour"])


def test_a_captioner_that_sees_this_and_that_is_not_believed() -> None:
    assert alike(["dog"] * 9 + ["cat"]) == "dog"
    with pytest.raises(InputError, match=r"seen: bee in 3, bird in 2\); say it, for instance like=cat"):
        alike(["bee", "bird", "bee", "bird", "bee"])


def test_previews_can_make_films(config: SubjectConfig, objective: SubjectObjective, tmp_path: Path) -> None:
    folder = Path(config.run.init).parent
    torch.manual_seed(0)
    painter = AutoencoderConfig(channels=6, cell=4, widths=(8, 6, 4, 4, 4))
    text = TextConfig(words=("a", "cat", "orange"), length=6, width=16, depth=1, heads=1)
    film = TransformerConfig(channels=6, width=32, depth=2, heads=2, hidden=48, text=text, layout=True, draft=True)
    planner = LayoutModel(layout.tiny())
    torch.nn.init.normal_(planner.out.weight, std=0.3)
    models = {"autoencoder": (Autoencoder(painter), painter), "layout": (planner, layout.tiny())}
    models["film"] = (Transformer(film), film)
    for name, (model, made) in models.items():
        weights.save(model, folder / name, family=name.replace("film", "transformer"), config=made)
    filming = SubjectObjective(replace(config, films=str(folder)))
    filming.films, filming.held_out, filming.kept = objective.films, objective.held_out, objective.kept
    filming.preview(filming.model, tmp_path, 24)
    assert {path.name for path in tmp_path.glob("*.gif")} == {"step-0000024-0.gif", "step-0000024-1.gif"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": ""}, "say them, for instance data=FOLDER name=fox"),
        ({"name": ""}, "say them, for instance data=FOLDER name=fox"),
        ({"name": "!"}, "1 to 4 different words"),
        ({"batch": 7}, "the nearest legal value is 8"),
        ({"like": ""}, "say it, for instance like=cat"),
        ({"like": "pink griffin"}, "words that the models were never taught: griffin"),
        ({"data": "nowhere"}, "there is no folder nowhere"),
    ],
)
def test_bad_requests_say_what_is_legal(config: SubjectConfig, changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SubjectObjective(replace(config, **changes))


def test_a_still_that_cannot_be_learned_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds 4 stills; the nearest legal number is 5"):
        read_stills(subjects_there.stills(tmp_path / "few", 4), LEFT)
    with pytest.raises(InputError, match="holds 21 stills; the nearest legal number is 20"):
        read_stills(subjects_there.stills(tmp_path / "many", 21), LEFT)
    folder = subjects_there.stills(tmp_path / "grey")
    Image.new("RGB", (90, 90), (120, 120, 120)).save(folder / "2.png")
    with pytest.raises(InputError, match=r"2\.png shows no subject that can be cut out"):
        read_stills(folder, LEFT)
    (folder / "2.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"2\.png is no picture"):
        read_stills(folder, LEFT)
