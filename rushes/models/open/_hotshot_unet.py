"""Hotshot-XL's network: SDXL's UNet, in which every block also attends across the frames of its film.

b films, f frames, c channels, h w latent grid, n text tokens, d width. The frames of all films lie in one batch,
`[(b f) c h w]`: to the pipelines, schedulers, adapters and ControlNets of SDXL a film is so many pictures.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rushes.errors import WeightsError

TEMPORAL_HEADS, TEMPORAL_GROUPS, TEMPORAL_EPS = 8, 32, 1e-6
MAX_FRAMES = 24
EPS = 1e-5
CONFIG, FILE = "config.json", "diffusion_pytorch_model.safetensors"
FORM = ["DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HotshotConfig:
    """The sizes of SDXL's UNet, as its config.json names them; `attention_head_dim` counts heads, as it does there."""

    in_channels: int = 4
    out_channels: int = 4
    sample_size: int = 64
    block_out_channels: tuple[int, ...] = (320, 640, 1280)
    layers_per_block: int = 2
    transformer_layers_per_block: tuple[int, ...] = (1, 2, 10)
    attention_head_dim: tuple[int, ...] = (5, 10, 20)
    cross_attention_dim: int = 2048
    addition_time_embed_dim: int = 256
    projection_class_embeddings_input_dim: int = 2816
    norm_num_groups: int = 32
    time_cond_proj_dim: None = None


def tiny() -> HotshotConfig:
    """Return a config for tests; a width has to divide by the 32 groups of the layers across frames."""
    return HotshotConfig(
        sample_size=16,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(2, 4, 4),
        cross_attention_dim=64,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        norm_num_groups=8,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all layers of a pass see: the time `[(b f) d]`, the text `[(b f) n d]`, how many frames a film has."""

    time: Tensor
    text: Tensor
    num_frames: int


class FilmNorm(nn.GroupNorm):
    """A group norm whose statistics are a whole film's, not one frame's."""

    def film(self, x: Tensor, num_frames: int) -> Tensor:
        """`x [(b f) c h w]`, normalised over the frames too."""
        film = x.unflatten(0, (-1, num_frames)).transpose(1, 2)
        return self(film).transpose(1, 2).flatten(0, 1)


class Resnet(nn.Module):
    """SDXL's residual block; its norms see the film."""

    def __init__(self, inputs: int, width: int, config: HotshotConfig) -> None:
        super().__init__()
        self.norm1 = FilmNorm(config.norm_num_groups, inputs, EPS)
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(4 * config.block_out_channels[0], width)
        self.norm2 = FilmNorm(config.norm_num_groups, width, EPS)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, x: Tensor, shared: Shared) -> Tensor:
        h = self.conv1(F.silu(self.norm1.film(x, shared.num_frames)))
        h = h + self.time_emb_proj(F.silu(shared.time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2.film(h, shared.num_frames)))
        return self.conv_shortcut(x) + h


class Positions(nn.Module):
    """The sinusoidal encoding of a frame's place in its film; a buffer that the published weights carry."""

    def __init__(self, width: int) -> None:
        super().__init__()
        rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angles = torch.arange(MAX_FRAMES)[:, None] * rates
        waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)
        self.register_buffer("positional_encoding", waves[None])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.positional_encoding[:, : x.shape[1]]  # type: ignore[index]


class FrameBlock(nn.Module):
    """Attention among the frames of one place, twice, and an MLP; each is normalised first and added."""

    def __init__(self, width: int) -> None:
        from diffusers.models.attention import Attention, FeedForward

        super().__init__()
        sizes: dict[str, Any] = {"query_dim": width, "heads": TEMPORAL_HEADS, "dim_head": width // TEMPORAL_HEADS}
        self.attention_blocks = nn.ModuleList(Attention(**sizes) for _ in range(2))
        for attention in self.attention_blocks:
            attention.pos_encoder = Positions(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.ff = FeedForward(width, activation_fn="geglu")
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """`x [(b h w) f d]`."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(attention.pos_encoder(norm(x)))  # type: ignore[operator]
        return x + self.ff(self.ff_norm(x))


class FrameTransformer(nn.Module):
    """The temporal layer: what one place of the picture shows in all frames, seen together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(TEMPORAL_GROUPS, width, TEMPORAL_EPS)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([FrameBlock(width)])
        self.proj_out = nn.Linear(width, width)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        films = self.norm(x).unflatten(0, (-1, num_frames))
        b, f, c, h, w = films.shape
        y = self.proj_in(films.permute(0, 3, 4, 1, 2).reshape(b * h * w, f, c))
        for block in self.transformer_blocks:
            y = block(y)
        y = self.proj_out(y).view(b, h, w, f, c).permute(0, 3, 4, 1, 2)
        return x + y.reshape(x.shape)


def _spatial(width: int, level: int, config: HotshotConfig) -> nn.Module:
    """Return SDXL's attention within a frame and to the text."""
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    heads = config.attention_head_dim[level]
    return Transformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=width,
        num_layers=config.transformer_layers_per_block[level],
        cross_attention_dim=config.cross_attention_dim,
        norm_num_groups=config.norm_num_groups,
        use_linear_projection=True,
    )


class Block(nn.Module):
    """One level: resnets, after each attention within the frame and to the text, then attention across frames."""

    def __init__(self, inputs: Sequence[int], level: int, config: HotshotConfig, *, is_middle: bool = False) -> None:
        super().__init__()
        width = config.block_out_channels[level]
        self.resnets = nn.ModuleList(Resnet(each, width, config) for each in inputs)
        num_attentions = 0 if level == 0 else len(inputs) - is_middle
        self.attentions = nn.ModuleList(_spatial(width, level, config) for _ in range(num_attentions))
        self.temporal_attentions = nn.ModuleList(FrameTransformer(width) for _ in inputs if not is_middle)

    def layer(self, index: int, x: Tensor, shared: Shared) -> Tensor:
        """Return what layer `index` makes of `x [(b f) c h w]`."""
        x = self.resnets[index](x, shared)
        if index < len(self.attentions):
            x = self.attentions[index](x, encoder_hidden_states=shared.text, return_dict=False)[0]
        if index < len(self.temporal_attentions) and shared.num_frames > 1:
            x = self.temporal_attentions[index](x, shared.num_frames)
        return x


class FilmUNet(nn.Module):
    """Predicts the noise in a film's latents."""

    def __init__(self, config: HotshotConfig) -> None:
        from diffusers.models.embeddings import TimestepEmbedding, Timesteps
        from diffusers.models.resnet import Downsample2D, Upsample2D

        super().__init__()
        widths, layers, last = config.block_out_channels, config.layers_per_block, len(config.block_out_channels) - 1
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_proj = Timesteps(widths[0], flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(widths[0], 4 * widths[0])
        self.add_time_proj = Timesteps(config.addition_time_embed_dim, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.add_embedding = TimestepEmbedding(config.projection_class_embeddings_input_dim, 4 * widths[0])
        self.down_blocks = nn.ModuleList()
        kept = [widths[0]]  # the widths that the way up finds again
        for level, width in enumerate(widths):
            block = Block([kept[-1], *[width] * (layers - 1)], level, config)
            kept += [width] * layers
            if level < last:
                block.downsamplers = nn.ModuleList([Downsample2D(width, use_conv=True, name="op")])
                kept.append(width)
            self.down_blocks.append(block)
        self.mid_block = Block([widths[-1]] * 2, last, config, is_middle=True)
        self.up_blocks = nn.ModuleList()
        below = widths[-1]
        for level in reversed(range(len(widths))):
            inputs = [(below if i == 0 else widths[level]) + kept.pop() for i in range(layers + 1)]
            block, below = Block(inputs, level, config), widths[level]
            if level > 0:
                block.upsamplers = nn.ModuleList([Upsample2D(widths[level], use_conv=True)])
            self.up_blocks.append(block)
        self.conv_norm_out = FilmNorm(config.norm_num_groups, widths[0], EPS)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        added_cond_kwargs: dict[str, Tensor],
        cross_attention_kwargs: dict[str, Any] | None = None,
        down_block_additional_residuals: Sequence[Tensor] = (),
        mid_block_additional_residual: Tensor | float = 0.0,
        **_: Any,
    ) -> tuple[Tensor]:
        """`sample [(b f) c h w]` -> the noise in it; `cross_attention_kwargs` says `num_frames`, 1 for pictures.

        The names are those by which SDXL's pipelines call their network; the residuals are a ControlNet's.
        """
        time = self._time(sample, timestep, added_cond_kwargs)
        num_frames = (cross_attention_kwargs or {}).get("num_frames", 1)
        shared = Shared(time=time, text=encoder_hidden_states, num_frames=num_frames)
        x = self.conv_in(sample)
        kept = [x]
        for block in self.down_blocks:
            assert isinstance(block, Block)
            for index in range(len(block.resnets)):
                x = block.layer(index, x, shared)
                kept.append(x)
            for smaller in getattr(block, "downsamplers", ()):
                x = smaller(x)
                kept.append(x)
        for index in range(len(self.mid_block.resnets)):
            x = self.mid_block.layer(index, x, shared)
        x = x + mid_block_additional_residual
        if down_block_additional_residuals:
            kept = [own + added for own, added in zip(kept, down_block_additional_residuals, strict=True)]
        for block in self.up_blocks:
            assert isinstance(block, Block)
            for index in range(len(block.resnets)):
                x = block.layer(index, torch.cat((x, kept.pop()), dim=1), shared)
            for larger in getattr(block, "upsamplers", ()):
                x = larger(x)
        return (self.conv_out(F.silu(self.conv_norm_out.film(x, num_frames))),)

    def _time(self, sample: Tensor, timestep: Tensor | float, added: dict[str, Tensor]) -> Tensor:
        """Return the embedding `[(b f) d]` of the noise's level, of the pooled text and of the picture's sizes."""
        times = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        sizes = self.add_time_proj(added["time_ids"].flatten()).reshape(len(added["text_embeds"]), -1)
        rest = torch.cat((added["text_embeds"], sizes), dim=-1).to(sample.dtype)
        return self.time_embedding(self.time_proj(times).to(sample.dtype)) + self.add_embedding(rest)


@functools.cache
def _for_pipelines() -> type[FilmUNet]:
    """Return the network as the pipelines of diffusers want one: it has a config, and takes adapters."""
    from diffusers.configuration_utils import ConfigMixin
    from diffusers.loaders import PeftAdapterMixin
    from diffusers.models.modeling_utils import ModelMixin

    class HotshotUNet(FilmUNet, ModelMixin, ConfigMixin, PeftAdapterMixin):
        config_name = CONFIG  # type: ignore[assignment]

        def __init__(self, config: HotshotConfig) -> None:
            super().__init__(config)
            self.register_to_config(**asdict(config))  # type: ignore[operator]

    return HotshotUNet


def build(config: HotshotConfig) -> FilmUNet:
    """Return a freshly initialised network that can take the place of SDXL's UNet in its pipelines."""
    return _for_pipelines()(config)


def read(folder: Path, dtype: torch.dtype) -> FilmUNet:
    """Load the network that is published as `folder`. Raises: WeightsError: missing, damaged or another's weights."""
    config, tensors = _config(folder), _tensors(folder)
    with torch.device("meta"):
        model = build(config)
    try:
        model.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()}, assign=True)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:300]
        raise WeightsError(f"the weights in {folder} do not fit Hotshot-XL's network: {problem}") from None
    return model.eval().requires_grad_(False)


def _config(folder: Path) -> HotshotConfig:
    try:
        record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / CONFIG} can't be read: {error}") from None
    form = record.get("down_block_types") if isinstance(record, dict) else None
    if form != FORM:
        raise WeightsError(f"{folder} holds no network of Hotshot-XL: its down_block_types are {form}, not {FORM}")
    return config_of(record)


def config_of(record: dict[str, Any]) -> HotshotConfig:
    """Return the sizes that a published config.json says; the rest of it is as it is in every SDXL."""
    known = {field.name for field in fields(HotshotConfig)}
    own: dict[str, Any] = {key: record[key] for key in record if key in known}
    own = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    return HotshotConfig(**own)


def _tensors(folder: Path) -> dict[str, Tensor]:
    try:
        return load_file(folder / FILE)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{folder / FILE} can't be read: {error}") from None
