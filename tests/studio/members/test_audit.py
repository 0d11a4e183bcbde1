"""Tests the audit log: acts in the order in which they happened, in the transaction that did them."""

from __future__ import annotations

from pathlib import Path

import pytest
import studios

from rushes.studio.members import audit
from rushes.studio.members.accounts import Caller


def test_acts_are_kept_newest_first_and_roll_back_with_what_they_tell(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house:
        user, _ = studios.person(house, "actor")
        caller = Caller(user=user, scopes=frozenset())
        with house.database.write() as session:
            audit.note(session, caller, "plan", "user_1", {"plan": "pro"})
            audit.note(session, None, "purged", "user_2")
        with pytest.raises(RuntimeError, match="undone"), house.database.write() as session:
            audit.note(session, caller, "plan", "user_3")
            raise RuntimeError("undone")
        with house.database.read() as session:
            rows = [(row.actor, row.action, row.target, row.detail) for row in audit.latest(session)]
            assert rows == [("studio", "purged", "user_2", {}), (user.id, "plan", "user_1", {"plan": "pro"})]
            assert [row.target for row in audit.latest(session, target="user_1")] == ["user_1"]
