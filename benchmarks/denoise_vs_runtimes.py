"""How fast does our loop denoise, against diffusers, and onnxruntime and OpenVINO running the same network?

The film model that ships is exported once per grid and run with prompted and unprompted velocity, as many steps, led by
the same layout and draft, in a process of its own; all sides take turns in one run, and each ratio is printed, eager
and with `--compile` compiled. An exported model that does not say what ours says is refused. A runtime takes a batch of
both velocities on all cores, as its users run it; `onnxruntime abreast` and `OpenVINO abreast` have our way of doing
it, each velocity on a share of the cores. `--machine` compares our whole loop with the rate at which this machine
multiplies matrices of the model's own shapes, in the same run, and nothing else.
`pip install diffusers onnx onnxruntime openvino` first.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from denoise_vs_diffusers import GRIDS, Grid, Run, compete, led, ours, parser, theirs
from torch import Tensor, nn

from rushes.diffusion import schedule
from rushes.models.transformer import Lead, Prompt, Transformer
from rushes.nn import machine
from rushes.train import ceiling

Feed = dict[str, np.ndarray]
Once = Callable[[Feed], np.ndarray]
OPSET = 18
ALIKE = 1e-3  # how far an exported model may be from ours, relative to what it says


class Velocity(nn.Module):
    """The model with its prompt and what leads it as plain tensors, as an exporter wants them."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, t: Tensor, pooled: Tensor, start: Tensor, duration: Tensor, *rest: Tensor) -> Tensor:
        depth = self.model.config.depth
        prompt = Prompt(keys=list(rest[:depth]), values=list(rest[depth : 2 * depth]), pooled=pooled)
        return self.model(x, t, prompt, (start, duration), None, Lead(*rest[2 * depth :]))


def inputs(model: Transformer, grid: Grid, num: int) -> list[tuple[Tensor, ...]]:
    """Return what two velocities read, `num` in a batch."""
    seconds, rows, columns = grid
    config, found = model.config, []
    for ids in torch.randint(0, len(config.text.words), (2, config.text.length)).split(num):
        prompt = model.read(ids)
        x = torch.randn(1, config.channels, seconds * config.patch_frames, rows, columns).repeat(num, 1, 1, 1, 1)
        span = (torch.zeros(num), torch.full((num,), float(seconds)))
        lead = [each for each in led(config, grid, num) if each is not None]
        found.append((x, torch.ones(num), prompt.pooled, *span, *prompt.keys, *prompt.values, *lead))
    return found


def exported(model: Transformer, example: tuple[Tensor, ...]) -> bytes:
    """Return the model as ONNX; the exporter knows no `rms_norm` and no `exp2`, so they are spelt out."""

    def rms(graph: Any, x: Any, *_: Any) -> Any:
        axis = graph.op("Constant", value_t=torch.tensor([-1]))
        square = graph.op("ReduceMean", graph.op("Mul", x, x), axis, keepdims_i=1)
        return graph.op(
            "Div", x, graph.op("Sqrt", graph.op("Add", square, graph.op("Constant", value_t=torch.tensor(1e-6))))
        )

    def exp2(graph: Any, x: Any) -> Any:
        return graph.op("Pow", graph.op("Constant", value_t=torch.tensor(2.0)), x)

    torch.onnx.register_custom_op_symbolic("aten::rms_norm", rms, OPSET)
    torch.onnx.register_custom_op_symbolic("aten::exp2", exp2, OPSET)
    file = io.BytesIO()
    with warnings.catch_warnings():  # it says that traced shapes are constants, which is what is wanted
        warnings.simplefilter("ignore")
        names = [f"input{index}" for index in range(len(example))]
        torch.onnx.export(Velocity(model), example, file, input_names=names, dynamo=False, opset_version=OPSET)
    return file.getvalue()


def by_onnxruntime(content: bytes, threads: int, num: int) -> list[Once]:
    """Return `num` ways of running an exported model at once, each on its share of the threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads // num)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [lambda feed: session.run(None, feed)[0]] * num


def by_openvino(content: bytes, threads: int, num: int) -> list[Once]:
    """Return `num` ways of running an exported model at once, each on its share of the threads."""
    import openvino

    made = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": num,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    ready = made.compile_model(made.read_model(io.BytesIO(content)), "CPU", settings)
    requests = [ready.create_infer_request() for _ in range(num)]
    return [functools.partial(lambda request, feed: request.infer(feed)[0], request) for request in requests]


def denoiser(runs: Sequence[Once], feeds: list[Feed], steps: int) -> Run:
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
    make: Callable[[bytes, int, int], list[Once]], num: int, what: str, grid: Grid, how: argparse.Namespace
) -> Run:
    """Return what denoises with a runtime, `num` velocities in a batch; what it says is what ours says."""
    model = Transformer.from_pretrained(how.weights).eval().requires_grad_(False)
    with torch.inference_mode():
        read = inputs(model, grid, num)
        said = Velocity(model)(*read[0]).numpy()
        content = exported(model, read[0])
    feeds = [{f"input{index}": tensor.numpy() for index, tensor in enumerate(each)} for each in read]
    feeds = [{name: each[name] for name in feeds[0]} for each in feeds]
    runs = make(content, how.threads, len(feeds))
    apart = np.abs(runs[0](feeds[0]) - said).max() / np.abs(said).max()
    if apart > ALIKE:
        raise RuntimeError(f"{what} says something else than the model that was exported, by {apart:.1e}")
    return denoiser(runs, feeds, how.steps)


def rivals() -> dict[str, Callable[[Grid, argparse.Namespace], Run]]:
    """Return every side that ours meets, by name."""
    found: dict[str, Callable[[Grid, argparse.Namespace], Run]] = {"diffusers LTX": theirs}
    for name, make in (("onnxruntime", by_onnxruntime), ("OpenVINO", by_openvino)):
        found[name] = functools.partial(_built, make, 2, name)
        found[f"{name} abreast"] = functools.partial(_built, make, 1, name)
    return found


def against_the_machine(how: argparse.Namespace) -> None:
    """Print what share of the machine's own matrix rate our whole loop reaches."""
    torch.set_num_threads(how.threads)
    machine.keep_memory()
    model = Transformer.from_pretrained(how.weights).eval().requires_grad_(False)
    for name in how.grids.split(","):
        grid = GRIDS[name]
        config, times = model.config, torch.ones(how.steps, 1)
        prompt = model.read(torch.zeros(1, config.text.length, dtype=torch.long))
        noise = torch.randn(1, config.channels, grid[0] * config.patch_frames, *grid[1:])
        bare = model.ready(grid, prompt, times, (torch.zeros(1), torch.full((1,), float(grid[0]))))
        lead = led(config, grid, 1)
        once, _ = ceiling.count(lambda bare=bare, lead=lead: model.led(bare, lead))
        ready = model.led(bare, lead)
        each, shapes = ceiling.count(lambda ready=ready, noise=noise: model.velocity(noise, ready))
        run = ours(grid, how)
        run()
        shares = []
        for _ in range(how.repeats):
            start = time.perf_counter()
            run()
            spent = time.perf_counter() - start
            rate = ceiling.rate(shapes, torch.float32)
            shares.append(100 * 2 * (once + how.steps * each) / spent / rate)
        middle = statistics.median(shares)
        print(f"{name}: {middle:.0f} % of {rate / 1e9:.0f} GFLOP/s, {min(shares):.0f} to {max(shares):.0f}")


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--rivals", default=",".join(rivals()), help="which, separated by commas")
    asked.add_argument("--machine", action="store_true")
    how = asked.parse_args()
    if how.machine:
        against_the_machine(how)
    else:
        compete({name: rivals()[name] for name in how.rivals.split(",")}, how)


if __name__ == "__main__":
    main()
