"""Distil teachers' captions of real clips into the captioner: their sentences, and the fields it has words for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes import config as configs
from rushes.data.banks import bank as banks
from rushes.data.banks.teacher_rows import TeacherRows, newest
from rushes.data.captioning.sentences import LABELS
from rushes.models.captioner import FIELDS, LENGTHS, SUBJECT_FIELDS, SUBJECTS, Captioner, Pieces, value_ids
from rushes.train import ceiling


class Lessons:
    """The clips of a dataset that a teacher described, ready to batch."""

    def __init__(self, dataset: str, folder: Path, workers: int, say: Callable[[str], None]) -> None:
        version, self.num = newest(dataset)
        make = TeacherRows(dataset=dataset, version=version)
        name = f"captions-teacher-{banks.key({**configs.to_dict(make), 'num': self.num})}"
        self.bank = banks.build(folder / name, self.num, make, workers=workers)
        say(f"{self.num} clips described by teacher {version}")

    def loss(
        self, model: Captioner, pieces: Pieces, batch: int, seed: int, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a step: words of a random length, fields where the teacher names them, contrast."""
        device = ceiling.device()
        rng = np.random.default_rng((seed, step, 6))
        indices = banks.order(self.num, batch, seed, step)
        values = [self.bank.values[i] for i in indices]
        frames = torch.from_numpy(self.bank.take("frames", indices)).to(device).permute(0, 1, 4, 2, 3)
        times = torch.from_numpy(self.bank.take("times", indices)).to(device)
        durations = torch.tensor([one["duration_s"] for one in values], dtype=torch.float32, device=device)
        thought = model((frames.float() / 127.5 - 1).to(next(model.parameters()).dtype), times, durations)
        lengths = rng.integers(0, len(LENGTHS), batch)
        texts = [one["texts"][LENGTHS[n]] for one, n in zip(values, lengths, strict=True)]
        ids = torch.tensor([pieces.encode(text) for text in texts], device=device)
        ids = ids[:, : int((ids != Pieces.PAD).sum(1).max())]
        # Half of the sentences are written from what is seen alone, the others also from the teacher's fields.
        told = torch.tensor([value_ids(LABELS, one["fields"]) for one in values], device=device)
        told = told * torch.from_numpy(rng.random(batch) < 0.5).to(device)[:, None]
        prefix = model.writer.prefix(told, thought.tokens, torch.from_numpy(lengths).to(device))
        logits = model.writer(prefix, ids)
        said = F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten(), ignore_index=Pieces.PAD)
        texts_embedded = model.embed_texts(ids)
        pairs = model.sharpness.clamp(0.0, 4.0).exp() * thought.embedding @ texts_embedded.mT
        own = torch.arange(batch, device=device)
        contrast = (F.cross_entropy(pairs, own) + F.cross_entropy(pairs.mT, own)) / 2
        fields = _field_loss(thought.logits, [one["fields"] for one in values])
        scalars = {"teacher_words": said.detach(), "teacher_fields": fields.detach(), "contrast": contrast.detach()}
        return said + fields + 0.5 * contrast, scalars


def _field_loss(logits: dict[str, Tensor], fields: list[dict[str, object]]) -> Tensor:
    """Return the cross-entropy of every field that a teacher named in the captioner's words, summed over fields."""
    total = logits["kind"].new_zeros(())
    for name in FIELDS:
        if name in SUBJECT_FIELDS:
            words = [one["subjects"][0][name] for one in fields for _ in range(SUBJECTS)]  # type: ignore[index]
        else:
            words = [one[name] for one in fields]
        labels = [-1 if word is None else LABELS[name].index(word) for word in words]
        if max(labels) >= 0:
            target = torch.tensor(labels, device=total.device)
            total = total + F.cross_entropy(logits[name].flatten(0, -2), target, ignore_index=-1)
    return total
