"""Tests pictures of subjects: what can be cut out is kept small and clean, what can't be is refused with the reason."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import studio_subjects
import studios
from PIL import Image

from rushes import given, tiers
from rushes.errors import InputError
from rushes.studio.house import House
from rushes.studio.library import subjects
from rushes.types import Condition, GenerationRequest


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGBA")


@pytest.mark.parametrize("content", [studio_subjects.FOX, studio_subjects.CLEAR_FOX, studio_subjects.KITE])
def test_what_stands_before_one_colour_or_none_is_cut_out(content: bytes) -> None:
    cut = opened(subjects.drawn(content).cutout)
    alpha = cut.getchannel("A")
    assert cut.size == (48, 48) and alpha.getpixel((0, 0)) == 0 and alpha.getpixel((24, 24)) > 200
    left, top, right, bottom = alpha.point(lambda value: 255 * (value > 32)).getbbox()
    assert max(right - left, bottom - top) in (39, 40, 41)


def test_a_kept_picture_is_small_keeps_its_transparency_and_nothing_else() -> None:
    large = opened(studio_subjects.CLEAR_FOX).resize((1800, 1400))
    exif = Image.Exif()
    exif[0x010E] = "Anna's garden"
    large.save(made := io.BytesIO(), "PNG", exif=exif)
    kept = subjects.drawn(made.getvalue()).picture
    assert b"garden" in made.getvalue() and b"garden" not in kept
    assert opened(kept).size == (512, 398) and opened(kept).getchannel("A").getextrema() == (0, 255)


def test_a_film_is_shown_what_the_page_showed(tmp_path) -> None:
    with studios.opened(tmp_path) as house:
        key = subjects.drawn(studio_subjects.FOX).keep(house.media, "inputs/anna/")
        path = tmp_path / "kept.webp"
        path.write_bytes(house.media.get(key))
        seen, shape = given.cutout(path), tiers.tier("short").shape
        shown = opened(house.media.get(subjects.cutout_key(key)))
        alpha = sum(abs(a - 255 * b) for a, b in zip(shown.getchannel("A").tobytes(), seen[3].flat, strict=True))
        assert alpha / seen[3].size < 8
        condition = Condition(kind="subject", uri=str(path), sha256=given.digest(path))
        numbers = {"fps": 8, "num_steps": 2, "guidance_scale": 3.0}
        request = GenerationRequest(prompt="a fox", shape=shape, conditions=(condition,), **numbers)
        assert given.subject(request) is not None and condition.sha256 == key[-69:-5]


def test_what_cannot_be_cut_out_is_named_with_the_reason() -> None:
    found, refused = subjects.all_drawn(
        [("fox.jpg", studio_subjects.FOX), ("paper.jpg", studio_subjects.NOTHING), ("x.svg", b"<svg/>")]
    )
    assert [one.picture[8:12] for one in found] == [b"WEBP"]
    assert refused[0].startswith("paper.jpg: the picture shows no subject that can be cut out; give a picture with")
    assert refused[1].startswith("x.svg: the file is no picture; legal: PNG")
    with pytest.raises(InputError, match="damaged"):
        subjects.drawn(studio_subjects.FOX[:900])


def test_whether_a_model_can_be_shown_a_subject(tmp_path) -> None:
    native = tiers.Native(
        tier=tiers.tier("short"), multiple_px=16, most_pixels=10**6, step=4, most_frames=49, fps=(16,)
    )
    seeing = replace(native, conditions=("subject",))
    shown, blind, none = studio_subjects.weights(tmp_path / "weights"), tmp_path / "blind", tmp_path / "none"
    (blind / "film").mkdir(parents=True)
    (blind / "film" / "config.json").write_text('{"config": {"layout": true}}')
    with studios.opened(tmp_path / "studio") as opened:
        for folder, why in ((shown, ""), (blind, subjects.NOT_SHOWN), (none, "not known on this machine")):
            house = House(replace(opened.config, weights=str(folder)), {"wan": native, "seer": seeing})
            said = subjects.why_not(house, tiers.MODEL)
            assert why in said and bool(why) == bool(said)
            assert subjects.why_not(house, "wan") == "wan can't be shown a subject"
            assert subjects.why_not(house, "seer") == ""
            house.close()
