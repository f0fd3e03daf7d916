"""The stored simulated data are those whose log-likelihoods at the truth are stored."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simulate

HERE = Path(__file__).parent


def stored(folder):
    data = pd.read_csv(HERE / folder / "data.csv")
    values = json.loads((HERE / folder / "values.json").read_text(encoding="utf-8"))
    return {name: data[name].to_numpy() for name in data}, values["truth"], values["results"]["at_truth"]["loglik"]


def test_mimic_by_brute_force():
    data, truth, loglik = stored("mimic_dif")
    assert simulate.mimic_dif_loglik(data, truth) == pytest.approx(loglik, abs=1e-7)


def test_multilevel_gaussian_in_closed_form():
    data, truth, loglik = stored("multilevel_sem_gaussian")
    assert simulate.multilevel_sem_normal_loglik(data, truth) == pytest.approx(loglik, abs=1e-7)


def test_brute_force_over_students_and_classes_is_the_closed_form():
    data, truth = simulate.multilevel_sem("gaussian", n_classes=1, largest=3)
    by_force = simulate.multilevel_sem_loglik(data, truth)
    assert by_force == pytest.approx(simulate.multilevel_sem_normal_loglik(data, truth), abs=1e-8)


def test_generators_repeat_themselves_and_vary_with_the_seed():
    first, _ = simulate.random_intercept_logit(200, 5)
    again, _ = simulate.random_intercept_logit(200, 5)
    other, _ = simulate.random_intercept_logit(200, 5, seed=1)
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["y"] != other["y"]).any()
    assert np.bincount(first["id"]).tolist() == [5] * 200
