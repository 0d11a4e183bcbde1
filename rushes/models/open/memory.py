"""What fits: how much memory an open-weight model will take, and the fastest way of loading it that fits.

The guess is arithmetic over the weights' files, the configs and the film's shape (`_memory_shapes`). What a film then
really took is kept, a line of JSON each, and corrects the next guess for models of its kind.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from rushes.errors import RushesError
from rushes.models.open import Checkpoint, _files
from rushes.models.open import _memory_shapes as shapes
from rushes.models.open._catalogue import INDEX, read_json
from rushes.nn import float8
from rushes.types import GenerationRequest, VideoShape

KEPT_ROWS = 20  # of a kind; those before them count no more
SPARE = 0.05  # of what is free: left for everybody else
FILM_COPIES = 4  # of a finished film's float32 numbers: decoded, brought to 0..1, turned round, stacked
IDLE = ("encoder.", "quant_conv.")  # of an autoencoder that only paints
FLOAT32, EIGHT_BITS = 4, 1.03  # bytes a number; eight bits have a scale per row besides
APART = ("Wan", "HunyuanVideo15")  # pipelines that ask for the guided and the unguided noise one after the other
WORST_TEXT = {"T5": 512, "UMT5": 512, "CLIP": 77}
UNSEEN = {"cpu": 1.15, "cuda": 1.2}  # the correction before anything was measured; the CUDA one is a guess itself
SAME = 0.02  # headers and rounding
GIVEN_BACK_BYTES = 4 * 2**20  # buffers from this size on go back to the system as soon as they are free
KEPT_BYTES = 8 * GIVEN_BACK_BYTES  # of what a phase frees on a processor: it is about eight buffers at a time
LIBRARY_BYTES = 50_000_000  # of what a pipeline's code takes once it is imported
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # malloc.h
SHORTER = (0.75, 0.5, 0.25, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a model is to be loaded: free bytes of the device, and of the memory beside it (the same on a CPU)."""

    device: str
    device_bytes: int
    host_bytes: int
    has_float8: bool = False

    @classmethod
    def here(cls, device: torch.device) -> Machine:
        """Return this machine as it is now; what this process holds already counts as taken."""
        host = psutil.virtual_memory().available
        own = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else host
        return cls(device=device.type, device_bytes=own, host_bytes=host, has_float8=float8.is_there(device))


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way of loading a model: `quantisation` none, int8 (weights of linear layers) or float8 (what they read, too).

    `offload` none, model (the part at work alone is on the device) or sequential (the layer at work alone);
    `is_tiled`: painted piece by piece.
    """

    dtype: torch.dtype
    quantisation: str = "none"
    offload: str = "none"
    is_tiled: bool = False

    def __str__(self) -> str:
        name = str(self.dtype).removeprefix("torch.")
        words = [name, {"none": "", "int8": "int8 weights"}.get(self.quantisation, self.quantisation)]
        words += [f"{self.offload} offload" if self.offload != "none" else "", "tiled" if self.is_tiled else ""]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A component of a pipeline: its config, how many numbers it has, its linear layers have, and a film never uses
    (an encoder of pictures), and its files' bytes.
    """

    name: str
    says: dict[str, Any]
    num_parameters: int
    num_linear: int
    num_idle: int
    file_bytes: int

    def held(self, way: Way, *, is_exact: bool) -> int:
        """Return the bytes of its weights once loaded; `is_exact` where they stay float32."""
        if is_exact or way.quantisation == "none" or self.name == "vae":
            return self.num_parameters * (FLOAT32 if is_exact else way.dtype.itemsize)
        return int(self.num_linear * EIGHT_BITS + (self.num_parameters - self.num_linear) * way.dtype.itemsize)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a film will take, in bytes: weights on the device, and above them each phase's own; `host` beside it.

    `beside` are weights that are there for one phase alone; `loading` is the most that is held while weights are read;
    `code` is what the pipeline's own library takes where it is held on the device too.
    """

    kind: str
    device: str
    way: Way
    phases: dict[str, int]
    beside: dict[str, int] = field(default_factory=dict)
    weights: int = 0
    loading: int = 0
    host: int = 0
    code: int = 0
    correction: float = 1.0

    @property
    def hungriest(self) -> str:
        """Return the phase that takes the most, the weights that are there for it alone included."""
        return max(self.phases, key=lambda name: self.phases[name] + self.beside.get(name, 0))

    @property
    def resident(self) -> int:
        """Return the bytes of the weights that are there in the hungriest phase, and of the code."""
        return self.code + self.weights + self.beside.get(self.hungriest, 0)

    @property
    def working(self) -> int:
        """Return the bytes that the phases take above the weights, as they are worked out from shapes.

        A device gives to the next phase what the last one freed. So does a processor with large buffers (`give_back`);
        small ones stay where they lay, in pieces of which the next phase has little use.
        """
        kept = sum(min(KEPT_BYTES, size) for name, size in self.phases.items() if name != self.hungriest)
        return self.phases[self.hungriest] + (kept if self.device == "cpu" else 0)

    @property
    def peak(self) -> int:
        """Return the most bytes that will be held on the device, corrected by what films of this kind took."""
        return max(self.loading, self.resident + int(self.correction * self.working))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The way to load a model for a film, what it is guessed to take, and the faster ways that did not fit."""

    way: Way
    guess: Guess
    tried: tuple[Guess, ...] = ()


def parts(folder: Path, others: dict[str, Path] | None = None) -> list[Part]:
    """Return the components of the weights in a folder, and `others` that lie elsewhere. Raises: WeightsError."""
    classes = read_json(folder / INDEX)
    folders = {name: folder / name for name in _files.component_names(folder)} | (others or {})
    found = []
    for name, place in sorted(folders.items()):
        files = _files.weight_files(place)
        tensors = [(key, entry["shape"]) for file in files for key, entry in _files.header(file).items()]
        linear = sum(_count(shape) for key, shape in tensors if len(shape) == 2 and "embed" not in key)
        total = sum(_count(shape) for _, shape in tensors)
        idle = sum(_count(shape) for key, shape in tensors if key.startswith(IDLE)) if name == "vae" else 0
        size = sum(file.stat().st_size for file in files)
        says = {"_class_name": classes.get(name, ["", ""])[1]} | read_json(place / "config.json")
        counts = {"num_parameters": total, "num_linear": linear, "num_idle": idle}
        found.append(Part(name=name, says=says, file_bytes=size, **counts))
    return found


def _count(shape: list[int]) -> int:
    return int(torch.Size(shape).numel())


def guess(checkpoint: Checkpoint, found: list[Part], request: GenerationRequest, way: Way, *, device: str) -> Guess:
    """Return what a film will take above what the process holds already, without a correction."""
    exact = {part.name: part.name in checkpoint.float32 for part in found}
    weights = {part.name: part.held(way, is_exact=exact[part.name]) for part in found}
    own = {part.name: _working(checkpoint, part, request, way, is_exact=exact[part.name]) for part in found}
    phases = {name: size for name, size in own.items() if size}
    plain = replace(way, quantisation="none")  # in which it is read, before it is quantised
    read = {part.name: part.held(plain, is_exact=exact[part.name]) for part in found}
    reading = _reading(found, read) if way.quantisation == "none" else sum(read.values())
    made = Guess(kind=(*checkpoint.classes, checkpoint.name)[0], device=device, way=way, phases=phases)
    if device == "cpu":
        # A file whose numbers stay as they are is mapped: what is never used of it is never read.
        idle = sum(FLOAT32 * part.num_idle for part in found if not _changes(part, read))
        # The room of numbers that became others is taken while they are read, before `give_back`, and is kept.
        most = max(sum(weights.values()) - idle, reading)
        return replace(made, weights=most, loading=reading, code=LIBRARY_BYTES)
    if way.offload == "none":
        return replace(made, weights=sum(weights.values()), host=reading)
    layers = {name: _layers(found, name) if way.offload == "sequential" else 1 for name in phases}
    beside = {name: weights[name] // layers[name] for name in phases}
    return replace(made, beside=beside, host=max(reading, sum(weights.values())))


def _changes(part: Part, weights: dict[str, int]) -> bool:
    """Return whether a component's numbers become others (of another dtype) when they are loaded."""
    return abs(weights[part.name] / part.file_bytes - 1) > SAME


def _reading(found: list[Part], weights: dict[str, int]) -> int:
    """Return the most that is held while components are read in turn: what changes is there twice, as file and anew."""
    most = before = 0
    for part in found:
        before += weights[part.name]
        most = max(most, before + (part.file_bytes if _changes(part, weights) else 0))
    return most if any(_changes(part, weights) for part in found) else 0


def _layers(found: list[Part], name: str) -> int:
    says = next(part.says for part in found if part.name == name)
    return max(1, int(says.get("num_layers") or says.get("num_hidden_layers") or 8))


def _working(checkpoint: Checkpoint, part: Part, request: GenerationRequest, way: Way, *, is_exact: bool) -> int:
    """Return the bytes that a component takes above all weights while it works; 0 for one that is never a phase."""
    dtype = torch.float32 if is_exact else way.dtype
    kind = str(part.says["_class_name"])
    is_guided = request.guidance_scale > 1
    batch = 2 if is_guided and not checkpoint.classes[0].startswith(APART) else 1
    if part.name.startswith("text_encoder"):
        length = next((num for word, num in WORST_TEXT.items() if kind.startswith(word)), 256)
        return shapes.text(part.says, length, 1, dtype.itemsize)
    if part.name == "vae":
        return _painting(part.says, request.shape, dtype, way)
    if re.fullmatch(f"{checkpoint.denoiser}(_2)?", part.name):
        if "UNet" in kind:
            rows, columns = request.shape.height // 8, request.shape.width // 8
            sample = (batch * request.shape.frames, int(part.says.get("in_channels", 4)), rows, columns)
            return shapes.network(part.says, sample, dtype, request.shape.frames)
        return shapes.transformer(part.says, checkpoint.num_tokens(request), batch, dtype.itemsize)
    return 0


def _painting(says: dict[str, Any], shape: VideoShape, dtype: torch.dtype, way: Way) -> int:
    """Return the bytes that an autoencoder takes to paint a film, and the film itself."""
    is_film = shapes.is_film(says)
    per_frames, per_side = shapes.factors(says)
    channels = int(says.get("z_dim") or says.get("latent_channels") or 4)
    cells = (shape.height // per_side, shape.width // per_side)
    latent = (1, channels, 1 + (shape.frames - 1) // per_frames, *cells) if is_film else (1, channels, *cells)
    short = shapes.few(says, latent)
    pixels = shape.height * shape.width * 3
    once = shapes.painter(says, short, dtype, is_tiled=way.is_tiled)
    if not is_film:
        return once
    rest = 2 * (latent[2] - short[2]) * per_frames * pixels * dtype.itemsize  # what is painted, and that with one more
    return max(once + rest, FILM_COPIES * shape.frames * pixels * FLOAT32)


def choose(checkpoint: Checkpoint, found: list[Part], request: GenerationRequest, here: Machine, wanted: Way) -> Fit:
    """Return the fastest way of loading that fits `here`, by the corrected guess; `wanted` is what it should be like.

    Raises:
        RushesError: none does; says what is missing, and which film of this model would fit.
    """
    tried: list[Guess] = []
    for way in ways(wanted, here):
        made = corrected(guess(checkpoint, found, request, way, device=here.device))
        if _fits(made, here):
            return Fit(way=way, guess=made, tried=tuple(tried))
        tried.append(made)
    least = min(tried, key=lambda each: each.peak)
    place = "on the device" if here.device != "cpu" else "of memory"
    said = f"{checkpoint.name} needs about {least.peak / 1e9:.1f} GB {place} even with {least.way}"
    if here.device != "cpu" and least.host > here.host_bytes * (1 - SPARE):
        said += f", and {least.host / 1e9:.1f} GB of memory beside it, where {here.host_bytes / 1e9:.1f} are free"
    raise RushesError(
        f"{said}; {here.device_bytes / 1e9:.1f} GB are free; {_cure(checkpoint, found, request, here, least)}"
    )


def ways(wanted: Way, here: Machine) -> list[Way]:
    """Return the ways of loading, the fastest first; those that change the weights after those that do not.

    Where float8 is wanted, all of them are in float8.
    """
    tiled = replace(wanted, is_tiled=True)
    if here.device == "cpu":  # where weights are read whole before they are quantised, so that nothing would be saved
        return [wanted, tiled]
    apart = replace(tiled, offload="model")
    if wanted.quantisation != "none":
        return [wanted, tiled, apart]
    eight = float8.NAME if here.has_float8 and wanted.dtype == torch.bfloat16 else "int8"
    small, both = (replace(each, quantisation=eight) for each in (tiled, apart))
    return [wanted, tiled, apart, small, both, replace(tiled, offload="sequential")]


def _fits(made: Guess, here: Machine) -> bool:
    return made.peak <= here.device_bytes * (1 - SPARE) and made.host <= here.host_bytes * (1 - SPARE)


def _cure(checkpoint: Checkpoint, found: list[Part], request: GenerationRequest, here: Machine, least: Guess) -> str:
    """Return what would fit: the longest shorter film, or a smaller one; else why nothing does."""
    native, shape = checkpoint.native, request.shape
    smaller = [(shape.width, shape.height), native.nearest_size(shape.width // 2, shape.height // 2)]
    for width, height in dict.fromkeys(smaller):
        for share in SHORTER:
            frames = native.nearest_frames(shape.frames * share)
            film = VideoShape(frames=frames, height=height, width=width)
            asked = replace(request, shape=film)
            if _fits(corrected(guess(checkpoint, found, asked, least.way, device=here.device)), here):
                return f"{frames} frames of {width}x{height} would fit"
    alone = max(least.weights, least.host) / 1e9
    return f"its weights alone are {alone:.1f} GB; choose a smaller model, or close something"


def prepare(pipe: Any, way: Way, device: torch.device) -> None:
    """Load a pipeline's components onto `device` in the way that was chosen."""
    give_back(device)
    if way.is_tiled:
        for name in ("enable_tiling", "enable_slicing"):
            if hasattr(pipe.vae, name):
                getattr(pipe.vae, name)()
    models = [each for name, each in pipe.components.items() if name != "vae" and isinstance(each, torch.nn.Module)]
    for model in models if way.quantisation != "none" else ():
        if way.quantisation == float8.NAME:
            float8.quantise(model)
        else:
            from torchao.quantization import Int8WeightOnlyConfig, quantize_

            quantize_(model, Int8WeightOnlyConfig())
    if way.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif way.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.to(device)


def give_back(device: torch.device) -> None:
    """Ask glibc to give large buffers back to the system once they are free, in this process, until others ask again.

    Elsewhere, and where an accelerator computes, it does nothing. `rushes.nn.machine.keep_memory` asks the opposite.

    By default it learns from the sizes that are freed to keep up to 32 MB each in pieces that the next phase, or the
    next frames of a causal autoencoder, can seldom use: a film then takes up to 40 % more, and no two take the same.
    """
    if sys.platform == "linux" and device.type == "cpu":
        choose = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if choose:
            choose(MMAP_THRESHOLD, GIVEN_BACK_BYTES)
            choose(TRIM_THRESHOLD, 2 * GIVEN_BACK_BYTES)


def table() -> Path:
    """Return the file in which measured films are kept."""
    home = os.environ.get("RUSHES_HOME")
    data = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "rushes"
    return (Path(home).expanduser() if home else data) / "memory.jsonl"


def corrected(made: Guess) -> Guess:
    """Return a guess with the correction that films of its kind call for: the median of what they took for a guess.

    A kind that was never measured is corrected as all others are; where nothing was measured, as films were elsewhere.
    """
    rows = [row for row in _rows() if row["device"] == made.device and row["guessed"] > 0]
    own = [row for row in rows if row["kind"] == made.kind]
    ratios = [row["took"] / row["guessed"] for row in (own or rows)[-KEPT_ROWS:]]
    return replace(made, correction=statistics.median(ratios) if ratios else UNSEEN.get(made.device, 1.0))


def remember(made: Guess, peak_bytes: int, base_bytes: int) -> None:
    """Keep what a film took: `peak_bytes` of the process at most, of which it held `base_bytes` before the weights."""
    took = peak_bytes - base_bytes - made.resident
    if took <= 0:  # the weights' reading was the peak; of the work nothing was seen
        return
    row = {"kind": made.kind, "device": made.device, "way": str(made.way), "guessed": made.working, "took": took}
    path = table()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _rows() -> Iterator[dict[str, Any]]:
    """Yield the rows of the table; a line that a crash cut off is none."""
    with contextlib.suppress(OSError):
        for line in table().read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and {"kind", "device", "guessed", "took"} <= set(row):
                    yield row


def held_bytes(device: torch.device) -> int:
    """Return how much memory this process holds now: on the device, or on a CPU its resident set."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def forget_peak(device: torch.device) -> None:
    """Let the peak be counted from now on, where the system can (CUDA, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Return the most memory that this process has held since `forget_peak`, or where that can't be since it began."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
