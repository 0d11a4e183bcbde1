"""Presets: one file each, whose SPEC returns a whole training config."""
