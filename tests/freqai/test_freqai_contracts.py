"""Found by freqtrade's resolver: in a clone, in a copied folder, and installed from a wheel."""

import shutil
import sys
from pathlib import Path

import pytest
from tests.freqai.freqtrade_host import LABEL, ROOT, Host, run_python, without_freqai_rnn

import freqai_rnn

MODELS = {"LSTMRegressor", "GRURegressor", "EnsembleRegressor"}


def test_freqai_rnn_is_really_hidden():
    finished = without_freqai_rnn("-c", "import freqtrade, freqai_rnn.freqai.model")
    assert "No module named 'freqai_rnn" in finished.stderr


def listed_models(folder: str, python_path: str = "") -> set[str]:
    """The models of this project that freqtrade lists with --freqaimodel-path."""
    arguments = ("list-freqaimodels", "-1", "--freqaimodel-path", folder)
    finished = without_freqai_rnn("-m", "freqtrade", *arguments, python_path=python_path)
    assert finished.returncode == 0, finished.stderr
    return MODELS & set(finished.stdout.split())


def test_freqtrade_lists_all_models():
    assert listed_models(str(ROOT / "freqaimodels")) == MODELS


CALLED = """
import sys
import freqtrade
freqtrade.__version__ = sys.argv.pop(1)
from freqtrade.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("version", ["2026.2", "docker-2025.12-dev-1a2b3c4d"])
def test_an_older_freqtrade_is_refused_in_one_line(host: Host, version: str):
    def as_called(_m: str, _module: str, *line: str):
        return run_python("-c", CALLED, version, *line)

    run = Host(host.user_data, host.candles, as_called).refused_backtest(new_process=True)
    assert run.errors == [
        f"ERROR freqtrade: freqtrade is {version}, but freqai-rnn needs 2026.3 or newer. "
        "Update freqtrade."
    ]


def test_the_package_is_imported_once(trained_host):
    files = [
        Path(module.__file__).resolve()
        for module in list(sys.modules.values())
        if getattr(module, "__file__", None) and "freqai_rnn" in str(module.__file__)
    ]
    package = [file for file in files if file.parent.name == "freqai_rnn"]
    assert len(package) == len(set(package))
    model = trained_host[0].models()[0]
    assert type(model.estimator) is freqai_rnn.RecurrentRegressor


def test_gru_trains_and_predicts(host):
    run = host.backtest(overlay={"freqaimodel": "GRURegressor"})
    assert "Trained gru on 480 rows" in run.log
    assert run.n_trainings == 2
    assert (run.predictions()["do_predict"] == 1).all()
    assert run.predictions()[LABEL].std() > 0
    assert type(host.models()[0].estimator.network_.recurrent).__name__ == "GRU"


def test_a_users_subclass_can_choose_the_cell(host, tmp_path):
    (tmp_path / "MyRegressor.py").write_text(
        "from freqai_rnn.freqai.model import RecurrentFreqaiModel\n"
        "from freqai_rnn import RecurrentRegressor\n"
        "class MyRegressor(RecurrentFreqaiModel):\n"
        "    prototype = RecurrentRegressor(cell_type='gru')\n"
    )
    mine = {"freqaimodel": "MyRegressor", "freqaimodel_path": str(tmp_path)}
    gru = {"freqaimodel": "GRURegressor", "freqai": {"identifier": "gru"}}
    mine, gru = (host.backtest(overlay=overlay) for overlay in (mine, gru))
    assert mine.n_trainings == gru.n_trainings == 2
    assert mine.frames["BTC"].equals(gru.frames["BTC"])


def test_a_copied_folder_trains_and_loads_in_another_process(tmp_path, candles, trained_host):
    """As in Docker, where nothing can be installed."""
    host = Host(tmp_path / "user_data", candles, python=without_freqai_rnn)
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    folder = shutil.copytree(ROOT / "freqaimodels", host.user_data / "freqaimodels", ignore=ignored)
    for n_trainings in (2, 0):
        run = host.backtest(overlay={"freqaimodel_path": str(tmp_path)}, new_process=True)
        assert run.n_trainings == n_trainings
        assert f"LSTMRegressor from '{folder}/LSTMRegressor.py'" in run.log
        assert run.predictions().equals(trained_host[1].predictions())
        for path in host.prediction_files():
            path.unlink()


def test_the_wheel_holds_the_package_and_all_model_files(wheel):
    inside = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    models = ROOT / "freqaimodels"
    files = (path for path in models.glob("freqai_rnn/**/*") if path.is_file())
    package = {str(path.relative_to(models)) for path in files if path.suffix != ".pyc"}
    assert {
        "freqai_rnn/network/windows.py",
        "freqai_rnn/evaluation/pages/page.html.j2",
        "freqai_rnn/py.typed",
    } <= package
    assert (
        package
        | {
            "freqai_rnn/freqaimodels/LSTMRegressor.py",
            "freqai_rnn/freqaimodels/GRURegressor.py",
            "freqai_rnn/freqaimodels/EnsembleRegressor.py",
        }
        <= inside
    )
    tops = {name.split("/")[0] for name in inside}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"freqai_rnn"}


@pytest.mark.slow
def test_an_installed_wheel_says_where_its_models_are(wheel):
    said = without_freqai_rnn("-m", "freqai_rnn", "path", python_path=str(wheel))
    assert said.returncode == 0, said.stderr
    folder = said.stdout.strip()
    assert Path(folder).is_relative_to(wheel)
    assert listed_models(folder, python_path=str(wheel)) == MODELS
