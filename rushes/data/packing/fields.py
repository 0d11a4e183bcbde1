"""Interlaced frames become whole pictures: their two fields are half a frame's time apart, and show as combs."""

from __future__ import annotations

import av
import av.error
from av.filter import Graph

# One picture for each frame, and frames that are not marked as interlaced stay as they are.
_SETTINGS = "mode=send_frame:parity=auto:deint=interlaced"
_PROGRESSIVE = 1  # FFmpeg's AV_FIELD_PROGRESSIVE; what is larger is an order of fields, 0 is unknown


def is_interlaced(stream: av.video.stream.VideoStream) -> bool:
    """Say whether the stream is marked as interlaced; one that does not say is taken as progressive."""
    return stream.codec_context.field_order > _PROGRESSIVE


class Fields:
    """Passes frames on in their order, without combs (bwdif); it may hold the last one back until the next.

    Frames pass untouched where neither the stream (`is_interlaced`) nor the first of them is marked as interlaced.
    """

    def __init__(self, *, is_interlaced: bool) -> None:
        self._is_interlaced, self._graph, self._is_begun = is_interlaced, Graph(), False

    def add(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """Return the frames that are ready.

        Raises:
            FFmpegError: the frame cannot be filtered (too small, or another format than those before).
        """
        if not self._is_begun:
            self._is_begun = True
            self._is_interlaced |= bool(frame.interlaced_frame)
            if self._is_interlaced:
                self._open(frame)
        if not self._is_interlaced:
            return [frame]
        self._graph.vpush(frame)
        return self._ready()

    def finish(self) -> list[av.VideoFrame]:
        """Return what was held back."""
        if not (self._is_begun and self._is_interlaced):
            return []
        self._graph.vpush(None)
        return self._ready()

    def _open(self, frame: av.VideoFrame) -> None:
        entry = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        filtered, leaving = self._graph.add("bwdif", _SETTINGS), self._graph.add("buffersink")
        entry.link_to(filtered)
        filtered.link_to(leaving)
        self._graph.configure()

    def _ready(self) -> list[av.VideoFrame]:
        ready = []
        while True:
            try:
                ready.append(self._graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return ready
