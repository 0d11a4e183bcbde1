"""Tests of select: claims in plain words, every reason named, mistakes explained, duplicates and balance."""

import numpy as np
import pyarrow as pa
import pytest

from rushes.data import select
from rushes.data.dataset import SOURCE_SCHEMA
from rushes.data.dedup import DedupConfig
from rushes.data.ledger import row_schema, rows_to_table
from rushes.data.select import SelectConfig
from rushes.data.stages import hash as hashes
from rushes.errors import InputError

CLIPS = pa.table({"clip_id": list("abcd"), "source": list("sstt"), "width_px": [100, 200, 300, 400]})
SOURCES = rows_to_table(
    [
        {"sha256": "s", "codec": "h264", "outcome": "ok"},
        {"sha256": "t", "codec": "hevc", "outcome": "ok"},
        {"sha256": "s", "outcome": "duplicate"},
    ],
    SOURCE_SCHEMA,
)
MOTION = rows_to_table(
    [
        {"clip_id": "c", "outcome": "ok", "median": 0.3},
        {"clip_id": "a", "outcome": "ok", "median": 0.1},
        {"clip_id": "b", "outcome": "failed", "median": 9.0},
    ],
    row_schema({"median": "float32", "vector": "list<float16>"}),
)
TABLE = select.measured(CLIPS, {"motion": MOTION, "freeze": MOTION}, SOURCES)


def test_every_reason_is_named_and_the_first_stands_out():
    config = SelectConfig(cuts={"too narrow": "width_px >= 150", "too still": "motion.median > 0.2"})
    rows = select.select(TABLE, config).to_pylist()
    assert [row["reasons"] for row in rows] == [
        ["too narrow", "too still"],
        ["too still (not measured)"],
        [],
        ["too still (not measured)"],
    ]
    assert [row["kept"] for row in rows] == [False, False, True, False]
    assert rows[0]["reason"] == "too narrow" and [row["weight"] for row in rows] == [0, 0, 1, 0]
    counts = select.funnel(select.select(TABLE, config))
    assert counts["seen"] == 4 and counts["kept"] == 1
    assert counts["first"] == {"too still (not measured)": 2, "too narrow": 1}
    assert counts["any"] == {"too still (not measured)": 2, "too narrow": 1, "too still": 1}


def test_claims_see_sources_and_words_of_the_language():
    assert select.claims(TABLE, {"x": "sources.codec = 'h264'"})["x"] == [True, True, False, False]
    assert select.claims(TABLE, {"x": "coalesce(freeze.median, 0) < 0.2 and 'freeze.x' <> ''"})["x"][:3] == [
        True,
        True,
        False,
    ]
    assert select.claims(CLIPS.slice(0, 0), {"x": "width_px > 1"}) == {"x": []}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("widht_px > 1", "'widht_px' is no column; the nearest is 'width_px'; known: clip_id"),
        ("motion.medain > 1", r"'motion\.medain' is no column; the nearest is 'motion\.median'"),
        ("width_px", "gives BIGINT; a claim is true or false"),
        ("width_px > ", "is no expression"),
        ("width_px > 'much'", "is no expression"),
        ("frobnicate(width_px)", "is no expression"),
        ("(select count(*) from read_text('/etc/passwd')) > 0", "is no expression"),
    ],
)
def test_mistakes_are_explained(text, said):
    with pytest.raises(InputError, match=f"cut 'why': .*{said}"):
        select.claims(TABLE, {"why": text})


def test_duplicates_are_sought_among_clips_that_every_cut_keeps():
    asked = []

    def duplicates(ids):
        asked.extend(ids)
        return {"d": ("c", 0.9)}

    config = SelectConfig(cuts={"too narrow": "width_px >= 150"})
    rows = select.select(TABLE, config, duplicates=duplicates).to_pylist()
    assert asked == ["b", "c", "d"]
    assert (rows[3]["reason"], rows[3]["duplicate_of"], round(rows[3]["similarity"], 3)) == ("duplicate", "c", 0.9)
    keeping = SelectConfig(drop_duplicates=False)
    assert all(row["kept"] for row in select.select(TABLE, keeping, duplicates=duplicates).to_pylist())


def test_crowded_clusters_weigh_less():
    vectors = {"a": [1, 0], "b": [1, 0.01], "c": [1, 0.02], "d": [0, 1]}
    config = SelectConfig(embedding="caption", num_clusters=2)
    rows = select.select(TABLE, config, embeddings=lambda ids: {i: vectors[i] for i in ids}).to_pylist()
    assert len({row["cluster"] for row in rows[:3]}) == 1 != rows[3]["cluster"]
    assert rows[3]["weight"] == pytest.approx(rows[0]["weight"] * 3**0.5, rel=1e-3)


def test_embeddings_are_looked_up_by_clip():
    schema = row_schema({"embedding": "list<float16>"})
    table = rows_to_table([{"clip_id": "a", "embedding": [1.0]}, {"clip_id": "b"}], schema)
    look_up = select.embeddings_of({"caption": table}, "caption")
    assert look_up is not None and look_up(["a", "b"]) == {"a": [1.0]}
    assert select.embeddings_of({"caption": table}, "") is None


def test_duplicates_are_sought_part_by_part_among_the_clips_that_are_left():
    random = np.random.default_rng(0)
    shown = {name: random.integers(0, 256, (3, 27, 48), np.uint8) for name in "ac"}
    clips = pa.table({"clip_id": list("abcd"), "height_px": [90] * 4, "width_px": [160] * 4, "duration_s": [5.0] * 4})
    means = {"d": shown["a"], "a": shown["a"], "c": shown["c"], "b": None}
    rows = [{"clip_id": name, "means": None if hash_ is None else hashes.pack(hash_)} for name, hash_ in means.items()]
    schema = row_schema({"means": "binary"})

    def among(*ids):
        parts = (rows_to_table(part, schema) for part in (rows[:2], [], rows[2:]))
        return select.duplicates_among(clips, parts, None, DedupConfig())(ids)

    assert among("a", "b", "c", "d") == {"d": ("a", pytest.approx(1.0, abs=1e-3))}
    assert among("b", "c", "d") == among("b") == {}
