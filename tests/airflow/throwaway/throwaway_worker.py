"""The worker of the throwaway project."""

import sys
from pathlib import Path

from throwaway import Throwaway

from concord.airflow.worker import main

main(Throwaway(), sweep=[sys.executable, str(Path(__file__).with_name("throwaway_sweep.py"))])
