"""Draw random films of the paper world, with their captions, or a contact sheet of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.errors import InputError
from rushes.types import VideoShape

if TYPE_CHECKING:
    import numpy as np

    from rushes.world.scene import Scene, SceneFilters

FILM_SUFFIXES = (".mp4", ".gif", ".webp")
FRAMES_PER_CALL = 24  # a few frames at a time, so that a long film needs little memory
SHEET_COLUMNS = 6
SHEET_WIDTH_PX = 320
MAX_FILMS = 10_000


def _size(_: click.Context, __: click.Parameter, text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise InputError(f"size {text!r} is no WIDTHxHEIGHT; the nearest legal value is 1280x720")
    return int(width), int(height)


@click.command("world")
@click.argument("filters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A film (.mp4, .gif, .webp), or a folder.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Also write a contact sheet (.png), a row per film.")
@click.option("--num", "num_films", default=1, show_default=True, help="How many films.")
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same films.")
@click.option("--split", type=click.Choice(("train", "test")), default="train", show_default=True)
@click.option("--size", default="1280x720", show_default=True, callback=_size, help="WIDTHxHEIGHT in pixels.")
@click.option("--fps", default=24, show_default=True, help="Frames per second.")
@click.option("--seconds", default=3.0, show_default=True, help="Length of a film.")
@click.option("--style", default="paper", show_default=True, help="paper, flat, pixel, ink, neon or watercolour.")
@click.option("--format", "suffix", type=click.Choice(("mp4", "gif", "webp")), default="mp4", show_default=True)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@click.option("--films", type=int, help="Write that many plain .mp4 films into the folder; 0: until stopped.")
@click.option("--shots", default=1, show_default=True, help="With --films: the most shots of a film.")
@click.option("--dissolves", default=0.3, show_default=True, help="With --films: share of joins that are dissolves.")
@click.option("--truth", type=click.Path(path_type=Path), help="With --films: folder for what each film shows.")
@click.option("--workers", default=1, show_default=True, help="With --films: films written at the same time.")
def command(
    filters: tuple[str, ...],
    output: Path | None,
    sheet: Path | None,
    num_films: int,
    seed: int,
    split: str,
    size: tuple[int, int],
    fps: int,
    seconds: float,
    style: str,
    suffix: str,
    force: bool,
    films: int | None,
    **endless: Any,
) -> None:
    """Draw random films of the paper world, with their captions.

    In a folder, scenes.jsonl says what each film shows. KEY=VALUE narrows the draw, for instance
    kinds='["car", "cat"]' places='["city"]' still_camera=1.0.

    --films writes films without words, as raw footage: the same command goes on where it stopped.
    """
    if films is not None:
        reel = {"seed": seed, "split": split, "width": size[0], "height": size[1], "fps": fps}
        if sheet is not None or suffix != "mp4" or force:
            raise InputError("--films writes plain .mp4 and keeps what is there; leave --sheet, --format and --force")
        _write_endless(output, films, reel, _wanted(filters, style, seconds), **endless)
        return
    if output is None and sheet is None:
        raise InputError("there is nothing to write; name a film or a folder with -o, or a contact sheet with --sheet")
    if not 1 <= num_films <= MAX_FILMS:
        raise InputError(
            f"--num {num_films} is illegal; the nearest legal value is {1 if num_films < 1 else MAX_FILMS}"
        )
    if not 1 <= fps <= 120:
        raise InputError(f"--fps {fps} is illegal; the nearest legal value is {1 if fps < 1 else 120}")
    if seed < 0:
        raise InputError(f"--seed {seed} is illegal; the nearest legal value is 0")
    if sheet is not None and sheet.suffix != ".png":
        raise InputError(f"a contact sheet is a .png; the nearest legal name is {sheet.with_suffix('.png')}")
    drawn = _draw_scenes(_wanted(filters, style, seconds), num_films, seed, split)
    num_frames = max(1, round(seconds * fps))
    shape = VideoShape(frames=num_frames, height=size[1], width=size[0])
    if output is not None:
        for path, (scene, text) in zip(_paths(output, num_films, suffix), drawn, strict=True):
            _write_film(path, scene, text, fps, shape, force)
            click.echo(f"{path}  {text}")
        if output.suffix not in FILM_SUFFIXES:
            _write_list(output, drawn, suffix)
    if sheet is not None:
        _write_sheet(sheet, [scene for scene, _ in drawn], size, force)
        click.echo(str(sheet))


def _needs_skia() -> None:
    try:
        import skia  # noqa: F401
    except ImportError as error:
        raise InputError(f"the paper world is drawn by skia-python ({error}); pip install 'rushes[train]'") from None


def _wanted(filters: tuple[str, ...], style: str, seconds: float) -> SceneFilters:
    from rushes import config
    from rushes.world.scene import SceneFilters

    return config.override(SceneFilters(styles=(style,), durations_s=(seconds,)), filters)


def _write_endless(output: Path | None, num: int, reel: dict[str, Any], filters: SceneFilters, **how: Any) -> None:
    """Write plain films, as raw footage, into a folder."""
    from rushes.cli._world_films import write_films

    if output is None or output.suffix:
        raise InputError("--films needs a folder; name one with -o, for instance -o footage")
    if num < 0:
        raise InputError(f"--films {num} is illegal; the nearest legal value is 0, which writes until it is stopped")
    if how["workers"] < 1:
        raise InputError(f"--workers {how['workers']} is illegal; the nearest legal value is 1")
    _needs_skia()
    from rushes.world.films import ReelConfig

    config = ReelConfig(**reel, most_shots=how["shots"], dissolves=how["dissolves"], filters=filters)
    write_films(config, num, output, how["truth"], how["workers"])


def _draw_scenes(wanted: SceneFilters, num_films: int, seed: int, split: str) -> list[tuple[Scene, str]]:
    """Return scenes with their captions."""
    import numpy as np

    from rushes.world.captions import caption
    from rushes.world.scene import sample

    rng = np.random.default_rng(seed)
    films = []
    for _ in range(num_films):
        scene = sample(rng, split=split, filters=wanted)
        films.append((scene, caption(scene, rng).text))
    return films


def _paths(output: Path, num_films: int, suffix: str) -> list[Path]:
    if output.suffix in FILM_SUFFIXES:
        if num_films > 1:
            raise InputError(
                f"{output} is one film, not {num_films}; the nearest legal output is the folder {output.stem}"
            )
        return [output]
    if output.suffix:
        raise InputError(f"{output.suffix} is no film; the nearest legal name is {output.with_suffix('.mp4')}")
    output.mkdir(parents=True, exist_ok=True)
    return [output / f"{index:05d}.{suffix}" for index in range(num_films)]


def _frames(scene: Scene, fps: float, shape: VideoShape) -> Iterator[np.ndarray]:
    from rushes.world.render import render

    times_s = [index / fps for index in range(shape.frames)]
    for start in range(0, len(times_s), FRAMES_PER_CALL):
        some = times_s[start : start + FRAMES_PER_CALL]
        yield from render(scene, height=shape.height, width=shape.width, times_s=some)


def _write_film(path: Path, scene: Scene, text: str, fps: int, shape: VideoShape, force: bool) -> None:
    from rushes.media.encode import encode
    from rushes.world.scene import to_dict

    _needs_skia()
    request = {"caption": text, "scene": to_dict(scene)}
    encode(path, _frames(scene, fps, shape), fps=fps, shape=shape, request=request, force=force)


def _write_list(folder: Path, films: list[tuple[Scene, str]], suffix: str) -> None:
    from rushes.world.captions import prompt
    from rushes.world.scene import to_dict

    rows = [
        {"film": f"{index:05d}.{suffix}", "caption": text, "prompt": prompt(scene), "scene": to_dict(scene)}
        for index, (scene, text) in enumerate(films)
    ]
    (folder / "scenes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_sheet(path: Path, scenes: list[Scene], size: tuple[int, int], force: bool) -> None:
    """Write one row of small frames over time for each scene."""
    import numpy as np

    from rushes.media.encode import encode

    _needs_skia()
    from rushes.world.render import render

    height = max(16, round(size[1] * SHEET_WIDTH_PX / size[0] / 2) * 2)
    rows = []
    for scene in scenes:
        times_s = [scene.duration_s * index / (SHEET_COLUMNS - 1) for index in range(SHEET_COLUMNS)]
        rows.append(np.concatenate(list(render(scene, height=height, width=SHEET_WIDTH_PX, times_s=times_s)), axis=1))
    whole = np.concatenate(rows)
    shape = VideoShape(frames=1, height=whole.shape[0], width=whole.shape[1])
    encode(path, iter([whole]), fps=1, shape=shape, force=force)
