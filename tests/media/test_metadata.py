"""The request goes into every format and comes back unchanged; foreign files carry none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rushes.errors import InputError
from rushes.media import decode, metadata
from rushes.media.encode import encode
from rushes.media.probe import probe
from rushes.types import VideoShape

REQUEST = {
    "prompt": "ein rotes Boot \U0001f6a4\nbei Schnee 雪 </x> & \" ' ]]> \x00\x07 \ud800",
    "seed": 2**63 - 1,
    "guidance_scale": 4.5,
    "shape": {"frames": 4, "height": 32, "width": 48},
    "conditions": [],
    "none": None,
    "long": "paper " * 12_000,
}
SHAPE = VideoShape(frames=4, height=32, width=48)


def make(path, request, num_frames=4):
    frames = [np.full((32, 48, 3), 40 * i, np.uint8) for i in range(num_frames)]
    shape = VideoShape(frames=num_frames, height=32, width=48)
    encode(path, frames, fps=8, shape=shape, request=request, force=True)
    return path


@pytest.mark.parametrize(
    ("suffix", "num_frames"), [(".mp4", 4), (".gif", 4), (".webp", 4), (".webp", 1), (".gif", 1), (".png", 1)]
)
def test_the_request_comes_back(tmp_path, suffix, num_frames):
    path = make(tmp_path / f"film{suffix}", REQUEST, num_frames)
    assert metadata.read_request(path) == REQUEST
    assert decode.read(path).request == REQUEST
    assert probe(path).num_frames == num_frames


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_other_readers_still_take_the_file(tmp_path, suffix):
    path = make(tmp_path / f"film{suffix}", REQUEST, 1 if suffix == ".png" else 4)
    with Image.open(path) as image:
        image.load()
        image.seek(getattr(image, "n_frames", 1) - 1)
        assert image.size == (48, 32)
        if suffix == ".webp":
            assert b"rushes_request" in image.info["xmp"]


def test_the_name_of_the_file_does_not_matter(tmp_path):
    path = make(tmp_path / "film.gif", {"seed": 3})
    moved = path.rename(tmp_path / "film.mp4")
    assert metadata.read_request(moved) == {"seed": 3}


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_simple_webp_of_another_writer_takes_a_request(tmp_path, mode, lossless):
    path = tmp_path / "still.webp"
    colour = (200, 30, 90, 120)[: len(mode)]
    Image.new(mode, (37, 21), colour).save(path, lossless=lossless)
    metadata.embed(path, metadata.to_text({"seed": 4}))
    assert metadata.read_request(path) == {"seed": 4}
    assert (probe(path).width, probe(path).height) == (37, 21)
    with Image.open(path) as image:
        assert (image.mode, image.size) == (mode, (37, 21))


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=900))
def test_any_text_survives_a_gif_and_a_webp(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("text")
    for name in ("a.gif", "a.webp"):
        Image.new("RGB", (4, 4)).save(folder / name)
        metadata.embed(folder / name, metadata.to_text({"prompt": text}))
        assert metadata.read_request(folder / name) == {"prompt": text}


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp", ".png"])
def test_a_film_without_a_request_says_so(tmp_path, suffix):
    path = make(tmp_path / f"film{suffix}", None, 1 if suffix == ".png" else 4)
    with pytest.raises(InputError, match="carries no request"):
        metadata.read_request(path)
    assert decode.read(path).request is None


def test_foreign_comments_are_no_request(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.gif", comment=b'{"prompt": "not ours"}')
    Image.new("RGB", (4, 4)).save(tmp_path / "a.webp", xmp=b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>")
    Image.new("RGB", (4, 4)).save(tmp_path / "b.webp", xmp=b"no xml")
    (tmp_path / "a.txt").write_text("a text")
    for path in tmp_path.iterdir():
        with pytest.raises(InputError):
            metadata.read_request(path)


@pytest.mark.parametrize("request_", [{"a": float("nan")}, {"a": {1, 2}}])
def test_a_request_that_is_no_json_is_refused_before_anything_is_written(tmp_path, request_):
    with pytest.raises(InputError, match="no plain JSON"):
        make(tmp_path / "film.mp4", request_)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_file_cut_anywhere_is_an_input_error(tmp_path, suffix):
    whole = make(tmp_path / f"film{suffix}", {"seed": 1}).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for length in range(1, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError):
            metadata.read_request(cut)


def test_embed_refuses_other_formats(tmp_path):
    path = make(tmp_path / "film.mp4", None)
    with pytest.raises(InputError, match="neither"):
        metadata.embed(path, "{}")
