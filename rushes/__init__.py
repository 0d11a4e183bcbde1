"""Rushes: the whole studio behind a text-to-video service, from footage to films to a feed."""

__version__ = "0.1.0.dev0"
