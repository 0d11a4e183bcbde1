"""Tests of the film objective on the toy: buckets, texts, a loss that is exact, and previews."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from rushes.data.bank import order
from rushes.models.transformer import Prompt, Transformer
from rushes.train.film import FilmConfig, FilmObjective


@pytest.fixture(scope="module")
def objective(toy_config: FilmConfig, tmp_path_factory: pytest.TempPathFactory) -> FilmObjective:
    torch.manual_seed(0)
    made = FilmObjective(toy_config)
    made.prepare(tmp_path_factory.mktemp("film"), lambda line: None)
    return made


def test_buckets_follow_their_shares_and_the_step(objective: FilmObjective) -> None:
    picks = [objective._bucket(step) for step in range(400)]
    assert picks == [objective._bucket(step) for step in range(400)]
    assert 0.6 < picks.count(0) / 400 < 0.8
    assert [objective.num_samples(step) for step in range(20)] == [(8, 4)[pick] for pick in picks[:20]]


def test_a_step_has_one_loss(objective: FilmObjective) -> None:
    steps = [next(s for s in range(50) if objective._bucket(s) == which) for which in (0, 1)]
    for step in steps:
        loss, figures = objective.loss(objective.model, step)
        again, _ = objective.loss(objective.model, step)
        assert torch.equal(loss, again) and loss.isfinite() and loss > 0
        assert [float(figure) for figure in figures.values()] == [float(loss.detach())]
    assert not torch.equal(objective.loss(objective.model, 100)[0], objective.loss(objective.model, 101)[0])


class Knowing(torch.nn.Module):
    """Knows the films of a step, so its velocity is the true one; remembers the prompts that it was asked."""

    def __init__(self, objective: FilmObjective, step: int) -> None:
        super().__init__()
        which = objective._bucket(step)
        self.films, seed = objective.films[which], objective.config.run.seed
        self.indices = order(len(self.films), objective.num_samples(step), seed + which, step)
        self.film, self.scale = objective.model, torch.nn.Parameter(torch.ones(()))

    def read(self, ids: torch.Tensor) -> Prompt:
        self.ids = ids
        return self.film.read(ids)

    def forward(self, x: torch.Tensor, t: torch.Tensor, prompt: Prompt, seconds: object) -> torch.Tensor:
        clean = torch.from_numpy(self.films.bank.take("latent", self.indices)).float()
        return (x - clean) / t.view(-1, 1, 1, 1, 1) * self.scale


def test_a_model_that_knows_the_film_loses_nothing(objective: FilmObjective) -> None:
    assert float(objective.loss(Knowing(objective, 0), 0)[0].detach()) < 1e-9
    assert float(objective.loss(Knowing(objective, 1), 0)[0].detach()) > 0.1


def test_prompts_are_captions_of_their_films_and_some_are_dropped(objective: FilmObjective) -> None:
    encode, picks, dropped, total = objective.model.vocabulary.encode, set(), 0, 0
    for step in range(60):
        model = Knowing(objective, step)
        objective.loss(model, step)
        for index, ids in zip(model.indices, model.ids.tolist(), strict=True):
            captions = [encode(text) for text in model.films.bank.values[index]["captions"]]
            dropped, total = dropped + (ids == encode("")), total + 1
            assert ids == encode("") or ids in captions
            picks |= {captions.index(ids)} if ids in captions else set()
    assert 0.04 < dropped / total < 0.17
    assert picks == {0, 1, 2, 3}


def test_the_vocabulary_knows_every_caption(objective: FilmObjective) -> None:
    vocabulary = objective.model.vocabulary
    for films in objective.films:
        for values in films.bank.values:
            for caption in values["captions"]:
                assert not vocabulary.unknown(caption), caption


def test_covered_cells_count_more(objective: FilmObjective, toy_config: FilmConfig) -> None:
    even = FilmObjective(replace(toy_config, subject_weight=1.0))
    even.films, even.model = objective.films, objective.model
    assert float(even.loss(even.model, 0)[0].detach()) != float(objective.loss(objective.model, 0)[0].detach())


def test_previews_show_twelve_films_and_a_held_out_loss(objective: FilmObjective, tmp_path: Path) -> None:
    model = objective.model.eval()
    figures = objective.preview(model, tmp_path, 20)
    assert 0 < figures["held_out_loss"] < 100
    with Image.open(tmp_path / "step-0000020.png") as sheet:
        assert sheet.size == (4 * 128, 3 * 2 * 72)  # four films a row, first frame above last
    assert len((tmp_path / "prompts.txt").read_text().splitlines()) == 12


def test_shipped_weights_load(objective: FilmObjective, tmp_path: Path) -> None:
    found = Transformer.from_pretrained(objective.ship(objective.model, tmp_path / "w", {"steps": 1}))
    assert found.config == objective.model.config


def test_a_run_may_start_from_weights(objective: FilmObjective, toy_config: FilmConfig, tmp_path: Path) -> None:
    folder = objective.ship(objective.model, tmp_path / "w", {})
    started = FilmObjective(replace(toy_config, run=replace(toy_config.run, init=str(folder))))
    name, parameter = next(iter(started.model.named_parameters()))
    shipped = dict(objective.model.named_parameters())[name]
    assert torch.equal(parameter, shipped.to(torch.bfloat16).float()) and parameter.requires_grad
