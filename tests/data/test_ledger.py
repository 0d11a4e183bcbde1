"""Tests of the ledger: commits are whole, tables keep their bytes, rubbish goes, damage is named."""

import io

import pyarrow as pa
import pytest

from rushes.data import ledger
from rushes.data.ledger import Ledger
from rushes.errors import RushesError
from rushes.store.local import LocalStore

TABLE = pa.table({"x": [1, 2, 3], "name": ["a", "b", None]})


def test_what_is_committed_is_there_for_who_opens_it(tmp_path):
    store = LocalStore(tmp_path)
    book = Ledger.open(store)
    entry = book.write_table("rows/a.parquet", TABLE, kind="rows")
    assert Ledger.open(store).entries == {}
    book.commit([entry, book.write("b.bin", io.BytesIO(b"film"), kind="shard", rows=1)])
    again = Ledger.open(store)
    assert again.entries == book.entries and again.digest() == book.digest()
    assert again.table("rows/a.parquet").equals(TABLE) and again.entries["b.bin"].num_bytes == 4
    assert again.paths("rows/") == ["rows/a.parquet"]
    assert again.tables("rows/", TABLE.schema, ["name"]).column_names == ["name"]


def test_what_is_removed_is_gone_and_the_history_does_not_matter(tmp_path):
    one, two = Ledger.open(LocalStore(tmp_path / "1")), Ledger.open(LocalStore(tmp_path / "2"))
    one.commit([one.write("a", b"1", kind="k", rows=1)])
    one.commit([one.write("b", b"2", kind="k", rows=1)], removed=["a"])
    two.commit([two.write("b", b"2", kind="k", rows=1)])
    assert one.digest() == two.digest() and one.store.list("a") == []
    assert Ledger.open(one.store).digest() == one.digest()


def test_numbers_outgrow_their_padding(tmp_path):
    book = Ledger.open(LocalStore(tmp_path))
    numbers = (7, 999_999, 1_000_000, 2_000_000, 10_000_000)
    book.num_commits = 99_999_998
    for number in reversed(numbers):
        book.commit([book.write(f"clips/{number:06d}.parquet", b"", kind="clips", rows=1)], removed=["gone"])
    book.commit([book.write("gone", b"1", kind="k", rows=1)])  # after the manifests that remove it
    again = Ledger.open(book.store)
    assert again.paths("clips/") == book.paths("clips/") == [f"clips/{number:06d}.parquet" for number in numbers]
    assert again.num_commits == 100_000_004 and "gone" in again.entries


def test_files_of_a_folder_are_counted_as_they_come_and_go(tmp_path):
    book = Ledger.open(LocalStore(tmp_path))
    book.commit([book.write(f"clips/a/{i}", b"1", kind="k", rows=1) for i in range(3)])
    book.commit([book.write("clips/b/0", b"1", kind="k", rows=1), book.write("clips/a/2", b"2", kind="k", rows=1)])
    book.commit([], removed=["clips/a/0", "clips/a/never"])
    for ledger_of_now in (book, Ledger.open(book.store)):
        assert [ledger_of_now.num_files(f"clips/{name}") for name in "abc"] == [2, 1, 0]
        assert ledger_of_now.num_files("clips") == 0


def test_rubbish_is_what_no_commit_names(tmp_path):
    book = Ledger.open(LocalStore(tmp_path))
    book.commit([book.write("kept", b"1", kind="k", rows=1)])
    for key in ("dataset.json", "left/over", "wanted"):
        book.store.put(key, b"")
    assert book.delete_rubbish(lambda key: key == "wanted") == 1
    assert book.store.list() == ["dataset.json", "kept", "manifest/00000001.jsonl", "wanted"]


def test_the_same_rows_are_the_same_bytes():
    halves = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    assert ledger.to_parquet(halves) == ledger.to_parquet(TABLE)


def test_damage_is_named(tmp_path):
    book = Ledger.open(LocalStore(tmp_path))
    book.commit([book.write_table("a.parquet", TABLE, kind="rows")])
    book.store.put("a.parquet", b"no parquet")
    with pytest.raises(RushesError, match=r"a\.parquet of the dataset is damaged"):
        book.table("a.parquet")
    book.store.put("manifest/00000001.jsonl", b'{"path": "a.par')
    with pytest.raises(RushesError, match=r"manifest/00000001\.jsonl of the dataset is damaged"):
        Ledger.open(book.store)


def test_rows_fit_their_columns_or_are_refused():
    schema = ledger.row_schema({"share": "float32", "boxes": "list<int32>", "vector": "list<float16>"})
    rows = [{"clip_id": "a", "share": 0.5, "boxes": [1], "vector": [0.5]}, {"clip_id": "b", "outcome": "failed"}]
    table = ledger.rows_to_table(rows, schema)
    assert table["boxes"].to_pylist() == [[1], None] and table["vector"].to_pylist()[0] == [0.5]
    with pytest.raises(RushesError, match="does not fit"):
        ledger.rows_to_table([{"share": "much"}], schema)
    with pytest.raises(RushesError, match="column type 'float' is unknown"):
        ledger.arrow_type("float")


def test_a_file_is_hashed_from_where_it_stands():
    file = io.BytesIO(b"xxfilm")
    file.seek(2)
    assert ledger.digest_of(file) == ledger.digest_of(b"film") and ledger.size_of(file) == 4 and file.tell() == 2
