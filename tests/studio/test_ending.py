"""Tests what the studio adds to a worker's films: the marks, the signature with its ingredient, the books."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import showings
import studios

from rushes.media.encode import encode
from rushes.serve.client import jobs
from rushes.studio import ending
from rushes.studio.ending import Ending
from rushes.studio.house import House
from rushes.studio.trust import provenance
from rushes.types import VideoShape


def frames(num: int = 8, side: int = 256) -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    yield from (random.integers(60, 190, (side, side, 3)).astype(np.uint8) for _ in range(num))


def test_a_label_lies_small_in_the_corner_whatever_the_shape() -> None:
    for height, width in ((128, 64), (64, 128), (256, 256)):
        grey = np.full((height, width, 3), 100, np.uint8)
        (drawn,) = ending.labelled(iter([grey]), "Rushes")
        changed = np.argwhere((drawn != grey).any(axis=2))
        assert len(changed) and changed[:, 0].min() > height * 0.7 and drawn.min() == 100
        assert drawn.shape == grey.shape and (grey == 100).all()


@pytest.mark.parametrize(("plan", "is_labelled"), [("free", True), ("pro", False)])
def test_the_visible_mark_is_the_plans_and_the_invisible_one_everybodys(
    house: House, plan: str, is_labelled: bool
) -> None:
    user, _ = studios.person(house, f"{plan}_maker", plan=plan)
    job = showings.film(house, user)
    before, after = list(frames(side=512)), list(Ending(house).mark(job, frames(side=512)))  # as a flipbook's
    corner = np.abs(after[0][-24:, -80:].astype(int) - before[0][-24:, -80:]).max()
    assert (corner > 30) == is_labelled and 0 < np.abs(after[0][:100].astype(int) - before[0][:100]).max() < 20
    found = provenance.mark_of(house).find(iter(after))
    with house.database.read() as session:
        assert found.is_there and provenance.job_of(session, found) == job.id


def test_a_remix_names_its_parent_until_that_is_gone(house: House, tmp_path: Path) -> None:
    user, _ = studios.person(house, "remixer")
    parent = showings.film(house, user)
    child = showings.film(house, user, parent=parent.id, kind="remix")
    for ingredients in (["video.mp4"], []):
        film = tmp_path / f"{len(ingredients)}.mp4"
        encode(film, frames(), fps=8, shape=VideoShape(frames=8, height=256, width=256))
        Ending(house).sign(child, film)
        found = provenance.check(house, film.read_bytes())
        assert (found["verdict"], found["manifest"]["job"]) == ("ours", child.id)
        assert found["manifest"]["ingredients"] == ingredients
        house.media.delete(parent.files["video"])


def test_the_books_are_settled_in_the_transaction_that_ends_a_film(house: House) -> None:
    user, _ = studios.person(house, "payer")
    with house.database.write() as session:
        job = showings.written(session, user, "a boat", state=jobs.SUCCEEDED)
        Ending(house).settle(session, job)
        Ending(house).settle(session, job)
