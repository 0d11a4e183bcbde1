"""The fastest layout of a model on so many accelerators: every legal one is tried, for there are only thousands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from rushes.cluster import layout as layouts
from rushes.cluster.layout import Job, Layout, Step
from rushes.errors import InputError

MOST_CONTEXT = 64
PIPELINES = (1, 2, 4, 8, 16)
MICRO_BATCHES = (1, 2, 4, 8, 16, 32)
RECOMPUTED = (0.0, 0.25, 0.5, 1.0)
MOST_VIRTUAL = 8


def powers(most: int) -> list[int]:
    """Return 1, 2, 4, ... up to `most`."""
    return [2**i for i in range(max(1, most).bit_length())]


def candidates(job: Job, num_gpus: int, batch: int) -> Iterator[Layout]:
    """Yield the layouts worth timing: about `batch` samples a step, tensor parallelism inside a server.

    A micro-batch above one is worth its memory only while a sample is short.
    """
    micro = [each for each in MICRO_BATCHES if each == 1 or each * job.tokens <= 65_536]
    tensors = powers(min(8, job.gpu.node))
    contexts = [each for each in powers(MOST_CONTEXT) if each == 1 or job.tokens / each >= 1024]
    pipelines = [each for each in PIPELINES if job.model.layers >= 2 * each or each == 1]
    for tensor, context, pipeline in itertools.product(tensors, contexts, pipelines):
        replica = tensor * context * pipeline
        if replica > num_gpus or job.model.width % (64 * tensor):
            continue
        virtual = min(MOST_VIRTUAL, job.model.layers // pipeline) if pipeline > 1 else 1
        for each, is_sharded, recomputed in itertools.product(micro, (False, True), RECOMPUTED):
            data = min(num_gpus // replica, max(1, batch // each))
            if pipeline > 1 and is_sharded:
                continue  # weights would be gathered for every micro-batch of the pipeline
            num_micro = max(1, round(batch / (data * each)))
            yield Layout(
                data=data, tensor=tensor, context=context, pipeline=pipeline, virtual=virtual, micro_batch=each,
                num_micro=num_micro, recomputed=recomputed, is_sharded=is_sharded,
            )  # fmt: skip


def ranked(job: Job, num_gpus: int, batch: int) -> list[tuple[Layout, Step]]:
    """Return the layouts that fit, the most samples a second first.

    Raises:
        InputError: none fits; how many accelerators hold the model is named.
    """
    found: dict[Layout, Layout] = {}
    for each in candidates(job, num_gpus, batch):
        # What fits with fewer blocks computed twice is faster: the first that fits is enough.
        kind = replace(each, recomputed=0.0)
        if kind not in found and layouts.fits(job, each):
            found[kind] = each
    if not found:
        raise InputError(_too_small(job, num_gpus, batch))
    timed = [(each, layouts.step(job, each)) for each in found.values()]
    return sorted(timed, key=lambda pair: pair[1].seconds / pair[0].batch)


def best_of_kind(pairs: list[tuple[Layout, Step]], most: int = 6) -> list[tuple[Layout, Step]]:
    """Return the best layout of each way to split a replica, the fastest first."""
    kinds: dict[tuple[int, int, int, bool], tuple[Layout, Step]] = {}
    for layout, step in pairs:
        kinds.setdefault((layout.tensor, layout.context, layout.pipeline, layout.is_sharded), (layout, step))
    return list(kinds.values())[:most]


def _too_small(job: Job, num_gpus: int, batch: int) -> str:
    what = f"{job.model.title} with {job.tokens:,} tokens does not fit on {num_gpus:,} x {job.gpu.title}"
    for more in powers(2**14):
        wider = candidates(job, more, batch) if more > num_gpus else iter(())
        if any(layouts.fits(job, each) for each in wider):
            return f"{what}; the nearest number that holds it is {more:,}"
    return f"{what}, nor on any number of them; take shorter films or an accelerator with more memory"
