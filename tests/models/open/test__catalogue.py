"""Tests that a name, an address or a folder means the right model, and a wrong one the nearest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rushes.errors import InputError, WeightsError
from rushes.models.open import _catalogue as catalogue


def folder(place: Path, kind: str, **config: object) -> Path:
    (place / "transformer").mkdir(parents=True)
    index = {"_class_name": kind, "transformer": ["diffusers", "X"]}
    (place / "model_index.json").write_text(json.dumps(index))
    (place / "transformer/config.json").write_text(json.dumps(config))
    return place


@pytest.mark.parametrize("name", ["wan2.1-1.3b", "wan2.1-14b", "wan2.2-5b", "cogvideox-2b", "ltx-video-13b"])
def test_a_folder_is_recognised_by_its_class_and_its_denoiser(tmp_path: Path, name: str) -> None:
    checkpoint = catalogue.find(name).checkpoint
    place = folder(tmp_path / "x", checkpoint.makes, **checkpoint.architecture)
    found = catalogue.find(str(place))
    assert (found.checkpoint.name, found.folder) == (name, place)


def test_names_and_addresses() -> None:
    assert catalogue.find("https://films.example.org/v1#sora-2").family.name == "remote"
    with pytest.raises(InputError, match=r"there is no model 'wan2.1-1.4b'; known: wan2\.1-.* \(rushes models\)"):
        catalogue.find("wan2.1-1.4b")


def test_a_folder_of_no_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds a WanVACEPipeline; known: Wan"):
        catalogue.find(str(folder(tmp_path / "x", "WanVACEPipeline")))
    with pytest.raises(WeightsError, match=r"model_index\.json is missing"):
        catalogue.find(str(tmp_path))
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(WeightsError, match="is no JSON object"):
        catalogue.find(str(tmp_path))
