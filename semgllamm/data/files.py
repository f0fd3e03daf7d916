"""Tables from files of comma- or tab-separated values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

TAB_SEPARATED = {".tsv", ".tab"}


def read_table(path: str | Path) -> pd.DataFrame:
    """A file of comma-separated values (tab-separated if it ends in .tsv or .tab; possibly compressed) as a DataFrame.

    Raises
    ------
    DataError
        If there is no such file, or it is empty, has no rows, or is no table.
    """
    import pandas as pd

    path = Path(path)
    separator = "\t" if TAB_SEPARATED & set(path.suffixes) else ","
    try:
        frame = pd.read_csv(path, sep=separator, encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no data file '{path}'") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"the data file '{path}' is empty", remedy="Its first line must name the columns.") from None
    except UnicodeDecodeError as failure:
        raise DataError(f"the data file '{path}' is not UTF-8: {failure.reason}", remedy="Save it as UTF-8.") from None
    except (pd.errors.ParserError, ValueError) as failure:
        reason = str(failure).strip()
        raise DataError(
            f"the data file '{path}' cannot be read as a table: {reason}",
            remedy="Each line must have the same number of values, with commas between them.",
        ) from None
    except OSError as failure:
        raise DataError(f"the data file '{path}' cannot be read: {failure.strerror or failure}") from None
    if frame.shape[1] == 1 and ";" in str(frame.columns[0]):
        raise DataError(
            f"the data file '{path}' has semicolons between its values",
            remedy="Save it with commas, and with a decimal point.",
        )
    if frame.empty:
        raise DataError(f"the data file '{path}' has no rows", remedy="It has only a line of column names.")
    return frame
