"""Tests of scan: blocks hold every row once, only what was asked for, and damage is an error."""

from pathlib import Path

import by_hand
import pytest

from rushes.data import scan
from rushes.data.dataset import Dataset
from rushes.errors import RushesError


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return by_hand.write(tmp_path, num_pictured=0)


def test_blocks_hold_every_row_once(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "BLOCK_ROWS", 7)
    found = list(scan.blocks(data, "caption", "by-hand", ["clip_id", "short"]))
    assert [block.num_rows for block in found] == [7, 7, 6]
    assert [name for block in found for name in block["clip_id"].to_pylist()] == data.clips()["clip_id"].to_pylist()
    assert found[0].schema.names == ["clip_id", "short"]


def test_rows_of_some_clips(data: Dataset) -> None:
    ids = data.clips()["clip_id"].to_pylist()
    found = scan.rows_of(data, "caption", "by-hand", [ids[3], ids[0], "ghost"], ["short"])
    assert found == {ids[0]: {"short": by_hand.WORDS[0]}, ids[3]: {"short": by_hand.WORDS[3]}}


def test_a_stage_that_wrote_nothing_has_no_columns(data: Dataset) -> None:
    assert scan.columns(data, "ghost", "1").names == []
    assert "embedding" in scan.columns(data, "caption", "by-hand").names


def test_a_damaged_file_is_named(data: Dataset, tmp_path: Path) -> None:
    (path,) = scan.files(data, "caption", "by-hand")
    (tmp_path / path).write_bytes(b"PAR1 rubbish")
    with pytest.raises(RushesError, match=r"caption@by-hand.*damaged"):
        list(scan.blocks(data, "caption", "by-hand", ["short"]))
