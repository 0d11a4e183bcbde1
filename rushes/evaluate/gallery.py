"""The gallery: held-out prompts drawn by a seed, none picked, as small films on one page with what the oracle read."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rushes.errors import InputError
from rushes.evaluate import prompts
from rushes.evaluate.films import Latents, request_for
from rushes.evaluate.metrics.prompt_fidelity import ATTRIBUTES, truth
from rushes.evaluate.oracle import look, read
from rushes.evaluate.prompts import Case
from rushes.generate import Generator
from rushes.media.encode import replacing
from rushes.models.oracle import Oracle
from rushes.tiers import plan

WIDTH, HEIGHT = 320, 180
MOST_BYTES = 120_000
QUALITIES = (85, 75, 65, 55, 45, 35, 25, 15)
COLUMNS = 3
TIER = "short"


def build(
    page: Path, folder: Path, num: int, seed: int, watch: Callable[[int, int], None], device: str = "auto"
) -> list[dict[str, Any]]:
    """Write the Markdown `page` and its `num` films, in a folder of its name; existing ones are replaced.

    Returns:
        Per film: its file, its prompt, what is true and what the oracle read.

    Raises:
        InputError: a page that is no .md or that has no folder, an illegal number or seed.
        WeightsError: weights that are missing, damaged or foreign.
    """
    if page.suffix != ".md":
        raise InputError(f"the gallery is a .md; the nearest legal name is {page.with_suffix('.md')}")
    if not page.parent.is_dir():
        raise InputError(f"cannot write {page}: there is no folder {page.parent}")
    cases = prompts.draw(num, seed, prompts.filters_of(folder / "film"))
    generator = Generator.load(folder, device=device)
    oracle = Oracle.from_pretrained(folder / "oracle").to(generator.device)
    films = page.with_suffix("")
    films.mkdir(exist_ok=True)
    shown = []
    for done, case in enumerate(cases, start=1):
        shown.append(_film(case, generator, oracle, films / f"{case.index:02d}.webp"))
        watch(done, num)
    for stale in set(films.glob("[0-9][0-9]*.webp")) - {films / f"{i:02d}.webp" for i in range(num)}:
        stale.unlink()  # of an earlier, longer gallery
    with replacing(page, force=True) as draft:
        draft.write_text(as_markdown(shown, page, seed, generator.hashes["film"]), encoding="utf-8")
    return shown


def _film(case: Case, generator: Generator, oracle: Oracle, path: Path) -> dict[str, Any]:
    request = request_for(case, TIER)
    shot = plan(request)
    latent = Latents(generator, None).get(request)
    frames = np.stack([_small(frame) for frame in generator.paint(latent, shot)])
    encoded = small_webp(frames, fps=request.fps)
    with replacing(path, force=True) as draft:
        draft.write_bytes(encoded)
    answers = read(oracle, [look(generator.autoencoder, latent, fps=shot.fps, pixels=shot.pixels)])[0].answers
    return {"file": path.name, "prompt": case.prompt, "seed": case.seed, "truth": truth(case.scene), "read": answers}


def _small(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.BOX))


def small_webp(frames: np.ndarray, *, fps: int) -> bytes:
    """Return frames uint8 `[t h w 3]` as a looping animated WebP of at most 120 kB, as good as that allows.

    The lowest quality is kept even where it is larger. Frames that do not differ are merged by libwebp.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    for quality in QUALITIES:
        file = io.BytesIO()
        pictures[0].save(
            file,
            "WEBP",
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 / fps),
            loop=0,
            quality=quality,
            method=4,
        )
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()


def as_markdown(shown: Sequence[dict[str, Any]], page: Path, seed: int, film_hash: str) -> str:
    """Return the gallery's page: films in rows of three, below each its prompt and what was misread."""
    right, num = _count(shown)
    lines = [
        "# Gallery",
        "",
        f"{len(shown)} prompts that training never showed (each holds a kind with a colour or a place that was kept "
        f"from it), drawn at random with seed {seed} and not picked, `{TIER}` tier: three seconds at 8 frames per "
        f"second, made small. The oracle read {right} of {num} things right. Film weights `{film_hash[:12]}`.",
        "",
        f"`rushes gallery -o {page.name} --num {len(shown)} --seed {seed}` makes this page again.",
        "",
    ]
    for start in range(0, len(shown), COLUMNS):
        row = shown[start : start + COLUMNS]
        lines += ["<table><tr>", *(_cell(film, page.stem) for film in row), "</tr></table>", ""]
    return "\n".join(lines)


def _cell(film: dict[str, Any], folder: str) -> str:
    picture = f'<img src="{folder}/{film["file"]}" width="{WIDTH}" height="{HEIGHT}" alt="{film["prompt"]}">'
    return f'<td width="{WIDTH}" valign="top">{picture}<br>{film["prompt"]}<br><sub>{said(film)}</sub></td>'


def said(film: dict[str, Any]) -> str:
    """Return what the oracle read, in words: what was right by name, what was wrong with both words."""
    wrong = [
        f"{name} {film['read'][name]} (asked: {film['truth'][name]})"
        for name in ATTRIBUTES
        if name in film["truth"] and film["read"][name] != film["truth"][name]
    ]
    right = [name for name in ATTRIBUTES if name in film["truth"] and film["read"][name] == film["truth"][name]]
    return f"read right: {', '.join(right) or 'nothing'}; wrong: {', '.join(wrong) or 'nothing'}"


def _count(shown: Sequence[dict[str, Any]]) -> tuple[int, int]:
    hits = [film["read"][name] == word for film in shown for name, word in film["truth"].items()]
    return sum(hits), len(hits)
