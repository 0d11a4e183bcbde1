"""The gallery's page and its films."""

import io

import numpy as np
import pytest
from PIL import Image

from rushes.errors import InputError
from rushes.evaluate.gallery import MOST_BYTES, as_markdown, build, said, small_webp
from rushes.evaluate.prompts import draw, filters_of
from rushes.media.probe import probe


def test_a_gallery_shows_the_first_prompts_of_its_seed(weights_folder, tmp_path):
    page = tmp_path / "gallery.md"
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "07.webp").write_bytes(b"of a longer gallery")
    seen = []
    shown = build(page, weights_folder, 1, 5, lambda *at: seen.append(at))
    case = draw(1, 5, filters_of(weights_folder / "film"))[0]
    assert [film["prompt"] for film in shown] == [case.prompt]
    assert case.prompt in page.read_text()
    assert "gallery/00.webp" in page.read_text()
    assert [path.name for path in (tmp_path / "gallery").iterdir()] == ["00.webp"]
    film = probe(tmp_path / "gallery" / "00.webp")
    assert (film.width, film.height) == (320, 180)
    assert (tmp_path / "gallery" / "00.webp").stat().st_size <= MOST_BYTES
    assert seen == [(1, 1)]


def test_a_film_that_is_hard_to_compress_still_fits():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 45, 80, 3), dtype=np.uint8)
    frames = coarse.repeat(4, axis=1).repeat(4, axis=2)
    plain = small_webp(frames[:1].repeat(2, axis=0), fps=8)
    hard = small_webp(frames[:6], fps=8)
    assert len(plain) < len(hard) <= MOST_BYTES
    with Image.open(io.BytesIO(hard)) as film:
        assert film.n_frames == 6
        assert film.info["loop"] == 0


def test_what_the_oracle_read_is_said_in_words():
    film = {"truth": {"place": "sea", "kind": "boat"}, "read": {"place": "sea", "kind": "whale", "weather": "fog"}}
    assert said(film) == "read right: place; wrong: kind whale (asked: boat)"


def test_the_page_counts_what_was_read_right(tmp_path):
    film = {"file": "01.webp", "prompt": "a boat", "truth": {"place": "sea", "kind": "boat"}}
    shown = [film | {"read": {"place": "sea", "kind": word}} for word in ("boat", "whale")]
    text = as_markdown(shown, tmp_path / "page.md", 9, "ab" * 32)
    assert "read 3 of 4 things right" in text
    assert "seed 9" in text
    assert text.count('src="page/01.webp"') == 2


def test_a_page_has_a_name_and_a_folder(weights_folder, tmp_path):
    with pytest.raises(InputError, match=r"gallery\.md"):
        build(tmp_path / "gallery.html", weights_folder, 1, 0, lambda *_: None)
    with pytest.raises(InputError, match="no folder"):
        build(tmp_path / "none" / "gallery.md", weights_folder, 1, 0, lambda *_: None)
