"""A table of the combinations of parameters that are not identified."""

from __future__ import annotations

import pandas as pd

from semgllamm.estimation.identification import Identification

__all__ = ["null_directions"]


def null_directions(found: Identification) -> pd.DataFrame:
    """A row a parameter of each direction: direction (from 1), parameter, loading, singular_value."""
    rows = [
        (k, name, loading, direction.value)
        for k, direction in enumerate(found.directions, start=1)
        for name, loading in zip(direction.names, direction.loadings)
    ]
    return pd.DataFrame(rows, columns=["direction", "parameter", "loading", "singular_value"])
