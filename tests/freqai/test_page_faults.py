"""Rows of docs/faults.md and docs/faq.md that no other test shows."""

import shutil


def test_freqai_stops_where_a_window_is_trained_before_a_finished_one_until_predictions_go(
    trained, trained_host
):
    """FreqAI adds features to a frame that has them already, and then calls them different."""
    finished = trained.prediction_files()
    finished[0].unlink()
    shutil.rmtree(trained.model_files()[0].parent)
    stopped = trained.refused_backtest()
    assert not stopped.frames
    shutil.rmtree(finished[0].parent)
    mended = trained.backtest()
    assert mended.n_trainings == 0  # the first window's model is there by now
    assert mended.predictions().equals(trained_host[1].predictions())
