"""Bots whose pairs share one network; see scenarios."""

from pathlib import Path

from tests.live.bot import ROOT, Bot
from tests.live.host import LABEL, model_files
from tests.live.scenarios import FIVE, BotRun, n_predicted, overlay

from freqai_rnn.store.network_file import NetworkFile
from freqai_rnn.store.trained_model import TrainedModel

PAIRS, OTHER = FIVE[:3], FIVE[4]
TRAIN_PAIRS = {"model_training_parameters": {"train_pairs": PAIRS}}
TRAINED, DONE = "Trained lstm", "Done training"


def share(folder: Path, url: str) -> BotRun:
    """Three pairs get a network, and then the next one."""
    run = BotRun(folder / "user_data")
    settings = overlay(PAIRS, live_retrain_hours=0.02, **TRAIN_PAIRS)
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for(DONE, count=3)
        run.notes["first"] = len(bot.times(TRAINED))
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in PAIRS), "predictions")
        bot.wait_for(DONE, count=6)
        run.notes["second"] = len(bot.times(TRAINED))
        bot.wait_until(lambda: all(n_predicted(bot, pair) > 2 for pair in PAIRS), "more of them")
        run.end(bot)
    return run


def pretrained(folder: Path, url: str, shared: BotRun) -> BotRun:
    """A bot of another pair that takes the network of those three from a file."""
    run = BotRun(folder / "user_data")
    model = TrainedModel.read(model_files(shared.user_data)[0])
    file = folder / "network.npz"
    folder.mkdir()
    NetworkFile(model.estimator, model.origin, [LABEL], "1m").write(file)
    settings = overlay([OTHER], model_training_parameters={"network": str(file)})
    settings |= {
        "freqaimodel": "PretrainedRegressor",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
    }
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for(DONE)
        bot.wait_until(lambda: n_predicted(bot, OTHER) > 1, "predictions")
        run.end(bot)
    return run


def join_later(folder: Path, url: str) -> BotRun:
    """A pair that is listed after the others were trained takes their network."""
    run = BotRun(folder / "user_data")
    two = overlay(PAIRS[:2], live_retrain_hours=1)
    two["freqai"]["model_training_parameters"] = {"train_pairs": PAIRS[:2]}
    with Bot(run.user_data, url, two) as bot:
        bot.wait_for(DONE, count=2)
        bot.stop()
    three = {**two, "exchange": {"pair_whitelist": PAIRS}}
    with Bot(run.user_data, url, three) as bot:
        bot.wait_for(DONE)
        bot.wait_until(lambda: n_predicted(bot, PAIRS[2]) > 0, "a prediction of the third")
        run.end(bot)
    return run
