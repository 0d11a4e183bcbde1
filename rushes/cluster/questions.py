"""Questions that people asked about big runs, with the assumptions that an answer needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rushes.cluster import plan as plans
from rushes.cluster import workload
from rushes.cluster.plan import Ask, Plan, Stage
from rushes.errors import InputError, nearest_first
from rushes.types import VideoShape

FOUR_MONTHS_DAYS = 120.0
SEEN = 860e6  # films seen: every clip once small, a third of them again larger, a tenth once more at full size


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question, what it assumes, and a plan per accelerator (or model) under a name of its own."""

    question: str
    assumed: tuple[str, ...]
    plans: tuple[tuple[str, Plan], ...]


def hotshot() -> Answer:
    """Answer: 600 million clips, thousands of H100, four months; what would it take today?

    Source of the question: https://hotshot.co/release (August 2024). The size of the model is not known.
    """
    stages = (
        Stage(shape=VideoShape(frames=49, height=256, width=448), share=600 / 860),
        Stage(shape=VideoShape(frames=121, height=480, width=832), share=200 / 860),
        Stage(shape=VideoShape(frames=241, height=720, width=1280), share=60 / 860),
    )
    base = Ask(model=workload.find("hotshot-6b"), stages=stages, clips=SEEN, num_gpus=4096, days=FOUR_MONTHS_DAYS)
    found: list[tuple[str, Plan]] = [("4,096 H100, as then", plans.plan(base))]
    kinds = (("h100", "bf16"), ("h200", "bf16"), ("b200", "bf16"), ("b200", "fp8"), ("gb200", "bf16"))
    for gpu, precision in kinds:
        least = plans.fewest(replace(base, gpu=gpu, precision=precision), FOUR_MONTHS_DAYS)
        if least is not None:
            bits = " with 8-bit products" if precision == "fp8" else ""
            found.append((f"{least.gpu.title}{bits}, four months", least))
    for name in ("wan-14b", "movie-gen-30b"):
        least = plans.fewest(replace(base, model=workload.find(name)), FOUR_MONTHS_DAYS)
        if least is not None:
            found.append((f"H100, four months, like {least.ask.model.title.partition(' (')[0]}", least))
    assumed = (
        "the model's size was never told: 6 B weights here; for comparison Wan's 14 B, and Movie Gen's 30 B, whose "
        "latents stand for eight frames and halve the tokens",
        "every clip is seen once for two seconds at 448x256, a third of them for five at 832x480, a tenth for ten at "
        "1280x720, all at 24 frames a second: 860 million samples",
        "latents of 4x8x8 pixels and patches of 2x2; all tokens see each other; 2,048 samples a step",
        "one run that works the first time: experiments, data, captions and the autoencoder's own training not counted",
    )
    return Answer(
        question="600 million clips, thousands of GPUs, four months: what would it take today?",
        assumed=assumed,
        plans=tuple(found),
    )


QUESTIONS = {"hotshot": hotshot}


def ask(name: str) -> Answer:
    """Return the answer to a question by its name. Raises: InputError, which lists them."""
    if name not in QUESTIONS:
        raise InputError(f"there is no question {name!r}; known: {nearest_first(name, QUESTIONS)}")
    return QUESTIONS[name]()
