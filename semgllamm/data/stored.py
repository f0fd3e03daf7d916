"""Tables as plain arrays and words, so that a file may hold them, and back again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["named_columns", "stored_frame", "table_of"]

PLAIN = "biuf"  # kinds of NumPy's numbers
TIMES = "mM"  # and of its dates and times
ORDINARY = (str, int, float, bool, type(None))


def named_columns(frame: pd.DataFrame, text: str, words: Iterable[str] = ()) -> list[str]:
    """The columns that a model text or the words of a call name; one of another meaning may be among them."""
    words = set(words)

    def is_named(name: str) -> bool:
        return name in words or re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text) is not None

    return [name for name in frame.columns if is_named(name)]


def stored_frame(frame: pd.DataFrame, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """A record of a table, whose arrays are added to `arrays`.

    Raises
    ------
    DataError
        For a column of a type that has no plain form.
    """
    columns = [
        {"name": name, **_stored(frame[name], f"column{k}", f"column '{name}'", arrays)}
        for k, name in enumerate(frame.columns)
    ]
    return {"rows": len(frame), "columns": columns, "index": _stored_index(frame.index, arrays)}


def table_of(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> pd.DataFrame:
    """The table of a record."""
    import pandas as pd

    columns = {column["name"]: _restored(column, arrays) for column in record["columns"]}
    frame = pd.DataFrame(columns, index=range(record["rows"]))
    frame.index = _restored_index(record["index"], arrays)
    return frame


def _stored(values: pd.Series, key: str, what: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        arrays[f"{key}.codes"] = values.cat.codes.to_numpy()
        labels = _stored(pd.Series(dtype.categories), f"{key}.labels", what, arrays)
        return {"kind": "categories", "codes": f"{key}.codes", "labels": labels, "ordered": bool(dtype.ordered)}
    if isinstance(dtype, np.dtype) and dtype.kind in PLAIN:
        arrays[key] = values.to_numpy()
        return {"kind": "numbers", "array": key}
    if isinstance(dtype, np.dtype) and dtype.kind in TIMES:
        arrays[key] = values.to_numpy().view(np.int64)
        return {"kind": "times", "array": key, "type": str(dtype)}
    codes, found = pd.factorize(values.astype(object), use_na_sentinel=True)
    labels = [value.item() if isinstance(value, np.generic) else value for value in found]
    if not all(isinstance(value, ORDINARY) for value in labels):
        raise DataError(f"{what} of type {dtype} cannot be saved", remedy="Make it numbers, words or categories.")
    arrays[key] = codes.astype(np.int64)
    return {"kind": "values", "array": key, "labels": labels, "type": str(dtype)}


def _restored(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    import pandas as pd

    kind = record["kind"]
    if kind == "categories":
        labels = pd.Index(_restored(record["labels"], arrays))
        return pd.Categorical.from_codes(arrays[record["codes"]], labels, ordered=record["ordered"])
    values = arrays[record["array"]]
    if kind == "numbers":
        return values
    if kind == "times":
        return values.view(record["type"])
    missing = None if record["type"] == "object" else pd.NA
    labels = np.array([*record["labels"], missing], dtype=object)
    return pd.array(labels[values], dtype=record["type"])


def _stored_index(index: pd.Index, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    import pandas as pd

    names = list(index.names)
    if not all(isinstance(name, ORDINARY) for name in names):
        raise DataError("the index of the data has names that cannot be saved", remedy="Give it names that are words.")
    if isinstance(index, pd.RangeIndex):
        return {"names": names, "range": [index.start, index.stop, index.step]}
    parts = [index.get_level_values(k) for k in range(index.nlevels)]
    stored = [_stored(pd.Series(part), f"index{k}", "the index", arrays) for k, part in enumerate(parts)]
    return {"names": names, "parts": stored}


def _restored_index(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> pd.Index:
    import pandas as pd

    if "range" in record:
        return pd.RangeIndex(*record["range"], name=record["names"][0])
    parts = [_restored(part, arrays) for part in record["parts"]]
    if len(parts) == 1:
        return pd.Index(parts[0], name=record["names"][0])
    return pd.MultiIndex.from_arrays(parts, names=record["names"])
