"""Train the backdrop model: flow matching on the paper world's places, each alone in its light.

b batch
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from rushes import config as configs
from rushes import layouts
from rushes.data.banks import bank as banks
from rushes.data.banks.world_rows import NUM_CAPTIONS, StageRows
from rushes.diffusion import flow
from rushes.models._draft import field as seen_field
from rushes.models.backdrop import NO_TAKE, PATCH, SMALLEST_T, BackdropConfig, BackdropModel, middle
from rushes.nn import weights
from rushes.train import ceiling
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.sketching import bent, structured
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.world import REVISION
from rushes.world.backdrop import backdrop
from rushes.world.captions import words
from rushes.world.scene import SceneFilters

NUM_PREVIEWS = 12
Lesson = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]  # pictures, takes, structures, word ids, noise, times


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """`num` scenes' prompts and places; a step has `batch` of them, as wide as one of `grids` (rows, columns) sees.

    A grid is a frame's in cells; all are drawn alike often. `t_mean`, `t_deviation` are those of the logit-normal that
    times are drawn from: most are noisy, where a picture's words and not its pixels say what it shows. The share
    `structured` of the places is laid out as a structure of theirs says.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: BackdropConfig = field(default_factory=BackdropConfig)
    filters: SceneFilters = field(default_factory=SceneFilters)
    grids: tuple[tuple[int, int], ...] = ((9, 16), (9, 16), (9, 16), (12, 12), (7, 18), (16, 9), (18, 7))
    num: int = 32768
    batch: int = 32
    t_mean: float = 1.6
    t_deviation: float = 1.4
    structured: float = 0.5
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return StageObjective(self)


class StageObjective:
    """The velocity's error, over a picture's pixels and depths alike."""

    def __init__(self, config: StageConfig) -> None:
        self.config = config
        text = replace(config.model.text, words=tuple(sorted(words())))
        self.model: nn.Module = BackdropModel(replace(config.model, text=text))
        if config.run.init:
            weights.load(self.model, Path(config.run.init), family="backdrop", missing=("takes", "structure."))
            self.model.train().requires_grad_(True)
        self.share = Share()
        self.sizes = [seen_field(layouts.reach(*grid), PATCH) for grid in config.grids]
        self.places = Places()
        self.films: _Stages | None = None
        self.held_out: _Stages | None = None

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make or open the banks, and whiten by what the first holds."""
        self.films = self._stages("train", self.config.num, say)
        self.held_out = self._stages("test", banks.CHUNK, say)
        assert isinstance(self.model, BackdropModel)
        if not self.config.run.init:
            say("drawing the places")
            pictures = middle(self.places.take(self.films.stages[:512]), self.sizes[0]).float() / 255
            self.model.mean.copy_(pictures.mean((0, 2, 3))[:, None, None])
            self.model.deviation.copy_(pictures.std((0, 2, 3))[:, None, None])

    def _stages(self, split: str, num: int, say: Callable[[str], None]) -> _Stages:
        c = self.config
        make = StageRows(split=split, filters=c.filters)
        name = f"stages-{split}-{banks.key(configs.to_dict(make) | {'world': REVISION})}"

        def watch(done: int, wanted: int) -> None:
            if done % 20 == 0 or done == wanted:
                say(f"bank {name}: {done} of {wanted} chunks")

        bank = banks.build(Path(c.banks) / name, num, make, workers=c.workers, watch=watch)
        assert isinstance(self.model, BackdropModel)
        return _Stages(bank, self.model, self.places)

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.films is not None
        indices = banks.order(len(self.films.ids), self.config.batch, self.config.run.seed, step)
        return self._error(model, self.share.of(self._noised(self.films, indices, step))), {}

    def _noised(self, films: _Stages, indices: np.ndarray, step: int) -> Lesson:
        """Return a step's pictures with the caption, noise and time that the step draws for each."""
        c = self.config
        rng = np.random.default_rng((c.run.seed, step, 11))
        grid = int(rng.integers(len(self.sizes)))
        size = self.sizes[grid]
        place = films.ids.device
        rows = torch.from_numpy(indices).to(place)
        picks = torch.from_numpy(rng.integers(0, NUM_CAPTIONS, len(indices))).to(place)
        pictures, takes = middle(films.places.take(films.stages[rows]), size).float() / 255, films.takes[rows]
        random = generator(c.run.seed, step, device=place)
        across, down = layouts.reach(*c.grids[grid])
        frame = tuple(
            2 * r * layouts.BACKDROP_UNIT_PX / PATCH / num for r, num in zip((down, across), size, strict=True)
        )
        structure = torch.zeros_like(pictures)
        if c.model.structure and (num := round(c.structured * len(rows))):
            pictures[:num], is_bent = bent(pictures[:num], random)
            structure[:num] = structured(pictures[:num], (frame[0], frame[1]), random)
            takes = takes.clone()
            takes[:num][is_bent] = NO_TAKE
        noise = torch.randn(pictures.shape, generator=random, device=place)
        t = flow.draw_t(len(rows), random, mean=c.t_mean, deviation=c.t_deviation, shift=1.0).clamp(min=SMALLEST_T)
        return pictures, takes, structure, films.ids[rows, picks], noise, t

    def _error(self, model: nn.Module, lesson: Lesson) -> Tensor:
        assert isinstance(model, BackdropModel)
        pictures, takes, structure, ids, noise, t = lesson
        clean = (pictures - model.mean) / model.deviation
        velocity = model(torch.lerp(clean, noise, t.view(-1, 1, 1, 1)), t, model.text(ids), takes, structure)
        error = (velocity - (noise - clean)).square().mean((1, 2, 3))
        return (error * t.square() / (t.square() + 0.09)).mean()

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Draw the places of held-out prompts, true ones beside them, and return the held-out loss."""
        films = self.held_out
        assert films is not None and isinstance(model, BackdropModel)
        parts = np.split(np.arange(len(films.ids)), 4)
        losses = [self._error(model, self._noised(films, part, 10**6 + int(part[0]))) for part in parts]
        model = model.cpu()
        rows = []
        for number, text in enumerate(films.prompts[:NUM_PREVIEWS]):
            true = middle(films.places.take(films.stages[number : number + 1])[0].cpu().float() / 255, self.sizes[0])
            drawn = model.draw(text, self.sizes[0], generator(0, number, 5))
            rows.append(torch.cat([*true.split((3, 1)), *drawn.split((3, 1))][::2], dim=2))
            rows[-1] = torch.cat((rows[-1], drawn[3:].expand(3, -1, -1)), dim=2)
        sheet = torch.cat([torch.cat(rows[i : i + 2], dim=2) for i in range(0, len(rows), 2)], dim=1)
        Image.fromarray((sheet * 255).round().byte().permute(1, 2, 0).numpy()).save(folder / f"step-{step:07d}.png")
        (folder / "prompts.txt").write_text("\n".join(films.prompts[:NUM_PREVIEWS]) + "\n")
        return {"held_out_loss": float(torch.stack(losses).mean())}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        assert isinstance(model, BackdropModel)
        return weights.save(model, folder, family="backdrop", config=model.config, facts=facts)


class Places:
    """Backdrops by what they follow from, each drawn once; a run's banks share them."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, int, str, str], int] = {}
        self.pictures = torch.zeros(0)

    def number(self, place: str, variant: int, time: str, weather: str) -> int:
        """Return a backdrop's number; it is drawn when one is taken."""
        return self.numbers.setdefault((place, variant, time, weather), len(self.numbers))

    def take(self, numbers: Tensor) -> Tensor:
        """Return backdrops, uint8 `[n 4 P Q]`, where `numbers [n]` are; an accelerator holds them all."""
        if new := list(self.numbers)[len(self.pictures) :]:
            drawn = torch.from_numpy(np.stack([backdrop(*stage) for stage in new])).permute(0, 3, 1, 2)
            known = [self.pictures] if len(self.pictures) else []
            self.pictures = torch.cat((*known, drawn.to(numbers.device))).contiguous()
        return self.pictures[numbers]


class _Stages:
    """A bank's prompts, and its places."""

    def __init__(self, bank: banks.Bank, model: BackdropModel, places: Places) -> None:
        place = ceiling.device()
        rows = bank.values[: len(bank)]
        self.prompts = [row["captions"][0] for row in rows]
        captions = [[model.vocabulary.encode(text) for text in row["captions"]] for row in rows]
        self.ids = torch.tensor(captions, device=place)
        self.places = places
        self.stages = torch.tensor([places.number(*row["stage"]) for row in rows], device=place)
        self.takes = torch.tensor([row["stage"][1] for row in rows], device=place)
