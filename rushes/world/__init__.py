"""The paper world: scenes drawn by code, with exact captions; endless and free to train on."""

REVISION = 1
"""Raise it when a drawing, a motion or a caption changes: banks carry it in their names, and are then made anew."""
