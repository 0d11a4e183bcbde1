"""Tests of preference training: from films to votes to weights on the toy, exact resume, who is not learned from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duels
import numpy as np
import pytest
import showings
import studios
import torch
import torch.nn.functional as F
from together import together

from rushes.errors import InputError
from rushes.evaluate import blind, pairs
from rushes.evaluate.preference import summary
from rushes.generate import Generator
from rushes.models import toy as toys
from rushes.models.oracle import Oracle
from rushes.models.transformer import Transformer
from rushes.nn import weights
from rushes.studio.members import deletion
from rushes.studio.members.accounts import User
from rushes.studio.social import arena, flywheel, people
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.world import World
from rushes.train.preference import PreferenceConfig, PreferenceObjective, part
from rushes.train.presets.preference import preference
from rushes.train.trainer import RunConfig, Trainer
from rushes.world.captions import words

ORACLE = Path(__file__).parents[2] / "weights" / "oracle"
NUM = 12
CPU = torch.device("cpu")


def silent(*said: object) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, toy_autoencoder: Path) -> Path:
    """Return a folder of weights: an untaught toy that knows the world's words, whose output is not zero."""
    torch.manual_seed(4)
    config = toys.transformer()
    model = Transformer(replace(config, text=replace(config.text, words=tuple(sorted(words())))))
    for layer in (model.out, model.shared, model.last):
        torch.nn.init.normal_(layer.weight, std=0.05)
    folder = tmp_path_factory.mktemp("base")
    weights.save(model, folder / "film", family="transformer", config=model.config)
    (folder / "film" / "synonyms.json").write_text("{}")
    shutil.copytree(toy_autoencoder, folder / "autoencoder")
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a blind set of true and wrong films that the shipped oracle judged."""
    folder, num_threads = tmp_path_factory.mktemp("duel"), torch.get_num_threads()
    torch.set_num_threads(1)  # small batches: threads would wait for one another
    ask = blind.Ask(out=folder / "set", contestants=duels.films(folder, NUM), num=NUM, seed=duels.SEED, width=64)
    found = blind.make(ask)
    blind.keep_choices(found, blind.judge(found, Oracle.from_pretrained(ORACLE)))
    torch.set_num_threads(num_threads)
    return folder / "set"


@pytest.fixture(scope="module")
def config(base: Path, judged: Path) -> PreferenceConfig:
    run = RunConfig(steps=20, checkpoint_every=5, preview_every=20, dtype="float32", threads=1, init=str(base / "film"))
    return PreferenceConfig(
        run=run, optimizer=OptimizerConfig(lr=1e-2, muon_lr=0.02, ema=0.5), data=str(judged),
        autoencoder=str(base / "autoencoder"), films=str(base), batch=8, held_out=0.2, beta=10.0,
    )  # fmt: skip


def train(config: PreferenceConfig, folder: Path, world: World | None = None, **how: int) -> Path | None:
    return Trainer(config, folder, say=silent, world=world).run(silent, **how)


def json_lines(path: Path) -> list[float]:
    return [json.loads(line)[1] for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(config: PreferenceConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert train(config, folder) is not None
    return folder


def test_from_films_to_votes_to_weights_that_prefer_what_was_preferred(
    config: PreferenceConfig, judged: Path, run: Path
) -> None:
    votes = pairs.opened([str(judged)])
    (row,) = summary([each.vote for each in votes])["against"]
    assert row["one"] == "true" and row["share"] > 0.9 and row["is_decided"]

    figures: list[str] = []
    trainer = Trainer(config, run, say=figures.append)
    objective = trainer.objective
    assert isinstance(objective, PreferenceObjective)
    objective.references.clear()
    first = Transformer.from_pretrained(Path(config.run.init))
    before = objective.preview(first, run / "previews", 0)
    after = objective.preview(trainer.averaged(), run / "previews", 20)
    assert before == {"pair_accuracy": 0.5, "held_out_pair_accuracy": 0.5}
    assert after["pair_accuracy"] >= 0.9
    told = json.loads((run / "previews" / "step-0000020.json").read_text())
    assert len(told["pair_accuracy"]) == len(objective.train) and len(told["held_out_pair_accuracy"]) >= 2
    assert min(told["pair_accuracy"].values()) > 0
    losses = [json.loads(line)[1] for line in (run / "loss.jsonl").read_text().splitlines()]
    assert losses[0] == pytest.approx(-F.logsigmoid(torch.zeros(())).item()) and losses[-1] < losses[0]


def test_the_weights_are_ready_for_films_and_name_their_set(config: PreferenceConfig, run: Path) -> None:
    made = Generator.load(run / "weights")
    assert (run / "weights" / "film" / "synonyms.json").read_text() == "{}"
    facts = weights.read_config(run / "weights" / "film", family="transformer")["facts"]
    assert facts["set"] == {"place": config.data, "sha256": pairs.fingerprint(config.data), "judges": "all"}
    assert (
        facts["pairs"] >= NUM - 2
        and made.hashes["film"] != weights.read_config(Path(config.run.init), family="transformer")["sha256"]
    )


def test_what_leads_the_films_comes_along(config: PreferenceConfig, base: Path, tmp_path: Path) -> None:
    before = Path(shutil.copytree(base, tmp_path / "before"))
    for name in ("layout", "cutout"):  # it copies what lies there and reads none of it
        shutil.copytree(base / "autoencoder", before / name)
    objective = PreferenceObjective(replace(config, run=replace(config.run, init=str(before / "film"))))
    shipped = objective.ship(objective.model, tmp_path / "shipped", {})
    assert {"autoencoder", "cutout", "film", "layout"} == {path.name for path in shipped.iterdir()}


def test_a_stopped_run_resumes_exactly(config: PreferenceConfig, run: Path, tmp_path: Path) -> None:
    for stop_at in (3, 11, None):
        train(config, tmp_path / "broken", **({} if stop_at is None else {"stop_at": stop_at}))
    for file in ("loss.jsonl", "data.json", "weights/film/model.safetensors", "previews/step-0000020.json"):
        assert (tmp_path / "broken" / file).read_bytes() == (run / file).read_bytes()


def test_two_processes_learn_what_one_does(config: PreferenceConfig, run: Path, tmp_path: Path) -> None:
    short = replace(config, run=replace(config.run, steps=4))
    together(2, lambda world: train(short, tmp_path / "two", world=world))
    train(short, tmp_path / "one")
    one, two = (json_lines(tmp_path / name / "loss.jsonl") for name in ("one", "two"))
    assert len(one) == 4 and two == pytest.approx(one, rel=1e-4)


def test_the_margin_is_that_of_the_paper(config: PreferenceConfig, tmp_path: Path) -> None:
    trainer = Trainer(config, tmp_path, say=silent)
    objective = trainer.objective
    assert isinstance(objective, PreferenceObjective)
    some = objective.train[:2]
    margin, change = objective._margin(objective.model, objective._drawn(some, 3, CPU))
    assert torch.equal(margin, torch.zeros(2)) and torch.equal(change, torch.zeros(2))  # it is its own reference
    with torch.no_grad():
        objective.model.out.weight.mul_(0.5)
        margin, change = objective._margin(objective.model, objective._drawn(some, 3, CPU))
        turned = [replace(one, files=one.files[::-1]) for one in some]
        again, other = objective._margin(objective.model, objective._drawn(turned, 3, CPU))
        assert margin.abs().min() > 1e-4
        assert torch.allclose(margin, -again, atol=1e-6) and torch.allclose(margin, change - other, atol=1e-6)
        loss, scalars = objective.loss(objective.model, 0)
        lessons = [objective.train[i] for i in objective.order.at(0)[1]]
        margin, _ = objective._margin(objective.model, objective._drawn(lessons, 0, CPU))
    assert loss.item() == pytest.approx(torch.log1p(torch.exp(-config.beta * margin)).mean().item(), rel=1e-4)
    assert scalars["batch_accuracy"] == (margin > 0).float().mean()


def test_what_changed_since_the_run_began_is_another_run(config: PreferenceConfig, run: Path, tmp_path: Path) -> None:
    place = tmp_path / "set"
    shutil.copytree(config.data, place)
    shutil.copytree(f"{config.data}-key", f"{place}-key")
    moved = replace(config, data=str(place))
    train(moved, tmp_path / "run", stop_at=1)
    votes = Path(f"{place}-key") / "votes-oracle.json"
    told = json.loads(votes.read_text())
    votes.write_text(json.dumps(told | {"votes": told["votes"][1:]}))
    with pytest.raises(InputError, match="and is now another"):
        train(moved, tmp_path / "run")
    votes.unlink()
    with pytest.raises(InputError, match="no pair that all preferred"):
        train(moved, tmp_path / "other")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": ""}, "data=FOLDER"),
        ({"data": "nowhere"}, "no preference set nowhere"),
        ({"judges": "people"}, "no pair that people preferred"),
    ],
)
def test_what_cannot_be_learned_is_refused(config: PreferenceConfig, changed: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        train(replace(config, **changed), tmp_path)


def test_illegal_settings_are_refused(config: PreferenceConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nearest legal value is 1"):
        replace(config, batch=0)
    with pytest.raises(InputError, match=r"held_out 1\.0"):
        replace(config, held_out=1.0)
    with pytest.raises(InputError, match=r"run\.init=weights/film"):
        train(replace(config, run=replace(config.run, init="")), tmp_path)
    assert preference().run.init == "weights/film"


def test_whole_prompts_are_held_out(config: PreferenceConfig, run: Path) -> None:
    objective = Trainer(config, run, say=silent).objective
    assert isinstance(objective, PreferenceObjective)
    lessons = [*objective.train, *objective.held_out]
    train_part, held_out = part([*lessons, *lessons], 0.5)
    assert not {one.pair.prompt for one in train_part} & {one.pair.prompt for one in held_out}
    assert len(held_out) == pytest.approx(len(lessons), abs=2)
    assert part(lessons[:1], 0.9) == (lessons[:1], [])


def test_pairs_whose_films_cannot_be_had_are_left_out_and_named(config: PreferenceConfig, tmp_path: Path) -> None:
    objective = PreferenceObjective(config)
    whole = len(objective.pairs)
    film = objective.pairs[0].chosen
    assert film.path is not None
    (tmp_path / "broken.mp4").write_bytes(film.path.read_bytes()[:3000])
    for index, side in enumerate((replace(film, path=None), replace(film, path=tmp_path / "broken.mp4"))):
        objective.pairs[index] = replace(objective.pairs[index], chosen=side)
    said: list[str] = []
    objective.prepare(tmp_path, said.append)
    assert len(objective.train) + len(objective.held_out) == whole - 2
    assert "the set does not hold" in said[0] and "is left out" in said[1]
    objective.pairs = objective.pairs[:2]
    (tmp_path / "data.json").unlink()
    with pytest.raises(InputError, match="none of the 2 pairs"):
        objective.prepare(tmp_path, silent)


def test_a_studios_set_is_learned_from_without_those_who_left(
    config: PreferenceConfig, base: Path, tmp_path: Path
) -> None:
    with studios.opened(tmp_path) as house:
        ann, bob, cy, di = (studios.person(house, name)[0] for name in ("ann", "bob", "cy", "di"))
        for maker, seed in ((ann, 3), (bob, 4), (di, 5)):
            showings.shown(house, maker, "a red car drives left", seed=seed)
        with house.database.write() as session:
            for user in (ann, bob, cy, di):
                people.choose(session, user.id, flywheel=True)
        for number in range(3):
            with house.database.write() as session:
                arena.vote(session, cy, arena.next_battle(session, cy, number).id, arena.LEFT)
        for leaving in (None, di):
            if leaving:
                with house.database.write() as session:
                    deletion.ask(session, showings.caller(di), session.get_one(User, di.id))
                deletion.finish(house)
            folder = flywheel.write(house)
        media = Path(house.config.media_place)
    place = str(media / folder)
    # The set from before was rewritten too: neither holds a film of hers.
    assert [len(pairs.opened([str(media / f"flywheel/{version:04d}")])) for version in (1, 2)] == [1, 1]
    (only,) = pairs.ranked(pairs.opened([place]))
    assert {side.request["seed"] for side in (only.chosen, only.rejected) if side.request} == {3, 4}

    short = replace(config, data=place, batch=1, run=replace(config.run, steps=2, checkpoint_every=2))
    shipped = train(short, tmp_path / "run")
    assert shipped is not None
    facts = weights.read_config(shipped / "film", family="transformer")["facts"]
    assert facts["set"]["sha256"] == pairs.fingerprint(place) and facts["pairs"] == 1
    assert facts["preset"]["data"] == place
    latents = [np.load(path) for path in (tmp_path / "run" / "latents").iterdir()]
    assert sorted(latent.shape for latent in latents) == [(24, 2, 12, 12)] * 2  # made again by `films`
