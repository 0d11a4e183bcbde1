"""Tests of the structures that a backdrop model is taught with: they are what people may bring, of bent places too."""

import pytest
import torch

from rushes.models._structure import lines
from rushes.train.sketching import BENT, bent, structured


@pytest.fixture
def pictures() -> torch.Tensor:
    """Places with a hill of its own each."""
    made = torch.zeros(64, 4, 48, 80)
    for index, picture in enumerate(made):
        picture[:3, 20 + index % 8 :] = 0.6
        picture[3, 20 + index % 8 :] = 0.8
        picture[:3, 8:14, 4 + index : 10 + index] = 1.0
    return made


def test_structures_lie_in_the_frame_and_are_lines_or_depths_or_both(pictures: torch.Tensor) -> None:
    made = structured(pictures, (0.6, 0.7), torch.Generator().manual_seed(0))
    assert made.shape == pictures.shape and made.min() >= 0 and made.max() <= 1
    shown, known = made[:, ::2], made[:, 1::2]
    assert not (shown * (1 - known)).any() and set(known.unique().tolist()) == {0.0, 1.0}
    has = known.flatten(2).any(2)
    assert has.any(1).all() and 0.05 < (~has[:, 0]).float().mean() < 0.4 and 0.1 < has.all(1).float().mean() < 0.6
    inside = made[:, 1::2, 12:36, 16:64].any(1).float().mean()
    beyond = known[:, :, 0].flatten(1).any(1).float().mean()
    assert 0.8 < inside < 1 and 0.05 < beyond < 0.4  # subjects' holes; some are known everywhere


def test_lines_stay_where_they_were(pictures: torch.Tensor) -> None:
    made = structured(pictures, (1.0, 1.0), torch.Generator().manual_seed(0))
    near = torch.nn.functional.max_pool2d(lines(pictures[:, :3]), 5, 1, 2) > 0
    assert made[:, 0].any() and not (made[:, 0] > 0.05)[~near[:, 0]].any()


def test_most_places_are_bent_with_their_depths(pictures: torch.Tensor) -> None:
    made, is_bent = bent(pictures, torch.Generator().manual_seed(0))
    assert abs(float(is_bent.float().mean()) - BENT) < 0.2
    assert torch.equal(made[~is_bent], pictures[~is_bent])
    assert not torch.isclose(made[is_bent], pictures[is_bent]).all(dim=(1, 2, 3)).any()
    ground = made[:, 3] > 0.5
    assert (made[:, 0][ground] > 0.3).all()  # colours went where their depths did
