"""A label that stands still: nothing can be known of it, and nothing is NaN."""

import numpy as np
import pytest
from tests.estimators import naive
from tests.estimators.test_trees import quick

from freqai_rnn import EnsembleRegressor
from freqai_rnn.estimators.ridge import RidgeRegressor


@pytest.mark.parametrize("standing", [slice(None), slice(350, None)], ids=["always", "at the end"])
def test_the_members_of_an_ensemble_weigh_alike_and_predict(standing):
    X, y = naive.make_data(400)
    y[standing] = 0.0
    members = (("trees", quick()), ("ridge", RidgeRegressor()))
    model = EnsembleRegressor(members=members).fit(X, y)
    assert model.weights_ == {"trees": [0.5], "ridge": [0.5]}
    assert np.isfinite(model.predict(X)).all()
