"""Tests of `rushes backup` and `rushes restore`: a studio there and back, by the commands alone."""

import studios
from click.testing import CliRunner

from rushes.cli.main import main


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_studio_goes_into_a_file_and_comes_back(tmp_path):
    with studios.opened(tmp_path / "home") as house:
        user, _ = studios.person(house, "ann")
        house.media.put("films/x/video.mp4", b"film")
    backup = tmp_path / "backup.tar"
    assert run("backup", backup, "--home", tmp_path / "home").exit_code == 0
    again = run("backup", backup, "--home", tmp_path / "home")
    assert again.exit_code == 2 and "exists" in again.output
    assert run("restore", backup, "--home", tmp_path / "fresh").exit_code == 0
    with studios.opened(tmp_path / "fresh") as house, house.database.read() as session:
        assert session.get(type(user), user.id).username == "ann"
        assert house.media.get("films/x/video.mp4") == b"film"
    full = run("restore", backup, "--home", tmp_path / "fresh")
    assert full.exit_code == 2 and "not empty" in full.output
