"""`rushes gallery` keeps what is there and refuses what it cannot make."""

import pytest
from click.testing import CliRunner

from rushes.cli.gallery import command
from rushes.errors import InputError, WeightsError


def run(*arguments):
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize("name", ["gallery.md", "gallery"])
def test_an_existing_page_or_folder_is_kept(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="force"):
        run("-o", tmp_path / "gallery.md", "--weights", tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_a_page_is_markdown(tmp_path):
    with pytest.raises(InputError, match=r"page\.md"):
        run("-o", tmp_path / "page.html", "--weights", tmp_path)


def test_missing_weights_are_named_before_anything_is_made(tmp_path):
    with pytest.raises(WeightsError, match="there are no weights"):
        run("-o", tmp_path / "gallery.md", "--weights", tmp_path)
    assert not list(tmp_path.iterdir())
