"""Tests of backups: what was there is there again, on both databases, and only an empty studio takes one."""

import postgres
import pytest
import studios

from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Order
from rushes.studio import schema
from rushes.studio.house import House
from rushes.studio.members import accounts
from rushes.studio.operations import backups
from rushes.studio.settings import StudioConfig
from rushes.studio.trust import provenance
from rushes.types import GenerationRequest, VideoShape

REQUEST = GenerationRequest(
    prompt="a boat", shape=VideoShape(frames=8, height=64, width=64), fps=8, num_steps=2, guidance_scale=1.0
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def addresses(request):
    """Two databases of one kind; empty addresses are files of SQLite's."""
    if request.param == "sqlite":
        yield "", ""
        return
    if postgres.binary("pg_dump") is None:
        pytest.skip("pg_dump is not installed")
    with postgres.served() as server:
        yield server.database("before"), server.database("after")


def test_a_studio_comes_back_from_its_backup(addresses, tmp_path):
    with studios.opened(tmp_path / "before", database=addresses[0]) as house:
        user, headers = studios.person(house, "ann")
        with house.database.write() as session:
            job = jobs.write(session, user.id, Order(request=REQUEST), priority=1, cost=3, estimate_s=1)
        house.media.put("films/a/video.mp4", b"film" * 1000)
        authority = provenance.signer_of(house).authority.read_bytes()
        secret = house.keyed("form", "x")
        size = backups.write(house, tmp_path / "backup.tar")
        with pytest.raises(InputError, match="exists"):
            backups.write(house, tmp_path / "backup.tar")
        with pytest.raises(InputError, match="not empty"):
            backups.restore(house, tmp_path / "backup.tar")
    assert size == (tmp_path / "backup.tar").stat().st_size

    config = StudioConfig(home=str(tmp_path / "after"), database=addresses[1])
    fresh = House(config)
    assert backups.restore(fresh, tmp_path / "backup.tar") >= 6
    fresh.close()
    house = House(config)
    schema.upgrade(house.database)
    assert house.keyed("form", "x") == secret
    assert provenance.signer_of(house).authority.read_bytes() == authority
    assert house.media.get("films/a/video.mp4") == b"film" * 1000
    with house.database.read() as session:
        assert jobs.find(session, job.id).generation_request() == REQUEST
        assert accounts.by_key(session, headers["authorization"].split()[1]).user.username == "ann"
    house.close()


def test_what_is_no_backup_is_refused(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"no tar at all" * 100)
    house = House(StudioConfig(home=str(tmp_path / "home")))
    with pytest.raises(InputError, match="no backup of a studio"):
        backups.restore(house, tmp_path / "x.tar")
    house.close()
