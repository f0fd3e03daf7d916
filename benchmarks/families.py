"""Mixed models of ordered answers, counts and shares, and R's packages: a table for docs/explanation/speed.md.

    python benchmarks/families.py                      everything, some ten minutes
    python benchmarks/families.py --cases wine soup    these alone, printed only

Each model is fitted by each package in a process of its own, on one thread, one process after the other: once to warm
up, then again and again. The shortest call is told by the processor's clock, because a machine that has other work to
do delays both sides. A call ends with estimates and standard errors on both sides.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
import pandas as pd
from run import CHECKOUT, aim, answer, one_line, processor, table

HERE = Path(__file__).resolve().parent
ORDERED = HERE.parent / "tests" / "reference" / "ordered"
PAGE = HERE.parent / "docs" / "explanation" / "speed.md"
BEGIN, END = "<!-- families: written by benchmarks/families.py -->", "<!-- end of families -->"
ALONE = {**CHECKOUT, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
SEED = 20251125
LONG, TIMES = 0.3, 10  # seconds of the peer from which semgllamm is to be so many times as fast


class Case(NamedTuple):
    """A model, its data, the peer, and whether Laplace's approximation or converged quadrature is compared."""

    title: str
    text: str
    data: str
    peer: str
    laplace: bool = True


WINE = "rating ~ temp + contact + (1 | judge)  @family(ordinal)"
MIXED = "{} ~ 1 + x + z + (1 | id)  @family({})"
CASES = {
    "wine": Case("wine, cumulative logit", WINE, "wine", "ordinal"),
    "wine_15": Case("wine, cumulative logit", WINE, "wine", "ordinal", False),
    "soup": Case("soup, cumulative probit", "sure ~ test + (1 | resp)  @family(ordinal(probit))", "soup", "ordinal"),
    "soup_15": Case("soup, cumulative probit", "sure ~ test + (1 | resp)  @family(ordinal(probit))", "soup", "ordinal",
                    False),
    "graded": Case("5 categories, 1000 clusters of 10", "o ~ x + z + (1 | id)  @family(ordinal)", "graded", "ordinal"),
    "graded_15": Case("5 categories, 1000 clusters of 10", "o ~ x + z + (1 | id)  @family(ordinal)", "graded",
                      "ordinal", False),
    "binomial": Case("binomial, 5 trials", MIXED.format("b", "binomial") + "\n@trials(b, 5)", "answers", "glmmTMB"),
    "binomial_lme4": Case("binomial, 5 trials", MIXED.format("b", "binomial") + "\n@trials(b, 5)", "answers", "lme4"),
    "nbinom2": Case("negative binomial, NB2", MIXED.format("nb2", "nbinom2"), "answers", "glmmTMB"),
    "nbinom2_slope": Case("the same with a random slope", "nb3 ~ 1 + x + z + (1 + x | id)  @family(nbinom2)",
                          "answers", "glmmTMB"),
    "nbinom1": Case("negative binomial, NB1", MIXED.format("nb1", "nbinom1"), "answers", "glmmTMB"),
    "beta": Case("beta", MIXED.format("be", "beta"), "answers", "glmmTMB"),
    "gamma": Case("gamma, log link", MIXED.format("ga", "gamma"), "answers", "glmmTMB"),
    "zipoisson": Case("Poisson with more zeros", MIXED.format("zi", "poisson") + "\n@inflation(zi ~ z)", "answers",
                      "glmmTMB"),
    "poisson_lme4": Case("Poisson", MIXED.format("po", "poisson"), "answers", "lme4"),
    "poisson_25": Case("Poisson", MIXED.format("po", "poisson"), "answers", "lme4", False),
}  # fmt: skip


def data(name: str) -> pd.DataFrame:
    """The stored data of wine and soup; or answers drawn under the models, 500 clusters of 10 (1000 if ordered)."""
    if name in ("wine", "soup"):
        return pd.read_csv(ORDERED / f"{name}.csv").rename(columns={"warm": "temp"})
    rng = np.random.default_rng(SEED)
    clusters = 1000 if name == "graded" else 500
    id = np.repeat(np.arange(clusters), 10)
    x, z = rng.normal(size=len(id)).round(4), rng.uniform(-1, 1, len(id)).round(4)
    nu = 0.4 + 0.3 * x - 0.4 * z + 0.6 * rng.normal(size=clusters)[id]
    if name == "graded":
        return pd.DataFrame({"id": id, "x": x, "z": z, "o": np.digitize(
            2 * nu + rng.logistic(size=len(id)), [-1.0, 0.0, 1.5, 3.0])})  # fmt: skip
    slope = 0.4 * rng.normal(size=clusters)[id] * x
    mu, p = np.exp(nu), 1 / (1 + np.exp(-nu))
    zero = rng.random(len(id)) < 1 / (1 + np.exp(1.0 - 0.7 * z))
    return pd.DataFrame({
        "id": id, "x": x, "z": z, "b": rng.binomial(5, p), "nb2": rng.negative_binomial(1.5, 1.5 / (1.5 + mu)),
        "nb1": rng.negative_binomial(mu / 1.2, 1 / 2.2),
        "be": rng.beta(6 * p, 6 * (1 - p)).clip(1e-4, 1 - 1e-4).round(5),
        "ga": (rng.gamma(2.0, mu / 2) + 1e-4).round(5), "zi": np.where(zero, 0, rng.poisson(mu)), "po": rng.poisson(mu),
        "nb3": rng.negative_binomial(1.5, 1.5 / (1.5 + mu * np.exp(slope))),
    })  # fmt: skip


def measured(name: str, budget: float) -> dict:
    """Our fits of one case, in this process."""
    import semgllamm

    case, settings = CASES[name], semgllamm.Settings(threads=1)
    frame = data(case.data)

    def fit():
        return semgllamm.fit(case.text, frame, quadrature="laplace" if case.laplace else "auto", settings=settings,
                             progress=False)  # fmt: skip

    found, busy, begun = fit(), [], perf_counter()
    while len(busy) < 3 or (perf_counter() - begun < budget and len(busy) < 50):
        gc.collect()
        used = process_time()
        found = fit()
        busy.append(process_time() - used)
    return {
        "busy": min(busy), "loglik": found.loglik, "points": list(found.points),
        "converged": bool(found.converged) and bool(np.isfinite(np.diag(found.vcov())).all()),
    }  # fmt: skip


def compared(name: str, budget: float) -> list[str]:
    """A row of the table."""
    case = CASES[name]
    ours = json.loads(subprocess.run(
        [sys.executable, str(Path(__file__)), "--measure", name, "--seconds", str(budget)],
        capture_output=True, text=True, check=True, env=ALONE,
    ).stdout)  # fmt: skip
    if not ours["converged"]:
        raise SystemExit(f"{case.title}: not converged")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data(case.data).to_csv(path, index=False)
        model = name.removesuffix("_15").removesuffix("_25").removesuffix("_lme4")
        theirs = answer(["Rscript", str(HERE / "peers.R"), model, case.peer,
                         "laplace" if case.laplace else "converged", str(path), str(budget)])  # fmt: skip
    likelihood = "Laplace" if case.laplace else f"{ours['points'][0]} adaptive points"
    row = [case.title, likelihood, f"{ours['busy']:.3f}", case.peer]
    if "busy" not in theirs:
        return [*row, one_line(theirs.get("failed") or f"needs {theirs['missing']}"), "", "", ""]
    seconds = min(theirs["busy"])
    times, wanted = seconds / ours["busy"], TIMES if seconds > LONG else 1
    # glmer's log-likelihoods of several points are counted from the saturated model
    apart = f"{ours['loglik'] - theirs['loglik']:.0e}" if theirs["constants"] else ""
    return [*row, f"{seconds:.3f}", f"{times:.1f}", aim(times >= wanted, f"{wanted}"), apart]


def main() -> None:
    """Measure, print, and write the table into the page if everything was measured."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", nargs="*", choices=sorted(CASES), help="only these, and leave the page alone")
    options.add_argument("--seconds", type=float, default=5.0, help="time to repeat each fit for (at least thrice)")
    options.add_argument("--measure", choices=sorted(CASES), help="our fits of one case, in this process, as JSON")
    chosen = options.parse_args()
    if chosen.measure:
        print(json.dumps(measured(chosen.measure, chosen.seconds)))
        return
    load, rows = os.getloadavg()[0], []
    for name in chosen.cases or CASES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows.append(compared(name, chosen.seconds))
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    header = ["model", "likelihood", "semgllamm (s)", "peer", "peer (s)", "times as fast", "aim", "logL above"]
    report = table("Mixed models, processor time", header, rows)
    report += f"\n\nMeasured on: {processor()}; load average when the run began {load:.1f}."
    print(report)
    if not chosen.cases:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
