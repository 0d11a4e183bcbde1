"""Tests overrides and JSON round trips, as properties and with the mistakes that people make."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.config import from_dict, override, save, to_dict
from rushes.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    inner: Inner = field(default_factory=Inner)
    spare: Inner | None = None
    is_fast: bool = False
    count: int = 3
    tiers: tuple[str, ...] = ()
    stages: tuple[Inner, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    dtype: Literal["fp32", "bf16"] = "fp32"
    folder: Path = Path("runs")
    limit: int | str = 1
    twice: int = field(init=False, default=0)


FLOATS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)  # generation flushes them to zero
INNERS = st.builds(Inner, lr=FLOATS, betas=st.tuples(FLOATS, FLOATS), steps=st.none() | st.integers())
OUTERS = st.builds(
    Outer,
    name=st.text(),
    inner=INNERS,
    spare=st.none() | INNERS,
    is_fast=st.booleans(),
    count=st.integers(),
    tiers=st.lists(st.text(), max_size=3).map(tuple),
    stages=st.lists(INNERS, max_size=3).map(tuple),
    weights=st.dictionaries(st.text(), FLOATS, max_size=3),
    dtype=st.sampled_from(["fp32", "bf16"]),
    folder=st.sampled_from([Path("runs"), Path("/tmp/a b")]),
    limit=st.integers() | st.text(),
)


@given(OUTERS)
def test_a_config_survives_json(config: Outer) -> None:
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config
    assert from_dict(Outer, to_dict(config)) == config


@given(st.integers(-(2**63), 2**63 - 1), FLOATS, st.booleans(), st.tuples(FLOATS, FLOATS))
def test_an_override_sets_exactly_its_key(count: int, lr: float, is_fast: bool, betas: tuple[float, float]) -> None:
    config = Outer(name="a")
    texts = [f"count={count}", f"inner.lr={lr!r}", f"is_fast={str(is_fast).lower()}", f"inner.betas={list(betas)}"]
    inner = dataclasses.replace(config.inner, lr=lr, betas=betas)
    assert override(config, texts) == dataclasses.replace(config, count=count, is_fast=is_fast, inner=inner)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\"'")))
def test_a_bare_word_is_a_string_as_typed(text: str) -> None:
    assert override(Outer(name="a"), [f"name={text}"]).name == text.strip()


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("name=3", "name", "3"),
        ("name='3 # x'", "name", "3 # x"),
        ("name=a=b", "name", "a=b"),
        ("name=1\ncount = 2", "name", "1\ncount = 2"),
        (" count = 4 ", "count", 4),
        ("tiers=['short', \"feature\"]", "tiers", ("short", "feature")),
        ("tiers=[]", "tiers", ()),
        ("stages=[{lr = 2}]", "stages", (Inner(lr=2.0),)),
        ("spare={steps = 2}", "spare", Inner(steps=2)),
        ("weights={a = 1}", "weights", {"a": 1.0}),
        ("dtype=bf16", "dtype", "bf16"),
        ("folder=a/b", "folder", Path("a/b")),
        ("limit=2", "limit", 2),
        ("limit=two", "limit", "two"),
    ],
)
def test_values_are_read_by_their_type(text: str, name: str, value: object) -> None:
    got = getattr(override(Outer(name="a"), [text]), name)
    assert (got, type(got)) == (value, type(value))


def test_none_and_numbers_reach_an_optional_key() -> None:
    config = override(Outer(name="a"), ["inner.steps=5"])
    assert config.inner.steps == 5
    assert override(config, ["inner.steps=none"]).inner.steps is None
    assert override(Outer(name="a", spare=Inner()), ["spare.steps=2", "spare=none"]).spare is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("count", "'count' is no key=value; for instance count=1"),
        ("cuont=1", "unknown key 'cuont'; known keys here: count, name, inner"),
        ("inner.lrr=1", "unknown key 'inner.lrr'; known keys here: lr, betas, steps"),
        ("twice=1", "unknown key 'twice'"),
        ("count.x=1", "unknown key 'count.x': count has no keys of its own"),
        ("inner=1", "'inner' holds keys of its own; name one of lr, betas, steps"),
        ("count=1.5", "count=1.5 is no int"),
        ("count=true", "count=True is no int"),
        ("count=", "count= is no int"),
        ("count=none", "count=none is no int"),
        ("count=1\nname = 'b'", "is no int"),
        ("inner.lr=true", "inner.lr=True is no float"),
        ("inner.lr=fast", "inner.lr=fast is no float"),
        ("inner.steps=x", "inner.steps=x is no int"),
        ("is_fast=1", "is_fast=1 is no bool; legal: true, false"),
        ("is_fast=True", "is_fast=True is no bool; legal: true, false"),
        ("inner.betas=[0.9]", "inner.betas has 1 values; it takes 2"),
        ("tiers=short", "tiers=short is no tuple"),
        ("tiers=[1]", "tiers[0]=1 is no str"),
        ("dtype=bf61", "dtype=bf61 is illegal; legal: bf16, fp32"),
    ],
)
def test_a_mistake_is_one_clear_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        override(Outer(name="a"), [text])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "a Outer needs name"),
        ({"name": "a", "cuont": 1}, "unknown key 'cuont' in a Outer; known keys: count, name"),
        ({"name": 3}, "name=3 is no str"),
        ({"name": None}, "name=None is no str"),
        ({"name": "a", "inner": 3}, "inner=3 is no Inner"),
        ({"name": "a", "inner": {"lr": "x"}}, "lr=x is no float"),
        ({"name": "a", "count": 1.0}, "count=1.0 is no int"),
    ],
)
def test_a_foreign_dict_is_refused(values: dict, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        from_dict(Outer, values)


def test_a_saved_config_is_whole_json(tmp_path: Path) -> None:
    config = Outer(name="läuft", tiers=("short",))
    save(config, tmp_path / "config.json")
    assert from_dict(Outer, json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))) == config
    with pytest.raises(TypeError):
        save(dataclasses.replace(config, name=object()), tmp_path / "config.json")  # type: ignore[arg-type]
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["name"] == "läuft"
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]
