"""Look at a model before and after a training: the same prompts and the same noise through both, side by side.

c channels, t h w latent grid
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rushes.diffusion import samplers, schedule
from rushes.diffusion.guidance import Guidance
from rushes.evaluate.oracle import paint_at
from rushes.media.thumbnails import contact_sheet, save_image
from rushes.models.autoencoder import ENCODED_FPS, LATENT_FPS, Autoencoder, to_bytes
from rushes.models.transformer import Transformer
from rushes.train.trainer import generator

NUM_STEPS = 12
GUIDANCE = Guidance(scale=3.0)
PIXELS = 16  # painted per cell: the size of the view
STREAM = 5  # of a step's random numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A prompt, the grid and whole seconds of the film that it asks for, the shift of the schedule, and a real film.

    `clip` are frames uint8 `[t h w 3]` of the clip that the prompt describes.
    """

    prompt: str
    rows: int
    columns: int
    seconds: int
    shift: float
    clip: np.ndarray


@torch.inference_mode()
def answer(model: Transformer, question: Question, number: int) -> Tensor:
    """Return the latent `[1 c t h w]` that a model films; the noise follows from `number` alone. Runs on the CPU."""
    shape = (1, model.config.channels, question.seconds * LATENT_FPS, question.rows, question.columns)
    noise = torch.randn(shape, generator=generator(0, number, STREAM))
    prompt = model.read(torch.tensor([model.vocabulary.encode(text) for text in (question.prompt, "")]))
    seconds = (torch.zeros(2), torch.full((2,), float(question.seconds)))

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        prompted, plain = model(torch.cat((x, x)), torch.cat((t, t)), prompt, seconds).chunk(2)
        return GUIDANCE.mix(prompted, plain)

    return samplers.multistep(velocity, noise, schedule.grid(NUM_STEPS, question.shift))


def paint(autoencoder: Autoencoder, latent: Tensor) -> np.ndarray:
    """Return the first and the last frame of a latent `[1 c t h w]`, uint8 `[2 h w 3]`; no other is painted."""
    last = latent.shape[2] * ENCODED_FPS // LATENT_FPS - 1
    painted = paint_at(autoencoder, latent, (0, last), fps=ENCODED_FPS, pixels=PIXELS)
    return to_bytes(painted).permute(0, 2, 3, 1).numpy()


def write_sheet(path: Path, questions: Sequence[Question], films: Sequence[tuple[str, Sequence[np.ndarray]]]) -> None:
    """Write a picture with a row per question: first and last frame of its clip, then of each of `films`.

    `films` are (heading, frames `[2 h w 3]` per question).
    """
    frames, captions = [], []
    for index, question in enumerate(questions):
        sides = [(question.prompt, question.clip[[0, -1]]), *((name, made[index]) for name, made in films)]
        for text, (first, last) in sides:
            frames += [first, last]
            captions += [text, ""]
    picture = contact_sheet(frames, columns=2 * (1 + len(films)), captions=captions)
    save_image(path, picture, force=True)
