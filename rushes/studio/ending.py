"""What the studio adds to a film that a worker makes: the marks, the signature, the books and the news of its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sqlalchemy.orm import Session

from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.members.accounts import User
from rushes.studio.social import adapters
from rushes.studio.trust import provenance

LABEL_SHARE, LABEL_STRENGTH = 1 / 22, 0.55  # of the picture's height; of opaque


class Ending:
    """The studio's side of `rushes.serve.worker.Studio`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._mark, self._signer = provenance.mark_of(house), provenance.signer_of(house)

    def mark(self, job: Job, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 `[h w 3]`, with the invisible mark, and a visible one where the plan asks for it."""
        with self._house.database.write() as session:
            number = provenance.number_of(session, job.id)
            owner = session.get(User, job.owner)
            is_labelled = owner is not None and self._house.plan(owner.plan).is_marked
        if is_labelled:
            frames = labelled(frames, self._house.config.name)
        return self._mark.frames(frames, number)

    def sign(self, job: Job, path: Path) -> None:
        """Sign the film; a remix names the film that it comes from as its ingredient, where that still exists."""
        with self._house.database.read() as session:
            parent = jobs.find(session, job.parent) if job.parent else None
            key = parent.files.get("video") if parent else None
        with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
            before = None
            if key is not None:
                before = Path(folder) / Path(key).name
                try:
                    before.write_bytes(self._house.media.get(key))
                except InputError:  # deleted between the order and now
                    before = None
            self._signer.sign(path, job, before)

    def settle(self, session: Session, job: Job) -> None:
        """Make a job's cost final, or give it back, and tell whoever asked to be told; note what a training left."""
        films.settle(session, job)
        if job.is_training and job.state == jobs.SUCCEEDED:
            adapters.note(session, job)

    def tidy(self, job: Job) -> None:
        """Delete what a training that has ended left behind."""
        adapters.tidy(self._house, job)


def labelled(frames: Iterator[np.ndarray], text: str) -> Iterator[np.ndarray]:
    """Yield the frames with `text` small and half transparent in the lower right corner."""
    opacity: np.ndarray | None = None
    for frame in frames:
        if opacity is None or opacity.shape[:2] != frame.shape[:2]:
            opacity = _opacity(text, *frame.shape[:2])
        yield (frame + (255.0 - frame) * opacity).astype(np.uint8)


def _opacity(text: str, height: int, width: int) -> np.ndarray:
    """Return how much of the label covers each pixel, float32 `[h w 1]` in [0, 1]."""
    picture = Image.new("L", (width, height))
    font = ImageFont.load_default(max(8, round(height * LABEL_SHARE)))
    margin = round(height * LABEL_SHARE / 2)
    ImageDraw.Draw(picture).text((width - margin, height - margin), text, fill=255, font=font, anchor="rs")
    return (np.asarray(picture, np.float32) / 255.0 * LABEL_STRENGTH)[..., None]
