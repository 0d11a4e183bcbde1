"""Tests what is guessed of a model's memory, which way of loading is chosen by it, and what is learnt from films."""

from __future__ import annotations

import ctypes
import json
import mmap
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import open_weights
import pytest
import torch

from rushes.errors import RushesError
from rushes.models.open import memory, wan
from rushes.models.open.memory import Guess, Machine, Part, Way
from rushes.types import GenerationRequest, VideoShape

GIGA = 10**9
FLOAT, HALF = Way(dtype=torch.float32), Way(dtype=torch.bfloat16)
CPU = torch.device("cpu")
CHECKPOINT = wan.SPEC.checkpoints[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wan")
    open_weights.wan().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path))
    return tmp_path


def request(frames: int = 9, side: int = 64) -> GenerationRequest:
    shape = VideoShape(frames=frames, height=side, width=side)
    return GenerationRequest(prompt="a boat", model="wan2.1-1.3b", shape=shape, fps=16, num_steps=2, guidance_scale=5.0)


def machine(device_gb: float, host_gb: float = 64, device: str = "cpu") -> Machine:
    return Machine(device=device, device_bytes=int(device_gb * GIGA), host_bytes=int(host_gb * GIGA))


def billions(name: str, count: float, kind: str) -> Part:
    """A component as large as a real one, of which there is the config alone."""
    says = {"_class_name": kind, "num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960}
    number = int(count * GIGA)
    return Part(name=name, says=says, num_parameters=number, num_linear=number, num_idle=0, file_bytes=2 * number)


REAL = [billions("text_encoder", 5.7, "UMT5EncoderModel"), billions("transformer", 1.4, "WanTransformer3DModel")]


def test_parts_are_read_from_files_alone(folder: Path) -> None:
    found = {part.name: part for part in memory.parts(folder)}
    net = open_weights.wan_transformer()
    assert set(found) == {"text_encoder", "transformer", "vae"}
    assert found["transformer"].num_parameters == sum(each.numel() for each in net.parameters())
    assert 0 < found["transformer"].num_linear < found["transformer"].num_parameters
    assert found["vae"].num_idle > 0 and found["vae"].says["_class_name"] == "AutoencoderKLWan"


def test_weights_take_what_their_dtype_says() -> None:
    part = billions("transformer", 1.0, "WanTransformer3DModel")
    assert part.held(FLOAT, is_exact=False) == 4 * GIGA and part.held(HALF, is_exact=False) == 2 * GIGA
    assert part.held(HALF, is_exact=True) == 4 * GIGA
    assert part.held(replace(HALF, quantisation="int8"), is_exact=False) == pytest.approx(1.03 * GIGA)


def test_a_longer_and_a_larger_film_takes_more(folder: Path) -> None:
    found = memory.parts(folder)

    def working(asked: GenerationRequest, way: Way = FLOAT) -> int:
        return memory.guess(CHECKPOINT, found, asked, way, device="cpu").phases["vae"]

    assert working(request()) < working(request(frames=33)) and 3 * working(request()) < working(request(side=128))


def test_a_part_that_changes_its_dtype_is_there_twice_while_it_is_read() -> None:
    same = memory.guess(CHECKPOINT, REAL, request(), HALF, device="cpu")
    other = memory.guess(CHECKPOINT, REAL, request(), FLOAT, device="cpu")
    assert same.loading == 0 and same.weights == pytest.approx(14.2 * GIGA)
    assert other.loading == pytest.approx((4 * 5.7 + 2 * 5.7) * GIGA)


@pytest.mark.parametrize(
    ("free", "said"),
    [(40, "bfloat16"), (13, "bfloat16, model offload, tiled"), (11, "bfloat16, int8 weights, tiled"),
     (6.7, "bfloat16, int8 weights, model offload, tiled"), (3.0, "bfloat16, sequential offload, tiled")],
)  # fmt: skip
def test_the_fastest_way_that_fits_is_chosen(free: float, said: str) -> None:
    fit = memory.choose(CHECKPOINT, REAL, request(), machine(free, device="cuda"), HALF)
    assert str(fit.way) == said and fit.guess.peak <= free * GIGA
    assert all(guess.peak > 0.95 * free * GIGA for guess in fit.tried)


def test_eight_bits_are_floats_where_there_are_such() -> None:
    here = replace(machine(11, device="cuda"), has_float8=True)
    assert str(memory.choose(CHECKPOINT, REAL, request(), here, HALF).way) == "bfloat16, float8, tiled"
    asked = replace(HALF, quantisation="float8")
    assert [str(way) for way in memory.ways(asked, here)][:2] == ["bfloat16, float8", "bfloat16, float8, tiled"]
    assert billions("transformer", 1.0, "WanTransformer3DModel").held(asked, is_exact=False) == pytest.approx(
        1.03 * GIGA
    )


def test_a_processor_has_nowhere_to_offload_to() -> None:
    assert [str(way) for way in memory.ways(FLOAT, machine(9))] == ["float32", "float32, tiled"]


def test_too_little_memory_is_said_with_what_would_fit() -> None:
    long = request(frames=81, side=1280)
    with pytest.raises(RushesError) as caught:
        memory.choose(CHECKPOINT, REAL, long, machine(20), HALF)
    assert "GB are free" in str(caught.value) and "frames of" in str(caught.value) and "would fit" in str(caught.value)
    with pytest.raises(RushesError, match=r"weights alone are 14\.2 GB"):
        memory.choose(CHECKPOINT, REAL, request(), machine(2), HALF)


def test_the_memory_beside_a_device_counts_too() -> None:
    with pytest.raises(RushesError, match="of memory beside it"):
        memory.choose(CHECKPOINT, REAL, request(), machine(13, host_gb=4, device="cuda"), HALF)


def made(kind: str = "WanPipeline", device: str = "cpu") -> Guess:
    return Guess(kind=kind, device=device, way=FLOAT, phases={"vae": 60, "transformer": 40}, weights=1000)


def test_what_films_took_corrects_the_next_guess(home: Path) -> None:
    assert memory.corrected(made()).peak == 1000 + int(100 * memory.UNSEEN["cpu"])
    for took in (150, 160, 900):
        memory.remember(made(), 5000 + 1000 + took, 5000)
    assert memory.corrected(made()).correction == pytest.approx(1.6)
    assert memory.corrected(made("MochiPipeline")).peak == 1160  # never measured: as all others
    assert memory.corrected(made(device="cuda")).peak == 1072  # nothing was measured there
    assert len((home / "memory.jsonl").read_text().splitlines()) == 3


def test_small_buffers_of_a_phase_stay_on_a_processor_alone() -> None:
    assert made().working == 100 and made(device="cuda").working == 60
    large = replace(made(), phases={"vae": 60 * 10**7, "transformer": 40 * 10**7, "text_encoder": 10**6})
    assert large.working == 60 * 10**7 + memory.KEPT_BYTES + 10**6
    assert replace(large, device="cuda").working == 60 * 10**7


def test_a_processors_guess_counts_the_code_of_the_pipeline() -> None:
    here, there = (memory.guess(CHECKPOINT, REAL, request(), HALF, device=each) for each in ("cpu", "cuda"))
    assert here.resident - here.weights == memory.LIBRARY_BYTES and there.resident == there.weights


FREED = """
import sys, torch
from rushes.models.open import memory
cpu = torch.device("cpu")
if "give back" in sys.argv:
    memory.give_back(cpu)
torch.ones(7_500_000)  # 30 MB: from now on glibc would keep what is smaller
before, large, small = memory.held_bytes(cpu), [], []
for _ in range(20):  # 10 MB each, and between them what stays
    large.append(torch.ones(2_500_000))
    small.append(torch.ones(50_000))
large.clear()
print(memory.held_bytes(cpu) - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc can be told")
def test_large_buffers_are_given_back() -> None:
    kept, given = (
        int(subprocess.run([sys.executable, "-c", FREED, each], capture_output=True, check=True, text=True).stdout)
        for each in ("keep", "give back")
    )
    assert given < 30_000_000 and kept > 150_000_000, (kept, given)


def test_a_damaged_table_is_read_as_far_as_it_goes(home: Path) -> None:
    memory.remember(made(), 6200, 5000)
    with (home / "memory.jsonl").open("a") as file:
        file.write('[1]\n{"kind": "WanPipe')
    assert memory.corrected(made()).correction == 2.0
    assert json.loads((home / "memory.jsonl").read_text().splitlines()[0])["took"] == 200


def test_nothing_is_learnt_where_the_reading_was_the_peak(home: Path) -> None:
    memory.remember(made(), 5900, 5000)
    assert not (home / "memory.jsonl").exists()


def test_this_machine_is_asked() -> None:
    here = Machine.here(CPU)
    assert here.device == "cpu" and 0 < here.device_bytes == here.host_bytes


def test_a_peak_is_seen_after_it_has_gone() -> None:
    memory.forget_peak(CPU)
    before = memory.held_bytes(CPU)
    with mmap.mmap(-1, 240_000_000) as held:  # pages of its own: what was freed before can't be taken again
        for at in range(0, len(held), mmap.PAGESIZE):
            held[at] = 1
    assert memory.peak_bytes(CPU) >= before + 200_000_000


def test_int8_weights_and_tiles_are_set_on_the_pipeline(folder: Path) -> None:
    pipe = open_weights.wan()
    memory.prepare(pipe, Way(dtype=torch.float32, quantisation="int8", is_tiled=True), CPU)
    assert pipe.vae.use_tiling
    weight = pipe.transformer.blocks[0].ffn.net[2].weight
    assert type(weight).__name__ != "Parameter" or weight.dtype == torch.int8
    assert all(each.dtype == torch.float32 for each in pipe.vae.parameters())
