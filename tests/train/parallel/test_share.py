"""Tests of shares: together they are the batch, and what cannot be cut says what can."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from rushes.errors import InputError
from rushes.models.transformer import Crop
from rushes.train.parallel.share import Share


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
