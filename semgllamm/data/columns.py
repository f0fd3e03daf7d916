"""Columns as numbers: responses, covariates and known parts, each checked where it is read.

Missing values become NaN. An error names the column, the row (the frame's own index label) and the value.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data.frames import column
from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.data.units import Units

__all__ = [
    "SECOND",
    "coding",
    "column",
    "constant_within",
    "covariate",
    "covariate_levels",
    "covariate_warnings",
    "events",
    "exposure",
    "interval",
    "levels",
    "offset",
    "response",
    "response_level",
    "sampling_weights",
    "trials",
    "unit_value",
    "unit_weights",
    "weights_of_components",
]

# families whose answers are the numbers of categories
ORDERED = ("ordinal", "sequential", "adjacent")
CATEGORICAL = (*ORDERED, "multinomial")
MOST_LEVELS = 1000  # of a categorical covariate: more are an identifier, or numbers that were read as text


def response(
    frame: pd.DataFrame, name: str, family: str = "gaussian", *, declared: bool = False
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...] | None]:
    """A response as numbers.

    A bool or two-level categorical is 0/1 with the last level 1. For a family of categories an ordered categorical,
    or a column of whole numbers, becomes 0, 1, ... in the order of the categories that occur. Whether the numbers are
    possible under the family is for the family's own check to say.

    Parameters
    ----------
    frame : DataFrame
    name : str
    family : str
        Name of the family.
    declared : bool
        Whether somebody chose the family; a two-valued response of the default family is warned about.

    Returns
    -------
    values : array of float
        NaN where missing.
    warnings : tuple of str
    labels : tuple of str or None
        What 0, 1, ... stand for, where the column did not say so itself.
    """
    values = column(frame, name, "response")
    if family in CATEGORICAL:
        numbers, warnings, labels = _categories(frame, values, name, family)
    else:
        numbers, warnings, labels = _two_level_or_numeric(frame, values, name)
    gaps = np.isnan(numbers)
    seen = numbers[~gaps] if gaps.any() else numbers
    if not seen.size:
        raise DataError(f"response '{name}' is missing in every row", remedy="Leave it out of the model.")
    lowest, highest = seen.min(), seen.max()
    if lowest == highest:
        if family in ("gaussian", *CATEGORICAL):
            raise DataError(
                f"response '{name}' is constant: every row has {_shown(values[~gaps].iloc[0])}",
                remedy="Nothing about it can be estimated: leave it out of the model.",
            )
        boundary = lowest == 0 or family == "bernoulli"
        warnings.append(f"response '{name}' is {lowest:g} in every row"
                        + (": its intercept has no finite estimate" if boundary else ""))
    elif family == "gaussian" and not declared and _two_valued(seen, lowest, highest):
        warnings.append(
            f"response '{name}' has only the values {lowest:g} and {highest:g} and is treated as gaussian; for a "
            f"binary response write @family({name}, bernoulli)"
        )
    return numbers, tuple(warnings), labels


def _two_valued(seen: np.ndarray, lowest: float, highest: float) -> bool:
    """Whether there is nothing between the two; of most columns the first value tells."""
    return not lowest < seen[0] < highest and bool(((seen == lowest) | (seen == highest)).all())


def coding(name: str, labels: tuple[str, ...]) -> str:
    """How a response was coded, in words: ``immun: N = 0, Y = 1``."""
    return f"{name}: " + ", ".join(f"{label} = {code}" for code, label in enumerate(labels))


def trials(frame: pd.DataFrame, source: str | float) -> np.ndarray:
    """Binomial denominators, from a column or one number for all rows."""
    if isinstance(source, str):
        return _numeric(frame, column(frame, source, "column of trials"), source, "column of trials")
    return np.full(len(frame), float(source))


def events(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Whether each time ends in the event, 1, or is censored, 0; bools will do."""
    values = column(frame, name, "column of events")
    return _numeric(frame, values, name, "column of events")


# how the second column of a response is read, by the directive that names it
SECOND = {"trials": trials, "event": events}


def interval(
    frame: pd.DataFrame, name: str, values: np.ndarray, ends: str | None, *, lower: float = -math.inf,
    upper: float = math.inf,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """What is known of a censored response: an end, and the other end (the same if the value was seen).

    Parameters
    ----------
    values : (n,) array
        The response; NaN where it is missing, or, with `ends`, where the interval has no lower end.
    ends : str or None
        The column of upper ends; where it is missing, the interval has none.
    lower, upper : float
        Limits at which all answers are censored.

    Returns
    -------
    known, other : (n,) arrays
        The first is finite, or NaN where the response is missing.

    Raises
    ------
    DataError
        For an interval whose ends are in the wrong order, and for limits beside intervals.
    """
    if ends is None:
        if not lower < upper:
            raise DataError(f"response '{name}' is censored at {lower:g} below and at {upper:g} above",
                            remedy="The lower limit is below the upper one.")
        known = np.clip(values, lower, upper)
        return known, np.where(known <= lower, -math.inf, np.where(known >= upper, math.inf, known))
    if lower > -math.inf or upper < math.inf:
        raise DataError(f"response '{name}' has intervals of its own and limits for all",
                        remedy="Leave out lower= and upper=, or @interval.")
    tops = _numeric(frame, column(frame, ends, "column of upper ends"), ends, "column of upper ends")
    _refuse(tops < values, frame, frame[ends], f"upper end '{ends}'", f"is below the lower end '{name}'",
            "An interval runs from the response to its upper end.")
    known = np.where(np.isnan(values), tops, values)
    other = np.where(np.isnan(values), -math.inf, np.where(np.isnan(tops), math.inf, tops))
    return known, np.where(np.isnan(known), np.nan, other)


def offset(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A known part of the linear predictor."""
    return _numeric(frame, column(frame, name, "offset"), name, "offset")


def exposure(frame: pd.DataFrame, name: str) -> np.ndarray:
    """The logarithm of a column of exposures: times at risk, areas, numbers of persons."""
    values = _numeric(frame, column(frame, name, "exposure"), name, "exposure")
    _refuse(values <= 0, frame, frame[name], f"exposure '{name}'", "is not positive",
            "An exposure is a positive amount; a column that is already on the log scale is an @offset.")
    return np.log(values)


def sampling_weights(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column of sampling weights: how many of the population a row stands for."""
    values = _numeric(frame, column(frame, name, "sampling weights"), name, "sampling weights")
    _refuse(~(values > 0), frame, frame[name], f"sampling weight '{name}'", "is not positive",
            "A row without weight is best left out.")
    return values


def unit_weights(frame: pd.DataFrame, name: str, whole: bool) -> np.ndarray:
    """A column of sampling weights, or of frequencies, which are whole numbers; 0 for units that stand for nothing."""
    what = "frequencies" if whole else "sampling weights"
    values = _numeric(frame, column(frame, name, what), name, what)
    one = f"frequency '{name}'" if whole else f"sampling weight '{name}'"
    _refuse(np.isnan(values), frame, frame[name], one, "is missing", "Give it a value, or leave the row out.")
    _refuse(~((values >= 0) & (values < math.inf)), frame, frame[name], one, "is negative or infinite",
            "A unit stands for a number of units, 0 or more.")
    if whole:
        _refuse(values != np.round(values), frame, frame[name], one, "is not a whole number",
                "A frequency counts units that are alike; what a unit stands for in a population is a @weight.")
    return values


def population(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column with the number of units in a population, or the share of them that was drawn."""
    values = _numeric(frame, column(frame, name, "fpc"), name, "fpc")
    _refuse(~(values > 0), frame, frame[name], f"fpc '{name}'", "is no number of units",
            "It is the number of units in the population, or the share of them that was drawn.")
    return values


def weights_of_components(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column of weights with which rows enter the mean of their case."""
    values = _numeric(frame, column(frame, name, "weights"), name, "weights")
    _refuse(~(values >= 0), frame, frame[name], f"weight '{name}'", "is no weight in a mean",
            "The mean of a case is a sum of its rows, with weights of 0 or more.")
    return values


def covariate(frame: pd.DataFrame, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """A covariate, its dummies, or a product of covariates.

    Parameters
    ----------
    frame : DataFrame
    name : str
        A column; or columns joined by ``:``, whose products are taken, of dummies with each other as well.

    Returns
    -------
    values : (n, k) array of float
        NaN where missing.
    names : tuple of str
        ``x``; ``site[b]`` for each level of a categorical covariate but the first; ``x:site[b]``.
    """
    if ":" in name and name not in frame.columns:
        parts = [covariate(frame, part) for part in name.split(":")]
        arrays = [np.prod(factors, axis=0) for factors in product(*(values.T for values, _ in parts))]
        names = tuple(":".join(labels) for labels in product(*(labels for _, labels in parts)))
        return np.column_stack(arrays), names
    values = column(frame, name, "covariate")
    if not _is_categorical(values):
        return _numeric(frame, values, name, "covariate")[:, None], (name,)
    levels, codes = _levels_to_compare(values, name)
    dummies = (codes[:, None] == np.arange(1, len(levels))).astype(float)
    dummies[codes < 0] = np.nan
    return dummies, tuple(f"{name}[{level}]" for level in levels[1:])


def covariate_levels(frame: pd.DataFrame, name: str) -> tuple[str, ...]:
    """Levels of a categorical covariate without the first, which has no dummy; empty for a numeric one."""
    values = column(frame, name, "covariate")
    return _levels_to_compare(values, name)[0][1:] if _is_categorical(values) else ()


def levels(frame: pd.DataFrame, name: str) -> tuple[str, ...]:
    """All levels of a categorical covariate, the first of them without a dummy."""
    return _levels_to_compare(column(frame, name, "covariate"), name)[0]


def covariate_warnings(frame: pd.DataFrame, name: str) -> tuple[str, ...]:
    """What to say of a numeric covariate: nothing, or that it is constant.

    Raises
    ------
    DataError
        If it is missing in every row.
    """
    values = column(frame, name, "covariate")
    if _is_categorical(values):
        return ()
    numbers = _numeric(frame, values, name, "covariate")
    seen = numbers[~np.isnan(numbers)]
    if not seen.size:
        raise DataError(f"covariate '{name}' is missing in every row", remedy="Leave it out of the model.")
    if seen.size == 1 or seen.min() < seen.max():
        return ()
    return (f"covariate '{name}' is {seen[0]:g} in every row: its effect cannot be told from an intercept",)


def unit_value(values: np.ndarray, units: Units, level: str, name: str) -> np.ndarray:
    """The value that each unit of a level has in a column, NaN where all its rows lack it.

    Raises
    ------
    DataError
        If the column varies within a unit; the unit and its values are named.
    """
    codes = units.codes[level]
    seen = ~np.isnan(values)
    found = np.full(units.counts[level], np.nan)
    found[codes[seen]] = values[seen]
    differing = seen & (found[codes] != values)
    if differing.any():
        unit = int(codes[differing].min())
        inside = np.unique(values[seen & (codes == unit)])
        shown = ", ".join(f"{value:g}" for value in inside[:4]) + (", ..." if len(inside) > 4 else "")
        raise DataError(
            f"column '{name}' is used at level '{level}' but varies within {units.label(level, unit)}: {shown}",
            remedy=f"Use it at the level where it varies, or its mean over each {level}.",
        )
    return found


def response_level(values: np.ndarray, units: Units, highest: str | None = None) -> str | None:
    """The highest level, from `highest` down, within whose units a response is constant; None is the row."""
    levels = units.levels if highest is None else units.levels[: units.levels.index(highest) + 1]
    return next((level for level in reversed(levels) if constant_within(values, units.codes[level])), None)


def constant_within(values: np.ndarray, codes: np.ndarray) -> bool:
    """Whether the values of each unit are equal, missing ones aside."""
    seen = ~np.isnan(values)
    values, codes = values[seen], codes[seen]
    found = np.full(codes.max(initial=-1) + 1, np.nan)
    found[codes] = values
    return bool((found[codes] == values).all())


def _categories(frame: pd.DataFrame, values: pd.Series, name: str, family: str):
    import pandas as pd

    if family == "multinomial" and _is_categorical(values):
        values = values.astype("category")
    if isinstance(values.dtype, pd.CategoricalDtype):
        if not values.cat.ordered and len(values.cat.categories) > 2 and family in ORDERED:
            raise DataError(
                f"response '{name}' is {family}, but its categories have no order",
                remedy=f"Order them: data['{name}'] = data['{name}'].cat.set_categories([...], ordered=True).",
            )
        labels, codes = _occurring_levels(values, name)
        empty = len(values.cat.categories) - len(labels)
        warnings = [f"{empty} of the declared categories of response '{name}' do not occur and are left out"]
        return np.where(codes < 0, np.nan, codes), warnings if empty else [], labels
    if _is_bool(values):
        return _two_level_or_numeric(frame, values, name)
    numbers = _numeric(frame, values, name, "response")
    _refuse(numbers % 1 > 0, frame, values, f"response '{name}'", f"is not a category, as {family} requires",
            "Categories are whole numbers or an ordered categorical; a measurement is gaussian.")
    seen = ~np.isnan(numbers)
    found, codes = np.unique(numbers[seen], return_inverse=True)
    numbers[seen] = codes
    steps = np.diff(found).astype(int)
    # numbers of categories without order are names, and may have gaps
    if family in ORDERED and len(steps) and (steps > np.gcd.reduce(steps)).any():
        known = set(found)
        between = [x for x in np.arange(found[0], found[-1], np.gcd.reduce(steps)) if x not in known]
        shown = ", ".join(f"{x:.0f}" for x in between[:5]) + (", ..." if len(between) > 5 else "")
        warnings = [
            f"response '{name}' has no answer {shown} between {found[0]:.0f} and {found[-1]:.0f}: its categories are "
            f"the {len(found)} that occur"
        ]
    else:
        warnings = []
    return numbers, warnings, tuple(f"{value:.0f}" for value in found)


def _two_level_or_numeric(frame: pd.DataFrame, values: pd.Series, name: str):
    import pandas as pd

    if _is_plain(values):
        return _numeric(frame, values, name, "response"), [], None
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = values.cat.categories
        if len(categories) > 2 and values.nunique() > 2:
            advice = "ordinal" if values.cat.ordered else "multinomial"
            raise DataError(
                f"response '{name}' is categorical with {len(categories)} levels, not a number",
                remedy=f"Write @family({name}, {advice}), or turn it into numbers.",
            )
        labels, codes = _occurring_levels(values, name) if len(categories) > 2 else _declared_levels(values)
        return np.where(codes < 0, np.nan, codes), [], labels
    if _is_bool(values):
        return values.astype("object").map({False: 0.0, True: 1.0}).to_numpy(dtype=float), [], ("False", "True")
    return _numeric(frame, values, name, "response"), [], None


def _is_plain(values: pd.Series) -> bool:
    """A column of NumPy's integers or floats, as most are."""
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf"


def _is_bool(values: pd.Series) -> bool:
    """Bool, or an object column of bools and missing values."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(values.dtype):
        return True
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "boolean"


def _is_categorical(values: pd.Series) -> bool:
    """Categories or text: a covariate that becomes dummies."""
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype):
        return True
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "string"


def _declared_levels(values: pd.Series) -> tuple[tuple[str, ...], np.ndarray]:
    return tuple(str(category) for category in values.cat.categories), values.cat.codes.to_numpy(dtype=np.int64)


def _levels_to_compare(values: pd.Series, name: str) -> tuple[tuple[str, ...], np.ndarray]:
    levels, codes = _occurring_levels(values, name)
    if len(levels) == 1:
        raise DataError(
            f"covariate '{name}' has the single level {levels[0]}", remedy="It has no effect to estimate: leave it out."
        )
    if len(levels) > MOST_LEVELS or len(levels) == (codes >= 0).sum() >= 20:
        raise DataError(
            f"covariate '{name}' is categorical with {len(levels)} levels in {(codes >= 0).sum()} rows, each an effect "
            "of its own",
            remedy=f"If it holds numbers, convert it: pd.to_numeric(data['{name}']); if it names units, write "
            f"(1 | {name}).",
        )
    return levels, codes


def _occurring_levels(values: pd.Series, name: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the levels that occur, in declared or sorted order, and their codes (-1 where missing)."""
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        labels, codes = _declared_levels(values)
        occurs = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(labels)))
        renumbered = np.full(len(labels) + 1, -1, dtype=np.int64)
        renumbered[occurs] = np.arange(len(occurs))
        labels, codes = tuple(labels[k] for k in occurs), renumbered[codes]
    else:
        codes, found = pd.factorize(values, sort=True)
        labels = tuple(str(label) for label in found)
    if not labels:
        raise DataError(f"column '{name}' is missing in every row", remedy="Leave it out of the model.")
    if len(set(labels)) < len(labels):
        raise DataError(f"column '{name}' has several levels that are written alike: {', '.join(labels[:10])}")
    return labels, codes


def _numeric(frame: pd.DataFrame, values: pd.Series, name: str, role: str) -> np.ndarray:
    """The column as a new array of floats; infinite values and everything that is not a number are refused."""
    import pandas as pd

    what = f"{role} '{name}'"
    if _is_plain(values):
        numbers = np.array(values.to_numpy(), dtype=float)
        _refuse(np.isinf(numbers), frame, values, what, "is infinite", "Write a missing value as NaN.")
        return numbers
    kind = pd.api.types
    if kind.is_datetime64_any_dtype(values.dtype) or isinstance(values.dtype, pd.PeriodDtype):
        raise DataError(f"{what} holds dates", remedy=f"Turn it into a number, for example days since the first: "
                        f"(data['{name}'] - data['{name}'].min()).dt.days.")
    if kind.is_timedelta64_dtype(values.dtype):
        raise DataError(f"{what} holds lengths of time", remedy=f"Turn it into a number: data['{name}'].dt.days.")
    if kind.is_complex_dtype(values.dtype):
        raise DataError(f"{what} holds complex numbers", remedy="Use the real or imaginary part.")
    if _is_bool(values):
        values = values.astype("object").map({False: 0.0, True: 1.0})
    elif not kind.is_numeric_dtype(values.dtype):
        text = np.array([isinstance(value, str) for value in values])
        as_numbers = pd.to_numeric(values.astype("object"), errors="coerce")
        _refuse(values.notna().to_numpy() & as_numbers.isna().to_numpy(), frame, values, what, "is not a number",
                "Declare a two-level answer as such: "
                f"data['{name}'].astype('category')." if role == "response" and values.nunique() == 2 else
                "Write missing values as NaN or None.")
        _refuse(text, frame, values, what, "is text, not a number", f"Convert it: pd.to_numeric(data['{name}']).")
        values = as_numbers
    numbers = values.to_numpy(dtype=float, na_value=np.nan, copy=True)
    _refuse(np.isinf(numbers), frame, values, what, "is infinite", "Write a missing value as NaN.")
    return numbers


def _refuse(
    impossible: np.ndarray, frame: pd.DataFrame, values: pd.Series, what: str, reason: str, remedy: str
) -> None:
    if impossible.any():
        row = int(np.argmax(impossible))
        more = int(impossible.sum()) - 1
        raise DataError(
            f"{what}, row {frame.index[row]}: {_shown(values.iloc[row])} {reason}"
            + (f" (and {more} more)" if more else ""),
            remedy=remedy,
        )


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
