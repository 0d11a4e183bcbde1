"""Distil teachers' captions of real clips into the captioner: their sentences, and the fields it has words for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes import config as configs
from rushes.data.banks import bank as banks
from rushes.data.banks.teacher_rows import TeacherRows, newest
from rushes.data.captioning.sentences import LABELS
from rushes.models._fields import FIELDS, SUBJECT_FIELDS, SUBJECTS, value_ids
from rushes.models._writer import LENGTHS, Pieces
from rushes.models.captioner import Captioner
from rushes.train import ceiling
from rushes.train.parallel.share import Share


class Lessons:
    """The clips of a dataset that a teacher described, ready to batch."""

    def __init__(self, dataset: str, folder: Path, workers: int, say: Callable[[str], None]) -> None:
        version, self.num = newest(dataset)
        make = TeacherRows(dataset=dataset, version=version)
        name = f"captions-teacher-{banks.key({**configs.to_dict(make), 'num': self.num})}"
        self.bank = banks.build(folder / name, self.num, make, workers=workers)
        say(f"{self.num} clips described by teacher {version}")

    def loss(
        self, model: Captioner, pieces: Pieces, batch: int, at: tuple[int, int], share: Share
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a step: words of a random length, fields where the teacher names them, contrast.

        `at` is (seed, step); of the batch that they draw, this process computes its share.
        """
        device = ceiling.device()
        rng = np.random.default_rng((*at, 6))
        indices = banks.order(self.num, batch, *at)
        values = [self.bank.values[i] for i in indices]
        lengths = rng.integers(0, len(LENGTHS), batch)
        texts = [one["texts"][LENGTHS[n]] for one, n in zip(values, lengths, strict=True)]
        told = torch.tensor([value_ids(LABELS, one["fields"]) for one in values], device=device)
        # Half of the sentences are written from what is seen alone, the others also from the teacher's fields.
        told = told * torch.from_numpy(rng.random(batch) < 0.5).to(device)[:, None]
        whole = Drawn(
            frames=torch.from_numpy(self.bank.take("frames", indices)).to(device).permute(0, 1, 4, 2, 3),
            times=torch.from_numpy(self.bank.take("times", indices)).to(device),
            durations=torch.tensor([one["duration_s"] for one in values], dtype=torch.float32, device=device),
            lengths=torch.from_numpy(lengths).to(device),
            ids=torch.tensor([pieces.encode(text) for text in texts], device=device),
            told=told,
            labels={name: _labels(name, [one["fields"] for one in values], device) for name in FIELDS},
        )
        own = share.of(whole)
        thought = model((own.frames.float() / 127.5 - 1).to(next(model.parameters()).dtype), own.times, own.durations)
        ids = trimmed(own.ids)
        logits = model.writer(model.writer.prefix(own.told, thought.tokens, own.lengths), ids)
        said = F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten(), ignore_index=Pieces.PAD)
        said = said * share.weight(num_pieces(own.ids), num_pieces(whole.ids))
        contrast = contrast_loss(model, thought.embedding, own.ids, share)
        fields = _field_loss(thought.logits, own.labels, whole.labels, share)
        scalars = {"teacher_words": said.detach(), "teacher_fields": fields.detach(), "contrast": contrast.detach()}
        return said + fields + 0.5 * contrast, scalars


class Drawn(NamedTuple):
    """Clips `frames [b f 3 h w]`, their times, and what a teacher said of them: pieces, fields, those that are told."""

    frames: Tensor
    times: Tensor
    durations: Tensor
    lengths: Tensor
    ids: Tensor
    told: Tensor
    labels: dict[str, Tensor]


def num_pieces(ids: Tensor) -> int:
    """Return how many pieces of `ids [n m]` are words to learn."""
    return int((ids != Pieces.PAD).sum())


def trimmed(ids: Tensor) -> Tensor:
    """Return ids of pieces `[n m]` without the columns in which all are over."""
    return ids[:, : int((ids != Pieces.PAD).sum(1).max())]


def contrast_loss(model: Captioner, films: Tensor, ids: Tensor, share: Share) -> Tensor:
    """Each film against its caption and all others, those of other processes too; the first captions are the films'.

    `films [n d]` are embeddings, `ids [n+ m]` captions. Source: CLIP, arXiv 2103.00020, figure 3.
    """
    texts = model.embed_texts(trimmed(ids))
    scale, num = model.sharpness.clamp(0.0, 4.0).exp(), len(films)
    own = torch.arange(num, device=films.device)
    by_film = scale * films @ share.gathered(texts).mT
    by_text = scale * texts[:num] @ share.gathered(films).mT
    among_texts, among_films = own + share.index * len(texts), own + share.index * num
    return (F.cross_entropy(by_film, among_texts) + F.cross_entropy(by_text, among_films)) / 2


def _labels(name: str, fields: list[dict[str, Any]], device: torch.device) -> Tensor:
    """Return the labels of a field, `[b 2]` for a subject's, else `[b]`; -1 where the teacher did not name it."""
    if name in SUBJECT_FIELDS:
        words = [[one["subjects"][0][name]] * SUBJECTS for one in fields]
        return torch.tensor(
            [[-1 if w is None else LABELS[name].index(w) for w in both] for both in words], device=device
        )
    said = (one[name] for one in fields)
    return torch.tensor([-1 if word is None else LABELS[name].index(word) for word in said], device=device)


def _field_loss(logits: dict[str, Tensor], own: dict[str, Tensor], whole: dict[str, Tensor], share: Share) -> Tensor:
    """Return the cross-entropy of every field that a teacher named in the captioner's words, summed over fields."""
    total = logits["kind"].new_zeros(())
    for name in FIELDS:
        target, num = own[name].flatten(), int((own[name] >= 0).sum())
        if num:
            found = F.cross_entropy(logits[name].flatten(0, -2), target, ignore_index=-1)
            total = total + found * share.weight(num, int((whole[name] >= 0).sum()))
    return total
