"""Tests of the captioner: when it looks, what it finds, how it keeps subjects apart, what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rushes.models._fields import FIELDS, FILM_FIELDS, SUBJECT_FIELDS, TAGS, value_ids, value_sizes
from rushes.models._writer import LENGTHS, Pieces
from rushes.models.captioner import NUM_FRAMES, Captioner, in_order, pick, reading_times, tiny
from rushes.nn import weights


def captioner() -> Captioner:
    torch.manual_seed(0)
    model = Captioner(tiny()).eval().requires_grad_(False)
    for layer in (*model.stages[0].second, *model.stages[1].second):  # start at zero, which would hide what they do
        torch.nn.init.normal_(layer.weight, std=0.1)
    return model


def films(batch: int = 2) -> Tensor:
    return torch.rand(batch, NUM_FRAMES, 3, 36, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def times(batch: int = 2, duration_s: float = 3.0) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(reading_times(duration_s)).float().expand(batch, -1), torch.full((batch,), duration_s)


def cells(*subjects: tuple[int, int, float, float]) -> Tensor:
    """What a search returns that finds `(row, column, logit, half side)` on a grid of 6x8 cells."""
    found = torch.full((1, 4, 6, 8), -6.0)
    found[:, 1:3] = 0.0
    for row, column, logit, half in subjects:
        found[0, 0, row, column], found[0, 3, row, column] = logit, float(np.log(half))
    return found


@pytest.mark.parametrize("duration_s", [0.5, 1.0, 2.0, 3.0, 60.0])
def test_reading_times_ascend_inside_the_film(duration_s: float) -> None:
    found = reading_times(duration_s)
    assert found.shape == (NUM_FRAMES,)
    assert found[0] > 0 and found[-1] < duration_s and (np.diff(found) > 0).all()


def test_long_films_are_read_at_the_rate_of_kept_pictures() -> None:
    assert np.isclose(np.diff(reading_times(10.0)), 0.25).sum() == 5


def test_pieces_spell_every_text() -> None:
    pieces = Pieces(("red", "boat"), 24)
    assert pieces.decode(pieces.encode("A red boat, zig-zagging!")) == "a red boat, zig-zagging!"
    assert pieces.encode("red boat")[2:4] == [Pieces.END, Pieces.PAD]
    short = Pieces(("red",), 4).encode("red red red red red")
    assert len(short) == 4 and short[-1] == Pieces.END


def test_a_search_yields_subjects_from_left_to_right() -> None:
    boxes = pick(cells((2, 6, 3.0, 0.2), (4, 1, 1.0, 0.1)))[0]
    assert torch.allclose(boxes[:, 1], torch.tensor([(1.5 / 4 - 1), (6.5 / 4 - 1)]))
    assert torch.allclose(boxes[:, 0], torch.tensor([4.5 / 3 - 1, 2.5 / 3 - 1]))
    assert torch.allclose(boxes[:, 2], torch.tensor([0.1, 0.2])) and boxes[1, 3] > boxes[0, 3] > 0.7


def test_one_subject_stands_for_both_and_neighbours_of_a_peak_are_none() -> None:
    alone = pick(cells((2, 6, 3.0, 0.2), (2, 5, 2.0, 0.2), (4, 1, -3.0, 0.1)))[0]
    assert torch.equal(alone[0], alone[1]) and alone[0, 1] == pytest.approx(6.5 / 4 - 1)


def test_the_shape_of_a_thing_is_read_without_its_colour() -> None:
    model, picture = captioner(), torch.zeros(2, 3, 64, 64)
    picture[0, 0, 20:40, 20:40] = 0.9  # red, and blue of the same grey
    picture[1, 2, 20:40, 20:40] = 0.9
    boxes = torch.tensor([[-0.1, -0.1, 0.2, 1.0]] * 2).expand(2, 2, 4)
    shape, colour = model.look_closely(picture, boxes)
    assert torch.allclose(shape[0], shape[1], atol=1e-4) and not torch.allclose(colour[0], colour[1], atol=1e-3)


def test_what_lies_outside_the_square_is_not_seen_in_it() -> None:
    model, pictures = captioner(), films(1)[0]
    there = torch.tensor([[-0.5, -0.5, 0.1, 1.0]] * 2).expand(len(pictures), 2, 4)
    changed = pictures.clone()
    changed[..., 24:, 40:] = 0.0
    assert torch.equal(model.look_closely(pictures, there)[0], model.look_closely(changed, there)[0])


def test_shifts_are_seen() -> None:
    """A picture that moves tells another shift than one that stands, and the first frame none."""
    model, film = captioner(), films(1)
    standing = film[:, :1].expand_as(film)
    moving = torch.stack([film[0, 0].roll(4 * i, -1) for i in range(NUM_FRAMES)])[None]
    still, moved = model.see(standing).shifts, model.see(moving).shifts
    assert not still[:, 0].any()
    assert torch.allclose(still[:, 1], still[:, 2], atol=1e-5) and not torch.allclose(still, moved, atol=1e-3)


def test_a_detail_says_how_a_film_is_made_and_nothing_else() -> None:
    model, film = captioner(), films(1)
    torch.nn.init.normal_(model.made.weight)
    torch.nn.init.normal_(model.path[2].weight)
    detail = torch.rand(1, 3, 36, 64, generator=torch.Generator().manual_seed(2))
    without, shown = model(film, *times(1)), model(film, *times(1), detail)
    changed = [a for a in FIELDS if not torch.equal(without.logits[a], shown.logits[a])]
    assert changed == ["style"] and torch.equal(without.embedding, shown.embedding)


def test_a_path_tells_of_its_own_subject() -> None:
    model, film = captioner(), films(1)
    torch.nn.init.normal_(model.path[2].weight)
    look = model.see(film)
    boxes = look.boxes.clone()
    boxes[:, :, 1, 0] += torch.linspace(0, 0.5, NUM_FRAMES)
    moved = look.moved.float()
    first, second = (model._paths(one, times(1)[0], moved) for one in (look.boxes, boxes))
    assert torch.equal(first[:, 0], second[:, 0]) and not torch.allclose(first[:, 1], second[:, 1], atol=1e-3)
    assert not model._paths(boxes[:, :2], times(1)[0][:, :2], moved[:, :1]).any()


def test_subjects_that_swap_places_stay_in_their_tracks() -> None:
    model = captioner()
    look = model.see(films(1))
    a, b = torch.randn(2, 12, generator=torch.Generator().manual_seed(3))
    shape = torch.stack((a, b)).expand(1, NUM_FRAMES, 2, -1).clone()
    boxes = torch.tensor([[0.0, -0.5, 0.1, 1.0], [0.0, 0.5, 0.1, 1.0]]).expand(1, NUM_FRAMES, 2, 4)
    colour = torch.stack((a, b))[:, :6].expand(1, NUM_FRAMES, 2, -1).clone()
    tracks = replace(look, shape=shape, colour=colour, boxes=boxes.clone())
    swapped = torch.zeros(1, NUM_FRAMES, dtype=torch.long)
    swapped[:, 5:] = 1
    followed = model.follow(in_order(tracks, swapped))
    assert torch.equal(followed.shape, tracks.shape) and torch.equal(followed.boxes, tracks.boxes)


def test_films_of_a_batch_do_not_see_each_other() -> None:
    model, both = captioner(), films()
    together, alone = model(both, *times()), model(both[:1], *times(1))
    assert all(torch.allclose(together.logits[a][:1], alone.logits[a], atol=1e-4) for a in FIELDS)
    assert torch.allclose(together.embedding.norm(dim=1), torch.ones(2))


def test_description_names_only_what_is_sure() -> None:
    model = captioner()
    sure, unsure = (model.describe(films(), *times(), least=least)[0] for least in (0.0, 1.1))
    assert set(sure.fields) == {"subjects", *FILM_FIELDS, "quality"}
    assert set(sure.fields["subjects"][0]) == set(SUBJECT_FIELDS) and set(sure.sentences) == set(LENGTHS)
    assert all(sure.fields["subjects"][0].values()) and not any(unsure.fields["subjects"][0].values())
    assert all(0 <= value <= 1 for value in sure.confidence.values())
    assert all(unsure.fields[a] is None for a in FILM_FIELDS if a != "relation")


def test_nothing_that_takes_time_is_said_of_a_still() -> None:
    said = captioner().describe(films(), *times(), least=0.0, stills=[True, False])
    assert said[0].fields["camera"] is None and said[0].fields["subjects"][0]["motion"] is None
    assert said[1].fields["camera"] is not None and "camera" not in said[0].confidence


def test_values_say_unknown_as_zero() -> None:
    model = captioner()
    fields = {"subjects": [{"kind": "two", "colour": None}], "count": "1", "quality": ["noisy"]}
    ids = value_ids(model.labels, fields)
    assert len(ids) == len(value_sizes(model.labels)) and all(
        0 <= i <= n for i, n in zip(ids, value_sizes(model.labels), strict=True)
    )
    assert ids[:2] == [2, 0] and ids[5:10] == [0] * 5 and ids[10] == 1 and ids[-len(TAGS) :] == [1, 2, 1]


def test_writing_piece_by_piece_is_writing_at_once() -> None:
    """Keys and values that were kept give the logits that the whole text gives."""
    model = captioner()
    values = torch.tensor([value_ids(model.labels, {"subjects": [], "quality": None})] * 2)
    prefix = model.writer.prefix(values, torch.randn(2, 5, 32), torch.tensor([0, 2]))
    ids = model.writer.write(prefix)
    logits = model.writer(prefix, ids)
    ended = (ids == Pieces.END).cumsum(1) - (ids == Pieces.END).long() > 0
    assert torch.equal(logits.argmax(-1).masked_fill(ended, Pieces.PAD), ids)


def test_texts_have_unit_embeddings_that_tell_them_apart() -> None:
    model = captioner()
    one, other = model.embed_text("a red cat"), model.embed_text("a blue dog")
    assert one.shape == (16,) and np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(one, other, atol=1e-3)


def test_weights_come_back(tmp_path: Path) -> None:
    model = captioner().to(torch.bfloat16).float()
    found = Captioner.from_pretrained(weights.save(model, tmp_path / "c", family="captioner", config=model.config))
    assert found.labels == model.labels and found.pieces.pieces == model.pieces.pieces
    assert torch.equal(found(films(), *times()).embedding, model(films(), *times()).embedding)


def test_a_full_captioner_is_small_enough_to_ship() -> None:
    from rushes.data.captioning.sentences import LABELS, every_word

    full = Captioner(replace(Captioner(tiny()).config, labels=tuple("|".join(LABELS[a]) for a in FIELDS)))
    assert full.labels["kind"] == LABELS["kind"]
    from rushes.models.captioner import CaptionerConfig

    model = Captioner(CaptionerConfig(labels=full.config.labels, words=every_word()))
    assert sum(p.numel() for p in model.parameters()) * 2 <= 15e6
