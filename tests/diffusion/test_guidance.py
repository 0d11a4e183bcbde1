"""Tests of guidance."""

import torch

from rushes.diffusion.guidance import Guidance


def test_the_mix_is_the_formula() -> None:
    prompted, unprompted = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0])
    assert torch.equal(Guidance(scale=0.0).mix(prompted, unprompted), unprompted)
    assert torch.equal(Guidance(scale=1.0).mix(prompted, unprompted), prompted)
    assert torch.equal(Guidance(scale=3.0).mix(prompted, unprompted), torch.tensor([7.0, -1.0]))


def test_it_is_on_inside_its_interval_and_off_at_scale_one() -> None:
    guidance = Guidance(scale=3.0, lowest_t=0.2, highest_t=0.8)
    assert [guidance.is_on(t) for t in (0.1, 0.2, 0.5, 0.8, 0.9)] == [False, True, True, True, False]
    assert not Guidance(scale=1.0).is_on(0.5)
