"""Tests of teaching open-weight models: stills and clips, adapters and whole weights, exact resume, what is refused."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from together import together

from rushes.errors import InputError, RushesError, WeightsError
from rushes.media.encode import encode
from rushes.models.open import Adaptation, Place
from rushes.models.open import _catalogue as catalogue
from rushes.nn.lora import LoraConfig
from rushes.train.finetune_open import OpenFinetuneConfig, OpenFinetuneObjective
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.world import World
from rushes.train.presets.finetune_open import finetune_open
from rushes.train.trainer import RunConfig, Trainer
from rushes.types import GenerationRequest, VideoShape

FRAMES = {"wan2.1-1.3b": 5, "ltx-video-2b": 9, "cogvideox1.5-5b": 17, "animatediff-sd1.5": 4}
SIDE = 32


def silent(*said: object) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of stills of one thing, each with its words beside it, and tiny weights of four families."""
    root = tmp_path_factory.mktemp("open")
    (root / "stills").mkdir()
    for index in range(5):
        picture = np.full((SIDE, SIDE, 3), 40 * index, np.uint8)
        picture[8 : 20 + index, 8:20] = (220, 40, 20)
        Image.fromarray(picture).save(root / "stills" / f"{index}.png")
        (root / "stills" / f"{index}.txt").write_text("a red boat\n")
    for name in FRAMES:
        open_weights.save(name, root)
    return root


def config(root: Path, name: str, **more: object) -> OpenFinetuneConfig:
    run = RunConfig(steps=10, checkpoint_every=5, preview_every=10, log_every=5, dtype="float32", threads=1)
    given = {
        "run": run, "model": str(root / name), "data": str(root / "stills"), "subject": "zog", "batch": 4,
        "width": SIDE, "height": SIDE, "frames": FRAMES[name], "preview_frames": FRAMES[name], "preview_steps": 2,
        "optimizer": OptimizerConfig(lr=0.03, muon_lr=0.0, weight_decay=0.0, warmup=0.0, ema=0.8),
        "cache": str(root / "lessons"), "lora": replace(finetune_open().lora, rank=4),
    }  # fmt: skip
    return OpenFinetuneConfig(**(given | more))  # type: ignore[arg-type]


def train(
    wanted: OpenFinetuneConfig, folder: Path, said: list[str] | None = None, world: World | None = None, **how: int
) -> Path | None:
    trainer = Trainer(wanted, folder, say=silent if said is None else said.append, world=world)
    shipped = trainer.run(silent, **how)
    trainer.close()
    return shipped


def measured(said: list[str]) -> list[float]:
    """Return the losses on unchanging noise, before and after."""
    return [float(line.rpartition(" ")[2]) for line in said if "measured_loss" in line]


def losses(folder: Path) -> list[float]:
    return [json.loads(line)[1] for line in (folder / "loss.jsonl").read_text().splitlines()]


def film(root: Path, name: str, *adapters: Adaptation) -> np.ndarray:
    found = catalogue.find(str(root / name))
    place = Place(device="cpu", dtype="float32", threads=1, adapters=adapters)
    maker = found.family.load(found.checkpoint, root / name, place)
    tier, shape = found.checkpoint.native.tier, VideoShape(frames=FRAMES[name], height=SIDE, width=SIDE)
    request = GenerationRequest(
        prompt="zog, a red boat",
        model=found.checkpoint.name,
        shape=shape,
        fps=tier.fps,
        num_steps=2,
        guidance_scale=2.0,
    )
    return np.stack(list(maker.generate(request, silent))).astype(int)


@pytest.fixture(scope="module")
def runs(root: Path) -> dict[str, Path]:
    """Return an unbroken run of each family, and what it said."""
    for name in FRAMES:
        said: list[str] = []
        assert train(config(root, name), root / "runs" / name, said) is not None
        (root / "runs" / f"{name}.txt").write_text("\n".join(said))
    return {name: root / "runs" / name for name in FRAMES}


@pytest.mark.parametrize("name", FRAMES)
def test_stills_teach_an_adapter_that_changes_films(name: str, root: Path, runs: dict[str, Path]) -> None:
    before, after = measured((root / "runs" / f"{name}.txt").read_text().splitlines())
    assert len(losses(runs[name])) == 10
    # A UNet that says the noise begins where saying nothing would be as good; what it learns below, all of it does.
    assert after < (1.01 if name.startswith("animatediff") else 0.9) * before
    path = runs[name] / "weights" / "adapter.safetensors"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    denoiser = "unet" if name.startswith("animatediff") else "transformer"
    assert all(key.startswith(f"{denoiser}.") and ".lora_" in key for key in load_file(path))
    plain, weak, strong = (
        film(root, name, *each) for each in ((), (Adaptation(path=path, scale=0.5),), (Adaptation(path=path),))
    )
    both = film(root, name, Adaptation(path=path, scale=0.5), Adaptation(path=path, scale=0.5))
    assert np.abs(weak - plain).any() and np.abs(strong - plain).any() and np.abs(strong - weak).any()
    assert np.abs(both - strong).max() <= 1  # two halves are one whole


def test_what_looks_along_time_learns_nothing_from_stills(runs: dict[str, Path]) -> None:
    names = list(load_file(runs["animatediff-sd1.5"] / "weights" / "adapter.safetensors"))
    assert names and not any("motion_modules" in name for name in names)


def test_the_file_says_whose_it_is_and_is_refused_elsewhere(root: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    path = runs["wan2.1-1.3b"] / "weights" / "adapter.safetensors"
    with safe_open(path, "pt") as opened:
        record = json.loads(opened.metadata()["rushes"])
    assert record["family"] == "open_lora" and record["facts"]["model"] == "wan2.1-1.3b"
    assert record["facts"]["exemplars"] == 5 and record["config"]["rank"] == 4
    torch.manual_seed(1)
    other = tmp_path / "wan2.1-1.3b"
    open_weights.wan().save_pretrained(other)
    with pytest.raises(WeightsError, match=r"was made for another base than wan2\.1-1\.3b: its base is") as caught:
        film(tmp_path, "wan2.1-1.3b", Adaptation(path=path))
    assert len(str(caught.value).splitlines()) == 1


def test_diffusers_itself_reads_the_file(root: Path, runs: dict[str, Path]) -> None:
    with open_weights.warnings.catch_warnings():
        open_weights.warnings.simplefilter("ignore")
        pipe = open_weights.diffusers.WanPipeline.from_pretrained(root / "wan2.1-1.3b")
        pipe.load_lora_weights(str(runs["wan2.1-1.3b"] / "weights"), weight_name="adapter.safetensors")
    assert sum(".lora_A." in name for name, _ in pipe.transformer.named_parameters()) == 2 * 2 * 4


def test_a_stopped_run_goes_on_exactly(root: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    wanted = config(root, "wan2.1-1.3b")
    for stop_at in (3, 7, None):
        train(wanted, tmp_path / "run", **({} if stop_at is None else {"stop_at": stop_at}))
    assert losses(tmp_path / "run") == losses(runs["wan2.1-1.3b"])
    for name in ("weights/adapter.safetensors", "previews/step-0000010-1.mp4"):
        one, two = (folder / name for folder in (runs["wan2.1-1.3b"], tmp_path / "run"))
        assert one.read_bytes() == two.read_bytes()


def test_previews_are_films_before_and_after(runs: dict[str, Path]) -> None:
    previews = runs["ltx-video-2b"] / "previews"
    assert {path.name for path in previews.iterdir()} == {"before-1.mp4", "step-0000010-1.mp4", "step-0000010.png"}
    with Image.open(previews / "step-0000010.png") as sheet:
        assert sheet.width == 1600


@pytest.mark.parametrize("name", ["ltx-video-2b", pytest.param("animatediff-sd1.5", marks=pytest.mark.slow)])
def test_all_weights_ship_as_a_model(name: str, root: Path, tmp_path: Path) -> None:
    said: list[str] = []
    optimizer = OptimizerConfig(lr=0.005, muon_lr=0.0, warmup=0.0, ema=0.8)
    shipped = train(config(root, name, lora=LoraConfig(), optimizer=optimizer), tmp_path / "run", said)
    before, after = measured(said)
    assert after < 0.97 * before
    assert shipped is not None and catalogue.find(str(shipped)).checkpoint.name == name
    shutil.copytree(shipped, tmp_path / name)
    assert np.abs(film(tmp_path, name) - film(root, name)).sum() > 0
    kept, shared = (load_file(at / "vae" / "diffusion_pytorch_model.safetensors") for at in (root / name, shipped))
    assert all(torch.equal(kept[key], shared[key]) for key in kept)


def test_two_processes_learn_what_one_does(root: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    together(2, lambda world: train(config(root, "ltx-video-2b"), tmp_path / "two", world=world))
    assert losses(tmp_path / "two") == pytest.approx(losses(runs["ltx-video-2b"]), rel=1e-4)
    one, two = (load_file(at / "weights" / "adapter.safetensors") for at in (runs["ltx-video-2b"], tmp_path / "two"))
    assert {key: each.shape for key, each in one.items()} == {key: each.shape for key, each in two.items()}


def test_activations_computed_again_are_the_same(root: Path, tmp_path: Path) -> None:
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        objective = OpenFinetuneObjective(config(root, "wan2.1-1.3b", recompute=recompute))
        objective.prepare(tmp_path, silent)
        objective.loss(objective.model, 0)[0].backward()
        found.append(torch.cat([parameter.grad.flatten() for parameter in objective.model.parameters()]))
    assert found[0].abs().sum() > 0 and torch.allclose(*found, atol=1e-7)


def test_a_number_that_is_none_is_blamed_on_its_layer(root: Path, tmp_path: Path) -> None:
    wanted = config(root, "wan2.1-1.3b")
    run = replace(wanted.run, steps=3, log_every=1)
    with pytest.raises(RushesError, match=r"at step \d, in the output of .*lora_A\.taught"):
        train(replace(wanted, run=run, optimizer=replace(wanted.optimizer, lr=1e38, clip=1e38)), tmp_path)


def test_eight_bits_are_refused_where_nothing_multiplies_them(root: Path) -> None:
    wanted = config(root, "wan2.1-1.3b")
    with pytest.raises(InputError, match="float8 needs an NVIDIA GPU"):
        OpenFinetuneObjective(replace(wanted, run=replace(wanted.run, dtype="float8")))


def test_films_are_cut_into_windows_and_share_a_run_with_stills(root: Path, tmp_path: Path) -> None:
    mixed = Path(shutil.copytree(root / "stills", tmp_path / "mixed"))
    shape = VideoShape(frames=16, height=SIDE, width=SIDE)
    encode(mixed / "film.mp4", [np.full((SIDE, SIDE, 3), 9 * i, np.uint8) for i in range(16)], fps=16, shape=shape)
    (mixed / "film.txt").write_text("a blue car\nthe car drives left\n")
    wanted = config(root, "wan2.1-1.3b", data=str(mixed), cache=str(tmp_path / "lessons"), batch=2)
    objective = OpenFinetuneObjective(wanted)
    objective.prepare(tmp_path, silent)
    frames = [lesson.shape.frames for lesson in objective.lessons]
    assert frames.count(1) == 5 and frames.count(5) == 3
    seen = {name for step in range(8) for name in objective.loss(objective.model, step)[1]}
    assert seen == {"loss_stills", "loss_films"}


def test_a_dataset_teaches_its_clips(root: Path, world_dataset: Path, tmp_path: Path) -> None:
    wanted = config(root, "wan2.1-1.3b", data=str(world_dataset), captions="told", cache=str(tmp_path / "lessons"))
    objective = OpenFinetuneObjective(wanted)
    objective.prepare(tmp_path, silent)
    assert len({one.texts for one in objective.lessons}) == 8 and len(objective.lessons) >= 32
    assert all(text.startswith("zog, a red car") for one in objective.lessons for text in one.texts)
    assert float(objective.loss(objective.model, 0)[0].detach()) > 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": ""}, "name a model"),
        ({"model": "wan2.2-a14b"}, "wan2.2-a14b cannot be taught: two denoisers share its steps"),
        ({"model": "cogvideox-5b-i2v"}, "each of its films begins with a picture"),
        ({"width": 30}, "the nearest legal value is 32x32"),
        ({"frames": 6}, "the nearest legal value is 5"),
        ({"lora": LoraConfig(rank=2, targets=("blocks.*.qkv",))}, "names no linear layer"),
        ({"data": "nowhere"}, "no such folder"),
    ],
)
def test_what_cannot_be_learned_is_refused(root: Path, changed: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        OpenFinetuneObjective(config(root, "wan2.1-1.3b", **changed))
    assert len(str(caught.value).splitlines()) == 1


def test_a_command_that_was_wrong_does_not_stand_in_the_way(root: Path, tmp_path: Path) -> None:
    wanted = config(root, "wan2.1-1.3b")
    for wrong in (replace(wanted, model=""), replace(wanted, data=str(tmp_path / "nowhere"))):
        with pytest.raises(InputError):
            train(wrong, tmp_path / "run")
    Trainer(wanted, tmp_path / "run", say=silent).close()


def test_pickled_weights_are_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "wan2.1-1.3b", tmp_path / "wan2.1-1.3b")
    weights = tmp_path / "wan2.1-1.3b" / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.with_suffix(".bin").write_bytes(pickle.dumps({}))
    weights.unlink()
    with pytest.raises(WeightsError, match="is a pickle"):
        OpenFinetuneObjective(config(root, "wan2.1-1.3b", model=str(tmp_path / "wan2.1-1.3b")))


def test_a_run_keeps_to_its_data(root: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["wan2.1-1.3b"], tmp_path / "run")
    (root / "stills" / "0.txt").write_text("a blue boat\n")
    try:
        with pytest.raises(InputError, match="began with another data"):
            train(config(root, "wan2.1-1.3b"), Path(folder))
    finally:
        (root / "stills" / "0.txt").write_text("a red boat\n")
