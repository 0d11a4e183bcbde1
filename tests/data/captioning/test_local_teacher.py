"""Tests of a teacher in this process: a tiny model of transformers' classes that sees; folders that hold none."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import teachers_there
import torch
import transformers
from safetensors.torch import load_file, save_file

from rushes.data.captioning.local_teacher import fingerprint
from rushes.data.captioning.looking import to_jpeg
from rushes.data.captioning.teachers import open_teacher, parse
from rushes.errors import InputError, RushesError


def jpegs(level: int) -> list[bytes]:
    return [to_jpeg(np.full((90, 160, 3), level, np.uint8))] * teachers_there.PICTURES


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return teachers_there.save_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def broken(taught: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function: a copy of the teacher in which some files are other ones, or gone."""

    def copy(**files: str | None) -> Path:
        folder = shutil.copytree(taught, tmp_path / "broken")
        for name, content in files.items():
            path = folder / name.replace("__", ".")
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_text(content)
        return folder

    return copy


def test_it_sees_the_pictures_and_answers(taught: Path) -> None:
    ask = open_teacher(parse(f"transformers {taught}"))
    assert {level: ask(jpegs(level)) for level in teachers_there.SAYS} == teachers_there.SAYS


def test_an_answer_ends_with_its_tokens_or_its_time(taught: Path) -> None:
    assert open_teacher(parse(f"transformers {taught} tokens=2"))(jpegs(0)) == '{"medium": "a'
    with pytest.raises(RushesError, match="not complete after"):
        open_teacher(parse(f"transformers {taught} timeout_s=1e-6"))(jpegs(0))


def test_a_template_without_pictures_fails_the_clip_and_not_the_run(broken: Callable[..., Path]) -> None:
    ask = open_teacher(parse(f"transformers {broken(chat_template__jinja='{{ messages[0].content.nothing.at_all }}')}"))
    with pytest.raises(RushesError, match="cannot answer"):
        ask(jpegs(0))


def refusal(folder: object) -> str:
    with pytest.raises(RushesError) as refused:
        open_teacher(parse(f"transformers {folder}"))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500
    return str(refused.value)


def test_folders_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    assert "there is no folder /no/such/folder; legal: a folder" in refusal("/no/such/folder")
    assert "there are no weights in" in refusal(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    assert "only safetensors are read" in refusal(tmp_path)


def test_weights_that_are_cut_short_are_refused(broken: Callable[..., Path]) -> None:
    folder = broken()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "is truncated" in refusal(folder)
    with pytest.raises(RushesError, match="is truncated"):
        fingerprint(str(folder))


def test_weights_that_are_missing_are_told_and_never_drawn(broken: Callable[..., Path]) -> None:
    folder = broken()
    kept = load_file(folder / "model.safetensors")
    dropped = next(name for name in kept if "v_proj" in name)
    save_file({name: x for name, x in kept.items() if name != dropped}, folder / "model.safetensors", {"format": "pt"})
    assert "lacks 1 of its model's weights" in refusal(folder)


def test_a_model_of_words_alone_is_refused(tmp_path: Path) -> None:
    words = transformers.LlamaForCausalLM(teachers_there.text_config())
    folder = teachers_there.save(tmp_path / "words", teachers_there.words(), words)
    assert "holds no vision-language model" in refusal(folder)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"config__json": "{"}, "holds no vision-language model"),
        ({"config__json": '{"model_type": "nobody_knows"}'}, "holds no vision-language model"),
        ({"chat_template__jinja": None}, "no image processor or chat template"),
        ({"processor_config__json": None}, "holds no vision-language model|no image processor"),
        ({"tokenizer__json": "{}"}, "holds no vision-language model"),
    ],
)
def test_folders_with_something_else_are_refused(broken: Callable[..., Path], files: dict, said: str) -> None:
    folder = broken(**files)
    with pytest.raises(InputError, match=said):
        open_teacher(parse(f"transformers {folder}"))


def test_code_that_lies_beside_the_weights_never_runs(broken: Callable[..., Path], tmp_path: Path) -> None:
    folder = broken(evil__py=f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: ...\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.Evil"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    assert "holds no vision-language model" in refusal(folder)
    assert not (tmp_path / "ran").exists()


def test_a_model_that_reads_films_too_says_what_it_lacks(tmp_path: Path) -> None:
    if transformers.utils.is_torchvision_available():
        pytest.skip("torchvision is installed")
    words = teachers_there.words()
    teachers_there.save(tmp_path, words, transformers.Qwen2VLImageProcessorPil(), teachers_there.network())
    told = tmp_path / "preprocessor_config.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"processor_class": "Qwen2VLProcessor"}))
    said = refusal(tmp_path)
    assert "also reads films and needs torchvision" in said and said.endswith("pip install torchvision")


def test_without_the_library_it_says_how_to_get_it(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"needs transformers, which is not installed: pip install .*families"):
        open_teacher(parse(f"transformers {taught}"))


def test_a_teacher_is_told_by_its_weights_and_words_not_by_its_place(taught: Path, broken: Callable[..., Path]) -> None:
    elsewhere = broken()
    before = parse(f"transformers {taught}").shapes_answers
    assert parse(f"transformers {elsewhere}").shapes_answers == before
    (elsewhere / "chat_template.jinja").write_text(teachers_there.TEMPLATE + " ")
    assert parse(f"transformers {elsewhere}").shapes_answers != before


def test_the_model_is_asked_in_a_dtype_that_the_machine_is_fast_in(tmp_path: Path) -> None:
    half = teachers_there.network().to(torch.bfloat16)  # as most are shipped
    folder = teachers_there.save(tmp_path / "half", teachers_there.processor(), half)
    assert open_teacher(parse(f"transformers {folder} tokens=3"))(jpegs(0))
