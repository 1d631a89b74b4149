"""Where the files are that tests look at."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = ROOT / "experiments"
GOLDEN = ROOT / "tests" / "golden"
