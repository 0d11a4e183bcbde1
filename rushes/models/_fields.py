"""What a captioner says of a film as fields: their names, their values for the writer, and how sure it is of them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

SUBJECTS = 2
SUBJECT_FIELDS = ("kind", "colour", "size", "motion", "direction")
FILM_FIELDS = ("count", "relation", "place", "time", "weather", "camera", "shot", "style")
FIELDS = SUBJECT_FIELDS + FILM_FIELDS
STILL_FIELDS = ("kind", "colour", "size", "count", "place", "time", "weather", "shot", "style")
TAGS = ("blurred", "noisy", "dim")


def value_sizes(labels: dict[str, tuple[str, ...]]) -> list[int]:
    """Return how many values each of the writer's fields has: the subjects', the film's, then the tags'."""
    of_subjects = [len(labels[a]) for a in SUBJECT_FIELDS] * SUBJECTS
    return [*of_subjects, *(len(labels[a]) for a in FILM_FIELDS), *(2 for _ in TAGS)]


def value_ids(labels: dict[str, tuple[str, ...]], fields: dict[str, Any]) -> list[int]:
    """Return the writer's values of fields as `Description` has them; 0 is unknown."""
    subjects = [*fields["subjects"], {}, {}][:SUBJECTS]
    found = [(labels[a], subject.get(a)) for subject in subjects for a in SUBJECT_FIELDS]
    found += [(labels[a], fields.get(a)) for a in FILM_FIELDS]
    ids = [words.index(word) + 1 if word in words else 0 for words, word in found]
    tags = fields.get("quality")
    return ids + [0 if tags is None else 1 + (tag in tags) for tag in TAGS]


def read_out(
    labels: dict[str, tuple[str, ...]], logits: dict[str, Tensor], tags: Tensor, index: int, least: float
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the fields of one film, and how sure each is; the subject that acts comes first."""
    best = {a: x[index].softmax(-1).max(-1) for a, x in logits.items()}
    sure: dict[str, Any] = {a: best[a].values.tolist() for a in FIELDS}
    said: dict[str, Any] = {a: best[a].indices.tolist() for a in FIELDS}
    fields: dict[str, Any] = {}
    confidence: dict[str, float] = {}
    for a in FILM_FIELDS:
        confidence[a] = round(sure[a], 4)
        fields[a] = labels[a][said[a]] if sure[a] >= least else None
    count = int(labels["count"][said["count"]])
    subjects = []
    for side in range(count):
        subjects.append({a: labels[a][said[a][side]] if sure[a][side] >= least else None for a in SUBJECT_FIELDS})
        confidence |= {f"subjects.{side}.{a}": round(sure[a][side], 4) for a in SUBJECT_FIELDS}
    if count == 1:
        fields["relation"] = "none"
    elif fields["relation"] == "none":
        fields["relation"] = None
    if count == SUBJECTS and acts_second(fields["relation"], subjects[0]["direction"]):
        subjects.reverse()
        sides = {
            f"subjects.{1 - side}.{a}": confidence[f"subjects.{side}.{a}"] for side in (0, 1) for a in SUBJECT_FIELDS
        }
        confidence |= sides
    chances = tags[index].sigmoid().tolist()
    fields = {"subjects": subjects, **fields, "quality": [tag for tag, p in zip(TAGS, chances, strict=True) if p > 0.5]}
    confidence["quality"] = round(min(max(p, 1 - p) for p in chances), 4)
    return fields, confidence


def hold_still(fields: dict[str, Any], confidence: dict[str, float]) -> None:
    """Forget what nobody can see in a still."""
    fields["camera"] = None
    if fields["relation"] in ("passes", "chases", "collides"):
        fields["relation"] = None
    for subject in fields["subjects"]:
        subject["motion"] = subject["direction"] = None
    for name in [name for name in confidence if name.rpartition(".")[2] in ("motion", "direction", "camera")]:
        del confidence[name]


def acts_second(relation: str | None, direction: str | None) -> bool:
    """Return whether the subject that a relation is told of is the one that started on the right."""
    return relation == "behind" or (relation == "chases" and direction == "left")
