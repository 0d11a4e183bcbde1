"""Families that diffusers has classes for: their weights are checked, loaded once, and make films request by request.

t frames, h w pixels
"""

from __future__ import annotations

import inspect
import logging
import os
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
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from rushes import __version__, config
from rushes.errors import InputError, RushesError, WeightsError
from rushes.media import decode
from rushes.models.open import Adaptation, Checkpoint, Place, Watch, memory
from rushes.models.open import _files as files
from rushes.nn import machine, weights
from rushes.types import Condition, Estimate, GenerationRequest

Arguments = Callable[[Any, GenerationRequest], dict[str, Any]]

NOISY = ("torchao", "torch.utils._pytree")  # they print on import what nobody who makes a film can act upon
TRIAL = (1024, 1024, 1024)
SMALL_BYTES = 50_000_000
AFTER_SHARE = 0.15  # of the steps' time that reading the text and painting take, about
STEP_END = "callback_on_step_end"


def library() -> Any:
    """Return diffusers, imported without its chatter. Raises: RushesError where it is not installed."""
    for name in NOISY:
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
    """How a family is loaded: `arguments(pipeline, request)` are what its pipelines are called with."""

    arguments: Arguments = usual

    def __call__(self, checkpoint: Checkpoint, folder: Path, place: Place) -> DiffusersMaker:
        """Return the maker of the weights in `folder`. Raises: InputError; WeightsError; RushesError."""
        torch.set_num_threads(place.threads or torch.get_num_threads())
        device = machine.device(place.device)
        dtype, base_bytes = machine.dtype(place.dtype, device), memory.held_bytes(device)
        hashes = files.check(folder, [*checkpoint.classes, *filter(None, [checkpoint.based_on])])
        elsewhere = _elsewhere(checkpoint, folder)
        hashes |= {name: files.fingerprint(files.weight_files(part)) for name, part in elsewhere.items()}
        found, way = memory.parts(folder, elsewhere), memory.Way(dtype=dtype)
        if place.request is not None:
            here = memory.Machine.here(device)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                way = memory.choose(checkpoint, found, place.request, here, dtype).way
        if way.quantisation != "none":
            hashes["quantisation"] = way.quantisation
        pipe = read(checkpoint, folder, elsewhere, dtype)
        if place.adapters:
            hashes["lora"] = adapt(pipe, checkpoint, place.adapters)
        memory.prepare(pipe, way, device)
        maker = DiffusersMaker(pipe, checkpoint, hashes, self.arguments, dtype)
        maker.held = Held(parts=found, way=way, base_bytes=base_bytes)
        return maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the memory of a film is guessed from, and what the process held before the weights came."""

    parts: list[memory.Part]
    way: memory.Way
    base_bytes: int


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


def adapt(pipe: Any, checkpoint: Checkpoint, adapters: tuple[Adaptation, ...]) -> str:
    """Add adapters to a pipeline, one beside the other; return what a film's file says of them.

    Raises:
        InputError: the family takes none.
        WeightsError: no such file, a damaged or pickled one, or one that was made for another base.
    """
    if not checkpoint.has_lora:
        raise InputError(f"{checkpoint.name} takes no adapters")
    names = []
    for number, each in enumerate(adapters):
        tensors = _adapter(each.path)
        names.append(f"adapter_{number}")
        said = f"{each.path} was made for another base than {checkpoint.name}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                pipe.load_lora_weights(dict(tensors), adapter_name=names[-1])
            except (ValueError, KeyError, RuntimeError, TypeError, IndexError, AttributeError) as error:
                raise WeightsError(f"{said}: {next(iter(str(error).splitlines()), '')}"[:300]) from None
        wanted, added = _num_pairs(tensors), _num_added(pipe, names[-1])
        if added < wanted:
            raise WeightsError(f"{said}: {wanted - added} of its {wanted} layers are not there")
    pipe.set_adapters(names, [each.scale for each in adapters])
    return ",".join(f"{weights.digest(each.path)}:{each.scale:g}" for each in adapters)


def _adapter(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise WeightsError(f"there is no adapter {path}")
    if path.suffix in files.PICKLED:
        raise WeightsError(f"{path} is a pickle, which can run any code when it is read; only safetensors are read")
    files.header(path)
    with safe_open(path, "pt") as opened:
        if "rushes" in (opened.metadata() or {}):
            raise WeightsError(f"{path} was made for Rushes' own film model, not for an open-weight one")
    tensors = load_file(path)
    if not _num_pairs(tensors):
        raise WeightsError(f"{path} is no adapter: it holds no pair of low-rank matrices")
    return tensors


def _num_pairs(tensors: dict[str, torch.Tensor]) -> int:
    return sum(".lora_A." in name or "lora_down" in name or ".lora.down" in name for name in tensors)


def _num_added(pipe: Any, adapter: str) -> int:
    """Return how many layers of a pipeline's models have got an adapter."""
    models = [model for model in pipe.components.values() if isinstance(model, torch.nn.Module)]
    names = (name for model in models for name, _ in model.named_modules())
    return sum(name.endswith(f"lora_A.{adapter}") for name in names)


class DiffusersMaker:
    """A pipeline that turns requests into frames; the same request gives the same frames on the same machine."""

    held: Held | None = None

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
        """Yield the frames, uint8 RGB `[h w 3]`; `watch(step, None)` hears of each step.

        Raises:
            InputError: what the model can't make.
            RushesError: there is too little memory, or the numbers overflowed.
        """
        self.checkpoint.native.check(request)
        pipe = self._for(request)
        arguments = self._arguments(pipe, request) | _pictures(request)
        legal = inspect.signature(pipe.__call__).parameters
        unknown = sorted(set(arguments) - set(legal))
        assert not unknown, unknown
        random = torch.Generator().manual_seed(request.seed)
        heard = _Heard(pipe, self.checkpoint.denoiser, request, watch)
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


class _Heard:
    """Lets `watch` hear of each step, by the pipeline's own callback or, where it has none, from its denoiser."""

    def __init__(self, pipe: Any, denoiser: str, request: GenerationRequest, watch: Watch) -> None:
        self._denoiser, self._request, self._watch = pipe.components[denoiser], request, watch
        self._calls, self._hook = 0, None
        has_callback = STEP_END in inspect.signature(pipe.__call__).parameters
        self.arguments: dict[str, Any] = {STEP_END: self._step} if has_callback else {}

    def __enter__(self) -> None:
        if not self.arguments:
            self._hook = self._denoiser.register_forward_hook(self._call)

    def __exit__(self, *raised: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _step(self, pipe: Any, index: int, at: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        self._watch(index + 1, None)
        return tensors

    def _call(self, *called: object) -> None:
        passes = 2 if self._request.guidance_scale > 1 else 1
        self._calls += 1
        if self._calls % passes == 0:
            self._watch(self._calls // passes, None)


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
