"""Peak resident memory of a training with many rows."""

import subprocess
import sys

from tests.benchmarks.timing import Row

TRAIN = """
import sys
from pathlib import Path
import numpy as np
from freqai_rnn import RecurrentRegressor

X = np.empty((100_000, 300), dtype=np.float32)
np.random.default_rng(0).standard_normal(dtype=np.float32, out=X)
# every 20th row is a target: less time, with windows all over the rows
y = np.where(np.arange(len(X)) % 20 == 3, X[:, 0], np.nan)
settings = {"sequence_length": 48, "max_epochs": 1, "device": "cpu", "show_progress": False}
RecurrentRegressor(training_mode=sys.argv[1], **settings).fit(X, y)
peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(int(peak) / 1024**2)
"""


def rows() -> list[Row]:
    """Peaks in GiB, of three processes each."""
    out = []
    for mode in ("exact", "fast"):
        command = [sys.executable, "-c", TRAIN, mode]
        peaks = [
            float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(3)
        ]
        what = f"peak of {mode} training, 100,000 × 300, S = 48"
        note = "0.11 of it are the features"
        out.append(Row("memory", what, peaks, target=0.8, at_least=False, unit="GiB", note=note))
    return out
