"""Writes reports and comparisons as pages."""
