"""Show films to the oracle: the frames it reads, from latents or from the world, and what it answers.

b batch, c channels, t h w latent grid, f frames
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes.evaluate.prompts import lasting
from rushes.models.autoencoder import LATENT_FPS, PAINTED_FPS, Autoencoder, lay_out, to_bytes, triples
from rushes.models.oracle import ATTRIBUTES, HEIGHT, WIDTH, Oracle, reading_times, shifted, shown_frames
from rushes.nn import machine
from rushes.world.render import render
from rushes.world.scene import Scene

NUM_STRIP = 6
STRIP_HEIGHT, STRIP_WIDTH = 180, 320
BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What is looked at of a film.

    `frames` uint8 `[12 90 160 3]` are for the oracle; `strip` uint8 `[6 180 320 3]` are consecutive frames about the
    seam between two half-seconds in the film's middle.
    """

    frames: np.ndarray
    strip: np.ndarray
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """The likeliest word of each attribute, how sure the oracle is of it, and the film's features `[d]` float32."""

    answers: dict[str, str]
    sureness: dict[str, float]
    features: np.ndarray


def frame_indices(num_frames: int, fps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which frames of a film the oracle reads `[12]`, and which make the strip `[6]`.

    Films have whole seconds.
    """
    per_latent = fps // LATENT_FPS
    seam = num_frames // 2 // per_latent * per_latent
    return shown_frames(num_frames, fps), seam + np.arange(NUM_STRIP) - NUM_STRIP // 2


@torch.inference_mode()
def paint_at(autoencoder: Autoencoder, latent: Tensor, indices: Sequence[int], *, fps: int, pixels: int) -> Tensor:
    """Paint only some frames of a latent `[1 c t h w]`: float32 in [-1, 1], `[f 3 H W]`, rounded as films are.

    They are the frames `indices` of the film that `Autoencoder.decode` paints at `fps` and `pixels` per cell.
    """
    joined = triples(latent)
    per_latent = fps // LATENT_FPS
    wanted = sorted(set(map(int, indices)))

    def paint(t: int, here: list[int]) -> Tensor:
        exact = torch.tensor([index % per_latent * (PAINTED_FPS // fps) for index in here])
        return lay_out(to_bytes(autoencoder.painter(autoencoder.features(joined[t][None], exact), pixels)))

    seen = {t: [index for index in wanted if index // per_latent == t] for t in {i // per_latent for i in wanted}}
    painted: dict[int, Tensor] = {}
    # As films are painted: on a CPU each core paints half-seconds of its own.
    with machine.abreast(torch.get_num_threads() if latent.device.type == "cpu" else 1) as at_once:
        groups = at_once([functools.partial(paint, t, here) for t, here in seen.items()])
    for here, frames in zip(seen.values(), groups, strict=True):
        painted |= dict(zip(here, frames, strict=True))
    return torch.stack([painted[int(index)] for index in indices]).permute(0, 3, 1, 2).float() / 127.5 - 1


def look(autoencoder: Autoencoder, latent: Tensor, *, fps: int, pixels: int) -> Look:
    """Look at a generated film `[1 c t h w]`, painted as its tier paints and made small by area."""
    num_frames = latent.shape[2] // LATENT_FPS * fps
    reading, strip = frame_indices(num_frames, fps)
    painted = paint_at(autoencoder, latent, np.concatenate((reading, strip)).tolist(), fps=fps, pixels=pixels)
    return Look(
        frames=_small(painted[: len(reading)], HEIGHT, WIDTH),
        strip=_small(painted[len(reading) :], STRIP_HEIGHT, STRIP_WIDTH),
        duration_s=num_frames / fps,
    )


def _small(pictures: Tensor, height: int, width: int) -> np.ndarray:
    small = F.interpolate(pictures, (height, width), mode="bilinear", antialias=True)
    return np.asarray(to_bytes(small).permute(0, 2, 3, 1).cpu().numpy())


def look_at_real(scene: Scene, *, num_frames: int, fps: int) -> Look:
    """Look at the real film of a scene, drawn at the size that the oracle was taught, at the same frames."""
    reading, strip = frame_indices(num_frames, fps)
    scene = lasting(scene, num_frames / fps)
    return Look(
        frames=render(scene, height=HEIGHT, width=WIDTH, times_s=(reading / fps).tolist()),
        strip=render(scene, height=STRIP_HEIGHT, width=STRIP_WIDTH, times_s=(strip / fps).tolist()),
        duration_s=num_frames / fps,
    )


@torch.inference_mode()
def read(oracle: Oracle, looks: Sequence[Look]) -> list[Reading]:
    """Ask the oracle about films, sixteen at a time."""
    readings, place = [], oracle.ask.device
    for start in range(0, len(looks), BATCH):
        some = looks[start : start + BATCH]
        frames = torch.from_numpy(np.stack([one.frames for one in some])).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        times = torch.from_numpy(np.stack([reading_times(one.duration_s) for one in some])).float()
        durations = torch.tensor([one.duration_s for one in some])
        tokens = oracle.tokens(frames.to(place), times.to(place), durations.to(place))
        sure = {
            a: logits.softmax(-1).max(-1)
            for a, logits in oracle.answer(tokens, shifted(frames.to(place), times.to(place))).items()
        }
        features = tokens[:, : len(ATTRIBUTES)].flatten(1).cpu().numpy()
        for i in range(len(some)):
            readings.append(
                Reading(
                    answers={a: oracle.labels[a][int(best.indices[i])] for a, best in sure.items()},
                    sureness={a: round(float(best.values[i]), 4) for a, best in sure.items()},
                    features=features[i],
                )
            )
    return readings
