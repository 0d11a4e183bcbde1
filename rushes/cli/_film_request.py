"""What was typed after `rushes film` becomes requests and the files they are for; what is illegal is refused here."""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rushes import config
from rushes.cli import _film_conditions as conditions
from rushes.cli._film_conditions import Conditions
from rushes.errors import InputError
from rushes.media import encode, metadata
from rushes.models.open import _catalogue as catalogue
from rushes.tiers import MAX_SECONDS, MODEL, TIERS, Native, Tier, check, nearest_size, tier
from rushes.types import Condition, GenerationRequest, VideoShape

FOLDER = Path("films")
SUFFIXES = {"flipbook": ".gif", "still": ".png"}
FACTS = ("weights", "rushes", "device", "dtype")  # what a film's file carries beside its request
CONDITIONS = tuple(conditions.Typed.__dataclass_fields__)
MAX_SLUG = 60
AGAIN = "again"  # not a tier of its own: the request in a film's file, as defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `rushes film` as they were typed; None where nothing was."""

    prompts: Path | None
    model: str | None
    first_model: str | None
    tier: str | None
    size: str | None
    seconds: float | None
    fps: int | None
    frames: int | None
    seed: int | None
    steps: int | None
    guidance: float | None
    negative: str | None
    output: Path | None
    force: bool
    sheet: bool
    live: BinaryIO | None
    as_json: bool
    again: Path | None
    first: Path | None
    last: Path | None
    extend: Path | None
    remix: Path | None
    strength: float | None
    area: str | None
    path: str | None
    subject: Path | None
    edges: Path | None
    sketch: Path | None
    depth: Path | None
    loop: bool
    weights: Path
    lora: tuple[str, ...]
    rewrite: bool
    preview: bool
    device: str | None
    dtype: str | None
    threads: int
    quiet: bool

    @property
    def is_on_stdout(self) -> bool:
        """Whether the film itself goes to standard output."""
        return self.live is not None and getattr(self.live, "name", "<stdout>") == "<stdout>"

    def watched(self, piece: bytes) -> None:
        """Write the next piece of the film for whoever watches; a player that was closed ends nothing."""
        if self.live is not None and not self.live.closed:
            try:
                self.live.write(piece)
                self.live.flush()
            except BrokenPipeError:
                self.live.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One film to make: its request, its file, and what made it before (weights, device, dtype), if it was.

    `first` is the request for the picture that it begins with, where another model is to make that.
    """

    request: GenerationRequest
    path: Path
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    first: GenerationRequest | None = None

    @property
    def sheet(self) -> Path:
        return self.path.with_name(f"{self.path.stem}-sheet.png")


def orders(words: tuple[str, ...], options: Options) -> list[Order]:
    """Return the films asked for.

    Raises:
        InputError: anything illegal in the words or the options, an output that exists or cannot be written.
    """
    most = os.cpu_count() or 1
    if not 0 <= options.threads <= most:
        nearest = 0 if options.threads < 0 else most
        raise InputError(f"--threads {options.threads} is illegal; the nearest legal value is {nearest}")
    base, before = _again(options.again) if options.again is not None else ({}, {})
    texts = _texts(words, options, base)
    wanted = conditions.read(conditions.Typed(**{name: getattr(options, name) for name in CONDITIONS}))
    model = options.model or str(base.get("model", MODEL))
    native = native_of(model)
    if native is not None:
        _refuse_own(options, model)
        base = base if base.get("model") == model else {}
    made = [_request(text, options, base, wanted, native) for text in texts]
    found = []
    for number, request in enumerate(made, start=1):
        mark = f"{number:0{len(str(len(made)))}d}" if len(made) > 1 else ""
        path = _path(request, options.output, _suffix(options, request), mark)
        order = _begun(Order(request=request, path=path, before=before), options)
        check(order.request, {model: native} if native else {})
        encode.check_target(order.path, fps=request.fps, shape=request.shape, force=options.force)
        if options.live and (len(made) > 1 or path.suffix.lower() != ".mp4"):
            raise InputError("--live takes one film, an .mp4")
        if options.sheet and order.sheet.exists() and not options.force:
            raise InputError(f"{order.sheet} exists; use --force to replace it")
        found.append(order)
    return found


def native_of(model: str) -> Native | None:
    """Return what a model beside our own takes; None for our own. Raises: InputError; WeightsError."""
    return None if model == MODEL else catalogue.find(model).checkpoint.native


def _refuse_own(options: Options, model: str) -> None:
    """Raise InputError for options that only our own model has."""
    for name, typed in (("--tier", options.tier), ("--rewrite", options.rewrite)):
        if typed:
            raise InputError(f"{name} belongs to our own model; {model} takes --size, --frames and --steps")


def _begun(order: Order, options: Options) -> Order:
    """Return the order with the picture that its film begins with, if a model was named to make that."""
    if options.first_model is None:
        return order
    if options.first is not None:
        raise InputError("there are --first and --first-model; name one of them")
    native, request = native_of(options.first_model), order.request
    wide, high = request.shape.width, request.shape.height
    width, height = native.nearest_size(wide, high) if native else nearest_size(wide, high)
    effort = native.tier if native else TIERS["still"]
    picture = dataclasses.replace(
        request,
        model=options.first_model,
        shape=VideoShape(frames=1, height=height, width=width),
        fps=effort.fps,
        num_steps=effort.num_steps,
        guidance_scale=effort.guidance_scale,
        negative_prompt=request.negative_prompt if native is None or native.has_negative else "",
        conditions=(),
    )
    check(picture, {options.first_model: native} if native else {})
    path = order.path.with_name(f"{order.path.stem}-first.png")
    encode.check_target(path, fps=picture.fps, shape=picture.shape, force=options.force)
    kept = tuple(condition for condition in request.conditions if condition.kind != "first")
    begun = (*kept, Condition(kind="first", uri=str(path)))
    return dataclasses.replace(order, first=picture, request=dataclasses.replace(request, conditions=begun))


def _suffix(options: Options, request: GenerationRequest) -> str:
    """Return the extension of a film whose name nobody typed."""
    if options.tier in SUFFIXES:
        return SUFFIXES[options.tier]
    if options.again is not None and options.tier is None and options.again.suffix:
        return options.again.suffix
    return ".png" if request.shape.frames == 1 else ".mp4"


def _texts(words: tuple[str, ...], options: Options, base: dict[str, Any]) -> list[str]:
    if options.prompts is not None and words:
        raise InputError("there are a prompt and --prompts; name one of them")
    if options.prompts is not None:
        return _lines(options.prompts)
    if words:
        return [" ".join(words)]
    if base:
        return [base["prompt"]]
    raise InputError("there is no prompt; say what the film shows, for instance: rushes film a red car drives left")


def _lines(path: Path) -> list[str]:
    """Return the prompts in a file, one a line; empty lines do not count."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8; it should hold one prompt per line") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if not any(lines):
        raise InputError(f"{path} holds no prompts; it should hold one per line")
    return [line for line in lines if line]


def _again(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the request inside a film, and what made it."""
    record = metadata.read_request(path)
    values = {key: value for key, value in record.items() if key not in FACTS}
    try:
        config.from_dict(GenerationRequest, values)
    except InputError as error:
        raise InputError(f"{path.name} was not made by rushes film ({error})") from None
    return values, {key: record[key] for key in FACTS if key in record}


def place(options: Options, wanted: list[Order]) -> dict[str, str]:
    """Return the names of the device and the dtype: those typed, else those of the film to make again, else auto.

    A film from before either was recorded was made on the CPU in float32.
    """
    before = {"device": "cpu", "dtype": "float32"} | wanted[0].before if options.again is not None else {}
    names = {"device": options.device, "dtype": options.dtype}
    return {name: typed or str(before.get(name, "auto")) for name, typed in names.items()}


def _request(
    text: str, options: Options, base: dict[str, Any], wanted: Conditions, native: Native | None
) -> GenerationRequest:
    values = dict(base) if base else {}
    if options.model is not None:
        values["model"] = options.model
    chosen = _chosen(options, base, wanted) if native is None else _tier_of(base) if base else native.tier
    shape, fps = _shape(options, chosen, native)
    if wanted.conditions:
        values["conditions"] = [config.to_dict(condition) for condition in wanted.conditions]
        shape = dataclasses.replace(shape, frames=shape.frames + wanted.given_s * fps)
    typed = {"seed": options.seed, "num_steps": options.steps, "guidance_scale": options.guidance}
    typed["negative_prompt"] = options.negative  # type: ignore[assignment]
    effort = {"num_steps": chosen.num_steps, "guidance_scale": chosen.guidance_scale}
    values |= effort | {"prompt": text} | {key: value for key, value in typed.items() if value is not None}
    return config.from_dict(GenerationRequest, values | {"shape": config.to_dict(shape), "fps": fps})


def _chosen(options: Options, base: dict[str, Any], wanted: Conditions) -> Tier:
    """Return what is meant where nothing else was typed, of our own model."""
    named = options.tier
    if named is None and not base and wanted.like is None:
        is_png = options.output is not None and options.output.suffix.lower() == ".png"
        named = "still" if is_png and options.seconds is None and options.frames is None else "feature"
    return tier(named) if named is not None else wanted.like or _tier_of(base)


def _tier_of(base: dict[str, Any]) -> Tier:
    """Return what an earlier request asked for, as a tier of its own."""
    earlier = config.from_dict(GenerationRequest, base)
    effort = {"num_steps": earlier.num_steps, "guidance_scale": earlier.guidance_scale}
    return Tier(name=AGAIN, shape=earlier.shape, fps=earlier.fps, **effort)  # type: ignore[arg-type]


def _shape(options: Options, base: Tier, native: Native | None) -> tuple[VideoShape, int]:
    """Return frames x height x width and fps; a changed fps keeps the length in seconds, as nearly as is legal."""
    fps = base.fps if options.fps is None else options.fps
    if fps < 1:
        raise InputError(f"fps {fps} is illegal; the nearest legal value is 8")
    if options.seconds is not None and options.frames is not None:
        raise InputError("there are --seconds and --frames; name one of them")
    if options.frames is not None:
        frames = options.frames
    elif native is not None:
        frames = base.shape.frames if options.seconds is None else native.frames_of(options.seconds, fps)
    elif options.seconds is not None:
        seconds, legal = options.seconds, range(1, MAX_SECONDS + 1)
        if seconds not in legal:
            nearest = MAX_SECONDS if seconds > MAX_SECONDS else max(1, round(seconds)) if seconds > 1 else 1
            raise InputError(f"{seconds:g} seconds is illegal; the nearest legal value is {nearest}")
        frames = round(options.seconds * fps)
    else:
        frames = 1 if base.shape.frames == 1 else round(base.shape.frames / base.fps * fps)
    width, height = (base.shape.width, base.shape.height) if options.size is None else _size(options.size)
    return dataclasses.replace(base.shape, frames=frames, height=height, width=width), fps


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]{0,5})[xX]([1-9][0-9]{0,5})", text)
    if not found:
        raise InputError(f"size {text!r} is no WIDTHxHEIGHT; the nearest legal value is 1280x720")
    return int(found[1]), int(found[2])


def _path(request: GenerationRequest, output: Path | None, suffix: str, mark: str) -> Path:
    """Return where a film goes; `mark` numbers the films of one command."""
    folder = output if output is not None and output.is_dir() else None
    if output is not None and folder is None:
        return output.with_name(f"{output.stem}-{mark}{output.suffix}") if mark else output
    if folder is None:
        FOLDER.mkdir(exist_ok=True)
    form = kind(request) if request.model == MODEL else f"{_short(request.model)}-{kind(request)}"
    name = f"{slug(request.prompt)}-{form}-{request.seed}{suffix}"
    return (folder or FOLDER) / (f"{mark}-{name}" if mark else name)


def kind(request: GenerationRequest) -> str:
    """Return what a film's name calls its form: its tier's name, or size, frames and fps where it has no tier's."""
    shape = request.shape
    for known in TIERS.values():
        if (known.shape, known.fps) == (shape, request.fps):
            return known.name
    size = f"{shape.width}x{shape.height}"
    return size if shape.frames == 1 else f"{size}-{shape.frames}f-{request.fps}fps"


def _short(model: str) -> str:
    """Return a model's name as a part of a file's: the last word of a path or an address."""
    return "-".join(re.findall(r"[a-z0-9.]+", re.split("[/#]", model.rstrip("/"))[-1].lower())) or "model"


def slug(text: str) -> str:
    """Return the words of a prompt as a file's name: `A red car!` -> `a-red-car`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    joined = "-".join(re.findall(r"[a-z0-9]+", plain.lower()))
    return joined[:MAX_SLUG].rstrip("-") or "film"
