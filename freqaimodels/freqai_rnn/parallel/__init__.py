"""Trainings in other processes."""
