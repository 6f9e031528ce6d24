"""Hostile input for everything that reads a file, each input told by its target, its seed and its number."""
