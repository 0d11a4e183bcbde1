"""Tests of fine-tuning: a dataset of mp4 films teaches whole weights or an adapter, and every run resumes exactly."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from together import together

from rushes.data.captioning.captions import versions
from rushes.data.dataset import Dataset
from rushes.errors import InputError
from rushes.generate import Generator
from rushes.models import toy as toys
from rushes.models.transformer import Transformer
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig, LoraLinear
from rushes.train.finetune import FinetuneConfig, FinetuneObjective, Lesson, WindowConfig, part
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.world import World
from rushes.train.trainer import RunConfig, Trainer
from rushes.world.captions import words

WINDOWS = (WindowConfig(seconds=1, batch=3, share=0.5), WindowConfig(seconds=2, batch=2, share=0.5))


def silent(*said: object) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights to start from: an untaught toy that knows the world's words, with an output that is not zero."""
    torch.manual_seed(4)
    config = toys.transformer()
    model = Transformer(replace(config, text=replace(config.text, words=tuple(sorted(words())))))
    for layer in (model.out, model.shared, model.last):
        torch.nn.init.normal_(layer.weight, std=0.05)
    folder = tmp_path_factory.mktemp("base") / "film"
    weights.save(model, folder, family="transformer", config=model.config)
    (folder / "synonyms.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def config(base: Path, world_dataset: Path, toy_autoencoder: Path, tmp_path_factory) -> FinetuneConfig:
    data = shutil.copytree(world_dataset, tmp_path_factory.mktemp("finetuned") / "data")  # training adds latents to it
    run = RunConfig(
        steps=4, checkpoint_every=2, preview_every=4, log_every=2, dtype="float32", threads=1, init=str(base)
    )
    return FinetuneConfig(
        run=run, optimizer=OptimizerConfig(lr=1e-2, muon_lr=0.01, ema=0.5), data=str(data), captions="told",
        autoencoder=str(toy_autoencoder), windows=WINDOWS, workers=1, held_out=0.2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def adapted(config: FinetuneConfig) -> FinetuneConfig:
    return replace(config, lora=LoraConfig(rank=2, alpha=2.0), optimizer=OptimizerConfig(lr=1e-2, muon_lr=0.0, ema=0.5))


def train(config: FinetuneConfig, folder: Path, world: World | None = None, **how: int) -> Path | None:
    return Trainer(config, folder, say=silent, world=world).run(silent, **how)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)[1] for line in (folder / "loss.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def runs(config: FinetuneConfig, adapted: FinetuneConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one unbroken run of each kind."""
    folder = tmp_path_factory.mktemp("runs")
    for name, one in (("whole", config), ("adapted", adapted)):
        assert train(one, folder / name) is not None
    return {name: folder / name for name in ("whole", "adapted")}


def test_whole_weights_are_ready_for_films(runs: dict[str, Path], base: Path) -> None:
    found = losses(runs["whole"])
    assert len(found) == 4 and np.isfinite(found).all()
    generator = Generator.load(runs["whole"] / "weights")
    before = Transformer.from_pretrained(base)
    assert generator.film.config == before.config
    assert not torch.equal(generator.film.blocks[0].qkv.weight, before.blocks[0].qkv.weight)
    assert (runs["whole"] / "weights" / "film" / "synonyms.json").read_text() == "{}"
    facts = weights.read_config(runs["whole"] / "weights" / "film", family="transformer")["facts"]
    assert facts["captions"] == "told@1" and facts["clips"] == 8


def test_an_adapter_loads_and_changes_the_base_weights_it_was_made_for(runs: dict[str, Path], base: Path) -> None:
    files = [file.name for file in (runs["adapted"] / "weights").iterdir()]
    assert files == ["adapter.safetensors"]
    adapter = lora.read(runs["adapted"] / "weights" / files[0])
    assert adapter.base == weights.read_config(base, family="transformer")["sha256"]
    assert adapter.config == LoraConfig(rank=2, alpha=2.0) and adapter.facts["captions"] == "told@1"
    ups = [tensor for name, tensor in adapter.tensors.items() if name.endswith(".up")]
    assert len(ups) == 4 * 5 and all(up.abs().sum() > 0 for up in ups)
    before, after = Transformer.from_pretrained(base), Transformer.from_pretrained(base)
    lora.merge(after, adapter)
    changed = {n for n, p in after.named_parameters() if not torch.equal(p, before.get_parameter(n))}
    assert len(changed) == len(ups) and all(name.startswith("blocks.") for name in changed)


def test_a_merged_adapter_films_exactly_what_training_saw(adapted: FinetuneConfig, base: Path, tmp_path: Path) -> None:
    trainer = Trainer(adapted, tmp_path / "run", say=silent)
    assert trainer.run(silent) is not None
    taught = trainer.averaged()
    assert sum(isinstance(module, LoraLinear) for module in taught.modules()) == 20
    merged = lora.merge(
        Transformer.from_pretrained(base), lora.read(tmp_path / "run" / "weights" / "adapter.safetensors")
    )
    x, t = torch.randn(1, 24, 2, 9, 16), torch.tensor([0.5])
    ids = torch.tensor([merged.vocabulary.encode("a red car")])
    seconds = (torch.zeros(1), torch.ones(1))
    with torch.inference_mode():
        outputs = [model(x, t, model.read(ids), seconds) for model in (taught, merged)]
    assert torch.equal(*outputs) and not torch.equal(
        outputs[0], Transformer.from_pretrained(base)(x, t, merged.read(ids), seconds)
    )


@pytest.mark.parametrize("name", ["whole", "adapted"])
def test_a_stopped_run_resumes_exactly(
    name: str, config: FinetuneConfig, adapted: FinetuneConfig, runs: dict[str, Path], tmp_path: Path
) -> None:
    one = {"whole": config, "adapted": adapted}[name]
    for stop_at in (1, 3, None):
        train(one, tmp_path / "broken", **({} if stop_at is None else {"stop_at": stop_at}))
    assert losses(tmp_path / "broken") == losses(runs[name])
    for file in (runs[name] / "weights").rglob("*.safetensors"):
        twin = tmp_path / "broken" / "weights" / file.relative_to(runs[name] / "weights")
        assert twin.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", [pytest.param("whole", marks=pytest.mark.slow), "adapted"])
def test_two_processes_learn_what_one_does(
    name: str, config: FinetuneConfig, adapted: FinetuneConfig, tmp_path: Path
) -> None:
    one = replace({"whole": config, "adapted": adapted}[name], windows=(WindowConfig(seconds=1, batch=4),))
    train(one, tmp_path / "one")
    together(2, lambda world: train(one, tmp_path / "two", world))
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one" / "weights").rglob("*.safetensors")]
    assert files and all((tmp_path / "two" / file).is_file() for file in files)


def test_the_sheet_shows_clip_before_and_after(runs: dict[str, Path]) -> None:
    previews = runs["whole"] / "previews"
    with Image.open(previews / "before-after.png") as sheet:
        assert sheet.size[0] == 1600
    prompts = (previews / "prompts.txt").read_text().splitlines()
    assert len(prompts) == 2 and all(prompt.startswith("a red car") for prompt in prompts)


def test_a_run_that_was_killed_before_its_sheet_makes_it(
    config: FinetuneConfig, runs: dict[str, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(runs["whole"], tmp_path / "run"))
    sheet = (run / "previews" / "before-after.png").read_bytes()
    shutil.rmtree(run / "previews")
    shutil.rmtree(run / "weights")
    assert train(config, run) is not None
    assert (run / "previews" / "before-after.png").read_bytes() == sheet


def test_words_and_captions_are_reported(config: FinetuneConfig, tmp_path: Path) -> None:
    said: list[str] = []
    objective = FinetuneObjective(replace(config, caption_columns=("medium",)))
    objective.prepare(tmp_path, said.append)
    assert json.loads((tmp_path / "words.json").read_text()) == {"zigzag": 8}
    assert "words of captions that the model was never taught, with counts: zigzag 8" in said
    assert any(line.endswith("captions told@1") and " to learn, 2 held out" in line for line in said)


def test_windows_grids_and_captions_are_all_used(config: FinetuneConfig, tmp_path: Path) -> None:
    objective = FinetuneObjective(replace(config, held_out=0.0))
    objective.prepare(tmp_path, silent)
    seen, grids = set(), set()
    for step in range(60):
        fitting, order = objective.orders[objective._window(step)]
        some = [fitting[i] for i in order.at(step)[1]]
        assert len({one.grid for one in some}) == 1 and len(some) == objective.num_samples(step)
        assert all(one.seconds >= objective.config.windows[objective._window(step)].seconds for one in some)
        seen |= {one.clip_id for one in some}
        grids.add(some[0].grid)
    assert seen == {one.clip_id for one in objective.lessons} and grids == {(9, 16), (16, 9)}
    loss, figures = objective.loss(objective.model, 7)
    assert torch.equal(loss, objective.loss(objective.model, 7)[0]) and next(iter(figures)) in ("loss_1s", "loss_2s")
    assert not torch.equal(loss, objective.loss(objective.model, 8)[0])


def test_a_model_may_start_from_nothing(config: FinetuneConfig, tmp_path: Path) -> None:
    fresh = replace(config, run=replace(config.run, init="", steps=2, checkpoint_every=2), model=toys.transformer())
    shipped = train(fresh, tmp_path / "run")
    assert shipped is not None
    assert {"red", "car", "zigzag"} <= set(Transformer.from_pretrained(shipped / "film").config.text.words)
    with Image.open(tmp_path / "run" / "previews" / "before-after.png") as sheet:
        assert sheet.size[0] == 1600
    with pytest.raises(InputError, match=r"run\.init=weights/film"):
        FinetuneObjective(replace(fresh, lora=LoraConfig(rank=2)))


def test_a_dataset_that_changed_is_another_run(config: FinetuneConfig, world_dataset: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(world_dataset, tmp_path / "data"))
    mine = replace(config, data=str(place))
    train(mine, tmp_path / "run", stop_at=2)
    data = Dataset.open(place)
    path = next(path for path in data.ledger.paths("stages/told@1/"))
    table = data.ledger.table(path)
    entry = data.ledger.write_table(
        path.replace("@1", "@2"), table.set_column(5, "short", table["medium"]), kind="rows"
    )
    data.ledger.commit([entry])
    assert versions(Dataset.open(place), "told") == ["1", "2"]
    with pytest.raises(InputError, match=r"had 8 clips to learn when .* began and is now another"):
        train(mine, tmp_path / "run")
    assert train(replace(mine, caption_version="1"), tmp_path / "other") is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": ""}, "data=DATASET"),
        ({"data": "nowhere"}, "no such folder"),
        ({"captions": "caption"}, "it has told"),
        ({"windows": (WindowConfig(seconds=9, batch=1),)}, "none of the 8 kept clips with captions lasts 9 s"),
        ({"windows": (*WINDOWS, WindowConfig(seconds=9, batch=1))}, "no clip lasts the 9 s of a window"),
        ({"held_out": 1.0}, "held_out 1.0 is illegal"),
    ],
)
def test_bad_requests_say_what_is_legal(
    change: dict[str, object], says: str, config: FinetuneConfig, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        FinetuneObjective(replace(config, **change)).prepare(tmp_path, silent)  # type: ignore[arg-type]


def test_other_latents_than_the_models_are_refused(config: FinetuneConfig, tmp_path: Path) -> None:
    narrow = replace(config, run=replace(config.run, init=""), model=replace(toys.transformer(), channels=12))
    with pytest.raises(InputError, match="12 latent channels"):
        FinetuneObjective(narrow).prepare(tmp_path, silent)


def test_whole_sources_are_held_out() -> None:
    def lesson(number: int, source: int) -> Lesson:
        return Lesson(clip_id=str(number), source=str(source), texts=("a",), weight=1.0, grid=(9, 16))

    many = [lesson(i, i // 5) for i in range(100)]
    train, held = part(many, 0.1)
    assert len(held) == 10 and {one.source for one in held}.isdisjoint({one.source for one in train})
    assert part(many, 0.0) == (many, []) and part(many[:1], 0.5) == (many[:1], [])
    train, held = part([lesson(i, 0) for i in range(10)], 0.3)
    assert (len(train), len(held)) == (7, 3)
