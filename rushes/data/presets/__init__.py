"""Whole configs of curations, one file each, exporting SPEC."""
