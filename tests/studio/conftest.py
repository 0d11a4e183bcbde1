"""What the studio's tests share: one PostgreSQL for all that ask for it; each makes databases of its own there."""

from collections.abc import Iterator

import postgres
import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A running server; `database(name)` makes a database and returns its address."""
    with postgres.served() as server:
        yield server
