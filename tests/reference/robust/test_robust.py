"""lavaan's numbers for robust standard errors, scaled tests, least squares, clusters, weights and their differences."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import semgllamm as sg

VALUES = json.loads((Path(__file__).parent / "values.json").read_text(encoding="utf-8"))
FACTORS = """
    visual  =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
    speed   =~ x7 + x8 + x9
"""
PAIR = """
    visual  =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
"""
CAUSES = PAIR + "visual + textual ~ age + x9"
SEX = PAIR + "visual + textual ~ age + sex"
REGRESSION = """
    x1 ~ x4 + age
    x7 ~ x1 + x9
"""
SINGLE = """
    f =~ y1 + y2 + y3 + y4 + y5 + y6
    f ~ x1 + x2
"""
LEVELS = """
    level: 1
      fw =~ y1 + y2 + y3
      fw ~ x1 + x2 + x3
    level: 2
      fb =~ y1 + y2 + y3
      fb ~ w1 + w2
"""
SCHOOL = {"group": "school"}
METRIC = {"group": "school", "group_equal": "loadings"}


@cache
def data(which):
    if which == "levels":
        return sg.load_dataset("demo_twolevel")
    frame = sg.load_dataset("holzinger").copy()
    number = np.arange(1, len(frame) + 1)
    frame["age"] = frame["ageyr"] - 13 + frame["agemo"] / 12
    frame["w"] = 0.5 + (number % 7) / 6
    if which == "holes":
        for k in range(1, 10):
            frame.loc[((number + 3 * k) % 11 == 0), f"x{k}"] = np.nan
    return frame


def cases():
    """(name, model text, data, arguments)."""
    for e in ("ML", "MLR", "MLM", "MLMV", "MLMVS", "MLF", "GLS", "ULS", "WLS"):
        yield f"factors_{e}", FACTORS, "all", {"estimator": e}
    for e in ("MLR", "MLM", "MLMV", "GLS", "ULS", "WLS"):
        yield f"means_{e}", FACTORS, "all", {"estimator": e, "meanstructure": True}
        yield f"causes_{e}", CAUSES, "all", {"estimator": e}
        yield f"causes_means_{e}", CAUSES, "all", {"estimator": e, "meanstructure": True}
        yield f"groups_{e}", PAIR, "all", {"estimator": e, **SCHOOL}
    for e in ("ML", "MLR", "MLM", "MLMV", "GLS", "ULS", "WLS"):
        yield f"metric_{e}", PAIR, "all", {"estimator": e, **METRIC}
    for e in ("MLR", "GLS", "WLS"):
        yield f"regression_{e}", REGRESSION, "all", {"estimator": e}
    yield "groups_ML", PAIR, "all", SCHOOL
    yield "holes_MLR", FACTORS, "holes", {"estimator": "MLR", "missing": "ml"}
    yield "holes_causes_MLR", SEX, "holes", {"estimator": "MLR", "missing": "ml"}
    yield "holes_MLF", FACTORS, "holes", {"estimator": "MLF", "missing": "ml"}
    yield "levels_MLR", LEVELS, "levels", {"estimator": "MLR", "cluster": "cluster"}
    yield "clusters", SINGLE, "levels", {"cluster": "cluster"}
    yield "clusters_school", FACTORS, "all", {"cluster": "agemo"}
    yield "weights", FACTORS, "all", {"sampling_weights": "w"}
    yield "weights_groups", PAIR, "all", {"sampling_weights": "w", **SCHOOL}
    yield "weights_holes", FACTORS, "holes", {"sampling_weights": "w", "missing": "ml"}
    yield "weights_clusters", FACTORS, "all", {"sampling_weights": "w", "cluster": "agemo"}
    yield "huber_white", FACTORS, "all", {"se": "robust.huber.white"}
    yield "expected_bread", FACTORS, "all", {"estimator": "MLR", "information": "expected"}
    yield "wishart_MLM", FACTORS, "all", {"estimator": "MLM", "likelihood": "wishart"}


CASES = {name: rest for name, *rest in cases()}


@cache
def run(name):
    text, which, arguments = CASES[name]
    return sg.sem(text, data(which), **arguments)
