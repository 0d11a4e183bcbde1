"""Train the layout model: flow matching on the layouts of the paper world's scenes, which need not be drawn.

b batch, n rows (quarters of a second), 17 columns
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from rushes import config as configs
from rushes import layouts
from rushes.data.banks import bank as banks
from rushes.data.banks.world_rows import NUM_CAPTIONS, PlanRows
from rushes.diffusion import flow
from rushes.models.layout import SMALLEST_T, LayoutConfig, LayoutModel
from rushes.nn import weights
from rushes.train import ceiling
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.world import REVISION
from rushes.world.captions import words
from rushes.world.scene import SceneFilters

NUM_PREVIEWS = 24
Lesson = tuple[Tensor, Tensor, Tensor, Tensor]  # rows, word ids, noise, times
PANEL = (320, 180)  # width and height in pixels
INKS = ((200, 60, 40), (40, 90, 200))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanConfig:
    """`num` scenes, each a film of every length in `seconds`; a step has `batch` films of one length."""

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: LayoutConfig = field(default_factory=LayoutConfig)
    filters: SceneFilters = field(default_factory=SceneFilters)
    seconds: tuple[int, ...] = (1, 2, 3, 5, 10)
    num: int = 32768
    batch: int = 128
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return PlanObjective(self)


class PlanObjective:
    """The velocity's error; what a subject that is not there would look like does not count."""

    def __init__(self, config: PlanConfig) -> None:
        self.config = config
        text = replace(config.model.text, words=tuple(sorted(words())))
        self.model: nn.Module = LayoutModel(replace(config.model, text=text))
        if config.run.init:
            weights.load(self.model, Path(config.run.init), family="layout")
            self.model.train().requires_grad_(True)
        self.share = Share()
        self.films: dict[int, Tensor] = {}
        self.held_out: dict[int, Tensor] = {}
        self.ids = self.held_out_ids = torch.zeros(0)
        self.prompts: list[str] = []

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make or open the banks, and whiten by what the first holds."""
        self.films, self.ids, _ = self._films("train", self.config.num, say)
        self.held_out, self.held_out_ids, self.prompts = self._films("test", 4 * banks.CHUNK, say)
        assert isinstance(self.model, LayoutModel)
        if not self.config.run.init:
            rows = torch.cat([film[:4096].flatten(0, 1) for film in self.films.values()])
            self.model.mean.copy_(rows.mean(0))
            self.model.deviation.copy_(rows.std(0).clamp(min=0.02))

    def _films(self, split: str, num: int, say: Callable[[str], None]) -> tuple[dict[int, Tensor], Tensor, list[str]]:
        c, place = self.config, ceiling.device()
        make = PlanRows(seconds=c.seconds, split=split, filters=c.filters)
        name = f"layouts-{split}-{banks.key(configs.to_dict(make) | {'world': REVISION})}"

        def watch(done: int, wanted: int) -> None:
            if done % 20 == 0 or done == wanted:
                say(f"bank {name}: {done} of {wanted} chunks")

        bank = banks.build(Path(c.banks) / name, num, make, workers=c.workers, watch=watch)
        assert isinstance(self.model, LayoutModel)
        captions = [row["captions"] for row in bank.values[: len(bank)]]
        ids = torch.tensor([[self.model.vocabulary.encode(text) for text in texts] for texts in captions])
        films = {s: torch.from_numpy(bank.whole(f"layout_{s}")).to(place) for s in c.seconds}
        return films, ids.to(place), [texts[0] for texts in captions]

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        c = self.config
        rng = np.random.default_rng((c.run.seed, step, 9))
        seconds = int(rng.choice(c.seconds))
        indices = torch.from_numpy(banks.order(len(self.ids), c.batch, c.run.seed, step)).to(self.ids.device)
        picks = torch.from_numpy(rng.integers(0, NUM_CAPTIONS, c.batch)).to(self.ids.device)
        lesson = self._noised(self.films[seconds][indices], self.ids[indices, picks], step)
        loss = self._error(model, self.share.of(lesson), seconds)
        return loss, {f"loss_{seconds}s": loss.detach()}

    def _noised(self, rows: Tensor, ids: Tensor, step: int) -> Lesson:
        random = generator(self.config.run.seed, step, device=rows.device)
        noise = torch.randn(rows.shape, generator=random, device=rows.device)
        t = flow.draw_t(len(rows), random, mean=0.0, deviation=1.2, shift=1.0).clamp(min=SMALLEST_T)
        return rows, ids, noise, t

    def _error(self, model: nn.Module, lesson: Lesson, seconds: int) -> Tensor:
        assert isinstance(model, LayoutModel)
        rows, ids, noise, t = lesson
        clean = (rows - model.mean) / model.deviation
        weight = torch.ones_like(clean)
        for index in range(layouts.NUM_SUBJECTS):
            there = rows[:, :, layouts.columns(index)][..., layouts.PRESENT].amax(1) > 0
            weight[:, :, layouts.columns(index)][..., : layouts.PRESENT] = there[:, None, None].to(weight)
        x = torch.lerp(clean, noise, t[:, None, None])
        velocity = model(x, t, model.text(ids), torch.full_like(t, float(seconds)))
        error = ((velocity - (noise - clean)).square() * weight).mean((1, 2))
        return (error * t.square() / (t.square() + 0.09)).mean()

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Plan held-out prompts as three-second films, draw the plans, and return the held-out loss."""
        assert isinstance(model, LayoutModel)
        ids = self.held_out_ids[:, 0]
        losses = [self._error(model, self._noised(films, ids, 10**6 + s), s) for s, films in self.held_out.items()]
        model = model.cpu()
        plans = [model.plan(text, 3, generator(0, i, 5)).numpy() for i, text in enumerate(self.prompts[:NUM_PREVIEWS])]
        pictures = [np.asarray(drawn(plan, text)) for plan, text in zip(plans, self.prompts, strict=False)]
        rows = [np.concatenate(pictures[i : i + 4], axis=1) for i in range(0, len(pictures), 4)]
        Image.fromarray(np.concatenate(rows)).save(folder / f"step-{step:07d}.png")
        return {"held_out_loss": float(torch.stack(losses).mean())}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        assert isinstance(model, LayoutModel)
        return weights.save(model, folder, family="layout", config=model.config, facts=facts)


def drawn(layout: np.ndarray, text: str) -> Image.Image:
    """Return a picture of a layout: each subject's box at every second row, from pale to full, and its prompt."""
    width, height = PANEL
    picture = Image.new("RGB", PANEL, (245, 242, 235))
    pen = ImageDraw.Draw(picture)
    for number, row in enumerate(layout[::2]):
        strength = 0.25 + 0.75 * number / max(1, len(layout[::2]) - 1)
        for index, ink in enumerate(INKS):
            subject = row[layouts.columns(index)]
            if subject[layouts.PRESENT] < 0.5:
                continue
            colour = tuple(round(245 + (value - 245) * strength) for value in ink)
            pen.polygon([_pixel(subject, corner) for corner in ((-1, -1), (1, -1), (1, 1), (-1, 1))], outline=colour)
            pen.line([_pixel(subject, (0, 0)), _pixel(subject, (1, 0))], fill=colour)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(180, 180, 180))
    pen.text((4, 2), text[:52], fill=(60, 60, 60))
    pen.text((4, 14), text[52:104], fill=(60, 60, 60))
    return picture


def _pixel(subject: np.ndarray, corner: tuple[int, int]) -> tuple[float, float]:
    """Return the pixel of a corner of a subject's box, in half sides from its middle."""
    width, height = PANEL
    half = layouts.USUAL_SIDE * 2 ** subject[layouts.SIDE] / 2
    across, down = corner[0] * half * subject[layouts.FACING], corner[1] * half
    sine, cosine = subject[layouts.SINE], subject[layouts.COSINE]
    x = subject[layouts.X] + cosine * across - sine * down
    y = subject[layouts.Y] + sine * across + cosine * down
    return width / 2 + x * height, height / 2 + y * height
