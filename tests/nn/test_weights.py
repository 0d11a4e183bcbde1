"""Tests of weights files: what is saved comes back, and nothing else gets in."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from rushes.errors import WeightsError
from rushes.nn import weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    width: int = 4


def layer(width: int = 4) -> nn.Module:
    model = nn.Linear(width, 3)
    model.register_buffer("mean", torch.tensor([1 / 3, 2 / 3]))
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return weights.save(layer(), tmp_path / "w", family="toy", config=Size(), facts={"steps": 7})


def test_round_trip_keeps_buffers_exactly_and_parameters_as_bfloat16(tmp_path: Path) -> None:
    model = layer()
    folder = weights.save(model, tmp_path / "w", family="toy", config=Size())
    found = weights.load(layer(), folder, family="toy")
    assert torch.equal(found.mean, model.mean)
    assert torch.equal(found.weight, model.weight.to(torch.bfloat16).float())
    assert not found.training and not any(p.requires_grad for p in found.parameters())
    assert {path.name for path in folder.iterdir()} == {weights.FILE, weights.CONFIG}


def test_the_record_says_what_the_weights_are(saved: Path) -> None:
    record = weights.read_config(saved, family="toy")
    assert record["config"] == {"width": 4} and record["facts"] == {"steps": 7}
    assert record["sha256"] == weights.digest(saved / weights.FILE)


def test_saving_twice_gives_the_same_file(saved: Path, tmp_path: Path) -> None:
    again = weights.save(weights.load(layer(), saved, family="toy"), tmp_path / "b", family="toy", config=Size())
    assert (again / weights.FILE).read_bytes() == (saved / weights.FILE).read_bytes()


def test_a_truncated_file_is_refused_by_hash(saved: Path) -> None:
    whole = (saved / weights.FILE).read_bytes()
    wanted = weights.digest(saved / weights.FILE)
    (saved / weights.FILE).write_bytes(whole[:-5])
    with pytest.raises(WeightsError, match=f"{weights.digest(saved / weights.FILE)[:16]}.*not {wanted[:16]}"):
        weights.load(layer(), saved, family="toy")


def test_one_flipped_bit_is_refused_by_hash(saved: Path) -> None:
    content = bytearray((saved / weights.FILE).read_bytes())
    content[-1] ^= 1
    (saved / weights.FILE).write_bytes(content)
    with pytest.raises(WeightsError, match="damaged or foreign"):
        weights.load(layer(), saved, family="toy")


def record_hash(folder: Path) -> None:
    """Make the record vouch for whatever file is there."""
    record = json.loads((folder / weights.CONFIG).read_text())
    record["sha256"] = weights.digest(folder / weights.FILE)
    (folder / weights.CONFIG).write_text(json.dumps(record))


def test_a_file_that_is_no_safetensors_is_refused(saved: Path) -> None:
    (saved / weights.FILE).write_bytes(b"no tensors here")
    record_hash(saved)
    with pytest.raises(WeightsError, match=r"SHA-256 [0-9a-f]{16}.*does not fit"):
        weights.load(layer(), saved, family="toy")


def test_tensors_of_another_shape_are_refused(saved: Path) -> None:
    with pytest.raises(WeightsError, match=r"SHA-256 [0-9a-f]{16}.*does not fit"):
        weights.load(layer(5), saved, family="toy")


def test_a_missing_file_is_named_with_its_hash(saved: Path) -> None:
    wanted = weights.digest(saved / weights.FILE)
    (saved / weights.FILE).unlink()
    with pytest.raises(WeightsError, match=wanted):
        weights.load(layer(), saved, family="toy")


def test_another_family_is_refused(saved: Path) -> None:
    with pytest.raises(WeightsError, match="holds toy, not oracle weights"):
        weights.load(layer(), saved, family="oracle")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"toy"', "{}", '{"family": "toy"}', '{"family": "toy", "sha256": "0"}']
)
def test_a_foreign_record_is_refused(saved: Path, text: str) -> None:
    (saved / weights.CONFIG).write_text(text)
    with pytest.raises(WeightsError):
        weights.read_config(saved, family="toy")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are no weights in"):
        weights.read_config(tmp_path / "none", family="toy")
