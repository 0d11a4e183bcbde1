"""What does each step of curation cost on one core of this machine, in processor time, bytes and memory?

Real footage (footage.py), and for the codecs and sizes that it lacks ten seconds of the trailer encoded anew. What has
to be many (hashes, embeddings, rows, commits) is drawn at random or repeated. `-o` keeps the figures as JSON, which
curation_costs.py turns into the cost of a whole dataset.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av
import av.video.stream
import cv2
import footage
import numpy as np
import pyarrow as pa
import torch

from rushes.data import dedup, ledger, run, search, select, settings, shots
from rushes.data.captioning.sentences import LABELS, every_word
from rushes.data.dataset import CLIP_SCHEMA, Dataset
from rushes.data.decode import analysis_file
from rushes.data.decode.analysis import Analysis, AnalysisConfig, View, analyse, view
from rushes.data.intake import sources as intake
from rushes.data.ledger import Entry, Ledger
from rushes.data.loader import BucketConfig, LoaderConfig, batches, order_of
from rushes.data.packing import cut_plan
from rushes.data.packing.cut import CutConfig, clip_id, cut
from rushes.data.packing.pack import Packer, Todo
from rushes.data.presets.curate import STAGES, curate
from rushes.data.shots import ShotConfig
from rushes.data.workers.pool import Work
from rushes.data.workers.tasks import find_stage, measured_rows, work_path
from rushes.media.probe import probe
from rushes.models._fields import FIELDS
from rushes.models.captioner import Captioner, CaptionerConfig
from rushes.nn import weights
from rushes.store.local import LocalStore
from rushes.types import Clip, Span, VideoShape

FILMS = (
    *("trailer_bbb.mp4", "bigbuckbunny.mp4", "a.mp4", "face_noface.mov", "vtest.avi", "Megamind.avi", "box.mp4"),
    *("bikes.mp4", "world.mp4"),
)
LONG = ("trailer_bbb.mp4", "bbb.mp4")  # the films that are long enough for a hundred clips
CLIP_S = 5
# (rows, encoder, options): ten seconds of the trailer, so that codecs and sizes can be compared on the same pictures.
Way = tuple[int, str, dict[str, str]]
MADE: tuple[Way, ...] = (
    (360, "libx264", {"preset": "veryfast", "crf": "20"}),
    (720, "libx264", {"preset": "veryfast", "crf": "20"}),
    (1080, "libx264", {"preset": "veryfast", "crf": "20"}),
    (2160, "libx264", {"preset": "veryfast", "crf": "20"}),
    (720, "libx265", {"preset": "ultrafast", "crf": "22", "x265-params": "log-level=none"}),
    (720, "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "b:v": "2500k"}),
    (720, "libsvtav1", {"preset": "10", "crf": "32", "svtav1-params": "tile-columns=0"}),
)
BRIEF = tuple(way for way in MADE if way[:2] in ((720, "libx264"), (1080, "libx264"), (720, "libsvtav1")))
NUM_HASHES = (1_000, 2_000, 4_000, 8_000, 16_000)
NUM_ROWS = (170, 16_384)  # clips of 5 s in a part of 256 MB; many
Row = dict[str, Any]


def spent(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the median processor seconds of `work`."""
    found = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return statistics.median(found)


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the most memory that `work` held at once in Python, NumPy and Arrow; what DuckDB holds is not seen."""
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    tracemalloc.start()
    kept = work()
    peak = tracemalloc.get_traced_memory()[1] + max(0, pool.bytes_allocated() - before)
    tracemalloc.stop()
    del kept
    return peak


# Films


def films(folder: Path, *, is_brief: bool = False) -> Iterator[Row]:
    """Yield what reading each film costs, processor seconds a minute of film; in brief of those that the bill names."""
    real = [("real", footage.path(name)) for name in (FILMS[:1] if is_brief else FILMS)]
    for kind, path in [*real, *(("made", path) for path in made(folder, BRIEF if is_brief else MADE))]:
        found = probe(path)
        per_minute = 60 / float(found.duration_s)
        analysis = analyse(path)
        kept = analysis_file.to_bytes(analysis)
        yield {
            "film": path.name,
            "kind": kind,
            "codec": found.codec,
            "size": f"{found.width}x{found.height}",
            "fps": round(float(found.fps), 2),
            "mbps": path.stat().st_size * 8e-6 / float(found.duration_s),
            "probe_ms": 1000 * spent(lambda path=path: probe(path)),  # type: ignore[misc]
            "decode": per_minute * spent(lambda path=path: decode(path)),  # type: ignore[misc]
            "analysis": per_minute * spent(lambda path=path: analyse(path)),  # type: ignore[misc]
            "shots": per_minute * spent(lambda analysis=analysis: shots.split(analysis)),  # type: ignore[misc]
            "kept_bytes": per_minute * len(kept),
        }


def decode(path: Path) -> None:
    """Decode a film on one thread with the decoder's defaults."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for _ in container.decode(stream):
            pass


def made(folder: Path, ways: Sequence[Way], seconds: int = 10) -> Iterator[Path]:
    """Encode the same stretch of the trailer in each of some ways, one thread."""
    with av.open(str(footage.path("trailer_bbb.mp4"))) as container:
        container.seek(20 * av.time_base)
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 24 * seconds)]
    for rows, encoder, options in ways:
        path, size = folder / f"{rows}-{encoder}.mp4", (rows * 16 // 9, rows)
        with av.open(str(path), "w") as out:
            stream = cast(av.video.stream.VideoStream, out.add_stream(encoder, rate=24, options=options))
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, "yuv420p", 48
            for pixels in frames:
                scaled = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(scaled, format="rgb24")))
            out.mux(stream.encode())
        yield path


# Clips


def spans(analysis: Analysis) -> list[Span]:
    """Return spans of CLIP_S seconds, one behind the other."""
    count = int(analysis.times_s[-1] / CLIP_S)
    return [Span(start_s=Fraction(CLIP_S * i), end_s=Fraction(CLIP_S * (i + 1))) for i in range(count)]


def views(analysis: Analysis) -> list[View]:
    """Return what stages see of those spans."""
    found = analysis.probe
    shape = VideoShape(frames=round(CLIP_S * float(found.fps)), height=found.height, width=found.width)
    clips = [Clip(id=clip_id("s", one), source="s", span=one, shape=shape, fps=found.fps) for one in spans(analysis)]
    return [view(clip, analysis) for clip in clips]


def stages(seen: list[View], captioner: Path) -> tuple[dict[str, float], dict[str, pa.Table]]:
    """Return processor seconds per clip of each stage, and the rows that it wrote."""
    seconds, tables = {}, {}
    for name in (*STAGES, "caption"):
        stage, setting = find_stage(name, {}), str(captioner) if name == "caption" else ""
        measure, some = stage.load(setting), seen[:16] if name == "caption" else seen
        list(measure(some[:1]))
        each = spent(lambda measure=measure, some=some: list(measure(some)))  # type: ignore[misc]
        seconds[name] = each / len(some)
        rows = measured_rows(stage, measure, seen, stage.version(setting), lambda frames: None)
        tables[name] = ledger.rows_to_table(rows, ledger.row_schema(stage.columns))
    return seconds, tables


def untrained(folder: Path) -> Path:
    """Keep a captioner of the shipped size whose weights are random; what it says is noise, what it costs is not."""
    labels = tuple("|".join(LABELS[name]) for name in FIELDS)
    model = Captioner(replace(CaptionerConfig(), labels=labels, words=every_word()))
    return weights.save(model, folder, family="captioner", config=model.config)


def cutting(analyses: dict[str, Analysis], folder: Path) -> Row:
    """Return processor seconds a second of clip, and bytes, copied and encoded; the share that real shots copy."""
    long, path = analyses[LONG[1]], footage.path(LONG[1])
    packets = cut_plan.read_packets(path, long.times_s, lambda frames: None)
    assert packets is not None
    starts = [float(long.times_s[rank]) for rank in np.sort(packets.rank[packets.is_key & (packets.rank >= 0)])]
    apart, last = [], -1.0
    for start in starts:
        if start >= last and start + CLIP_S < long.times_s[-1]:
            last = start + CLIP_S
            apart.append(Span(start_s=Fraction(start), end_s=Fraction(last)))
    found: Row = {"keyframe_s": float(np.median(np.diff(starts)))}
    whole = spans(analyses[LONG[0]])
    for how, name, config, some in (
        ("copy", LONG[1], CutConfig(), apart),
        ("whole", LONG[0], CutConfig(copy=False), whole),
    ):
        begun = time.process_time()
        cuts, _ = cut(footage.path(name), "s", analyses[name], some, config, folder, lambda frames: None)
        seconds = [float(one.clip.span.duration_s) for one in cuts if one.how == how]
        found[how] = (time.process_time() - begun) / sum(seconds)
        found[f"{how}_mbps"] = sum(one.path.stat().st_size for one in cuts) * 8e-6 / sum(seconds)
        found[f"num_{how}"] = len(seconds)
    found["copied_shares"] = {name: copied_share(footage.path(name)) for name in (*FILMS, LONG[1])}
    return found


def copied_share(path: Path) -> float | None:
    """Return the share of a film's clips, cut at its own shots by the preset's settings, that can be copied."""
    analysis = analyse(path)
    packets = cut_plan.read_packets(path, analysis.times_s, lambda frames: None)
    plans: list[cut_plan.Plan] = []
    for span in shots.split(analysis, ShotConfig()):
        first, last = (int(i) for i in np.searchsorted(analysis.times_s, [float(span.start_s), float(span.end_s)]))
        floor = plans[-1].last if plans else 0
        plans.append(cut_plan.plan_clip(first, last, floor, packets, analysis, CutConfig()))
    return sum(plan.how == "copy" for plan in plans) / len(plans) if plans else None


class Here:
    """A runner without workers, so that this process spends all the time."""

    def map(self, function: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield (item, result) one after the other."""
        for item in items:
            yield item, function(item, lambda frames: None)


def loading(folder: Path) -> tuple[Row, Dataset]:
    """Return processor seconds per sample of the loader, from a dataset of the trailer; and that dataset."""
    films_folder = folder / "films"
    films_folder.mkdir()
    (films_folder / LONG[0]).symlink_to(footage.path(LONG[0]))
    config = replace(curate(), stages={"motion": ""}, select=select.SelectConfig(), shots=ShotConfig(max_s=6.0))
    run.curate(str(folder / "dataset"), [str(films_folder)], config, Here())
    data, found = Dataset.open(folder / "dataset"), {}
    for name, bucket in {
        "16 frames of 160x90": BucketConfig(frames=16, fps=8, height=90, width=160),
        "48 frames of 640x360": BucketConfig(frames=48, fps=16, height=360, width=640),
    }.items():
        steps = batches(data, LoaderConfig(buckets=(bucket,), batch=4), workers=1)
        next(steps)
        found[name] = spent(lambda steps=steps: list(islice(steps, 4)), 1) / 16  # type: ignore[misc]
        steps.close()  # type: ignore[attr-defined]
    return found, data


# What is many


def packing(folder: Path, num: int = 100, num_bytes: int = 1_500_000) -> Row:
    """Return processor and wall seconds a megabyte of packing finished sources into a shard and its rows."""
    store, config = LocalStore(folder / "packed"), curate()
    random = np.random.default_rng(0)
    clip = {**{n: 1 for n in CLIP_SCHEMA.names}, **dict.fromkeys(("codec", "how", "bucket"), "x"), "offset": 0}
    todo = []
    for index in range(num):
        sha = random.bytes(32).hex()
        source = {"sha256": sha, "uri": f"file:///{index}", "num_bytes": num_bytes, "licence": "", "provenance": ""}
        row = {**clip, "clip_id": sha[:32], "source": sha, "num_bytes": num_bytes}
        done = {"source": {**source, "outcome": "ok", "reason": "", "num_clips": 1}, "clips": [row], "analysis": None}
        store.put(work_path(config, sha, "tar"), random.bytes(num_bytes))
        store.put(work_path(config, sha, "json"), json.dumps(done).encode())
        todo.append(Todo("work", source, ""))
    packer = Packer(Ledger.open(store), config, todo)
    packer.ready |= {one.sha256 for one in todo}
    wall = time.perf_counter()
    seconds = spent(packer.advance, 1)
    megabytes = num * num_bytes / 1e6
    return {"cpu_s_per_mb": seconds / megabytes, "wall_s_per_mb": (time.perf_counter() - wall) / megabytes}


def commits(folder: Path, num: int = 200_000, at_once: int = 500) -> Row:
    """Return what a committed file costs a ledger: seconds to read it, to pass it over in a search, bytes."""
    store = LocalStore(folder / "commits")
    book, sha = Ledger(store), "0" * 64
    for start in range(0, num, at_once):
        paths = [f"analysis/0123456789ab/ab/{i:064d}.arrow" for i in range(start, start + at_once)]
        book.commit([Entry(path=path, kind="analysis", rows=120, sha256=sha[:], num_bytes=100_000) for path in paths])
    manifest = sum(len(store.get(key)) for key in store.list("manifest/"))
    intaken = [{"uri": f"file:///films/{i:012d}.mp4", "sha256": f"{i:064d}", "problem": "", "again": False,
                "num_bytes": i, "mtime_ns": i, "licence": "", "provenance": ""} for i in range(num // 4)]  # fmt: skip
    table = pa.Table.from_pylist(intaken, schema=intake.SCHEMA)
    return {
        "open_s": spent(lambda: Ledger.open(store)) / num,
        "paths_s": spent(lambda: book.paths("sources/")) / num,
        "memory_bytes": peak_bytes(lambda: Ledger.open(store)) / num,
        "manifest_bytes": manifest / num,
        "todo_s": spent(lambda: run.todo_of(table.to_pylist())) / len(intaken),
        "todo_bytes": peak_bytes(lambda: run.todo_of(table.to_pylist())) / len(intaken),
    }


def duplicates() -> list[Row]:
    """Return processor seconds a clip among ever more clips, a tenth of them copies with noise; and peak memory."""
    found = []
    for num in NUM_HASHES:
        some = candidates(num)
        seconds = spent(lambda some=some: dedup.duplicates(*some), 1)  # type: ignore[misc]
        peak = peak_bytes(lambda some=some: dedup.duplicates(*some)) if num <= NUM_HASHES[-2] else 0  # type: ignore[misc]
        twins = dedup.duplicates(*some) if num == NUM_HASHES[0] else {}
        found.append({"num": num, "s_per_clip": seconds / num, "bytes_per_clip": peak / num, "found": len(twins)})
    return found


def candidates(num: int) -> tuple[list[dedup.Candidate], np.ndarray]:
    """Return clips and their hashes, with the spectrum of photographs (amplitude 1/f) and random phases."""
    random = np.random.default_rng(num)
    v, u = np.meshgrid(np.fft.fftfreq(27), np.fft.rfftfreq(48), indexing="ij")
    fall = 1 / np.maximum(np.hypot(u, v), 1 / 48)
    fall[0, 0] = 0

    def drawn(count: int, deviation: float) -> np.ndarray:
        field = np.fft.irfft2(np.fft.rfft2(random.normal(size=(count, 27, 48))) * fall, s=(27, 48))
        return field * deviation / field.std(axis=(1, 2), keepdims=True)

    first = num - num // 10
    place, moved = drawn(first, 45)[:, None], drawn(3 * first, 12).reshape(first, 3, 27, 48)
    means = 110 + place + moved
    means = np.concatenate([means, means[: num - first] + random.normal(scale=3, size=(num - first, 3, 27, 48))])
    hashes = np.clip(means, 0, 255).astype(np.uint8)
    return [dedup.Candidate(id=f"{i:08d}", num_pixels=1, duration_s=5) for i in range(num)], hashes


def many(table: pa.Table, num: int) -> pa.Table:
    """Return `num` rows like those of a table, each with an id and with last digits of its own."""
    random = np.random.default_rng(num)
    found = table.take(pa.array(random.integers(0, table.num_rows, num)))
    for index, column in enumerate(table.schema):
        if column.name == "clip_id":
            found = found.set_column(index, column, pa.array([random.bytes(16).hex() for _ in range(num)]))
        elif pa.types.is_floating(column.type):
            values = found[column.name].to_numpy(zero_copy_only=False)
            found = found.set_column(index, column, pa.array(values * random.normal(1, 1e-3, num), column.type))
        elif column.name == "means":
            bytes_of = (np.frombuffer(value, np.uint8) for value in found["means"].to_pylist())
            noisy = [(one ^ random.integers(0, 2, one.size, np.uint8)).tobytes() for one in bytes_of]
            found = found.set_column(index, column, pa.array(noisy, pa.binary()))
        elif column.name == "embedding":
            width = len(found["embedding"][0])
            drawn = pa.array(random.normal(size=num * width).astype(np.float16))
            lists = pa.ListArray.from_arrays(pa.array(np.arange(0, (num + 1) * width, width, dtype=np.int32)), drawn)
            found = found.set_column(index, column, lists)
    return found


def row_bytes(tables: dict[str, pa.Table]) -> Row:
    """Return Parquet bytes per clip of each table, in parts of each of NUM_ROWS."""
    return {
        str(num): {name: len(ledger.to_parquet(many(table, num))) / num for name, table in tables.items()}
        for num in NUM_ROWS
    }


def index(data: Dataset, tables: dict[str, pa.Table], num: int = 20_000) -> Row:
    """Return what the selection and the loader take per clip, duplicates not counted."""
    clips, config = many(data.clips(), num), curate().select
    rows = {name: many(tables[name], num) for name in STAGES}
    rows = {n: table.set_column(0, "clip_id", clips["clip_id"]) for n, table in rows.items()}
    columns = select.measured(clips, rows, data.sources())
    big = Dataset(store=data.store, config=data.config, ledger=Ledger(data.store), _clips=clips)
    # Every clip is kept, so that the loader's order has them all.
    everything = [{"clip_id": name, "kept": True, "weight": 1.0} for name in clips["clip_id"].to_pylist()]
    table, path = ledger.rows_to_table(everything, select.SCHEMA), big.selection_path()
    big.ledger.entries[path] = big.ledger.write_table(path, table, kind="selection")
    loader = LoaderConfig(buckets=(BucketConfig(frames=16, fps=8, height=90, width=160),))
    work: dict[str, Callable[[], object]] = {
        "measured": lambda: select.measured(clips, rows, data.sources()),
        "select": lambda: select.select(columns, config),
        "order": lambda: order_of(big, loader),
    }
    found = {f"{name}_s": spent(each) / num for name, each in work.items()}
    return found | {f"{name}_bytes": peak_bytes(each) / num for name, each in work.items()}


def searching(folder: Path, tables: dict[str, pa.Table], num_files: int = 8) -> Row:
    """Return processor seconds per clip of an exact search, by embedding and by words, read from Parquet."""
    config, book = replace(curate(), stages={"caption": ""}), Ledger(LocalStore(folder / "search"))
    big = Dataset(store=book.store, config=config, ledger=book, versions={"caption": "x"})
    for part in range(num_files):
        path = f"stages/caption@x/{settings.cutting_key(config)}/{part:06d}.parquet"
        book.commit([book.write_table(path, many(tables["caption"], NUM_ROWS[-1]), kind="rows")])
    (rows,), num = search.captioned(big), num_files * NUM_ROWS[-1]
    query = np.random.default_rng(0).normal(size=len(tables["caption"]["embedding"][0])).astype(np.float32)
    return {
        "embedding_s": spent(lambda: search.nearest(big, query, rows)) / num,
        "words_s": spent(lambda: search.matching(big, "a red boat at sea", rows), 1) / num,
    }


def hashing(path: Path) -> float:
    """Return processor seconds a megabyte of knowing a source by its bytes."""
    found = intake.Found(uri=path.absolute().as_uri())
    return spent(lambda: intake.take_in([found])) / (path.stat().st_size / 1e6)


class Bench:
    """What is measured, a group of figures at a time; in brief the trailer alone stands for the long films."""

    def __init__(self, folder: Path, *, is_brief: bool) -> None:
        self.folder, self.is_brief = folder, is_brief
        self.long = LONG[:1] if is_brief else LONG

    @cached_property
    def analyses(self) -> dict[str, Analysis]:
        return {film: analyse(footage.path(film)) for film in self.long}

    @cached_property
    def staged(self) -> tuple[dict[str, float], dict[str, pa.Table]]:
        seen = [one for analysis in self.analyses.values() for one in views(analysis)]
        return stages(seen, untrained(self.folder / "captioner"))

    @cached_property
    def loaded(self) -> tuple[Row, Dataset]:
        return loading(self.folder)

    @cached_property
    def tables(self) -> dict[str, pa.Table]:
        data = self.loaded[1]
        return {"clips": data.clips(), "sources": data.sources(), **self.staged[1]}


GROUPS: dict[str, Callable[[Bench], Any]] = {
    "films": lambda bench: list(films(bench.folder, is_brief=bench.is_brief)),
    "intake_s_per_mb": lambda bench: hashing(footage.path(bench.long[-1])),
    "stages_s": lambda bench: bench.staged[0],
    "cutting": lambda bench: cutting(bench.analyses, bench.folder),
    "loader_s": lambda bench: bench.loaded[0],
    "packing": lambda bench: packing(bench.folder),
    "commits": lambda bench: commits(bench.folder),
    "row_bytes": lambda bench: row_bytes(bench.tables),
    "index": lambda bench: index(bench.loaded[1], bench.tables),
    "search": lambda bench: searching(bench.folder, bench.tables),
    "duplicates": lambda bench: duplicates(),
}


def measure(names: Iterable[str], say: Callable[[str, Any], None], *, is_brief: bool = False) -> None:
    """Measure some groups; `say(name, figures)` hears of each as it is done."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    say("threads", AnalysisConfig().threads)
    say("clip_s", CLIP_S)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), is_brief=is_brief)
        for group in names:
            say(group, GROUPS[group](bench))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, help="where the figures are kept as JSON; others that it has stay")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), help="measure these groups")
    parser.add_argument("--brief", action="store_true", help="fewer films, and the trailer for the long ones")
    arguments = parser.parse_args()
    found = json.loads(arguments.out.read_text()) if arguments.out and arguments.out.exists() else {}

    def note(name: str, figures: Any) -> None:
        print(name, json.dumps(figures, indent=1), flush=True)
        if name == "films":  # those that were not measured this time stay as they are
            fresh = {row["film"] for row in figures}
            figures = [row for row in found.get("films", []) if row["film"] not in fresh] + figures
        found[name] = figures
        if arguments.out:
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")

    measure(arguments.only, note, is_brief=arguments.brief)


if __name__ == "__main__":
    main()
