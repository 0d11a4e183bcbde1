"""Tests of subjects alone on nothing."""

import numpy as np
import pytest

from rushes.errors import InputError
from rushes.layouts import CUTOUT_PX
from rushes.world.cutout import cutout
from rushes.world.vocabulary import COLOURS, KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_lies_whole_on_nothing(kind: str) -> None:
    drawn = cutout(kind, "red")
    assert drawn.shape == (CUTOUT_PX, CUTOUT_PX, 4) and drawn.dtype == np.uint8
    assert (drawn[..., :3] <= drawn[..., 3:]).all()
    assert 0.08 < drawn[..., 3].mean() / 255 < 0.8
    border = np.concatenate((drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]))[:, 3]
    assert border.mean() < 0.12 * 255  # nothing is cut off


def test_colours_tell_subjects_apart() -> None:
    pictures = [cutout("car", colour).astype(int) for colour in COLOURS]
    apart = [np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(apart) > 1


def test_what_is_unknown_is_named() -> None:
    with pytest.raises(InputError, match="'cra'"):
        cutout("cra", "red")
