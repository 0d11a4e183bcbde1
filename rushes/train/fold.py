"""Teach a film model to give at once what guidance makes of two of its velocities: half the work, the same films."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rushes.diffusion import flow
from rushes.diffusion.guidance import Guidance
from rushes.errors import InputError
from rushes.generate import FOLDED
from rushes.models._lead import unheard
from rushes.models.text import NULL
from rushes.models.transformer import Prompt, Transformer
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig
from rushes.train.film import SMALLEST_T, FilmConfig, FilmObjective, Lesson


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldConfig(FilmConfig):
    """A film model's config; `run.init` names the weights that are taught the `guidance` by an adapter, `lora`."""

    guidance: float = 3.0
    lora: LoraConfig = field(default_factory=LoraConfig)

    def objective(self) -> FoldObjective:
        return FoldObjective(self)


class FoldObjective(FilmObjective):
    """The adapter learns the guided velocity for a prompt, and the model's own for none.

    Source: guidance distillation, arXiv 2210.03142 section 3.1, at one scale, so that the model needs no new input.
    """

    def __init__(self, config: FoldConfig) -> None:
        if not config.run.init or not config.lora.rank:
            raise InputError(
                "guidance is folded into weights by an adapter; name both: run.init=weights/film lora.rank=16"
            )
        super().__init__(config)
        assert isinstance(self.model, Transformer)
        self.folded = config.guidance
        self.guidance, self.lora, self.base = Guidance(scale=config.guidance), config.lora, Path(config.run.init)
        self.teacher = copy.deepcopy(self.model).eval().requires_grad_(False)
        torch.manual_seed(config.run.seed)
        lora.attach(self.model, config.lora)

    def _error(self, model: nn.Module, lesson: Lesson) -> Tensor:
        teacher = self.teacher.to(lesson.clean.device)
        t = lesson.t.clamp(min=SMALLEST_T)
        x = flow.noised(lesson.clean, lesson.noise, t)
        with torch.no_grad():
            read = teacher.read(torch.cat((lesson.ids, torch.full_like(lesson.ids, NULL))))
            leads = (lesson.lead, unheard(lesson.lead))  # as sampling does
            both = zip(halves(read), leads, strict=True)
            prompted, plain = (teacher(x, t, half, lesson.seconds, lesson.crop, lead) for half, lead in both)
            has_prompt = (lesson.ids != NULL).any(1).view(-1, 1, 1, 1, 1)
            wanted = torch.where(has_prompt, self.guidance.mix(prompted, plain), prompted)
        made = model(x, t, model.read(lesson.ids), lesson.seconds, lesson.crop, lesson.lead)  # type: ignore[operator]
        error = ((made - wanted).float().square() * lesson.weight).mean((1, 2, 3, 4))
        return (error * t.square() / (lesson.t.square() + 0.09)).mean()

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        """Write the adapter; it belongs beside the weights that it was made for."""
        base = weights.read_config(self.base, family="transformer")["sha256"]
        facts = facts | {"guidance": self.folded}
        return lora.save(lora.adapter_of(model, self.lora, base=base, facts=facts), folder / FOLDED)


def halves(prompt: Prompt) -> tuple[Prompt, Prompt]:
    """Split a prompt of twice as many texts."""
    num = len(prompt.pooled) // 2
    first, second = (
        Prompt(keys=[k[part] for k in prompt.keys], values=[v[part] for v in prompt.values], pooled=prompt.pooled[part])
        for part in (slice(num), slice(num, None))
    )
    return first, second
