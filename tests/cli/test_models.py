"""Tests `rushes models`: every model is listed with what people need to choose one."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from rushes.cli.main import main
from rushes.config import from_dict
from rushes.models.open import _catalogue as catalogue
from rushes.tiers import Native


def models(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


def test_every_model_has_a_line() -> None:
    lines = models().stdout.splitlines()
    named = [line.split()[0] for line in lines[1:] if line and not line.startswith(("B:", "rushes models"))]
    assert named == ["rushes", *catalogue.models()]
    wan = next(line for line in lines if line.startswith("wan2.1-i2v-14b-480p"))
    assert "16.4" in wan and "first!" in wan and wan.endswith("Apache-2.0")


def test_one_model_is_told_in_full() -> None:
    said = models("wan2.2-a14b").stdout
    for word in ("Wan-AI/Wan2.2-T2V-A14B-Diffusers", "28.58 B", "float32 137.0 GB", "legal: 4 k + 1, 81 at most"):
        assert word in said, (word, said)
    assert "there is no model 'wan3'" in models("wan3").stderr


def test_json_holds_what_a_studio_needs() -> None:
    lines = [json.loads(line) for line in models("--json").stdout.splitlines()]
    known = catalogue.models()
    assert {each["name"] for each in lines} == set(known)
    for each in lines:
        assert from_dict(Native, each["native"]) == known[each["name"]].checkpoint.native
