"""Models of every shape that the language can say and the engine can integrate, with small simulated data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit


def pupils(classes=12, seed=1) -> pd.DataFrame:
    """Pupils in classes in schools: gaussian g1–g6, binary b1–b6, counts c1–c3, ordinal o1–o3, class measures k1–k6.

    One latent variable for each half of the items, the second regressed on the first, both varying over classes.
    """
    rng = np.random.default_rng(seed)
    klass = np.repeat(np.arange(classes), rng.integers(2, 6, classes))
    n = len(klass)
    school = klass // 3
    w, v = rng.normal(size=n), rng.normal(size=n)
    at_class = 0.6 * rng.normal(size=classes) + 0.4 * rng.normal(size=school.max() + 1)[np.arange(classes) // 3]
    first = 0.5 * w + at_class[klass] + 0.8 * rng.normal(size=n)
    second = 0.6 * first + 0.5 * rng.normal(size=classes)[klass] + 0.8 * rng.normal(size=n)
    eta = np.stack([first, first, first, second, second, second], axis=1) * np.array([1, 0.8, 1.2, 1, 0.7, 1.1])
    data = {"class": klass, "school": school, "w": w, "v": v, "x": rng.normal(size=classes)[klass]}
    data["half"] = np.where(np.arange(n) % 2, "odd", "even")
    for k in range(6):
        data[f"g{k + 1}"] = 0.3 * k + eta[:, k] + 0.7 * rng.normal(size=n)
        data[f"b{k + 1}"] = 1.0 * (rng.random(n) < expit(0.2 - 0.1 * k + eta[:, k]))
    for k in range(3):
        data[f"c{k + 1}"] = rng.poisson(np.exp(0.2 + 0.5 * eta[:, k])).astype(float)
        data[f"o{k + 1}"] = np.digitize(eta[:, k + 3] + rng.logistic(size=n), [-0.8, 0.7]).astype(float)
        data[f"k{k + 1}"] = ((1 + 0.2 * k) * at_class + 0.5 * rng.normal(size=classes))[klass]
        data[f"k{k + 4}"] = (1.0 * (rng.random(classes) < expit(1.2 * at_class)))[klass]
    data["t"] = rng.uniform(0.5, 2.0, n)
    # positive, shares, times with events, counts with many zeros
    for k in range(3):
        mean = np.exp(0.3 + 0.4 * eta[:, k])
        data[f"p{k + 1}"] = rng.gamma(2.0, mean / 2)
        data[f"q{k + 1}"] = rng.beta(4 * expit(eta[:, k]), 4 * expit(-eta[:, k]))
        data[f"n{k + 1}"] = rng.poisson(rng.gamma(1.5, mean / 1.5)).astype(float)
        data[f"z{k + 1}"] = np.where(rng.random(n) < 0.3, 0.0, data[f"n{k + 1}"])
        data[f"time{k + 1}"] = mean * rng.weibull(1.3, n)
        data[f"seen{k + 1}"] = 1.0 * (rng.random(n) < 0.7)
    return pd.DataFrame(data)


def with_missing_cells(data: pd.DataFrame, share=0.2, seed=2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    items = [name for name in data if name[0] in "gbco" and name[1:].isdigit()]
    holes = rng.random((len(data), len(items))) < share
    return data.assign(**{name: data[name].mask(hole) for name, hole in zip(items, holes.T)})


def answers(persons=25, seed=3) -> pd.DataFrame:
    """One binary answer a row: items d1–d4 of persons."""
    rng = np.random.default_rng(seed)
    person, item = np.repeat(np.arange(persons), 4), np.tile(np.arange(1, 5), persons)
    theta = rng.normal(size=persons)
    y = 1.0 * (rng.random(4 * persons) < expit(theta[person] * (0.6 + 0.2 * item) + 0.2 * (item - 2)))
    return pd.DataFrame({"y": y, "person": person} | {f"d{k}": 1.0 * (item == k) for k in range(1, 5)})


@dataclass(frozen=True)
class Example:
    text: str
    data: Callable[[], pd.DataFrame] = pupils
    arguments: Mapping[str, Any] = field(default_factory=dict)


BINARY = "@family(b1 + b2 + b3 + b4 + b5 + b6, bernoulli)"
MULTILEVEL = """
    eta =~ {0}1 + {0}2 + {0}3
    eta ~ w + eta_class + 1*class_effect
    @level(class)
    eta_class =~ {1} + {2} + {3}
    eta_class ~ x
    class_effect =~ 0
"""

ZOO = {
    "one factor, every family": Example("""
        f =~ g1 + b1 + c1 + o4
        f ~ w
        @family(b1, bernoulli(cloglog))
        @family(c1, poisson)
        @family(o4, ordinal(cloglog))
    """.replace("o4", "o1"), lambda: with_missing_cells(pupils())),
    "one factor, families with parameters of their own": Example("""
        f =~ p1 + p2 + q3 + n1 + n2 + z2 + z3 + time1 + cut
        f ~ w
        @family(p1, gamma)
        @family(p2, inversegaussian)
        @family(q3, beta(loglog))
        @family(n1, nbinom1)
        @family(n2, negbinomial)
        @family(z2, zinbinom2)
        @family(z3, hurdlenbinom1)
        @family(time1, weibull) @event(time1, seen1)
        @family(cut, censored(lower=0, upper=1.5))
        @dispersion(p1 + n2 ~ v)
        @inflation(z2 ~ 1 + w)
    """, lambda: with_missing_cells(pupils()).assign(cut=lambda d: d.g3.clip(0, 1.5))),
    "zero-inflated counts in classes": Example("z1 ~ w + (1 | class)  @family(poisson) @inflation(1 + v)"),
    "residual variance that depends on a covariate": Example("g1 ~ w + (1 | class)  @dispersion(1 + v)"),
    "canonical gamma": Example("p1 ~ 1 + (1 | class)  @family(gamma(reciprocal))"),
    "binomial with trials": Example(
        "s ~ w + (1 | class)  @family(binomial(probit)) @trials(m)",
        lambda: pupils().assign(s=lambda d: d.b1 + d.b2 + d.b3, m=3),
    ),
    "counts with exposure": Example("c1 ~ w + (1 | class)  @family(poisson) @exposure(t)"),
    "answers in steps, effects on thresholds, scales": Example("""
        f =~ o1 + o2 + o3 + b1
        f ~ v
        o1 ~ (1 | class)
        @family(o1, ordinal(probit))
        @family(o2, sequential(logit))
        @family(o3, ordinal(cloglog))
        @family(b1, bernoulli(probit))
        @dispersion(o1 ~ w + v)
        @thresholds(o1 + o2 ~ x)
        @dispersion(b1 ~ x)
    """, lambda: with_missing_cells(pupils())),
    "adjacent categories": Example("""
        f =~ a5 + o1 + a2 + b1 + o2
        f ~ w
        a4 ~ v + (1 | class)
        @family(a5 + a4 + o1 + a2, adjacent)
        @family(b1, bernoulli)
        @family(o2, ordinal(probit))
        @thresholds(a5 ~ v)
    """, lambda: with_missing_cells(pupils().assign(
        a5=lambda d: (d.o1 + d.o2) % 5, a4=lambda d: (d.o1 + d.b3 + 1) % 4, a2=lambda d: d.b2,
    ))),
    "asymptotes": Example("""
        f =~ b1 + b2 + b3 + b4
        f ~ w + (1 | class)
        @family(b1 + b2 + b3 + b4, bernoulli)
        @guessing(b1 + b2 ~ 1)
        @ceiling(b2 + b3 ~ 1)
    """, lambda: with_missing_cells(pupils())),
    "ordinal probit": Example("f =~ o1 + o2 + o3\nf ~ w", arguments={"ordered": ("o1", "o2", "o3")}),
    "direct effect": Example(f"eta =~ b1 + b2 + b3\neta ~ w + v\nb1 ~ w\n{BINARY.replace(' + b4 + b5 + b6', '')}"),
    "bifactor": Example(f"""
        g =~ b1 + b2 + b3 + b4 + b5 + b6
        s =~ b1 + b2 + b3
        t =~ b4 + b5 + b6
        {BINARY}
    """, arguments={"orthogonal": True}),
    "second order": Example(f"""
        f =~ b1 + b2 + b3
        g =~ b4 + b5 + b6
        h =~ c1 + c2 + c3
        top =~ f + g + h
        {BINARY}
        @family(c1 + c2 + c3, poisson)
    """),
    "correlated factors": Example(f"f =~ b1 + b2\ng =~ b3 + b4\nh =~ b5 + b6\n{BINARY}"),
    "correlated factors, unit variances": Example(f"f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6\n{BINARY}",
                                                  arguments={"std_lv": True}),
    "three correlated factors, unit variances": Example(
        f"f =~ b1 + b2\ng =~ b3 + b4\nh =~ b5 + b6\n{BINARY}", arguments={"std_lv": True}
    ),
    "correlated factors, one of unit variance": Example(f"""
        f =~ b1 + b2 + b3
        g =~ NA*b4 + b5 + b6
        g ~~ 1*g
        {BINARY}
    """),
    "correlated factors, equal variances": Example(f"""
        f =~ b1 + b2
        g =~ b3 + b4
        h =~ b5 + b6
        f ~~ v1*f
        g ~~ v1*g
        {BINARY}
    """),
    "correlated factors, variances and covariances equal by constraints": Example(f"""
        f =~ b1 + b2
        g =~ b3 + b4
        h =~ b5 + b6
        f ~~ v1*f + c1*g
        g ~~ v2*g
        f ~~ c2*h
        v1 == v2
        c1 == c2
        {BINARY}
    """),
    "groups with equal latent variances": Example(
        f"f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6\n{BINARY}",
        arguments={"group": "half", "group_equal": ("loadings", "lv.variances")},
    ),
    "covariance fixed, variances equal": Example(f"""
        f =~ b1 + b2 + b3
        g =~ b4 + b5 + b6
        f ~~ v1*f + 0.2*g
        g ~~ v1*g
        {BINARY}
    """),
    "three occasions": Example(f"f =~ b1 + b2\ng =~ b3 + b4\nh =~ b5 + b6\ng ~ f\nh ~ g\n{BINARY}"),
    "mutual causes": Example(f"f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6\nf ~ g + w\ng ~ f + v\n{BINARY}"),
    "observed responses that cause each other": Example("""
        f =~ g1 + g2 + g3
        g4 ~ g5 + f + w
        g5 ~ g4 + v
        g4 ~~ g6
    """),
    "latent means and intercepts": Example("""
        f =~ 1*g1 + g2 + g3
        f ~ 1 + w
        g1 ~ 0*1
        h =~ b4 + b5 + b6  @family(bernoulli(probit))
        h ~ f
    """),
    "latent times observed": Example(f"f =~ b1 + b2 + b3\nb2 ~ f:w + w\nh =~ b4 + b5 + b6\nh ~ f + f:v\n{BINARY}"),
    "items in long form": Example("""
        y ~ 0 + d1 + d2 + d3 + d4 + 1*theta:d1 + theta:d2 + theta:d3 + theta:d4  @family(bernoulli)
        @level(person)
        theta =~ 0
    """, answers),
    "three-level random slopes": Example("b1 ~ w + (1 + w | school/class)  @family(bernoulli)"),
    "independent slopes": Example("c1 ~ w + v + (1 + w || class)  @family(poisson)"),
    "random slopes of a latent variable": Example("f =~ b1 + b2 + b3  @family(bernoulli)\nf ~ w + (1 + w | class)"),
    "a named random slope": Example("""
        g1 ~ rv("s")*w + v + (1 | class)
        @level(class)
        s ~ x
    """),
    "multilevel structural equations, gaussian": Example(MULTILEVEL.format("g", "k1", "k2", "k3")),
    "multilevel structural equations, binary": Example(
        MULTILEVEL.format("b", "k4", "k5", "k6") + "@family(b1 + b2 + b3 + k4 + k5 + k6, bernoulli)"
    ),
    "labels across levels": Example(f"""
        f =~ b1 + p*b2 + q*b3
        @level(class)
        h =~ b1 + p*b2 + q*b3
        {BINARY.replace(" + b4 + b5 + b6", "")}
    """),
    "residual covariances and missing cells": Example("""
        f =~ g1 + g2 + g3 + g4
        g1 ~~ g2
        g2 ~~ g4
        h =~ b4 + b5 + b6  @family(bernoulli)
    """, lambda: with_missing_cells(pupils())),
    "residual covariance across factors": Example("f =~ g1 + g2 + g3\nh =~ g4 + g5 + g6\ng1 ~~ g4"),
    "a residual that covaries with a disturbance": Example("""
        f =~ b1 + b2 + b3  @family(bernoulli)
        f ~ w
        g4 ~ w + v
        f ~~ g4
    """, lambda: with_missing_cells(pupils())),
    "residuals that covary with each other and with disturbances": Example("""
        f =~ g1 + g2
        h =~ g3 + b4 + b5
        h ~~ f
        g4 ~ w
        g5 ~ f + v
        g6 ~ h
        g4 ~~ f
        g5 ~~ h
        g6 ~~ g5
        @family(b4 + b5, bernoulli)
    """, lambda: with_missing_cells(pupils())),
    "residuals and disturbances, all gaussian, unit variances": Example("""
        f =~ g1 + g2 + g3
        h =~ g4 + g5
        g6 ~ w
        g6 ~~ f + h
    """, lambda: with_missing_cells(pupils()), {"std_lv": True}),
    "a residual and mutual causes": Example(f"""
        f =~ b1 + b2 + b3
        g =~ b4 + b5 + b6
        f ~ g + w
        g ~ f + v
        g4 ~ w + v
        g4 ~~ f
        {BINARY}
    """),
    "a residual and random slopes of a latent variable": Example("""
        f =~ b1 + b2 + b3  @family(bernoulli)
        f ~ w + (1 + w | class)
        g4 ~ f:v + w
        g4 ~~ f
    """),
    "a residual and a latent variable that causes another by a covariate": Example(f"""
        h ~ f + f:v
        f =~ b1 + b2 + b3
        h =~ b4 + b5 + b6
        g4 ~~ h
        {BINARY}
    """),
    "a residual and a disturbance of classes": Example("""
        f =~ g1 + g2 + g3
        f ~ w + h
        @level(class)
        h =~ k4 + k5 + k6  @family(bernoulli)
        k1 ~ x
        k1 ~~ h
        k2 ~~ k1
    """),
    "groups with a residual that covaries with a disturbance": Example(
        "f =~ g1 + g2 + g3\nf ~ w\ng4 ~ w\nf ~~ g4", lambda: with_missing_cells(pupils()), {"group": "half"}
    ),
    "residual covariances on different paths": Example("""
        f =~ g1 + g2 + g3
        h =~ g4 + g5 + b6
        f ~~ 0*h
        g1 ~~ g2
        g4 ~~ g5
        @family(b6, bernoulli)
    """),
    "equal residual variances": Example("f =~ g1 + g2 + g3\ng1 ~~ e*g1\ng2 ~~ e*g2\ng3 ~~ e*g3"),
    "one label for residual and latent variances": Example("f =~ g1 + g2 + g3\ng1 ~~ e*g1\nf ~~ e*f"),
    "linear constraints": Example("""
        f =~ b1 + p*b2 + q*b3  @family(bernoulli)
        f ~ r*w + s*v
        p + q == 2
        r == 0.5*s
    """),
    "groups": Example("""
        f =~ b1 + c(p, p)*b2 + c(q, r)*b3  @family(bernoulli)
        f ~ w
        @group(odd)
        f ~ v
    """, arguments={"group": "half"}),
    "groups with residual covariances": Example("f =~ g1 + g2 + g3\ng1 ~~ g2", lambda: with_missing_cells(pupils()),
                                                {"group": "half", "group_equal": ("loadings",)}),
    "lavaan's levels": Example("""
        level: 1
        f =~ g1 + g2 + g3
        f ~ w
        level: 2
        h =~ g1 + g2 + g3
        h ~ x
    """, arguments={"cluster": "class"}),
}  # fmt: skip
