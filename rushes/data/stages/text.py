"""How much of a clip is covered by writing (titles, subtitles, watermarks), by PP-OCR's detector; nothing is read.

The detector is the one that lies in rapidocr's wheel, so nothing is downloaded; it runs on one thread, because one
worker is one core. Three pictures of each clip are looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rapidocr
from rapidocr import RapidOCR

from rushes.data.decode.analysis import Pictures, View
from rushes.data.stages import Measure, Stage
from rushes.errors import RushesError

REVISION = "1"
MODEL = "PP-OCRv6_det_small.onnx"
INSTANTS = (1 / 6, 1 / 2, 5 / 6)  # of the clip
LONG_SIDE_PX = 320
HIGHEST_LINE = 0.4  # of the picture; what is higher is a cup or a box, not a line of writing


def instants(pictures: Pictures) -> list[int]:
    """Return the indices of the pictures nearest to a sixth, a half and five sixths of the way; fewer if they are one.

    Earlier wins a tie.
    """
    times = pictures.times_s
    wanted = [times[0] + share * (times[-1] - times[0]) for share in INSTANTS]
    return sorted({int(np.abs(times - at).argmin()) for at in wanted})


def model_file() -> Path:
    """Return where the detector lies.

    Raises:
        RushesError: the installed rapidocr carries another one.
    """
    file = Path(rapidocr.__file__).parent / "models" / MODEL
    if not file.is_file():
        raise RushesError(f"the installed rapidocr carries no {MODEL}; install rapidocr 3.10")
    return file


@lru_cache(maxsize=1)
def _version() -> str:
    return f"{REVISION}-{hashlib.sha256(model_file().read_bytes()).hexdigest()[:8]}"


def version(argument: str) -> str:
    """Return our revision and the first 8 digits of the detector's SHA-256."""
    return _version()


def detector() -> RapidOCR:
    """Return the detector, on one thread; a picture enters it at its own size, at most 320 px wide or high."""
    settings = {
        "Global.log_level": "critical",
        "Global.use_cls": False,
        "Global.use_rec": False,
        "Det.model_path": str(model_file()),
        "Det.limit_type": "max",
        "Det.limit_side_len": LONG_SIDE_PX,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    return RapidOCR(params=settings)


def boxes(find: RapidOCR, picture: np.ndarray) -> np.ndarray:
    """Return the quadrilaterals around writing, float32 `[n 4 2]`, x and y as shares of the width and height.

    `picture` is uint8 BGR `[h w 3]`.
    """
    found = getattr(find(picture, use_det=True, use_cls=False, use_rec=False), "boxes", None)
    if found is None or not len(found):
        return np.zeros((0, 4, 2), np.float32)
    height, width = picture.shape[:2]
    corners = np.asarray(found, np.float32)
    sides = np.linalg.norm(corners[:, :2] - corners[:, 1:3], axis=2).min(axis=1)
    lines = corners[sides <= HIGHEST_LINE * height]
    return np.clip(lines / np.array([width, height], np.float32), 0, 1)


def covered(quadrilaterals: np.ndarray, size: int = 256) -> np.ndarray:
    """Return which cells of a size x size grid over the picture lie in a quadrilateral, bool `[size size]`."""
    grid = np.zeros((size, size), np.uint8)
    for corners in quadrilaterals:
        cv2.fillPoly(grid, [np.round(corners * (size - 1)).astype(np.int32)], 1)
    return grid.astype(bool)


def measure(views: Sequence[View], find: RapidOCR) -> list[dict[str, Any]]:
    """Return one row per clip."""
    return [_row(view, find) for view in views]


def _row(view: View, find: RapidOCR) -> dict[str, Any]:
    pictures = view.analysis.pictures
    if not pictures.jpegs:
        return {"failed": "the clip has no pictures"}
    seen = []
    for index in instants(pictures):
        jpeg = np.frombuffer(pictures.jpegs[index], np.uint8)
        picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR) if len(jpeg) else None
        if picture is None:
            return {"failed": f"picture {index} is no JPEG"}
        seen.append(boxes(find, picture))
    grids = np.stack([covered(found) for found in seen])
    # What stays in one place over the clip was laid over it; a sign in the scene moves with the camera.
    steady = grids.sum(axis=0) >= min(2, len(grids))
    return {
        "area_share": float(grids.mean(axis=(1, 2)).max()),
        "steady_share": float(steady.mean()),
        "num_boxes": max(len(found) for found in seen),
        "boxes": json.dumps([[[round(float(v), 3) for v in corners.ravel()] for corners in found] for found in seen]),
    }


def load(argument: str) -> Measure:
    """Return the function that measures; the detector is loaded here, once per worker."""
    find = detector()
    return lambda views: measure(views, find)


SPEC = Stage(
    name="text",
    columns={"area_share": "float32", "steady_share": "float32", "num_boxes": "int64", "boxes": "string"},
    version=version,
    load=load,
)
