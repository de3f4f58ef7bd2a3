"""Fixtures that several folders use."""

import pytest
import torch

# Its asserts then say what differs, as those of tests do.
pytest.register_assert_rewrite("tests.estimators.naive")


@pytest.fixture(scope="module")
def one_thread():
    """For naive loops: on a busy machine several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
