"""The networks, their windows and their training. Imports torch and numpy only."""
