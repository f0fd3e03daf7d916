"""Data that a family cannot have produced: the first such row is named."""

from __future__ import annotations

import numpy as np

from semgllamm.errors import DataError

__all__ = ["as_numbers", "refuse", "require_finite", "require_whole"]


def refuse(impossible: np.ndarray, values: np.ndarray, column: str, reason: str, remedy: str | None = None) -> None:
    """Raise a DataError for the first row where `impossible` holds.

    Parameters
    ----------
    impossible : array of bool
    values : array
        Of the same length; the offending value is quoted.
    column : str
    reason : str
        Reads on from the value: "-1 " + "is negative".
    remedy : str, optional
    """
    if impossible.any():
        row = int(np.argmax(impossible))
        value = values[row]
        shown = f"{value:.12g}" if isinstance(value, (float, np.floating)) else str(value)
        raise DataError(f"column '{column}', row {row} (the first row is 0): {shown} {reason}", remedy=remedy)


def as_numbers(values: np.ndarray, column: str) -> np.ndarray:
    """The column as floats; NaN and None are missing responses."""
    values = np.atleast_1d(np.asarray(values))
    try:
        return values.astype(float)
    except (TypeError, ValueError):
        refuse(np.array([not _is_number(value) for value in values]), values, column, "is not a number")
        raise


def _is_number(value: object) -> bool:
    try:
        float(np.nan if value is None else value)
    except (TypeError, ValueError):
        return False
    return True


def require_finite(values: np.ndarray, column: str) -> None:
    """Refuse infinite values."""
    refuse(np.isinf(values), values, column, "is not finite", "Leave a response empty (NaN) where it is missing.")


def require_whole(values: np.ndarray, column: str, family: str) -> None:
    """Refuse values that are not whole numbers."""
    fractional = ~np.isnan(values) & (values != np.round(values))
    refuse(fractional, values, column, f"is not a whole number, as {family} requires")
