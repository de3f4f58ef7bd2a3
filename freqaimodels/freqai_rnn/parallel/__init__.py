"""Fits in other processes."""
