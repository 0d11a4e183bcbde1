"""The arena: two films of one prompt side by side, nothing else said, and somebody picks; what wins is shown more.

Who is better is the Bradley-Terry model's answer: film i beats film j with probability s_i / (s_i + s_j). A tie is
half a win for each, and every film also has one win and one loss against an average one, so that few votes say little.
Source: R. Bradley and M. Terry, "Rank analysis of incomplete block designs", 1952; D. Hunter, "MM algorithms for
generalized Bradley-Terry models", 2004, equation 3.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from rushes.errors import InputError
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import IS_FILM, SUCCEEDED, Job
from rushes.studio import rows
from rushes.studio.errors import unknown
from rushes.studio.members.accounts import User
from rushes.studio.social import people, posts
from rushes.studio.social.posts import PUBLIC, Post, prompt_key

LEFT, RIGHT, TIE = "left", "right", "tie"
CHOICES = (LEFT, RIGHT, TIE)
MOST_PAIRS, MOST_OWN, MOST_VOTES = 400, 200, 50_000
NUM_STEPS, TOLERANCE = 200, 1e-6
WINNER_VOTES, WINNER_STRENGTH, MOST_WINNERS = 3, 1.5, 200


class Battle(Base):
    """Two films shown to `voter`; `propensity` is the chance that these two were drawn, on these sides."""

    __tablename__ = "battles"

    id: Mapped[str] = mapped_column(primary_key=True)
    voter: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    left: Mapped[str] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    right: Mapped[str] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    pair: Mapped[str]
    prompt: Mapped[str]
    propensity: Mapped[float]
    seed: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[float]
    choice: Mapped[str | None]
    voted_at: Mapped[float | None] = mapped_column(index=True)

    __table_args__ = (sa.UniqueConstraint("voter", "pair"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one contestant does: its strength (1 is average), its votes, and the share of them that it won."""

    name: str
    strength: float
    votes: int
    share: float


def next_battle(session: Session, voter: User, seed: int) -> Battle | None:
    """Return the pair that `voter` has open, or a new one drawn evenly from those they have not judged; None: no pair.

    Two public films of others make a pair, and two of one's own, whether shown or not: nobody judges their own
    film against another's.
    """
    waiting = sa.select(Battle).where(Battle.voter == voter.id, Battle.choice.is_(None))
    for battle in session.scalars(waiting.order_by(Battle.created_at)):
        if _may_judge(session, voter, battle.left) and _may_judge(session, voter, battle.right):
            return battle
        session.delete(battle)
    judged = set(session.scalars(sa.select(Battle.pair).where(Battle.voter == voter.id)))
    open_pairs = sorted(pair for pair in _pairs(session, voter) if _pair(*pair[:2]) not in judged)
    if not open_pairs:
        return None
    draw = random.Random(seed)
    one, other, prompt = draw.choice(open_pairs)
    left, right = draw.choice(((one, other), (other, one)))
    made = {"id": f"battle_{secrets.token_hex(8)}", "voter": voter.id, "left": left, "right": right, "prompt": prompt}
    drawn = {"pair": _pair(one, other), "propensity": 0.5 / len(open_pairs), "seed": seed, "created_at": now()}
    rows.add_once(session, Battle, **made, **drawn, choice=None, voted_at=None)
    return session.scalars(
        sa.select(Battle).where(Battle.voter == voter.id, Battle.pair == drawn["pair"], Battle.choice.is_(None))
    ).one_or_none()


def vote(session: Session, voter: User, battle_id: str, choice: str) -> Battle:
    """Judge a pair, once. Raises: InputError for an unknown choice, RequestError 404 for no open battle of theirs."""
    if choice not in CHOICES:
        raise InputError(f"choice {choice[:40]!r} is illegal; legal: {', '.join(CHOICES)}")
    mine = (Battle.id == battle_id, Battle.voter == voter.id, Battle.choice.is_(None))
    changed = sa.update(Battle).where(*mine).values(choice=choice, voted_at=now()).returning(Battle.id)
    if session.execute(changed.execution_options(synchronize_session=False)).first() is None:
        raise unknown("open pair of yours", battle_id[:80])
    return session.get_one(Battle, battle_id, populate_existing=True)


def strengths(num: int, wins: list[tuple[int, int, float]]) -> np.ndarray:
    """Return each contestant's strength, `[num]`, geometric mean 1, from (winner, loser, how much of a win) rows."""
    won, met = np.ones(num), np.zeros((num, num))
    for winner, loser, share in wins:
        won[winner] += share
        won[loser] += 1.0 - share
        met[winner, loser] += 1
        met[loser, winner] += 1
    strength = np.ones(num)
    for _ in range(NUM_STEPS):
        against = (met / (strength[:, None] + strength[None, :])).sum(axis=1) + 2.0 / (strength + 1.0)
        better = won / against
        moved = float(np.abs(better - strength).max(initial=0.0))
        strength = better
        if moved < TOLERANCE:
            break
    return strength / np.exp(np.log(strength).mean()) if num else strength


def maker(job: Job) -> str:
    """Return what made a film, as people compare it: model, tier and steps."""
    return f"{job.request['model']} · {job.tier} · {job.request['num_steps']} steps"


def standings(session: Session, by: str = "film") -> list[Standing]:
    """Return how films do, or what made them (`by="model"`: model, tier and steps), strongest first."""
    query = sa.select(Battle.left, Battle.right, Battle.choice).where(Battle.choice.is_not(None))
    votes = session.execute(query.order_by(Battle.voted_at.desc()).limit(MOST_VOTES)).all()
    names = {name: name for vote in votes for name in vote[:2]}
    if by == "model":
        for job in session.scalars(sa.select(Job).where(Job.id.in_(names))):
            names[job.id] = maker(job)
    return _standings([(names[left], names[right], choice or TIE) for left, right, choice in votes])


def winners(session: Session) -> list[str]:
    """Return the posts whose films win clearly: enough votes, and well above average."""
    if session.scalar(sa.select(Battle.id).where(Battle.choice.is_not(None)).limit(1)) is None:
        return []
    best = [one for one in standings(session) if one.votes >= WINNER_VOTES and one.strength >= WINNER_STRENGTH]
    jobs = [one.name for one in best[:MOST_WINNERS]]
    return list(session.scalars(sa.select(Post.id).where(Post.job_id.in_(jobs)))) if jobs else []


def _standings(votes: list[tuple[str, str, str]]) -> list[Standing]:
    votes = [vote for vote in votes if vote[0] != vote[1]]
    names = sorted({name for vote in votes for name in vote[:2]})
    place = {name: index for index, name in enumerate(names)}
    share = {LEFT: 1.0, RIGHT: 0.0, TIE: 0.5}
    wins = [(place[left], place[right], share[choice]) for left, right, choice in votes]
    strength, count, won = strengths(len(names), wins), np.zeros(len(names)), np.zeros(len(names))
    for left, right, part in wins:
        count[[left, right]] += 1
        won[left] += part
        won[right] += 1.0 - part
    order = np.argsort(-strength, kind="stable")
    return [
        Standing(name=names[i], strength=float(strength[i]), votes=int(count[i]), share=float(won[i] / count[i]))
        for i in order
    ]


def _pairs(session: Session, voter: User) -> list[tuple[str, str, str]]:
    """Return (job, job, prompt) of the pairs that `voter` may judge, each once."""
    one, other, author, rival = aliased(Post), aliased(Post), aliased(User), aliased(User)
    query = sa.select(one.job_id, other.job_id, one.prompt, one.author, other.author)
    query = query.join(other, sa.and_(one.prompt_key == other.prompt_key, one.id < other.id))
    query = query.join(author, one.author == author.id).join(rival, other.author == rival.id)
    for post, by in ((one, author), (other, rival)):
        query = query.where(post.visibility == PUBLIC, post.taken_down.is_(False), post.withdrawn.is_(False))
        query = query.where(by.is_suspended.is_(False))
        if not posts.sees_adult(voter):
            query = query.where(post.rating == posts.EVERYONE)
    hidden = people.circle(session, voter.id).hidden
    found = session.execute(query.order_by(one.created_at.desc()).limit(MOST_PAIRS)).all()
    shown = [(a, b, prompt) for a, b, prompt, *by in found if not (hidden | {voter.id}) & set(by)]
    mine = (Job.owner == voter.id, Job.state == SUCCEEDED, IS_FILM)
    own = session.execute(
        sa.select(Job.id, Job.request, Job.extra).where(*mine).order_by(Job.created_at.desc()).limit(MOST_OWN)
    )
    groups: dict[str, list[tuple[str, str]]] = {}
    for job_id, request, extra in own:
        if not extra.get("withdrawn"):
            groups.setdefault(prompt_key(request["prompt"]), []).append((job_id, request["prompt"]))
    shown += [(a, b, prompt) for g in groups.values() for i, (a, prompt) in enumerate(g) for b, _ in g[i + 1 :]]
    return list({_pair(a, b): (a, b, prompt) for a, b, prompt in shown}.values())


def _may_judge(session: Session, voter: User, job_id: str) -> bool:
    job = session.get(Job, job_id)
    if job is None or job.extra.get("withdrawn"):
        return False
    if job.owner == voter.id:
        return True
    query = posts.listed(voter).with_only_columns(Post.id).where(Post.job_id == job_id)
    return session.scalar(query) is not None and job.owner not in people.circle(session, voter.id).hidden


def _pair(one: str, other: str) -> str:
    return ":".join(sorted((one, other)))
