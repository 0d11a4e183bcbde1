"""How fast is the same curation in py-data-juicer: split a film at its shots and score the motion of each clip?

Theirs: `video_split_by_scene_mapper` (PySceneDetect's AdaptiveDetector, every clip encoded by ffmpeg, its defaults),
then `video_motion_score_filter` on each clip, called without an executor, which is their fastest way. Their filters for
resolution, aspect ratio and duration are left out, to their advantage: they read headers, and fail with PyAV 18. Motion
is scored at 180 rows, likewise. Ours: one decode, all signals, shots, clips cut, and six signal stages, not motion
alone. Both in processor seconds, child processes included, one thread where there is a choice, alternating, medians.

`pip install --target FOLDER py-data-juicer==1.6.1 scenedetect-headless==0.7.2 imageio-ffmpeg`, FOLDER on PYTHONPATH;
the ffmpeg of imageio-ffmpeg serves where the system has none. `--no-encode` leaves the writing of clips out on both
sides: their filter then reads the whole film once.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import av
import cv2
import footage
import imageio_ffmpeg
import scenedetect
from data_juicer.ops.filter.video_motion_score_filter import VideoMotionScoreFilter
from data_juicer.ops.mapper.video_split_by_scene_mapper import VideoSplitBySceneMapper
from data_juicer.utils.constant import Fields

from rushes import registry
from rushes.data import shots
from rushes.data.decode.analysis import analyse, view
from rushes.data.packing.cut import CutConfig, clip_id, cut
from rushes.types import Clip, VideoShape

MOTION_ROWS = 180  # at the film's own 720 rows their filter takes over 16 GB for one minute
STAGES = ("motion", "camera", "sharpness", "exposure", "freeze", "letterbox")


def theirs(film: Path, folder: Path, encode: bool) -> int:
    """Split and score with py-data-juicer; return the number of clips."""
    sample = {"videos": [str(film)], "text": "<__dj__video>", Fields.stats: {}, Fields.source_file: [str(film)]}
    if encode:
        split = VideoSplitBySceneMapper(detector="AdaptiveDetector", threshold=3.0, save_dir=str(folder))
        sample = split.process_single(sample)
        num = len(sample["videos"])
    else:
        num = len(scenedetect.detect(str(film), scenedetect.AdaptiveDetector(), start_in_scene=True))
    VideoMotionScoreFilter(size=MOTION_ROWS).compute_stats_single(sample)
    return num


def ours(film: Path, folder: Path, encode: bool) -> int:
    """Do the same and more in one pass; return the number of clips."""
    analysis = analyse(film)
    spans = shots.split(analysis)
    if encode:
        made, _ = cut(film, "source", analysis, spans, CutConfig(), folder, lambda frames: None)
        clips = [one.clip for one in made]
    else:
        found = analysis.probe
        shape = VideoShape(frames=1, height=found.height, width=found.width)
        clips = [
            Clip(id=clip_id("source", span), source="source", span=span, shape=shape, fps=found.fps) for span in spans
        ]
    views = [view(clip, analysis) for clip in clips]
    for stage in STAGES:
        registry.find("data.stages", stage).load("")(views)
    return len(clips)


def spent() -> float:
    """Return the processor seconds of this process and its children so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", default="trailer_bbb.mp4")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-encode", action="store_true")
    arguments = parser.parse_args()
    film = footage.path(arguments.film)
    with av.open(str(film)) as container:
        num_frames = container.streams.video[0].frames
    cv2.setNumThreads(1)
    seconds: dict[str, list[float]] = {"rushes": [], "py-data-juicer": []}
    clips: dict[str, int] = {}
    doers: dict[str, Callable[[Path, Path, bool], int]] = {"rushes": ours, "py-data-juicer": theirs}
    with tempfile.TemporaryDirectory() as bin_folder:
        (Path(bin_folder) / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        os.environ["PATH"] += os.pathsep + bin_folder
        for _ in range(arguments.rounds):
            for name, doer in doers.items():
                with tempfile.TemporaryDirectory() as folder:
                    start = spent()
                    clips[name] = doer(film, Path(folder), not arguments.no_encode)
                    seconds[name].append(spent() - start)
    first = statistics.median(seconds["rushes"])
    for name, values in seconds.items():
        value = statistics.median(values)
        line = f"{name:16}{value:8.2f} s of one core, {num_frames / value:7.1f} frames/s, {clips[name]} clips"
        print(f"{line}; ours is {value / first:.2f}x as fast  {arguments.film}")


if __name__ == "__main__":
    main()
