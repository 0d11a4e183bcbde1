"""Contact sheets show every frame once, in its place, with its words; pictures are saved whole."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from rushes.errors import InputError
from rushes.media.thumbnails import PAPER, contact_sheet, pick, save_image, timecode

COLOURS = [(200, 40, 40), (40, 160, 60), (40, 60, 200), (230, 200, 40), (90, 30, 120)]
FRAMES = [np.full((72, 128, 3), colour, np.uint8) for colour in COLOURS]


def places(sheet, colour):
    """Return (top, left, bottom, right) of where a colour stands."""
    rows, columns = np.nonzero((sheet == colour).all(-1))
    return rows.min(), columns.min(), rows.max(), columns.max()


def test_frames_stand_in_rows_in_order():
    sheet = contact_sheet(FRAMES, columns=3, width_px=900)
    assert sheet.shape[1] == 900 and sheet.dtype == np.uint8
    boxes = [places(sheet, colour) for colour in COLOURS]
    assert boxes[0][0] == boxes[1][0] == boxes[2][0] < boxes[3][0] == boxes[4][0]
    assert boxes[0][3] < boxes[1][1] and boxes[1][3] < boxes[2][1]
    assert boxes[3][1] == boxes[0][1]
    height, width = boxes[0][2] - boxes[0][0], boxes[0][3] - boxes[0][1]
    assert width / height == pytest.approx(128 / 72, rel=0.02)
    for edge in (sheet[:30], sheet[-30:], sheet[:, :30], sheet[:, -30:]):
        assert (edge == PAPER).all()


def test_words_are_drawn_below_their_frame_and_long_ones_are_cut():
    plain = contact_sheet(FRAMES, columns=3, width_px=900)
    words = [f"caption {i} " + "that goes on " * 60 for i in range(5)]
    worded = contact_sheet(FRAMES, columns=3, width_px=900, captions=words, times_s=range(5), title="A title")
    assert plain.shape[0] < worded.shape[0] < plain.shape[0] + 400
    box = places(worded, COLOURS[1])
    below = worded[box[2] + 2 : box[2] + 40, box[1] : box[3]]
    assert (below != PAPER).any()
    gap = worded[box[0] :, box[3] + 2 : places(worded, COLOURS[2])[1] - 2]
    assert (gap[: box[2] - box[0] + 60] == PAPER).all()


def test_a_frame_of_another_shape_keeps_its_proportions():
    tall = np.full((128, 72, 3), (10, 200, 200), np.uint8)
    top, left, bottom, right = places(contact_sheet([*FRAMES[:1], tall], columns=2, width_px=900), (10, 200, 200))
    assert (bottom - top) / (right - left) == pytest.approx(128 / 72, rel=0.05)


@pytest.mark.parametrize("text", ["", "word" * 500, "雪" * 300, "a\nb\tc"])
def test_any_caption_fits(text):
    assert contact_sheet(FRAMES[:2], columns=2, captions=[text, text], title=text, width_px=400).shape[1] == 400


def test_accents_are_drawn_as_their_letters():
    accented, plain = (contact_sheet(FRAMES[:1], columns=1, captions=[text]) for text in ("Füchse où", "Fuchse ou"))
    assert (accented == plain).all()


def test_illegal_sheets_are_refused():
    for arguments, said in [
        (((), {"columns": 2}), "at least one frame"),
        ((FRAMES, {"columns": 0}), "nearest legal value is 1"),
        ((FRAMES, {"columns": 2, "captions": ["one"]}), "1 captions for 5 frames"),
        ((FRAMES, {"columns": 5, "width_px": 100}), "too little for 5 columns"),
    ]:
        with pytest.raises(InputError, match=said):
            contact_sheet(arguments[0], **arguments[1])


def test_pick_spreads_over_the_film():
    assert pick(240, 4) == [0, 80, 159, 239]
    assert pick(3, 9) == [0, 1, 2]
    assert pick(9, 1) == [0]
    with pytest.raises(InputError, match="cannot pick 0 of 3"):
        pick(3, 0)


def test_timecodes():
    assert [timecode(s) for s in (0, 9.958, 59.999, 83.5)] == ["0:00.00", "0:09.96", "1:00.00", "1:23.50"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_save_image(tmp_path, suffix):
    path = tmp_path / f"sheet{suffix}"
    save_image(path, FRAMES[0])
    with Image.open(path) as image:
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - FRAMES[0]).max() <= (0 if suffix == ".png" else 4)
    with pytest.raises(InputError, match="--force"):
        save_image(path, FRAMES[1])
    save_image(path, FRAMES[1], force=True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    script = """
        import resource, pathlib, numpy as np
        from rushes.errors import RushesError
        from rushes.media.thumbnails import save_image
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            save_image(pathlib.Path("a.png"), np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8))
        except RushesError as error:
            print(error)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("could not write a.png: the disk is full") and run.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_save_image_knows_its_formats(tmp_path):
    with pytest.raises(InputError, match=r"'\.tif' is none of \.png"):
        save_image(tmp_path / "a.tif", FRAMES[0])
