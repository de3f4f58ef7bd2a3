"""EnsembleRegressor: members as they are alone, their weighted sum by hand, and no look ahead."""

import json
import logging
import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from tests.estimators import naive, test_trees

from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.errors import TrainingStopped
from freqai_rnn.estimators.base import CandleRegressor, with_parameters
from freqai_rnn.estimators.calibration import calibrate
from freqai_rnn.estimators.judging import split_with_judges

GAP = 3
N = 240


class Broken(CandleRegressor):
    """A member that cannot be fitted."""

    sequence_length = 1

    def __init__(self, error=ValueError):
        self.error = error

    def fit(self, X, y, **_):
        raise self.error("it is broken")

    def predict(self, X, context=None, candle_index=None):
        raise NotImplementedError


def members(**changes) -> tuple:
    return (
        ("lstm", naive.quick(cell_type="lstm", **changes)),
        ("gru", naive.quick(cell_type="gru", sequence_length=6, **changes)),
        ("trees", test_trees.quick()),
    )


def ensemble(**changes) -> EnsembleRegressor:
    return EnsembleRegressor(**{"members": members(), "validation_gap": GAP} | changes)


def judged(y, fraction=0.15):
    return split_with_judges(~np.isnan(y), fraction, GAP)


def alone(name: str, X, y, **changes) -> CandleRegressor:
    """A member fitted without the ensemble: it sees no target of the judges."""
    split = judged(y)
    member = clone(dict(members())[name]).set_params(validation_gap=GAP, **changes)
    return member.fit(X, np.where(split.seen, y, np.nan), validation_mask=split.stopping)


@pytest.mark.parametrize("name", ["lstm", "gru", "trees"])
def test_a_member_predicts_in_the_ensemble_what_it_predicts_alone(name):
    X, y = naive.make_data(N)
    found = ensemble().fit(X, y).members_[name].predict(X)
    np.testing.assert_array_equal(found[:, 0], alone(name, X, y).predict(X))


def scaled_and_r2(name: str, X, y) -> tuple[np.ndarray, float]:
    """What a member predicts on its honest scale, and how well it did on the judges."""
    rows = judged(y).judging
    found = alone(name, X, y).predict(X)
    realised = y[rows].astype(np.float32).astype(float)
    counts = np.ones(len(rows))
    scale = calibrate(realised[:, None], found[rows, None], counts, rows, GAP).scale[0]
    assert 0 < scale < 1
    errors = sum((a - b * scale) ** 2 for a, b in zip(realised, found[rows], strict=True))
    return found * scale, 1 - errors / sum(a**2 for a in realised)


@pytest.mark.parametrize("weights", ["validation", "equal"])
def test_the_ensemble_is_the_weighted_sum_of_its_scaled_members(weights):
    X, y = naive.make_data(N)
    total, divisor = np.zeros(N), 0.0
    for name in ("lstm", "gru", "trees"):
        found, r2 = scaled_and_r2(name, X, y)
        weight = math.exp(r2 / 0.2) if weights == "validation" else 1.0
        total += weight * found
        divisor += weight
    predicted = ensemble(weights=weights).fit(X, y).predict(X)
    np.testing.assert_allclose(predicted[5:], total[5:] / divisor, rtol=1e-5)


def test_a_member_that_knows_outweighs_one_that_does_not():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3)).astype(np.float32)
    y = X[:, 0] + 0.1 * rng.normal(size=N)
    blind = RecurrentRegressor(**naive.QUICK | {"learning_rate": 1e-9})
    model = ensemble(members=(("blind", blind), members()[2])).fit(X, y)
    assert model.weights_["trees"][0] > 0.9
    assert model.weights_["trees"] + model.weights_["blind"] == pytest.approx(1)


def test_no_target_of_the_judges_reaches_a_member():
    X, y = naive.make_data(N)
    changed = y.copy()
    changed[judged(y).judging] += 5
    first, second = (ensemble().fit(X, targets).members_ for targets in (y, changed))
    for name, member in first.items():
        np.testing.assert_array_equal(member.predict(X), second[name].predict(X))


def test_no_label_of_a_judge_overlaps_with_one_that_a_member_saw():
    split = judged(np.zeros(N))
    first = split.judging[0]
    assert split.judging.tolist() == list(range(first, N))
    assert np.flatnonzero(split.seen).max() == first - GAP - 1
    stopping = np.flatnonzero(split.stopping)
    assert stopping.tolist() == list(range(N - round(N * 0.15), first - GAP))


def test_judges_in_the_middle_are_purged_on_both_sides():
    mask = np.zeros(N, dtype=bool)
    mask[100:120] = True
    split = split_with_judges(np.ones(N, dtype=bool), 0.15, GAP, mask)
    assert split.judging.tolist() == list(range(110, 120))
    hidden = np.flatnonzero(~split.seen)
    assert hidden.tolist() == list(range(110 - GAP, 120 + GAP))
    assert np.flatnonzero(split.stopping).tolist() == list(range(100, 110 - GAP))


@pytest.mark.parametrize("n_valid", [1, 2, 6, 7])
def test_too_few_validation_targets_stop_the_training_and_judge_nothing(n_valid):
    mask = np.arange(N) >= N - n_valid
    split = split_with_judges(np.ones(N, dtype=bool), 0.15, GAP, mask)
    if n_valid > 2 * GAP:
        assert np.flatnonzero(split.stopping).tolist() == [N - n_valid]
        return
    assert len(split.judging) == 0
    assert split.seen.all()
    assert np.flatnonzero(split.stopping).tolist() == list(range(N - n_valid, N))


def test_without_validation_members_count_alike_and_the_log_says_so(caplog):
    X, y = naive.make_data(N)
    with caplog.at_level(logging.INFO):
        model = ensemble(validation_fraction=0).fit(X, y)
    assert "no validation targets were left to judge them by" in caplog.text
    found = [member.predict(X)[:, 0] for member in model.members_.values()]
    np.testing.assert_allclose(model.predict(X)[5:], np.mean(found, axis=0)[5:], rtol=1e-12)


def test_a_member_without_a_window_leaves_its_weight_to_the_others():
    X, y = naive.make_data(N)
    model = ensemble().fit(X, y)
    details = model.predict_in_detail(X)[1]
    assert np.isnan(details["gru"].values[4, 0])
    assert np.isnan(details["lstm"].values[2, 0])
    (lstm,), (trees,) = model.weights_["lstm"], model.weights_["trees"]
    both = lstm * details["lstm"].values[4, 0] + trees * details["trees"].values[4, 0]
    both /= lstm + trees
    np.testing.assert_allclose(model.predict(X)[4], both, rtol=1e-12)
    np.testing.assert_allclose(model.predict(X)[2], details["trees"].values[2, 0], rtol=1e-12)
    assert not np.isnan(model.predict(X)).any()


def test_where_no_member_has_a_window_nothing_is_predicted():
    X, y = naive.make_data(N)
    model = ensemble().fit(X, y)
    X[100] = np.nan
    assert np.isnan(model.predict(X)).nonzero()[0].tolist() == [100]


def test_a_hole_puts_members_to_sleep_as_long_as_their_windows_reach():
    X, y = naive.make_data(N)
    index = np.arange(N) + (np.arange(N) >= 50)
    details = ensemble().fit(X, y, candle_index=index).predict_in_detail(X, index)[1]
    asleep = {
        name: np.isnan(details[name].values[10:, 0]).nonzero()[0] + 10
        for name in ("lstm", "gru", "trees")
    }
    assert {name: rows.tolist() for name, rows in asleep.items()} == {
        "lstm": [50, 51, 52],
        "gru": [50, 51, 52, 53, 54],
        "trees": [],
    }


def test_context_gives_the_first_rows_their_windows():
    X, y = naive.make_data(N)
    model = ensemble().fit(X, y)
    whole = model.predict(X)
    np.testing.assert_allclose(model.predict(X[100:], context=X[:100]), whole[100:], rtol=1e-5)


def test_later_rows_change_no_prediction():
    X, y = naive.make_data(N)
    model = ensemble().fit(X, y)
    changed = X.copy()
    changed[200:] = 9
    np.testing.assert_array_equal(model.predict(changed)[:200], model.predict(X)[:200])


def test_agreement_is_the_share_of_members_on_the_side_of_the_ensemble():
    X, y = naive.make_data(N)
    predicted, details = ensemble().fit(X, y).predict_in_detail(X)
    for row, mean in enumerate(predicted):
        found = [details[name].values[row, 0] for name in ("lstm", "gru", "trees")]
        awake = [value for value in found if not np.isnan(value)]
        share = sum(value * mean > 0 for value in awake) / len(awake)
        assert details["agreement"].values[row, 0] == pytest.approx(share)
    assert 0 < (details["agreement"].values == 1).mean() < 1


def test_a_member_with_a_scale_of_0_has_no_say_in_agreement():
    X, y = naive.make_data(N)
    model = ensemble(selection="agreement").fit(X, y)
    model.calibrations_["lstm"].scale[:] = 0
    predicted, details = model.predict_in_detail(X)
    gru, trees = (details[name].values[5:, 0] for name in ("gru", "trees"))
    np.testing.assert_array_equal(np.isnan(predicted[5:]), gru * trees < 0)
    assert set(details["agreement"].values[5:, 0]) == {0.5, 1.0}


def test_where_every_member_has_a_scale_of_0_the_prediction_is_0():
    X, y = naive.make_data(N)
    model = ensemble(selection="agreement").fit(X, y)
    for one in model.calibrations_.values():
        one.scale[:] = 0
    np.testing.assert_array_equal(model.predict(X), 0)


def test_selection_by_agreement_predicts_nothing_where_members_differ():
    X, y = naive.make_data(N)
    whole = ensemble().fit(X, y)
    chosen = ensemble(selection="agreement").fit(X, y)
    agree = whole.predict_in_detail(X)[1]["agreement"].values[:, 0] == 1
    expected = np.where(agree, whole.predict(X), np.nan)
    np.testing.assert_array_equal(chosen.predict(X), expected)


def test_a_broken_member_is_one_error_line_and_the_others_predict(caplog):
    X, y = naive.make_data(N)
    with_broken = ensemble(members=(*members(), ("mine", Broken()))).fit(X, y)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "The ensemble goes on without its member mine: it is broken"
    ]
    np.testing.assert_array_equal(with_broken.predict(X), ensemble().fit(X, y).predict(X))


def test_when_all_members_fail_the_fit_fails():
    with pytest.raises(ValueError, match="it is broken"):
        ensemble(members=(("mine", Broken()),)).fit(*naive.make_data(N))


def test_a_stopped_member_stops_the_ensemble():
    with pytest.raises(TrainingStopped):
        ensemble(members=(("mine", Broken(TrainingStopped)), *members())).fit(*naive.make_data(N))


def test_an_earlier_ensemble_gives_each_member_its_start():
    X, y = naive.make_data(N)
    before = ensemble().fit(X, y)
    after = ensemble().fit(X, y, init_model=before).members_["gru"].predict(X)
    start = before.members_["gru"]
    split = judged(y)
    by_hand = clone(start).fit(
        X,
        np.where(split.seen, y, np.nan),
        validation_mask=split.stopping,
        init_model=start,
    )
    np.testing.assert_array_equal(after[:, 0], by_hand.predict(X))


def test_several_labels_are_scaled_each_on_its_own():
    X, y = naive.make_data(N, n_labels=3)
    model = ensemble().fit(X, y)
    assert model.predict(X).shape == (N, 3)
    assert len({*model.calibrations_["gru"].scale}) == 3


def test_the_same_seed_gives_the_same_and_a_copy_on_disk_too():
    X, y = naive.make_data(N)
    first, second = (ensemble().fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).predict(X), first.predict(X))
    assert json.loads(json.dumps(first.training_record()))["members"].keys() == {
        "lstm",
        "gru",
        "trees",
    }


# --- parameters ---------------------------------------------------------------------------------


def test_a_parameter_reaches_one_member_all_networks_or_the_ensemble():
    values = {
        "hidden_size": 8,
        "gru__hidden_size": 32,
        "learning_rate": 0.5,
        "trees__n_estimators": 2,
        "validation_fraction": 0.3,
    }
    found = with_parameters(ensemble(), values).get_params()
    assert (found["lstm__hidden_size"], found["gru__hidden_size"]) == (8, 32)
    assert (found["lstm__learning_rate"], found["trees__learning_rate"]) == (0.5, 0.1)
    assert (found["trees__n_estimators"], found["validation_fraction"]) == (2, 0.3)
    assert found["gru__validation_fraction"] == 0.15


def test_what_is_said_of_one_member_wins_in_any_order():
    for values in (
        {"gru__hidden_size": 32, "hidden_size": 8},
        {"hidden_size": 8, "gru__hidden_size": 32},
    ):
        assert with_parameters(ensemble(), values).get_params()["gru__hidden_size"] == 32


def test_setting_parameters_of_a_clone_leaves_the_prototype_alone():
    prototype = ensemble()
    with_parameters(prototype, {"hidden_size": 8})
    assert prototype.get_params()["lstm__hidden_size"] == naive.QUICK["hidden_size"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trees__num_leafs": 3}, "did you mean trees__num_leaves"),
        ({"trees__num_leaves": 1}, "num_leaves must be a whole number of at least 2"),
        ({"hiden_size": 3}, "did you mean hidden_size"),
        ({"selection": "best"}, "selection must be one of agreement, or None"),
        ({"members": ()}, "members must be pairs of a name"),
        ({"members": (("a__b", RecurrentRegressor()),)}, "members must be pairs of a name"),
        ({"members": (("a", RecurrentRegressor),)}, "members must be pairs of a name"),
    ],
)
def test_a_wrong_parameter_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        with_parameters(ensemble(), values)


def test_two_members_of_one_name_are_refused():
    with pytest.raises(ValueError, match="members must be pairs of a name of its own"):
        ensemble(members=(members()[0], members()[0])).fit(*naive.make_data(N))
