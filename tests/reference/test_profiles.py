"""Profile-likelihood intervals against lme4 and R's glm."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

HERE = Path(__file__).parent / "profile"
VALUES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))
BINOMIAL = "@family(binomial(logit)) @trials(size)"
HERD = "herd.intercept~~herd.intercept"
# the model, its data, and the names of R's rows here; a standard deviation is the root of the variance
CASES = {
    "slopes": ("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy", {
        "(Intercept)": "Reaction~1", "Days": "Reaction~Days", ".sigma": "Reaction~~Reaction",
        ".sig01": "Subject.intercept~~Subject.intercept", ".sig03": "Subject.Days~~Subject.Days",
    }),
    "intercepts": ("Reaction ~ 1 + Days + (1 | Subject)", "sleepstudy", {
        "(Intercept)": "Reaction~1", "Days": "Reaction~Days", ".sigma": "Reaction~~Reaction",
        ".sig01": "Subject.intercept~~Subject.intercept",
    }),
    "casks": ("strength ~ 1 + (1 | batch/cask)", "pastes.csv", {
        "(Intercept)": "strength~1", ".sigma": "strength~~strength", ".sig01": "cask.intercept~~cask.intercept",
        ".sig02": "batch.intercept~~batch.intercept",
    }),
    "cbpp": (f"incidence ~ 1 + period + (1 | herd) {BINOMIAL}", "cbpp", {
        "(Intercept)": "incidence~1", "period2": "incidence~period[2]", "period3": "incidence~period[3]",
        "period4": "incidence~period[4]", ".sig01": HERD,
    }),
    "logistic": ("am ~ 1 + wt @family(bernoulli(logit))", "cars.csv", {"(Intercept)": "am~1", "wt": "am~wt"}),
    "counts": ("carb ~ 1 + hp + wt @family(poisson)", "cars.csv", {
        "(Intercept)": "carb~1", "hp": "carb~hp", "wt": "carb~wt",
    }),
}  # fmt: skip


def read(name):
    return pd.read_csv(HERE / name) if name.endswith(".csv") else sg.load_dataset(name)


@pytest.mark.parametrize("name", CASES)
def test_limits(name):
    text, source, named = CASES[name]
    fit = sg.fit(text, read(source), settings=sg.Settings(target=1e-5))
    stored = VALUES[name]
    if "loglik" in stored:
        assert fit.loglik == pytest.approx(stored["loglik"], abs=1e-6)
    found = fit.confint("profile", parameters=list(named.values()))
    for theirs, ours in named.items():
        limits = found.loc[ours].to_numpy()
        if theirs.startswith(".sig"):
            limits = np.sqrt(limits)
        assert limits == pytest.approx(stored["limits"][theirs], rel=1e-3, abs=1e-3), theirs
