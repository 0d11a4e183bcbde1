"""What one training sample asks of a transformer: its tokens, FLOPs, bytes of activations, and the weights it meets.

Every token sees every other (half of them where the model is causal): that is what video transformers of today do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rushes.errors import InputError, nearest_first
from rushes.types import Factors, VideoShape

MOST_TOKENS = 4_000_000
USUAL = Factors(frames=4, height=16, width=16)  # an 8x8 autoencoder, 2x2 patches
SIX, EIGHT = (Factors(frames=frames, height=16, width=16) for frames in (6, 8))
BACKWARD = 3  # a backward pass is two forward passes: by the inputs and by the weights


def tokens(shape: VideoShape, factors: Factors) -> int:
    """Return how many tokens a film has where one stands for `factors` pixels, autoencoder and patches together.

    A causal autoencoder gives the first frame a latent frame of its own.
    """
    frames = 1 + math.ceil((shape.frames - 1) / factors.frames)
    return frames * math.ceil(shape.height / factors.height) * math.ceil(shape.width / factors.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A transformer: `layers` of `width` with `per_layer` weights that a token meets, `weights` in all.

    `joined_tokens` of text stand in the sequence itself; `key_width` is narrower than `width` where heads share keys.
    """

    title: str
    layers: int
    width: int
    per_layer: float
    weights: float
    factors: Factors = USUAL
    joined_tokens: int = 0
    key_width: int = 0
    is_causal: bool = False
    head_weights: float = 0.0  # a language model's last product

    @property
    def keys(self) -> int:
        return self.key_width or self.width

    def product_flops(self, tokens: int) -> float:
        """Return the FLOPs of all matrix products for one sample, forward."""
        return 2 * tokens * (self.layers * self.per_layer + self.head_weights)

    def attention_flops(self, tokens: int) -> float:
        """Return the FLOPs of attention for one sample, forward: two products of every pair that may see each other."""
        return 4 * self.layers * self.width * float(tokens) ** 2 * (0.5 if self.is_causal else 1.0)

    def flops(self, tokens: int) -> float:
        """Return the FLOPs of one sample, forward and backward, without anything done twice."""
        return BACKWARD * (self.product_flops(tokens) + self.attention_flops(tokens))


def diffusion(title: str, layers: int, width: int, hidden: int, *, crosses: bool = True, **more: object) -> Model:
    """Return a video transformer of plain blocks: self-attention, attention to the text (`crosses`), an MLP.

    A gated MLP of three matrices counts as `hidden` times 1.5. A token's own weights leave out the text's keys.
    """
    own = 4 * width**2 + 2 * width * hidden
    met, held = own + (2 * width**2 if crosses else 0), own + (4 * width**2 if crosses else 0)
    return Model(title=title, layers=layers, width=width, per_layer=met, weights=layers * held, **more)  # type: ignore[arg-type]


def _language(title: str, layers: int, width: int, keys: int, mlp: float, vocabulary: int) -> Model:
    block = 2 * width**2 + 2 * width * keys + mlp
    head = float(vocabulary * width)
    return Model(
        title=title, layers=layers, width=width, per_layer=block, weights=layers * block + 2 * head,
        key_width=keys, is_causal=True, head_weights=head,
    )  # fmt: skip


# Shapes as the papers and configurations give them; a language model's sample is a stretch of text.
MODELS = {
    "small-1b": diffusion("1.3 B, Wan-like", 30, 1536, 8960),
    "hotshot-6b": diffusion("6 B, an assumption for Hotshot", 40, 3072, 12288),
    "seaweed-7b": Model(
        title="Seaweed 7 B (arXiv 2504.08685)", layers=32, width=3584, per_layer=4 * 3584**2 + 3 * 3584 * 9728,
        weights=7e9, joined_tokens=256,
    ),
    "open-sora-11b": Model(
        title="Open-Sora 2.0, 11 B (arXiv 2503.09642)", layers=57, width=3072, per_layer=12 * 3072**2, weights=11.6e9,
        joined_tokens=512,
    ),
    "wan-14b": diffusion("Wan 2.1, 14 B (arXiv 2503.20314)", 40, 5120, 13824),
    "movie-gen-30b": diffusion("Movie Gen Video, 30 B (arXiv 2410.13720)", 48, 6144, 24576, factors=EIGHT),
    "step-video-30b": diffusion("Step-Video-T2V, 30 B (arXiv 2502.10248)", 48, 6144, 24576, factors=SIX),
    "llama-8b": _language("Llama 3, 8 B (arXiv 2407.21783)", 32, 4096, 1024, 3 * 4096 * 14336, 128256),
    "llama-70b": _language("Llama 3, 70 B (arXiv 2407.21783)", 80, 8192, 1024, 3 * 8192 * 28672, 128256),
    "llama-405b": _language("Llama 3, 405 B (arXiv 2407.21783)", 126, 16384, 1024, 3 * 16384 * 53248, 128256),
    "nemotron-340b": _language("Nemotron-4, 340 B (arXiv 2406.11704)", 96, 18432, 1536, 2 * 18432 * 73728, 256000),
}  # fmt: skip


def find(name: str) -> Model:
    """Return the model of this name. Raises: InputError, which lists them, the nearest first."""
    if name not in MODELS:
        raise InputError(f"there is no model {name!r}; known: {nearest_first(name, MODELS)}")
    return MODELS[name]


def own(billions: float, width: int, depth: int) -> Model:
    """Return a plain video transformer of one's own: `billions` of weights in `depth` layers of `width`.

    Raises:
        InputError: so few weights leave no room for attention at that width and depth.
    """
    least = depth * 8 * width**2
    if billions * 1e9 < least * 1.02:
        raise InputError(
            f"{billions:g} billion weights are too few for {depth} layers of width {width}; "
            f"the nearest legal value is {math.ceil(least * 1.02 / 1e7) / 100:g}"
        )
    hidden = (billions * 1e9 / depth - 8 * width**2) / (2 * width)
    return diffusion(f"{billions:g} B, {depth} layers of {width}", depth, width, round(hidden))


def sample_tokens(model: Model, shape: VideoShape) -> int:
    """Return the tokens of one film with its text, where that stands in the sequence.

    Raises:
        InputError: there are more tokens than this arithmetic is good for.
    """
    found = tokens(shape, model.factors) + model.joined_tokens
    if found > MOST_TOKENS:
        raise InputError(f"{shape} is {found:,} tokens; the most that can be planned is {MOST_TOKENS:,}")
    return found
