"""Tests of shares: together they are the batch, and what cannot be cut says what can."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from together import together

from rushes.errors import InputError
from rushes.models.transformer import Crop
from rushes.train.parallel.share import Share
from rushes.train.parallel.world import World


class Pair(NamedTuple):
    one: torch.Tensor
    rows: np.ndarray


def test_the_shares_of_a_batch_make_the_batch() -> None:
    batch = (Pair(torch.arange(12.0).view(6, 2), np.arange(6)), {"a": [torch.arange(6)]}, torch.tensor(3.0), 5, None)
    parts = [Share(index=i, parts=3).of(batch) for i in range(3)]
    assert torch.equal(torch.cat([part[0].one for part in parts]), batch[0].one)
    assert np.concatenate([part[0].rows for part in parts]).tolist() == list(range(6))
    assert torch.cat([part[1]["a"][0] for part in parts]).tolist() == list(range(6))
    assert all(part[2] == 3.0 and part[3] == 5 and part[4] is None for part in parts)


def test_dealt_rows_go_to_one_part_after_the_other() -> None:
    parts = [Share(index=i, parts=2).of((torch.arange(6), {"a": np.arange(4)}), is_dealt=True) for i in range(2)]
    assert [part[0].tolist() for part in parts] == [[0, 2, 4], [1, 3, 5]]
    assert [part[1]["a"].tolist() for part in parts] == [[0, 2], [1, 3]]


def test_means_over_unequal_numbers_make_the_mean_over_all() -> None:
    numbers = [torch.tensor([1.0, 2.0, 6.0]), torch.tensor([7.0])]
    parts = [Share(index=i, parts=2).weight(len(each), 4) * each.mean() for i, each in enumerate(numbers)]
    assert float(sum(parts)) / 2 == pytest.approx(4.0) and Share().weight(3, 3) == 1.0


def test_what_is_gathered_gives_its_gradients_back() -> None:
    def learn(world: World) -> tuple[list[float], list[float]]:
        own = torch.tensor([[1.0 + world.rank]], requires_grad=True)
        whole = world.share.gathered(own)
        (whole.square().sum() * (1 + world.rank)).backward()
        assert own.grad is not None
        return whole.flatten().tolist(), own.grad.flatten().tolist()

    # Each process's loss asks for both numbers: 2 x (1 + 2) comes back to each.
    assert together(2, learn) == [([1.0, 2.0], [6.0]), ([1.0, 2.0], [12.0])]
    assert Share().gathered(torch.ones(1)).tolist() == [1.0]


def test_windows_are_cut_and_the_frame_stays_whole() -> None:
    crop = Crop(top=torch.arange(4), left=torch.arange(4), rows=9, columns=16)
    part = Share(index=1, parts=2).of(crop)
    assert part.top.tolist() == [2, 3] and (part.rows, part.columns) == (9, 16)


def test_one_share_is_the_batch_itself_and_readiness_is_heard() -> None:
    heard: list[str] = []
    batch = (torch.zeros(3),)
    assert Share(ready=lambda: heard.append("ready")).of(batch) is batch
    assert heard == ["ready"]


@pytest.mark.parametrize(("num", "parts", "legal"), [(8, 3, 2), (6, 5, 6), (7, 4, 1)])
def test_an_indivisible_batch_names_the_nearest_number(num: int, parts: int, legal: int) -> None:
    said = f"a batch of {num} samples cannot be shared by {parts} processes; the nearest legal number is {legal}"
    with pytest.raises(InputError, match=said):
        Share(parts=parts).of(torch.zeros(num))
