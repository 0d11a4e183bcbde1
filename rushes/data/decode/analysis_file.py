"""An analysis as one Arrow file: what stages read, so that a stage runs again without decoding a frame."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from rushes.data.decode.analysis import Analysis, Pictures
from rushes.errors import RushesError
from rushes.media.probe import Probe

_ARRAYS = ("probe", "times_s", "signals", "pictures")
_NAMED = [("name", pa.string()), ("dtype", pa.string()), ("shape", pa.list_(pa.int64())), ("values", pa.large_binary())]
_SIGNAL = pa.struct(_NAMED)
SCHEMA = pa.schema(
    [
        ("header", pa.string()),
        ("times_s", pa.large_list(pa.float64())),
        ("signals", pa.large_list(_SIGNAL)),
        ("picture_times_s", pa.large_list(pa.float64())),
        ("jpegs", pa.large_list(pa.large_binary())),
    ]
)


def to_bytes(analysis: Analysis) -> bytes:
    """Return the analysis as an Arrow IPC file of one row; the same analysis gives the same bytes.

    Fields of Analysis that are no arrays (how the decode went) travel as JSON beside the probe.
    """
    plain = {f.name: getattr(analysis, f.name) for f in dataclasses.fields(analysis) if f.name not in _ARRAYS}
    header = {"probe": probe_to_dict(analysis.probe), "plain": plain}
    signals = [
        {
            "name": name,
            "dtype": str(values.dtype),
            "shape": list(values.shape),
            "values": np.ascontiguousarray(values).tobytes(),
        }
        for name, values in sorted(analysis.signals.items())
    ]
    row = {
        "header": json.dumps(header, sort_keys=True),
        "times_s": analysis.times_s.tolist(),
        "signals": signals,
        "picture_times_s": analysis.pictures.times_s.tolist(),
        "jpegs": list(analysis.pictures.jpegs),
    }
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(pa.Table.from_pylist([row], schema=SCHEMA))
    return sink.getvalue().to_pybytes()


def from_bytes(content: bytes) -> Analysis:
    """Return the analysis that `to_bytes` wrote.

    Raises:
        RushesError: damaged, or written by another version of Rushes.
    """
    try:
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
        header = json.loads(table["header"][0].as_py())
        lists = {name: table[name][0].values for name in ("times_s", "picture_times_s", "jpegs")}
        signals = {
            one["name"]: np.frombuffer(one["values"], one["dtype"]).reshape(one["shape"])
            for one in table["signals"][0].as_py()
        }
        return Analysis(
            probe=probe_from_dict(header["probe"]),
            times_s=lists["times_s"].to_numpy(zero_copy_only=False),
            signals=signals,
            pictures=Pictures(
                times_s=lists["picture_times_s"].to_numpy(zero_copy_only=False),
                jpegs=tuple(lists["jpegs"].to_pylist()),
            ),
            **header["plain"],
        )
    except (pa.ArrowException, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise RushesError(f"the kept analysis is damaged or of another version ({error})") from None


def probe_to_dict(probe: Probe) -> dict[str, Any]:
    """Return the probe as plain JSON types; fps as `24000/1001`."""
    return {**dataclasses.asdict(probe), "fps": str(probe.fps)}


def probe_from_dict(values: dict[str, Any]) -> Probe:
    """Return the probe that `probe_to_dict` wrote."""
    return Probe(**{**values, "fps": Fraction(values["fps"])})
