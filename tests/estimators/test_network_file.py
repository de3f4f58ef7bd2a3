"""A network in a file: what was written is what predicts, and nothing is executed to read it."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from tests.estimators import naive

from freqai_rnn.estimators.frozen import FrozenRegressor, frozen
from freqai_rnn.store.network_file import HEADER, NetworkFile
from freqai_rnn.store.pretrained import BUNDLED_FILE, PretrainedRegressor
from freqai_rnn.store.trained_model import Origin

UNTIL = pd.Timestamp("2024-03-31 23:00", tz="UTC")


@pytest.fixture(scope="module")
def fitted():
    return naive.quick(validation_gap=3, calibration="evidence").fit(*naive.make_data(120))


@pytest.fixture
def network(fitted):
    names = [f"%-{number}_{{own}}_1h" for number in range(fitted.n_features_in_)]
    origin = Origin(["A/U", "B/U"], names, UNTIL, UNTIL)
    return NetworkFile(fitted, origin, ["&-return"], "1h")


def test_what_is_read_predicts_what_was_written(network, fitted, tmp_path):
    network.write(tmp_path / "network.npz")
    read = NetworkFile.read(tmp_path / "network.npz")
    X, _ = naive.make_data(120)
    np.testing.assert_array_equal(read.estimator.predict(X)[:, 0], fitted.predict(X))
    assert read.origin == network.origin
    assert (read.label_names, read.timeframe, read.horizon) == (["&-return"], "1h", 3)


def test_the_same_network_gives_the_same_bytes(network, tmp_path):
    for name in ("a.npz", "b.npz"):
        network.write(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    digests = {NetworkFile.read(tmp_path / name).digest for name in ("a.npz", "b.npz")}
    assert len(digests) == 1


class Executed:
    def __reduce__(self):
        return (pytest.fail, ("it was executed",))


def test_a_file_that_would_execute_something_is_refused(tmp_path):
    path = tmp_path / "network.npz"
    np.savez(path, **{HEADER: np.array([Executed()], dtype=object)})
    with pytest.raises(ValueError, match=r"cannot be used .*Object arrays"):
        NetworkFile.read(path)


def changed_header(path, **values):
    with np.load(path) as arrays:
        found = dict(arrays)
    header = json.loads(found[HEADER].tobytes()) | values
    buffer = io.BytesIO()
    np.savez(buffer, **{**found, HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)})
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "cannot be used"),
        (lambda path: changed_header(path, format=99), "its format is 99, not 1"),
        (lambda path: changed_header(path, network={}), "KeyError"),
    ],
    ids=["missing", "cut off", "of another format", "of another size"],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(network, tmp_path, damage, message):
    path = tmp_path / "network.npz"
    network.write(path)
    damage(path)
    with pytest.raises(ValueError, match=message) as error:
        NetworkFile.read(path)
    assert str(path) in str(error.value)


def test_the_bundled_network_is_small_and_knows_what_it_learned_from():
    assert BUNDLED_FILE.stat().st_size < 2e6
    found = PretrainedRegressor().file
    assert found.origin.until == pd.Timestamp("2019-03-31 23:00", tz="UTC")
    assert found.origin.pairs == ["BTC/USD", "EOS/USD", "ETH/USD", "LTC/USD", "XRP/USD"]
    assert PretrainedRegressor().recorded_parameters()["sha256"] == found.digest


def test_a_frozen_regressor_keeps_what_it_learned(fitted):
    X, y = naive.make_data(120)
    one = frozen(fitted)
    assert clone(one) is one
    assert frozen(one) is one
    one.fit(X, -10 * y)
    np.testing.assert_array_equal(one.predict(X), fitted.predict(X))
    assert one.sequence_length == fitted.sequence_length
    assert isinstance(one, FrozenRegressor)
    assert list(one.get_params()) == ["regressor"]
