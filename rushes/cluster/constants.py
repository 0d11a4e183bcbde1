"""What a training stack loses between the data sheet and the step: a few constants, each with where it comes from.

Fitted on the published rows marked `is_fitted` in published.py and on nothing else, by `fit` there; the traffic of
layers that are no products was counted on a step of our own film model (benchmarks/plan_calibration.py).
"""

from __future__ import annotations

from dataclasses import dataclass

# Measured here: bytes read and written by everything but products and attention, forward and backward, of one block
# of rushes/models/transformer.py, in units of one token's activation (width x bytes per number).
OWN_PASSES = 280.0

# Seaweed-7B (arXiv 2504.08685, section 3.4): fused kernels reduce such traffic to a tenth.
FUSED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A training stack: `product_share` of the best sustained product rate, `passes` over a token's activation a layer.

    `half_side` is the smallest side of a product at which half of that rate is lost; `bare_*` say which share of the
    tensor-, context- and data-parallel traffic is not hidden behind computing.
    """

    title: str
    product_share: float
    attention_share: float
    passes: float
    half_side: float
    bare_tensor: float
    bare_context: float
    bare_data: float


STACKS = {
    "tuned": Stack(
        title="fused kernels, hidden traffic (Megatron-like)", product_share=1.0, attention_share=1.0,
        passes=OWN_PASSES * FUSED, half_side=128, bare_tensor=0.5, bare_context=0.5, bare_data=0.3,
    ),
    "plain": Stack(
        title="plain PyTorch, sharded", product_share=0.81, attention_share=0.86, passes=OWN_PASSES,
        half_side=128, bare_tensor=1.0, bare_context=1.0, bare_data=0.3,
    ),
}  # fmt: skip

LINK_SHARE = 0.8  # of a link's data-sheet rate that large collectives reach; assumed
MEMORY_SHARE = 0.8  # of memory bandwidth that long vectors reach; assumed
JITTER = 0.01  # one device's step varies by this share; the slowest of n is sqrt(2 ln n) of it late; assumed
ENCODER_PIXELS = 21e6  # pixels a second that an H200 encodes with HunyuanVideo's autoencoder (Open-Sora's config notes)
ENCODER_FLOPS = 989e12  # the bf16 peak that this rate belongs to
