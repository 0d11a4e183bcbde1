"""Tests of the meter: what the machine counts is reported, and nothing is claimed where it does not count."""

from rushes.serve.metering import Meter


def test_joules_are_the_sum_of_the_packages_differences(tmp_path):
    for name, start in (("intel-rapl:0", 1_000_000), ("intel-rapl:1", 5_000_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(str(start))
    meter = Meter(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3500000")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("17")  # this one wrapped around
    assert meter.reading() == {"energy_j": 2.5, "energy_source": "rapl"}


def test_without_counters_nothing_is_claimed(tmp_path):
    assert Meter(tmp_path).reading() == {"energy_j": None, "energy_source": "unavailable"}
