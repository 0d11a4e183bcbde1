"""The numbers that one frame leaves behind: thumbnails, histograms, change, camera, sharpness, bars.

Everything is read from the decoder's own planes. The luma plane is halved again and again (the one reduction that is
nearly free) down to a work picture of at most 80 px, and only what is sampled looks at more.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

WORK_PX = 80
SHARP_PX = 512
THUMB, CHROMA_THUMB = (24, 14), (12, 7)  # width, height
LUMA_BINS, CHROMA_BINS = 32, 16
CELL_PX = 5
ROWS = 8  # of a large film, about, in one of the work picture
BAR_LEVEL = 12.0
BLACK_BINS, BLOWN_BINS = 3, 1  # of the 32: below level 24, from level 248
EVERY_FRAME = ("luma", "contrast", "detail", "change", "change_peak")
MOTION = ("motion", "motion_p90", "pan", "tilt", "zoom", "roll", "follow")
FIT_TOGETHER = 64  # pairs of pictures; a fit of one costs nearly as much
MEASURE_TOGETHER = 16  # frames; each decoded one drives our code out of the caches
MIN_FLOW_PX = 16  # DIS needs a few of its 8 px patches in the halved work picture

_DEEP = {f"yuv{kind}p{bits}le": bits for kind in ("420", "422", "444") for bits in (9, 10, 12, 14, 16)}
_EIGHT = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p", "yuv440p", "yuva420p")
_FULL_RANGE = ("yuvj", "gray")
# H.273 matrix coefficients -> (red weight, blue weight); Source: ITU-T H.273, table 4.
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)
_BYTES, _WORDS = np.dtype("u1"), np.dtype("<u2")
_UNCHANGED = np.arange(256, dtype=np.uint8)
_STRETCH = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
# Colours far from grey are rare: 4 levels a bin around the middle, the ends take the rest.
_FINE_BINS, _FIRST_OF_BIN = 64, [0, *range(25, 40)]


@dataclass(frozen=True, slots=True)
class Planes:
    """A decoded frame as it lies in memory: luma `[h w]`, chroma `[h' w']` or None, uint8 or uint16 of `bits` bits."""

    luma: np.ndarray
    chroma: tuple[np.ndarray, np.ndarray] | None
    bits: int
    is_full_range: bool
    matrix: int
    turns: int
    is_interlaced: bool


def planes(frame: av.VideoFrame, reformatter: VideoReformatter) -> Planes:
    """Return the planes of a frame, without a copy where its format is planar YUV; else through swscale to 4:2:0."""
    name, matrix = frame.format.name, int(frame.colorspace)
    turns, is_interlaced = round(frame.rotation / 90) % 4, bool(frame.interlaced_frame)
    is_full = name.startswith(_FULL_RANGE) or frame.color_range == ColorRange.JPEG
    bits = _DEEP.get(name, 8)
    if not (name in _DEEP or name in _EIGHT or name == "gray") or frame.planes[0].line_size < 0:
        frame = reformatter.reformat(frame, format="yuv420p", interpolation=Interpolation.FAST_BILINEAR)
        is_full, bits, matrix = False, 8, matrix if matrix in _WEIGHTS else 5
    dtype = _WORDS if bits > 8 else _BYTES
    parts = [_plane(plane, dtype) for plane in frame.planes[:3]]
    chroma = (parts[1], parts[2]) if len(parts) == 3 else None
    return Planes(parts[0], chroma, bits, is_full, matrix, turns, is_interlaced)


def _plane(plane: av.video.plane.VideoPlane, dtype: np.dtype) -> np.ndarray:
    height, line = plane.height, plane.line_size
    return np.ndarray((height, plane.width), dtype, memoryview(plane), 0, (line, dtype.itemsize))


def to_eight_bits(plane: np.ndarray, bits: int) -> np.ndarray:
    """Return a plane of `bits` bits as uint8."""
    return plane if plane.dtype == np.uint8 else cv2.convertScaleAbs(plane, alpha=2.0 ** (8 - bits))


def halve(plane: np.ndarray) -> np.ndarray:
    """Return means of 2x2 pixels; an odd last row or column is left out."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    return cv2.resize(plane[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA)


def shrink(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the plane at `width` x `height`: halved while it can be, then bilinear, which is below 2:1 by then."""
    while plane.shape[1] >= 2 * width and plane.shape[0] >= 2 * height:
        plane = halve(plane)
    if plane.shape != (height, width):
        is_flat = plane.shape[1] >= 3 * width or plane.shape[0] >= 3 * height  # only one side could be halved
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA if is_flat else cv2.INTER_LINEAR)
    return plane


def fit(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Return (width, height) shrunk to fit, never enlarged, at least 1."""
    scale = min(1.0, max_width / width, max_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def picture(found: Planes, size: tuple[int, int], quality: int) -> bytes:
    """Return the frame as an upright JPEG of `size` (width, height before it is turned), in its own colour matrix."""
    width, height = size
    luma = to_eight_bits(shrink(found.luma, width, height), found.bits)
    if found.chroma is None:
        small = luma if found.is_full_range else cv2.LUT(luma, _STRETCH)
    else:
        parts = [to_eight_bits(shrink(plane, width, height), found.bits) for plane in found.chroma]
        small = cv2.transform(cv2.merge([luma, *parts]), _to_bgr(found))
    upright = np.ascontiguousarray(np.rot90(small, found.turns)) if found.turns else small
    return cv2.imencode(".jpg", upright, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _to_bgr(found: Planes) -> np.ndarray:
    """Return float32 `[3 4]` from (Y, U, V, 1) to (B, G, R) in levels; Source: ITU-T H.273, 8.3.

    A film that names no matrix is BT.709 from 720 rows up and BT.601 below, as players assume.
    """
    default = _WEIGHTS[1] if found.luma.shape[0] >= 720 and found.matrix not in (5, 6) else _BT601
    red, blue = _WEIGHTS.get(found.matrix, default)
    green = 1 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if found.is_full_range else (255 / 219, 255 / 224, 16.0)
    to_blue, to_red = 2 * (1 - blue) * chroma, 2 * (1 - red) * chroma
    rows = np.array(
        [
            [luma, to_blue, 0],
            [luma, -to_blue * blue / green, -to_red * red / green],
            [luma, 0, to_red],
        ]
    )
    return np.column_stack([rows, -rows @ [black, 128, 128]]).astype(np.float32)


class Signals:
    """Collects the signals of one source; `add` takes its frames in order, `finish` returns arrays by name."""

    def __init__(self, first: Planes, *, fps: float, motion_per_s: float, sharpness_per_s: float) -> None:
        height, width = first.luma.shape[:: -1 if first.turns % 2 else 1]
        self._size = fit(width, height, WORK_PX, WORK_PX)
        self._lag = max(1, round(fps / 30))
        self._motion_every = max(1, round(fps / motion_per_s))
        self._sharp_every = max(1, round(fps / sharpness_per_s))
        self._recent: deque[np.ndarray] = deque(maxlen=self._lag)
        self._waiting: list[tuple[np.ndarray, list[np.ndarray]]] = []
        self._every_frame = array("f")
        self._sharp: list[tuple[int, float]] = []
        self._bars: list[tuple[int, np.ndarray]] = []
        self._thumbs, self._counts = bytearray(), bytearray()
        self._camera = Camera(self._size, self._lag) if min(self._size) >= MIN_FLOW_PX else None
        self._count = 0

    def add(self, found: Planes) -> None:
        """Measure the next frame."""
        work, chroma = self._reduced(found)
        if self._count % self._sharp_every == 0:
            self._sharp.append((self._count, sharpness(found)))
        if self._count % max(1, self._sharp_every // 2) == 0:
            self._bars.append((self._count, bar_px(found)))
        self._count += 1
        self._waiting.append((work, chroma))
        if len(self._waiting) == MEASURE_TOGETHER:
            self._measure()

    def _measure(self) -> None:
        """Measure the frames that wait, from their work pictures."""
        luma, fine = [], []
        for index, (work, chroma) in enumerate(self._waiting, self._count - len(self._waiting)):
            half = halve(work) if min(work.shape) > 1 else work
            mean, deviation = cv2.meanStdDev(work)
            detail = cv2.norm(cv2.Laplacian(work, cv2.CV_16S), cv2.NORM_L1) / work.size
            change = peak = float("nan")
            if self._recent:
                difference = cv2.absdiff(self._recent[-1], half)
                change, peak = cv2.norm(difference, cv2.NORM_L1) / half.size, cv2.minMaxLoc(difference)[1]
            self._every_frame.extend((mean[0, 0], deviation[0, 0], detail, change, peak))
            luma.append(cv2.calcHist([work], [0], None, [LUMA_BINS], [0, 256]))
            self._thumbs += shrink(half, *THUMB).tobytes()
            for plane in chroma:
                self._thumbs += shrink(plane, *CHROMA_THUMB).tobytes()
                fine.append(cv2.calcHist([plane], [0], None, [_FINE_BINS], [0, 256]))
            is_due = index % self._motion_every == 0 or index == self._lag
            if self._camera and is_due and len(self._recent) == self._lag:
                self._camera.add(index, self._recent[0], half)
            self._recent.append(half)
        count = len(self._waiting)
        colours = np.add.reduceat(np.reshape(fine, (count, 2, _FINE_BINS)), _FIRST_OF_BIN, axis=2)
        counts = np.concatenate([np.reshape(luma, (count, -1)), np.reshape(colours, (count, -1))], 1)
        self._counts += counts.astype(np.uint16).tobytes()
        self._waiting.clear()

    def finish(self) -> dict[str, np.ndarray]:
        """Return every signal: float32 `[n]`, `bars` float32 `[n 4]`, `thumb` uint8 `[n 504]`, `histogram` `[n 64]`."""
        if self._waiting:
            self._measure()
        found = dict(
            zip(EVERY_FRAME, np.array(self._every_frame, np.float32).reshape(-1, len(EVERY_FRAME)).T, strict=True)
        )
        counts = np.frombuffer(bytes(self._counts), np.uint16).reshape(self._count, -1)
        groups = np.split(counts, [LUMA_BINS, LUMA_BINS + CHROMA_BINS], axis=1)
        # Square roots, so that the distance of two rows is Hellinger's; uint8 holds them well.
        roots = [np.sqrt(group / np.float32(group[0].sum())) for group in groups]
        found["black"] = (roots[0][:, :BLACK_BINS] ** 2).sum(1)
        found["blown"] = (roots[0][:, -BLOWN_BINS:] ** 2).sum(1)
        histogram = np.round(np.concatenate(roots, 1) * 255).astype(np.uint8)
        thumb = np.frombuffer(bytes(self._thumbs), np.uint8).reshape(self._count, -1)
        found["sharpness"] = np.full(self._count, np.nan, np.float32)
        found["bars"] = np.full((self._count, 4), np.nan, np.float32)
        for index, value in self._sharp:
            found["sharpness"][index] = value
        for index, bars in self._bars:
            found["bars"][index] = bars
        indices, rows = self._camera.finish() if self._camera else ([], np.zeros((0, len(MOTION))))
        for name, values in zip(MOTION, rows.T, strict=True):
            found[name] = np.full(self._count, np.nan, np.float32)
            found[name][indices] = values
        whole = {name: np.ascontiguousarray(values) for name, values in found.items()}
        return {**whole, "thumb": thumb, "histogram": histogram}

    def _reduced(self, found: Planes) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the upright work picture, uint8 in full range, and chroma at half of its sides."""
        width, height = self._size[:: -1 if found.turns % 2 else 1]
        # A large frame is out of the cache by now: rows that are left out are never fetched, and eight of sixteen
        # make as good a mean.
        rows = found.luma[:: max(1, found.luma.shape[0] // (ROWS * height))]
        work = cv2.LUT(
            to_eight_bits(shrink(rows, width, height), found.bits),
            _UNCHANGED if found.is_full_range else _STRETCH,
        )
        size = max(1, width // 2), max(1, height // 2)
        # Chroma is smooth: sampling it sparsely costs nothing that the histogram or a 12x7 thumbnail would show.
        chroma = [
            to_eight_bits(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), found.bits)
            for plane in found.chroma or ()
        ] or [np.full(size[::-1], 128, np.uint8)] * 2
        if found.turns:
            work = np.ascontiguousarray(np.rot90(work, found.turns))
            chroma = [np.ascontiguousarray(np.rot90(plane, found.turns)) for plane in chroma]
        return work, chroma


class Camera:
    """What the camera did between pairs of pictures: optical flow, and the similarity that most of it follows.

    Lengths are in px of the work picture, of `size` (width, height); flow is read from halved ones, where the preset
    of DIS would look first in pictures four times as large.
    """

    def __init__(self, size: tuple[int, int], lag: int) -> None:
        width, height = size
        self._side, self._lag = float(width + height), lag
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(0)
        self._cells = max(1, width // CELL_PX), max(1, height // CELL_PX)
        columns, rows = self._cells
        x = (np.arange(columns) + 0.5) * (width // 2 * 2) / columns - width / 2
        y = (np.arange(rows) + 0.5) * (height // 2 * 2) / rows - height / 2
        x, y = (axis.ravel() for axis in np.meshgrid(x, y))
        one, zero = np.ones_like(x), np.zeros_like(x)
        # u = tx + z x - r y and v = ty + z y + r x: a move, a zoom and a roll around the middle.
        self._design = np.concatenate([np.column_stack([one, zero, x, -y]), np.column_stack([zero, one, y, x])])
        self._indices: list[int] = []
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._rows: list[np.ndarray] = []

    def add(self, index: int, before: np.ndarray, after: np.ndarray) -> None:
        """Measure the flow from `before` to `after`, frame `index` (uint8, the work picture halved)."""
        flow = 2 * cv2.resize(self._dis.calc(before, after, None), self._cells, interpolation=cv2.INTER_AREA)  # type: ignore[call-overload]
        edges = cv2.convertScaleAbs(cv2.Laplacian(before, cv2.CV_16S))
        self._indices.append(index)
        self._waiting.append((flow, cv2.resize(edges, self._cells, interpolation=cv2.INTER_AREA)))
        if len(self._waiting) == FIT_TOGETHER:
            self._fit()

    def finish(self) -> tuple[list[int], np.ndarray]:
        """Return the frames that were measured and their rows, float32 `[m 7]`, in the order of MOTION."""
        if self._waiting:
            self._fit()
        return self._indices, np.concatenate(self._rows) if self._rows else np.zeros((0, len(MOTION)), np.float32)

    def _fit(self) -> None:
        flow = np.stack([flow for flow, _ in self._waiting]).astype(np.float64).reshape(len(self._waiting), -1, 2)
        texture = np.stack([texture for _, texture in self._waiting]).astype(np.float64).reshape(len(flow), -1)
        self._waiting.clear()
        lengths = np.hypot(flow[..., 0], flow[..., 1]) / (self._side * self._lag)
        solution, follow = agreed(np.concatenate([flow[..., 0], flow[..., 1]], 1), texture, self._design)
        tx, ty, zoom, roll = solution.T / self._lag
        # The picture slides left when the camera turns right, and down when it turns up.
        pan, tilt = -tx / self._side, ty / self._side
        row = [lengths.mean(1), np.quantile(lengths, 0.9, axis=1), pan, tilt, zoom, roll, follow]
        self._rows.append(np.stack(row, 1).astype(np.float32))


def agreed(flow: np.ndarray, texture: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (tx, ty, zoom, roll) `[m 4]` in px and per px, and the share `[m]` of the texture that follows them.

    `flow` is `[m 2n]`: n horizontal parts, then n vertical ones, in px; `texture` `[m n]` in levels; `design` `[2n 4]`.
    Iteratively reweighted least squares with Cauchy's weights; Source: Holland and Welsch 1977, Robust regression
    using iteratively reweighted least-squares, table 1.
    """
    count = texture.shape[1]
    weights = texture / (texture + 4.0) + 1e-3  # flow in a flat cell is a guess
    solution = np.zeros((len(flow), 4))
    solution[:, 0], solution[:, 1] = np.median(flow[:, :count], 1), np.median(flow[:, count:], 1)
    products = np.einsum("ni,nj->nij", design, design).reshape(2 * count, 16)
    for _ in range(5):
        off = flow - solution @ design.T
        residual = np.hypot(off[:, :count], off[:, count:])
        scale = 0.08 + np.median(residual, 1, keepdims=True)
        robust = np.tile(weights / (1 + (residual / scale) ** 2), (1, 2))
        normal = (robust @ products).reshape(-1, 4, 4) + 1e-6 * np.eye(4)
        solution = np.linalg.solve(normal, ((robust * flow) @ design)[..., None])[..., 0]
    fitted = solution @ design.T
    residual = np.hypot(flow[:, :count] - fitted[:, :count], flow[:, count:] - fitted[:, count:])
    follows = residual < 0.15 + 0.2 * np.hypot(fitted[:, :count], fitted[:, count:])
    return solution, (weights * follows).sum(1) / weights.sum(1)


def sharpness(found: Planes) -> float:
    """Return the variance of the Laplacian, in squared levels, at 512 px of the short side or what a film has.

    One field of an interlaced frame is read, for combing is no detail. The Laplacian's mean is 0 but for the border,
    so its mean square is taken. Source: Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy, LAPV.
    """
    luma = found.luma[::2] if found.is_interlaced and found.luma.shape[0] > 1 else found.luma
    height, width = luma.shape
    scale = min(1.0, SHARP_PX / min(height, width))
    small = to_eight_bits(shrink(luma, max(1, round(width * scale)), max(1, round(height * scale))), found.bits)
    gain = 1.0 if found.is_full_range else (255 / 219) ** 2
    return gain * cv2.norm(cv2.Laplacian(small, cv2.CV_16S), cv2.NORM_L2SQR) / small.size


def bar_px(found: Planes) -> np.ndarray:
    """Return how many rows and columns (top, bottom, left, right; float32 `[4]`, upright) are black from each edge.

    A row or column is black when the mean of its luma is at most 12 levels of 255. NaN where everything is.
    """
    black, gain = (0.0, 1.0) if found.is_full_range else (16.0, 255 / 219)
    scale = 2.0 ** (8 - found.bits) * gain
    edges = (found.luma[0], found.luma[-1], found.luma[:, 0], found.luma[:, -1])
    if all(edge.mean() * scale - black * gain > BAR_LEVEL for edge in edges):
        return np.zeros(4, np.float32)  # most frames: nothing but the edges is fetched from memory
    bars: list[float] = []
    for axis in (1, 0):
        means = cv2.reduce(found.luma, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel() * scale - black * gain
        lit = np.flatnonzero(means > BAR_LEVEL)
        if not lit.size:
            return np.full(4, np.nan, np.float32)
        bars += [float(lit[0]), float(means.size - 1 - lit[-1])]
    top, bottom, left, right = bars
    for _ in range(found.turns):
        top, bottom, left, right = right, left, top, bottom
    return np.array([top, bottom, left, right], np.float32)
