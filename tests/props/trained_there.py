"""Trained characters for the studio's tests: trainings that are over, with the file that they left, and tiny ones."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import showings
import studio_subjects
import subjects_there

from rushes.nn import lora
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio.ending import Ending
from rushes.studio.house import House
from rushes.studio.library import subjects
from rushes.studio.library.subjects import Subject
from rushes.studio.library.vocabulary import SHIPPED
from rushes.studio.members.accounts import User
from rushes.studio.social import characters, trainings
from rushes.studio.social.characters import ME, Character

TINY = (
    *("num=128", "batch=8", "run.checkpoint_every=5", "lora.rank=2", "lora.alpha=2.0", "run.log_every=1"),
    'lora.targets=["blocks.*.attention.*", "out"]',
)


def tiny(folder: Path) -> tuple[str, ...]:
    """Return the settings of a training that takes seconds and keeps its scenes in `folder`."""
    return (*TINY, f"banks={folder}")


def character(house: House, user: User, name: str = "Mister Fox", *, num: int = 5, scope: str = ME) -> Character:
    """Make a character with stills."""
    with house.database.write() as session:
        made = characters.create(session, showings.caller(user), name=name, look="a red fox in a coat", scope=scope)
        pictures = [subject(number) for number in range(num)]
        if pictures:
            characters.give_stills(house, session, made, pictures)
    return made


def trained(house: House, user: User, one: Character, **said: str) -> Job:
    """Ask for a character's training and end it, with an adapter for the studio's weights as what it left."""
    job = trainings.ask(house, showings.caller(user), one.id, **said)
    return ended(house, job)


def ended(house: House, job: Job) -> Job:
    """End a training that waits, with an adapter for the studio's weights as what it left."""
    request, place = job.training_request(), house.config.folder / f"{job.id}.safetensors"
    subjects_there.adapter(Path(house.config.weights or SHIPPED) / "cutout", place, request.name, request.like or "cat")
    content, key = place.read_bytes(), f"{request.folder}{job.id}-{job.attempt}.safetensors"
    house.media.put(key, content)
    measured = {"like": "cat", "weights": {"cutout": lora.read(place).base}, "num_bytes": len(content), "seconds": 9.0}
    measured["sha256"] = hashlib.sha256(content).hexdigest()
    with house.database.write() as session:
        jobs.claim(session, job.id, job.attempt, "test")
        jobs.end(session, job.id, job.attempt, jobs.SUCCEEDED, files={"adapter": key}, measured=measured)
        over = session.get_one(Job, job.id, populate_existing=True)
        Ending(house).settle(session, over)
    Ending(house).tidy(over)
    return over


@cache
def subject(number: int) -> Subject:
    """Return a still of a fox, cut out; each number's is another."""

    def paint(draw: object) -> None:
        studio_subjects.fox(draw)  # type: ignore[arg-type]
        draw.rectangle((60, 70, 66 + 2 * number, 76), fill=(20, 20, 20))  # type: ignore[attr-defined]

    return subjects.drawn(studio_subjects.drawn(paint, kind="PNG"))
