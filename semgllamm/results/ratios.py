"""Exponentials of coefficients: odds ratios, rate ratios, hazard ratios.

With b a coefficient, s its standard error and z the normal quantile, exp b has the standard error s exp b by the delta
method and the limits exp(b ± zs); the test is that of b = 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["ratios"]

# what exp b is under a family and link: of a covariate, and of an intercept
ODDS, RATES, RISKS, HAZARDS = ("odds ratio", "odds"), ("rate ratio", "rate"), ("risk ratio", "risk"), (
    "hazard ratio", "hazard"
)  # fmt: skip
MEANS, TIMES = ("mean ratio", "mean"), ("time ratio", "time")
MEANING = {
    **{(name, "logit"): ODDS for name in ("bernoulli", "binomial", "beta", "ordinal", "sequential", "adjacent",
                                          "multinomial", "ranking")},
    **{(name, "log"): RISKS for name in ("bernoulli", "binomial")},
    # of an event in an interval of time whose hazard is exp ν
    **{(name, "cloglog"): HAZARDS for name in ("bernoulli", "binomial")},
    **{(name, "log"): RATES for name in ("poisson", "nbinom1", "nbinom2", "zipoisson", "zinbinom1", "zinbinom2",
                                         "hurdlepoisson", "hurdlenbinom1", "hurdlenbinom2")},
    **{(name, "log"): MEANS for name in ("gaussian", "gamma", "inversegaussian")},
    **{(name, "log"): TIMES for name in ("exponential", "weibull")},
}  # fmt: skip


def ratios(fit: Fit, level: float = 0.95) -> list[dict]:
    """The rows of `Fit.eform`.

    Raises
    ------
    ModelError
        If no coefficient has an exponential with a meaning.
    """
    if not 0 < level < 1:
        raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
    meaning = {r.name: MEANING.get((r.family.name, r.family.link)) for r in fit.model.responses}
    meaning |= {f"{v.name}[{name}]": ODDS for v in fit.model.classes if not v.summed for name in v.classes}
    parameters = [row for row in fit.diagram.parameters if not row.exogenous]
    out = []
    for parameter, row in zip(parameters, fit._rows(level)):
        what = ODDS if row["op"].startswith("@inflation") else meaning.get(parameter.lhs)
        is_term = row["op"] in ("~", "~1") or row["op"].startswith("@inflation")
        if what is None or not is_term or not row["free"] or parameter.source == "random":
            continue
        is_intercept = row["op"] == "~1" or not row["rhs"]
        ratio = np.exp(row["est"])
        out.append({
            **{name: row[name] for name in ("lhs", "op", "rhs", "level", "group", "class", "label")},
            "kind": what[is_intercept], "est": ratio, "se": ratio * row["se"], "z": row["z"], "pvalue": row["pvalue"],
            "ci_lower": np.exp(row["ci_lower"]), "ci_upper": np.exp(row["ci_upper"]),
        })  # fmt: skip
    if not out:
        raise ModelError(
            "no coefficient of this model is the logarithm of a ratio",
            remedy="Exponentials are for responses with a logit or log link, and binary ones with a cloglog link.",
        )
    return out
