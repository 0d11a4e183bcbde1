"""The films of judged pairs as latents, and what led them: encoded from their files, or made again; each is kept.

c channels, t h w latent grid, q quarters of a second
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rushes import config as configs
from rushes import layouts, tiers
from rushes.data import settings
from rushes.data.banks.latents import LatentConfig, encode_clip, encoder_digest, nearest_grid
from rushes.errors import InputError, RushesError
from rushes.evaluate.pairs import Ranked, Side
from rushes.generate import Generator
from rushes.media import metadata
from rushes.media.encode import replacing
from rushes.media.probe import probe
from rushes.models._lead import Leader
from rushes.models.autoencoder import LATENT_FPS, Autoencoder
from rushes.models.transformer import Lead, Transformer
from rushes.nn import weights
from rushes.train.finetune import GRIDS
from rushes.types import GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """A ranked pair and the latents of its films, chosen first, as files `[c t h w]` float16 of `frames` each.

    `leads` are files of what led them, where that is known.
    """

    pair: Ranked
    files: tuple[Path, Path]
    frames: int
    grid: tuple[int, int]
    leads: tuple[Path | None, Path | None] = (None, None)


class Films:
    """Opens pairs; what it makes of their films lies in `folder`.

    `autoencoder` encodes files, and `maker` holds the weights that make a studio's films again. Beside the `film`
    weights lie the models that led the films, if their records say so.
    """

    def __init__(self, folder: Path, *, autoencoder: Path, maker: Path, film: Path) -> None:
        self.folder, self.autoencoder, self.made_by = folder, autoencoder, maker
        folder.mkdir(parents=True, exist_ok=True)
        self.maker: Generator | None = None
        config = Transformer.from_pretrained(film).config
        self.leader = Leader.load(film.parent, config, Autoencoder.from_pretrained(autoencoder).transform)
        self.led_by = self._hashes(film.parent)

    def lesson(self, pair: Ranked, say: Callable[[str], None]) -> Lesson | None:
        """Return a pair ready to learn; None, and why, where its films cannot be read or are of different shapes."""
        try:
            files = (self._latent(pair.chosen), self._latent(pair.rejected))
        except InputError as error:
            say(f"pair {pair.pair} is left out: {error}")
            return None
        one, other = (np.load(path, mmap_mode="r").shape for path in files)
        if one != other:
            say(f"pair {pair.pair} is left out: its films have different shapes")
            return None
        leads = (self._lead(pair.chosen, one), self._lead(pair.rejected, one))
        return Lesson(pair=pair, files=files, frames=one[1], grid=one[2:], leads=leads)

    def _latent(self, side: Side) -> Path:
        """Return the file of a film's latent `[c t h w]` float16, made now if it is not there."""
        made_from: dict[str, Any]
        if side.path is None and side.request is None:
            raise InputError(f"{side.name} was made from a picture or film that the set does not hold")
        if side.path is not None:
            made_from = {"film": weights.digest(side.path), "encoder": encoder_digest(str(self.autoencoder))}
        else:
            hashed = weights.read_config(self.made_by / "film", family="transformer")["sha256"]
            made_from = {"request": side.request, "weights": hashed}
        path = self.folder / f"{settings.key(made_from)}.npy"
        if not path.is_file():
            latent = self._encoded(side.path) if side.path is not None else self._made_again(side)
            with replacing(path, force=True) as draft, draft.open("wb") as file:
                np.save(file, latent)
        return path

    def _encoded(self, path: Path) -> np.ndarray:
        film = probe(path)
        rows, columns = nearest_grid(GRIDS, film.width, film.height)
        config = LatentConfig(autoencoder=str(self.autoencoder), rows=rows, columns=columns)
        return encode_clip(path.read_bytes(), config, film.duration_s).transpose(1, 0, 2, 3)

    def _made_again(self, side: Side) -> np.ndarray:
        request = configs.from_dict(GenerationRequest, side.request or {})
        self.maker = self.maker or Generator.load(self.made_by)
        return self.maker.latent(request)[0].to(torch.float16).cpu().numpy()

    def _lead(self, side: Side, shape: tuple[int, ...]) -> Path | None:
        """Return the file of what led a film, made now if it is not there; None where nothing is known of it."""
        request = self._led(side)
        if request is None:
            return None
        path = self.folder / f"{settings.key({'lead': configs.to_dict(request), 'by': self.led_by})}.lead.npz"
        if not path.is_file():
            shot = tiers.plan(request)
            if len(shot.windows) != 1 or (shot.seconds * LATENT_FPS, shot.rows, shot.columns) != shape[1:]:
                return None  # each window of a long film has a lead of its own
            (lead,) = self.leader.leads(request, shot)
            parts = {name: part.numpy().astype(np.float16) for name, part in lead._asdict().items() if part is not None}
            with replacing(path, force=True) as draft, draft.open("wb") as file:
                np.savez(file, **parts)
        return path

    def _led(self, side: Side) -> GenerationRequest | None:
        """Return what was asked for, if it is known and the models at hand led what came of it."""
        try:
            record = metadata.read_request(side.path) if side.path is not None else side.request or {}
            fields = GenerationRequest.__dataclass_fields__
            request = configs.from_dict(GenerationRequest, {n: v for n, v in record.items() if n in fields})
        except RushesError:
            return None
        by = record.get("weights", {}) if side.path is not None else self._hashes(self.made_by)
        is_known = all(by.get(name) == digest for name, digest in self.led_by.items())
        return request if self.led_by and is_known and not request.conditions else None

    def _hashes(self, folder: Path) -> dict[str, str]:
        there = [name for name in self.leader.parts if (folder / name).is_dir()]
        return {name: weights.read_config(folder / name, family=name)["sha256"] for name in there}


def led(lessons: Sequence[Lesson], first: Sequence[int], num: int) -> Lead | None:
    """Return what led `num` latent frames of each film from `first` on, all chosen ones, then all others.

    Zeros stand for what is not known; nothing, where it is of none.
    """
    found = []
    for side in (0, 1):
        for one, start in zip(lessons, first, strict=True):
            path = one.leads[side]
            found.append({} if path is None else _window(dict(np.load(path)), start, num))
    parts: dict[str, Tensor] = {}
    for name in Lead._fields:
        shape = next((film[name].shape for film in found if name in film), None)
        if shape is not None:
            parts[name] = torch.stack([torch.from_numpy(film.get(name, np.zeros(shape, np.float32))) for film in found])
    return Lead(**parts) if parts else None


def _window(film: dict[str, np.ndarray], start: int, num: int) -> dict[str, np.ndarray]:
    rows = layouts.PER_SECOND // LATENT_FPS
    cut = {name: part[0, :, start : start + num] for name, part in film.items() if name != "layout"}
    cut["layout"] = film["layout"][rows * start : rows * (start + num)]
    return {name: part.astype(np.float32) for name, part in cut.items()}
