"""Tests what assistants read of the models that a studio makes films with."""

from __future__ import annotations

import studios

from rushes import tiers
from rushes.models.open import _catalogue as catalogue
from rushes.studio.wire import offers


def test_every_models_line_says_what_it_makes_and_needs(tmp_path) -> None:
    with studios.opened(tmp_path) as house:
        (own,) = offers.listed(house)
        assert (own["model"], own["seconds"], own["needs"]) == (tiers.MODEL, tiers.MAX_SECONDS, [])
        assert offers.line(own).startswith("rushes: up to 60 s, 320x768, ")
        names = ("wan2.1-flf2v-14b", "hotshot-xl", "flux-dev")
        house.offered = {name: catalogue.find(name).checkpoint.native for name in names}
        _, ends, short, still = offers.listed(house)
    assert offers.line(ends).endswith("needs a first and a last picture")
    assert short["seconds"] == 1 and "512x512" in short["sizes"] and "any_size" not in short
    assert still["seconds"] == 0 and "flux-dev: a still alone" in offers.line(still)
    assert "multiples of" in still["any_size"]
