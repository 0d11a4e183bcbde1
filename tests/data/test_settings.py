"""Tests of keys: what was saved and read again has the key that it had."""

from dataclasses import replace

from rushes import config as configs
from rushes.data import settings
from rushes.data.decode.analysis import AnalysisConfig
from rushes.data.packing.cut import CutConfig
from rushes.data.settings import CurateConfig
from rushes.data.shots import ShotConfig


def test_a_whole_number_in_a_float_field_has_one_key_before_and_after_json():
    config = CurateConfig(
        analysis=AnalysisConfig(pictures_per_s=4), shots=ShotConfig(max_s=6), cut=CutConfig(shortest_s=1)
    )
    saved = configs.from_dict(CurateConfig, configs.to_dict(config))
    assert type(config.shots.max_s) is int and type(saved.shots.max_s) is float
    for made in (settings.analysis_key, settings.cutting_key):
        made_first = made(config)
        settings._cutting_key.cache_clear()
        settings._analysis_key.cache_clear()
        assert made(saved) == made_first


def test_keys_are_those_of_datasets_that_were_made_before():
    assert settings.analysis_key(CurateConfig()) == "59d3cd853c04"
    assert settings.cutting_key(CurateConfig()) == "ee636709704e"


def test_a_change_of_what_clips_depend_on_changes_the_key():
    config = CurateConfig()
    assert settings.cutting_key(replace(config, shots=ShotConfig(max_s=7))) != settings.cutting_key(config)
    assert settings.analysis_key(replace(config, shots=ShotConfig(max_s=7))) == settings.analysis_key(config)
    assert settings.cutting_key(replace(config, licence="CC0-1.0")) == settings.cutting_key(config)
