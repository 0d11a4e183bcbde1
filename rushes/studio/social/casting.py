"""Casting: characters are put into a film: their looks into its prompt, one's picture into what the model sees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from rushes.serve.client.jobs import Job, Order
from rushes.studio.house import House
from rushes.studio.library import films, subjects
from rushes.studio.members.accounts import Caller
from rushes.studio.social import characters
from rushes.studio.social.characters import Character
from rushes.tiers import CONTRADICTIONS
from rushes.types import Condition


def cast(house: House, session: Session, caller: Caller, order: Order, character_ids: list[str]) -> Order:
    """Return `order` with characters in it; `Order.extra["note"]` says which are described in words alone, and why.

    Where the prompt says a character's name, or @name, its look stands there, else before it. The first one that has
    a picture is shown to the model, if that can be, and nothing else that is asked for contradicts it.

    Raises:
        InputError: too many, or too long a prompt. RequestError: 403 for one without consent.
    """
    shown = characters.require_usable(session, caller.user, character_ids)
    if not shown:
        return order
    request, notes = order.request, []
    for one in reversed(shown):
        request = replace(request, prompt=told(request.prompt, one))
    for one in shown:
        still, kinds = characters.best(session, one), [condition.kind for condition in request.conditions]
        why = "there is no picture of it" if still is None else subjects.why_not(house, request.model)
        why = why or _contradiction(kinds, is_still=request.shape.frames == 1)
        if still is not None and not why:
            subject = Condition(kind="subject", uri=characters.still_key(one, still), sha256=still.sha256)
            request = replace(request, conditions=(*request.conditions, subject))
        else:
            notes.append(f"{one.name} is described in words alone: {why}")
    extra = order.extra | {"characters": [one.id for one in shown]} | ({"note": "; ".join(notes)} if notes else {})
    return replace(order, request=request, extra=extra)


def ask(house: House, caller: Caller, order: Order, character_ids: list[str]) -> Job:
    """Ask for a film with characters in it. Raises: as `cast` and `films.ask`."""
    with house.database.read() as session:
        order = cast(house, session, caller, order, character_ids)
    return films.ask(house, caller, order)


def told(prompt: str, character: Character) -> str:
    """Return a prompt that says what a character looks like."""
    if character.look.lower() in prompt.lower():
        return prompt
    name = re.compile(rf"@{re.escape(character.name)}(?!\w)|(?<![\w@]){re.escape(character.name)}(?!\w)")
    said, count = name.subn(lambda _: character.look, prompt)
    return said if count else f"{character.look}, {prompt}"


def _contradiction(kinds: Sequence[str], *, is_still: bool) -> str:
    """Return why a film of these conditions can't be shown a subject too; empty where it can."""
    if is_still:
        return "a still can't be shown a subject"
    if "subject" in kinds:
        return "a film can be shown one subject"
    against = [kind for kind in kinds if kind in CONTRADICTIONS["subject"]]
    return f"a subject and condition {against[0]!r} contradict each other" if against else ""
