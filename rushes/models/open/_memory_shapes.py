"""How many bytes a model holds at once beside its weights, worked out from its config and from shapes alone.

Autoencoders and UNets are traced: their real classes are built on torch's `meta` device, which has shapes and no
memory, called once, and what lives at the same time is added up. Transformers and text encoders are alike enough for a
formula.

n tokens, d width
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from rushes.models.open import _hotshot_unet

FLOAT32 = 4
HALVES = 4  # a block's own tokens: what it adds to, what it has normalised, what attention or the MLP gives back
MOST_TRACED = 5  # latent frames of a decoder that takes few at a time; after these it repeats itself
CAUSAL = ("AutoencoderKLWan", "AutoencoderKLCogVideoX")
PICTURES = ("AutoencoderKL", "AutoencoderTiny", "AutoencoderDC")
CONVOLUTIONS = ("convolution", "_convolution")


class _Held(TorchDispatchMode):
    """Adds up the bytes that live at the same time; a convolution needs its input and output once more inside."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = call(*args, **(kwargs or {}))
        tensors = [each for each in torch.utils._pytree.tree_leaves(made) if isinstance(each, Tensor)]
        for each in tensors:
            self._hold(each)
        inside = 0
        if call.overloadpacket.__name__ in CONVOLUTIONS:
            inside = sum(each.numel() * each.element_size() for each in (args[0], *tensors))
        self.most = max(self.most, self._now + inside)
        return made

    def _hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._now += size
            self._known[key] = weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._now -= size
        self._known.pop(key, None)


class _Fused(TorchFunctionMode):
    """Attention as the fused kernels do it: without the table of all pairs that `meta` would hold."""

    def __torch_function__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if call is torch.nn.functional.scaled_dot_product_attention:
            query, _, value = args[:3] if len(args) >= 3 else (kwargs[name] for name in ("query", "key", "value"))
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return call(*args, **(kwargs or {}))


@torch.inference_mode()
def traced(build: Callable[[], nn.Module], ask: Callable[[Any], Any], dtype: torch.dtype) -> int:
    """Return the most bytes that `ask(model)` holds at once beside the weights of the model that `build` returns."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build().to(dtype).eval()
        held = _Held()
        with _Fused(), held:
            ask(model)
    return held.most


def _kind(says: dict[str, Any]) -> Any:
    """Return the class of diffusers that a config names."""
    import diffusers

    return getattr(diffusers, says["_class_name"])


def painter(says: dict[str, Any], latent: tuple[int, ...], dtype: torch.dtype, *, is_tiled: bool = False) -> int:
    """Return the bytes that decoding `latent` ([b c t h w], or [b c h w]) takes, by the config of an autoencoder."""
    kind = _kind(says)

    def ask(model: Any) -> Any:
        if is_tiled:
            model.enable_tiling()
        told = {"temb": torch.empty(1, dtype=dtype)} if says.get("timestep_conditioning") else {}
        return model.decode(torch.empty(latent, dtype=dtype), return_dict=False, **told)

    return traced(lambda: kind.from_config(says), ask, dtype)


def network(says: dict[str, Any], sample: tuple[int, ...], dtype: torch.dtype, num_frames: int) -> int:
    """Return the bytes that one pass of a UNet over `sample [b c h w]` takes; `num_frames` lie in its batch."""
    takes_films = says["_class_name"] == "UNetMotionModel"  # whole, `[b c t h w]`; others get their frames as a batch
    num_pictures, tokens = sample[0], 77
    if takes_films:
        sample = (num_pictures // num_frames, sample[1], num_frames, *sample[2:])
    batch = sample[0]
    config = {key: tuple(value) if isinstance(value, list) else value for key, value in says.items()}

    def build() -> nn.Module:
        if says["_class_name"] == "UNet3DConditionModel":
            return _hotshot_unet.build(_hotshot_unet.config_of(config))
        return _kind(says).from_config(says)

    def ask(model: Any) -> Any:
        added = {"time_ids": torch.empty(batch, 6)}
        wide = says.get("projection_class_embeddings_input_dim") or 0
        added["text_embeds"] = torch.empty(batch, max(0, wide - 6 * (says.get("addition_time_embed_dim") or 0)))
        text = torch.empty(num_pictures, tokens, says["cross_attention_dim"], dtype=dtype)
        own = {"cross_attention_kwargs": {"num_frames": num_frames}} if num_frames > 1 and not takes_films else {}
        named = {"added_cond_kwargs": {name: each.to(dtype) for name, each in added.items()}, "return_dict": False}
        return model(torch.empty(sample, dtype=dtype), torch.empty((), dtype=dtype), text, **named, **own)

    return traced(build, ask, dtype)


def transformer(says: dict[str, Any], num_tokens: int, batch: int, itemsize: int) -> int:
    """Return the bytes that one pass of a denoising transformer takes, by its config.

    A token is d numbers where it is kept, where it is normalised and where a layer gives it back; between those stand
    the queries, keys and values, or the MLP's hidden numbers before and after their bend. Rotations are float32.
    """
    width = int(says.get("num_attention_heads") or 1) * int(says.get("attention_head_dim") or 64)
    hidden = int(says.get("ffn_dim") or round(float(says.get("mlp_ratio") or 4) * width))
    attention = 3 * width * itemsize + 2 * width * FLOAT32
    between = max(attention, 2 * hidden * itemsize)
    return batch * num_tokens * (HALVES * width * itemsize + between)


def text(says: dict[str, Any], num_tokens: int, batch: int, itemsize: int) -> int:
    """Return the bytes that reading a prompt takes, by the config of a text encoder; its attention is not fused."""
    says = says.get("text_config") or says
    width = int(says.get("d_model") or says.get("hidden_size") or 768)
    hidden = int(says.get("d_ff") or says.get("intermediate_size") or 4 * width)
    heads = int(says.get("num_heads") or says.get("num_attention_heads") or 12)
    return batch * (num_tokens * (HALVES * width + 2 * hidden) + 3 * heads * num_tokens**2) * itemsize


def few(says: dict[str, Any], latent: tuple[int, ...]) -> tuple[int, ...]:
    """Return a latent no longer than the trace need be, for a decoder that takes few frames at a time, by twos."""
    if says["_class_name"] not in CAUSAL or latent[2] <= MOST_TRACED:
        return latent
    return (*latent[:2], MOST_TRACED - (latent[2] + 1) % 2, *latent[3:])


def is_film(says: dict[str, Any]) -> bool:
    """Return whether an autoencoder reads films; others read pictures."""
    return says["_class_name"] not in PICTURES


def factors(says: dict[str, Any]) -> tuple[int, int]:
    """Return how many frames, and how many rows or columns, one latent cell of an autoencoder stands for."""
    deep = 2 ** (len(says.get("block_out_channels") or (1,) * 4) - 1)
    frames = says.get("scale_factor_temporal") or says.get("temporal_compression_ratio")
    side = says.get("scale_factor_spatial") or says.get("spatial_compression_ratio")
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _kind(says).from_config(says)
        frames = frames or getattr(model, "temporal_compression_ratio", None)
        side = side or getattr(model, "spatial_compression_ratio", None)
    return int(frames or 1), int(side or deep)
