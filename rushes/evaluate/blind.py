"""Make blind sets: the same prompts and seeds through several weights, or finished films; the oracle can judge them."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from rushes.errors import InputError
from rushes.evaluate import pairs, prompts
from rushes.evaluate.films import WIDE, Effort, Load
from rushes.evaluate.metrics.prompt_fidelity import truth
from rushes.evaluate.oracle import BATCH, STRIP_HEIGHT, STRIP_WIDTH, Look, frame_indices, read
from rushes.evaluate.pairs import BlindSet
from rushes.evaluate.preference import LEFT, RIGHT, TIE
from rushes.generate import Generator
from rushes.media import decode, metadata
from rushes.media.encode import encode, replacing
from rushes.media.probe import probe
from rushes.models.autoencoder import LATENT_FPS, to_bytes
from rushes.models.oracle import HEIGHT, WIDTH, Oracle
from rushes.tiers import tier
from rushes.types import MAX_SEED, GenerationRequest, VideoShape
from rushes.world.scene import Scene, from_dict, to_dict

Watch = Callable[[str, int, int], None]
SUFFIXES = (".mp4", ".gif", ".webp")
ASPECT_SLACK = 0.03  # how far from the oracle's own aspect a film may be


def _ignore(what: str, done: int, num: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt, the seed of its first film, and the scene that it says, if it is a drawn one's."""

    prompt: str
    seed: int
    scene: Scene | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to make: films of `texts` (else of `num` held-out scenes), `seeds` of each, by each of `contestants`.

    Contestants are folders by name, of weights or of finished films; without `texts` and `num`, finished films are
    asked for every prompt that all of them have. One contestant meets itself: another seed of the same prompt. `load`
    opens weights.
    """

    out: Path
    contestants: dict[str, Path]
    texts: tuple[str, ...] = ()
    num: int = 0
    seed: int = 0
    seeds: int = 1
    tier: str = "short"
    effort: Effort = field(default_factory=Effort)
    device: str = "auto"
    dtype: str = "auto"
    width: int = pairs.PAGE_WIDTH_PX
    load: Load = Generator.load


def make(ask: Ask, watch: Watch = _ignore) -> BlindSet:
    """Make films, key and page; films that an interrupted run left are kept. `watch(what, done, num)` counts films.

    Raises:
        InputError: an illegal number, no contestants, a prompt of which one has no film.
        WeightsError: weights that are missing, damaged or foreign.
    """
    least = 2 if len(ask.contestants) == 1 else 1
    if not ask.contestants:
        raise InputError("there is nothing to compare; name weights or folders of films")
    if ask.seeds < least:
        raise InputError(f"seeds {ask.seeds} is illegal for {len(ask.contestants)}; the nearest legal value is {least}")
    found = {name: _finished(folder) for name, folder in ask.contestants.items() if not _is_weights(folder)}
    questions = _questions(ask, found)
    home = pairs.key_folder(ask.out)
    films: dict[tuple[str, int, int], str] = {}
    facts: dict[str, Any] = {}
    for number, (name, folder) in enumerate(ask.contestants.items()):
        place = home / pairs.FILMS / str(number)
        place.mkdir(parents=True, exist_ok=True)
        if name in found:
            facts[name] = {"films": str(folder)}
            chosen = _chosen(name, found[name], questions, ask.seeds)
            paths = [_copied(path, place / f"{i:05d}.mp4") for i, path in enumerate(chosen)]
        else:
            generator = ask.load(folder, device=ask.device, dtype=ask.dtype)
            facts[name] = {"weights": generator.hashes}
            paths = _filmed(generator, _requests(ask, questions), place, lambda *done, name=name: watch(name, *done))
        asked = [(i, draw) for i in range(len(questions)) for draw in range(ask.seeds)]
        films |= {(name, *which): str(path.relative_to(home)) for which, path in zip(asked, paths, strict=True)}
    return pairs.write(ask.out, facts, _paired(ask, questions, films), ask.width)


def _is_weights(folder: Path) -> bool:
    return (folder / "film" / "config.json").is_file()


def _questions(ask: Ask, found: dict[str, dict[str, list[Path]]]) -> list[Question]:
    if ask.texts:
        seeds = np.random.default_rng(ask.seed).integers(2**31, size=len(ask.texts))
        return [Question(prompt=text, seed=int(seed)) for text, seed in zip(ask.texts, seeds, strict=True)]
    if ask.num:
        weights = [folder for name, folder in ask.contestants.items() if name not in found]
        filters = prompts.filters_of(weights[0] / "film") if weights else prompts.USUAL
        cases = prompts.draw(ask.num, ask.seed, filters)
        return [Question(prompt=case.prompt, seed=case.seed, scene=case.scene) for case in cases]
    if len(found) < len(ask.contestants):
        raise InputError("there are no prompts; name a file of them or how many held-out scenes to ask for")
    common = set.intersection(*(set(films) for films in found.values()))
    if not common:
        raise InputError(f"no prompt has a film in each of {', '.join(map(str, ask.contestants.values()))}")
    return [Question(prompt=text, seed=0) for text in sorted(common)]


def _finished(folder: Path) -> dict[str, list[Path]]:
    """Return the films of a folder by the prompt in their metadata, those of one prompt by their seeds.

    Raises:
        InputError: no such folder, or no film with a prompt in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; a contestant is a folder of weights or of films")
    films: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            request = metadata.read_request(path)
            films.setdefault(str(request.get("prompt", "")), []).append((int(request.get("seed", 0)), path))
    films.pop("", None)
    if not films:
        raise InputError(f"{folder} holds neither weights (film/config.json) nor films with their prompts in them")
    return {prompt: [path for _, path in sorted(some)] for prompt, some in films.items()}


def _chosen(name: str, found: dict[str, list[Path]], questions: Sequence[Question], seeds: int) -> list[Path]:
    chosen = []
    for question in questions:
        there = found.get(question.prompt, [])
        if len(there) < seeds:
            raise InputError(f"{name} has {len(there)} films of {question.prompt!r}; {seeds} are needed")
        chosen += there[:seeds]
    return chosen


def _copied(path: Path, target: Path) -> Path:
    """Copy a finished film into the set, as mp4."""
    if path.suffix.lower() == ".mp4":
        shutil.copyfile(path, target)
        return target
    film, request = probe(path), metadata.read_request(path)
    shape = VideoShape(frames=film.num_frames, height=film.height, width=film.width)
    encode(target, decode.frames(path), fps=float(film.fps), shape=shape, request=request, force=True)
    return target


def _requests(ask: Ask, questions: Sequence[Question]) -> list[GenerationRequest]:
    """Return what every contestant is asked: each prompt's seeds follow one another."""
    made = tier(ask.tier)
    steps, scale = ask.effort.num_steps, ask.effort.guidance_scale
    return [
        GenerationRequest(
            prompt=question.prompt,
            seed=(question.seed + draw) % (MAX_SEED + 1),
            shape=WIDE.get(ask.tier, made.shape),
            fps=made.fps,
            num_steps=steps or made.num_steps,
            guidance_scale=made.guidance_scale if scale is None else scale,
        )
        for question in questions
        for draw in range(ask.seeds)
    ]


def _filmed(
    generator: Generator, requests: Sequence[GenerationRequest], place: Path, watch: Callable[[int, int], None]
) -> list[Path]:
    paths = [place / f"{i:05d}.mp4" for i in range(len(requests))]
    for done, (path, request) in enumerate(zip(paths, requests, strict=True), start=1):
        record = json.loads(json.dumps(generator.record(request)))
        if not path.is_file() or metadata.read_request(path) != record:
            frames = generator.generate(request)
            encode(path, frames, fps=request.fps, shape=request.shape, request=record, force=True)
        watch(done, len(requests))
    return paths


def _paired(ask: Ask, questions: Sequence[Question], films: dict[tuple[str, int, int], str]) -> list[dict[str, Any]]:
    """Return the rows of the set, shuffled; of any two contestants each is on the left half of the times."""
    rng, names, seeds = np.random.default_rng((ask.seed, 1)), list(ask.contestants), range(ask.seeds)
    two: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)  # question, and each side's seed
    for i in range(len(questions)):
        if len(names) == 1:
            two[names[0], names[0]] += [(i, *both) for both in combinations(seeds, 2)]
        for met in combinations(names, 2):
            two[met] += [(i, draw, draw) for draw in seeds]
    rows = []
    for by, meetings in two.items():
        for (i, *draws), is_turned in zip(meetings, rng.permutation(np.arange(len(meetings)) % 2), strict=True):
            sides = [{"by": name, "film": films[name, i, draw]} for name, draw in zip(by, draws, strict=True)]
            left, right = sides[::-1] if is_turned else sides
            scene = questions[i].scene
            said = {"prompt": questions[i].prompt, "scene": to_dict(scene) if scene else None}
            rows.append({**said, "left": left, "right": right})
    order = rng.permutation(len(rows)).tolist()
    return [{"pair": f"{number:04d}", **rows[i]} for number, i in enumerate(order, start=1)]


def judge(blind: BlindSet, oracle: Oracle, watch: Watch = _ignore) -> dict[str, str]:
    """Return the oracle's choices by the page's names of pairs: the film of which it reads more asked things rightly.

    The oracle is trained on our own renders: it favours films in their style, and says nothing of beauty.

    Raises:
        InputError: pairs of which no scene is known, or films that the oracle cannot read.
    """
    asked = {name: pair.scene for name, pair in blind.pairs.items()}
    if not all(asked.values()):
        raise InputError(
            f"the oracle cannot judge {blind.folder}: what its prompts ask for is known only of held-out scenes"
        )
    films = list({side.path: None for pair in blind.pairs.values() for side in (pair.left, pair.right) if side.path})
    answers: dict[Path, dict[str, str]] = {}
    for start in range(0, len(films), BATCH):
        some = films[start : start + BATCH]
        readings = read(oracle, [look_at_film(path) for path in some])
        answers |= {path: reading.answers for path, reading in zip(some, readings, strict=True)}
        watch("films judged", len(answers), len(films))
    choices = {}
    for name, pair in blind.pairs.items():
        wanted = truth(from_dict(asked[name] or {}))
        left, right = (
            sum(answers[side.path][attribute] == word for attribute, word in wanted.items()) if side.path else 0
            for side in (pair.left, pair.right)
        )
        choices[name] = TIE if left == right else LEFT if left > right else RIGHT
    return choices


def keep_choices(blind: BlindSet, choices: dict[str, str]) -> Path:
    """Write the oracle's choices beside the key of a set, where scoring and training find them."""
    path = pairs.key_folder(blind.folder) / "votes-oracle.json"
    with replacing(path, force=True) as draft:
        draft.write_text(pairs.to_file(blind, pairs.ORACLE, choices), encoding="utf-8")
    return path


def look_at_film(path: Path) -> Look:
    """Look at a film's file as the oracle looks at generated ones: the same frames, made small by area.

    Raises:
        InputError: a film that is not wide, shorter than a second, or of another rate than 8, 16 or 24 fps.
    """
    film, fps = probe(path), round(float(probe(path).fps))
    if fps < 1 or fps % LATENT_FPS or film.num_frames < fps:
        raise InputError(f"{path} has {film.num_frames} frames at {fps} fps; the oracle reads a second and more at 8")
    if abs(film.width / film.height / (WIDTH / HEIGHT) - 1) > ASPECT_SLACK:
        raise InputError(f"{path} has {film.width}x{film.height} pixels; the oracle reads wide films, 16:9")
    reading, strip = frame_indices(film.num_frames, fps)
    wanted = {*reading.tolist(), *strip.tolist()}
    frames = {i: frame for i, frame in enumerate(decode.frames(path)) if i in wanted}

    def small(indices: np.ndarray, height: int, width: int) -> np.ndarray:
        pictures = torch.from_numpy(np.stack([frames[i] for i in indices.tolist()])).permute(0, 3, 1, 2)
        shrunk = F.interpolate(pictures.float() / 127.5 - 1, (height, width), mode="bilinear", antialias=True)
        return np.asarray(to_bytes(shrunk).permute(0, 2, 3, 1).numpy())

    return Look(
        frames=small(reading, HEIGHT, WIDTH),
        strip=small(strip, STRIP_HEIGHT, STRIP_WIDTH),
        duration_s=film.num_frames / fps,
    )
