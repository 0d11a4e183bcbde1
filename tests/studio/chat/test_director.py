"""The director's ear: what people say, and what it takes them to mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.studio.chat.director import CANCEL, EXTEND, HELP, MAKE, REMIX, STATUS, Past, direct

BOAT = "a red sailboat drifts left on the sea at sunset"
PAST = Past(id="video_1", prompt=BOAT, width=768, height=432, seconds=3, fps=8, format="mp4")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("make it night", "a red sailboat drifts left on the sea at night"),
        ("Make it night.", "a red sailboat drifts left on the sea at night"),
        ("can you make it night please?", "a red sailboat drifts left on the sea at night"),
        ("at dawn", "a red sailboat drifts left on the sea at dawn"),
        ("darker", "a red sailboat drifts left on the sea at night"),
        ("change the time to dusk", "a red sailboat drifts left on the sea at dusk"),
        ("slower", "a red sailboat drifts left on the sea at sunset slowly"),
        ("slow it down", "a red sailboat drifts left on the sea at sunset slowly"),
        ("make it faster", "a red sailboat drifts left on the sea at sunset quickly"),
        ("in the rain", "a red sailboat drifts left on the sea at sunset in the rain"),
        ("add some snow", "a red sailboat drifts left on the sea at sunset in the snow"),
        ("make it foggy", "a red sailboat drifts left on the sea at sunset in the fog"),
        ("zoom in", "a red sailboat drifts left on the sea at sunset, the camera zooms in"),
        ("the camera pans right", "a red sailboat drifts left on the sea at sunset, the camera pans right"),
        ("closer", "a red sailboat drifts left on the sea at sunset, the camera zooms in"),
        ("as a watercolor", "a red sailboat drifts left on the sea at sunset, in watercolour style"),
        ("neon style", "a red sailboat drifts left on the sea at sunset, in neon style"),
        ("make it blue", "a blue sailboat drifts left on the sea at sunset"),
        ("make the sailboat orange", "an orange sailboat drifts left on the sea at sunset"),
        ("blue instead of red", "a blue sailboat drifts left on the sea at sunset"),
        ("replace the sailboat with an orange duck", "an orange duck drifts left on the sea at sunset"),
        ("change red to orange", "an orange sailboat drifts left on the sea at sunset"),
        ("make the sailboat bigger", "a large red sailboat drifts left on the sea at sunset"),
        ("the other way", "a red sailboat drifts right on the sea at sunset"),
        ("to the right", "a red sailboat drifts right on the sea at sunset"),
        ("in the forest", "a red sailboat drifts left in the forest at sunset"),
        ("underwater", "a red sailboat drifts left underwater at sunset"),
        ("make it night and slower", "a red sailboat drifts left on the sea at night slowly"),
        ("add a moon", "a red sailboat drifts left on the sea at sunset, with a moon"),
        ("now make it night, blue and in the rain", "a blue sailboat drifts left on the sea at night in the rain"),
    ],
)
def test_remarks_change_the_sentence(text: str, prompt: str) -> None:
    wish = direct(text, PAST)
    assert (wish.kind, wish.prompt) == (REMIX, prompt)
    assert wish.changed == {}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("now as a GIF", {"format": "gif"}),
        ("as a gif", {"format": "gif"}),
        ("make it a gif please", {"format": "gif"}),
        ("export it as webp", {"format": "webp"}),
        ("as a picture", {"num_frames": 1, "format": "png"}),
        ("longer", {"seconds": 6}),
        ("make it shorter", {"seconds": 1}),
        ("5 seconds", {"seconds": 5}),
        ("make it ten seconds long", {"seconds": 10}),
        ("99 seconds", {"seconds": 60}),
        ("make it loop", {"loop": True}),
        ("loop it", {"loop": True}),
        ("vertical", {"size": "432x768"}),
        ("make it vertical for my phone", None),
        ("square please", {"size": "512x512"}),
        ("in HD", {"size": "1280x720"}),
        ("vertical and in HD", {"size": "720x1280"}),
        ("smoother", {"fps": 24}),
        ("another one", {"seed": None}),
        ("try again", {"seed": None}),
        ("make it 5 seconds and as a gif", {"seconds": 5, "format": "gif"}),
    ],
)
def test_remarks_change_how_it_is_made(text: str, changed: dict | None) -> None:
    wish = direct(text, PAST)
    if changed is None:  # not understood as a remark: taken as a film of its own, never as half of one
        assert wish.kind == MAKE
    else:
        assert (wish.kind, wish.prompt, wish.changed) == (REMIX, BOAT, changed)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("go on", 3),
        ("extend it", 3),
        ("continue the film for 5 seconds", 5),
        ("extend it by two seconds", 2),
        ("extend it by another 4 seconds", 4),
        ("What happens next?", 3),
    ],
)
def test_a_film_goes_on_from_its_end(text: str, seconds: int) -> None:
    wish = direct(text, PAST)
    assert (wish.kind, wish.prompt, wish.changed) == (EXTEND, BOAT, {"seconds": seconds})
    assert direct(text).kind == MAKE


@pytest.mark.parametrize("past", [None, PAST])
@pytest.mark.parametrize(
    ("text", "prompt", "changed"),
    [
        ("a red boat crosses a lake", "a red boat crosses a lake", {}),
        ("Make a film of a green kite over the hills", "a green kite over the hills", {}),
        ("please show me a whale underwater", "a whale underwater", {}),
        ("can you make a video of two cats in the city?", "two cats in the city", {}),
        ("a gif of a bee in a garden", "a bee in a garden", {"format": "gif"}),
        ("a dog runs on the beach, 5 seconds", "a dog runs on the beach", {"seconds": 5}),
        ("a dog runs on the beach as a gif", "a dog runs on the beach", {"format": "gif"}),
        ("a train in the mountains, vertical", "a train in the mountains", {"size": "432x768"}),
        ("a 4 second film of a duck", "a duck", {"seconds": 4}),
        ("the moon rises at night", "the moon rises at night", {}),
        ("a blue whale swims slowly and a fish follows", "a blue whale swims slowly and a fish follows", {}),
    ],
)
def test_a_sentence_of_its_own_is_a_new_film(text: str, prompt: str, changed: dict, past: Past | None) -> None:
    wish = direct(text, past)
    assert (wish.kind, wish.prompt, wish.changed) == (MAKE, prompt, changed)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("stop", CANCEL), ("cancel that", CANCEL), ("never mind", CANCEL), ("is it ready yet?", STATUS),
     ("how long will it take?", STATUS), ("status", STATUS), ("help", HELP), ("hello!", HELP), ("thanks", HELP),
     ("", HELP)],
)  # fmt: skip
def test_commands_and_greetings_make_no_film(text: str, kind: str) -> None:
    assert direct(text, PAST).kind == kind
    assert direct(text).kind == kind


def test_without_a_film_a_remark_is_a_prompt() -> None:
    assert direct("make it night").kind == MAKE


def test_a_remark_can_be_taken_back() -> None:
    rain = Past(**{**{n: getattr(PAST, n) for n in PAST.__slots__}, "prompt": f"{BOAT} in the rain"})
    assert direct("stop the rain", rain).prompt == BOAT
    assert direct("in the snow", rain).prompt == f"{BOAT} in the snow"
    assert direct("without the rain", rain).prompt == BOAT


@given(st.text(max_size=200), st.booleans())
def test_anything_at_all_is_understood_somehow_and_always_alike(text: str, has_past: bool) -> None:
    past = PAST if has_past else None
    wish = direct(text, past)
    assert wish == direct(text, past) and wish.kind in (MAKE, REMIX, EXTEND, CANCEL, STATUS, HELP)
