"""The generators of simulated data live beside the reference values."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "reference"))
