"""Tests closing mode: a date everybody is told, nothing new, and a way in for those who were here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rushes.errors import InputError
from rushes.studio.errors import RequestError
from rushes.studio.members import closing
from rushes.studio.settings import StudioConfig

OPEN, CLOSING = StudioConfig(), StudioConfig(closing_on="2027-03-30")


def test_an_open_studio_says_nothing_and_refuses_nothing() -> None:
    assert closing.banner(OPEN) == ""
    closing.refuse_new(OPEN)
    closing.require_sign_up(OPEN)


def test_a_closing_studio_names_the_date() -> None:
    assert "until 30 March 2027" in closing.banner(CLOSING)
    for refuse in (closing.refuse_new, closing.require_sign_up):
        with pytest.raises(RequestError, match="until 30 March 2027") as caught:
            refuse(CLOSING)
        assert (caught.value.status, caught.value.code) == (403, "studio_closing")


def test_a_studio_by_invitation_makes_no_accounts() -> None:
    with pytest.raises(RequestError, match="by invitation"):
        closing.require_sign_up(replace(OPEN, can_sign_up=False))


@pytest.mark.parametrize("text", ["soon", "30.3.2027", "2027-02-30"])
def test_a_date_has_one_form(text: str) -> None:
    with pytest.raises(InputError, match="the legal form is 2027-03-31"):
        closing.date(replace(OPEN, closing_on=text))
