"""Train the cut-out model: flow matching on the paper world's subjects, each alone on nothing.

b batch, p pixels
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
from rushes.data.banks import bank as banks
from rushes.data.banks.world_rows import NUM_CAPTIONS, LookRows
from rushes.diffusion import flow
from rushes.models.cutout import SMALLEST_T, CutoutConfig, CutoutModel
from rushes.nn import weights
from rushes.train import ceiling
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.world import REVISION
from rushes.world.captions import words
from rushes.world.cutout import cutout
from rushes.world.scene import SceneFilters

NUM_PREVIEWS = 24
TABLE = 230  # grey of the paper that previews lie on
Lesson = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]  # pictures, which subject, word ids, noise, times


@dataclass(frozen=True, slots=True, kw_only=True)
class CutConfig:
    """`num` scenes' prompts and subjects; a step has `batch` of them.

    `t_mean`, `t_deviation` are those of the logit-normal that times are drawn from: most are noisy, where a picture's
    words and not its pixels say what it shows.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: CutoutConfig = field(default_factory=CutoutConfig)
    filters: SceneFilters = field(default_factory=SceneFilters)
    num: int = 32768
    batch: int = 64
    t_mean: float = 1.2
    t_deviation: float = 1.2
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return CutObjective(self)


class CutObjective:
    """The velocity's error, over a picture's pixels alike."""

    def __init__(self, config: CutConfig) -> None:
        self.config = config
        text = replace(config.model.text, words=tuple(sorted(words())))
        self.model: nn.Module = CutoutModel(replace(config.model, text=text))
        if config.run.init:
            weights.load(self.model, Path(config.run.init), family="cutout")
            self.model.train().requires_grad_(True)
        self.share = Share()
        self.films: _Looks | None = None
        self.held_out: _Looks | None = None

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make or open the banks, and whiten by what the first holds."""
        self.films = self._looks("train", self.config.num, say)
        self.held_out = self._looks("test", 2 * banks.CHUNK, say)
        assert isinstance(self.model, CutoutModel)
        if not self.config.run.init:
            pictures = self.films.pictures.float() / 255
            self.model.mean.copy_(pictures.mean((0, 2, 3))[:, None, None])
            self.model.deviation.copy_(pictures.std((0, 2, 3))[:, None, None])

    def _looks(self, split: str, num: int, say: Callable[[str], None]) -> _Looks:
        c = self.config
        make = LookRows(split=split, filters=c.filters)
        name = f"looks-{split}-{banks.key(configs.to_dict(make) | {'world': REVISION})}"

        def watch(done: int, wanted: int) -> None:
            if done % 20 == 0 or done == wanted:
                say(f"bank {name}: {done} of {wanted} chunks")

        bank = banks.build(Path(c.banks) / name, num, make, workers=c.workers, watch=watch)
        assert isinstance(self.model, CutoutModel)
        return _Looks(bank, self.model)

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.films is not None
        indices = banks.order(len(self.films.ids), self.config.batch, self.config.run.seed, step)
        loss = self._error(model, self.share.of(self._noised(self.films, indices, step)))
        return loss, {}

    def _noised(self, films: _Looks, indices: np.ndarray, step: int) -> Lesson:
        """Return a step's pictures with the subject, caption, noise and time that the step draws for each."""
        c = self.config
        rng = np.random.default_rng((c.run.seed, step, 10))
        place = films.pictures.device
        rows = torch.from_numpy(indices).to(place)
        second = torch.from_numpy(rng.random(len(indices)) < 0.5).to(place) & (films.looks[rows, 1] > 0)
        picks = torch.from_numpy(rng.integers(0, NUM_CAPTIONS, len(indices))).to(place)
        pictures = films.pictures[films.looks[rows, second.long()]].float() / 255
        random = generator(c.run.seed, step, device=place)
        noise = torch.randn(pictures.shape, generator=random, device=place)
        t = flow.draw_t(len(rows), random, mean=c.t_mean, deviation=c.t_deviation, shift=1.0).clamp(min=SMALLEST_T)
        return pictures, second.long(), films.ids[rows, picks], noise, t

    def _error(self, model: nn.Module, lesson: Lesson) -> Tensor:
        assert isinstance(model, CutoutModel)
        pictures, which, ids, noise, t = lesson
        clean = (pictures - model.mean) / model.deviation
        x = torch.lerp(clean, noise, t.view(-1, 1, 1, 1))
        velocity = model(x, t, model.text(ids), which)
        error = (velocity - (noise - clean)).square().mean((1, 2, 3))
        return (error * t.square() / (t.square() + 0.09)).mean()

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Cut out the subjects of held-out prompts, true ones beside them, and return the held-out loss."""
        films = self.held_out
        assert films is not None and isinstance(model, CutoutModel)
        size = banks.CHUNK
        parts = (np.arange(i, i + size) for i in range(0, len(films.ids), size))
        losses = [self._error(model, self._noised(films, part, 10**6 + int(part[0]))) for part in parts]
        model = model.cpu()
        rows = []
        for number, text in enumerate(films.prompts[:NUM_PREVIEWS]):
            true = films.pictures[films.looks[number]].cpu().float() / 255
            drawn = model.cut(text, generator(0, number, 5))
            drawn = drawn * (films.looks[number] > 0).cpu().view(-1, 1, 1, 1)
            rows.append(on_table(torch.stack((true, drawn), dim=1).flatten(0, 1)))
        sheet = [np.concatenate(rows[i : i + 3], axis=1) for i in range(0, len(rows), 3)]
        Image.fromarray(np.concatenate(sheet)).save(folder / f"step-{step:07d}.png")
        (folder / "prompts.txt").write_text("\n".join(films.prompts[:NUM_PREVIEWS]) + "\n")
        return {"held_out_loss": float(torch.stack(losses).mean())}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        assert isinstance(model, CutoutModel)
        return weights.save(model, folder, family="cutout", config=model.config, facts=facts)


def on_table(pictures: Tensor) -> np.ndarray:
    """Return cut-outs `[b 4 p p]` in 0..1 side by side on grey paper, uint8 `[p bp 3]`."""
    seen = pictures[:, :3] * 255 + TABLE * (1 - pictures[:, 3:])
    return np.concatenate(list(seen.round().byte().permute(0, 2, 3, 1).numpy()), axis=1)


class _Looks:
    """A bank's prompts, and its subjects' pictures, each look once."""

    def __init__(self, bank: banks.Bank, model: CutoutModel) -> None:
        place = ceiling.device()
        rows = bank.values[: len(bank)]
        self.prompts = [row["captions"][0] for row in rows]
        captions = [[model.vocabulary.encode(text) for text in row["captions"]] for row in rows]
        self.ids = torch.tensor(captions, device=place)
        looks, pictures = looks_of([row["looks"] for row in rows])
        self.looks, self.pictures = looks.to(place), pictures.to(place)


def looks_of(films: list[list[tuple[str, str]]]) -> tuple[Tensor, Tensor]:
    """Return which picture each film's subjects have, int64 `[n 2]`, and the pictures, uint8 `[m 4 p p]`.

    Each film is a list of its subjects' (kind, colour); picture 0 is empty, for who is not there.
    """
    numbers: dict[tuple[str, str], int] = {}
    which = torch.zeros(len(films), 2, dtype=torch.long)
    for row, film in enumerate(films):
        for index, (kind, colour) in enumerate(film):
            which[row, index] = numbers.setdefault((kind, colour), len(numbers) + 1)
    drawn = [cutout(*look) for look in numbers]
    pictures = np.stack([np.zeros_like(drawn[0]), *drawn])
    return which, torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
