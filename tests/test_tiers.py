"""Tests what can be asked for: tiers, sizes, lengths, conditions, and the plan that a request becomes."""

from __future__ import annotations

import pytest

from rushes.errors import InputError
from rushes.tiers import LEGAL_FPS, MAX_SECONDS, OVERLAP_S, SIZES, TIERS, WINDOW_S, plan, tier
from rushes.types import Condition, GenerationRequest, VideoShape

LOOP = Condition(kind="loop")
FIRST = Condition(kind="first", uri="a.png")
REMIX = Condition(kind="remix", uri="a.mp4", strength=0.5)
EDGES, SKETCH = (Condition(kind=kind, uri="a.png") for kind in ("edges", "sketch"))
EXTEND = Condition(kind="extend", uri="a.mp4", seconds=3)


def ask(name: str = "flipbook", **changes: object) -> GenerationRequest:
    chosen = TIERS[name]
    values = {"prompt": "a red cat", "shape": chosen.shape, "fps": chosen.fps, "num_steps": 2, "guidance_scale": 3.0}
    return GenerationRequest(**(values | changes))


def size(width: int, height: int, frames: int = 8) -> VideoShape:
    return VideoShape(frames=frames, height=height, width=width)


def test_every_tier_is_legal_and_called_by_its_name() -> None:
    assert list(TIERS) == ["flipbook", "short", "feature", "still"]
    assert all(tier(name).name == name and plan(ask(name)).shape == TIERS[name].shape for name in TIERS)
    assert TIERS["feature"].shape == VideoShape(frames=240, height=720, width=1280)
    with pytest.raises(InputError, match="there is no tier 'shrot'; known: short, flipbook"):
        tier("shrot")


@pytest.mark.parametrize("sides", SIZES)
def test_every_size_is_painted_at_least_as_large_as_it_is(sides: tuple[int, int]) -> None:
    shot = plan(ask(shape=size(*sides)))
    assert shot.columns * shot.pixels >= sides[0]
    assert shot.rows * shot.pixels >= sides[1]
    assert SIZES[sides[1], sides[0]] == (shot.columns, shot.rows, shot.pixels)


@pytest.mark.parametrize("fps", LEGAL_FPS)
@pytest.mark.parametrize("seconds", [1, 3, 10, MAX_SECONDS])
def test_whole_seconds_and_stills_are_legal(fps: int, seconds: int) -> None:
    assert plan(ask(shape=size(512, 512, seconds * fps), fps=fps)).seconds == seconds
    still = plan(ask(shape=size(512, 512, 1), fps=fps))
    assert (still.seconds, still.num_tokens) == (1, 144)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": size(1920, 1080)}, "size 1920x1080 is illegal; the nearest legal value is 1280x720;"),
        ({"shape": size(500, 500)}, "size 500x500 is illegal; the nearest legal value is 512x512;"),
        ({"shape": size(1, 4000)}, "the nearest legal value is 320x768"),
        ({"fps": 30}, "fps 30 is illegal; the nearest legal value is 24"),
        ({"fps": 1}, "fps 1 is illegal; the nearest legal value is 8"),
        ({"shape": size(512, 512, 9)}, "9 frames at 8 fps is illegal.*the nearest legal value is 8"),
        ({"shape": size(512, 512, 2)}, "the nearest legal value is 1$"),
        ({"shape": size(512, 512, 100000)}, "the nearest legal value is 480$"),
        ({"shape": size(512, 512, 40), "fps": 24}, "the nearest legal value is 48$"),
        ({"model": "wan"}, "there is no model 'wan'; known: rushes"),
        ({"conditions": (LOOP, LOOP)}, "condition 'loop' is named 2 times; once is legal"),
        ({"conditions": (LOOP, FIRST)}, "conditions 'loop' and 'first' contradict each other; name one of them"),
        ({"conditions": (REMIX, FIRST)}, "conditions 'remix' and 'first' contradict"),
        ({"conditions": (EDGES, SKETCH)}, "conditions 'edges' and 'sketch' contradict"),
        ({"conditions": (FIRST, SKETCH)}, "conditions 'sketch' and 'first' contradict"),
        ({"conditions": (EXTEND,)}, "has 3 s already, and 1 s are asked for in all; the nearest legal value is 4"),
        ({"conditions": (LOOP,), "shape": size(512, 512, 88)}, "of 11 s can't be made with condition 'loop'.* is 10"),
        ({"conditions": (FIRST,), "shape": size(512, 512, 1)}, "legal: remix, subject, edges, sketch, depth"),
    ],
)
def test_what_is_illegal_is_refused_with_the_nearest_legal_value(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan(ask(**changes))


@pytest.mark.parametrize("seconds", [1, 9, 10, 11, 18, 19, 60])
@pytest.mark.parametrize("given_s", [0, 1, 2, 30])
def test_windows_cover_what_is_new_and_know_what_came_before(seconds: int, given_s: int) -> None:
    total = seconds + given_s
    if total > MAX_SECONDS:
        return
    conditions = (Condition(kind="extend", uri="a.mp4", seconds=given_s),) if given_s else ()
    shot = plan(ask(shape=size(512, 512, total * 8), conditions=conditions))
    assert sum(window.fresh_s for window in shot.windows) == seconds
    assert all(0 < window.seconds <= WINDOW_S for window in shot.windows)
    assert [window.known_s for window in shot.windows][1:] == [OVERLAP_S] * (len(shot.windows) - 1)
    assert shot.windows[0].known_s == min(given_s, OVERLAP_S)
    assert shot.num_tokens <= WINDOW_S * 144


def test_conditions_that_agree_are_legal() -> None:
    last = Condition(kind="last", uri="b.png")
    for conditions in ((FIRST, last), (EXTEND, last), (REMIX, LOOP)):
        assert plan(ask(shape=size(512, 512, 80), conditions=conditions)).seconds == 10
    assert plan(ask("still", conditions=(REMIX,))).seconds == 1
