"""Films whose truth is known, drawn, encoded and measured by one stage."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from rushes import registry
from rushes.data.decode.analysis import analyse, view
from rushes.media.encode import encode
from rushes.types import Clip, Span, VideoShape


def draw(*, seed=0, height=360, width=640, blur=4.0):
    """Return a picture of soft random texture, uint8 RGB `[h w 3]`."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), blur), None, 20, 235, cv2.NORM_MINMAX)


@pytest.fixture
def measure(tmp_path):
    """Return a function: the stage's row of a film of these pictures (uint8 RGB `[h w 3]`), all of it one clip."""

    def measured(stage, pictures, *, fps=24):
        height, width = pictures[0].shape[:2]
        shape = VideoShape(frames=len(pictures), height=height, width=width)
        encode(tmp_path / "film.mp4", pictures, fps=fps, shape=shape, force=True)
        analysis = analyse(tmp_path / "film.mp4")
        span = Span(start_s=Fraction(0), end_s=Fraction(len(pictures), fps))
        clip = Clip(id="clip", source="source", span=span, shape=shape, fps=Fraction(fps))
        spec = registry.find("data.stages", stage)
        (row,) = spec.load("")([view(clip, analysis)])
        assert "failed" in row or set(row) == set(spec.columns)
        return row

    return measured


@pytest.fixture
def moving():
    """Return a function: frames of a window (180x320) that slides, grows or trembles over a texture."""

    def frames(count=36, *, x=0.0, y=0.0, zoom=1.0, shake=0.0):
        texture, random = draw(), np.random.default_rng(1)
        pictures = []
        for index in range(count):
            by = index - (count - 1) / 2
            scale = zoom**by
            move = np.array([x * by, y * by]) + random.normal(0, shake, 2) * (shake > 0)
            corner = np.array([320.0, 180.0]) + move - np.array([160.0, 90.0]) / scale
            warp = np.array([[1 / scale, 0, corner[0]], [0, 1 / scale, corner[1]]])
            pictures.append(cv2.warpAffine(texture, warp, (320, 180), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
        return pictures

    return frames
