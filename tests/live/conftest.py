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
EVERYDAY = (
    *("trade", "fail_to_train", "silent", "shared", "pretrained", "deployed"),
    *("killed", "restarted", "ensemble", "short"),
)
"""Runs that the tests of `make test` read; those marked slow read the others."""
SLOW = (
    *("fail_to_answer", "use_options", "slept", "joined later", "unfit", "retrained", "outlived"),
    *("other settings", "spoiled models", "spoiled lists", "expired"),
)


@pytest.fixture(scope="session")
def markets() -> list[Market]:
    return [Market.of_samples(number, WAVE) for number in range(5)]


@pytest.fixture(scope="session")
def exchange_url(markets: list[Market]) -> Iterator[str]:
    with serving(Exchange(markets)) as url:
        yield url


@pytest.fixture(scope="session")
def bot_runs(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    exchange_url: str,
    markets: list[Market],
) -> "Iterator[dict[str, Future[BotRun]]]":
    """All runs that are asked for, started together: most of their time is waiting for a minute."""
    folder = tmp_path_factory.mktemp("live")
    faulty, wild, late, silent = (Exchange(markets) for _ in range(4))
    live = [item for item in request.session.items if item.get_closest_marker("live")]
    is_slow = {item.get_closest_marker("slow") is not None for item in live}
    wanted = {
        *(EVERYDAY if False in is_slow else ()),
        *(SLOW if True in is_slow else ()),
        "five",
    }
    running: dict[str, Future[BotRun]] = {}
    with (
        serving(faulty) as faulty_url,
        serving(wild) as wild_url,
        serving(late) as late_url,
        serving(silent) as silent_url,
        ThreadPoolExecutor(6) as pool,
    ):

        def begin(name: str, scenario: Callable[..., BotRun], *arguments: object) -> None:
            if name in wanted:
                running[name] = pool.submit(scenario, folder / name, *arguments)

        def after(
            first: str, name: str, scenario: Callable[..., BotRun], **arguments: object
        ) -> None:
            if name in wanted:
                running[name] = pool.submit(
                    lambda: scenario(
                        folder / name, exchange_url, running[first].result(), **arguments
                    )
                )

        # The longest first: those that wait for another would fill the pool before them.
        begin("trade", scenarios.trade, exchange_url)
        begin("fail_to_train", scenarios.fail_to_train, exchange_url)
        begin(
            "fail_to_answer",
            scenarios.fail_to_answer,
            faulty_url,
            faulty,
            [Faults(missing={0}), Faults(connection="reset"), Faults(status=429)],
            {**scenarios.overlay(scenarios.FIVE[:2]), "strategy": "SparseStrategy"},
            1,
        )
        begin("use_options", scenarios.use_options, wild_url, wild)
        begin("slept", pauses.sleep, late_url, late)
        begin("short", scenarios.sell_short, exchange_url)
        begin("silent", silences.fall_silent, silent_url, silent)
        begin("shared", pooling.share, exchange_url)
        begin("joined later", pooling.join_later, exchange_url)
        begin("deployed", deployments.deploy_and_trade, exchange_url, markets[0])
        begin("unfit", deployments.mislead, exchange_url, markets)
        begin("retrained", deployments.deploy_and_train, exchange_url, markets[0])
        begin("outlived", deployments.outlive, exchange_url, markets[0])
        begin("five", scenarios.start_five, exchange_url)
        after("five", "killed", restarts.kill)
        after("five", "restarted", restarts.restart)
        other = {"learning_rate": 0.02}
        after(
            *("five", "other settings", restarts.restart),
            n_trainings=5,
            model_training_parameters=other,
        )
        spoil = restarts.spoil_models
        after("five", "spoiled models", restarts.restart, n_trainings=4, spoil=spoil)
        spoil = restarts.spoil_lists
        after("five", "spoiled lists", restarts.restart, n_trainings=5, spoil=spoil)
        spoil = restarts.forget_intervals
        after("five", "ensemble", restarts.restart, n_trainings=5, spoil=spoil, model=ENSEMBLE)
        after("five", "expired", restarts.restart, expiration_hours=0.0001)
        after("shared", "pretrained", pooling.pretrained)
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
