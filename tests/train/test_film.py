"""Tests of the film objective on the toy: buckets, texts, a loss that is exact, and previews."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rushes import layouts
from rushes.data.banks.bank import order
from rushes.errors import InputError
from rushes.models.transformer import Crop, Lead, Prompt, Transformer
from rushes.train.film import FilmConfig, FilmObjective, around, cut
from rushes.world.layout import layout
from rushes.world.scene import from_dict


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

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, prompt: Prompt, seconds: object, crop: Crop | None, lead: Lead
    ) -> torch.Tensor:
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


def test_a_window_is_around_the_subject_and_inside_the_frame() -> None:
    mask = torch.zeros(3, 1, 2, 9, 16)
    mask[0, :, :, 1, 2] = mask[1, :, :, 5, 9] = 1.0  # near a corner, in the middle, nowhere
    tops, lefts = [], []
    for seed in range(30):
        crop = around(mask, (4, 6), np.random.default_rng(seed))
        assert (crop.rows, crop.columns) == (9, 16)
        assert ((crop.top >= 0) & (crop.top <= 5) & (crop.left >= 0) & (crop.left <= 10)).all()
        tops.append(crop.top)
        lefts.append(crop.left)
    top, left = torch.stack(tops), torch.stack(lefts)
    assert (top[:, 0] <= 1).all() and (left[:, 0] <= 1).all()
    assert ((5 - top[:, 1]) >= 0).all() and ((5 - top[:, 1]) <= 3).all()  # the subject's row is one of the four
    assert ((9 - left[:, 1]) >= 0).all() and ((9 - left[:, 1]) <= 5).all()
    assert abs(float(top[:, 2].float().mean()) - 2.5) < 1 and abs(float(left[:, 2].float().mean()) - 5) < 1
    assert len(left[:, 1].unique()) > 1  # it is drawn
    again = around(mask, (4, 6), np.random.default_rng(0))
    assert torch.equal(again.top, tops[0]) and torch.equal(again.left, lefts[0])


def test_each_film_is_cut_at_its_own_place() -> None:
    x = torch.arange(2 * 3 * 2 * 5 * 7).view(2, 3, 2, 5, 7).float()
    crop = Crop(top=torch.tensor([0, 2]), left=torch.tensor([3, 1]), rows=5, columns=7)
    found = cut(x, crop, (3, 4))
    assert found.is_contiguous()
    assert torch.equal(found[0], x[0, :, :, 0:3, 3:7]) and torch.equal(found[1], x[1, :, :, 2:5, 1:5])


def test_a_bucket_may_train_on_crops(objective: FilmObjective, toy_config: FilmConfig) -> None:
    buckets = tuple(replace(bucket, crop=(3, 5)) for bucket in toy_config.buckets)
    close = FilmObjective(replace(toy_config, buckets=buckets))
    close.films, close.model = objective.films, objective.model
    seen: list[tuple[tuple[int, ...], Crop]] = []
    usual = objective.model.forward

    class Watching(torch.nn.Module):
        def read(self, ids: torch.Tensor) -> Prompt:
            return objective.model.read(ids)

        def forward(
            self, x: torch.Tensor, t: torch.Tensor, prompt: Prompt, seconds: Any, crop: Crop, layout: torch.Tensor
        ) -> torch.Tensor:
            seen.append((tuple(x.shape), crop))
            return usual(x, t, prompt, seconds, crop, layout)

    loss, figures = close.loss(Watching(), 0)
    assert loss.isfinite() and loss > 0
    assert next(iter(figures)).endswith("_3x5")
    ((shape, crop),) = seen
    bucket = buckets[close._bucket(0)]
    assert shape[3:] == (3, 5) and (crop.rows, crop.columns) == (bucket.rows, bucket.columns)
    assert torch.equal(loss, close.loss(Watching(), 0)[0])


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


def test_a_run_may_keep_some_of_its_weights_blocks(
    objective: FilmObjective, toy_config: FilmConfig, tmp_path: Path
) -> None:
    whole = objective.model
    folder = objective.ship(whole, tmp_path / "w", {})
    run, last = replace(toy_config.run, init=str(folder)), whole.config.depth - 1
    thin = replace(whole.config, depth=1, text=replace(whole.config.text, words=(), depth=1))
    begun = FilmObjective(replace(toy_config, run=run, model=thin, blocks=(last,), text_blocks=(0,))).model
    assert len(begun.blocks) == len(begun.text.blocks) == 1
    assert torch.equal(begun.blocks[0].qkv.weight, whole.blocks[last].qkv.weight.to(torch.bfloat16).float())
    for wrong, said in (
        ({"blocks": (0, last + 1)}, rf"no block {last + 1}; the last one is {last}, and blocks=\[\] keeps all"),
        ({"text_blocks": (-1,)}, r"no block -1; .* text_blocks=\[\] keeps all"),
    ):
        with pytest.raises(InputError, match=said):
            FilmObjective(replace(toy_config, run=run, **wrong))


def test_a_run_as_deep_as_what_it_keeps_or_not_at_all(
    objective: FilmObjective, toy_config: FilmConfig, tmp_path: Path
) -> None:
    whole = objective.model.config
    folder = objective.ship(objective.model, tmp_path / "w", {})
    run, depth = replace(toy_config.run, init=str(folder)), whole.depth
    deeper = replace(whole, depth=depth + 2, text=replace(whole.text, words=()))
    texts = replace(deeper, depth=depth, text=replace(deeper.text, depth=whole.text.depth + 1))
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"model": deeper}, rf"model\.depth is {depth + 2}, but of the {depth} blocks in {folder} blocks=\[\] keeps"),
        ({"blocks": (0,)}, rf"keeps 1; the nearest legal value is model\.depth=1, or name {depth} in blocks"),
        ({"model": texts}, r"model\.text\.depth is .* or name .* in text_blocks"),
    ]
    for wrong, said in wrongs:
        with pytest.raises(InputError, match=said):
            FilmObjective(replace(toy_config, run=run, **wrong))
    twice = FilmObjective(replace(toy_config, run=run, model=deeper, blocks=(*range(depth), 0, 0))).model
    assert len(twice.blocks) == depth + 2


def test_a_run_does_not_drop_what_leads_its_weights(toy_config: FilmConfig, tmp_path: Path) -> None:
    led = FilmObjective(replace(toy_config, model=replace(toy_config.model, layout=True)))
    folder = led.ship(led.model, tmp_path / "w", {})
    with pytest.raises(InputError, match=r"model\.layout is false, but .* the legal value is true"):
        FilmObjective(replace(toy_config, run=replace(toy_config.run, init=str(folder))))


def test_layouts_are_those_of_their_scenes_and_some_are_left_out(objective: FilmObjective) -> None:
    films = objective.films[0]
    bucket = objective.config.buckets[0]
    wanted = layout(
        from_dict(films.bank.values[3]["scene"]), layouts.times(bucket.seconds, films.bank.values[3]["start_s"])
    )
    assert np.allclose(films.layouts[3].numpy(), wanted, atol=1e-5)
    lessons = [objective._noised(films, np.arange(8), step, (0, 0)).lead.layout for step in range(40)]
    empty = [not bool(row.any()) for lesson in lessons for row in lesson]
    assert 0.05 < sum(empty) / len(empty) < 0.17


def test_drafts_are_those_of_their_scenes_and_some_are_left_out(toy_config: FilmConfig, tmp_path: Path) -> None:
    objective = FilmObjective(replace(toy_config, model=replace(toy_config.model, layout=True, draft=True)))
    objective.prepare(tmp_path, lambda line: None)
    films, size = objective.films[0], (5, 6)
    rows = np.arange(64)
    whole = objective._noised(films, rows, 4, (0, 0))
    assert whole.lead.draft is not None and whole.lead.draft.shape[1] == 2 * whole.clean.shape[1]
    empty = [not bool(draft.any()) for draft in whole.lead.draft]
    assert 0.1 < sum(empty) / len(empty) < 0.4  # of those that are told no layout none is drawn
    nearer = [
        float((clean - draft[: len(clean)])[:, mask].square().mean() / clean[:, mask].square().mean())
        for clean, draft, mask in zip(
            whole.clean, whole.lead.draft, films.batch(rows, rows % 4, rows >= 0, rows >= 0)[1][:, 0] > 0.9, strict=True
        )
        if draft.any() and mask.any()
    ]  # where the subject covers a cell, its draft is most of what there is to see
    assert np.median(nearer) < 0.9
    crop = objective._noised(films, rows, 4, size)
    assert crop.lead.draft is not None and crop.lead.draft.shape[3:] == size
    assert objective.loss(objective.model, 3)[0].isfinite()


def test_backdrops_are_those_of_their_scenes_and_some_are_left_out(toy_config: FilmConfig, tmp_path: Path) -> None:
    led = replace(toy_config.model, layout=True, draft=True, backdrop=True)
    objective = FilmObjective(replace(toy_config, model=led))
    objective.prepare(tmp_path, lambda line: None)
    films, rows = objective.films[0], np.arange(64)
    whole = objective._noised(films, rows, 4, (0, 0))
    assert whole.lead.backdrop is not None and whole.lead.backdrop.shape == whole.clean.shape
    empty = [not bool(shown.any()) for shown in whole.lead.backdrop]
    assert 0.05 < sum(empty) / len(empty) < 0.3
    apart = [
        float((clean - shown).square().mean() / clean.square().mean())
        for clean, shown, gone in zip(whole.clean, whole.lead.backdrop, empty, strict=True)
        if not gone
    ]
    assert np.median(apart) < 0.6  # the place, the hour and the subject in plain light are most of a film
    assert whole.lead.draft is not None and all(
        torch.equal(draft, other) for draft, other in zip(whole.lead.draft, _drawn(objective, rows), strict=True)
    )  # a backdrop leaves the draft as it is
    assert objective.loss(objective.model, 3)[0].isfinite()


def test_some_films_are_not_led_at_all(toy_config: FilmConfig, tmp_path: Path) -> None:
    led = replace(toy_config.model, layout=True, draft=True, backdrop=True)
    usual = {"no_layout": 0.0, "no_draft": 0.0, "no_backdrop": 0.0}
    objective = FilmObjective(replace(toy_config, model=led, no_lead=0.3, **usual))
    objective.prepare(tmp_path, lambda line: None)
    lead = objective._noised(objective.films[0], np.arange(64), 4, (0, 0)).lead
    assert lead.draft is not None and lead.backdrop is not None
    is_told, is_staged = ([bool(one.any()) for one in part] for part in (lead.layout, lead.backdrop))
    assert is_told == is_staged and 0.1 < is_told.count(False) / 64 < 0.5
    assert not any(draft.any() for draft, told in zip(lead.draft, is_told, strict=True) if not told)


def _drawn(objective: FilmObjective, rows: np.ndarray) -> torch.Tensor:
    """Return the drafts of the same lesson without backdrops."""
    films = objective.films[0]
    films.cameras = torch.zeros(0)
    drafts = objective._noised(films, rows, 4, (0, 0)).lead.draft
    assert drafts is not None
    return drafts


def test_a_bucket_may_have_other_numbers_of_subjects(toy_config: FilmConfig, tmp_path: Path) -> None:
    pairs = replace(toy_config.buckets[0], num_subjects_weights=(0.0, 1.0), num=128)
    objective = FilmObjective(replace(toy_config, buckets=(toy_config.buckets[0], pairs), banks=str(tmp_path)))
    objective.prepare(tmp_path, lambda line: None)
    there = [films.layouts[:, :, layouts.columns(1)][..., layouts.PRESENT].amax(1) > 0 for films in objective.films]
    assert bool(there[1].all()) and not bool(there[0].all())
