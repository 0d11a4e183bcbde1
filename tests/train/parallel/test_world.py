"""Tests of what processes agree on."""

import os

import pytest
import torch
from together import together

from rushes.errors import InputError, RushesError
from rushes.train.parallel.world import ParallelConfig, World, is_loss, join


def test_alone_everything_is_agreed() -> None:
    world = join(ParallelConfig())
    assert (world.rank, world.size, world.share.parts) == (0, 1, 1)
    done: list[int] = []
    world.in_turn(lambda: done.append(1))
    assert done == [1] and world.first(lambda: 3) == 3 and world.gather("a") == ["a"]
    assert world.any(True) and not world.any(False)
    assert world.mean(torch.tensor([2.0])).tolist() == [2.0]


def meet(world: World) -> dict[str, object]:
    gradient = torch.tensor([1.0 + world.rank])
    world.average([gradient, None])
    made: list[int] = []
    world.in_turn(lambda: made.append(world.rank))

    def fail() -> None:
        raise InputError("only the first one tried")

    try:
        world.first(fail)
    except InputError as error:
        said = str(error)
    try:
        world.raise_together(ValueError("odd") if world.rank else None)
    except (RushesError, ValueError) as error:
        odd = repr(error)
    return {
        "gathered": world.gather(world.rank),
        "any": (world.any(world.rank == 1), world.any(False)),
        "first": world.first(os.getpid) == os.getpid(),
        "mean": float(gradient),
        "said": said,
        "odd": "odd" in odd,
        "share": (world.share.index, world.share.parts),
        "made": made,
    }


def test_two_agree_and_fail_together() -> None:
    one, other = together(2, meet)
    shared = {"gathered": [0, 1], "any": (True, False), "mean": 1.5, "said": "only the first one tried", "odd": True}
    assert one == {**shared, "first": True, "share": (0, 2), "made": [0]}
    assert other == {**shared, "first": False, "share": (1, 2), "made": [1]}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (ParallelConfig(copies=3), "copies 3 does not divide 4 processes; the nearest legal value is 2"),
        (ParallelConfig(sequence=0), "sequence 0 does not divide 4 processes; the nearest legal value is 1"),
        (ParallelConfig(attention="line"), "attention 'line' is unknown; legal: ulysses, ring"),
    ],
)
def test_an_illegal_arrangement_names_the_nearest(config: ParallelConfig, said: str) -> None:
    with pytest.raises(InputError, match=said):
        config.check(4)


def test_a_lost_process_is_told_from_a_mistake() -> None:
    assert is_loss(RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer"))
    assert not is_loss(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_loss(ValueError("connection"))
