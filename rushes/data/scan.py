"""Scan what a stage wrote, a block of rows at a time and only the columns that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rushes.data.dataset import Dataset
from rushes.errors import RushesError

BLOCK_ROWS = 16384


def files(data: Dataset, stage: str, version: str) -> list[str]:
    """Return the Parquet files in which the rows of one version of a stage lie, of the current clips."""
    return data.ledger.paths(f"stages/{stage}@{version}/{data.cutting}/")


def columns(data: Dataset, stage: str, version: str) -> pa.Schema:
    """Return the columns of one version of a stage; none where it has written no file.

    Raises:
        RushesError: a file is damaged.
    """
    paths = files(data, stage, version)
    return _open(data, paths[0]).schema_arrow if paths else pa.schema([])


def blocks(data: Dataset, stage: str, version: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the columns `names` of one version of a stage in blocks of at most BLOCK_ROWS rows.

    Memory is that of one file of the dataset, compressed, and of one block.

    Raises:
        RushesError: a file is damaged.
    """
    for path in files(data, stage, version):
        try:
            yield from _open(data, path).iter_batches(batch_size=BLOCK_ROWS, columns=list(names), use_threads=False)
        except pa.ArrowException as error:
            raise RushesError(f"{path} of the dataset is damaged ({error})") from None


def rows_of(
    data: Dataset, stage: str, version: str, clip_ids: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Return some clips' columns `names` of one version of a stage, by clip; clips that it has not seen are left out.

    Raises:
        RushesError: a file is damaged.
    """
    wanted, found = pa.array(list(clip_ids), pa.string()), {}
    for block in blocks(data, stage, version, ["clip_id", *names]):
        for row in block.filter(pc.is_in(block["clip_id"], value_set=wanted)).to_pylist():
            found[row.pop("clip_id")] = row
    return found


def _open(data: Dataset, path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(pa.BufferReader(data.store.get(path)))
    except (pa.ArrowException, RushesError) as error:
        raise RushesError(f"{path} of the dataset is damaged ({error})") from None
