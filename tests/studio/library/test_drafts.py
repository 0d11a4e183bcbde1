"""Tests the form that becomes an order, and what it is said to take before."""

from __future__ import annotations

import pytest
from browsers import finished_film
from studios import person

from rushes.errors import InputError
from rushes.models.open import _catalogue as catalogue
from rushes.studio.library import drafts
from rushes.studio.library.drafts import Draft
from rushes.studio.members import accounts
from rushes.studio.members.accounts import Caller


def test_an_empty_field_leaves_it_to_the_tier() -> None:
    order = Draft(prompt=" a boat ", tier="short").order()
    request = order.request
    assert (request.prompt, str(request.shape), request.fps, request.num_steps) == ("a boat", "24x432x768", 8, 4)
    assert order.once is None and order.kind == "create"


def test_every_field_is_heard() -> None:
    draft = Draft(
        prompt="a boat", style="ink", size="432x768", length="2", tier="short", seed="9", steps="4", guidance="1.5"
    )
    request = draft.order().request
    assert request.prompt == "a boat, drawn in ink" and str(request.shape) == "16x768x432"
    assert (request.seed, request.num_steps, request.guidance_scale) == (9, 4, 1.5)


def test_a_still_is_a_png_whatever_the_form_says() -> None:
    assert Draft(prompt="a boat", tier="still", format="gif", length="3").order().format == "png"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("prompt", " ", "prompt is empty"),
        ("tier", "shrot", "known: short"),
        ("style", "inc", "legal: ink"),
        ("size", "500x500", "nearest legal value is 512x512"),
        ("size", "big", "no whole number"),
        ("length", "99", "nearest legal value is"),
        ("seed", "x", "seed 'x' is no whole number"),
        ("seed", "-1", "nearest legal value is 0"),
        ("steps", "0", "nearest legal value is 1"),
        ("guidance", "nan", "nearest legal value is"),
        ("guidance", "much", "guidance 'much' is no number"),
    ],
)
def test_what_is_illegal_is_named(field: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Draft(**{"prompt": "a boat", field: value}).order()


def test_a_quote_counts_who_is_ahead(house) -> None:
    user, _ = person(house, "asker")
    caller = Caller(user=user, scopes=frozenset(accounts.SCOPES))
    with house.database.read() as session:
        before = drafts.quote(house, session, caller, Draft(prompt="a boat"))
    with house.database.write() as session:
        house.queue.submit(session, "user_other", Draft(prompt="a boat").order(), priority=1, estimate_s=50.0)
    with house.database.read() as session:
        after = drafts.quote(house, session, caller, Draft(prompt="a boat", tier="short"))
    assert (before.ahead, before.wait_s) == (0, 0.0) and (after.ahead, after.wait_s) == (1, 50.0)
    assert after.seconds > before.seconds > 0 and after.credits > before.credits
    assert before.energy_j is None and not before.has_workers


def test_a_remix_begins_where_its_film_did(house) -> None:
    user, _ = person(house, "remixer")
    film = finished_film(house, user, "a boat")
    draft = drafts.remixed(film)
    assert (draft.prompt, draft.seed, draft.tier, draft.parent) == ("a boat", "7", "flipbook", film.id)
    assert draft.order().kind == "remix"


def test_an_open_model_keeps_its_own_rules() -> None:
    offered = {"wan2.1-1.3b": catalogue.find("wan2.1-1.3b").checkpoint.native}
    order = Draft(prompt="a boat", model="wan2.1-1.3b").order(offered)
    assert (order.request.model, str(order.request.shape), order.request.fps) == ("wan2.1-1.3b", "81x480x832", 16)
    assert order.request.num_steps == 50
    assert Draft(prompt="a boat", model="wan2.1-1.3b", length="2").order(offered).request.shape.frames == 33
    for changed, said in (
        ({"size": "1280x720"}, "nearest legal value is"),
        ({"model": "mochi-1"}, "no model 'mochi-1'"),
    ):
        with pytest.raises(InputError, match=said):
            Draft(**{"prompt": "a boat", "model": "wan2.1-1.3b"} | changed).order(offered)
