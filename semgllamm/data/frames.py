"""The user's table as a pandas DataFrame with one column a name; what is handed in is never changed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column", "to_frame"]


def to_frame(data: Any) -> pd.DataFrame:
    """The data as a DataFrame.

    Parameters
    ----------
    data : DataFrame, object with ``__dataframe__`` or ``__arrow_c_stream__``, or mapping
        A pandas DataFrame is used as it is; a table of another library is converted by its own ``to_pandas``, else
        by the protocol that it speaks; a mapping holds one-dimensional arrays of one length.

    Returns
    -------
    DataFrame
        Its column names are distinct strings. It may share memory with `data`: write to it nowhere.

    Raises
    ------
    DataError
        If `data` is none of these, has no rows, or two columns share a name.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        frame = data
    elif hasattr(data, "__dataframe__") or hasattr(data, "__arrow_c_stream__"):
        frame = _converted(data)
    elif isinstance(data, Mapping):
        frame = _from_mapping(data)
    else:
        raise DataError(
            f"data of type {type(data).__name__} cannot be read as a table",
            remedy="Give a pandas, polars or pyarrow table, or a dict of columns such as {'y': [...], 'x': [...]}.",
        )
    frame = _with_text_names(frame)
    if not len(frame):
        raise DataError("the data have no rows")
    return frame


def column(frame: pd.DataFrame, name: str, role: str = "column") -> pd.Series:
    """The column `name`, or a DataError that offers near names.

    Parameters
    ----------
    frame : DataFrame
    name : str
    role : str
        How the message calls it: "response", "covariate", "cluster column".
    """
    if name in frame.columns:
        return frame[name]
    by_folded = {known.casefold(): known for known in frame.columns}
    near = get_close_matches(name.casefold(), by_folded, n=3)
    if near:
        remedy = f"Did you mean {' or '.join(by_folded[known] for known in near)}?"
    else:
        shown = ", ".join(frame.columns[:12]) + (", ..." if frame.shape[1] > 12 else "")
        remedy = f"The columns are: {shown}." if frame.shape[1] else "The data have no columns."
    raise DataError(f"{role} '{name}' is not in the data", remedy=remedy)


def _converted(data: Any) -> pd.DataFrame:
    import pandas as pd

    try:
        if hasattr(data, "to_pandas"):
            return data.to_pandas()
        if hasattr(data, "__dataframe__"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pandas discourages the protocol; a table may speak no other
                return pd.api.interchange.from_dataframe(data)
        return pd.DataFrame.from_arrow(data)
    except Exception as failure:  # whatever a foreign library raises is told to the user in one way
        library = type(data).__module__.partition(".")[0]
        raise DataError(
            f"the {library} table could not be converted to pandas: {failure}",
            remedy="Convert it first, and give the pandas DataFrame.",
        ) from failure


def _from_mapping(data: Mapping) -> pd.DataFrame:
    import pandas as pd

    columns = {}
    for name, values in data.items():
        if np.ndim(values) != 1 and not isinstance(values, pd.Series | pd.Categorical):
            raise DataError(
                f"column '{name}' has {np.ndim(values)} dimensions",
                remedy="Each column is a list or one-dimensional array with one value a row.",
            )
        # a Series would be aligned by its index; rows are meant to correspond by position
        columns[name] = values.array if isinstance(values, pd.Series) else values
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        first, *others = lengths
        other = next(name for name in others if lengths[name] != lengths[first])
        raise DataError(f"column '{other}' has {lengths[other]} values, but column '{first}' has {lengths[first]}")
    return pd.DataFrame(columns)


def _with_text_names(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.columns.nlevels > 1:
        raise DataError(
            "the data have column names of several parts (a MultiIndex)",
            remedy="Join them: data.columns = ['_'.join(map(str, parts)) for parts in data.columns].",
        )
    names = [str(name) for name in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise DataError(
            f"several columns are called {', '.join(repr(name) for name in repeated[:5])}",
            remedy="Give each column a name of its own.",
        )
    if any(not isinstance(name, str) for name in frame.columns):
        frame = frame.set_axis(names, axis="columns")
    return frame
