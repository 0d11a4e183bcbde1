"""Does the memory planner guess right? Makes films with mid-size random weights, each in a process of its own.

    python benchmarks/memory_planner.py measure rows.json [--only wan]   makes the films, appends what they took
    python benchmarks/memory_planner.py native rows.json                 the same for our own films
    python benchmarks/memory_planner.py report rows.json > table.md      guesses each from all the others

The weights are of the families' real classes, 0.05 to 0.5 GB of them, and are loaded and run by the families' own code.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

PROPS = Path(__file__).parents[1] / "tests" / "props"
sys.path.insert(0, str(PROPS))

# A film: (family, width, height, frames, guidance, dtype, tiled, int8).
Film = tuple[Any, ...]
FILMS: list[Film] = [
    ("wan", 256, 256, 17, 5.0, "float32", False, False),
    ("wan", 416, 240, 33, 5.0, "float32", False, False),
    ("wan", 256, 192, 9, 1.0, "bfloat16", False, False),
    ("wan", 320, 320, 5, 1.0, "float32", True, False),
    ("cogvideox", 256, 192, 9, 6.0, "float32", False, False),
    ("cogvideox", 320, 256, 17, 1.0, "float32", False, False),
    ("ltx", 256, 256, 25, 3.0, "float32", False, False),
    ("ltx", 512, 320, 33, 3.0, "float32", False, False),
    ("ltx", 384, 256, 25, 3.0, "float32", False, True),
    ("hotshot", 320, 768, 8, 1.0, "float32", False, False),
    ("hotshot", 512, 512, 8, 5.0, "float32", False, False),
    ("hotshot", 672, 384, 8, 1.0, "float32", True, False),
    # From here on nothing was fitted to what was measured.
    ("wan", 448, 256, 5, 5.0, "float32", False, False),
    ("wan", 192, 192, 21, 1.0, "float32", False, False),
    ("ltx", 448, 256, 17, 1.0, "float32", False, False),
    ("ltx", 640, 384, 9, 3.0, "float32", False, False),
    ("cogvideox", 320, 192, 9, 1.0, "float32", False, False),
    ("hotshot", 416, 608, 8, 1.0, "float32", False, False),
    ("wan", 256, 256, 13, 1.0, "float32", False, False),
    ("wan", 192, 192, 29, 1.0, "float32", False, False),
    ("ltx", 320, 192, 41, 1.0, "float32", False, False),
]
# A film of our own: its name, and what is typed for it; those after the tiers were never fitted to.
NATIVE = {
    "flipbook": "--tier flipbook",
    "short": "--tier short",
    "feature": "--tier feature",
    "still": "--tier still",
    "320x768, 5 s at 8": "--size 320x768 --seconds 5 --fps 8",
    "672x384, 3 s at 24, path": "--size 672x384 --seconds 3 --fps 24 --path 0.1,0.5:0.9,0.4",
    "1280x720, 2 s at 24": "--size 1280x720 --seconds 2 --fps 24",
    "720x1280, 1 s at 8, guidance 1": "--size 720x1280 --seconds 1 --fps 8 --guidance 1",
    "768x320, 12 s at 8": "--size 768x320 --seconds 12 --fps 8",
    "608x416, 2 s at 8, subject": "--size 608x416 --seconds 2 --fps 8 --subject subject.png",
    "512x512, 3 s more at 8, extend": "--extend before.mp4 --seconds 3",
    "384x672, 2 s at 24, remix": "--size 384x672 --seconds 2 --fps 24 --remix before.mp4",
    "416x608 still": "--size 416x608 --frames 1",
    "512x512, 2 s at 24, one core": "--size 512x512 --seconds 2 --fps 24 --threads 1",
}


def t5(width: int, kind: str = "T5") -> Any:
    """Return a text encoder of about 15 million numbers."""
    import open_weights as o

    sizes = {"vocab_size": 64, "d_model": width, "d_kv": 64, "d_ff": 4 * width, "num_layers": 6, "num_heads": 8}
    return getattr(o.transformers, f"{kind}EncoderModel")(getattr(o.transformers, f"{kind}Config")(**sizes)).eval()


def wan() -> Any:
    """Return a Wan pipeline of about 80 million numbers."""
    import open_weights as o

    vae = o.diffusers.AutoencoderKLWan(base_dim=32)
    net = o.diffusers.WanTransformer3DModel(
        num_attention_heads=8, attention_head_dim=64, text_dim=512, ffn_dim=2048, num_layers=12
    )
    scheduler = o.diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    return o.diffusers.WanPipeline(
        vae=vae, transformer=net, scheduler=scheduler, tokenizer=o.t5_words(), text_encoder=t5(512, "UMT5")
    )


def cogvideox() -> Any:
    """Return a CogVideoX pipeline of about 70 million numbers."""
    import open_weights as o

    vae = o.diffusers.AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=1,
        latent_channels=16,
    )
    net = o.diffusers.CogVideoXTransformer3DModel(
        num_attention_heads=8,
        attention_head_dim=64,
        num_layers=12,
        text_embed_dim=512,
        use_rotary_positional_embeddings=True,
        sample_frames=17,
    )
    scheduler = o.diffusers.CogVideoXDPMScheduler()
    return o.diffusers.CogVideoXPipeline(
        vae=vae, transformer=net, scheduler=scheduler, tokenizer=o.t5_words(), text_encoder=t5(512)
    )


def ltx() -> Any:
    """Return an LTX-Video pipeline of about 90 million numbers."""
    import open_weights as o

    widths = (64, 128, 256, 256)
    vae = o.diffusers.AutoencoderKLLTXVideo(block_out_channels=widths, decoder_block_out_channels=widths)
    net = o.diffusers.LTXVideoTransformer3DModel(
        num_attention_heads=8, attention_head_dim=64, cross_attention_dim=512, caption_channels=512, num_layers=12
    )
    scheduler = o.diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    return o.diffusers.LTXPipeline(
        vae=vae, transformer=net, scheduler=scheduler, tokenizer=o.t5_words(), text_encoder=t5(512)
    )


def hotshot(folder: Path) -> None:
    """Write Hotshot-XL's folder with about 100 million numbers."""
    import open_weights as o
    from safetensors.torch import save_file

    from rushes.models.open import _hotshot_unet as unet

    config = unet.HotshotConfig(
        block_out_channels=(64, 128, 256),
        transformer_layers_per_block=(1, 1, 4),
        attention_head_dim=(2, 4, 8),
        cross_attention_dim=64,
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=6 * 32 + 32,
    )
    (folder / "unet").mkdir(parents=True)
    save_file(unet.build(config).state_dict(), folder / "unet" / unet.FILE)
    record = asdict(config) | {"_class_name": "UNet3DConditionModel", "down_block_types": unet.FORM}
    (folder / "unet" / "config.json").write_text(json.dumps(record))
    vae = o.picture_vae(block_out_channels=(32, 64, 128, 128), norm_num_groups=8, layers_per_block=2)
    parts = o.xl_parts() | {"vae": vae, "scheduler": o.diffusers.EulerDiscreteScheduler()}
    index: dict[str, Any] = {"_class_name": "HotshotXLPipeline", "unet": ["hotshot_xl", "UNet3DConditionModel"]}
    for name in ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"):
        parts[name].save_pretrained(folder / name)
        index[name] = ["any", type(parts[name]).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))


def build(family: str, folder: Path) -> None:
    """Write the weights of a family."""
    import torch

    torch.manual_seed(0)
    if family == "hotshot":
        hotshot(folder)
    else:
        {"wan": wan, "cogvideox": cogvideox, "ltx": ltx}[family]().save_pretrained(folder)


def asked(film: Film) -> tuple[Any, Any, Any]:
    """Return the family, the checkpoint (its sizes opened to the film's) and the request of a film of the list."""
    from rushes.models.open import cogvideox, hotshot_xl, ltx_video, wan
    from rushes.types import GenerationRequest, VideoShape

    family, width, height, frames, guidance = film[:5]
    spec = {"wan": wan, "cogvideox": cogvideox, "ltx": ltx_video, "hotshot": hotshot_xl}[family].SPEC
    checkpoint = spec.checkpoints[0]
    most = max(frames, checkpoint.native.most_frames)
    native = replace(checkpoint.native, sizes=((width, height),), most_frames=most)
    shape = VideoShape(frames=frames, height=height, width=width)
    words = {"prompt": "a red car", "fps": native.fps[0], "num_steps": 1, "guidance_scale": guidance}
    return spec, replace(checkpoint, native=native), GenerationRequest(shape=shape, **words)


def way_of(film: Film) -> Any:
    """Return the way in which a film of the list is made."""
    import torch

    from rushes.models.open import memory

    quantisation = "int8" if film[7] else "none"
    return memory.Way(dtype=getattr(torch, film[5]), is_tiled=film[6], quantisation=quantisation)


def make(folder: Path, film: Film) -> dict[str, Any]:
    """Load, make one film, and return what it took: of the process before, after loading, and at most."""
    import torch

    from rushes.models.open import Place, memory

    spec, checkpoint, request = asked(film)
    way, cpu = way_of(film), torch.device("cpu")
    memory.guess(checkpoint, memory.parts(folder), request, way, device="cpu")  # as when a way is chosen
    base = memory.held_bytes(cpu)
    memory.forget_peak(cpu)
    maker = spec.load(checkpoint, folder, Place(device="cpu", dtype=film[5], threads=1))
    loaded = memory.peak_bytes(cpu)
    memory.prepare(maker.pipe, way, cpu)
    memory.forget_peak(cpu)
    made = sum(1 for _ in maker.generate(request, lambda step, nothing: None))
    assert made == film[3], made
    return {"film": film, "base": base, "loaded": loaded, "peak": max(loaded, memory.peak_bytes(cpu))}


@click.group()
def main() -> None:
    """Measure what films take, and how well that is guessed."""


@main.command()
@click.argument("rows", type=click.Path(path_type=Path))
@click.option("--only", default="", help="A family, or FAMILY:NUMBER for one film of the list.")
def measure(rows: Path, only: str) -> None:
    """Make the films of the list and append what they took to ROWS."""
    wanted, _, at = only.partition(":")
    for family in dict.fromkeys(film[0] for film in FILMS if wanted in film[0]):
        with tempfile.TemporaryDirectory() as draft:
            folder = Path(draft) / family
            subprocess.run([sys.executable, __file__, "one", family, str(folder), "-1"], check=True)
            for number, film in enumerate(FILMS):
                if film[0] == family and at in ("", str(number)):
                    command = [sys.executable, __file__, "one", family, str(folder), str(number)]
                    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
                    print(family, film[1:], said.returncode, flush=True)
                    if said.returncode == 0:
                        with rows.open("a") as file:
                            file.write(said.stdout.splitlines()[-1] + "\n")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("family")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("number", type=int)
def one(family: str, folder: Path, number: int) -> None:
    """Make film NUMBER of the list with the weights in FOLDER; -1 writes the weights."""
    if number < 0:
        build(family, folder)
    else:
        print(json.dumps(make(folder, FILMS[number])))


@main.command()
@click.argument("rows", type=click.Path(path_type=Path))
@click.option("--only", default="", help="A part of the name of some of the films.")
def native(rows: Path, only: str) -> None:
    """Make our own films of the list, one step each, and append what they took to ROWS."""
    with tempfile.TemporaryDirectory() as draft:
        place = Path(draft)
        starts(place)
        for name, typed in NATIVE.items():
            if only in name:
                output = place / ("a.png" if "still" in name else "a.mp4")
                command = [sys.executable, "-m", "rushes", "film", "a red car drives left across the sea"]
                command += [part.replace(":", " ") for part in typed.split()]
                command += ["--steps", "1", "--quiet", "--json", "--no-preview", "--force", "-o", str(output)]
                said = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=place)
                film = json.loads(said.stdout)
                row = {"tier": name, "peak": film["measured"]["memory_bytes"]}
                with rows.open("a") as file:
                    file.write(json.dumps(row | {"guess": film["estimate"]["memory_bytes"]}) + "\n")
                print(row, film["estimate"]["memory_bytes"], flush=True)


def starts(folder: Path) -> None:
    """Write what some films start from: a subject's picture, and a film of two seconds."""
    import numpy as np
    from PIL import Image, ImageDraw

    from rushes.media.encode import encode
    from rushes.types import VideoShape

    sheet = Image.new("RGBA", (256, 256))
    ImageDraw.Draw(sheet).ellipse((40, 80, 220, 200), fill=(200, 40, 40, 255))
    sheet.save(folder / "subject.png")
    frames = np.full((16, 512, 512, 3), 90, np.uint8)
    frames[:, 200:300, 100:200] = 200
    encode(folder / "before.mp4", frames, fps=8, shape=VideoShape(frames=16, height=512, width=512))


def guessed(rows: list[dict[str, Any]]) -> None:
    """Add to each row what the planner guesses, from weights written anew."""
    from rushes.models.open import memory
    from rushes.models.open._diffusers import library

    library()
    with tempfile.TemporaryDirectory() as draft:
        for family in {row["film"][0] for row in rows}:
            build(family, Path(draft) / family)
        for row in rows:
            _, checkpoint, request = asked(row["film"])
            found = memory.parts(Path(draft) / row["film"][0])
            row["guess"] = memory.guess(checkpoint, found, request, way_of(row["film"]), device="cpu")


def ratio(row: dict[str, Any]) -> float:
    """Return what a film took above its weights for what was guessed, as the planner's table keeps it."""
    return max(0.0, row["peak"] - row["base"] - row["guess"].resident) / row["guess"].working


def corrected(row: dict[str, Any], others: list[dict[str, Any]]) -> Any:
    """Return a row's guess with the correction that the others give it, as the planner's table would."""
    own = [each for each in others if each["guess"].kind == row["guess"].kind] or others
    return replace(row["guess"], correction=statistics.median(map(ratio, own)))


@main.command()
@click.argument("rows", type=click.Path(path_type=Path))
def report(rows: Path) -> None:
    """Print the tables: each film guessed with no table, and with a table of all the other films."""
    from rushes.models.open import memory

    found = [json.loads(line) for line in rows.read_text().splitlines()]
    films = [row for row in found if "base" in row]
    guessed(films)
    print("| film | way | weights | works with | measured | no table | from others | error | without the base |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for row in films:
        made = corrected(row, [each for each in films if each is not row])
        unseen = replace(made, correction=memory.UNSEEN["cpu"])
        guess, plain = row["base"] + made.peak, row["base"] + unseen.peak
        family, width, height, frames, guidance = row["film"][:5]
        numbers = (made.weights, made.working, row["peak"], plain, guess)
        cells = [f"{family}, {frames} x {width}x{height}, s {guidance:g}", str(made.way)]
        cells += [f"{each / 1e9:.2f}" for each in numbers]
        cells += [f"{guess / row['peak'] - 1:+.1%}", f"{made.peak / (row['peak'] - row['base']) - 1:+.1%}"]
        print(f"| {' | '.join(cells)} |")
    print("\n| our own film | measured | guessed | error |\n|---|---:|---:|---:|")
    for row in (row for row in found if "tier" in row):
        error = f"{row['guess'] / row['peak'] - 1:+.1%}"
        print(f"| {row['tier']} | {row['peak'] / 1e9:.2f} | {row['guess'] / 1e9:.2f} | {error} |")


if __name__ == "__main__":
    main()
