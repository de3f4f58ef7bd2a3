"""Reports and comparisons as pages."""
