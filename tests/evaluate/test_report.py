"""The table: bars as in the issue, 8 points for the other tiers, the oracle beside every score."""

from rushes.evaluate.metrics.prompt_fidelity import ATTRIBUTES, row
from rushes.evaluate.report import HEADINGS, as_markdown, as_text, as_values, lines

DISTANCES = {"made": 0.25, "floor": 0.01, "ceiling": 0.9}


def tier(right: int, oracle: int = 99):
    scores = [row(attribute, right, 100) for attribute in ATTRIBUTES]
    real = [row(attribute, oracle, 100) for attribute in ATTRIBUTES]
    return {
        "scores": scores,
        "real": real,
        "kernel_distance": None,
        "flicker": {"flicker": 2.0, "low": 1.8, "high": 2.2, "real": 1.5},
        "identity": {"identity": 0.9, "low": 0.88, "high": 0.92, "real": 0.95},
        "memorisation": {**row("memorised", 1, 100), "nearest": 1.5, "nearest_held_out": 1.6, "num_training": 100},
        "cost": {"seconds": 2.0, "cpu_s": 3.5, "peak_bytes": 2**30, "frames": 24},
        "films": [None] * 100,
    }


def report(**tiers):
    return {
        "rushes": "1",
        "machine": {"torch": "2", "processor": "x", "threads": 2},
        "weights": {"film": "0123456789abcdef"},
        "seed": 0,
        "num": 100,
        "seconds": 5.0,
        "autoencoder": {"psnr_db": 31.0, "psnr_db_error": 0.5, "edge_f1": 0.84, "edge_f1_error": 0.01, "num": 24},
        "oracle": [row(attribute, 96 if attribute == "kind" else 97, 100) for attribute in ATTRIBUTES],
        "tiers": tiers,
    }


def met(values, what):
    return {line.what: line.is_met for line in values}[what]


def test_the_short_tier_meets_the_bars_of_the_issue():
    table = lines(report(short=tier(85)))
    assert [met(table, f"short: {name}") for name in ATTRIBUTES[:6]] == [False, False, True, True, True, True]
    assert met(table, "short: motion") is None
    place = next(line for line in table if line.what == "short: place")
    assert (place.score, place.bar, place.oracle, place.films) == ("85.0 %", ">= 92.0 %", "99.0 %", "100")
    assert place.interval == "76.7 to 90.7"


def test_other_tiers_are_within_eight_points_of_it():
    table = lines(report(short=tier(80), feature=tier(72), flipbook=tier(71)))
    assert met(table, "feature: place") is True
    assert met(table, "flipbook: place") is False
    assert met(table, "flipbook: camera") is None
    assert met(lines(report(feature=tier(10))), "feature: place") is None


def test_the_autoencoder_and_the_oracle_have_bars():
    table = lines(report())
    assert met(table, "autoencoder at 1280x720: PSNR") is True
    assert met(table, "autoencoder at 1280x720: edge-F1") is False
    assert met(table, "oracle on real films: kind") is False
    assert met(table, "oracle on real films: place") is True


def test_distance_stands_beside_its_floor():
    part = tier(80)
    sides = {name: {"distance": d, "deviation": 0.001, "num": 100} for name, d in DISTANCES.items()}
    part["kernel_distance"] = sides
    line = next(line for line in lines(report(short=part)) if "distance" in line.what)
    assert line.score == "250.0"
    assert "real to real 10.0" in line.oracle and "shuffled to real 900.0" in line.oracle


def test_what_a_film_costs_and_repeats_is_said():
    table = {line.what: line for line in lines(report(short=tier(80)))}
    assert table["short: memorised"].score == "1.0 %"
    assert table["short: memorised"].oracle == "to 100 of training 1.50, real 1.60"
    assert table["short: one film's cost, without encoding"].score == "3.5 CPU s"
    assert table["short: identity"].oracle == "real films 0.950"
    assert table["short: flicker"].interval == "1.80 to 2.20"


def test_exams_stand_beside_real_films_and_chance():
    physics = {"scores": [row("physics", 85, 100)], "real": [row("measurable", 99, 100)]}
    physics["median_error"] = {"made": 0.2, "real": 0.01}
    pairs = {name: [row("kinds", right, 100)] for name, right in (("scores", 80), ("real", 95), ("chance", 5))}
    seen = {"scores": [row("kind", 50, 100)], "real": [row("kind", 99, 100)]}
    drift = {side: [{"second": 9, **row("kind", 40, 100)}] for side in ("scores", "real")}
    exams = {"physics": physics, "pairs": pairs, "seen": seen, "drift": drift}
    table = {line.what: line for line in lines(report() | {"exams": exams})}
    assert table["physics"].is_met is True and table["physics"].oracle == "median error 1.0%, measurable 99.0 %"
    assert table["two subjects: kinds"].is_met is False
    assert table["two subjects: kinds"].oracle == "95.0 %; by chance 5.0 %"
    assert table["seen combinations: kind"].score == "50.0 %"
    assert table["seen combinations: kind"].is_met is None
    beside = {line.what: line for line in lines(report(short=tier(45)) | {"exams": exams})}
    assert beside["seen combinations: kind"].is_met is False
    assert "45.0 %" in beside["seen combinations: kind"].bar
    assert table["second 10: kind"].oracle == "40.0 %" and table["second 10: kind"].is_met is None


def test_the_last_second_of_a_minute_has_a_bar():
    ends = [{"second": second, **row("kind", right, 100)} for second, right in ((0, 70), (59, 80))]
    minutes = {"scores": ends, "real": ends}
    table = {line.what: line for line in lines(report() | {"exams": {"minutes": minutes}})}
    assert table["a minute, second 1: kind"].is_met is None
    last = table["a minute, second 60: kind"]
    assert last.is_met is False and last.bar == ">= 85 %" and last.oracle == "80.0 %"


def test_text_and_markdown_show_every_line():
    whole = report(short=tier(85))
    table = lines(whole)
    text, page = as_text(table), as_markdown(table, whole)
    assert len(text.splitlines()) == len(table) + 2
    assert all(heading in text and heading in page for heading in HEADINGS)
    assert page.count("\n|") == len(table) + 2
    assert "`0123456789ab`" in page and "seed 0" in page
    assert "NO" in text and "yes" in text
    assert as_values(table)[0]["is_met"] is True


def test_whom_votes_prefer_stands_below_the_scores():
    said = {"contestants": [{"name": "ours", "num": 100, "share": 0.7, "low": 0.604, "high": 0.781}]}
    last = lines(report() | {"preference": {"people": said}})[-1]
    assert last.cells()[:4] == ("preferred by people: ours", "70.0 %", "60.4 to 78.1", "100 votes")
