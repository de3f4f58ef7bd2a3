"""Exceptions of this package that are no built-in ones."""


class TrainingStopped(Exception):  # noqa: N818 - it is no error
    """Raised between two steps, as was asked for."""
