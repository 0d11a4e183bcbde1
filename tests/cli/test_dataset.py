"""Tests of `rushes dataset`: what it prints, the page it writes, what it refuses."""

import json
from pathlib import Path

import by_hand
import pytest
from click.testing import CliRunner, Result

from rushes.cli.main import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["dataset", *map(str, arguments)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hand") / "my films"
    folder.mkdir()
    by_hand.write(folder)
    return folder


def test_it_prints_the_funnel(place: Path) -> None:
    done = run(place)
    assert done.exit_code == 0, done.output
    assert "9 of 20 clips kept" in done.stdout and "motion.median > 0.001" in done.stdout


def test_it_prints_json_and_writes_a_page(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run(place, "--json", "--html", page)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["clips"]["kept"] == 9
    assert "<title>my films: 9 of 20 clips kept</title>" in page.read_text()
    again = run(place, "--html", page)
    assert (again.exit_code, "use --force" in again.stderr) == (2, True)
    assert run(place, "--html", page, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--html", "report.txt"], "nearest legal name is report.txt.html"),
        (["--html", "/no/such/folder/a.html"], "no folder /no/such/folder"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_at_once(place: Path, arguments: list[str], said: str) -> None:
    done = run(place, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    for place, said in ((tmp_path / "ghost", "no such folder"), (tmp_path, "it has no dataset.json")):
        done = run(place)
        assert done.exit_code == 2
        assert said in done.stderr
