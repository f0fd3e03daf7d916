"""How a number is written: the only file with format strings."""

from __future__ import annotations

from math import isfinite, isinf, isnan
from numbers import Integral

from semgllamm.tables.table import Cell

__all__ = ["cell", "decimal", "rounded_up"]

DECIMALS = 3
# beyond this a fixed-point number is only digits nobody reads
LARGEST_FIXED = 1e10
# an error below it is one of arithmetic
ROUNDING = 1e-9


def decimal(value: float) -> str:
    """Three decimals, as lavaan prints; blank for NaN, scientific when astronomically large."""
    if isnan(value):
        return ""
    if isinf(value):
        return "Inf" if value > 0 else "-Inf"
    if abs(value) >= LARGEST_FIXED:
        return f"{value:.{DECIMALS}e}"
    return f"{value:.{DECIMALS}f}"


def rounded_up(value: float) -> str:
    """A bound on an error, to one significant digit and never understated: 0.00234 gives 0.003.

    Below 1e-9 it would tell of rounding alone, and is 1e-9.
    """
    if not isfinite(value):
        return decimal(value)
    if value == 0:
        return "0"
    mantissa, exponent = f"{max(abs(value), ROUNDING):.12e}".split("e")
    digit, power = int(mantissa[0]) + (float(mantissa) > int(mantissa[0])), int(exponent)
    if digit == 10:
        digit, power = 1, power + 1
    bound = digit * 10.0**power
    return f"{bound:.{max(0, -power)}f}" if -4 <= power < 6 else f"{bound:.0e}"


def cell(value: Cell) -> str:
    """A cell of any table: text as it is, None and NaN blank, a count without and a float with decimals."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return f"{value:d}"
    return decimal(float(value))
