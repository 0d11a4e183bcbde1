"""Tests that stills which face the other way are found, and nothing else is."""

import pytest
import torch
from torch import Tensor

from rushes.train.facing import turned


def still(seed: int, *, is_left: bool = False) -> Tensor:
    """A body with a head to the right, a little different each time, `[4 48 48]`."""
    random = torch.Generator().manual_seed(seed)
    down, across = (int(n) for n in torch.randint(-2, 3, (2,), generator=random))
    picture = torch.zeros(4, 48, 48)
    picture[:, 20 + down : 40 + down, 6 + across : 34 + across] = torch.tensor([0.9, 0.4, 0.1, 1.0])[:, None, None]
    picture[:, 8 + down : 24 + down, 28 + across : 44 + across] = torch.tensor([0.8, 0.5, 0.2, 1.0])[:, None, None]
    picture *= 1 + 0.1 * torch.rand(4, 48, 48, generator=random)
    return picture.flip(-1) if is_left else picture


@pytest.mark.parametrize("left", [(), (3,), (0, 5), (1, 2, 8)])
def test_those_that_face_the_other_way_are_found(left: tuple[int, ...]) -> None:
    pictures = torch.stack([still(seed, is_left=seed in left) for seed in range(9)])
    assert [index for index, astray in enumerate(turned(pictures)) if astray] == list(left)


def test_half_against_half_and_what_has_no_sides_stay_as_they_are() -> None:
    assert not any(turned(torch.stack([still(seed, is_left=seed < 3) for seed in range(6)])))
    rows, columns = torch.meshgrid(torch.arange(48) - 23.5, torch.arange(48) - 23.5, indexing="ij")
    disc = (rows**2 + columns**2 < 400).float().expand(4, -1, -1)
    grain = torch.rand(7, 4, 48, 48, generator=torch.Generator().manual_seed(1))
    assert not any(turned(disc + 0.02 * grain)) and not any(turned(disc[None].expand(7, -1, -1, -1)))
