"""`python -m tests.benchmarks`: measure, print one table, and leave the numbers as JSON."""

import argparse
import itertools
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

from freqai_rnn.parallel.allocator import keep_freed_memory

PARTS = (
    *("step", "fit", "memory", "parallel", "backtest", "deployed"),
    *("placebo", "quality", "worth", "confidence"),
)
PACKAGES = ("freqtrade", "torch", "numpy", "scikit-learn", "lightgbm", "joblib")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--output", type=Path, default=Path("user_data/bench"))
    walk = parser.add_argument_group("placebo, quality, worth and confidence")
    walk.add_argument(
        "--datadir",
        nargs="+",
        default=["sample"],
        metavar="FOLDER",
        help="of candles that freqtrade download-data wrote, or the sample; several are measured "
        "apart and together",
    )
    walk.add_argument("--pairs", nargs="+", metavar="PAIR", help="default: all of the folders")
    walk.add_argument(
        "--timeframe", nargs="+", default=["1h"], help="default: 1h; the sample has 30m and 4h too"
    )
    walk.add_argument("--timerange", default="", help="as freqtrade's, 20200101-20220630")
    walk.add_argument("--slices", type=int, metavar="N", help="per pair; default: 16")
    walk.add_argument("--labels", nargs="+", default=["return", "log range"])
    walk.add_argument("--models", nargs="+", metavar="MODEL", help="default: all")
    walk.add_argument("--seeds", type=int, default=1)
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
    if part in ("placebo", "quality", "worth", "confidence"):
        return walk_forward(part, arguments)
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


def walk_forward(part: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run a part that trains on real candles."""
    from tests.benchmarks import confidence, placebo, quality, worth
    from tests.benchmarks.candles import Market

    markets = [
        Market(folder, timeframe, arguments.timerange)
        for timeframe, folder in itertools.product(arguments.timeframe, arguments.datadir)
    ]
    options = {
        "pairs": arguments.pairs,
        "n_slices": arguments.slices,
        "output": arguments.output,
        "n_jobs": os.cpu_count() or 1,
    }
    if part == "placebo":
        return placebo.measure(markets[0], arguments.models, **options)
    measure = {
        "quality": quality.measure,
        "worth": worth.measure,
        "confidence": confidence.measure,
    }[part]
    return measure(markets, arguments.labels, arguments.models, seeds=arguments.seeds, **options)


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
        for title, one in found.get("tables", {}).items():
            texts.append(f"{title}\n\n{tabulate(one, headers='firstrow', tablefmt='pipe')}")
        texts.append(f"{part}: {found['seconds']:.0f} s, {found['machine']}")
    return "\n\n".join([tabulate(lines, HEADINGS, disable_numparse=True), *texts])


if __name__ == "__main__":
    sys.exit(main())
