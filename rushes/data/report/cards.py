"""Cards: what a report shows of one clip, its pictures as small data URIs, and of the transitions between clips."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from rushes.data import scan, shots
from rushes.data.dataset import Dataset, clip_of
from rushes.data.decode.analysis import Analysis, Pictures
from rushes.data.report.overview import file_of, name_of, printable
from rushes.data.search import captioned
from rushes.errors import RushesError
from rushes.media.thumbnails import pick, timecode

PICTURES = 4  # per card
QUALITY = 72
LONGEST_CAPTION = 500
SOURCES_FOR_TRANSITIONS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One clip: where it is from, `pictures` as data URIs, `captions` as (who wrote it, text), what went wrong."""

    clip_id: str
    source: str
    uri: str
    place: str
    shape: str
    pictures: tuple[str, ...] = ()
    captions: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """One transition: `pictures` before, within where it is long enough, and after it, as data URIs."""

    kind: str
    source: str
    place: str
    length: str
    pictures: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Ink:
    """How many bytes of pictures a page may still hold; what comes after they are spent is shown without."""

    left: int
    width_px: int = 200

    def picture(self, jpeg: bytes) -> str:
        """Return a picture `width_px` wide at most as a data URI; empty where none fits any more."""
        with Image.open(io.BytesIO(jpeg)) as whole:
            # The longest side is bounded, and a tall picture is no larger than a wide one.
            whole.thumbnail((self.width_px, self.width_px * 3 // 4), Image.Resampling.LANCZOS)
            sink = io.BytesIO()
            whole.convert("RGB").save(sink, format="JPEG", quality=QUALITY, optimize=True)
        if sink.tell() > self.left:
            return ""
        self.left -= sink.tell()
        return f"data:image/jpeg;base64,{base64.b64encode(sink.getvalue()).decode()}"


@dataclass(slots=True, kw_only=True)
class Album:
    """Makes cards of the clips of `data`, with pictures while `ink` lasts; `rows` are `data.current_rows()`."""

    data: Dataset
    rows: Mapping[str, pa.Table]
    ink: Ink
    _uris: dict[str, str] = field(default_factory=dict)

    def cards(self, clip_ids: Iterable[str]) -> dict[str, Card]:
        """Return a card for each clip that the dataset has; each source's analysis is read once."""
        wanted = sorted(set(clip_ids))
        clips = self.data.clips()
        rows = clips.filter(pc.is_in(clips["clip_id"], value_set=pa.array(wanted, pa.string()))).to_pylist()
        captions, failures = self._captions(wanted), self._failures(wanted)
        by_source: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_source.setdefault(row["source"], []).append(row)
        found = {}
        for source, own in by_source.items():
            pictures, problem = self._pictures(source)
            for row in own:
                clip = clip_of(row)
                chosen = pictures.within(clip.span).jpegs if pictures else ()
                shown = [self.ink.picture(chosen[i]) for i in pick(len(chosen), PICTURES)] if chosen else []
                remarks = [problem] if problem else [] if chosen else ["no picture was kept of it"]
                found[row["clip_id"]] = Card(
                    clip_id=row["clip_id"],
                    source=self.name_of(source),
                    uri=printable(file_of(self._uri(source)), 400),
                    place=f"{timecode(float(clip.span.start_s))} to {timecode(float(clip.span.end_s))}",
                    shape=f"{row['width_px']} x {row['height_px']}, {row['fps']:.3g} fps, {row['duration_s']:.1f} s",
                    pictures=tuple(picture for picture in shown if picture),
                    captions=tuple(captions.get(row["clip_id"], ())),
                    remarks=tuple([*remarks, *failures.get(row["clip_id"], ())]),
                )
        return found

    def name_of(self, source: str) -> str:
        """Return the file name of a source, fit to print."""
        return name_of(self._uri(source))

    def joins(self, num: int) -> list[Join]:
        """Return a sample of `num` transitions, of every kind that some sources have, from several of them."""
        found: dict[str, list[tuple[Analysis, str, shots.Transition]]] = {}
        for source in self._cut_sources():
            try:
                analysis = self.data.analysis(source)
            except RushesError:
                continue  # its clips' cards say so
            kinds: dict[str, int] = {}
            for transition in shots.transitions(analysis.signals, self.data.config.shots):
                kinds[transition.kind] = kinds.get(transition.kind, 0) + 1
                if kinds[transition.kind] <= 3:
                    found.setdefault(transition.kind, []).append((analysis, source, transition))
            if sum(map(len, found.values())) >= 3 * num and len(found) > 1:
                break
        turns = [chosen for turn in range(num) for kind in sorted(found) for chosen in found[kind][turn : turn + 1]]
        return [self._join(*chosen) for chosen in turns[:num]]

    def _cut_sources(self) -> list[str]:
        """Return the sources of more than one clip, in the order of their hashes, a few at most."""
        sources = self.data.sources()
        several = sources.filter(pc.greater(sources["num_clips"], 1))["sha256"].to_pylist()
        return sorted(set(several))[:SOURCES_FOR_TRANSITIONS]

    def _join(self, analysis: Analysis, source: str, transition: shots.Transition) -> Join:
        times, kept = analysis.times_s, analysis.pictures
        start_s, end_s = (float(times[min(i, len(times) - 1)]) for i in (transition.start, transition.end))
        before = np.flatnonzero(kept.times_s < start_s)[-1:]
        after = np.flatnonzero(kept.times_s >= end_s)[:1]
        within = np.flatnonzero((kept.times_s >= start_s) & (kept.times_s < end_s))
        chosen = [*before, *within[len(within) // 2 : len(within) // 2 + 1], *after]
        pictures = [self.ink.picture(kept.jpegs[i]) for i in chosen]
        frames = transition.end - transition.start
        return Join(
            kind=transition.kind,
            source=self.name_of(source),
            place=timecode(start_s),
            length="" if frames == 0 else f"{frames} frames",
            pictures=tuple(picture for picture in pictures if picture),
        )

    def _uri(self, source: str) -> str:
        if not self._uris:
            sources = self.data.sources()
            pairs = zip(sources["sha256"].to_pylist(), sources["uri"].to_pylist(), strict=True)
            self._uris = {sha: uri for sha, uri in reversed(list(pairs)) if sha}
        return self._uris.get(source) or source

    def _pictures(self, source: str) -> tuple[Pictures | None, str]:
        if self.ink.left <= 0:
            return None, "this page holds no more pictures"
        try:
            return self.data.analysis(source).pictures, ""
        except RushesError as error:
            return None, f"no pictures: {error}"

    def _captions(self, clip_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        known = captioned(self.data)
        versions = Counter(rows.stage for rows in known if rows.captions)
        for rows in known:
            who = rows.stage if versions[rows.stage] == 1 else f"{rows.stage}@{rows.version}"
            names = rows.captions
            own = scan.rows_of(self.data, rows.stage, rows.version, clip_ids, names) if names else {}
            for clip_id, row in own.items():
                texts = [(f"{who} {name}", row[name]) for name in names if row[name]]
                found.setdefault(clip_id, []).extend((who, printable(str(t), LONGEST_CAPTION)) for who, t in texts)
        return found

    def _failures(self, clip_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """Return which stages could not measure some clips, and why."""
        found: dict[str, list[str]] = {}
        for stage, rows in self.rows.items():
            wanted = pc.is_in(rows["clip_id"], value_set=pa.array(list(clip_ids), pa.string()))
            for row in rows.select(["clip_id", "outcome", "reason"]).filter(wanted).to_pylist():
                if row["outcome"] != "ok":
                    reason = printable(row["reason"] or "no reason was given", 200)
                    found.setdefault(row["clip_id"], []).append(f"{stage} {row['outcome']}: {reason}")
        return found
