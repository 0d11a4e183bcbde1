"""Casting: characters are put into a film: their looks into its prompt, one's picture into what the model sees."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlalchemy.orm import Session

from rushes.serve.client.jobs import Job, Order
from rushes.studio.house import House
from rushes.studio.library import films, subjects
from rushes.studio.members.accounts import Caller
from rushes.studio.social import adapters, characters
from rushes.studio.social.adapters import Adapter
from rushes.studio.social.characters import Character
from rushes.types import Condition


def cast(house: House, session: Session, caller: Caller, order: Order, character_ids: list[str]) -> Order:
    """Return `order` with characters in it; `Order.extra["note"]` says which are described in words alone, and why.

    Where the prompt says a character's name, or @name, its look stands there, else before it; one that was trained
    has its word in that place. Without such a one, the first that has a picture is shown to the model, if that can be,
    and no other is.

    Raises:
        InputError: too many, or too long a prompt. RequestError: 403 for one without consent.
    """
    shown = characters.require_usable(session, caller.user, character_ids)
    if not shown:
        return order
    request, notes = order.request, []
    learned = {one.id: adapter for one in shown if (adapter := adapters.find(session, one)) is not None}
    trained = {name: adapter for name, adapter in learned.items() if adapters.fits(house, request, adapter)}
    for one in reversed(shown):
        prompt = request.prompt
        if one.id in learned and one.id not in trained:
            prompt = adapters.unsaid(prompt, learned[one.id], one.name)
        request = replace(request, prompt=told(prompt, one, trained.get(one.id)))
    is_led = bool(trained) or len(adapters.cast(house, session, caller.user, order, shown)) > len(shown)
    for one in (one for one in shown if one.id not in trained):
        still = characters.best(session, one)
        why = "there is no picture of it" if still is None else subjects.why_not(house, request.model)
        why = why or ("a film can be shown one subject" if request.condition("subject") else "")
        why = why or ("a film shows trained characters or a still" if is_led else "")
        if still is not None and not why:
            subject = Condition(kind="subject", uri=characters.still_key(one, still), sha256=still.sha256)
            request = replace(request, conditions=(*request.conditions, subject))
            if one.id in learned:
                why = adapters.why_not(house, request.model, learned[one.id])
                notes.append(f"{one.name} is shown as its still: {why}")
        else:
            notes.append(f"{one.name} is described in words alone: {why}")
    extra = order.extra | {"characters": [one.id for one in shown]} | ({"note": "; ".join(notes)} if notes else {})
    return replace(order, request=request, extra=extra)


def ask(house: House, caller: Caller, order: Order, character_ids: list[str]) -> Job:
    """Ask for a film with characters in it. Raises: as `cast` and `films.ask`."""
    with house.database.read() as session:
        order = cast(house, session, caller, order, character_ids)
    return films.ask(house, caller, order)


def told(prompt: str, character: Character, trained: Adapter | None = None) -> str:
    """Return a prompt that says what a character looks like, or the word that stands for it once it is trained."""
    look = trained.word if trained else character.look
    if trained is None and look.lower() in prompt.lower():
        return prompt
    name = re.compile(rf"@{re.escape(character.name)}(?!\w)|(?<![\w@]){re.escape(character.name)}(?!\w)")
    said, _ = name.subn(lambda _: look, prompt)
    is_there = adapters.says(said, trained) if trained else said != prompt
    return said if is_there else f"{look}, {prompt}"
