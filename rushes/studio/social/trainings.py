"""Trainings: a character is learned from its stills, so that films show it wherever their prompts say its word."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from rushes.errors import InputError
from rushes.serve.client import estimate, jobs, workers
from rushes.serve.client.jobs import Job
from rushes.serve.client.trainings import FEWEST, TrainingOrder, TrainingRequest
from rushes.studio import orders
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.library import films, vocabulary
from rushes.studio.library.vocabulary import WORD
from rushes.studio.members import closing
from rushes.studio.members.accounts import Caller
from rushes.studio.money import ledger
from rushes.studio.social import adapters, characters
from rushes.studio.social.adapters import Adapter
from rushes.studio.social.characters import Character
from rushes.studio.trust import moderation

MOST_WORDS, LONGEST_LIKE = 4, 60
LATEST = 50  # trainings of an account that are looked through for a character's


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a page says about a character's training: whether it can be asked for, what it takes, how far it is.

    `why_not` says in a line what is missing; `word` is what prompts would call it. `job` is the latest training, with
    the jobs `ahead` of it and the seconds that are left.
    """

    why_not: str
    word: str
    credits: int
    estimate_s: float
    job: Job | None
    adapter: Adapter | None
    ahead: int
    left_s: float
    has_workers: bool

    @property
    def is_live(self) -> bool:
        """Return whether it waits or is being trained."""
        return self.job is not None and self.job.state in jobs.LIVE

    @property
    def failed(self) -> str:
        """Return why the last training failed; empty where none has since."""
        return (self.job.error or self.job.state) if self.job is not None and self.job.state == jobs.FAILED else ""


def ask(
    house: House, caller: Caller, character_id: str, *, word: str = "", like: str = "", once: str | None = None
) -> Job:
    """Ask for the training of one's own character; a key that is sent again gets the first one again.

    Raises:
        InputError: too few stills, or an illegal word or kind. RequestError: 404 for another's character, 409 where it
            is being trained already or the consent is gone, else as `orders.place_training`.
    """
    with house.database.read() as session:
        name = characters.own(session, caller, character_id).name
    if word.strip():
        moderation.require_allowed(house, word, "look")
    with house.database.write() as session:
        ledger.lock(session, caller.user, house.plan(caller.user.plan))  # two at once queue up here
        character = characters.own(session, caller, character_id)
        before = jobs.repeated(session, caller.user.id, once)
        if before is not None and before.is_training and before.request["character"] == character_id:
            return before
        _require_trainable(session, character)
        request = TrainingRequest(
            character=character.id,
            name=_word(house, session, character, word or name),
            like=_like(house, like),
            stills=tuple(characters.still_key(character, one) for one in characters.stills(session, character)),
            folder=characters.folder(character),
        )
        return orders.place_training(house, session, caller, TrainingOrder(request=request, once=once))


def lesson(house: House, session: Session, caller: Caller, character: Character) -> Lesson:
    """Return what is to be said about the training of one's own character."""
    request = TrainingRequest(character=character.id, name="", stills=(), folder="")
    try:
        _require_trainable(session, character)
        closing.refuse_new(house.config)
        why_not = ""
    except InputError as error:
        why_not = str(error)
    except RequestError as error:
        why_not = error.message
    job, adapter, num_workers = (
        latest(session, character),
        adapters.find(session, character),
        len(workers.alive(session)),
    )
    ahead, wait_s = jobs.ahead(session, job) if job is not None and job.state == jobs.QUEUED else (0, 0.0)
    left_s = job.estimate_s * (100 - job.progress) / 100 if job is not None else 0.0
    return Lesson(
        why_not=why_not,
        word=adapter.word if adapter else " ".join(WORD.findall(character.name.lower())),
        credits=orders.price(house, caller, TrainingOrder(request=request)),
        estimate_s=estimate.training_seconds(session, request.steps),
        job=job,
        adapter=adapter,
        ahead=ahead,
        left_s=wait_s / max(1, num_workers) + left_s,
        has_workers=num_workers > 0,
    )


def latest(session: Session, character: Character) -> Job | None:
    """Return the character's latest training."""
    return next(iter(of(session, character)), None)


def of(session: Session, character: Character) -> list[Job]:
    """Return a character's trainings, latest first."""
    query = sa.select(Job).where(Job.owner == character.owner, ~jobs.IS_FILM).order_by(Job.created_at.desc())
    return [job for job in session.scalars(query.limit(LATEST)) if job.request["character"] == character.id]


def find(session: Session, caller: Caller, character_id: str) -> Job:
    """Return the latest training of one's own character. Raises: RequestError 404."""
    job = latest(session, characters.own(session, caller, character_id))
    if job is None:
        raise unknown("training of", character_id[:80])
    return job


def cancel(house: House, caller: Caller, character_id: str) -> Job:
    """Ask for the end of a character's training and return it; one that has ended stays as it is.

    Raises:
        RequestError: 404 for another's character, or one that was never trained.
    """
    with house.database.write() as session:
        job = find(session, caller, character_id)
        attempt = job.attempt
        has_ended = jobs.cancel(session, job.id, films.settle)
        session.refresh(job)
    if has_ended:
        house.queue.drop(job.id, attempt)
        adapters.tidy(house, job)
    return job


def _require_trainable(session: Session, character: Character) -> None:
    if character.revoked_at is not None:
        raise RequestError(409, "consent_withdrawn", f"the consent to {character.name!r} was taken back for good")
    num = len(characters.stills(session, character))
    if num < FEWEST:
        raise InputError(f"{character.name} has {num} still{'' if num == 1 else 's'}; {FEWEST} are needed to train it")
    job = latest(session, character)
    if job is not None and job.state in jobs.LIVE:
        raise RequestError(409, "training_running", f"{character.name} is being trained already")


def _word(house: House, session: Session, character: Character, said: str) -> str:
    """Return a name as prompts will say it. Raises: InputError for one that is none, or that means something else."""
    words = WORD.findall(said.lower())
    is_plain = said.lower().split() == words and len(set(words)) == len(words)
    if not is_plain or not 1 <= len(words) <= MOST_WORDS:
        wanted = f"give it 1 to {MOST_WORDS} different words of letters a to z, for instance mister fox"
        raise InputError(f"prompts can't say {said[:40]!r}; {wanted}")
    known, word = vocabulary.of(house.config), " ".join(words)
    if known is not None and not known.unknown(word):
        raise InputError(f"{word!r} means something to the model; give it a word of its own, for instance reynard")
    taken = sa.select(Character.name).join(Adapter).where(Character.owner == character.owner, Adapter.word == word)
    other = session.scalar(taken.where(Character.id != character.id).limit(1))
    if other is not None:
        raise InputError(f"prompts call {other} {word!r} already; give it another word")
    return word


def _like(house: House, said: str) -> str:
    """Return what a character is like, in words that the model knows. Raises: InputError."""
    like, known = " ".join(said.lower().split()), vocabulary.of(house.config)
    strange = known.unknown(like) if known else []
    if strange or len(like) > LONGEST_LIKE:
        named = ", ".join(word for word, _ in strange) or like[:40]
        raise InputError(f"the model was not taught {named!r}; say what it is like in words of its own, such as cat")
    return like
