"""Holds the exceptions of this package that Python has no built-in one for."""


class TrainingStopped(Exception):  # noqa: N818 - it is no error
    """Raised between two steps, as was asked for."""
