"""The captioner looks at a film once and says what it shows: fields with confidence, a sentence, an embedding.

Subjects are first found, then looked at closely. Their shape is read from a grey square, their colour from a coloured
one, by separate layers: a purple whale is read right though training never showed one. How a film is made (paper,
pixels) is too fine for the small pictures and shows in a detail of a larger one.

b batch, f frames read, n = b f pictures, c channels, h w feature grid, d width, s = 2 subjects, m text tokens
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes.config import from_dict
from rushes.models import Family
from rushes.models._fields import FIELDS, SUBJECTS, TAGS, hold_still, read_out, value_ids, value_sizes
from rushes.models._writer import LENGTHS, Pieces, TextTower, Writer
from rushes.models.oracle import Stage
from rushes.nn import weights
from rushes.nn.attention import GatedMLP, SelfAttention, rms, timestep_features
from rushes.nn.shifts import WIDTH as SHIFT_WIDTH
from rushes.nn.shifts import shifts

HEIGHT, WIDTH = 90, 160
NUM_FRAMES = 10
TEXTURE = 64
_QUERIES = ("film", "camera", "relation", "first", "second")
_LEAST_SCORE = 0.25  # of a second subject, to be looked at


def reading_times(duration_s: float) -> np.ndarray:
    """Return the seconds `[10]` at which a film of `duration_s` is read: four over it, six in its middle, ascending.

    The six are a quarter of a second apart, as the pictures are that analysis keeps of footage.
    """
    slow = np.array((0.04, 0.32, 0.68, 0.96)) * duration_s
    step = min(0.25, duration_s / 7)
    return np.sort(np.concatenate((slow, duration_s / 2 + (np.arange(6) - 2.5) * step)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionerConfig:
    """`labels` are the words of each of FIELDS, joined by `|`; `words` are those that the decoder writes whole."""

    labels: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    widths: tuple[int, ...] = (16, 32, 64)
    close_widths: tuple[int, ...] = (32, 64, 96)
    close_px: int = 32
    shape_width: int = 160
    colour_width: int = 48
    slots: int = 8
    width: int = 192
    depth: int = 3
    heads: int = 6
    reach: int = 3
    text_depth: int = 3
    length: int = 80
    embedding: int = 192
    moves: int = 192


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of films: tokens `[b f d]` of whole frames, and per subject shape, colour and box `[b f 2 ...]`.

    A box is (row, column) of the middle in [-1, 1], half a side as a share of the frame's height, and a score in 0..1.
    `shifts [b f d]` say how the picture moved since the frame before, `moved [b f-1 48]` as `rushes.nn.shifts` has it;
    `texture [b 64]` is what a detail looks like, zeros where none is shown; `found [n 4 h w]` is what the search
    returned.
    """

    whole: Tensor
    shape: Tensor
    colour: Tensor
    boxes: Tensor
    shifts: Tensor
    moved: Tensor
    texture: Tensor
    found: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """What a film means: logits of fields (`[b 2 labels]` for SUBJECT_FIELDS, else `[b labels]`), of TAGS `[b 3]`,
    tokens for the decoder `[b 5 d]` and the unit embedding `[b e]`."""

    logits: dict[str, Tensor]
    tags: Tensor
    tokens: Tensor
    embedding: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is said of one film: `fields` (JSON values), `confidence` 0..1 per field, sentences, unit embedding `[e]`.

    A field that is not sure enough is None, and no sentence names it.
    """

    fields: dict[str, Any]
    confidence: dict[str, float]
    sentences: dict[str, str]
    embedding: np.ndarray


class Deeper(nn.Module):
    """Two more residual convolutions; nothing at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.second = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        for layer in self.second:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(F.relu(first(_normal(x))))
        return x


class ThinkBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.mlp = GatedMLP(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(rms(x))
        return x + self.mlp(rms(x))


def _normal(x: Tensor) -> Tensor:
    return rms(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Captioner(nn.Module):
    """`forward(frames, times_s, duration_s) -> Thought`; `describe` says it in words."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        self.config = config
        self.labels = {a: tuple(words.split("|")) for a, words in zip(FIELDS, config.labels, strict=True)}
        self.pieces = Pieces(config.words, config.length)
        d, (a, b, c), (k, m, n) = config.width, config.widths, config.close_widths
        # The eye has the oracle's names and shapes, so that a run can start from its weights.
        self.stem = nn.Conv2d(3, a, 5, stride=2, padding=2)
        self.stages = nn.Sequential(Stage(a, b, 1), Stage(b, c, 2))
        self.look = nn.Conv2d(c, config.slots, 1)
        self.gather = nn.Linear(config.slots * (c + 5) + 2 * c, d)
        self.deeper = Deeper(c)
        self.search = nn.Sequential(nn.Conv2d(c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, 4, 1))
        self.fine = nn.Sequential(
            *(nn.Conv2d(6, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2, padding=1)),
            *(nn.ReLU(), nn.Conv2d(24, TEXTURE // 2, 3, stride=2, padding=1), nn.ReLU()),
        )
        self.close_stem = nn.Conv2d(1, k, 3, padding=1)
        self.close_stages = nn.Sequential(Stage(k, m, 1), Stage(m, n, 1), nn.Conv2d(n, n, 3, stride=2, padding=1))
        self.recognise = nn.Linear(n * (config.close_px // 8) ** 2, config.shape_width)
        self.tint = nn.Sequential(
            nn.Conv2d(3, 24, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(24, 32, 3, stride=2, padding=1), nn.ReLU()
        )
        self.colour = nn.Linear(32 * (config.close_px // 4) ** 2, config.colour_width)
        self.mark = nn.Conv2d(b, 12, 1)
        self.shift = nn.Linear(3 * 15 + 1, d)
        self.drift = nn.Linear(SHIFT_WIDTH, d)
        pairs = (NUM_FRAMES - 1) * SHIFT_WIDTH
        self.move = nn.Sequential(nn.Linear(pairs, config.moves), nn.GELU(), nn.Linear(config.moves, d))
        path = NUM_FRAMES * 5 + 1 + pairs
        self.path = nn.Sequential(nn.Linear(path, config.moves), nn.GELU(), nn.Linear(config.moves, d))
        self.worth = nn.Linear(config.shape_width, 1)
        self.track = nn.Linear(2 * config.shape_width + config.colour_width + 8, d)
        self.when = nn.Linear(96, d)
        self.sides = nn.Parameter(torch.randn(SUBJECTS, d) * 0.3)
        self.ask = nn.Parameter(torch.randn(len(_QUERIES), d) * 0.5)
        self.blocks = nn.ModuleList(ThinkBlock(d, config.heads) for _ in range(config.depth))
        wide = {"kind": config.shape_width, "colour": config.colour_width + d, "relation": 3 * d}
        self.answers = nn.ModuleDict({f: nn.Linear(wide.get(f, d), len(words)) for f, words in self.labels.items()})
        self.made = nn.Linear(TEXTURE, len(self.labels["style"]), bias=False)
        self.quality = nn.Linear(d, len(TAGS))
        self.embed = nn.Linear(len(_QUERIES) * d, config.embedding)
        self.writer = Writer(config, value_sizes(self.labels), len(self.pieces.pieces))
        self.tower = TextTower(config)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        for layer in (self.drift, self.move[2], self.path[2], self.made):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
        nn.init.constant_(self.search[2].bias[:1], -3.0)  # type: ignore[index, arg-type]  # most cells hold no middle
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load the weights in `folder`. Raises: WeightsError."""
        record = weights.read_config(folder, family="captioner")
        model = cls(from_dict(CaptionerConfig, record["config"]))
        weights.load(model, folder, family="captioner")
        return model

    def see(self, frames: Tensor, boxes: Tensor | None = None, details: Tensor | None = None) -> Look:
        """Look at films `[b f 3 H W]` in [-1, 1]; `boxes [b f 2 4]` say where, else subjects are searched for.

        `details [b 3 H W]` are parts of larger pictures of the films (`rushes.data.captioning.looking.detail`).
        """
        b, f = frames.shape[:2]
        flat = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        middle, x, found = self.look_for(flat)
        if boxes is None:
            boxes = pick(found.detach()).unflatten(0, (b, f))
        shape, colour = self.look_closely(flat, boxes.flatten(0, 1))
        return Look(
            whole=self._whole(x).unflatten(0, (b, f)),
            shape=shape.unflatten(0, (b, f)),
            colour=colour.unflatten(0, (b, f)),
            boxes=boxes,
            shifts=self._shifts(middle.unflatten(0, (b, f))),
            moved=shifts(frames),
            texture=frames.new_zeros(b, TEXTURE) if details is None else self.feel(details),
            found=found,
        )

    def look_for(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features of pictures `[n 3 H W]` at 1/4 and 1/8 of their size, and what the search finds in them."""
        middle = self.stages[0](F.relu(self.stem(pictures)))
        x = _normal(self.stages[1](middle))
        return middle, x, self.search(self.deeper(x)).float()

    def feel(self, details: Tensor) -> Tensor:
        """Features `[n 64]` of details `[n 3 H W]`: the mean and the most of each channel, wherever it is.

        Beside the detail lies what a blur takes from it, eightfold: grain is a hundredth of the range.
        Source: the residuals of steganalysis (Fridrich and Kodovsky, IEEE TIFS 7, 2012).
        """
        blurred = F.avg_pool2d(F.pad(details, (2, 2, 2, 2), mode="replicate"), 5, 1)
        both = torch.cat((details, (8 * (details - blurred)).clamp(-1, 1)), dim=1)
        x = self.fine(both.contiguous(memory_format=torch.channels_last))
        return torch.cat((x.mean((2, 3)), x.amax((2, 3))), dim=1)

    def _whole(self, x: Tensor) -> Tensor:
        """Features `[n d]` of whole frames: the mean feature, place and spread of free slots of attention."""
        h, w = x.shape[2:]
        attention = self.look(x * 1.0).flatten(2).float().softmax(-1)
        rows = torch.linspace(-1, 1, h, device=x.device)[:, None].expand(h, w)
        columns = torch.linspace(-1, 1, w, device=x.device)[None].expand(h, w)
        where = torch.stack((rows, columns, rows**2, columns**2, rows * columns), dim=-1).view(h * w, 5)
        slots = torch.cat((attention.to(x.dtype) @ x.flatten(2).mT, (attention @ where).to(x.dtype) * 3), dim=-1)
        return self.gather(torch.cat((slots.flatten(1), x.mean((2, 3)), x.amax((2, 3))), dim=1))

    def look_closely(self, pictures: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Shape `[n 2 shape_width]` and colour `[n 2 colour_width]` of the squares at `boxes [n 2 4]`.

        Shape sees grey alone, with its contrast evened out; so what a thing is never leans on its colour.
        """
        n, (height, width), size = len(pictures), pictures.shape[2:], self.config.close_px
        flat = boxes.flatten(0, 1).float()
        half = 1.15 * flat[:, 2].clamp(min=0.04)
        line = torch.linspace(-1, 1, size, device=boxes.device)
        rows = flat[:, :1] + line * 2 * half[:, None]
        columns = flat[:, 1:2] + line * 2 * half[:, None] * height / width
        grid = torch.stack((columns[:, None].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)), dim=-1)
        sheets = grid.view(n, SUBJECTS * size, size, 2)  # both squares of a picture in one go
        squares = F.grid_sample(pictures.float(), sheets, align_corners=False, padding_mode="border")
        squares = squares.unflatten(2, (SUBJECTS, size)).transpose(1, 2).flatten(0, 1).to(pictures.dtype)
        grey = squares.mean(1, keepdim=True)
        grey = (grey - grey.mean((2, 3), keepdim=True)) / (grey.std((2, 3), keepdim=True) + 0.05)
        seen = self.close_stages(F.relu(self.close_stem(grey.contiguous(memory_format=torch.channels_last))))
        shape = self.recognise(F.relu(_normal(seen)).flatten(1))
        colour = self.colour(self.tint(squares.contiguous(memory_format=torch.channels_last)).flatten(1))
        return shape.unflatten(0, (n, SUBJECTS)), colour.unflatten(0, (n, SUBJECTS))

    def _shifts(self, middle: Tensor) -> Tensor:
        """How each frame is shifted against the one before, region by region: `[b f d]`, zeros for the first.

        Features of each cell are compared with those within `reach` cells; the mean shift is the softmax's.
        Source: the cost volume of FlowNet (arXiv 1504.06852, section 3), with a soft argmax.
        """
        b, f = middle.shape[:2]
        marks = F.normalize(self.mark(middle.flatten(0, 1)).float(), dim=1).unflatten(0, (b, f))
        before, after = marks[:, :-1].flatten(0, 1), marks[:, 1:].flatten(0, 1)
        r, (h, w) = self.config.reach, after.shape[2:]
        around = F.pad(before, (r, r, r, r))
        steps = [(i, j) for i in range(2 * r + 1) for j in range(2 * r + 1)]
        match = torch.stack([(after * around[:, :, i : i + h, j : j + w]).sum(1) for i, j in steps], dim=1)
        share = (match * 12).softmax(1)
        offsets = torch.tensor(steps, dtype=share.dtype, device=share.device) - r
        moved = torch.einsum("nshw,sk->nkhw", share, offsets / r)
        fields = F.adaptive_avg_pool2d(torch.cat((moved, match.amax(1, keepdim=True)), dim=1), (3, 5)).flatten(1)
        told = self.shift(F.pad(fields, (0, 1), value=1.0).to(middle.dtype)).unflatten(0, (b, f - 1))
        return F.pad(told, (0, 0, 1, 0))

    def think(self, look: Look, times_s: Tensor, duration_s: Tensor) -> Thought:
        """Return what films mean that look like `look`, read at `times_s [b f]`; tracks must be in order (`follow`)."""
        b = len(look.whole)
        shape, boxes = look.shape, look.boxes.to(look.shape.dtype)
        score = boxes[..., 3:]
        lapse = (times_s[:, 1:] - times_s[:, :-1]).clamp(min=0.05).to(shape.dtype)[:, :, None, None]
        speed = F.pad((boxes[:, 1:, :, :3] - boxes[:, :-1, :, :3]) / lapse, (0, 0, 0, 0, 1, 0)).clamp(-3, 3)
        turn = F.pad(shape[:, 1:] - shape[:, :-1], (0, 0, 0, 0, 1, 0))
        half = boxes[..., 2:3].clamp(min=0.02).log()
        seen = torch.cat((rms(shape), turn, rms(look.colour), boxes[..., :2] * 2, half, score * 2 - 1, speed), dim=-1)
        seen = F.pad(seen, (0, 1), value=1.0)
        span = torch.stack((times_s, times_s - duration_s[:, None] / 2, 3 * times_s / duration_s[:, None]), dim=-1)
        when = self.when(timestep_features(span, 32, 30.0).flatten(2).to(shape.dtype))
        tracks = self.track(seen) + self.sides + when[:, :, None]
        moved = look.moved.to(shape.dtype)
        frames = look.whole + look.shifts + F.pad(self.drift(moved), (0, 0, 1, 0)) + when
        means = (look.whole.mean(1), look.shifts.mean(1), tracks[:, :, 0].mean(1) - tracks[:, :, 1].mean(1))
        common = torch.stack((*means, tracks[:, :, 0].mean(1), tracks[:, :, 1].mean(1)), dim=1)
        tokens = torch.cat((self.ask.expand(b, -1, -1), frames, tracks.flatten(1, 2)), dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        # What the frames have in common goes straight to the answers: it is learned many times sooner.
        paths = F.pad(self._paths(look.boxes, times_s, moved), (0, 0, len(_QUERIES) - SUBJECTS, 0))
        asked = rms(tokens[:, : len(_QUERIES)] + common + self._moves(moved) + paths)
        worth = (self.worth(rms(shape)) - 6 * (1 - score)).softmax(1)
        thought = self._answer(asked, rms((worth * shape).sum(1)), rms((worth * look.colour).sum(1)))
        thought.logits["style"] += self.made(look.texture.to(shape.dtype)).float()
        return thought

    def _paths(self, boxes: Tensor, times_s: Tensor, moved: Tensor) -> Tensor:
        """What each subject's path and the picture's shifts say together, `[b 2 d]`; of stills nothing."""
        b, f = boxes.shape[:2]
        if f != NUM_FRAMES:
            return moved.new_zeros(b, SUBJECTS, self.config.width)
        half = boxes[..., 2:3].clamp(min=0.02).log()
        each = torch.cat((boxes[..., :2] * 2, half, boxes[..., 3:]), dim=-1).transpose(1, 2).flatten(2)
        length_s = times_s[:, -1:] - times_s[:, :1]
        when = torch.cat((times_s - times_s.mean(1, keepdim=True), length_s.clamp(min=0.1).log()), dim=1)
        common = torch.cat((when.to(moved.dtype), moved.flatten(1)), dim=1)[:, None].expand(-1, SUBJECTS, -1)
        return self.path(torch.cat((each.to(moved.dtype), common), dim=-1))

    def _moves(self, moved: Tensor) -> Tensor:
        """What the shifts `[b f-1 48]` of a film, not of stills, add to the camera's question alone: `[b 5 d]`."""
        if moved.shape[1] != NUM_FRAMES - 1:
            return moved.new_zeros(len(moved), len(_QUERIES), self.config.width)
        place = _QUERIES.index("camera")
        return F.pad(self.move(moved.flatten(1))[:, None], (0, 0, place, len(_QUERIES) - place - 1))

    def _answer(self, asked: Tensor, shape: Tensor, colour: Tensor) -> Thought:
        film, camera, relation, *subjects = asked.unbind(1)
        who = torch.stack(subjects, dim=1)
        sources = {
            "kind": shape,
            "colour": torch.cat((colour, film[:, None].expand(-1, SUBJECTS, -1)), dim=-1),
            "relation": torch.cat((relation, *subjects), dim=-1),
            "camera": camera,
        } | dict.fromkeys(("size", "motion", "direction"), who)
        return Thought(
            logits={a: layer(sources.get(a, film)).float() for a, layer in self.answers.items()},
            tags=self.quality(film).float(),
            tokens=asked,
            embedding=F.normalize(self.embed(asked.flatten(1)).float(), dim=-1),
        )

    def follow(self, look: Look) -> Look:
        """Return the look with subjects in tracks: the left one of the first frame first, then whoever looks alike."""
        return in_order(look, self.order(look))

    def order(self, look: Look) -> Tensor:
        """Return 1 `[b f]` where the two squares have to change places for subjects to be in tracks.

        Squares come from the search ordered from left to right; two subjects that pass each other swap places.
        """
        likely = torch.cat(
            [
                self.answers["kind"](rms(look.shape)).float().softmax(-1),
                F.normalize(look.colour.float(), dim=-1),
            ],
            dim=-1,
        )
        b, f = likely.shape[:2]
        is_pair = (look.boxes[:, :, 0, :2] - look.boxes[:, :, 1, :2]).abs().sum(-1) > 1e-6
        order = torch.zeros(b, f, dtype=torch.long, device=likely.device)
        mean, count = torch.zeros_like(likely[:, 0]), torch.zeros(b, device=likely.device)
        for index in range(f):
            now = likely[:, index]
            straight, crossed = (mean * now).sum((1, 2)), (mean * now.flip(1)).sum((1, 2))
            swap = is_pair[:, index] & (count > 0) & (crossed > straight)
            order[:, index] = swap.long()
            kept = torch.where(swap[:, None, None], now.flip(1), now)
            share = is_pair[:, index] / (count + 1)
            mean, count = torch.lerp(mean, kept, share[:, None, None].to(mean.dtype)), count + is_pair[:, index]
        return order

    def forward(self, frames: Tensor, times_s: Tensor, duration_s: Tensor, details: Tensor | None = None) -> Thought:
        """Read films: `frames [b f 3 H W]` in [-1, 1], `times_s [b f]` ascending, `duration_s [b]`; `details` too."""
        return self.think(self.follow(self.see(frames, None, details)), times_s, duration_s)

    @torch.inference_mode()
    def describe(
        self,
        frames: Tensor,
        times_s: Tensor,
        duration_s: Tensor,
        details: Tensor | None = None,
        *,
        least: float = 0.5,
        stills: Sequence[bool] | None = None,
    ) -> list[Description]:
        """Say what films show, in every length; fields of which it is less than `least` sure are left out.

        Of `stills`, shown as films in which nothing moves, nothing is said that takes time.
        """
        thought = self(frames, times_s, duration_s, details)
        told = [read_out(self.labels, thought.logits, thought.tags, index, least) for index in range(len(frames))]
        for (fields, confidence), is_still in zip(told, stills or [False] * len(told), strict=True):
            if is_still:
                hold_still(fields, confidence)
        values = torch.tensor([value_ids(self.labels, fields) for fields, _ in told])
        lengths = torch.arange(len(LENGTHS)).expand(len(frames), -1)
        each = len(LENGTHS)
        prefix = self.writer.prefix(
            values.repeat_interleave(each, 0), thought.tokens.repeat_interleave(each, 0), lengths.flatten()
        )
        texts = [self.pieces.decode(ids) for ids in self.writer.write(prefix).tolist()]
        return [
            Description(
                fields=fields,
                confidence=confidence,
                sentences=dict(zip(LENGTHS, texts[each * i : each * (i + 1)], strict=True)),
                embedding=thought.embedding[i].numpy(),
            )
            for i, (fields, confidence) in enumerate(told)
        ]

    @torch.inference_mode()
    def embed_text(self, text: str) -> np.ndarray:
        """Return the unit embedding `[e]` float32 of a text, to compare with those of films by dot product."""
        return self.embed_texts(torch.tensor([self.pieces.encode(text)]))[0].numpy()

    def embed_texts(self, ids: Tensor) -> Tensor:
        """Return the unit embeddings `[b e]` of texts as pieces `[b m]`."""
        return self.tower(self.writer.words(ids), ids)


def in_order(look: Look, order: Tensor) -> Look:
    """Return the look with the two subjects swapped in the frames where `order [b f]` is 1."""
    index = torch.stack((order, 1 - order), dim=-1)[..., None]

    def pick_up(x: Tensor) -> Tensor:
        return x.gather(2, index.expand(-1, -1, -1, x.shape[-1]))

    return Look(
        whole=look.whole,
        shape=pick_up(look.shape),
        colour=pick_up(look.colour),
        boxes=pick_up(look.boxes),
        shifts=look.shifts,
        moved=look.moved,
        texture=look.texture,
        found=look.found,
    )


def pick(found: Tensor) -> Tensor:
    """Return the boxes `[n 2 4]` of the two likeliest subjects, from left to right; one alone stands for both.

    `found [n 4 h w]`: the logit of a middle, its offset in the cell (rows, columns), the log of half a side.
    Source: Objects as Points, arXiv 1904.07850: a middle is a peak among its neighbours.
    """
    h, w = found.shape[2:]
    heat = found[:, :1].sigmoid()
    peaks = (heat * (heat == F.max_pool2d(heat, 3, 1, 1))).flatten(1)
    score, at = peaks.topk(SUBJECTS, dim=1)
    is_second = score[:, 1] >= _LEAST_SCORE
    at = torch.stack((at[:, 0], torch.where(is_second, at[:, 1], at[:, 0])), dim=1)
    score = torch.stack((score[:, 0], torch.where(is_second, score[:, 1], score[:, 0])), dim=1)
    rest = found.flatten(2).gather(2, at[:, None].expand(-1, 4, -1))
    row = (torch.div(at, w, rounding_mode="floor") + 0.5 + rest[:, 1]) * 2 / h - 1
    column = (at % w + 0.5 + rest[:, 2]) * 2 / w - 1
    half = rest[:, 3].clamp(-4.0, 0.0).exp()
    boxes = torch.stack((row, column, half, score), dim=-1)
    order = boxes[..., 1].argsort(1)
    return boxes.gather(1, order[..., None].expand(-1, -1, 4))


def tiny() -> CaptionerConfig:
    """Return a config for tests: two words per field."""
    words = [("1|2" if a == "count" else "none|passes" if a == "relation" else "one|two") for a in FIELDS]
    return CaptionerConfig(
        labels=tuple(words), words=("one", "two"), widths=(8, 8, 12), close_widths=(4, 6, 8), shape_width=12,
        colour_width=6, slots=2, width=32, depth=1, heads=2, text_depth=1, length=24, embedding=16, moves=8,
    )  # fmt: skip


SPEC = Family(name="captioner", config=CaptionerConfig, model=Captioner, full=CaptionerConfig, tiny=tiny)
