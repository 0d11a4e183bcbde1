"""Tests of provenance: signed and verified in every format, one flipped byte noticed, other studios told apart."""

import dataclasses

import numpy as np
import pytest
import studios

from rushes.errors import InputError
from rushes.media.encode import encode
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Order
from rushes.studio.ending import Ending
from rushes.studio.trust import provenance
from rushes.studio.trust.mark import Found
from rushes.types import GenerationRequest, VideoShape

SHAPE = VideoShape(frames=8, height=240, width=320)
REQUEST = GenerationRequest(prompt="a boat", shape=SHAPE, fps=8, num_steps=2, guidance_scale=1.0)


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path / "home") as opened:
        yield opened


def job_of(house, user, **order) -> jobs.Job:
    with house.database.write() as session:
        return jobs.write(session, user.id, Order(request=REQUEST, **order), priority=1, cost=0, estimate_s=1)


def film(house, job, path):
    """Make a film as a worker does: marked, encoded, signed."""
    shape = dataclasses.replace(SHAPE, frames=1) if path.suffix == ".png" else SHAPE
    plain = np.linspace(60, 200, 240, dtype=np.uint8)[:, None, None].repeat(320, 1).repeat(3, 2)
    ending = Ending(house)
    encode(path, ending.mark(job, iter([plain] * shape.frames)), fps=8, shape=shape, request={"seed": 1})
    ending.sign(job, path)
    return path.read_bytes()


@pytest.mark.parametrize("ending", ["mp4", "gif", "webp", "png"])
def test_a_film_is_ours_until_one_byte_is_flipped(house, tmp_path, ending):
    user, _ = studios.person(house, "ann", plan="pro")
    job = job_of(house, user)
    content = film(house, job, tmp_path / f"film.{ending}")
    found = provenance.check(house, content)
    assert found["verdict"] == "ours" and found["manifest"]["job"] == job.id
    assert found["mark"]["is_there"] and found["mark"]["job"] == job.id
    flipped = bytearray(content)
    flipped[-40] ^= 1
    assert provenance.check(house, bytes(flipped))["verdict"] != "ours"


def test_a_remix_names_what_it_is_made_from(house, tmp_path):
    user, _ = studios.person(house, "ann", plan="pro")
    parent = job_of(house, user)
    house.media.put("films/parent.mp4", film(house, parent, tmp_path / "a.mp4"))
    with house.database.write() as session:
        session.get_one(jobs.Job, parent.id).files = {"video": "films/parent.mp4"}
    content = film(house, job_of(house, user, kind="remix", parent=parent.id), tmp_path / "b.mp4")
    found = provenance.check(house, content)
    assert found["verdict"] == "ours" and found["manifest"]["ingredients"] == ["parent.mp4"]
    with house.database.write() as session:
        session.get_one(jobs.Job, parent.id).files = {"video": "films/gone.mp4"}
    content = film(house, job_of(house, user, kind="remix", parent=parent.id), tmp_path / "c.mp4")
    assert provenance.check(house, content)["manifest"]["ingredients"] == []


def test_a_mark_that_lost_a_bit_is_looked_up_by_its_next_numbers(house):
    user, _ = studios.person(house, "ann")
    ours, other = (job_of(house, user).id for _ in range(2))
    with house.database.write() as session:
        number, others = (provenance.number_of(session, job) for job in (ours, other))
        for numbers, job in (
            ((number,), ours),
            ((number ^ 1, number ^ 2, number), ours),
            ((number ^ 1, others, number), other),  # the likelier of two that there are
            ((number ^ 1, number ^ 2), None),
        ):
            assert provenance.job_of(session, Found(9.0, numbers)) == job
        assert provenance.job_of(session, Found(5.0, (number,))) is None
        assert provenance.job_of(session, Found(0.0, ())) is None


def test_another_studios_film_is_foreign_and_a_bare_one_unknown(house, tmp_path):
    with studios.opened(tmp_path / "other") as other:
        theirs = film(other, job_of(other, studios.person(other, "bob")[0]), tmp_path / "theirs.mp4")
    assert provenance.check(house, theirs)["verdict"] == "foreign"
    frames = [np.full((240, 320, 3), 90, np.uint8)] * 8
    encode(tmp_path / "bare.mp4", frames, fps=8, shape=SHAPE)
    assert provenance.check(house, (tmp_path / "bare.mp4").read_bytes())["verdict"] == "unknown"
    with pytest.raises(InputError, match=r"legal: .mp4"):
        provenance.check(house, b"no film at all")


def test_keys_are_for_the_owner_alone_and_stay(house):
    folder = house.config.folder / "signing"
    provenance.signer_of(house)
    assert oct((folder / "signer.key").stat().st_mode)[-3:] == "600"
    before = (folder / "signer.pem").read_bytes()
    provenance.signer_of(house)
    assert (folder / "signer.pem").read_bytes() == before


def test_a_free_plans_films_say_where_they_were_made(house, tmp_path):
    frames = [np.full((240, 320, 3), 90, np.uint8)] * 8
    free, pro = (studios.person(house, name, plan=name)[0] for name in ("free", "pro"))
    labelled = np.stack(list(Ending(house).mark(job_of(house, free), iter(frames))))
    plain = np.stack(list(Ending(house).mark(job_of(house, pro), iter(frames))))
    assert labelled[:, 200:, 200:].max() > 150 > plain.max()
