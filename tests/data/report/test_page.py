"""Tests of the report: whole, self-contained, bounded, with every reason, and nothing of a film's name gets out."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import by_hand
import pytest

from rushes.data.dataset import Dataset
from rushes.data.report import page as report
from rushes.data.report.page import ReportConfig, html, spread, write
from rushes.errors import InputError

VOID = {"meta", "img", "br", "link", "input", "rect", "line"}


class Page(HTMLParser):
    """The tags of a page, with whether all are closed in order, its text and its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def links(self) -> list[str | None]:
        return [value for name, value in self.attributes if name in ("src", "href")]

    def dangling(self) -> set[str]:
        targets = {f"#{value}" for name, value in self.attributes if name == "id"}
        return {link for link in self.links() if link and link.startswith("#")} - targets

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    naughty = (by_hand.NAUGHTY, "/films/" + "long" * 200 + ".mp4")
    return by_hand.write(tmp_path_factory.mktemp("hand"), names=naughty)


@pytest.fixture(scope="module")
def page(data: Dataset) -> Page:
    return Page(html(data, name="<hand> & co"))


def test_the_page_is_well_formed_and_needs_nothing_else(page: Page) -> None:
    assert page.open == []
    assert "script" not in page.tags and "link" not in page.tags
    assert all((link or "").startswith(("data:image/jpeg;base64,", "#")) for link in page.links())
    assert page.dangling() == set()
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_odd_names_are_text(data: Dataset, page: Page) -> None:
    text = html(data, name="<hand> & co")
    assert "<script" not in text and "<b>snow" not in text and "<i>no film" not in text
    assert "\x1b" not in text and "\u202e" not in text
    assert "<script>alert(1)" in page.text and "<hand> & co" in page.text and "<b>snow</b>" in page.text


def test_every_reason_has_a_sheet_with_its_numbers(page: Page) -> None:
    for said in ("too small", "least(width_px, height_px) >= 256", "too static", "motion.median > 0.001"):
        assert said in page.text
    assert "too static (not measured)" in page.text and "motion failed: it has <one> picture" in page.text
    assert re.search(r"motion\.median\s*0\.0005", page.text)
    assert re.search(r"least\(width_px, height_px\)\s*144", page.text)


def test_clips_nearest_to_the_bound_come_first(page: Page) -> None:
    shown = [float(number) for number in re.findall(r"motion\.median\s*(0\.0\d+)", page.text)]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == 6


def test_captions_stand_beside_pictures(page: Page) -> None:
    assert "caption short" in page.text
    assert page.tags.count("img") > 20


def test_transitions_are_shown(page: Page) -> None:
    assert re.search(r"cut\s*film 2\.mp4 0:02\.00", page.text)


def test_pictures_run_out_and_the_page_is_still_whole(data: Dataset) -> None:
    none = html(data, name="x", config=ReportConfig(pictures_mb=0))
    few = html(data, name="x", config=ReportConfig(pictures_mb=0.01))
    assert "<img" not in none and "holds no more pictures" in none
    assert 0 < few.count("<img") < 20
    assert Page(none).open == Page(few).open == []


def test_many_reasons_share_the_clips(tmp_path: Path) -> None:
    cuts = {f"cut {i}": f"duration_s > {10 + i}" for i in range(70)}
    text = html(by_hand.write(tmp_path, cuts=cuts), name="x", config=replace(ReportConfig(), reasons=50, sheets=100))
    assert len(re.findall(r"<h3 ", text)) == 50
    assert len(re.findall(r'<dl class="numbers">', text)) == 100
    # A reason without a sheet is in the funnel all the same, and leads nowhere.
    assert "cut 69" in text
    assert len(text) < 15e6
    assert Page(text).open == [] and Page(text).dangling() == set()


@pytest.mark.parametrize("cuts", [{}, {"never": "1 = 0"}, {"odd <name>": "sources.codec = 'vp9'"}])
def test_any_cuts_give_a_page(tmp_path: Path, cuts: dict[str, str]) -> None:
    text = html(by_hand.write(tmp_path, cuts=cuts, num_pictured=1), name="x")
    assert Page(text).open == []
    assert "has no analysis here" in text


def test_an_empty_dataset_has_a_page(tmp_path: Path) -> None:
    text = html(by_hand.write(tmp_path, num_sources=0), name="empty")
    assert "There are no clips yet." in text
    assert Page(text).open == []


def test_a_page_is_written_whole_and_never_over_another(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write(data, path, name="x")
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists"):
        write(data, path, name="x")
    write(data, path, name="x", force=True)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_samples_are_spread() -> None:
    assert spread(list(range(100)), 4) == [0, 33, 66, 99]
    assert spread([1, 2], 6) == [1, 2]
    assert spread([1, 2, 3], 1) == [1]
    assert spread([1], 0) == []


def test_reasons_lead_to_their_rows(data: Dataset) -> None:
    rows = report.against_by_reason(data.selection())
    reasons = data.selection()["reasons"].to_pylist()
    for reason, found in rows.items():
        assert found.tolist() == [i for i, own in enumerate(reasons) if reason in own]


@pytest.mark.parametrize("wrong", [{"kept": -1}, {"pictures_mb": 50}])
def test_an_illegal_config_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        ReportConfig(**wrong)
