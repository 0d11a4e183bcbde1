"""Hotshot-XL: one second of film at 8 frames per second, from SDXL's pictures and attention across them.

The network is our own (`_hotshot_unet`), its weights are the published ones; all else is SDXL's as diffusers has it.
A film is a batch of pictures to it, so that SDXL's adapters and ControlNets work as they are.

b films (two where one is guided away from), f frames, h w pixels
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rushes.errors import InputError, RushesError
from rushes.media import decode
from rushes.models.open import (
    Checkpoint,
    OpenFamily,
    Place,
    Published,
    Watch,
    _adapters,
    _diffusers,
    _files,
    _hotshot_unet,
    memory,
)
from rushes.models.open._latents import Layout
from rushes.nn import machine, weights
from rushes.tiers import Native, Tier
from rushes.types import Condition, Factors, GenerationRequest, VideoShape

REPO, NETWORK = "hotshotco/Hotshot-XL", "unet"
FRAMES, FPS, PATCH_PX = 8, 8, 16
SIZES = ((320, 768), (384, 672), (416, 608), (512, 512), (608, 416), (672, 384), (768, 320))
# What the network was told of the sizes of its films' sources while it learnt.
SOURCE_SIZE, TARGET_SIZE = (1920, 1080), (512, 512)
FAINT, CLEAR = 100, 200  # Canny's thresholds
HELD = 0.7  # how firmly given lines or depths hold, of 1 at most
# Its network gets a film's frames as a batch of pictures.
FRAMES_APART = Layout(carry=lambda pipe, x: x[0].transpose(0, 1), take=lambda pipe, x, grid: x.transpose(0, 1)[None])
TEXT = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")


def _native(conditions: tuple[str, ...]) -> Native:
    shape = VideoShape(frames=FRAMES, height=512, width=512)
    return Native(
        tier=Tier(name="hotshot-xl", shape=shape, fps=FPS, num_steps=30, guidance_scale=5.0),
        multiple_px=32,
        most_pixels=512 * 512,
        step=FRAMES - 1,
        most_frames=FRAMES,
        fps=(FPS,),
        sizes=SIZES,
        conditions=conditions,
        needs=conditions,
    )


def _checkpoint(name: str, control: str = "", *, follows: tuple[str, ...] = ()) -> Checkpoint:
    return Checkpoint(
        name=name,
        repo=REPO,
        licence="openrail++",
        num_parameters=2_804_242_884,
        native=_native(follows),
        makes="HotshotXLPipeline",
        parts=(("controlnet", control),) if control else (),
        denoiser=NETWORK,
        published=Published(num_tensors=2100, num_parameters=2_804_780_484, source="the code at github.com/hotshotco"),
        cell=Factors(frames=1, height=PATCH_PX, width=PATCH_PX),
        text_parameters=817_720_320,
        float32=("vae",),
    )


def load(checkpoint: Checkpoint, folder: Path, place: Place) -> HotshotMaker:
    """Return the maker of the weights in `folder`. Raises: InputError; WeightsError; RushesError."""
    torch.set_num_threads(place.threads or torch.get_num_threads())
    _diffusers.library()
    device = machine.device(place.device)
    way, base_bytes = _diffusers.wanted(place.dtype, device), memory.held_bytes(device)
    hashes = _files.check(folder, checkpoint.classes)
    elsewhere = {name: _files.locate_part(repo) for name, repo in checkpoint.parts}
    hashes |= {name: _files.fingerprint(_files.weight_files(part)) for name, part in elsewhere.items()}
    found = memory.parts(folder, elsewhere)
    if place.request is not None:
        way = memory.choose(checkpoint, found, place.request, memory.Machine.here(device), way).way
    if way.quantisation != "none":
        hashes["quantisation"] = way.quantisation
    pipe = _pipe(folder, elsewhere, way.dtype)
    if place.adapters:
        hashes["lora"] = _adapters.adapt(pipe, checkpoint, place.adapters, hashes)
    memory.prepare(pipe, way, device)
    maker = HotshotMaker(pipe, checkpoint, hashes, arguments, way.dtype)
    maker.held = _diffusers.Held(parts=found, way=way, base_bytes=base_bytes)
    maker.layout = FRAMES_APART if way.offload == "none" else None
    return maker


def _pipe(folder: Path, elsewhere: dict[str, Path], dtype: torch.dtype) -> Any:
    """Return SDXL's pipeline around our network, on the CPU; a ControlNet's, where one lies `elsewhere`."""
    import transformers

    diffusers = _diffusers.library()
    makers = {
        "tokenizer": transformers.CLIPTokenizer,
        "tokenizer_2": transformers.CLIPTokenizer,
        "text_encoder": transformers.CLIPTextModel,
        "text_encoder_2": transformers.CLIPTextModelWithProjection,
        "vae": diffusers.AutoencoderKL,
        "scheduler": diffusers.EulerAncestralDiscreteScheduler,
    }
    parts: dict[str, Any] = {NETWORK: _hotshot_unet.read(folder / NETWORK, dtype)}
    for name, maker in makers.items():
        exact = torch.float32 if name == "vae" else dtype  # SDXL's autoencoder overflows in half the bits
        parts[name] = _read(maker, folder / name, exact)
    kind = diffusers.StableDiffusionXLPipeline
    for name, part in elsewhere.items():
        parts[name] = _read(diffusers.ControlNetModel, part, dtype)
        kind = diffusers.StableDiffusionXLControlNetPipeline
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = kind(**parts, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _read(maker: Any, folder: Path, dtype: torch.dtype) -> Any:
    """Return a component of SDXL as its own class reads it. Raises: WeightsError."""
    options: dict[str, Any] = {"local_files_only": True}
    if issubclass(maker, torch.nn.Module):
        _diffusers.require_fit(_diffusers.library(), folder)
        options |= {"torch_dtype": dtype, "use_safetensors": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _diffusers._fitted(folder, lambda: maker.from_pretrained(folder, **options))


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what SDXL's pipelines are called with: the text once for every frame, and what the network was told."""
    text = pipe.encode_prompt(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        do_classifier_free_guidance=request.guidance_scale > 1,
    )
    frames = request.shape.frames
    each = {name: one.repeat_interleave(frames, 0) for name, one in zip(TEXT, text, strict=True) if one is not None}
    return each | {
        "height": request.shape.height,
        "width": request.shape.width,
        "num_inference_steps": request.num_steps,
        "guidance_scale": request.guidance_scale,
        "original_size": SOURCE_SIZE,
        "target_size": TARGET_SIZE,
        "cross_attention_kwargs": {"num_frames": frames},
    }


class HotshotMaker(_diffusers.DiffusersMaker):
    """SDXL's pipeline around our network: what it takes for pictures are a film's frames."""

    def generate(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`; `watch(step, clean estimate)` sees each step, as every maker's does.

        Raises:
            InputError: what the model can't make.
            RushesError: there is too little memory, or the numbers overflowed.
        """
        self.checkpoint.native.check(request)
        memory.give_back(self.device)
        memory.forget_peak(self.device)
        try:
            for latent in self._latents(request, watch).split(1):
                yield self._painted(latent)
            self._remember(request)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise RushesError(f"there is too little memory for this film; ask for a smaller size ({error})") from None

    @torch.inference_mode()
    def _latents(self, request: GenerationRequest, watch: Watch) -> torch.Tensor:
        """Return the film's frames as latents `[f c h w]`."""
        asked = self._arguments(self.pipe, request) | self._control(request)
        random = torch.Generator().manual_seed(request.seed)
        heard = self._steps(self.pipe, request, watch)
        with heard, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.pipe(**asked, **heard.arguments, generator=random, output_type="latent").images

    @torch.inference_mode()
    def _painted(self, latent: torch.Tensor) -> np.ndarray:
        """Return a frame of its latent `[1 c h w]`; one at a time, for all at once take as many times the memory."""
        vae = self.pipe.vae
        picture = vae.decode(latent.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0][0]
        if not picture.isfinite().all():
            raise RushesError(f"{self.checkpoint.name} overflowed in {self.dtype}; try --dtype float32")
        return ((picture.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()

    def _control(self, request: GenerationRequest) -> dict[str, Any]:
        """Return what a ControlNet's pipeline is called with besides: the lines or depths that the film is laid by."""
        given = next((each for kind in self.checkpoint.native.needs if (each := request.condition(kind))), None)
        if given is None:
            return {}
        frames = _film(given, request.shape)
        if given.kind == "edges":
            frames = [edges(frame) for frame in frames]
        return {"image": [Image.fromarray(frame) for frame in frames], "controlnet_conditioning_scale": HELD}


def _film(given: Condition, shape: VideoShape) -> list[np.ndarray]:
    """Return the frames of the film that a condition names, uint8 `[h w 3]`. Raises: InputError."""
    path = Path(given.uri)
    if given.sha256 and path.is_file() and weights.digest(path) != given.sha256:
        raise InputError(f"{path.name} has changed since it was named; name it again to use it as it is now")
    size = {"height": shape.height, "width": shape.width}
    return list(decode.filling(path, num_frames=shape.frames, fps=FPS, **size))


def edges(frame: np.ndarray) -> np.ndarray:
    """Return the white edges of a picture on black, uint8 `[h w 3]`. Source: Canny, IEEE PAMI 8 (1986).

    Raises:
        RushesError: OpenCV is not installed.
    """
    try:
        import cv2
    except ModuleNotFoundError:
        raise RushesError("OpenCV is not installed; run: pip install -c constraints.txt -e '.[data]'") from None
    return np.repeat(cv2.Canny(frame, FAINT, CLEAR)[..., None], 3, axis=2)


SPEC = OpenFamily(
    name="hotshot-xl",
    checkpoints=(
        _checkpoint("hotshot-xl"),
        _checkpoint("hotshot-xl-canny", "diffusers/controlnet-canny-sdxl-1.0", follows=("edges",)),
        _checkpoint("hotshot-xl-depth", "diffusers/controlnet-depth-sdxl-1.0", follows=("depth",)),
    ),
    load=load,
)
