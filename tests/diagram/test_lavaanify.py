"""The completed parameter table equals lavaan's, row by row, for every stored model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from semgllamm.api import parameter_table

FOLDER = Path(__file__).parents[1] / "reference" / "lavaanify"
CASES = {case["name"]: case for case in json.loads((FOLDER / "cases.json").read_text())}
TABLES = json.loads((FOLDER / "tables.json").read_text())["tables"]


def ours(case):
    """Our table for a case."""
    arguments = dict(case.get("switches", {}))
    if "categories" in case:
        arguments |= {"categories": case["categories"], "ordered": tuple(case["categories"])}
    text = "\n".join(case["model"])
    return parameter_table(text, like=case["like"], n_groups=case.get("n_groups", 1), **arguments)


def theirs(name):
    """lavaan's: one column for the value of a fixed cell and the start of a free one, groups and levels by label."""
    table = pd.DataFrame(TABLES[name]["rows"], columns=TABLES[name]["columns"])
    for column in {"group", "level"}.intersection(table):
        if not pd.api.types.is_numeric_dtype(table[column]):
            order = {label: k for k, label in enumerate(filter(None, dict.fromkeys(table[column])), start=1)}
            table[column] = [order.get(label, 0) for label in table[column]]
    value = table["ustart"].astype(float)
    free = table["free"] > 0
    # where both rows of an equal() have one label with us, lavaan calls one of them .p2.
    for column, cells in CASES[name].get("expected", {}).items():
        for place, cell in cells.items():
            table.loc[int(place), column] = cell
    table["fixed"], table["start"] = value.where(~free), value.where(free)
    return table


@pytest.mark.parametrize("name", CASES)
def test_table_equals_lavaan(name):
    expected, found = theirs(name), ours(CASES[name])
    key = ["lhs", "op", "rhs"]
    expected["rhs"] = expected["rhs"].str.replace(" ", "")
    assert found[key].values.tolist() == expected[key].values.tolist()
    for column in ("user", "block", "group", "level", "free", "exo", "label"):
        if column in expected:
            assert found[column].tolist() == expected[column].tolist(), column
    for column in ("fixed", "start"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-12, err_msg=column)


def test_every_model_has_a_table():
    assert set(CASES) == set(TABLES)
    assert len(CASES) >= 90
