"""A dataset written by hand, without a film: what the tests of overview, report and search read."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from rushes import config as configs
from rushes import registry, store
from rushes.data import dataset, ledger, settings
from rushes.data.dataset import CLIP_SCHEMA, SOURCE_SCHEMA, Dataset
from rushes.data.decode import analysis_file
from rushes.data.decode.analysis import Analysis, Pictures
from rushes.data.select import SelectConfig
from rushes.data.settings import CurateConfig
from rushes.media.probe import Probe

CUTS = {"too small": "least(width_px, height_px) >= 256", "too static": "motion.median > 0.001"}
NAUGHTY = 'dir/<script>alert(1)</script> & "quo\'te"\n\x1b[31m\u202e.mp4'
CAPTION = {name: pa.string() for name in ("short", "medium", "fields")} | {"embedding": pa.list_(pa.float16())}
WORDS = ("a red boat drifts left at sunset", "two cats in a city", "the mountains in <b>snow</b>", "boats at noon")


def jpeg(seed: int, size: tuple[int, int] = (320, 180)) -> bytes:
    """Return a picture of stripes."""
    colours = np.random.default_rng(seed).integers(0, 255, (3, 4, 3)).astype(np.uint8)
    sink = io.BytesIO()
    Image.fromarray(colours).resize(size, Image.Resampling.NEAREST).save(sink, format="JPEG")
    return sink.getvalue()


def analysis(seed: int, seconds: int, *, size: tuple[int, int] = (320, 180)) -> Analysis:
    """Return an analysis with pictures at 4 fps, of a film that shows something else every two seconds."""
    times = np.arange(seconds * 4) / 4
    random, shots = np.random.default_rng(seed), seconds // 2
    signals = {
        "thumb": random.integers(0, 255, (shots, 504)).astype(np.uint8).repeat(8, axis=0),
        "histogram": (255 * np.eye(64)[np.arange(shots) % 64]).astype(np.uint8).repeat(8, axis=0),
        "detail": np.ones(len(times), np.float32),
    }
    probe = Probe(
        container="mp4",
        codec="h264",
        width=640,
        height=360,
        fps=Fraction(4),
        num_frames=len(times),
        duration_s=float(seconds),
        pix_fmt="yuv420p",
        rotation=0,
    )
    pictures = Pictures(times_s=times, jpegs=tuple(jpeg(seed + int(time), size) for time in times))
    return Analysis(probe=probe, times_s=times, signals=signals, pictures=pictures)


def write(
    place: Path,
    *,
    num_sources: int = 4,
    num_clips: int = 5,
    cuts: dict[str, str] | None = None,
    num_pictured: int = 10**9,
    names: tuple[str, ...] = (),
) -> Dataset:
    """Write a dataset of `num_sources` films with `num_clips` clips of 2 s each; every third clip is static.

    Clips of every fourth source are small. One clip in seven repeats the one before, one in eleven was not measured.
    The first `num_pictured` films have an analysis. There are also one empty file and one of an odd name.
    """
    config = CurateConfig(stages={"motion": ""}, select=SelectConfig(cuts=CUTS if cuts is None else cuts))
    kept = store.at(str(place))
    kept.put(dataset.HEAD, json.dumps({"format": settings.FORMAT, "config": configs.to_dict(config)}).encode())
    book, cutting = ledger.Ledger.open(kept), settings.cutting_key(config)
    shas = [f"{index:064x}" for index in range(1, num_sources + 1)]
    sources = [
        {
            "sha256": sha,
            "uri": names[i] if i < len(names) else f"/films/film {i}.mp4",
            "num_bytes": 1_000_000,
            "outcome": "ok",
            "reason": "",
            "duration_s": 2.0 * num_clips,
            "codec": "h264",
            "num_clips": num_clips,
        }
        for i, sha in enumerate(shas)
    ]
    for sha, uri, reason in (("e", "/films/empty.mp4", "empty"), ("f", NAUGHTY, "<i>no film</i>")):
        sources.append({"sha256": sha * 64, "uri": uri, "num_bytes": 9, "outcome": "refused", "reason": reason})
    clips = [_clip(sha, i, j) for i, sha in enumerate(shas) for j in range(num_clips)]
    entries = [
        book.write_table(f"sources/{cutting}/000000.parquet", _table(sources, SOURCE_SCHEMA), kind="sources"),
        book.write_table(f"clips/{cutting}/000000.parquet", _table(clips, CLIP_SCHEMA), kind="clips"),
    ]
    if clips:
        entries.append(_rows(book, cutting, "motion", *_motion(clips)))
        entries.append(_rows(book, cutting, "caption", *_captions(clips)))
    for index, sha in enumerate(shas[:num_pictured]):
        content = analysis_file.to_bytes(analysis(index, 2 * num_clips))
        entries.append(book.write(dataset.analysis_path(config, sha), content, kind="analysis", rows=1))
    book.commit(entries)
    return Dataset.open(place)


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def _clip(sha: str, source: int, index: int) -> dict[str, object]:
    small = source % 4 == 3
    return {
        "clip_id": f"{index:04x}{sha[-12:]}",
        "source": sha,
        **{"start_num": 2 * index, "start_den": 1, "end_num": 2 * index + 2, "end_den": 1},
        **{"duration_s": 2.0, "frames": 48, "height_px": 144 if small else 360, "width_px": 640, "fps": 24.0},
        **{"fps_num": 24, "fps_den": 1, "codec": "h264", "how": "copy", "keyframes": 1, "bits_per_pixel": 0.1},
        **{"bucket": "2s 16:9 24fps", "shard": "shards/000000.tar", "offset": 0, "num_bytes": 10_000},
    }


def _motion(clips: list[dict[str, object]]) -> tuple[list[dict[str, object]], dict[str, pa.DataType]]:
    stage = registry.find("data.stages", "motion")
    columns = {name: ledger.arrow_type(kind) for name, kind in stage.columns.items()}
    rows: list[dict[str, object]] = []
    for i, clip in enumerate(clips):
        value = 0.0001 * (1 + i % 5) if i % 3 == 0 else 0.002 * (1 + i % 9)
        measured = {name: value for name, kind in columns.items() if pa.types.is_floating(kind)}
        failed = {"outcome": "failed", "reason": "it has <one> picture"}
        rows.append({"clip_id": clip["clip_id"], **(failed if i % 11 == 10 else {"outcome": "ok", **measured})})
    return [{"version": stage.version(""), **row} for row in rows], columns


def _captions(clips: list[dict[str, object]]) -> tuple[list[dict[str, object]], dict[str, pa.DataType]]:
    rows = []
    for i, clip in enumerate(clips):
        angle = i / len(clips) * np.pi
        fields = json.dumps({"place": ("sea", "city", "mountains")[i % 3], "subjects": [{"kind": "boat"}], "sure": 0.5})
        embedding = np.array([np.cos(angle), np.sin(angle), 0.0], np.float16).tolist()
        said = {"short": WORDS[i % 4], "medium": f"{WORDS[i % 4]}, clip {i}", "fields": fields, "embedding": embedding}
        rows.append({"clip_id": clip["clip_id"], "version": "by-hand", "outcome": "ok", **said})
    return rows, CAPTION


def _rows(
    book: ledger.Ledger, cutting: str, stage: str, rows: list[dict[str, object]], columns: dict[str, pa.DataType]
) -> ledger.Entry:
    texts = [(name, pa.string()) for name in ("clip_id", "stage", "version", "outcome", "reason")]
    table = _table([{"stage": stage, "reason": "", **row} for row in rows], pa.schema([*texts, *columns.items()]))
    return book.write_table(f"stages/{stage}@{rows[0]['version']}/{cutting}/000000.parquet", table, kind="rows")
