"""What is kept on disk of a training, where, and under which settings."""
