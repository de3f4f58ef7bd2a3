"""Measurements of speed and of prediction, against what a user would run instead: `make bench`."""
