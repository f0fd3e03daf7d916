"""The models that are timed: the text, the data, and which packages can do the same work."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MODELS", "Model", "clusters", "data"]

SEED = 20240611


@dataclass(frozen=True)
class Model:
    """One model of the benchmark.

    Attributes
    ----------
    title : str
    text : str
        As semgllamm reads it.
    data : str
        An embedded data set, or "clusters" for the simulated one.
    methods : dict of str to (quadrature, peers)
        What ``fit(quadrature=...)`` is given, and the packages that maximise the same likelihood.
    """

    title: str
    text: str
    data: str
    methods: dict[str, tuple[str, tuple[str, ...]]]


MODELS = {
    "lsat6_1pl": Model(
        "LSAT6, one-parameter logistic",
        "theta =~ NA*y1 + a*y1 + a*y2 + a*y3 + a*y4 + a*y5  @family(bernoulli(logit))\ntheta ~~ 1*theta",
        "lsat6",
        {"laplace": ("laplace", ("lme4", "glmmTMB")), "converged": ("auto", ("lme4",))},
    ),
    "lsat6_2pl": Model(
        "LSAT6, two-parameter logistic",
        "theta =~ NA*y1 + y2 + y3 + y4 + y5  @family(bernoulli(logit))\ntheta ~~ 1*theta",
        "lsat6",
        {"converged": ("auto", ("lavaan",))},
    ),
    "holzinger": Model(
        "Holzinger & Swineford, three factors",
        "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9",
        "holzinger",
        {"exact": ("auto", ("lavaan",))},
    ),
    "sleepstudy": Model(
        "sleepstudy, random intercept and slope",
        "Reaction ~ 1 + Days + (1 + Days | Subject)",
        "sleepstudy",
        {"exact": ("auto", ("lme4", "glmmTMB", "lavaan"))},
    ),
    "cbpp": Model(
        "cbpp, binomial, random intercept",
        "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)",
        "cbpp",
        {"laplace": ("laplace", ("lme4", "glmmTMB")), "converged": ("auto", ("lme4",))},
    ),
    "epil": Model(
        "epil, Poisson, random intercept",
        "y ~ 1 + lbase + trt + lbase:trt + lage + V4 + (1 | subject)  @family(poisson)",
        "epil",
        {"laplace": ("laplace", ("lme4", "glmmTMB")), "converged": ("auto", ("lme4",))},
    ),
    "epil_slope": Model(
        "epil, Poisson, random intercept and slope",
        "y ~ 1 + lbase + trt + lbase:trt + lage + visit + (1 + visit | subject)  @family(poisson)",
        "epil",
        {"laplace": ("laplace", ("lme4", "glmmTMB")), "converged": ("auto", ())},
    ),
    "guatemala": Model(
        "Guatemala, three-level logit, 15 covariates",
        "immun ~ 1 + kid2p + mom25p + ord23 + ord46 + ord7p + indNoSpa + indSpa + momEdPri + momEdSec +\n"
        "    husEdPri + husEdSec + husEdDK + momWork + rural + pcInd81 + (1 | comm/mom)  @family(bernoulli(logit))",
        "guatemala",
        {"laplace": ("laplace", ("lme4", "glmmTMB")), "converged": ("auto", ())},
    ),
    "clusters": Model(
        "simulated logit, 10 000 clusters of 10",
        "y ~ 1 + x + (1 | cluster)  @family(bernoulli(logit))",
        "clusters",
        {"laplace": ("laplace", ("lme4", "glmmTMB")), "converged": ("auto", ("lme4",))},
    ),
}


def clusters(n_clusters: int = 10_000, size: int = 10):
    """A random-intercept logit: logit P(y = 1) = −½ + x + ζ, x ~ N(0, 1), ζ ~ N(0, 1)."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(SEED)
    cluster = np.repeat(np.arange(1, n_clusters + 1), size)
    x = rng.standard_normal(cluster.size).round(6)
    intercept = rng.standard_normal(n_clusters)[cluster - 1]
    y = rng.random(cluster.size) < 1 / (1 + np.exp(0.5 - x - intercept))
    return pd.DataFrame({"cluster": cluster, "x": x, "y": y.astype(int)})


def data(name: str):
    """The data of a model as a DataFrame."""
    if name == "clusters":
        return clusters()
    import semgllamm

    return semgllamm.load_dataset(name)
