"""What an open-weight model learns from: clips of a curated dataset, or a folder of stills and films with their words.

T frames, H W pixels
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rushes.data.captioning import captions as captions_of
from rushes.data.captioning.looking import show_file
from rushes.data.dataset import HEAD, Dataset
from rushes.data.stages.caption import describe
from rushes.errors import InputError
from rushes.media import decode
from rushes.media.probe import probe
from rushes.models.captioner import Captioner
from rushes.nn import weights
from rushes.types import VideoShape

MOST_WINDOWS = 8  # of one film, one after the other from its beginning
SHOWN = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".mov", ".webm", ".mkv", ".avi")
LENGTH = "medium"  # of the captioner's sentences
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exemplar:
    """A still or film: `key` names its bytes for ever, `texts` are its words, one of which is drawn at a time."""

    key: str
    name: str
    texts: tuple[str, ...]
    weight: float
    is_still: bool
    duration_s: float
    file: Callable[[], AbstractContextManager[Path]]

    def num_windows(self, frames: int, fps: int) -> int:
        """Return how many windows of so many frames it has; a still has one, whatever is asked for."""
        return 1 if self.is_still else min(MOST_WINDOWS, int(self.duration_s * fps + 1e-6) // frames)

    def windows(self, shape: VideoShape, fps: int) -> Iterator[np.ndarray]:
        """Yield its windows one after the other, uint8 RGB `[T H W 3]`; a still is one frame, whatever is asked for.

        Raises:
            InputError: it is damaged.
        """
        frames = 1 if self.is_still else shape.frames
        num = self.num_windows(frames, fps)
        size = {"height": shape.height, "width": shape.width}
        with self.file() as path:
            shown = decode.filling(path, num_frames=num * frames, fps=fps, **size)
            for _ in range(num):
                yield np.stack(list(itertools.islice(shown, frames)))


def of_folder(folder: Path) -> list[Exemplar]:
    """Return the stills and films of a folder; a text file beside one says what it shows, a line each.

    Raises:
        InputError: there are none, or one is damaged.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SHOWN and not path.name.startswith("."))
    if not paths:
        raise InputError(f"{folder} holds no dataset, and no still or film; known: {', '.join(SHOWN)}")
    return [_file(path) for path in paths]


def _file(path: Path) -> Exemplar:
    seen, beside = probe(path), path.with_suffix(".txt")
    return Exemplar(
        key=weights.digest(path),
        name=path.name,
        texts=_lines(beside) if beside.is_file() else (),
        weight=1.0,
        is_still=seen.is_still or seen.num_frames < 2,
        duration_s=float(seen.duration_s),
        file=lambda: nullcontext(path),
    )


def _lines(path: Path) -> tuple[str, ...]:
    try:
        said = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read: {error}") from None
    return tuple(" ".join(line.split()) for line in said.splitlines() if line.strip())


def described(some: list[Exemplar], folder: Path, say: Say) -> list[Exemplar]:
    """Return exemplars, those without a text with one of the captioner's in `folder`. Raises: WeightsError."""
    mute = [one.name for one in some if not one.texts]
    if not mute:
        return some
    captioner, told = Captioner.from_pretrained(folder), []
    for one in some:
        if not one.texts:
            with one.file() as path:
                text = describe(captioner, [show_file(path)])[0].sentences[LENGTH]
            say(f"{one.name}: {text}")
            one = replace(one, texts=(text,))
        told.append(one)
    say(
        f"{len(mute)} were described by the captioner; a text file beside one, {Path(mute[0]).stem}.txt, says it better"
    )
    return told


def of_dataset(place: str, stage: str, version: str, columns: tuple[str, ...]) -> list[Exemplar]:
    """Return the kept clips of a dataset that have captions, in its order.

    Raises:
        InputError: nothing is kept, or has a caption.
    """
    data = Dataset.open(place)
    selection = data.selection().select(["clip_id", "kept", "weight"]).to_pylist()
    weight = {row["clip_id"]: row["weight"] for row in selection if row["kept"]}
    if not weight:
        raise InputError(f"the dataset {place} keeps none of its {len(selection)} clips; widen its cuts")
    texts = captions_of.choose(data, list(weight), stage, version, columns).texts
    ids = [clip_id for clip_id in data.clips()["clip_id"].to_pylist() if clip_id in texts and clip_id in weight]
    if not ids:
        raise InputError(f"no kept clip has a caption of {stage}")
    return [_clip(data, clip_id, texts[clip_id], weight[clip_id]) for clip_id in ids]


def _clip(data: Dataset, clip_id: str, texts: tuple[str, ...], weight: float) -> Exemplar:
    @contextmanager
    def file() -> Iterator[Path]:
        with tempfile.NamedTemporaryFile(suffix=".mp4") as opened:
            opened.write(data.read_clip(clip_id))
            opened.flush()
            yield Path(opened.name)

    clip = data.clip(clip_id)
    key, duration_s = f"{clip.source}-{clip_id}", float(clip.span.duration_s)
    return Exemplar(key=key, name=clip_id, texts=texts, weight=weight, is_still=False, duration_s=duration_s, file=file)


def is_folder(place: str) -> bool:
    """Return whether a place is a folder that holds no dataset."""
    return "://" not in place and Path(place).is_dir() and not (Path(place) / HEAD).is_file()
