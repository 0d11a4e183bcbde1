"""Films with known transitions, cut together from real shots: what shot detection is judged on.

Each film lasts 6 to 15 s and joins stretches of real footage that hold one shot each by hard cuts, dissolves of 4-24
frames and fades through black or white. Flashes, fast pans and letterbox bars are there to mislead; they are no
transitions. The stretches were chosen with a content detector, then looked at: a strip and the largest jump of each.

`truth.json` lists, per film, its transitions as (kind, first, last): `first` is the first frame that is not the old
shot alone, `last` the first frame that is the new shot alone. A cut has both on the new shot's first frame. Two shots
are joined only where their frames differ visibly; a joint that nobody can see has no truth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import footage
import numpy as np

BANK_SIZE = (540, 960)
SIZES = ((270, 480), (270, 480), (270, 480), (360, 640))
RATES = (24, 25, 30)
KINDS = {"cut": 0.55, "dissolve": 0.27, "fade": 0.18}
FLASHES, PANS, BARS = 0.15, 0.2, 0.2  # shares: shots with a flash, shots with a fast pan, films with letterbox bars
CLEAR = 10  # frames between a distractor and a transition, so that neither hides the other
SEEN = 12.0  # least mean difference of luma, in levels, between the two sides of a joint
_BUNNY = """
288-375 381-460 1148-1343 1349-1453 1459-1528 1534-1590 1714-1760 1766-1810 1816-1916 1922-2151 2197-2391 2497-2600
2834-2898 2904-2960 2966-3042 3516-3575 3581-3741 3747-3857 3922-3986 4269-4329 4335-4460 4466-4541 4547-4609 4615-4669
4729-4793 4799-4897 5016-5076 5082-5128 5134-5289 5310-5368 5374-5427 5433-5515 5521-5576 5582-5720 5847-6015 6391-6485
6491-6620 6626-6667 6756-6830 6836-7010 7016-7090 7403-7497 7503-7543 7549-7610 7616-7658 7664-7729 8027-8082 8094-8151
8948-9006 9012-9077 9083-9145 9151-9376 9423-9465 9510-9572 9722-9792 9798-9847 9894-9984 10019-10078 10128-10181
10187-10231 10342-10406 10471-10571 11352-11521 11563-11609 11615-11668 11674-11725 13945-14120
"""
STRETCHES = {
    "bbb.mp4": _BUNNY,
    "bikes.mp4": "33-73 79-134 140-184 190-239",
    "carphone_pristine.mp4": "3-117",
    "vtest.avi": "3-200 203-400 403-600",
    "Megamind.avi": "4-95 101-151 157-197 203-267",
    "WolfgangLanger_Pexels.mp4": "3-150 160-300 310-469",
    "face_noface.mov": "3-69 76-166",
    "box.mp4": "3-125 128-250 260-450",
    "cup.mp4": "3-214",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Frames `first` to `last` (inclusive) of a film; one shot, no transition inside."""

    film: str
    first: int
    last: int

    @property
    def num_frames(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a stretch as it enters a composite: start inside the stretch, frames, and what misleads in it."""

    stretch: Stretch
    start: int
    num_frames: int
    pan: tuple[float, float, float, float] | None = None  # x0, y0, x1, y1 of the crop's corner, in shares of the slack
    flash: tuple[int, int, float] | None = None  # first frame inside the piece, frames, strength


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """How two pieces meet: `num_frames` mixed frames (0 for a cut); a fade leads through `level` (0 or 255)."""

    kind: str
    num_frames: int
    level: int = 0
    hold: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """One film's plan."""

    height: int
    width: int
    fps: int
    bars: float
    crf: int
    pieces: tuple[Piece, ...]
    joints: tuple[Joint, ...] = field(default=())


def stretches() -> list[Stretch]:
    """Return all stretches known to hold one shot."""
    pairs = ((film, text.split("-")) for film, texts in STRETCHES.items() for text in texts.split())
    return [Stretch(film=film, first=int(first), last=int(last)) for film, (first, last) in pairs]


def bank() -> dict[Stretch, Path]:
    """Return one small film per stretch (at most 960x540, 16:9, nearly lossless), made once beside the footage."""
    place = footage.folder() / "stretches"
    place.mkdir(exist_ok=True)
    files = {s: place / f"{s.film.partition('.')[0]}-{s.first}-{s.last}.mp4" for s in stretches()}
    for film in STRETCHES:
        missing = [s for s in files if s.film == film and not files[s].is_file()]
        if missing:
            _fill(footage.path(film), {s: files[s] for s in missing})
    return files


def _fill(path: Path, files: dict[Stretch, Path]) -> None:
    """Decode a film once and write the frames of each stretch."""
    waiting = sorted(files, key=lambda s: s.first)
    frames: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for index, frame in enumerate(container.decode(stream)):
            if index >= waiting[0].first:
                frames.append(_cover(frame.to_ndarray(format="rgb24"), *BANK_SIZE))
            if index == waiting[0].last:
                done = waiting.pop(0)
                draft = files[done].with_suffix(".part.mp4")
                write(draft, frames, fps=24, crf=12, gop=12)
                draft.rename(files[done])
                frames = []
            if not waiting:
                return


def read(path: Path, first: int = 0, last: int | None = None) -> Iterator[np.ndarray]:
    """Yield the RGB frames from `first` to `last`, both inclusive; those before are decoded but not converted."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for index, frame in enumerate(container.decode(stream)):
            if last is not None and index > last:
                return
            if index >= first:
                yield frame.to_ndarray(format="rgb24")


def _cover(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut to the aspect of height x width around the centre, then shrink to it; small frames stay small."""
    h, w = frame.shape[:2]
    cut_h, cut_w = (h, round(h * width / height)) if w * height > h * width else (round(w * height / width), w)
    top, left = (h - cut_h) // 2, (w - cut_w) // 2
    cut = frame[top : top + cut_h, left : left + cut_w]
    scale = min(1.0, height / cut_h)
    size = (round(cut_w * scale) // 2 * 2, round(cut_h * scale) // 2 * 2)
    return cv2.resize(cut, size, interpolation=cv2.INTER_AREA)


def write(
    path: Path, frames: list[np.ndarray] | Iterator[np.ndarray], *, fps: Fraction | int, crf: int, gop: int
) -> int:
    """Write RGB frames as H.264, one thread (so that the bytes are the same each time); return how many."""
    count = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": str(crf), "preset": "superfast", "g": str(gop)}
        for array in frames:
            if not count:
                stream.height, stream.width = array.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
            count += 1
        container.mux(stream.encode(None))
    return count


def plan(rng: np.random.Generator, known: list[Stretch], looks: dict[Stretch, np.ndarray]) -> Composite:
    """Draw one film: looks are the frames of each stretch at 32x18 in luma, to keep invisible joints out."""
    height, width = SIZES[rng.integers(len(SIZES))]
    fps = int(rng.choice(RATES))
    wanted = int(rng.uniform(6.5, 10.5) * fps)
    pieces: list[Piece] = []
    joints: list[Joint] = []
    total = 0
    while total < wanted:
        piece = _piece(rng, known)
        if pieces and not _is_seen(pieces[-1], piece, looks):
            continue
        if pieces:
            joints.append(_fitting(rng, pieces[-1], piece))
        pieces.append(piece)
        total += piece.num_frames
    pieces = [_misled(rng, piece) for piece in pieces]
    bars = float(rng.uniform(0.08, 0.14)) if rng.random() < BARS else 0.0
    crf = int(rng.integers(20, 31))
    return Composite(
        height=height, width=width, fps=fps, bars=bars, crf=crf, pieces=tuple(pieces), joints=tuple(joints)
    )


def _piece(rng: np.random.Generator, known: list[Stretch]) -> Piece:
    stretch = known[rng.integers(len(known))]
    num_frames = int(rng.integers(40, min(150, stretch.num_frames) + 1)) if stretch.num_frames > 40 else 40
    num_frames = min(num_frames, stretch.num_frames)
    return Piece(stretch=stretch, start=int(rng.integers(stretch.num_frames - num_frames + 1)), num_frames=num_frames)


def _is_seen(old: Piece, new: Piece, looks: dict[Stretch, np.ndarray]) -> bool:
    if old.stretch == new.stretch:
        return False
    a, b = looks[old.stretch][old.start + old.num_frames - 1], looks[new.stretch][new.start]
    return float(np.abs(a.astype(np.float32) - b).mean()) >= SEEN


def _joint(rng: np.random.Generator) -> Joint:
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "cut":
        return Joint(kind=kind, num_frames=0)
    if kind == "dissolve":
        return Joint(kind=kind, num_frames=int(rng.integers(4, 25)))
    half, hold = int(rng.integers(5, 15)), int(rng.integers(0, 9))
    return Joint(kind=kind, num_frames=2 * half + hold, level=int(rng.choice([0, 0, 255])), hold=hold)


def _fitting(rng: np.random.Generator, old: Piece, new: Piece) -> Joint:
    """Draw a joint that leaves both pieces at least half to themselves."""
    joint = _joint(rng)
    while joint.num_frames > min(old.num_frames, new.num_frames) // 2:
        joint = _joint(rng)
    return joint


def _misled(rng: np.random.Generator, piece: Piece) -> Piece:
    """Perhaps add a pan or a flash, clear of both ends."""
    pan = flash = None
    if rng.random() < PANS:
        x0, y0 = rng.uniform(0, 1, 2)
        pan = (float(x0), float(y0), float(1.0 if x0 < 0.5 else 0.0), float(y0 + rng.uniform(-0.2, 0.2)))
    elif rng.random() < FLASHES / (1 - PANS):
        free = piece.num_frames - 2 * (CLEAR + 14)
        if free > 4:
            first = CLEAR + 14 + int(rng.integers(free - 3))
            flash = (first, int(rng.integers(1, 4)), float(rng.uniform(0.4, 0.95)))
    return Piece(stretch=piece.stretch, start=piece.start, num_frames=piece.num_frames, pan=pan, flash=flash)


def _play(piece: Piece, path: Path, height: int, width: int) -> np.ndarray:
    """Return the frames of a piece, uint8 `[n h w 3]`, with its pan or flash."""
    chosen = list(read(path, piece.start, piece.start + piece.num_frames - 1))
    n, frames = len(chosen), []
    for index, frame in enumerate(chosen):
        if piece.pan:
            # All in a third of the piece: 540 px of a 960 px frame are seen, and they cross up to 420 px in that time.
            x0, y0, x1, y1 = piece.pan
            t = np.clip((index - n / 3) / (n / 3), 0, 1)
            h, w = frame.shape[:2]
            ch, cw = round(h * 0.5625), round(w * 0.5625)
            top = round(np.clip(y0 + (y1 - y0) * t, 0, 1) * (h - ch))
            left = round(np.clip(x0 + (x1 - x0) * t, 0, 1) * (w - cw))
            frame = frame[top : top + ch, left : left + cw]
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        if piece.flash and piece.flash[0] <= index < piece.flash[0] + piece.flash[1]:
            frame = cv2.addWeighted(frame, 1 - piece.flash[2], np.full_like(frame, 255), piece.flash[2], 0)
        frames.append(frame)
    return np.stack(frames)


def compose(composite: Composite, files: dict[Stretch, Path]) -> tuple[list[np.ndarray], list[dict[str, object]]]:
    """Return the frames of a film and its transitions."""
    size = composite.height, composite.width
    film = list(_play(composite.pieces[0], files[composite.pieces[0].stretch], *size))
    transitions: list[dict[str, object]] = []
    for joint, piece in zip(composite.joints, composite.pieces[1:], strict=True):
        new, n = list(_play(piece, files[piece.stretch], *size)), joint.num_frames
        first = len(film) - (n if joint.kind == "dissolve" else (n - joint.hold) // 2)
        if joint.kind == "dissolve":
            mixed = [
                cv2.addWeighted(film[first + i], 1 - (i + 1) / (n + 1), new[i], (i + 1) / (n + 1), 0) for i in range(n)
            ]
            film = film[:first] + mixed + new[n:]
        elif joint.kind == "fade":
            half, level = (n - joint.hold) // 2, np.full_like(new[0], joint.level)
            out = [cv2.addWeighted(film[first + i], 1 - (i + 1) / half, level, (i + 1) / half, 0) for i in range(half)]
            into = [cv2.addWeighted(new[i], i / half, level, 1 - i / half, 0) for i in range(half)]
            film = film[:first] + out + [level] * joint.hold + into + new[half:]
        else:
            film += new
        transitions.append({"kind": joint.kind, "first": first, "last": first + n})
    rows = round(composite.bars * composite.height)
    if rows:
        for frame in film:
            frame[:rows] = frame[-rows:] = 0
    return film, transitions


def make(folder: Path, *, num: int = 200, seed: int = 0) -> Path:
    """Write `num` films and truth.json; return the path of the latter. The same seed makes the same films."""
    folder.mkdir(parents=True, exist_ok=True)
    files = bank()
    looks = {
        s: np.stack(
            [
                cv2.cvtColor(cv2.resize(f, (32, 18), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
                for f in read(path)
            ]
        )
        for s, path in files.items()
    }
    films = []
    for index in range(num):
        composite = plan(np.random.default_rng((seed, index)), stretches(), looks)
        name = f"{seed:04d}-{index:04d}.mp4"
        frames, transitions = compose(composite, files)
        write(folder / name, frames, fps=composite.fps, crf=composite.crf, gop=(48, 250)[index % 2])
        films.append({"file": name, "num_frames": len(frames), "transitions": transitions, "plan": asdict(composite)})
        (folder / "truth.json").write_text(json.dumps({"seed": seed, "films": films}, indent=1) + "\n")
    return folder / "truth.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--num", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    truth = json.loads(make(arguments.folder, num=arguments.num, seed=arguments.seed).read_text())
    kinds = [t["kind"] for film in truth["films"] for t in film["transitions"]]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS)
    print(f"{len(truth['films'])} films, {sum(f['num_frames'] for f in truth['films'])} frames; {counted}")


if __name__ == "__main__":
    main()
