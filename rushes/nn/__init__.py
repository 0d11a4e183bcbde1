"""Blocks that the models share."""
