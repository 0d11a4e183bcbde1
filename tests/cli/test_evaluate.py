"""`rushes evaluate` refuses at once what it could not finish."""

import sys

import pytest
from click.testing import CliRunner

from rushes.cli.evaluate import command
from rushes.errors import InputError, WeightsError


def run(*arguments):
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


def test_existing_reports_are_kept(tmp_path):
    (tmp_path / "scores.json").write_text("mine")
    with pytest.raises(InputError, match="force"):
        run("--json", tmp_path / "scores.json", "--weights", tmp_path)
    assert (tmp_path / "scores.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--markdown", "none/scores.md"], "no folder none"),
        (["--tiers", "shot"], "known: short"),
        (["--steps", "0"], "value is 1"),
        (["--json", ".", "--force"], "folder"),
    ],
)
def test_bad_requests_name_the_legal_ones(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        run("--weights", tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match="there are no weights"):
        run("--weights", tmp_path / "nowhere")


def test_without_skia_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skia", None)
    with pytest.raises(InputError, match=r"rushes\[train\]"):
        run("--weights", tmp_path)
