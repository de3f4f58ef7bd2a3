"""A mistake in FreqAI's section: the run goes as meant, or ends at once with the key's name."""

import pytest
from tests.freqai.freqtrade_host import Host, run_python
from tests.freqai.mutants import BAD, GOOD, Mutant, arguments, judged, mutants, outcome, table

ALL = list(mutants())
SAMPLE = 30  # of which one in the normal suite
NEW_PROCESSES = 100  # likewise in a process of its own, in the long run


def assert_none_is_bad(some: list[Mutant], host: Host) -> None:
    outcomes: dict[str, list[str]] = {}
    for mutant in some:
        found = outcome(mutant, host)
        outcomes.setdefault(found, []).append(str(mutant))
    print(table(outcomes))
    assert set(outcomes) <= set(GOOD), table(outcomes)


def test_a_sample_of_mistakes_runs_or_names_the_key(host):
    assert_none_is_bad(ALL[::SAMPLE], host)


@pytest.mark.soak
def test_each_mistake_runs_or_names_the_key(host):
    assert len(ALL) >= 500
    assert_none_is_bad(ALL, host)


@pytest.mark.soak
def test_a_process_of_its_own_ends_in_the_same_way(host):
    for mutant in ALL[::NEW_PROCESSES]:
        here = outcome(mutant, host)
        there = run_python("-m", "freqtrade", *arguments(mutant, host), PYTEST_VERSION="8")
        log = (there.stdout + there.stderr).replace("\n", " ")
        assert here not in BAD
        assert ("The training begins." in log) == (here == "runs"), log


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", "by freqtrade"),
        ("INFO FrontRegressor: The training begins.", "silent"),
        ("WARNING x: dropuot is read by nobody\nFrontRegressor: The training begins.", "runs"),
        ("ERROR freqtrade: something", "no name"),
        ("ERROR freqtrade: dropout must be", "refused"),
        ("Training BTC/USD raised exception ValueError. dropout", "per window"),
        ("ERROR freqtrade: dropout\nTraceback (most recent call last)", "traceback"),
    ],
)
def test_outcomes_are_told_apart(log, expected):
    loaded = "INFO x: Using resolved freqaimodel FrontRegressor\n" if log else ""
    mutant = Mutant("dropout", "misspelt", ("dropout", "dropuot"), {}, is_misread=True)
    assert judged(mutant, loaded + log) == expected
