"""Tests of sequence parallelism: two processes that share a film's tokens give what one gives, and learn the same."""

import copy
import functools
from typing import Any

import pytest
import torch
import torch.distributed as dist
from together import together
from torch import nn

from rushes.errors import InputError
from rushes.models.transformer import Transformer, tiny
from rushes.nn import sequence
from rushes.train.parallel.world import World


def film(frames: int) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(frames)
    return torch.randn(2, 4, frames, 3, 4, generator=random), torch.rand(2, generator=random) + 0.1


def answer(model: Any, frames: int) -> torch.Tensor:
    ids = torch.arange(2 * model.config.text.length).view(2, -1) % 5
    seconds = (torch.tensor([0.0, 2.0]), torch.full((2,), frames / 2))
    return model(*film(frames), model.read(ids), seconds)


def seeded() -> Transformer:
    torch.manual_seed(0)
    model = Transformer(tiny())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def differences(world: World) -> list[tuple[float, float]]:
    """Return how far outputs and mean gradients are from those of one process, for each kind and length."""
    found = []
    for kind, frames in (("ulysses", 2), ("ulysses", 8), ("ring", 4), ("ring", 8)):
        whole = seeded()
        spread = copy.deepcopy(whole)
        sequence.spread(spread.blocks, spread.config.heads, dist.group.WORLD, kind)
        with torch.inference_mode():
            made = float((answer(spread, frames) - answer(whole, frames)).abs().max())
        answer(whole, frames).square().mean().backward()
        answer(spread, frames).square().mean().backward()
        world.average(p.grad for p in spread.parameters())
        pairs = [(p.grad, q.grad) for p, q in zip(whole.parameters(), spread.parameters(), strict=True)]
        learned = [float((a - b).abs().max() / (a.abs().max() + 1e-6)) for a, b in pairs if a is not None]
        found.append((made, max(learned)))
    return found


def test_two_processes_give_and_learn_what_one_does() -> None:
    for made, learned in together(2, differences)[0]:
        assert made < 1e-5 and learned < 1e-4


def refuse(world: World, heads: int, kind: str, frames: int) -> str:
    model = seeded()
    try:
        sequence.spread(model.blocks, heads, dist.group.WORLD, kind)
        if frames == 6:  # three tokens a frame, one frame of three a process's share of none
            answer(model, frames)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("heads", "kind", "frames", "said"),
    [
        (3, "ulysses", 2, "3 heads cannot be shared by 2 processes; the nearest legal number is 1"),
        (2, "ring", 6, "a film of 3 frames cannot be shared by 2 processes; the nearest legal number is 1"),
    ],
)
def test_what_cannot_be_shared_is_refused(heads: int, kind: str, frames: int, said: str) -> None:
    assert said in together(2, functools.partial(refuse, heads=heads, kind=kind, frames=frames))[0]


@pytest.mark.parametrize(
    ("num", "heads", "films", "kind", "said"),
    [
        (2, 4, [(10, 144)], "ulysses", ""),
        (5, 4, [(10, 144)], "ring", ""),
        (4, 4, [(10, 144), (4, 144)], "ulysses", ""),
        (2, 4, [(1, 144)], "ring", ""),
        (3, 4, [(10, 144)], "ulysses", "3 processes cannot share 10 x 144 tokens and 4 heads by ulysses"),
        (3, 4, [(3, 144)], "ulysses", "the nearest legal number is 2, or 3 with ring attention"),
        (4, 4, [(1, 150)], "ulysses", "the nearest legal number is 2"),
        (4, 4, [(10, 144), (4, 144)], "ring", "share 10 x 144 and 4 x 144 tokens"),
        (7, 4, [(9, 144)], "ring", "the nearest legal number is 9"),
    ],
)
def test_which_numbers_can_share_a_film_is_said_beforehand(
    num: int, heads: int, films: list[tuple[int, int]], kind: str, said: str
) -> None:
    if said:
        with pytest.raises(InputError, match=said):
            sequence.require(num, heads, films, kind)
    else:
        sequence.require(num, heads, films, kind)


def alone_again(world: World) -> bool:
    """Return whether a model whose hooks were removed computes alone: the other process does not take part."""
    model = seeded()
    for hook in sequence.spread(model.blocks, model.config.heads, dist.group.WORLD):
        hook.remove()
    return world.rank == 1 or torch.equal(answer(model, 2), answer(seeded(), 2))


def test_what_is_spread_can_be_alone_again() -> None:
    assert together(2, alone_again) == [True, True]


def test_attention_outside_of_a_block_is_torchs_own() -> None:
    mode = sequence._Elsewhere("ring", None)  # type: ignore[arg-type]
    x = torch.randn(1, 1, 2, 4)
    with mode:
        assert torch.equal(torch.relu(x), nn.functional.relu(x))
