"""`python -m tests.benchmarks`: measure, print one table, and leave the numbers as JSON."""

import argparse
import json
import logging
import os
import platform
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from freqai_rnn.parallel.memory import keep_freed_memory

PARTS = ("step", "fit", "memory", "parallel", "backtest", "deployed", "quality", "confidence")
PACKAGES = ("freqtrade", "torch", "numpy", "scikit-learn", "lightgbm", "joblib")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--output", type=Path, default=Path("user_data/bench"))
    of_quality = parser.add_argument_group("quality")
    of_quality.add_argument("--seeds", type=int, default=1)
    of_quality.add_argument("--timeframes", nargs="+", default=["1h", "30m", "4h"])
    of_both = parser.add_argument_group("quality and confidence")
    of_both.add_argument("--labels", nargs="+", default=["return", "log range"])
    of_both.add_argument("--models", nargs="+", metavar="MODEL", help="default: all")
    of_confidence = parser.add_argument_group("confidence")
    of_confidence.add_argument("--windows", type=int, metavar="N", help="at most; default: all")
    return parser


def main() -> int:
    arguments = parser().parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser().error(f"{', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)  # these two, which `fit` does, for every baseline too
    keep_freed_memory()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts or PARTS:
        started = time.perf_counter()
        found = measure(part, arguments)
        found["seconds"] = time.perf_counter() - started
        found["machine"] = machine()
        path = arguments.output / f"{part}.json"
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False))
    print(table(arguments.output))
    return 0


def measure(part: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one part; imports only what it needs."""
    if part == "quality":
        from tests.benchmarks import quality

        todo = quality.tasks(arguments.timeframes, arguments.labels, arguments.seeds)
        models = arguments.models or list(quality.MODELS)
        measured = quality.walk_forward(todo, models, n_jobs=os.cpu_count() or 1)
        summary = quality.summarise(measured)
        found = [asdict(row) for row in quality.rows_of(summary)]
        return {"rows": found, "quality": summary.to_dict("records")}
    if part == "confidence":
        from tests.benchmarks import confidence

        todo = confidence.tasks(arguments.labels, arguments.windows)
        models = arguments.models or list(confidence.MODELS)
        predicted = confidence.walk_forward(todo, models, arguments.output, os.cpu_count() or 1)
        covered, tenths = confidence.coverage(predicted), confidence.tenths(predicted)
        found = [asdict(row) for row in confidence.rows_of(covered)]
        tables = {"coverage": covered.to_dict("records"), "tenths": tenths.to_dict("records")}
        return {"rows": found, **tables}
    if part == "step":
        from tests.benchmarks.steps import rows
    elif part == "fit":
        from tests.benchmarks.fits import rows
    elif part == "memory":
        from tests.benchmarks.memory import rows
    elif part == "parallel":
        from tests.benchmarks.parallel import rows
    elif part == "deployed":
        from tests.benchmarks.deployed import rows
    else:
        from tests.benchmarks.backtest import rows
    return {"rows": [asdict(row) for row in rows()]}


def machine() -> dict[str, Any]:
    """Where and when this was measured."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "command": " ".join(["python -m tests.benchmarks", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def table(folder: Path) -> str:
    """The newest numbers of every part that was measured."""
    from tests.benchmarks.timing import HEADINGS, Row

    lines, texts = [], []
    for part in PARTS:
        path = folder / f"{part}.json"
        if not path.is_file():
            continue
        found = json.loads(path.read_text())
        lines += [Row(**row).cells() for row in found["rows"]]
        for name in ("quality", "coverage", "tenths"):
            if name in found:
                texts.append(tabulate(found[name], headers="keys", floatfmt=".3f"))
        texts.append(f"{part}: {found['seconds']:.0f} s, {found['machine']}")
    return "\n\n".join([tabulate(lines, HEADINGS, disable_numparse=True), *texts])


if __name__ == "__main__":
    sys.exit(main())
