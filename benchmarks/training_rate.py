"""What share of the machine's matrix rate does training the film model reach, at the model's own matrix shapes?

Whole steps (forward, backward, Muon, AdamW, average) on random latents against plain products of the same shapes, in
the same dtype and in bfloat16, interleaved in one process; medians.
"""

import argparse
import statistics
import time
from collections import Counter

import torch

from rushes.diffusion import flow
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.train import ceiling
from rushes.train.optimizer import Optimizer, OptimizerConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    place, dtype = ceiling.device(), ceiling.fastest_dtype()
    text = TextConfig(words=tuple(f"word{i}" for i in range(340)))
    model = Transformer(TransformerConfig(depth=6, text=text)).to(place)
    optimizer = Optimizer(model, OptimizerConfig())
    b = arguments.batch
    clean, mask = torch.randn(b, 160, 2, 9, 16, device=place), torch.ones(b, 1, 2, 9, 16, device=place)
    ids, seconds = torch.randint(0, 340, (b, 32), device=place), (torch.zeros(b, device=place),) * 2
    random = torch.Generator(place).manual_seed(0)

    def forward_backward() -> None:
        t = flow.draw_t(b, random, mean=0.0, deviation=1.0, shift=2.0)
        with torch.autocast(place.type, dtype, enabled=dtype != torch.float32):
            prompt = model.read(ids)
            loss = flow.loss(lambda x, t: model(x, t, prompt, seconds), clean, torch.randn_like(clean), t, mask)
        loss.mean().backward()

    flops, shapes = ceiling.count(forward_backward)
    shares: list[float] = []
    for step in range(arguments.rounds):
        start = time.perf_counter()
        forward_backward()
        float(optimizer.step(step, 1000))
        spent = time.perf_counter() - start
        shares.append(flops / spent / ceiling.rate(shapes, dtype))
    bf16 = ceiling.rate(Counter({(512, 256, 768): 1}), torch.bfloat16)  # one small shape: emulated, it takes seconds
    own = ceiling.rate(shapes, dtype)
    print(f"{flops / 1e9:.0f} GFLOP a step; matrix rate {own / 1e12:.3f} TFLOP/s in {dtype}, {bf16 / 1e12:.3f} in bf16")
    rounds = ", ".join(f"{share:.0%}" for share in shares)
    print(f"whole training step: {statistics.median(shares):.0%} of the {dtype} rate (rounds: {rounds})")


if __name__ == "__main__":
    main()
