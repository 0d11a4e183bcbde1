"""The space-time autoencoder: a fixed linear transform encodes, a small convolutional network paints.

b batch, c channels, t h w latent grid, f frames painted per latent frame, p pixels painted per cell side

One latent frame is half a second. The encoder sees `window` frames at 8 frames per second, `cell` view pixels per
cell; the decoder paints 4 or 12 frames per latent frame (8 or 24 frames per second) and 16, 48 or 80 pixels per cell.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes.config import from_dict
from rushes.errors import InputError
from rushes.models import Family
from rushes.models._brush import Brush
from rushes.nn import machine, weights

LATENT_FPS = 2
ENCODED_FPS = 8
PAINTED_FPS = 24
SHOWN_ERROR = 0.06  # of the linear inverse, rms, of pixels in [-1, 1]: 30 dB
FINE = 16  # pixels per cell of the finest features
HEADS = {FINE: 1, 48: 3, 80: 5}  # pixels per cell -> pixels per view pixel
TRIAL, TRIAL_FRAMES = (4, 4), torch.tensor([1, 5, 9])  # cells and frames of what a brush is fitted to


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """`widths` are the decoder's channels at the grid, at 4x, per frame at 4x, at 8x and at 16x the grid."""

    channels: int = 160
    cell: int = 16
    window: int = 4
    whitening: float = 0.4
    widths: tuple[int, ...] = (192, 96, 48, 32, 24)


class PatchTransform(nn.Module):
    """Principal components of `window x cell x cell x 3` patches, partly whitened.

    Channel i is `component_i . (patch - mean) / divisor_i`, with divisor_i = g deviation_i^whitening and g such that
    the mean variance of the channels is 1: strong components stay strong, so that a film model settles them first.
    """

    basis: Tensor
    mean: Tensor
    divisor: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        size = config.window * config.cell**2 * 3
        self.register_buffer("basis", torch.zeros(config.channels, size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("divisor", torch.ones(config.channels))

    def patches(self, views: Tensor) -> Tensor:
        """`[b 3 T H W]` in [-1, 1] -> `[b t h w size]`."""
        b, c, frames, height, width = views.shape
        s, f = self.config.cell, self.config.window
        x = views.view(b, c, frames // f, f, height // s, s, width // s, s)
        return x.permute(0, 2, 4, 6, 3, 5, 7, 1).reshape(b, frames // f, height // s, width // s, -1)

    def unpatch(self, patches: Tensor) -> Tensor:
        """`[b t h w size]` -> `[b 3 T H W]`."""
        b, t, h, w, _ = patches.shape
        s, f = self.config.cell, self.config.window
        x = patches.view(b, t, h, w, f, s, s, 3).permute(0, 7, 1, 4, 2, 5, 3, 6)
        return x.reshape(b, 3, t * f, h * s, w * s)

    def fit(self, covariance: Tensor, mean: Tensor) -> None:
        """Set the transform from the patches' covariance `[size size]` and mean `[size]` (float64)."""
        values, vectors = torch.linalg.eigh(covariance)
        keep = values.flip(0)[: self.config.channels].clamp(min=1e-8)
        deviation = keep.sqrt()
        divisor = deviation**self.config.whitening
        divisor = divisor * ((deviation / divisor) ** 2).mean().sqrt()
        self.basis.copy_(vectors.flip(1)[:, : self.config.channels].T)
        self.mean.copy_(mean)
        self.divisor.copy_(divisor)

    def encode(self, views: Tensor) -> Tensor:
        """`[b 3 T H W]` float in [-1, 1] -> `[b c t h w]`."""
        coefficients = (self.patches(views) - self.mean) @ self.basis.T / self.divisor
        return coefficients.permute(0, 4, 1, 2, 3).contiguous()

    def decode(self, latent: Tensor) -> Tensor:
        """The plain linear inverse, `[b c t h w]` -> `[b 3 T H W]`: the decoder's starting point and rival."""
        coefficients = latent.permute(0, 2, 3, 4, 1) * self.divisor
        return self.unpatch(coefficients @ self.basis + self.mean)

    def deviation(self) -> Tensor:
        """Return each channel's standard deviation over the films that the transform was fitted to, `[c]`.

        `fit` makes the divisor a power of a component's deviation, so the one follows from the other.
        """
        found = self.divisor ** (1 / self.config.whitening - 1)
        return found / found.square().mean().sqrt()

    def stillness(self) -> Tensor:
        """Return the share of each component that does not change within its window, `[c]` in [0, 1].

        On films of the paper world it is a channel's correlation from one latent frame to the next within 0.1
        (0.975 between the two, over the channels): what moves within half a second does not last.
        """
        window = self.config.window
        parts = self.basis.view(len(self.basis), window, -1)
        return (parts.mean(1).square().sum(1) * window / parts.square().sum((1, 2)).clamp(min=1e-9)).clamp(0, 1)

    def towards(self, picture: Tensor, frame: int) -> Callable[[Tensor], Tensor]:
        """Return what to add to latents `[b c 1 h w]` so that `frame` of their window shows `picture [3 H W]`.

        Of all latents that show it, those likeliest under the channels' deviations: a Gaussian's conditional mean,
        with the transform's own error (SHOWN_ERROR, rms) as the measurement's. Source: Kalman, 1960, eq. 22-25.
        """
        window = self.config.window
        wanted = self.patches(picture[None, :, None].expand(-1, -1, window, -1, -1).contiguous())
        wanted = wanted.unflatten(-1, (window, -1))[..., frame, :]
        rows = (self.basis * self.divisor[:, None]).view(len(self.basis), window, -1)[:, frame].double()
        mean = self.mean.view(window, -1)[frame]
        carried = rows * self.deviation().double()[:, None].square()
        noise = torch.eye(rows.shape[1], dtype=torch.float64, device=rows.device) * SHOWN_ERROR**2
        gain = torch.linalg.solve(rows.T @ carried + noise, carried.T).float()

        def missing(latent: Tensor) -> Tensor:
            shown = latent.permute(0, 2, 3, 4, 1) @ rows.float() + mean
            return ((wanted - shown) @ gain).permute(0, 4, 1, 2, 3)

        return missing


class Residual(nn.Module):
    """Two 3x3 convolutions around a skip; rectifiers, since at film size smoother ones cost a tenth of the decode."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.relu_(self.first(F.relu(x)))).add_(x)


class Painter(nn.Module):
    """The decoder: latents to pixels, with the neighbouring half-seconds in sight.

    It begins as the transform's linear inverse, enlarged bilinearly, and learns what to add: edges, in-between frames.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        a, b, c, d, e = config.widths
        self.frames = PAINTED_FPS // LATENT_FPS
        self.c = c
        self.into = nn.Conv2d(3 * config.channels, a, 3, padding=1)
        self.grid = nn.Sequential(Residual(a), Residual(a))
        self.grow4 = nn.Conv2d(a, b * 16, 1)
        self.still = nn.Sequential(Residual(b), Residual(b))
        self.unroll = nn.Conv2d(b, c * self.frames, 1)
        self.moving = Residual(c)
        self.grow8 = nn.Conv2d(c, d * 4, 1)
        self.middle = Residual(d)
        self.grow16 = nn.Conv2d(d, e * 4, 1)
        self.join = nn.Conv2d(e + 6, e, 3, padding=1)
        self.fine = Residual(e)
        self.heads = nn.ModuleDict({str(p): _bilinear_head(e, k) for p, k in HEADS.items()})

    def timeline(self, triples: Tensor) -> Tensor:
        """Return all twelve frames of each middle latent frame, still coarse: `[b 12 c 4h 4w]`.

        `triples [b 3c h w]` are the previous, the present and the next latent frame.
        """
        x = self.grid(self.into(triples.contiguous(memory_format=torch.channels_last)))
        x = self.unroll(self.still(F.pixel_shuffle(self.grow4(x), 4)))
        return x.view(len(x), self.frames, self.c, *x.shape[2:])

    def sharpen(self, x: Tensor, views: Tensor) -> Tensor:
        """Return what the heads read, `[f e+3 16h 16w]`, for frames `[f c 4h 4w]` of a timeline.

        `views [f 6 16h 16w]` are the linear inverse at the two nearest encoded frames, the nearer one first.
        """
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.pixel_shuffle(self.grow8(self.moving(x)), 2)
        x = F.pixel_shuffle(self.grow16(self.middle(x)), 2)
        x = self.join(torch.cat((x, views), dim=1).contiguous(memory_format=torch.channels_last))
        return torch.cat((F.relu(self.fine(x)), views[:, :3]), dim=1).contiguous(memory_format=torch.channels_last)

    def forward(self, features: Tensor, pixels: int) -> Tensor:
        """Paint 16, 48 or 80 `pixels` per cell side.

        Returns:
            Blocks of pixels `[b H/k W/k k k 3]`, about in [-1, 1], unclamped; `lay_out` makes them pictures.
        """
        return self.heads[str(pixels)](features).permute(0, 2, 3, 1).unflatten(-1, (HEADS[pixels], HEADS[pixels], 3))


def _bilinear_head(width: int, k: int) -> nn.Conv2d:
    """Return a convolution to `k x k` pixels that begins by enlarging its last three channels bilinearly."""
    head = nn.Conv2d(width + 3, 3 * k * k, 3, padding=1)
    away = (torch.arange(k) - (k - 1) / 2) / k  # of each new pixel from the old one's middle, in old pixels
    taps = torch.stack((-away.clamp(max=0), 1 - away.abs(), away.clamp(min=0)), dim=1)
    weight = torch.zeros(k, k, 3, width + 3, 3, 3)
    for channel in range(3):
        weight[:, :, channel, width + channel] = taps[:, None, :, None] * taps[None, :, None, :]
    with torch.no_grad():
        head.weight.copy_(weight.flatten(0, 2))
        head.bias.zero_()  # type: ignore[union-attr]
    return head


def lay_out(blocks: Tensor) -> Tensor:
    """Blocks of pixels `[b h w k k 3]` -> pictures `[b h*k w*k 3]`."""
    b, h, w, k, _, _ = blocks.shape
    return blocks.transpose(2, 3).reshape(b, h * k, w * k, 3)


def triples(latent: Tensor, *, loops: bool = False) -> Tensor:
    """`[b c t h w] -> [b*t 3c h w]`: each latent frame with its neighbours (the ends repeat themselves, or meet)."""
    before, after = (latent[:, :, -1:], latent[:, :, :1]) if loops else (latent[:, :, :1], latent[:, :, -1:])
    padded = torch.cat((before, latent, after), dim=2)
    joined = torch.cat((padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]), dim=1)
    return joined.transpose(1, 2).flatten(0, 1)


class Autoencoder(nn.Module):
    """Films to latents and back."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.transform = PatchTransform(config)
        self.painter = Painter(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._brushes: dict[tuple[int, int, int, torch.device], Brush] = {}

    def train(self, mode: bool = True) -> Self:
        """Begin or end training, as of any module; what films were painted with no longer counts."""
        self._brushes.clear()
        return super().train(mode)

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load the weights in `folder`. Raises: WeightsError."""
        record = weights.read_config(folder, family="autoencoder")
        model = cls(from_dict(AutoencoderConfig, record["config"]))
        weights.load(model, folder, family="autoencoder")
        return model

    def encode(self, views: Tensor) -> Tensor:
        """Views `[b 3 T H W]` in [-1, 1] at 8 frames per second -> latents `[b c t h w]`.

        Raises:
            InputError: T, H or W is no multiple of the window or the cell.
        """
        _, _, frames, height, width = views.shape
        for name, value, factor in (
            ("frames", frames, self.config.window),
            ("height", height, self.config.cell),
            ("width", width, self.config.cell),
        ):
            if value % factor:
                nearest = max(factor, round(value / factor) * factor)
                raise InputError(f"{name} {value} is no multiple of {factor}; the nearest legal value is {nearest}")
        return self.transform.encode(views)

    def views(self, triples: Tensor) -> Tensor:
        """Return the linear inverse around each of twelve frames, `[b 12 6 16h 16w]`: nearest view, then the next."""
        shown, (nearer, other) = self.shown(triples), self._nearest()
        return torch.cat((shown[:, nearer], shown[:, other]), dim=2)

    def shown(self, triples: Tensor) -> Tensor:
        """Return the five views, `[b 5 3 16h 16w]`, that a half-second lies between.

        Four are its own; the fifth is the next one's first, or where a film ends (its last latent frame is its own
        neighbour) the fourth again.
        """
        _, present, following = triples.unflatten(1, (3, -1)).unbind(1)
        shown = self.transform.decode(torch.stack((present, following), dim=2).float()).transpose(1, 2)
        if self.config.cell != FINE:
            shown = F.interpolate(shown, scale_factor=(1, FINE / self.config.cell, FINE / self.config.cell))
        ends = (present == following).flatten(1).all(1).view(-1, 1, 1, 1)
        fifth = torch.where(ends, shown[:, 3], shown[:, self.config.window])
        return torch.cat((shown[:, : self.config.window], fifth[:, None]), dim=1)

    def _nearest(self) -> tuple[list[int], list[int]]:
        """Return which of the five views is nearest to each of twelve frames, and which is next."""
        each = self.painter.frames // self.config.window
        places = [divmod(index, each) for index in range(self.painter.frames)]
        nearer = [before + (2 * late > each) for before, late in places]
        return nearer, [2 * before + 1 - near for (before, _), near in zip(places, nearer, strict=True)]

    def features(self, triples: Tensor, frames: Tensor) -> Tensor:
        """Return what the painter's heads read, `[b*f e+3 16h 16w]`, for some frames of each middle latent frame.

        Args:
            triples: previous, present and next latent frame, `[b 3c h w]`.
            frames: indices in 0..11, `[f]` or `[b f]`.
        """
        rows = torch.arange(len(triples), device=triples.device)[:, None]
        chosen = frames.to(triples.device).expand(len(triples), -1)
        dtype = self.painter.into.weight.dtype
        coarse = self.painter.timeline(triples.to(dtype))[rows, chosen].flatten(0, 1)
        return self.painter.sharpen(coarse, self.views(triples)[rows, chosen].flatten(0, 1).to(dtype))

    def decode(
        self, latent: Tensor, *, fps: int, pixels: int, num_frames: int | None = None, loops: bool = False
    ) -> Iterator[Tensor]:
        """Paint one film in order, or its first `num_frames`.

        On the CPU each of torch's threads paints a half-second of its own, alone: that scales better than sharing
        every convolution, and the frames are the same, bit for bit, for any number of threads. The first few frames are
        painted by themselves, so that somebody can watch them. An accelerator paints one half-second after another
        while the frames before travel to the host.

        Args:
            latent: `[1 c t h w]`, where the autoencoder is.
            fps: 8 or 24.
            pixels: pixels per cell side: 16, 48 or 80.
            num_frames: all of them where None.
            loops: the film's end runs into its beginning.

        Yields:
            uint8 `[f H W 3]` on the CPU, at most `fps / 2` frames.

        Raises:
            InputError: another fps or number of pixels.
        """
        if fps not in (ENCODED_FPS, PAINTED_FPS):
            nearest = min((ENCODED_FPS, PAINTED_FPS), key=lambda legal: abs(legal - fps))
            raise InputError(f"fps {fps} can't be painted; the nearest legal value is {nearest}")
        if pixels not in HEADS:
            nearest = min(HEADS, key=lambda legal: abs(legal - pixels))
            raise InputError(f"{pixels} pixels per cell can't be painted; the nearest legal value is {nearest}")
        each = fps // LATENT_FPS
        left = latent.shape[2] * each if num_frames is None else num_frames
        work = [
            (joined, slice(0, min(each, left - i * each)))
            for i, joined in enumerate(triples(latent, loops=loops))
            if i * each < left
        ]
        if latent.device.type == "cpu":
            (joined, frames), few = work[0], max(1, each // 4)
            if frames.stop > few:
                work[:1] = [(joined, slice(0, few)), (joined, slice(few, frames.stop))]
            yield from self._paint_abreast(work, fps, pixels)
        else:
            brush = self._brush(latent, pixels)
            yield from travelling(self._paint(*few, fps, brush) for few in work)

    def _paint_abreast(self, work: list[tuple[Tensor, slice]], fps: int, pixels: int) -> Iterator[Tensor]:
        """Paint half-seconds on all of torch's threads, one each, at most one more than are painting ahead."""
        waiting, threads = iter(work), torch.get_num_threads()
        with ThreadPoolExecutor(threads, initializer=machine.work_with, initargs=(1,)) as pool:
            try:
                brush = pool.submit(self._brush, work[0][0], pixels).result()
                painting = deque(pool.submit(self._paint, *few, fps, brush) for few in islice(waiting, threads + 1))
                while painting:
                    yield painting.popleft().result()
                    painting.extend(pool.submit(self._paint, *few, fps, brush) for few in islice(waiting, 1))
            finally:
                pool.shutdown(cancel_futures=True)
                torch.set_num_threads(threads)  # a thread's own number becomes that of the threads after it

    def decode_bytes(self, num_cells: int, *, fps: int, pixels: int, threads: int) -> int:
        """Return about how much memory `decode` needs at once for frames of `num_cells` cells."""
        wide = 4 * num_cells * (3 * pixels**2 + 5 * self.config.widths[-1] * FINE**2)
        coarse = 4 * num_cells * FINE * self.painter.c * self.painter.frames * 3
        # Freed memory is kept, so a frame's counts twice.
        return 2 * threads * (wide + coarse) + (threads + 2) * (fps // LATENT_FPS) * num_cells * pixels**2 * 3

    @torch.inference_mode()
    def _brush(self, like: Tensor, pixels: int) -> Brush:
        """Return what latents `[.. h w]` are painted with, made once.

        What its head sees is learned from noise, so that no film changes another's.
        """
        height, width = (FINE * side for side in like.shape[-2:])
        which = (pixels, height, width, like.device)
        if which not in self._brushes:
            random = torch.Generator().manual_seed(0)
            noise = torch.randn(1, 3 * self.config.channels, *TRIAL, generator=random).to(like.device)
            seen = self.features(noise * self.transform.deviation().repeat(3).view(-1, 1, 1), TRIAL_FRAMES)
            self._brushes[which] = Brush(self.painter, self.painter.heads[str(pixels)], seen, (height, width))
        return self._brushes[which]

    @torch.inference_mode()
    def _paint(self, joined: Tensor, which: slice, fps: int, brush: Brush) -> Tensor:
        """Paint some frames of the middle one of three latent frames `[3c h w]`.

        A processor does so one by one: what a frame needs then stays in its caches. An accelerator paints all at once.
        """
        every, dtype = PAINTED_FPS // fps, self.painter.into.weight.dtype
        timeline = self.painter.timeline(joined[None].to(dtype))[0, ::every]
        shown = self.shown(joined[None])[0].to(dtype).contiguous(memory_format=torch.channels_last)
        nearer, other = (views[::every] for views in self._nearest())
        if joined.device.type != "cpu":
            return brush.paint(timeline, torch.cat((shown[nearer], shown[other]), dim=1))[which].to(torch.uint8)
        height, width = (brush.enlarges * side for side in shown.shape[2:])
        frames = torch.empty(which.stop - which.start, height, width, 3, dtype=torch.uint8)
        for frame, coarse, near, far in zip(frames, timeline[which].split(1), nearer[which], other[which], strict=True):
            levels = brush.paint(coarse, torch.cat((shown[near, None], shown[far, None]), dim=1))
            np.copyto(frame.numpy(), levels[0].numpy(), casting="unsafe")  # five times as fast as torch's cast
        return frames


def travelling(frames: Iterable[Tensor], ahead: int = 2) -> Iterator[Tensor]:
    """Yield tensors of an accelerator on the CPU, each up to `ahead` later, so that work and copies overlap.

    CUDA copies into pinned memory and is waited for only when a copy is wanted; other devices copy at once.
    """
    waiting: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()
    for each in frames:
        waiting.append(_send(each))
        if len(waiting) > ahead:
            yield _arrived(*waiting.popleft())
    while waiting:
        yield _arrived(*waiting.popleft())


def _send(x: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    if x.device.type != "cuda":
        return x.cpu(), None
    there = torch.empty(x.shape, dtype=x.dtype, pin_memory=True)
    there.copy_(x, non_blocking=True)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(x.device))
    return there, event


def _arrived(x: Tensor, event: torch.cuda.Event | None) -> Tensor:
    if event is not None:
        event.synchronize()
    return x


def fit(frames: Tensor, height: int, width: int) -> Tensor:
    """Return frames uint8 `[f H W 3]` at `[f height width 3]`: the centre that has that aspect, resized by area."""
    _, h, w, _ = frames.shape
    if (h, w) == (height, width):
        return frames
    down, across = min(h, round(w * height / width)), min(w, round(h * width / height))
    top, left = (h - down) // 2, (w - across) // 2
    centre = frames[:, top : top + down, left : left + across].permute(0, 3, 1, 2)
    return F.interpolate(centre, (height, width), mode="bilinear", antialias=True).permute(0, 2, 3, 1).contiguous()


def to_bytes(painted: Tensor) -> Tensor:
    """Values about in [-1, 1] -> uint8, rounded and clamped; the shape stays."""
    return _round(painted.float().mul(127.5))


def from_bytes(frames: np.ndarray) -> Tensor:
    """uint8 `[t h w 3]` -> `[1 3 t h w]` float32 in [-1, 1]: a film as `encode` takes it."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def _round(levels: Tensor) -> Tensor:
    """Use up levels about in [-127.5, 127.5] as uint8."""
    return levels.add_(128.0).clamp_(0, 255).to(torch.uint8)


def tiny() -> AutoencoderConfig:
    """Return a config for tests: cells of 4 view pixels, so that the whole transform has 192 components."""
    return AutoencoderConfig(channels=12, cell=4, widths=(8, 6, 4, 4, 4))


SPEC = Family(name="autoencoder", config=AutoencoderConfig, model=Autoencoder, full=AutoencoderConfig, tiny=tiny)
