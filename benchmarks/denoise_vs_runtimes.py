"""How fast does our loop denoise, against onnxruntime and OpenVINO running the same network, and against the machine?

The film model is exported once per grid and run with prompted and unprompted velocity, as many steps, in a process of
its own, taking turns with ours. `--rival onnxruntime` is a batch of both on all cores, as its users run it;
`onnxruntime-abreast` has our way of doing it: each velocity on a share of the cores. `--rival machine` compares our
whole loop with the rate at which this machine multiplies matrices of the model's own shapes, in the same run.
`pip install onnx onnxruntime openvino` first.
"""

from __future__ import annotations

import argparse
import io
import itertools
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from denoise_vs_diffusers import GRIDS, WORDS, compete, ours, parser
from torch import Tensor, nn

from rushes.diffusion import schedule
from rushes.models.text import TextConfig
from rushes.models.transformer import Prompt, Transformer, TransformerConfig
from rushes.nn import machine
from rushes.train import ceiling

Run = Callable[[dict[str, np.ndarray]], np.ndarray]
OPSET = 18


class Velocity(nn.Module):
    """The model with its prompt as plain tensors, as an exporter wants them."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, t: Tensor, pooled: Tensor, start: Tensor, duration: Tensor, *read: Tensor) -> Tensor:
        half = len(read) // 2
        prompt = Prompt(keys=list(read[:half]), values=list(read[half:]), pooled=pooled)
        return self.model(x, t, prompt, (start, duration))


def inputs(model: Transformer, grid: tuple[int, int, int], num: int) -> list[tuple[Tensor, ...]]:
    """Return what two velocities read, `num` in a batch."""
    seconds, rows, columns = grid
    found = []
    for ids in torch.randint(0, len(WORDS), (2, model.config.text.length)).split(num):
        prompt = model.read(ids)
        x = torch.randn(1, model.config.channels, seconds * model.config.patch_frames, rows, columns)
        span = (torch.zeros(num), torch.full((num,), float(seconds)))
        found.append((x.repeat(num, 1, 1, 1, 1), torch.ones(num), prompt.pooled, *span, *prompt.keys, *prompt.values))
    return found


def exported(model: Transformer, example: tuple[Tensor, ...]) -> bytes:
    """Return the model as ONNX; the exporter knows no `rms_norm`, so it is spelt out."""

    def rms(graph: Any, x: Any, *_: Any) -> Any:
        axis = graph.op("Constant", value_t=torch.tensor([-1]))
        square = graph.op("ReduceMean", graph.op("Mul", x, x), axis, keepdims_i=1)
        return graph.op(
            "Div", x, graph.op("Sqrt", graph.op("Add", square, graph.op("Constant", value_t=torch.tensor(1e-6))))
        )

    torch.onnx.register_custom_op_symbolic("aten::rms_norm", rms, OPSET)
    file = io.BytesIO()
    with warnings.catch_warnings():  # it says that traced shapes are constants, which is what is wanted
        warnings.simplefilter("ignore")
        names = [f"input{index}" for index in range(len(example))]
        torch.onnx.export(Velocity(model), example, file, input_names=names, dynamo=False, opset_version=OPSET)
    return file.getvalue()


def by_onnxruntime(content: bytes, threads: int) -> Run:
    """Return what runs an exported model on some threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)[0]


def by_openvino(content: bytes, threads: int) -> Run:
    """Return what runs an exported model on some threads."""
    import openvino

    made = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    ready = made.compile_model(made.read_model(io.BytesIO(content)), "CPU", settings)
    return lambda feed: ready(feed)[0]


def denoiser(runs: Sequence[Run], feeds: list[dict[str, np.ndarray]], steps: int) -> Callable[[], object]:
    """Return a closure that denoises one film; each of several runs has a thread."""
    noise = feeds[0]["input0"][:1]

    def run() -> object:
        x = noise
        with ThreadPoolExecutor(len(runs)) as pool:
            for t, following in itertools.pairwise(schedule.grid(steps, 2.0).tolist()):
                now = {"input0": x.repeat(len(feeds[0]["input1"]), 0), "input1": np.full_like(feeds[0]["input1"], t)}
                parts = pool.map(lambda each, now=now: each[0](each[1] | now), zip(runs, feeds, strict=True))
                prompted, plain = np.split(np.concatenate(list(parts)), 2)
                x = x + (following - t) * (plain + 3.0 * (prompted - plain))
        return x

    return run


def _built(
    make: Callable[[bytes, int], Run],
    config: TransformerConfig,
    grid: tuple[int, int, int],
    how: argparse.Namespace,
    num: int,
) -> Callable[[], object]:
    model = Transformer(config).eval().requires_grad_(False)
    with torch.inference_mode():
        read = inputs(model, grid, num)
        content = exported(model, read[0])
    feeds = [{f"input{index}": tensor.numpy() for index, tensor in enumerate(each)} for each in read]
    run = make(content, how.threads if num == 2 else max(1, how.threads // 2))
    return denoiser([run] * len(feeds), feeds, how.steps)


def onnxruntime(config: TransformerConfig, grid: tuple[int, int, int], how: argparse.Namespace) -> Callable[[], object]:
    """Denoise as onnxruntime's users do: one batch, all cores."""
    return _built(by_onnxruntime, config, grid, how, 2)


def onnxruntime_abreast(
    config: TransformerConfig, grid: tuple[int, int, int], how: argparse.Namespace
) -> Callable[[], object]:
    """Denoise with onnxruntime, each velocity on its own share of the cores."""
    return _built(by_onnxruntime, config, grid, how, 1)


def openvino(config: TransformerConfig, grid: tuple[int, int, int], how: argparse.Namespace) -> Callable[[], object]:
    """Denoise as OpenVINO's users do: one batch, all cores."""
    return _built(by_openvino, config, grid, how, 2)


RIVALS = {"onnxruntime": onnxruntime, "onnxruntime-abreast": onnxruntime_abreast, "openvino": openvino}


def against_the_machine(how: argparse.Namespace) -> None:
    """Print what share of the machine's own matrix rate our whole loop reaches."""
    torch.set_num_threads(how.threads)
    machine.keep_memory()
    config = TransformerConfig(depth=6, text=TextConfig(words=WORDS))
    for name in how.grids.split(","):
        model, grid = Transformer(config).eval().requires_grad_(False), GRIDS[name]
        _, shapes = ceiling.count(lambda model=model, grid=grid: Velocity(model)(*inputs(model, grid, 1)[0]))
        run = ours(config, grid, how)
        run()
        shares = []
        for _ in range(how.repeats):
            start = time.perf_counter()
            run()
            spent = time.perf_counter() - start
            rate = ceiling.rate(shapes, torch.float32)
            shares.append(2 * how.steps * model.flops(grid) / spent / rate)
        shares.sort()
        middle = shares[len(shares) // 2]
        print(
            f"{name}: {100 * middle:.0f} % of {rate / 1e9:.0f} GFLOP/s, {100 * shares[0]:.0f} to {100 * shares[-1]:.0f}"
        )


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--rival", choices=[*RIVALS, "machine"], required=True)
    how = asked.parse_args()
    if how.rival == "machine":
        against_the_machine(how)
    else:
        compete(how.rival, RIVALS[how.rival], how)


if __name__ == "__main__":
    main()
