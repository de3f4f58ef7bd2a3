"""TreesRegressor: the rows of a network, and trees that are LightGBM's own."""

import inspect

import lightgbm
import numpy as np
import pytest
from tests.estimators.naive import make_data

from freqai_rnn.errors import TrainingStopped
from freqai_rnn.estimators.trees import TreesRegressor

QUICK = {"n_estimators": 5, "min_child_samples": 2}


def quick(**changes) -> TreesRegressor:
    return TreesRegressor(**QUICK | changes)


def naive_train_rows(y, mask, gap) -> list[int]:
    """Rows with a target that are no validation target, and none is within the gap."""
    known = [i for i in range(len(y)) if not np.isnan(y[i])]
    valid = [i for i in known if mask[i]]
    return [i for i in known if not mask[i] and all(abs(i - v) > gap for v in valid)]


@pytest.mark.parametrize("gap", [0, 3])
def test_it_trains_on_the_rows_a_network_trains_on(gap):
    X, y = make_data(200)
    y[17] = np.nan
    mask = np.arange(200) >= 150
    rows = naive_train_rows(y, mask, gap)
    model = quick(validation_gap=gap).fit(X, y, validation_mask=mask)
    alone = quick(validation_fraction=0).fit(X[rows], y[rows])
    assert model.n_train_rows_ == len(rows)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))


def test_the_prediction_is_that_of_lightgbm():
    X, y = make_data(200)
    weights = np.random.default_rng(1).uniform(0.5, 2, 200)
    own = {"num_leaves": 4, "subsample": 0.5, "subsample_freq": 1}
    model = quick(validation_fraction=0, seed=7, **own).fit(X, y, sample_weight=weights)
    theirs = lightgbm.LGBMRegressor(**QUICK, **own, random_state=7, n_jobs=1, verbose=-1)
    expected = theirs.fit(X, y.astype(np.float32), sample_weight=weights).predict(X)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_the_defaults_are_those_of_lightgbm():
    theirs = lightgbm.LGBMRegressor().get_params()
    own = {name: value for name, value in TreesRegressor().get_params().items() if name in theirs}
    assert own | {"objective": None} == {name: theirs[name] for name in own}


def test_every_parameter_of_lightgbm_is_one_here_or_is_left_out_for_a_reason():
    theirs = set(inspect.signature(lightgbm.LGBMRegressor).parameters)
    left_out = {
        "random_state": "seed",
        "n_jobs": "one thread",
        "boosting_type": "dart and rf have parameters of their own",
        "subsample_for_bin": "of large data",
        "class_weight": "of classes",
        "importance_type": "read by nobody",
        "kwargs": "",
    }
    own = {"validation_fraction", "validation_gap", "seed"}
    assert set(TreesRegressor().get_params()) - own == theirs - left_out.keys()


def test_a_row_with_a_missing_feature_trains_nothing_and_has_no_prediction():
    X, y = make_data(200)
    X[40, 1] = np.nan
    model = quick(validation_fraction=0).fit(X, y)
    assert model.n_train_rows_ == 199
    assert np.isnan(model.predict(X)).nonzero()[0].tolist() == [40]


def test_any_seed_of_a_fit_is_taken():
    X, y = make_data(200)
    own = {"subsample": 0.5, "subsample_freq": 1}
    first, second = (quick(seed=seed, **own).fit(X, y).predict(X) for seed in (2**32 - 1, 2**40))
    assert not np.array_equal(first, second)


def test_each_label_has_trees_of_its_own():
    X, y = make_data(200, n_labels=2)
    both = quick().fit(X, y).predict(X)
    for label in range(2):
        np.testing.assert_array_equal(both[:, label], quick().fit(X, y[:, label]).predict(X))


def test_a_stop_between_two_labels_ends_the_fit():
    X, y = make_data(200, n_labels=2)
    answers = iter([False, True])
    with pytest.raises(TrainingStopped):
        quick().fit(X, y, should_stop=lambda: next(answers))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_leaves": 1}, "num_leaves must be a whole number of at least 2, got 1"),
        ({"subsample": 0}, "subsample must be a number above 0 and at most 1, got 0"),
        ({"n_estimators": 0}, "n_estimators must be a whole number of at least 1, got 0"),
        ({"objective": "binary"}, "objective must be one of regression"),
    ],
)
def test_a_parameter_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        quick(**changes).fit(*make_data(50))


def test_no_row_to_train_on_is_refused_with_numbers():
    X, y = make_data(20)
    with pytest.raises(ValueError, match="No row to train on: 20 of 20 rows validate"):
        quick().fit(X, y, validation_mask=np.ones(20, dtype=bool))
