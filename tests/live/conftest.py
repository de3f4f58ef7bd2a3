"""The exchange, and the runs of bots that the tests wait for; see scenarios."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.exchange.candles import Market
from tests.exchange.server import Exchange, Faults, serving
from tests.live import deployments, pauses, pooling, restarts, scenarios, silences
from tests.live.host import ENSEMBLE
from tests.live.scenarios import BotRun

WAVE = 0.01  # the smallest network learns it in two epochs


@pytest.fixture(scope="session")
def markets() -> list[Market]:
    return [Market.of_samples(number, WAVE) for number in range(5)]


@pytest.fixture(scope="session")
def exchange_url(markets: list[Market]) -> Iterator[str]:
    with serving(Exchange(markets)) as url:
        yield url


@pytest.fixture(scope="session")
def bot_runs(
    tmp_path_factory: pytest.TempPathFactory, exchange_url: str, markets: list[Market]
) -> "Iterator[dict[str, Future[BotRun]]]":
    """All runs, started together, as most of their time is waiting for the next minute."""
    folder = tmp_path_factory.mktemp("live")
    faulty, wild, late, silent = (Exchange(markets) for _ in range(4))
    with (
        serving(faulty) as faulty_url,
        serving(wild) as wild_url,
        serving(late) as late_url,
        serving(silent) as silent_url,
        ThreadPoolExecutor(6) as pool,
    ):
        # The longest first: those that wait for five would fill the pool before them.
        running = {
            "trade": pool.submit(scenarios.trade, folder / "trade", exchange_url),
            "fail_to_train": pool.submit(scenarios.fail_to_train, folder / "fail", exchange_url),
            "fail_to_answer": pool.submit(
                scenarios.fail_to_answer,
                folder / "faults",
                faulty_url,
                faulty,
                [Faults(missing={0}), Faults(connection="reset"), Faults(status=429)],
                {**scenarios.overlay(scenarios.FIVE[:2]), "strategy": "SparseStrategy"},
                n_after=1,
            ),
            "use_options": pool.submit(scenarios.use_options, folder / "options", wild_url, wild),
            "slept": pool.submit(pauses.sleep, folder / "slept", late_url, late),
            "silent": pool.submit(silences.fall_silent, folder / "silent", silent_url, silent),
            "shared": pool.submit(pooling.share, folder / "shared", exchange_url),
            "joined later": pool.submit(pooling.join_later, folder / "joined", exchange_url),
            "deployed": pool.submit(
                deployments.deploy_and_trade, folder / "deployed", exchange_url, markets[0]
            ),
            "unfit": pool.submit(deployments.mislead, folder / "unfit", exchange_url, markets),
            "retrained": pool.submit(
                deployments.deploy_and_train, folder / "retrained", exchange_url, markets[0]
            ),
            "outlived": pool.submit(
                deployments.outlive, folder / "outlived", exchange_url, markets[0]
            ),
            "five": pool.submit(scenarios.start_five, folder / "five", exchange_url),
        }

        def after_five(name: str, scenario: Callable[..., BotRun], **arguments: object) -> None:
            running[name] = pool.submit(
                lambda: scenario(folder / name, exchange_url, running["five"].result(), **arguments)
            )

        after_five("killed", restarts.kill)
        after_five("restarted", restarts.restart)
        after_five(
            "other settings",
            restarts.restart,
            n_trainings=5,
            model_training_parameters={"learning_rate": 0.02},
        )
        after_five("spoiled models", restarts.restart, n_trainings=4, spoil=restarts.spoil_models)
        after_five("spoiled lists", restarts.restart, n_trainings=5, spoil=restarts.spoil_lists)
        after_five(
            "ensemble",
            restarts.restart,
            n_trainings=5,
            spoil=restarts.forget_intervals,
            model=ENSEMBLE,
        )
        after_five("expired", restarts.restart, expiration_hours=0.0001)
        running["pretrained"] = pool.submit(
            lambda: pooling.pretrained(
                folder / "pretrained", exchange_url, running["shared"].result()
            )
        )
        yield running


@pytest.fixture(scope="session")
def finished_run(bot_runs: "dict[str, Future[BotRun]]") -> Callable[[str], BotRun]:
    """Wait for a run to end and say what it left."""
    return lambda name: bot_runs[name].result()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what waits for real minutes."""
    for item in items:
        if item.path.parent.name == "live" and item.get_closest_marker("soak") is None:
            item.add_marker("live")


@pytest.fixture(autouse=True)
def _all_at_once(request: pytest.FixtureRequest) -> None:
    """Begin all runs before the first test that needs one."""
    if request.node.get_closest_marker("soak") is None:
        request.getfixturevalue("bot_runs")


@pytest.fixture(scope="session")
def traded(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("trade")


@pytest.fixture(scope="session")
def five(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("five")


@pytest.fixture(scope="session")
def badly_trained(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("fail_to_train")


@pytest.fixture(scope="session")
def badly_served(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("fail_to_answer")
