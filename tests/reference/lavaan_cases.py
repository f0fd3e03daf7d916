"""The cases of `lavaan/`: model, data, call and stored values of each, and fits, each made once a session."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import semgllamm
from semgllamm.data.datasets import load_dataset

FOLDER = Path(__file__).parent / "lavaan"
NAMES = sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))


def stored(name: str) -> dict[str, Any]:
    """One of the files that gather several fits: "tests" or "reliability"."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def frame(table: dict[str, Any]) -> pd.DataFrame:
    """A stored table; numbers that lavaan does not give are NaN."""
    found = pd.DataFrame(table["rows"], columns=table["columns"])
    words = {"lhs", "op", "rhs", "label", "group", "level", "fit"}
    return found.astype({column: float for column in found if column not in words})


def square(matrix: dict[str, Any]) -> pd.DataFrame:
    """A stored symmetric matrix, of which the file has the lower triangle."""
    names = matrix["names"]
    full = np.full((len(names), len(names)), np.nan)
    for i, row in enumerate(matrix["lower"]):
        full[i, : i + 1] = full[: i + 1, i] = [np.nan if cell is None else cell for cell in row]
    return pd.DataFrame(full, names, names)


@dataclass(frozen=True)
class Case:
    """One call of lavaan."""

    record: dict[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        return self.record["values"]

    @property
    def model(self) -> str:
        return "\n".join(self.record["model"])

    def data(self) -> pd.DataFrame:
        """The data set with its computed columns, and holes where the complete data say so."""
        complete = load_dataset(self.record["data"])
        for column, rule in self.record.get("columns", {}).items():
            complete[column] = complete.eval(rule)
        data = complete.copy()
        for hole in self.record.get("holes", []):
            by = complete[hole["by"]]
            data.loc[by <= by.quantile(hole["at_most_quantile"]), hole["column"]] = np.nan
        return data

    def arguments(self) -> dict[str, Any]:
        """What the call has besides model and data; of moments, the moments."""
        arguments, moments = dict(self.record["args"]), self.record.get("sample_cov")
        if moments:
            rows = self.data()[moments["columns"]]
            arguments |= {"sample_cov": rows.cov(), "sample_nobs": len(rows)}
            if moments.get("means"):
                arguments["sample_mean"] = rows.mean()
        return arguments

    def call(self):
        function = getattr(semgllamm, self.record["function"])
        data = None if "sample_cov" in self.record else self.data()
        return function(self.model, data, **self.arguments())

    def parameters(self) -> pd.DataFrame:
        """lavaan's `parameterEstimates`, by the key of `keyed`."""
        return keyed(frame(self.values["parameters"]))


def case(name: str) -> Case:
    return Case(json.loads((FOLDER / "cases" / f"{name}.json").read_text(encoding="utf-8")))


@functools.cache
def _outcome(name: str):
    try:
        return case(name).call()
    except Exception as error:
        return error


def fit(name: str):
    """The package's fit of a case; what a call raised is raised for every test of the case."""
    found = _outcome(name)
    if isinstance(found, Exception):
        raise found
    return found


def keyed(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table by lhs, op, rhs, group and level, whichever side of a covariance is written first."""
    table = table[~table["op"].isin(["==", "<", ">"])].copy()
    # of definitions the name alone
    table.loc[table["op"] == ":=", "rhs"] = ""
    swap = (table["op"] == "~~") & (table["lhs"] > table["rhs"])
    table.loc[swap, ["lhs", "rhs"]] = table.loc[swap, ["rhs", "lhs"]].to_numpy()
    for column in ("group", "level"):
        table[column] = _numbered(table[column], table["op"]) if column in table else 1
    return table.set_index(["lhs", "op", "rhs", "group", "level"]).sort_index()


def _numbered(column: pd.Series, op: pd.Series) -> pd.Series:
    """Groups and levels by number, in their order; definitions, which have none, as of the first."""
    number = {value: k for k, value in enumerate(dict.fromkeys(column[op != ":="]), start=1)}
    return column.where(op != ":=").map(number).fillna(1).astype(int)
