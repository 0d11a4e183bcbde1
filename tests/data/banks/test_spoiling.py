"""Tests of spoiling: what tags say is seen, and what they do not say is not."""

import numpy as np
import torch

from rushes.data.banks.spoiling import draw_tags, spoil
from rushes.models._fields import TAGS

EDGE = torch.full((1, 2, 3, 36, 64), -1.0)
EDGE[..., 32:] = 1.0


def spoilt(*tags: str) -> torch.Tensor:
    return spoil(EDGE, [tags], np.random.default_rng(0))


def test_tags_are_drawn_by_their_share() -> None:
    rng = np.random.default_rng(0)
    drawn = [tag for _ in range(500) for tag in draw_tags(rng, 0.2)]
    assert all(60 < drawn.count(tag) < 140 for tag in TAGS)
    assert draw_tags(rng, 0.0) == () and draw_tags(rng, 1.0) == TAGS


def test_a_clean_film_hardly_changes() -> None:
    assert (spoilt() - EDGE).abs().mean() < 0.05


def test_each_tag_is_what_it_says() -> None:
    assert ((spoilt("blurred")[..., 30:34] - EDGE[..., 30:34]).abs().mean() > 0.2) and spoilt(
        "blurred"
    ).shape == EDGE.shape
    assert spoilt("noisy")[..., :20].std() > 0.04
    assert spoilt("dim").max() < 0.1 and spoilt().max() > 0.9
