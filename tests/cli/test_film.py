"""Tests `rushes film`: real files come out, the same ones again, and whatever is wrong is one clear line."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from rushes.cli._film_request import kind, slug
from rushes.cli._film_screen import half_blocks
from rushes.cli.film import read_synonyms, require_memory
from rushes.cli.main import main
from rushes.errors import RushesError, WeightsError
from rushes.generate import Estimate
from rushes.media.decode import read
from rushes.media.metadata import read_request
from rushes.media.probe import probe
from rushes.models.autoencoder import Autoencoder, AutoencoderConfig
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig
from rushes.tiers import TIERS
from rushes.types import GenerationRequest, VideoShape

WORDS = ("a", "boat", "cat", "left", "red", "sea")
SHORT = ("--tier", "flipbook", "--steps", "2")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random weights with a table of synonyms."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    painter = AutoencoderConfig(channels=6, cell=4, widths=(8, 6, 4, 4, 4))
    text = TextConfig(words=WORDS, length=6, width=16, depth=1, heads=1)
    film = TransformerConfig(channels=6, width=32, depth=2, heads=2, hidden=48, text=text)
    autoencoder, transformer = Autoencoder(painter), Transformer(film)
    autoencoder.transform.basis.normal_(std=0.1)
    torch.nn.init.normal_(transformer.out.weight, std=0.1)
    weights.save(autoencoder, folder / "autoencoder", family="autoencoder", config=painter)
    weights.save(transformer, folder / "film", family="transformer", config=film)
    (folder / "film/synonyms.json").write_text(json.dumps({"yacht": "boat"}))
    return folder


@pytest.fixture(autouse=True)
def place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the tiny weights as the shipped ones."""
    monkeypatch.setenv("RUSHES_WEIGHTS", str(folder))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def film(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["film", *arguments])


def made(*arguments: str) -> dict[str, Any]:
    done = film(*arguments, "--json")
    assert done.exit_code == 0, (done.stderr, done.exception)
    return json.loads(done.stdout)


def leftovers(place: Path) -> list[str]:
    return sorted(path.name for path in place.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "name", "shape"),
    [
        (("--size", "1280x720", "--seconds", "1"), "x.mp4", (24, 720, 1280)),
        (("--tier", "short", "--frames", "8"), "x.mp4", (8, 432, 768)),
        (("--tier", "flipbook"), "x.gif", (8, 512, 512)),
        (("--tier", "flipbook", "--size", "320x768"), "x.webp", (8, 768, 320)),
        ((), "x.png", (1, 720, 1280)),
    ],
)
def test_the_extension_decides_what_comes_out(
    place: Path, arguments: tuple[str, ...], name: str, shape: tuple[int, ...]
) -> None:
    done = film("a red cat", *arguments, "--steps", "1", "-o", name)
    assert (done.exit_code, done.stdout) == (0, f"{name}\n"), done.stderr
    found = probe(place / name)
    assert (found.num_frames, found.height, found.width) == shape
    assert read_request(place / name)["prompt"] == "a red cat"
    assert leftovers(place) == [name]


def test_names_that_nobody_typed(place: Path) -> None:
    assert made("a", "red", "cat!", *SHORT)["path"] == "films/a-red-cat-flipbook-0.gif"
    assert made("a red cat", "--tier", "still", "--seed", "5", "--steps", "1")["path"] == "films/a-red-cat-still-5.png"
    assert (
        made("a red cat", "--tier", "short", "--seconds", "1", "--steps", "1")["path"]
        == "films/a-red-cat-768x432-8f-8fps-0.mp4"
    )
    assert (slug("❄"), slug("Füchse, l'été"), len(slug("very " * 100))) == ("film", "fuchse-l-ete", 59)


def test_tiers_and_shapes_of_one_prompt_have_names_of_their_own(place: Path) -> None:
    tiers = [
        GenerationRequest(prompt="a", shape=t.shape, fps=t.fps, num_steps=1, guidance_scale=1.0) for t in TIERS.values()
    ]
    assert [kind(request) for request in tiers] == list(TIERS)
    other = replace(tiers[0], shape=VideoShape(frames=1, height=512, width=512))
    assert (kind(other), kind(replace(tiers[0], fps=24))) == ("512x512", "512x512-8f-24fps")


def test_device_and_dtype_are_chosen_recorded_and_kept_by_again(place: Path) -> None:
    low = made("a red cat", *SHORT, "--device", "cpu", "--dtype", "bfloat16", "-o", "low.webp")["request"]
    assert (low["device"], low["dtype"]) == ("cpu", "bfloat16")
    assert made("--again", "low.webp", "-o", "again.webp")["request"] == low
    assert np.array_equal(read(place / "low.webp").frames, read(place / "again.webp").frames)
    done = film("--again", "low.webp", "--dtype", "float32", "-o", "exact.webp")
    assert "the film was made with dtype bfloat16, so this one will differ from it a little" in done.stderr
    assert read_request(place / "exact.webp")["dtype"] == "float32"
    refused = film("a", *SHORT, "--device", "tpu")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert "there is no device 'tpu' here" in refused.stderr
    assert "dtype 'int8' is unknown" in film("a", *SHORT, "--dtype", "int8").stderr


def test_the_report_is_one_line_of_json(place: Path) -> None:
    report = made("a red cat", *SHORT, "--seed", "3", "--negative", "left")
    assert set(report) >= {"path", "request", "estimate", "measured", "unknown_words"}
    asked = {"prompt": "a red cat", "negative_prompt": "left", "seed": 3, "num_steps": 2, "fps": 8}
    assert report["request"].items() >= asked.items()
    assert set(report["request"]["weights"]) == {"autoencoder", "film"}
    assert report["request"] == read_request(place / report["path"])
    assert report["measured"]["frames_per_second"] == pytest.approx(8 / report["measured"]["seconds"], rel=0.02)
    assert report["measured"]["memory_bytes"] > 50e6
    assert report["estimate"].keys() == {"seconds", "memory_bytes"}


def test_people_are_told_before_and_after(place: Path) -> None:
    done = film("a red cat", *SHORT)
    before, after = done.stderr.splitlines()
    assert before.startswith("8 frames of 512x512 at 8 fps: about ")
    assert before.endswith("GB of memory")
    assert after.startswith("films/a-red-cat-flipbook-0.gif: 8 frames of 512x512 at 8 fps in ")
    assert film("a red cat", *SHORT, "--quiet", "--force").stderr == ""


def test_the_same_command_makes_the_same_film_and_another_seed_another(place: Path) -> None:
    for name, seed in (("a.png", "1"), ("b.png", "1"), ("c.png", "2")):
        assert film("a red cat", "--steps", "2", "--seed", seed, "-o", name).exit_code == 0
    a, b, c = (np.asarray(Image.open(place / name)) for name in ("a.png", "b.png", "c.png"))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_again_makes_the_film_in_a_file_again_and_options_change_it(place: Path) -> None:
    first = made("a red cat", *SHORT, "--seed", "4", "--guidance", "2.5", "-o", "first.webp")
    again = made("--again", "first.webp", "-o", "again.webp")
    assert again["request"] == first["request"]
    assert np.array_equal(read(place / "first.webp").frames, read(place / "again.webp").frames)
    assert made("--again", "first.webp")["path"] == "films/a-red-cat-flipbook-4.webp"
    other = made("--again", "first.webp", "--seed", "5", "--fps", "24", "--steps", "1", "-o", "other.mp4")["request"]
    assert (other["prompt"], other["seed"], other["fps"], other["num_steps"]) == ("a red cat", 5, 24, 1)
    assert (other["shape"], other["guidance_scale"]) == ({"frames": 24, "height": 512, "width": 512}, 2.5)
    assert made("a boat", "--again", "first.webp")["request"]["prompt"] == "a boat"
    assert made("--again", "first.webp", "--tier", "still", "--steps", "1")["request"]["shape"]["width"] == 1280


def test_again_says_when_the_weights_are_others(place: Path, folder: Path) -> None:
    assert film("a red cat", *SHORT, "-o", "a.gif").exit_code == 0
    shutil.copytree(folder, place / "other")
    film_config = place / "other/film" / weights.CONFIG
    model = Transformer.from_pretrained(place / "other/film")
    with torch.no_grad():
        model.out.weight.mul_(0.5)
    weights.save(model, film_config.parent, family="transformer", config=model.config)
    done = film("--again", "a.gif", "--weights", "other", "-o", "b.gif")
    assert "the film was made with other weights (autoencoder " in done.stderr


def test_several_prompts_from_a_file_are_numbered(place: Path) -> None:
    (place / "p.txt").write_text("\ufeffa red cat\n\n  a boat \n", encoding="utf-8")
    done = film("--prompts", "p.txt", *SHORT)
    assert done.stdout.splitlines() == ["films/1-a-red-cat-flipbook-0.gif", "films/2-a-boat-flipbook-0.gif"]
    assert film("--prompts", "p.txt", *SHORT, "-o", "x.gif").stdout.splitlines() == ["x-1.gif", "x-2.gif"]
    (place / "out").mkdir()
    assert film("a boat", *SHORT, "-o", "out").stdout == "out/a-boat-flipbook-0.gif\n"


def test_a_contact_sheet_lies_beside_the_film(place: Path) -> None:
    assert film("a red cat", *SHORT, "--sheet", "-o", "x.gif").exit_code == 0
    with Image.open(place / "x-sheet.png") as sheet:
        assert sheet.width == 1600
    refused = film("a red cat", *SHORT, "--sheet", "-o", "x.gif")
    assert refused.exit_code == 2
    (place / "x.gif").unlink()
    assert "x-sheet.png exists; use --force" in film("a red cat", *SHORT, "--sheet", "-o", "x.gif").stderr


def test_words_never_taught_are_named_with_the_nearest(place: Path) -> None:
    done = film("a red yacht, bot qqqq", *SHORT)
    named = "yacht (nearest: boat), bot (nearest: boat), qqqq (nothing near)"
    assert done.stderr.splitlines()[0] == f"words that the model was never taught: {named}"
    report = made("a yacht", *SHORT, "--negative", "zebra")
    assert report["unknown_words"] == {"yacht": "boat", "zebra": None}
    done = film("a red cat left a red boat sea", *SHORT)
    assert "more than the 6 words that the model reads; left out: boat sea" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is no prompt"),
        (("",), "the prompt is empty"),
        (("x" * 3000,), "the prompt has 3000 characters; the longest legal one has 2000"),
        (("a", "--negative", "x" * 3000), "the negative prompt has 3000 characters"),
        (("a", "--tier", "featur"), "there is no tier 'featur'; known: feature, flipbook"),
        (("a", "--size", "1920x1080"), "size 1920x1080 is illegal; the nearest legal value is 1280x720"),
        (("a", "--size", "0x0"), "size '0x0' is no WIDTHxHEIGHT"),
        (("a", "--size", "big"), "size 'big' is no WIDTHxHEIGHT"),
        (("a", "--fps", "25"), "fps 25 is illegal; the nearest legal value is 24"),
        (("a", "--fps", "0"), "fps 0 is illegal; the nearest legal value is 8"),
        (("a", "--seconds", "2.5"), "2.5 seconds is illegal; the nearest legal value is 2"),
        (("a", "--seconds", "70"), "70 seconds is illegal; the nearest legal value is 60"),
        (("a", "--seconds", "nan"), "nan seconds is illegal; the nearest legal value is 1"),
        (("a", "--seconds", "-1"), "-1 seconds is illegal; the nearest legal value is 1"),
        (("a", "--frames", "100"), "100 frames at 24 fps is illegal"),
        (("a", "--frames", "0"), "frames is 0; the nearest legal value is 1"),
        (("a", "--frames", "24", "--seconds", "1"), "name one of them"),
        (("a", "--seed", "-1"), "seed -1 is illegal; the nearest legal value is 0"),
        (("a", "--steps", "0"), "num_steps 0 is illegal; the nearest legal value is 1"),
        (("a", "--guidance", "nan"), "guidance_scale nan is illegal; the nearest legal value is 0"),
        (("a", "--threads", "-1"), "--threads -1 is illegal; the nearest legal value is 0"),
        (("a", "--threads", "100000"), "--threads 100000 is illegal; the nearest legal value is"),
        (("a", "-o", "x.avi"), "cannot write x.avi: .avi is none of"),
        (("a", "-o", "x"), "no extension is none of"),
        (("a", "-o", "no/x.mp4"), "there is no folder no"),
        (("a", "-o", "x.png", "--seconds", "1"), "a .png holds one frame, not 24"),
        (("a", "-o", "there.mp4"), "there.mp4 exists; use --force to replace it"),
        (("a", "--prompts", "none.txt"), "name one of them"),
        (("--prompts", "none.txt"), "cannot read none.txt: No such file or directory"),
        (("--prompts", "empty.txt"), "empty.txt holds no prompts"),
        (("--prompts", "bytes.txt"), "bytes.txt is no text in UTF-8"),
        (("--again", "none.mp4"), "none.mp4"),
        (("--again", "there.mp4"), "there.mp4"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(place: Path, arguments: tuple[str, ...], said: str) -> None:
    for name, content in (("there.mp4", b"x"), ("empty.txt", b"\n \n"), ("bytes.txt", b"\xff\xfe\xfa")):
        (place / name).write_bytes(content)
    done = film(*arguments)
    assert (done.exit_code, done.stdout) == (2, ""), done.exception
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert leftovers(place) == ["bytes.txt", "empty.txt", "there.mp4"]


@pytest.mark.parametrize("arguments", [("a", "--bad"), ("a", "--fps", "many"), ("a", "--seed")])
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert film(*arguments).exit_code == 2


def test_a_film_of_something_else_is_not_made_again(place: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(place / "plain.png")
    done = film("--again", "plain.png")
    assert done.exit_code == 2
    assert "plain.png" in done.stderr


def test_missing_damaged_and_foreign_weights_are_one_line_and_exit_code_1(place: Path, folder: Path) -> None:
    def failed() -> str:
        done = film("a", *SHORT, "--weights", "w", "-o", "x.gif")
        assert done.exit_code == 1, done.exception
        assert len(done.stderr.splitlines()) == 1
        assert not (place / "x.gif").exists()
        return done.stderr

    assert "there are no weights in w/autoencoder" in failed()
    shutil.copytree(folder, place / "w")
    file = place / "w/film" / weights.FILE
    digest = json.loads((file.parent / weights.CONFIG).read_text())["sha256"]
    file.write_bytes(file.read_bytes()[:-7])
    assert digest[:16] in failed()
    shutil.copytree(place / "w/autoencoder", place / "w/film", dirs_exist_ok=True)
    assert "not transformer weights" in failed()


def test_a_folder_that_cannot_be_written_is_refused(place: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (place / "closed").mkdir(mode=0o500)
    assert "read-only" in film("a", *SHORT, "-o", "closed/x.gif").stderr


def test_a_full_disk_leaves_nothing(place: Path) -> None:
    """A limit on the size of files stands for a disk that is full: the same error from the same calls."""
    limited = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\nfrom rushes.cli.main import main; main()"
    command = [sys.executable, "-c", limited, "film", "a red cat", *SHORT, "-o", "x.webp"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("rushes: could not write x.webp: ")
    assert "Traceback" not in done.stderr
    assert leftovers(place) == []


def test_too_little_memory_is_refused_before_the_run() -> None:
    estimate = Estimate(seconds=1.0, denoise_s=0.5, memory_bytes=900_000_000)
    require_memory(estimate, 900_000_000)
    with pytest.raises(RushesError, match=r"needs about 0.9 GB of memory and 0.1 GB are free"):
        require_memory(estimate, 100_000_000)


def test_a_table_of_synonyms_may_be_missing_but_not_damaged(tmp_path: Path) -> None:
    assert read_synonyms(tmp_path / "none.json") == {}
    for content in ("{", "[]", '{"a": 1}'):
        (tmp_path / "s.json").write_text(content)
        with pytest.raises(WeightsError, match=r"s\.json"):
            read_synonyms(tmp_path / "s.json")


def test_a_picture_becomes_cells_of_two_pixels() -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[:45] = (200, 100, 50)
    text = half_blocks(picture)
    lines = text.plain.splitlines()
    assert (len(lines), {len(line) for line in lines}) == (14, {48})
    upper = text.spans[0].style
    assert upper.color.triplet == upper.bgcolor.triplet == (200, 100, 50)
    assert text.spans[-1].style.bgcolor.triplet == (0, 0, 0)
    assert len(half_blocks(picture.transpose(1, 0, 2), 48, 27).plain.splitlines()) == 27


LONG = ("film", "a red cat", "--steps", "1000", "-o", "x.mp4")


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_leaves_no_film(place: Path, number: signal.Signals, exit_code: int) -> None:
    command = [sys.executable, "-m", "rushes", *LONG]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr
        assert child.stderr.readline().startswith("240 frames")  # the estimate: the run begins
        time.sleep(0.3)
        child.send_signal(number)
        rest = child.stderr.read()
    assert child.returncode == exit_code
    assert not (place / "x.mp4").exists()
    if number != signal.SIGKILL:
        assert rest == "rushes: interrupted\n"
        assert leftovers(place) == []


def in_terminal(*arguments: str) -> str:
    """Return what a terminal of 100 columns gets on standard error."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "rushes", "film", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | size) as child:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal that nobody writes to any more reads as an error
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    assert child.returncode == 0
    return shown.decode()


def test_a_terminal_shows_the_bar_and_the_film_in_small(place: Path) -> None:
    shown = in_terminal("a red cat", *SHORT, "--steps", "100")  # long enough for the screen to be drawn meanwhile
    assert "denoising" in shown
    assert shown.count("▀") >= 48 * 24
    assert shown.count("films/a-red-cat-flipbook-0.gif: 8 frames") == 1
    plain = in_terminal("a red cat", *SHORT, "--no-preview", "--force")
    assert "painting" in plain
    assert "▀" not in plain


@pytest.fixture
def adapter(folder: Path, tmp_path: Path) -> Path:
    """An adapter for the tiny weights that changes them much; where it lies there is nothing else."""
    torch.manual_seed(1)
    config = LoraConfig(rank=2, alpha=2.0)
    model = lora.attach(Transformer.from_pretrained(folder / "film"), config)
    for module in model.modules():
        if isinstance(module, lora.LoraLinear):
            torch.nn.init.normal_(module.up)
    base = weights.read_config(folder / "film", family="transformer")["sha256"]
    return lora.save(lora.adapter_of(model, config, base=base), tmp_path / "taught" / "style.safetensors")


def test_an_adapter_changes_the_film_and_is_recorded(adapter: Path) -> None:
    plain = made("a cat", *SHORT, "-o", "plain.gif")
    whole = made("a cat", *SHORT, "-o", "whole.gif", "--lora", str(adapter))
    made("a cat", *SHORT, "-o", "none.gif", "--lora", f"{adapter}:0")
    twice = made("a cat", *SHORT, "-o", "twice.gif", "--lora", f"{adapter}:0.5", "--lora", f"{adapter}:0.5")
    frames = {path: read(Path(path)).frames for path in ("plain.gif", "whole.gif", "none.gif", "twice.gif")}
    assert np.array_equal(frames["plain.gif"], frames["none.gif"])
    assert not np.array_equal(frames["plain.gif"], frames["whole.gif"])
    near, far = (np.abs(frames["twice.gif"].astype(float) - frames[n]).mean() for n in ("whole.gif", "plain.gif"))
    assert near < far / 10
    digest = lora.read(adapter).sha256
    assert whole["request"]["weights"]["lora"] == f"{digest}:1" and "lora" not in plain["request"]["weights"]
    assert twice["request"]["weights"]["lora"] == f"{digest}:0.5,{digest}:0.5"
    assert "other weights" in film("--again", "whole.gif", "-o", "again.gif").stderr


def test_an_adapter_for_other_weights_is_named(adapter: Path, folder: Path) -> None:
    lora.save(replace(lora.read(adapter), base="f" * 64), Path("other.safetensors"))
    assert (
        "was made for other film weights (ffffffffffff…" in film("a cat", *SHORT, "--lora", "other.safetensors").stderr
    )
    with_none = film("a cat", *SHORT, "-o", "none.gif", "--lora", "nowhere.safetensors")
    assert with_none.exit_code == 1 and "there is no adapter nowhere.safetensors" in with_none.stderr
    loud = film("a cat", *SHORT, "-o", "none.gif", "--lora", f"{adapter}:1000")
    assert loud.exit_code == 2 and "the nearest legal value is 100" in loud.stderr
    odd = film("a cat", *SHORT, "-o", "none.gif", "--lora", f"{adapter}:loud")
    assert odd.exit_code == 2 and "'loud'" in odd.stderr
    text = lora.read(adapter)
    narrow = {name: tensor[:1, :1] for name, tensor in text.tensors.items()}
    lora.save(replace(text, tensors=narrow), Path("narrow.safetensors"))
    assert (
        "does not fit these weights" in film("a cat", *SHORT, "-o", "narrow.gif", "--lora", "narrow.safetensors").stderr
    )


def test_a_prompt_is_rewritten_only_when_asked() -> None:
    typed = "at sunset we see a RED sailboat"
    assert made(typed, *SHORT, "-o", "plain.gif")["request"]["prompt"] == typed
    done = film(typed, *SHORT, "-o", "worded.gif", "--rewrite")
    assert f"{typed!r} is rewritten as 'a red sailboat at sunset'" in done.stderr
    assert read_request(Path("worded.gif"))["prompt"] == "a red sailboat at sunset"
    assert film("--again", "worded.gif", "-o", "again.gif").exit_code == 0
    assert np.array_equal(read(Path("worded.gif")).frames, read(Path("again.gif")).frames)


def test_a_film_may_begin_with_a_picture_and_loop_and_be_remixed_and_extended(place: Path) -> None:
    first = made("red cat", *SHORT, "-o", "first.mp4")
    Image.new("RGB", (640, 640), (200, 30, 30)).save("red.png")
    shown = made("red cat", *SHORT, "--first", "red.png", "-o", "shown.mp4")
    condition = shown["request"]["conditions"][0]
    assert (condition["kind"], condition["uri"], len(condition["sha256"])) == ("first", "red.png", 64)
    looped = made("red cat", *SHORT, "--loop", "-o", "looped.mp4")
    assert looped["request"]["conditions"][0]["kind"] == "loop"
    remix = made("a boat", "--steps", "2", "--remix", "first.mp4", "--area", "0,0,0.5,1", "-o", "remix.mp4")
    assert remix["request"]["conditions"][0]["strength"] == 1.0
    assert remix["request"]["shape"] == first["request"]["shape"]
    longer = made("a boat", "--steps", "2", "--extend", "first.mp4", "--seconds", "2", "-o", "longer.mp4")
    assert longer["request"]["shape"]["frames"] == 24
    films = [read(place / f"{name}.mp4").frames.astype(float) for name in ("first", "longer", "remix")]
    assert np.abs(films[0] - films[1][:8]).mean() < 3
    assert np.abs(films[0][:, :, 300:] - films[2][:, :, 300:]).mean() < 3


def test_a_film_with_conditions_comes_out_again_while_its_picture_is_the_same(place: Path) -> None:
    Image.new("RGB", (640, 640), (200, 30, 30)).save("red.png")
    made("red cat", *SHORT, "--first", "red.png", "-o", "one.mp4")
    made("--again", "one.mp4", "-o", "two.mp4")
    assert np.array_equal(read(place / "one.mp4").frames, read(place / "two.mp4").frames)
    Image.new("RGB", (640, 640), (30, 30, 200)).save("red.png")
    again = film("--again", "one.mp4", "-o", "three.mp4")
    assert again.exit_code == 2 and "red.png has changed since it was named" in again.stderr
    assert leftovers(place) == ["one.mp4", "red.png", "two.mp4"]


def test_a_film_can_be_watched_while_it_is_made(place: Path) -> None:
    done = film("red cat", *SHORT, "-o", "whole.mp4", "--live", "live.mp4")
    assert done.exit_code == 0, done.stderr
    assert np.array_equal(read(place / "live.mp4").frames, read(place / "whole.mp4").frames)
    piped = film("red cat", *SHORT, "-o", "again.mp4", "--live", "-")
    assert piped.exit_code == 0 and piped.stdout_bytes == (place / "live.mp4").read_bytes()
    assert "again.mp4" in piped.stderr
    for wrong in (("-o", "x.gif"), ("--tier", "still", "-o", "x.png")):
        refused = film("red cat", *SHORT, *wrong, "--live", "live.mp4")
        assert refused.exit_code == 2 and "--live takes one film, an .mp4" in refused.stderr
