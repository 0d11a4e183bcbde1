"""Words that an adapter teaches: the cut-out model draws what they name, the other models hear what that is like.

w words, d width
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from rushes.errors import InputError, WeightsError
from rushes.models._rewrite import read
from rushes.models.backdrop import BackdropModel
from rushes.models.cutout import CutoutModel
from rushes.models.layout import LayoutModel
from rushes.models.text import WORD, Vocabulary
from rushes.models.transformer import Transformer
from rushes.nn import lora
from rushes.nn.lora import Adapter

FAMILY = "cutout"
MOST_WORDS = 4  # of a name


class Heard(Vocabulary):
    """A vocabulary that hears what a subject is like wherever a text says its name; its own words stay."""

    def __init__(self, plain: Vocabulary, name: str, like: str) -> None:
        self.plain, self.ids, self.length = plain, plain.ids, plain.length
        self.name, self.like = pattern(name), like

    def split(self, text: str) -> list[str]:
        """Return the words of `text` in lower case, the name's replaced."""
        return self.plain.split(self.name.sub(lambda found: said(self.like, bool(found[1])), text.lower()))


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a name in a text in lower case, with the article before it."""
    named = r"\s+".join(map(re.escape, WORD.findall(name.lower())))
    return re.compile(rf"(?<![\w'-])(an? )?{named}(?![\w'-])")


def said(noun: str, with_article: bool = True) -> str:
    """Return a noun with its article: `a cat`, `an orange cat`."""
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}" if with_article else noun


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a subject's name. Raises: InputError where it has none or too many."""
    words = tuple(WORD.findall(name.lower()))
    if not 1 <= len(words) <= MOST_WORDS or len(set(words)) < len(words):
        raise InputError(f"name {name!r} is illegal: it has 1 to {MOST_WORDS} different words, for instance name=fox")
    return words


def learned(known: Vocabulary, name: str) -> tuple[str, ...]:
    """Return the words of a name that are to be learned: those that are new, or the last where none is."""
    words = words_of(name)
    return tuple(word for word in words if word not in known.ids) or words[-1:]


@torch.no_grad()
def make_room(model: CutoutModel, words: Sequence[str], like: str) -> list[int]:
    """Return the ids of words; those that a model does not know are new ones that mean what `like` does."""
    known, old = model.vocabulary, model.text.words
    new = [word for word in words if word not in known.ids]
    start = old.weight[[known.ids[word] for word in known.split(like)]].mean(0, keepdim=True)
    model.vocabulary = Vocabulary((*known.ids, *new), known.length)
    rows = torch.cat((old.weight, start.expand(len(new), -1)))
    model.text.words = nn.Embedding.from_pretrained(rows, freeze=True)
    return [model.vocabulary.ids[word] for word in words]


@torch.no_grad()
def teach(model: CutoutModel, adapter: Adapter, strength: float = 1.0) -> None:
    """Add a subject's adapter, times `strength`, to a cut-out model, in place.

    Raises:
        WeightsError: an adapter that teaches no subject, or other weights.
    """
    width, facts = model.config.text.width, adapter.facts
    if adapter.model != FAMILY or not adapter.words or not facts.get("name") or not facts.get("like"):
        raise WeightsError("the adapter teaches no subject")
    strange = model.vocabulary.unknown(str(facts["like"]))
    if strange or adapter.rows.shape != (len(adapter.words), width):
        raise WeightsError("the adapter's words do not fit these weights: it was made for others")
    lora.merge(model, adapter, strength)
    ids = make_room(model, adapter.words, str(facts["like"]))
    rows = model.text.words.weight
    rows[ids] = torch.lerp(rows[ids], adapter.rows, strength)


class Cast:
    """A cut-out model with adapters: each draws the subject that it teaches, where a prompt names it, and nobody else.

    So films without the subject stay what they were, bit for bit, and many subjects can be there at once.
    """

    def __init__(self, model: CutoutModel) -> None:
        self.model = model
        self.adapters: list[tuple[Adapter, float]] = []

    def add(self, adapter: Adapter, strength: float = 1.0) -> None:
        """Take in an adapter. Raises: WeightsError where it does not fit."""
        teach(copy.deepcopy(self.model), adapter, strength)
        self.adapters.append((adapter, strength))

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the model's own; adapters have few."""
        return self.model.parameters()

    def cut(self, prompt: str, random: torch.Generator) -> Tensor:
        """Draw what a prompt's first and second subject look like, `[2 4 p p]`, as `CutoutModel.cut` does.

        Whoever draws one hears of the others what they are like.
        """
        start, text = random.get_state(), prompt.lower()
        pictures = list(self.model.cut(self._heard(text), random))
        for adapter, strength in self.adapters:
            others = self._heard(text, but=adapter)
            if found := pattern(str(adapter.facts["name"])).search(others):
                before = sum(subject.kind is not None for subject in read(others[: found.start()]).subjects)
                model = copy.deepcopy(self.model)
                teach(model, adapter, strength)
                random.set_state(start)
                pictures[min(before, 1)] = model.cut(others, random)[min(before, 1)]
        return torch.stack(pictures)

    def _heard(self, text: str, but: Adapter | None = None) -> str:
        """Return a text with every name that is taught, but one, replaced by what it is like."""
        for adapter, _ in self.adapters:
            if adapter is not but:
                name, like = pattern(str(adapter.facts["name"])), str(adapter.facts["like"])
                text = name.sub(lambda found, like=like: said(like, bool(found[1])), text)  # type: ignore[misc]
        return text


def tell(model: Transformer | LayoutModel | BackdropModel, adapter: Adapter) -> None:
    """Let a model that never saw an adapter's subject hear what it is like."""
    model.vocabulary = Heard(model.vocabulary, str(adapter.facts["name"]), str(adapter.facts["like"]))
