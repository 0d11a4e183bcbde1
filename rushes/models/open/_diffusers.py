"""Families that diffusers has classes for: their weights are checked, loaded once, and make films request by request.

t frames, h w pixels
"""

from __future__ import annotations

import inspect
import logging
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError

from rushes import __version__, config
from rushes.errors import InputError, RushesError, WeightsError
from rushes.media import decode
from rushes.models.open import Checkpoint, Place, Watch, memory
from rushes.models.open import _files as files
from rushes.models.open import _latents as latents
from rushes.models.open._adapters import adapt
from rushes.models.open._latents import FILMS, Layout
from rushes.models.open._watching import Sight, Steps
from rushes.nn import float8, machine, weights
from rushes.types import Condition, Estimate, GenerationRequest

Arguments = Callable[[Any, GenerationRequest], dict[str, Any]]

TRIAL = (1024, 1024, 1024)
SMALL_BYTES = 50_000_000
AFTER_SHARE = 0.15  # of the steps' time that reading the text and painting take, about
PREVIEW_SHARE = 0.05  # of the time that a film takes, for pictures of it meanwhile
PREVIEW_PX = 512


def library() -> Any:
    """Return diffusers, imported without its chatter. Raises: RushesError where it is not installed."""
    for name in float8.NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import diffusers
            import transformers
        except ModuleNotFoundError as error:
            said = f"{error.name} is not installed; run: pip install -c constraints.txt -e '.[families]'"
            raise RushesError(said) from None
    for each in (diffusers, transformers):
        each.utils.logging.disable_progress_bar()
    return diffusers


def usual(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return the arguments that most pipelines take."""
    shape = request.shape
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt or None,
        "height": shape.height,
        "width": shape.width,
        "num_frames": shape.frames,
        "num_inference_steps": request.num_steps,
        "guidance_scale": request.guidance_scale,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """How a family is loaded: `arguments(pipeline, request)` are what its pipelines are called with.

    `layout` is how they carry latents; `is_taught` says whether its denoiser can be trained on films alone.
    """

    arguments: Arguments = usual
    layout: Layout = FILMS
    is_taught: bool = True

    def __call__(self, checkpoint: Checkpoint, folder: Path, place: Place) -> DiffusersMaker:
        """Return the maker of the weights in `folder`. Raises: InputError; WeightsError; RushesError."""
        torch.set_num_threads(place.threads or torch.get_num_threads())
        library()
        device = machine.device(place.device)
        way, base_bytes = wanted(place.dtype, device), memory.held_bytes(device)
        hashes, elsewhere = checked(checkpoint, folder)
        found = memory.parts(folder, elsewhere)
        if place.request is not None:
            here = memory.Machine.here(device)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                way = memory.choose(checkpoint, found, place.request, here, way).way
        if way.quantisation != "none":
            hashes["quantisation"] = way.quantisation
        pipe = read(checkpoint, folder, elsewhere, way.dtype)
        if place.adapters:
            hashes["lora"] = adapt(pipe, checkpoint, place.adapters, hashes)
        memory.prepare(pipe, way, device)
        maker = DiffusersMaker(pipe, checkpoint, hashes, self.arguments, way.dtype)
        maker.held = Held(parts=found, way=way, base_bytes=base_bytes)
        maker.layout = self.layout if way.offload == "none" else None  # else a look would drive the denoiser out
        return maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the memory of a film is guessed from, and what the process held before the weights came."""

    parts: list[memory.Part]
    way: memory.Way
    base_bytes: int


def wanted(name: str, device: torch.device) -> memory.Way:
    """Return how to load weights in the dtype called `name`: one of `machine.dtype`, or float8. Raises: InputError."""
    if name != float8.NAME:
        return memory.Way(dtype=machine.dtype(name, device))
    float8.require(device)
    return memory.Way(dtype=torch.bfloat16, quantisation=float8.NAME)


def checked(checkpoint: Checkpoint, folder: Path) -> tuple[dict[str, str], dict[str, Path]]:
    """Return a fingerprint of each component, and where those lie that `folder` lacks. Raises: WeightsError."""
    hashes = files.check(folder, [*checkpoint.classes, *filter(None, [checkpoint.based_on])])
    elsewhere = _elsewhere(checkpoint, folder)
    return hashes | {name: files.fingerprint(files.weight_files(part)) for name, part in elsewhere.items()}, elsewhere


def _elsewhere(checkpoint: Checkpoint, folder: Path) -> dict[str, Path]:
    """Return where the components lie that `folder` lacks; none where a whole pipeline was saved there."""
    if files.class_name(folder) in checkpoint.classes:
        return {}
    return {name: files.locate_part(repo) for name, repo in checkpoint.parts}


def read(checkpoint: Checkpoint, folder: Path, elsewhere: dict[str, Path], dtype: torch.dtype) -> Any:
    """Return the pipeline in `folder`, on the CPU. Raises: WeightsError for weights that do not fit their config."""
    diffusers = library()
    named = files.class_name(folder)
    kind = named if named in checkpoint.classes else checkpoint.classes[0]
    for name in (each for each in files.component_names(folder) if (folder / each).is_dir()):
        require_fit(diffusers, folder / name)
    given = {}
    for name, part in elsewhere.items():
        require_fit(diffusers, part)
        given[name] = _fitted(part, partial(diffusers.MotionAdapter.from_pretrained, part, torch_dtype=dtype))
    dtypes = {"default": dtype} | dict.fromkeys(checkpoint.float32, torch.float32)
    options = {"torch_dtype": dtypes, "use_safetensors": True, "local_files_only": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = _fitted(folder, lambda: getattr(diffusers, kind).from_pretrained(folder, **options, **given))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def require_fit(diffusers: Any, folder: Path) -> None:
    """Raise WeightsError unless a component's files hold the very tensors that its config asks for.

    The library itself only warns of missing ones, and goes on with random numbers. What transformers made is left to
    it: its files leave out tensors that are tied to others.
    """
    says = files.read_json(folder / "config.json")
    kind = getattr(diffusers, str(says.get("_class_name")), None)
    if kind is None:
        return
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _fitted(folder, lambda: kind.from_config(says))
    wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    found: dict[str, list[int]] = {}
    for path in files.weight_files(folder):
        found |= {name: entry["shape"] for name, entry in files.header(path).items()}
    missing = sorted(set(wanted) - set(found))
    if missing:
        said = f"{folder} lacks {len(missing)} of the {len(wanted)} tensors of a {kind.__name__}"
        raise WeightsError(f"{said}, for instance {missing[0]}: its weights are another model's")
    wrong = sorted(name for name, shape in wanted.items() if found[name] != shape)
    if wrong:
        said = f"{wrong[0]} is {found[wrong[0]]}, not {wanted[wrong[0]]}"
        raise WeightsError(f"{folder} does not fit its config.json: {said}")


def _fitted(folder: Path, read: Callable[[], Any]) -> Any:
    """Return what `read` does; whatever it finds wrong with a folder is one line."""
    try:
        return read()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(f"{folder} can't be loaded: {said}") from None


class DiffusersMaker:
    """A pipeline that turns requests into frames; the same request gives the same frames on the same machine."""

    held: Held | None = None
    layout: Layout | None = None  # None: nobody can watch
    _shown, _preview_s = 0.0, 0.0  # when the last preview was, and how long it took

    def __init__(
        self, pipe: Any, checkpoint: Checkpoint, hashes: dict[str, str], arguments: Arguments, dtype: torch.dtype
    ) -> None:
        self.pipe, self.checkpoint, self.hashes, self.dtype = pipe, checkpoint, hashes, dtype
        self._arguments, self._pipes = arguments, {type(pipe).__name__: pipe}
        self.device = torch.device(pipe._execution_device)

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the request as plain JSON, with the weights' fingerprints, device and dtype."""
        made = {"device": self.device.type, "dtype": str(self.dtype).removeprefix("torch.")}
        return config.to_dict(request) | {"weights": self.hashes, "rushes": __version__} | made

    def generate(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`; `watch(step, clean estimate)` sees each step.

        Where a look would take too long, or the weights are not all there, it sees None.

        Raises:
            InputError: what the model can't make.
            RushesError: there is too little memory, or the numbers overflowed.
        """
        self.checkpoint.native.check(request)
        memory.give_back(self.device)
        pipe = self._for(request)
        arguments = self._arguments(pipe, request) | _pictures(request)
        legal = inspect.signature(pipe.__call__).parameters
        unknown = sorted(set(arguments) - set(legal))
        assert not unknown, unknown
        random = torch.Generator().manual_seed(request.seed)
        heard = self._steps(pipe, request, watch)
        memory.forget_peak(self.device)
        try:
            with heard, torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = pipe(**arguments, **heard.arguments, generator=random, output_type="np")
        except (torch.OutOfMemoryError, MemoryError) as error:
            cure = "ask for fewer frames or a smaller size"
            raise RushesError(f"there is too little memory for this film; {cure} ({_first_line(error)})") from None
        finally:
            pipe.maybe_free_model_hooks()
        self._remember(request)
        for frame in made.frames[0] if hasattr(made, "frames") else made.images[:1]:
            if not np.isfinite(frame).all():
                raise RushesError(f"{self.checkpoint.name} overflowed in {self.dtype}; try --dtype float32")
            yield np.rint(np.asarray(frame, np.float32).clip(0, 1) * 255).astype(np.uint8)

    def _steps(self, pipe: Any, request: GenerationRequest, watch: Watch) -> Steps:
        sight, shape = None, request.shape
        if self.layout is not None:
            grid = latents.grid(pipe.vae, shape.frames, shape.height, shape.width)
            sight = Sight(layout=self.layout, grid=grid, is_due=self._is_due)
        return Steps(pipe, self.checkpoint.denoiser, request, watch, sight)

    def _is_due(self) -> bool:
        return time.monotonic() - self._shown >= self._preview_s / PREVIEW_SHARE

    @torch.inference_mode()
    def preview(self, clean: torch.Tensor) -> np.ndarray:
        """Return the middle of a clean estimate `[1 c t h w]` as a small picture, uint8 `[h w 3]`."""
        began = time.monotonic()
        pixels = latents.painted(self.pipe.vae, clean.narrow(2, clean.shape[2] // 2, 1)).nan_to_num()
        frame = ((pixels.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        picture = Image.fromarray(frame)
        picture.thumbnail((PREVIEW_PX, PREVIEW_PX))
        self._shown = time.monotonic()
        self._preview_s = self._shown - began
        return np.asarray(picture)

    def estimate(self, request: GenerationRequest) -> Estimate:
        """Predict the cost of `request` from the size of what was loaded. Raises: InputError."""
        self.checkpoint.native.check(request)
        denoiser = self.pipe.components[self.checkpoint.denoiser]
        tokens, width, layers = self.checkpoint.num_tokens(request), *_width_and_layers(denoiser)
        passes = 2 if request.guidance_scale > 1 else 1
        work = 2.0 * sum(p.numel() for p in denoiser.parameters()) * tokens + 4.0 * layers * width * tokens**2
        rate = machine.rate(Counter({TRIAL: 1}), self.dtype, place=self.device, seconds=0.1)
        denoise_s = request.num_steps * passes * work / rate
        guess = self._guess(request)
        most = self.held.base_bytes + memory.corrected(guess).peak if self.held and guess else 0
        return Estimate(seconds=denoise_s * (1 + AFTER_SHARE), denoise_s=denoise_s, memory_bytes=most)

    def _guess(self, request: GenerationRequest) -> memory.Guess | None:
        if self.held is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return memory.guess(self.checkpoint, self.held.parts, request, self.held.way, device=self.device.type)

    def _remember(self, request: GenerationRequest) -> None:
        """Keep what the film took, so that the next guess is better; of tiny weights nothing is to be learnt."""
        guess = self._guess(request)
        if self.held and guess and guess.weights > SMALL_BYTES:
            memory.remember(guess, memory.peak_bytes(self.device), self.held.base_bytes)

    def _for(self, request: GenerationRequest) -> Any:
        """Return the pipeline that makes `request`: the one that begins with a picture shares its weights."""
        name = self.checkpoint.animates if request.condition("first") else self.checkpoint.makes
        if name not in self._pipes:
            kind, first = getattr(library(), name), self.pipe
            has = {**first.config, **first.components}
            pipe = kind(**{word: has[word] for word in inspect.signature(kind.__init__).parameters if word in has})
            pipe.set_progress_bar_config(disable=True)
            self._pipes[name] = pipe
        return self._pipes[name]


def _pictures(request: GenerationRequest) -> dict[str, Any]:
    """Return the pictures that a film begins and ends with, as its pipeline's arguments."""
    names = {"first": "image", "last": "last_image"}
    wanted = [condition for condition in request.conditions if condition.kind in names]
    return {names[condition.kind]: _picture(condition, request) for condition in wanted}


def _picture(condition: Condition, request: GenerationRequest) -> Image.Image:
    path, shape = Path(condition.uri), request.shape
    if not path.is_file():
        raise InputError(f"there is no picture {path}")
    if condition.sha256 and weights.digest(path) != condition.sha256:
        raise InputError(f"{path.name} has changed since it was named; name it again to use it as it is now")
    return Image.fromarray(next(decode.filling(path, num_frames=1, fps=1, height=shape.height, width=shape.width)))


def _width_and_layers(denoiser: Any) -> tuple[int, int]:
    """Return the width of a transformer's tokens and its number of blocks; a UNet's attention is a small part."""
    says = denoiser.config
    heads, size = says.get("num_attention_heads"), says.get("attention_head_dim")
    if isinstance(heads, int) and isinstance(size, int):
        return heads * size, says.get("num_layers", 0) + says.get("num_single_layers", 0)
    return 1280, 0


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
