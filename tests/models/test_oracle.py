"""Tests of the oracle: when it looks, what it answers, and that it sees motion and place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rushes.models.oracle import ATTRIBUTES, NUM_FRAMES, NUM_SLOW, STATIC, Oracle, reading_times, tiny
from rushes.nn import weights


def oracle() -> Oracle:
    torch.manual_seed(0)
    model = Oracle(tiny()).eval().requires_grad_(False)
    for stage in model.stages:
        for layer in stage.second:  # outputs start at zero, which would hide what blocks do
            torch.nn.init.normal_(layer.weight, std=0.1)
    return model


def films(batch: int = 2) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.rand(batch, NUM_FRAMES, 3, 32, 48, generator=random) * 2 - 1


def times(batch: int = 2, duration_s: float = 3.0) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(reading_times(duration_s)).float().expand(batch, -1), torch.full((batch,), duration_s)


@pytest.mark.parametrize("duration_s", [0.5, 1.0, 3.0, 10.0])
def test_reading_times_lie_inside_the_film(duration_s: float) -> None:
    found = reading_times(duration_s)
    slow, fast = found[:NUM_SLOW], found[NUM_SLOW:]
    assert len(found) == NUM_FRAMES
    assert (found >= 0).all() and (found < duration_s).all()
    assert (np.diff(slow) > 0).all() and (np.diff(fast) > 0).all()
    assert fast[-1] - fast[0] <= 2.0
    assert fast.mean() == pytest.approx(duration_s / 2)


def test_it_answers_every_attribute() -> None:
    logits = oracle()(films(), *times())
    assert tuple(logits) == ATTRIBUTES and set(STATIC) < set(ATTRIBUTES)
    assert all(x.shape == (2, 2) for x in logits.values())


def test_films_of_a_batch_do_not_see_each_other() -> None:
    model, both = oracle(), films()
    together, alone = model(both, *times()), model(both[:1], *times(1))
    assert all(torch.allclose(together[a][:1], alone[a], atol=1e-4) for a in ATTRIBUTES)


def test_the_order_of_frames_in_time_matters_and_in_memory_does_not() -> None:
    model, film = oracle(), films(1)
    seconds, duration = times(1)
    usual, flipped = torch.arange(NUM_FRAMES), torch.arange(NUM_FRAMES).flip(0)
    usual_answers = model(film, seconds, duration)
    both_turned = model(film[:, flipped], seconds[:, flipped], duration)
    backwards = model(film[:, flipped], seconds[:, usual], duration)
    assert all(torch.allclose(usual_answers[a], both_turned[a], atol=1e-4) for a in ATTRIBUTES)
    assert not torch.allclose(usual_answers["direction"], backwards["direction"], atol=1e-4)


def test_slots_know_where_they_look() -> None:
    """A bright patch that moves right changes what is gathered, though the mean and the greatest feature stay."""
    model, pictures = oracle(), torch.full((2, 3, 32, 64), -1.0)
    pictures[0, :, 12:20, 16:24] = 1.0
    pictures[1, :, 12:20, 40:48] = 1.0
    (left, right), sought = model.see(pictures)
    assert not torch.allclose(left, right, atol=1e-3)
    assert torch.allclose(sought.sum((1, 2)), torch.ones(2)) and not torch.allclose(sought[0], sought[1], atol=1e-4)


def test_the_closer_look_is_at_the_place_it_is_told() -> None:
    """What lies outside the square around the subject does not change what is seen there."""
    model, pictures = oracle(), torch.full((2, 3, 64, 64), -1.0)
    pictures[:, :, 12:20, 16:24] = 1.0
    pictures[1, :, 50:60, 50:60] = 1.0
    middle = torch.tensor([16 / 32 - 1, 20 / 32 - 1])
    spread = (4 / 32) ** 2 / 3  # the variance of a square of 8 pixels, in units of half the picture
    there = torch.cat((middle, middle.square() + spread, middle.prod()[None])).expand(2, -1)
    left, right = model.look_closely(pictures, there)
    elsewhere = model.look_closely(pictures, there + torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]))
    assert torch.equal(left, right) and not torch.allclose(elsewhere[0], left, atol=1e-4)


def test_it_reads_a_film_as_words() -> None:
    words = oracle().read(films(1)[0], 3.0)
    assert tuple(words) == ATTRIBUTES and set(words.values()) <= {"one", "two"}


def test_bfloat16_follows_float32() -> None:
    model = oracle()
    exact = torch.cat(list(model(films(), *times()).values()))
    found = torch.cat(list(model.to(torch.bfloat16)(films().to(torch.bfloat16), *times()).values()))
    assert found.dtype == torch.bfloat16
    assert 0 < (found.float() - exact).norm() / exact.norm() < 0.05


def test_weights_come_back(tmp_path: Path) -> None:
    model = oracle().to(torch.bfloat16).float()  # what shipping keeps
    found = Oracle.from_pretrained(weights.save(model, tmp_path / "o", family="oracle", config=model.config))
    assert found.labels == model.labels
    a, b = found(films(), *times()), model(films(), *times())
    assert all(torch.equal(a[name], b[name]) for name in ATTRIBUTES)
