"""What banks hold for the captioner: films as it reads them, where each subject is in every frame, and the scene."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from rushes.data.banks.bank import Row
from rushes.data.captioning.looking import detail, to_jpeg, unpack
from rushes.models.captioner import HEIGHT, NUM_FRAMES, WIDTH, reading_times
from rushes.world import vocabulary as v
from rushes.world.render import render, subject_mask
from rushes.world.scene import Scene, SceneFilters, sample, to_dict

EVERYTHING = SceneFilters(
    styles=v.STYLES, num_subjects_weights=(0.5, 0.5), still_camera=0.35, durations_s=(2.0, 3.0, 3.0, 4.0, 6.0, 10.0)
)
"""The full breadth of the world: every style, one subject and two, cameras that move in most films."""

_ROWS, _COLUMNS = 45, 80
FINE_ROWS = 120  # of a frame, as the pixel style has them
LEAST_SEEN = 0.15  # of a subject's box, in the frame, for it to count as in sight


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRows:
    """Whole films as the frames that the captioner reads, uint8 `[f H W 3]`, and boxes float32 `[f 2 4]`.

    A box is (row, column) of its middle in [-1, 1], half its side as a share of the frame's height, and 1 where the
    subject is in sight. `held_out_share` of the films show a held-out pair; training has none of them.
    """

    height: int = HEIGHT
    width: int = WIDTH
    seed: int = 11
    held_out_share: float = 0.0
    filters: SceneFilters = field(default_factory=lambda: EVERYTHING)

    def scene(self, index: int) -> Scene:
        rng = np.random.default_rng((self.seed, index))
        split = "test" if rng.random() < self.held_out_share else "train"
        return sample(rng, split=split, filters=self.filters)

    def __call__(self, index: int) -> Row:
        scene = self.scene(index)
        times = [float(t) for t in reading_times(scene.duration_s)]
        # A film's pixels are smaller than those of a picture this small, in which it looks flat.
        is_too_fine = scene.style == "pixel" and self.height < FINE_ROWS
        drawn = replace(scene, style="flat") if is_too_fine else scene
        frames = render(drawn, height=self.height, width=self.width, times_s=times)
        arrays = {"frames": frames, "boxes": boxes(scene, times, self.height, self.width)}
        return arrays, {"scene": to_dict(scene)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailRows:
    """A detail of the middle picture of each of those films, uint8 `[H W 3]`, drawn at 180 rows or made of 360."""

    seed: int = 11
    held_out_share: float = 0.0
    filters: SceneFilters = field(default_factory=lambda: EVERYTHING)

    def __call__(self, index: int) -> Row:
        own = CaptionRows(seed=self.seed, held_out_share=self.held_out_share, filters=self.filters)
        scene = own.scene(index)
        height, width = 2 * HEIGHT, 2 * WIDTH
        times, larger = float(reading_times(scene.duration_s)[NUM_FRAMES // 2]), 2 if index % 4 == 0 else 1
        picture = render(scene, height=larger * height, width=larger * width, times_s=[times])[0]
        if larger > 1:
            picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))
        return {"detail": detail(unpack(to_jpeg(picture)))}, {}


def boxes(scene: Scene, times_s: list[float], height: int, width: int) -> np.ndarray:
    """Return where each subject is, float32 `[t 2 4]` as in CaptionRows; zeros for a second subject that is none."""
    found = np.zeros((len(times_s), 2, 4), np.float32)
    for index, subject in enumerate(scene.subjects):
        seen = subject_mask(
            scene, rows=_ROWS, cols=_COLUMNS, height=height, width=width, times_s=times_s, only=index
        ).astype(np.float64)
        area = seen.sum((1, 2))
        share = area / (_ROWS * _COLUMNS) * width / height  # of a square as high as the frame
        safe = np.maximum(area, 1e-6)
        found[:, index, 0] = seen.sum(2) @ np.linspace(-1, 1, 2 * _ROWS + 1)[1::2] / safe
        found[:, index, 1] = seen.sum(1) @ np.linspace(-1, 1, 2 * _COLUMNS + 1)[1::2] / safe
        found[:, index, 2] = np.sqrt(share) / 2
        found[:, index, 3] = share > LEAST_SEEN * v.SIZES[subject.size] ** 2
    return found
