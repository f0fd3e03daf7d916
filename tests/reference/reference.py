"""The reference models: text, data, stored values, and fits, each made once a session."""

import functools
import json
from pathlib import Path

import pandas as pd

import semgllamm
from semgllamm.data.datasets import load_dataset

HERE = Path(__file__).parent


def values(name):
    return json.loads((HERE / name / "values.json").read_text(encoding="utf-8"))


def model(name):
    return (HERE / name / "model.sem").read_text(encoding="utf-8")


@functools.cache
def data(name):
    source = values(name)["data"]
    return pd.read_csv(HERE / name / source) if source.endswith(".csv") else load_dataset(source)


@functools.cache
def fit(name, quadrature):
    return semgllamm.fit(model(name), data(name), quadrature=quadrature)


class Reference:
    """One folder: its model, data and stored values."""

    def __init__(self, name):
        self.name = name
        self.model, self.data, self.values = model(name), data(name), values(name)
        self.results = self.values["results"]

    def fit(self, quadrature="auto"):
        return fit(self.name, quadrature)
