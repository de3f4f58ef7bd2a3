"""The exceptions of this package that Python has no built-in one for."""


class TrainingStopped(Exception):  # noqa: N818 - it is no error
    """The end of a training between two steps, as was asked for."""
