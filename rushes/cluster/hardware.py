"""The accelerators that a run may be planned on: what each multiplies, holds, moves, draws, costs, and how it fails.

Peaks are data-sheet figures without sparsity. Sources of the rest:

- `product_share`: the best sustained matrix product as a share of the peak, `mamf-finder` (S. Bekman, ML Engineering,
  table of 2025); of L40S and RTX cards nothing is published there, so they take 0.75.
- `sustained`: which share of that is left where hours of it meet the power limit: fitted for Hopper (published.py),
  assumed alike for Blackwell, 1 elsewhere.
- `attention_flops`: what attention, forward and backward, sustains in training. Hopper's is fitted as well,
  A100's is FlashAttention-2 (arXiv 2307.08691, figure 6, about 0.55 of the peak); the others are assumed: Blackwell
  twice Hopper, cards at the share of A100.
- `days_per_failure`: H100 from Llama 3 (arXiv 2407.21783, table 5: 419 unexpected stops in 54 days of 16,384), A100
  from RSC-1 (arXiv 2410.21680: 6.5 per thousand node-days); the others are assumed to be like H100.
- `hourly_usd`: about the median on-demand price of specialised clouds in May 2026; assumed, change it with --price.
"""

from __future__ import annotations

from dataclasses import dataclass

from rushes.errors import InputError, nearest_first

HOPPER_SUSTAINED = 0.74
HOPPER_ATTENTION = 330e12
H100_DAYS = 54 * 16384 / 419
A100_DAYS = 8 / 6.5e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One accelerator and its share of the server around it; rates per second, `link` and `network` one way.

    `node` is how many share the fast link; `host_w` is what the rest of the server and its network draw for each.
    """

    title: str
    bf16_flops: float
    fp8_flops: float
    product_share: float
    sustained: float
    attention_flops: float
    memory_bytes: float
    memory_rate: float
    node: int
    link_rate: float
    network_rate: float
    power_w: float
    host_w: float
    hourly_usd: float
    days_per_failure: float = H100_DAYS

    def product_flops(self, precision: str) -> float:
        """Return the best sustained rate of matrix products in `bf16` or `fp8`.

        Raises:
            InputError: it has no such units.
        """
        peak = {"bf16": self.bf16_flops, "fp8": self.fp8_flops}.get(precision, 0.0)
        if not peak:
            legal = "bf16, fp8" if self.fp8_flops else "bf16"
            raise InputError(f"precision {precision!r} is not one of {self.title}; legal: {legal}")
        # 8-bit products reach less of their peak: 0.709 against 0.803 on H100 in the table above.
        return peak * self.product_share * self.sustained * (0.88 if precision == "fp8" else 1.0)


GPUS = {
    "a100": Gpu(
        title="A100 SXM 80 GB", bf16_flops=312e12, fp8_flops=0, product_share=0.869, sustained=1.0,
        attention_flops=172e12, memory_bytes=80e9, memory_rate=2.04e12, node=8, link_rate=300e9, network_rate=25e9,
        power_w=400, host_w=410, hourly_usd=1.3, days_per_failure=A100_DAYS,
    ),
    "h800": Gpu(
        title="H800 SXM 80 GB", bf16_flops=989e12, fp8_flops=1979e12, product_share=0.803, sustained=HOPPER_SUSTAINED,
        attention_flops=HOPPER_ATTENTION, memory_bytes=80e9, memory_rate=3.35e12, node=8, link_rate=200e9,
        network_rate=25e9, power_w=700, host_w=575, hourly_usd=2.5,
    ),
    "h100": Gpu(
        title="H100 SXM 80 GB", bf16_flops=989e12, fp8_flops=1979e12, product_share=0.803, sustained=HOPPER_SUSTAINED,
        attention_flops=HOPPER_ATTENTION, memory_bytes=80e9, memory_rate=3.35e12, node=8, link_rate=450e9,
        network_rate=50e9, power_w=700, host_w=575, hourly_usd=2.5,
    ),
    "h200": Gpu(
        title="H200 SXM 141 GB", bf16_flops=989e12, fp8_flops=1979e12, product_share=0.803, sustained=HOPPER_SUSTAINED,
        attention_flops=HOPPER_ATTENTION, memory_bytes=141e9, memory_rate=4.8e12, node=8, link_rate=450e9,
        network_rate=50e9, power_w=700, host_w=575, hourly_usd=3.0,
    ),
    "b200": Gpu(
        title="B200 SXM 180 GB", bf16_flops=2250e12, fp8_flops=4500e12, product_share=0.776, sustained=HOPPER_SUSTAINED,
        attention_flops=2 * HOPPER_ATTENTION, memory_bytes=180e9, memory_rate=7.7e12, node=8, link_rate=900e9,
        network_rate=50e9, power_w=1000, host_w=790, hourly_usd=5.0,
    ),
    "gb200": Gpu(
        title="GB200 NVL72", bf16_flops=2500e12, fp8_flops=5000e12, product_share=0.729, sustained=HOPPER_SUSTAINED,
        attention_flops=2 * HOPPER_ATTENTION, memory_bytes=186e9, memory_rate=8e12, node=72, link_rate=900e9,
        network_rate=50e9, power_w=1200, host_w=520, hourly_usd=6.0,
    ),
    "mi300x": Gpu(
        title="MI300X 192 GB", bf16_flops=1307e12, fp8_flops=2615e12, product_share=0.514, sustained=1.0,
        attention_flops=300e12, memory_bytes=192e9, memory_rate=5.3e12, node=8, link_rate=448e9, network_rate=50e9,
        power_w=750, host_w=600, hourly_usd=2.2,
    ),
    "l40s": Gpu(
        title="L40S 48 GB", bf16_flops=362e12, fp8_flops=733e12, product_share=0.75, sustained=1.0,
        attention_flops=160e12, memory_bytes=48e9, memory_rate=864e9, node=8, link_rate=25e9, network_rate=12.5e9,
        power_w=350, host_w=200, hourly_usd=1.0,
    ),
    "rtx4090": Gpu(
        title="RTX 4090 24 GB", bf16_flops=165e12, fp8_flops=330e12, product_share=0.75, sustained=1.0,
        attention_flops=90e12, memory_bytes=24e9, memory_rate=1008e9, node=8, link_rate=20e9, network_rate=3e9,
        power_w=450, host_w=150, hourly_usd=0.4,
    ),
    "rtx5090": Gpu(
        title="RTX 5090 32 GB", bf16_flops=209e12, fp8_flops=419e12, product_share=0.75, sustained=1.0,
        attention_flops=115e12, memory_bytes=32e9, memory_rate=1792e9, node=8, link_rate=40e9, network_rate=3e9,
        power_w=575, host_w=150, hourly_usd=0.7,
    ),
}  # fmt: skip


def find(name: str) -> Gpu:
    """Return the accelerator of this name. Raises: InputError, which lists them, the nearest first."""
    if name not in GPUS:
        raise InputError(f"there is no accelerator {name!r}; known: {nearest_first(name, GPUS)}")
    return GPUS[name]
