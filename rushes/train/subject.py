"""Teach the cut-out model a subject of one's own from a few stills: an adapter, and the word that names it.

b batch, p pixels

Half of every batch are the world's own subjects, so that the model keeps them: DreamBooth's prior preservation
(arXiv 2208.12242, section 3.3), but what the model said of them before is the target, not a picture that it drew.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from rushes import given
from rushes.config import from_dict
from rushes.data.banks import bank as banks
from rushes.diffusion import flow
from rushes.errors import InputError
from rushes.generate import Generator
from rushes.media.encode import encode
from rushes.models import _taught as taught
from rushes.models.captioner import HEIGHT, WIDTH, Captioner, reading_times
from rushes.models.cutout import SMALLEST_T, CutoutConfig, CutoutModel
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig, LoraEmbedding
from rushes.tiers import TIERS
from rushes.train.cut import TABLE, CutConfig, CutObjective, Lesson, on_table
from rushes.train.facing import turned
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.types import GenerationRequest
from rushes.world.captions import caption
from rushes.world.cutout import cutout
from rushes.world.scene import SceneFilters, sample

FEWEST, MOST = 5, 20
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
NUM_WORDINGS = 2048
ALONE, COLOURED, OWN = 0.15, 0.3, 0.5  # shares of the captions: the noun alone, with its colour, the still's own text
BESIDE = 0.4  # of those that name someone else as well: how often that one is to be drawn
SURE = 2 / 3  # of the stills, in which the captioner has to see the same kind; what it is matters little, as films show
PER_ROW = 8
FILMS = ("{} rests in the forest by day", "{} moves left on the beach at sunset")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectConfig:
    """`data` is a folder of 5 to 20 stills of one subject, `name` what prompts call it, `run.init` the cut-out weights.

    `like` is what the other models hear in its place: a kind that they know; empty takes what `captioner` sees in
    most stills. `left` are patterns of the names of stills in which it faces left. A step has `batch` pictures,
    half of them the subject's, turned by up to `turned` degrees and scaled by up to `scaled`; `num` scenes of the world
    are the others. `films` is a folder of weights that previews make films with, empty for none.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    data: str = ""
    name: str = ""
    like: str = ""
    left: tuple[str, ...] = ("*-left.*",)
    captioner: str = "weights/captioner"
    films: str = ""
    filters: SceneFilters = field(default_factory=SceneFilters)
    num: int = 4096
    batch: int = 32
    turned: float = 8.0
    scaled: float = 0.08
    t_mean: float = 1.2
    t_deviation: float = 1.2
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return SubjectObjective(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Still:
    """A still, cut out, float32 `[4 p p]` in 0..1, colours times alpha; its own text and colour, empty without."""

    path: Path
    picture: Tensor
    text: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A caption with `{}` for the subject, which is named first (0) or second (1), and the (kind, colour) beside it."""

    text: str
    which: int
    other: tuple[str, str] | None = None


class SubjectObjective(CutObjective):
    """The error of the velocity: from the stills for the subject, from what it was before for the world's own."""

    def __init__(self, config: SubjectConfig) -> None:
        if not config.data or not config.name:
            raise InputError("a subject has stills and a name; say them, for instance data=FOLDER name=fox")
        if config.batch < 2 or config.batch % 2:
            raise InputError(f"batch {config.batch} is illegal; the nearest legal value is {max(2, config.batch + 1)}")
        self.own = config
        self.base = weights.read_config(Path(config.run.init), family="cutout")
        shared = ("run", "filters", "num", "t_mean", "t_deviation", "banks", "workers")
        kept: dict[str, Any] = {name: getattr(config, name) for name in shared}
        model = from_dict(CutoutConfig, self.base["config"])
        super().__init__(CutConfig(model=model, batch=config.batch // 2, **kept))
        assert isinstance(self.model, CutoutModel)
        self.plain = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.words = taught.learned(self.model.vocabulary, config.name)
        self.name = " ".join(taught.words_of(config.name))
        self.stills = read_stills(Path(config.data), config.left)
        self.like = self._like()
        if strange := self.model.vocabulary.unknown(self.like):
            raise InputError(f"like {self.like!r} has words that the models were never taught: {', '.join(strange)}")
        ids = taught.make_room(self.model, self.words, self.like)
        lora.attach(self.model, config.lora)
        self.model.text.words = LoraEmbedding(self.model.text.words, ids)  # type: ignore[assignment]
        self.wordings = wordings(NUM_WORDINGS, config.run.seed, config.filters)
        self.kept = np.zeros(0, np.int64)
        self._check_films()

    def _like(self) -> str:
        """Note the stills' colours, and return what the subject is like: as asked, or else as the captioner sees it."""
        folder = Path(self.own.captioner)
        if not self.own.captioner or not folder.is_dir():
            return self.own.like or alike([])
        readings = read_looks(Captioner.from_pretrained(folder), self.stills)
        self.stills = [replace(s, colour=colour) for s, (_, colour) in zip(self.stills, readings, strict=True)]
        return self.own.like or alike([kind for kind, _ in readings])

    def _check_films(self) -> None:
        if self.own.films:
            theirs = weights.read_config(Path(self.own.films) / "cutout", family="cutout")["sha256"]
            if theirs != self.base["sha256"]:
                raise InputError(f"{self.own.films} has other cut-out weights than {self.own.run.init}; name its own")

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make or open the banks, and leave out of the world's prompts what the name would contradict."""
        self._remember(folder)
        super().prepare(folder, say)
        assert isinstance(self.model, CutoutModel) and self.films is not None
        ids = torch.tensor([self.model.vocabulary.ids[word] for word in self.words])
        named = torch.isin(self.films.ids.cpu(), ids).flatten(1).any(1)
        self.kept = (~named).nonzero()[:, 0].numpy()
        self.plain.to(self.films.pictures.device)
        learned = " ".join(self.words)
        say(f"{len(self.stills)} stills of {self.name!r}; learned: {learned!r}; to other models it is {self.like!r}")

    def _remember(self, folder: Path) -> None:
        """Note what is learned; a run that goes on must find the same, or it would not repeat an unbroken one."""
        facts = {
            "stills": {still.path.name: [given.digest(still.path), still.text, still.colour] for still in self.stills},
            "like": self.like,
        }
        path = folder / "data.json"
        if path.exists() and json.loads(path.read_text()) != facts:
            raise InputError(f"the stills in {self.own.data} are others than when {folder} began; name another folder")
        path.write_text(json.dumps(facts, indent=1) + "\n")

    def num_samples(self, step: int) -> int:
        return self.own.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.films is not None and isinstance(model, CutoutModel)
        order = banks.order(len(self.kept), self.config.batch, self.config.run.seed, step)
        old, new = self._noised(self.films, self.kept[order], step), self._shown(step)
        pictures, which, ids, noise, t = (torch.cat(pair) for pair in zip(old, new, strict=True))
        clean = (pictures - model.mean) / model.deviation
        x, target, num = torch.lerp(clean, noise, t.view(-1, 1, 1, 1)), noise - clean, len(old[0])
        with torch.no_grad():
            target[:num] = self.plain(x[:num], t[:num], self.plain.text(ids[:num]), which[:num])
        x, t, ids, which, target = self.share.of((x, t, ids, which, target))
        error = (model(x, t, model.text(ids), which) - target).square().mean((1, 2, 3))
        return (error * t.square() / (t.square() + 0.09)).mean(), {}

    def _shown(self, step: int) -> Lesson:
        """Return a step's pictures of the subject, each with the caption, noise and time that the step draws for it."""
        c, num = self.config, self.config.batch
        assert self.films is not None
        place = self.films.pictures.device
        rng = np.random.default_rng((c.run.seed, step, 11))
        told = [self._told(self.stills[i], rng) for i in rng.integers(len(self.stills), size=num)]
        angles, sizes = (torch.from_numpy(rng.uniform(-1, 1, num)).float() for _ in range(2))
        pictures = torch.stack([picture for _, _, picture in told])
        pictures = moved(pictures, angles * math.radians(self.own.turned), 1 + sizes * self.own.scaled).to(place)
        random = generator(c.run.seed, step, 1, device=place)
        noise = torch.randn(pictures.shape, generator=random, device=place)
        t = flow.draw_t(num, random, mean=c.t_mean, deviation=c.t_deviation, shift=1.0).clamp(min=SMALLEST_T)
        assert isinstance(self.model, CutoutModel)
        ids = torch.tensor([self.model.vocabulary.encode(text) for text, _, _ in told], device=place)
        return pictures, torch.tensor([which for _, which, _ in told], device=place), ids, noise, t

    def _told(self, still: Still, rng: np.random.Generator) -> tuple[str, int, Tensor]:
        """Return a caption that names the subject, and which of those in it the picture shows: mostly the subject."""
        if still.text and rng.random() < OWN:
            return still.text, 0, still.picture
        noun = f"{still.colour} {self.name}".strip() if rng.random() < COLOURED else self.name
        if rng.random() < ALONE:
            return taught.said(noun), 0, still.picture
        one = self.wordings[int(rng.integers(len(self.wordings)))]
        text = worded(one.text, noun)
        if one.other is None or rng.random() >= BESIDE:
            return text, one.which, still.picture
        picture = torch.from_numpy(cutout(*one.other)).permute(2, 0, 1).float() / 255
        return text, 1 - one.which, picture

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Draw the stills, the subject from prompts, and old subjects: true, before and after; film some if asked."""
        assert isinstance(model, CutoutModel) and self.films is not None and self.held_out is not None
        lesson = self._noised(self.held_out, np.arange(banks.CHUNK), 10**6)
        each = {"held_out_loss": model, "held_out_loss_before": self.plain}
        figures = {name: float(self._error(one, lesson)) for name, one in each.items()}
        model, plain = model.cpu(), copy.deepcopy(self.plain).cpu()
        shown = [worded(one.text, self.name) for one in self.wordings if not one.which][:PER_ROW]
        old = self.held_out.prompts[:PER_ROW]
        true = self.held_out.pictures[self.held_out.looks[:PER_ROW, 0]].cpu().float() / 255
        stills = torch.stack([self.stills[i % len(self.stills)].picture for i in range(PER_ROW)])
        rows = [stills, _drawn(model, shown), true, _drawn(plain, old), _drawn(model, old)]
        sheet = np.concatenate([on_table(row) for row in rows])
        Image.fromarray(sheet).save(folder / f"step-{step:07d}.png")
        (folder / "prompts.txt").write_text("\n".join([*shown, *old]) + "\n")
        if self.own.films:
            self._film(model, folder, step)
        return figures

    def _film(self, model: CutoutModel, folder: Path, step: int) -> None:
        """Make tiny films with the subject in them."""
        made, adapter = Generator.load(Path(self.own.films)), self._adapter(model, {})
        if made.leader.cutter is None:
            raise InputError(f"the film weights in {self.own.films} can't be shown a subject; name others, or none")
        taught.teach(made.leader.cutter, adapter)
        for each in (made.film, made.leader.planner):
            if each is not None:
                taught.tell(each, adapter)
        tier = TIERS["flipbook"]
        for number, template in enumerate(FILMS):
            request = GenerationRequest(
                prompt=template.format(taught.said(self.name)), shape=tier.shape, fps=tier.fps,
                num_steps=tier.num_steps, guidance_scale=tier.guidance_scale,
            )  # fmt: skip
            path = folder / f"step-{step:07d}-{number}.gif"
            encode(path, made.generate(request), fps=tier.fps, shape=tier.shape, force=True)

    def _adapter(self, model: nn.Module, facts: dict[str, Any]) -> lora.Adapter:
        facts = facts | {"name": self.name, "like": self.like, "stills": len(self.stills)}
        adapter = lora.adapter_of(model, self.own.lora, base=self.base["sha256"], facts=facts)
        return replace(adapter, model=taught.FAMILY, words=self.words)

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        """Write the adapter that `rushes film --lora` takes."""
        return lora.save(self._adapter(model, facts), folder / f"{self.name.replace(' ', '-')}.safetensors")


def read_stills(folder: Path, left: tuple[str, ...]) -> list[Still]:
    """Return the stills in a folder, cut out and facing right, each with the text beside it, in the names' order.

    Those whose names match `left` are turned; where no pattern is given, those that face the other way than most.

    Raises:
        InputError: too few or too many, or one that nothing can be cut out of; it is named.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; name one with {FEWEST} to {MOST} stills")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not FEWEST <= len(paths) <= MOST:
        nearest = FEWEST if len(paths) < FEWEST else MOST
        raise InputError(f"{folder} holds {len(paths)} stills; the nearest legal number is {nearest}")
    stills = []
    for path in paths:
        picture = torch.from_numpy(given.cutout(path))
        faces_left = any(fnmatch(path.name, pattern) for pattern in left)
        beside = path.with_suffix(".txt")
        try:
            text = beside.read_text(encoding="utf-8-sig").strip() if beside.is_file() else ""
        except UnicodeDecodeError:
            raise InputError(f"{beside} is no text in UTF-8; it should hold what {path.name} shows") from None
        stills.append(Still(path=path, picture=picture.flip(-1) if faces_left else picture, text=text))
    if left:
        return stills
    astray = turned(torch.stack([still.picture for still in stills]))
    return [
        replace(still, picture=still.picture.flip(-1)) if faces_left else still
        for still, faces_left in zip(stills, astray, strict=True)
    ]


def read_looks(captioner: Captioner, stills: list[Still]) -> list[tuple[str, str]]:
    """Return the kind and the colour that the captioner sees in each still, laid on a grey sheet."""
    pictures = torch.stack([still.picture for still in stills])
    alpha = pictures[:, 3:]
    laid = 2 * (pictures[:, :3] + (1 - alpha) * TABLE / 255) - 1
    side = pictures.shape[-1]
    sheets = torch.full((len(stills), 3, HEIGHT, WIDTH), 2 * TABLE / 255 - 1)
    top, start = (HEIGHT - side) // 2, (WIDTH - side) // 2
    sheets[:, :, top : top + side, start : start + side] = laid
    times = torch.from_numpy(reading_times(1.0)).float().expand(len(stills), -1)
    frames = sheets[:, None].expand(-1, times.shape[1], -1, -1, -1)
    told = captioner.describe(frames, times, torch.ones(len(stills)), least=0.0, stills=[True] * len(stills))
    return [(each.fields["subjects"][0]["kind"], each.fields["subjects"][0]["colour"]) for each in told]


def alike(kinds: list[str]) -> str:
    """Return the kind that a captioner saw in most stills. Raises: InputError where it saw this and that."""
    counts = Counter(kinds).most_common()
    if counts and counts[0][1] >= SURE * len(kinds):
        return counts[0][0]
    seen = ", ".join(f"{kind} in {num}" for kind, num in counts) or "no captioner"
    raise InputError(f"nothing says what the subject is like (seen: {seen}); say it, for instance like=cat")


def wordings(num: int, seed: int, filters: SceneFilters) -> list[Wording]:
    """Return captions of the world with the subject in place of one that they name.

    They are of every kind: whoever is told of a fox at sea should draw the same fox.
    """
    found = []
    for index in range(num):
        rng = np.random.default_rng((seed, index, 12))
        scene = sample(rng, filters=filters)
        which = int(rng.integers(len(scene.subjects)))
        subject, others = scene.subjects[which], [s for i, s in enumerate(scene.subjects) if i != which]
        text = caption(scene, rng).text.replace(f"{subject.colour} {subject.kind}", "{}", 1)
        if "{}" in text:
            other = (others[0].kind, others[0].colour) if others else None
            found.append(Wording(text=text, which=which, other=other))
    return found


def worded(template: str, noun: str) -> str:
    """Return a wording with its noun: `an {} rests`, `fox` -> `a fox rests`."""
    return re.sub(r"\ban? \{\}", taught.said(noun), template).replace("{}", noun)


def moved(pictures: Tensor, angles: Tensor, sizes: Tensor) -> Tensor:
    """Return pictures `[b 4 p p]` turned by `angles` (radians) and scaled by `sizes`, `[b]` each."""
    sine, cosine, none = angles.sin() / sizes, angles.cos() / sizes, torch.zeros_like(angles)
    turns = torch.stack((cosine, -sine, none, sine, cosine, none), dim=-1).view(-1, 2, 3)
    grid = F.affine_grid(turns, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def _drawn(model: CutoutModel, texts: list[str]) -> Tensor:
    """Return the first subject of each text as the model draws it, `[n 4 p p]`."""
    return torch.stack([model.cut(text, generator(0, number, 5))[0] for number, text in enumerate(texts)])
