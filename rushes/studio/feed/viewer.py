"""A viewer: everything about one person that decides what their feed shows, and nothing else about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from rushes.studio.feed import impressions, steering
from rushes.studio.feed.films import Films
from rushes.studio.feed.impressions import Recorder
from rushes.studio.feed.steering import Phrase
from rushes.studio.feed.words import WIDTH
from rushes.studio.members.accounts import User
from rushes.studio.social import people, posts, reactions

NUM_SEEN, NUM_REACTIONS = 1_000, 100
TASTE = {"create": 3.0, "share": 2.0, "like": 1.0, "finish": 0.1, "not_interested": -1.5, "report": -3.0}
NEAR = ("create", "share", "like")
SITTING_S = 15 * 60  # a longer pause begins a new sitting
BREAK_MIN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Whom somebody follows and never sees, what they were shown and did, what they asked for in words.

    `seen` holds (post, when), latest first; `reactions` (post, kind), latest first. An empty `id` is a stranger.
    """

    id: str = ""
    follows: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    seen: tuple[tuple[str, float], ...] = ()
    reactions: tuple[tuple[str, str], ...] = ()
    phrases: tuple[Phrase, ...] = ()
    sees_adult: bool = False
    is_chronological: bool = False
    break_min: int = BREAK_MIN

    def taste(self, films: Films) -> np.ndarray:
        """Return where what they liked and made points, less what they did not want, float32 `[WIDTH]` of length 1."""
        total = np.zeros(WIDTH, np.float32)
        for post, kind in self.reactions:
            row = films.row_of.get(post, films.num)
            if row < films.num and kind in TASTE:
                total += TASTE[kind] * films.vector[row]
        length = float(np.linalg.norm(total))
        return total / length if length else total

    def near(self, films: Films) -> np.ndarray:
        """Return the rows of what they liked, shared or remixed, latest first."""
        return films.rows([post for post, kind in self.reactions if kind in NEAR])

    def sitting_s(self, moment: float) -> float:
        """Return for how many seconds they have been watching without a pause."""
        begun = moment
        for _, at in self.seen:
            if begun - at > SITTING_S:
                break
            begun = min(begun, at)
        return moment - begun

    def is_break_due(self, moment: float) -> bool:
        """Return whether another `break_min` minutes of watching have passed since the last films were shown."""
        if not self.break_min or not self.seen:
            return False
        length, last = self.break_min * 60, self.seen[0][1]
        sitting = self.sitting_s(moment)
        return sitting // length > max(0.0, sitting - (moment - last)) // length


def of(session: Session, user: User | None, recorder: Recorder) -> Viewer:
    """Return an account as its feed sees it; nobody is a stranger."""
    if user is None:
        return Viewer()
    circle, chosen = people.circle(session, user.id), user.settings
    waiting = sorted(recorder.waiting_for(user.id), key=lambda pair: -pair[1])
    return Viewer(
        id=user.id,
        follows=circle.follows,
        hidden=circle.hidden,
        seen=(*waiting, *impressions.lately(session, user.id, NUM_SEEN)),
        reactions=tuple(reactions.lately(session, user.id, NUM_REACTIONS)),
        phrases=steering.read(str(chosen.get("steer", ""))),
        sees_adult=posts.sees_adult(user),
        is_chronological=bool(chosen.get("chronological")),
        break_min=int(chosen.get("break_min", BREAK_MIN)),
    )
