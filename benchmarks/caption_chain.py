"""Does footage that our captioner describes teach as much as footage that comes with the truth?

World films are written as plain mp4 (some shots each, cuts and dissolves), curated like any footage, and captioned by
our network from its pixels. Two models of one size start from the same seed and take the same steps: one reads our
captions, the other the world's own words about the shots that the clips came from. The oracle then scores films of
held-out prompts, each model asked in the style of its captions.

Everything lies below `--folder`; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from rushes import registry
from rushes.data.captioning.captions import choose
from rushes.data.captioning.sentences import fields_of, write
from rushes.data.dataset import Dataset
from rushes.data.ledger import row_schema, rows_to_table
from rushes.data.run import curate
from rushes.data.settings import CurateConfig
from rushes.data.workers.pool import LocalRunner
from rushes.evaluate import prompts
from rushes.evaluate.films import Latents, request_for
from rushes.evaluate.metrics import prompt_fidelity
from rushes.evaluate.oracle import look, read
from rushes.generate import Generator
from rushes.models.oracle import Oracle
from rushes.models.transformer import TransformerConfig
from rushes.tiers import plan
from rushes.train.finetune import FinetuneConfig, WindowConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import Progress, RunConfig, Trainer
from rushes.world.captions import caption, prompt
from rushes.world.films import ReelConfig, write_film
from rushes.world.scene import SceneFilters, from_dict

TIER = "flipbook"
NUM_TEXTS = 3
FILTERS = SceneFilters(num_subjects_weights=(1.0, 0.0), still_camera=0.7, durations_s=(2.75, 3.0))
WITHIN = 0.03  # how far the captioned arm may lie below the other


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--films", type=int, default=240)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--fps", type=int, default=16)
    parser.add_argument("--captioner", type=Path, default=Path("weights/captioner"))
    parser.add_argument("--autoencoder", type=Path, default=Path("weights/autoencoder"))
    parser.add_argument("--oracle", type=Path, default=Path("weights/oracle"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--judged", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def shoot(ask: argparse.Namespace) -> None:
    """Write the films and, apart from them, what they show."""
    width, height = map(int, ask.size.split("x"))
    reel = ReelConfig(seed=7, width=width, height=height, fps=ask.fps, most_shots=2, filters=FILTERS)
    for folder in ("films", "truth"):
        (ask.folder / folder).mkdir(parents=True, exist_ok=True)
    for index in range(ask.films):
        write_film(reel, index, ask.folder / "films", ask.folder / "truth")
        if index % 20 == 0:
            print(f"films: {index} of {ask.films}", flush=True)


def gather(ask: argparse.Namespace) -> Dataset:
    """Curate the films, our captioner's words among the stages; then add the world's own as another stage."""
    base: CurateConfig = registry.find("data.presets", "curate")()
    select = dataclasses.replace(base.select, cuts={"too few frames per second": "fps >= 7.9"}, drop_duplicates=False)
    config = dataclasses.replace(base, stages={"caption": str(ask.captioner)}, select=select)
    place, work = str(ask.folder / "data"), config.work
    with LocalRunner(ask.workers, silent_s=600, memory_mb=work.memory_mb) as runner:
        summary = curate(place, [str(ask.folder / "films")], config, runner)
    print(f"curated: {summary.outcomes}, {summary.funnel}", flush=True)
    data = Dataset.open(place)
    if "world" not in data.stages():
        tell(ask, data)
    return Dataset.open(place)


def tell(ask: argparse.Namespace, data: Dataset) -> None:
    """Commit the world's words about each clip: those of the shot that it shows most of."""
    named = {row["sha256"]: Path(row["uri"]).stem for row in data.sources().to_pylist()}
    columns = {f"text{i}": "string" for i in range(NUM_TEXTS)}
    rows, mixed = [], 0
    for row in data.clips().to_pylist():
        told = json.loads((ask.folder / "truth" / f"{named[row['source']]}.json").read_text())
        start, end = row["start_num"] / row["start_den"], row["end_num"] / row["end_den"]
        shared = [min(end, shot["end_s"]) - max(start, shot["start_s"]) for shot in told["shots"]]
        mixed += sum(seconds > 0.5 for seconds in shared) > 1
        scene = from_dict(told["shots"][int(np.argmax(shared))]["scene"])
        rng = np.random.default_rng((int(row["clip_id"][:8], 16), 5))
        texts = [prompt(scene)] + [caption(scene, rng).text for _ in range(NUM_TEXTS - 1)]
        own = {"clip_id": row["clip_id"], "stage": "world", "version": "1", "outcome": "ok"}
        rows.append(own | {name: text for name, text in zip(columns, texts, strict=True)})
    table = rows_to_table(rows, row_schema(columns))
    entry = data.ledger.write_table(f"stages/world@1/{data.cutting}/all.parquet", table, kind="rows")
    data.ledger.commit([entry])
    print(f"{mixed} of {len(rows)} clips show more than half a second of two shots", flush=True)


def arm(ask: argparse.Namespace, name: str) -> FinetuneConfig:
    columns = {"caption": ("short", "medium", "dense"), "world": tuple(f"text{i}" for i in range(NUM_TEXTS))}
    every = max(1, ask.steps // 4)
    return FinetuneConfig(
        run=RunConfig(
            steps=ask.steps, checkpoint_every=every, preview_every=ask.steps, log_every=max(1, ask.steps // 10)
        ),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.02, ema=0.99),
        model=TransformerConfig(width=ask.width, depth=ask.depth, hidden=ask.width * 11 // 4),
        data=str(ask.folder / "data"),
        autoencoder=str(ask.autoencoder),
        grids=((9, 16),),
        windows=(WindowConfig(seconds=1, batch=ask.batch),),
        captions=name,
        caption_columns=columns[name],
        workers=ask.workers,
    )


def teach(ask: argparse.Namespace, name: str) -> Path:
    """Train one arm and return its weights."""
    run = ask.folder / f"run-{name}"

    def watch(p: Progress) -> None:
        print(f"{name}: step {p.step}/{p.steps} loss {p.loss:.4f}, {p.samples_per_s:.1f} samples/s", flush=True)

    shipped = Trainer(arm(ask, name), run, say=lambda line: print(f"{name}: {line}", flush=True)).run(watch)
    assert shipped is not None
    if not (shipped / "oracle").is_dir():
        shutil.copytree(ask.oracle, shipped / "oracle")
    return shipped


def judge(ask: argparse.Namespace, name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the oracle's scores of the films of held-out prompts, a row per attribute."""
    generator, oracle = Generator.load(folder), Oracle.from_pretrained(folder / "oracle")
    cases = prompts.draw(ask.judged, 0, FILTERS)
    latents = Latents(generator, ask.folder / "latents")
    answers = []
    for case in cases:
        said = case.prompt if name == "world" else in_our_words(case)
        request = dataclasses.replace(request_for(case, TIER), prompt=said)
        shot = plan(request)
        seen = look(generator.autoencoder, latents.get(request), fps=shot.fps, pixels=shot.pixels)
        answers += [reading.answers for reading in read(oracle, [seen])]
    return prompt_fidelity.SPEC.measure(answers, [case.scene for case in cases])


def in_our_words(case: prompts.Case) -> str:
    """Say a scene as our captioner says it: a prompt is rewritten into its style before it is filmed."""
    fields = fields_of(case.scene, np.full((1, 2, 4), (0.0, 0.0, 0.17, 1.0), np.float32))
    return write(fields, "medium", np.random.default_rng(case.seed))


def agreement(data: Dataset) -> dict[str, float]:
    """Return how often our captioner's fields are what the world's words say, over all clips that it described."""
    ids = data.clips()["clip_id"].to_pylist()
    ours = {row["clip_id"]: json.loads(row["fields"]) for row in data.rows("caption").to_pylist() if row["fields"]}
    told = choose(data, ids, "world", "1", ["text0"]).texts
    hits: dict[str, list[bool]] = {}
    for clip_id, fields in ours.items():
        first = (fields.get("subjects") or [{}])[0]
        for name in ("kind", "colour"):
            hits.setdefault(name, []).append(bool(first.get(name)) and str(first[name]) in told[clip_id][0])
    return {name: float(np.mean(some)) for name, some in hits.items()}


def main() -> None:
    ask = parse()
    begun = time.perf_counter()
    shoot(ask)
    data = gather(ask)
    report: dict[str, Any] = {"films": ask.films, "clips": data.clips().num_rows, "steps": ask.steps}
    report["captions that name the kind and colour"] = agreement(data)
    scores = {name: judge(ask, name, teach(ask, name)) for name in ("world", "caption")}
    print("\n| what | the world's captions | our captions | difference | within 3 points |\n|---|---|---|---|---|")
    for one, other in zip(scores["world"], scores["caption"], strict=True):
        if one["num"]:
            difference = other["share"] - one["share"]
            cells = [
                f"{100 * row['share']:.1f} % ({100 * row['low']:.0f}-{100 * row['high']:.0f})" for row in (one, other)
            ]
            met = "yes" if difference >= -WITHIN else "NO"
            print(f"| {one['attribute']} | {cells[0]} | {cells[1]} | {100 * difference:+.1f} | {met} |")
    report |= {"scores": scores, "seconds": round(time.perf_counter() - begun, 1)}
    (ask.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({name: value for name, value in report.items() if name != "scores"}))


if __name__ == "__main__":
    main()
