"""The networks, their windows and their training."""
