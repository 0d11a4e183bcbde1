"""Tests the command: a plan, a table, an answer, a page, and every mistake in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rushes.cli.main import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", *arguments])


def test_a_plan_is_printed() -> None:
    done = run("--model", "small-1b", "--clips", "1M", "--gpus", "8", "--size", "448x256", "--seconds", "2")
    assert done.exit_code == 0, done.output
    assert "accelerators                    8" in done.output and "goodput" in done.output


def test_stages_and_a_model_of_ones_own_as_json() -> None:
    sizes = ("--size", "448x256x2:70%", "--size", "1280x720x5:30%")
    done = run("--weights", "6", "--width", "3072", "--depth", "40", "--gpus", "512", "--json", *sizes)
    values = json.loads(done.output)
    assert [stage["share"] for stage in values["stages"]] == [0.7, 0.3]
    assert [stage["shape"] for stage in values["stages"]] == ["49x256x448", "121x720x1280"]
    assert values["weights"] == pytest.approx(6e9, rel=0.01)


def test_days_find_the_fewest_and_a_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    given = ("--model", "small-1b", "--clips", "20M", "--size", "448x256", "--seconds", "2")
    done = run(*given, "--days", "10", "--html", str(page))
    assert done.exit_code == 0, done.output
    assert page.read_text().startswith("<!doctype html>") and str(page) in done.output
    again = run(*given, "--html", str(page))
    assert again.exit_code == 2 and "--force" in again.output


def test_published_runs_are_a_table_and_json() -> None:
    assert "19 of 22" in run("--published").output
    rows = json.loads(run("--published", "--json").output)
    assert {"run", "source", "reported", "predicted", "is_fitted", "error"} <= set(rows[0])


def test_a_shared_cluster_stops_a_run_more_often(tmp_path: Path) -> None:
    given = ("--model", "small-1b", "--clips", "20M", "--size", "448x256", "--gpus", "1024", "--gpu", "a100")
    own, shared = tmp_path / "own.html", tmp_path / "shared.html"
    for page, options in ((own, ()), (shared, ("--shared",))):
        assert run(*given, *options, "--html", str(page)).exit_code == 0
    assert "one failure in 1,231 days of one accelerator" in own.read_text()
    assert "one failure in 382 days of one accelerator" in shared.read_text()


def test_names_are_listed() -> None:
    assert "wan-14b" in run("--model", "list").output
    assert "h100" in run("--gpu", "list").output


def test_a_still_is_a_film_of_one_frame() -> None:
    done = run("--model", "small-1b", "--gpus", "1", "--clips", "20k", "--seconds", "0", "--size", "512x512", "--json")
    assert json.loads(done.output)["stages"][0]["shape"] == "1x512x512"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "wan-15b"), "known: wan-14b"),
        (("--model", "wan-14b", "--gpu", "h10"), "known: h100"),
        (("--model", "wan-14b", "--gpus", "300000"), "nearest legal is 200,000"),
        (("--model", "wan-14b", "--clips", "many"), "legal: 600M"),
        (("--model", "wan-14b", "--size", "huge"), "legal: 1280x720"),
        (("--model", "wan-14b", "--size", "8x8:50"), "add up to 50%"),
        (("--model", "wan-14b", "--fps", "0"), "is no film"),
        (("--model", "wan-14b", "--days", "0"), "must be above 0"),
        (("--model", "wan-14b", "--weights", "3"), "give one or the other"),
        (("--weights", "3"), "--width is missing"),
        (("--question", "hotsht"), "known: hotshot"),
        (("--model", "wan-14b", "--html", "plan.txt"), "nearest legal name is plan.txt.html"),
        (("--model", "wan-14b", "--html", "nowhere/plan.html"), "no folder nowhere"),
        (("--model", "llama-405b", "--gpus", "8"), "nearest number that holds it"),
        (("--model", "wan-14b", "--clips", "10B", "--days", "1"), "ends within 1 days"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2 and done.output.startswith("rushes: ") and said in done.output, done.output
    assert len(done.output.splitlines()) == 1
