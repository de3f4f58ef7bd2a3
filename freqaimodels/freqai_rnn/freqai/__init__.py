"""The model as FreqAI runs it: its hooks, its live loop, and what they would start with."""

import re

import freqtrade
from freqtrade.exceptions import OperationalException

OLDEST = (2026, 3)

# "docker-2026.10-dev-1a2b3c4d" is one, too
if tuple(map(int, re.findall(r"\d+", freqtrade.__version__)[:2])) < OLDEST:
    # freqtrade would call an ImportError "Python code errors" of this package; this it shows
    raise OperationalException(
        f"freqtrade is {freqtrade.__version__}, but freqai-rnn needs {OLDEST[0]}.{OLDEST[1]} or "
        "newer. Update freqtrade."
    )
