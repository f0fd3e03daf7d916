"""What comes after a fit: a table for docs/explanation/speed.md.

    python benchmarks/after_the_fit.py

Scores of units, standard errors of the sandwich, predictions and latent scores are told in evaluations of the
log-likelihood at the same points, all in processor time and with one thread, the shortest of many; the bootstrap in
seconds of two cores, and the processor time of both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from item_response import simulated, text
from run import CHECKOUT, table

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "explanation" / "speed.md"
BEGIN, END = "<!-- after the fit: written by benchmarks/after_the_fit.py -->", "<!-- end of after the fit -->"
ALONE = {**CHECKOUT, "OPENBLAS_NUM_THREADS": "1"}
TIMES = 7
ONE_PARAMETER = """
theta =~ NA*y1 + a*y1 + a*y2 + a*y3 + a*y4 + a*y5  @family(bernoulli(logit))
theta ~~ 1*theta
"""
PERSONS = 100_000
HEADER = ["Model", "one evaluation", "scores of units", "sandwich", "predictions", "latent scores"]


def shortest(work: Callable[[], object], times: int = TIMES) -> float:
    """Seconds of processor time, after one call that is not counted."""
    work()
    found = []
    for _ in range(times):
        at = process_time()
        work()
        found.append(process_time() - at)
    return min(found)


def fits():
    """(title, fit) of one model of each kind of likelihood."""
    import semgllamm as sg

    one = sg.Settings(threads=1)
    guatemala = sg.load_dataset("guatemala")
    yield "random intercepts of three levels, 2449 answers, 5 × 5 points", sg.fit(
        "immun ~ 1 + kid2p + rural + (1 | comm/mom)  @family(bernoulli(logit))", guatemala,
        quadrature=sg.Adaptive(5), settings=one,
    )  # fmt: skip
    yield "random intercepts of clinics, 4000 counts, 9 points", sg.fit(
        "y ~ 1 + x + (1 | clinic)  @family(poisson)", counts(), quadrature=sg.Adaptive(9), settings=one
    )  # fmt: skip
    yield "2PL on a shared grid, 5000 persons, 20 items", sg.fit(text(20, 1), simulated(5000, 20, 1), settings=one)
    yield "two correlated factors on a shared grid, 2000 persons, 20 items", sg.fit(
        text(20, 2), simulated(2000, 20, 2), settings=one
    )  # fmt: skip
    yield "three factors in closed form, 10 000 rows, 9 variables", sg.cfa(
        "a =~ y1 + y2 + y3\nb =~ y4 + y5 + y6\nc =~ y7 + y8 + y9", factors(), meanstructure=True, settings=one
    )  # fmt: skip


def counts():
    import semgllamm as sg

    return sg.simulate("y ~ 0.3*1 + 0.5*x + (1 | clinic)  @family(poisson)", n_units={"clinic": 400, "row": 10},
                       values={"clinic.intercept~~clinic.intercept": 0.4}, seed=3)  # fmt: skip


def factors():
    import pandas as pd

    rng = np.random.default_rng(5)
    f = rng.multivariate_normal(np.zeros(3), 0.6 * np.eye(3) + 0.4, 10_000)
    y = 0.8 * f[:, np.repeat([0, 1, 2], 3)] + rng.normal(size=(10_000, 9))
    return pd.DataFrame(y, columns=[f"y{k}" for k in range(1, 10)])


def after(fit) -> dict[str, float]:
    """Seconds of each, the first of them one evaluation."""
    likelihood, points = fit.likelihood, fit.points
    at = np.asarray(fit.free)

    def cold(work):
        def whole():
            likelihood.cold()
            return work()

        return whole

    def evaluation():
        # points at which nothing is known yet
        return likelihood.value(at, points)

    return {
        "one evaluation": shortest(cold(evaluation)),
        "scores of units": shortest(cold(lambda: likelihood.unit_scores(at, points))),
        "sandwich": shortest(cold(lambda: fit.vcov("sandwich"))),
        "predictions": shortest(cold(lambda: fit.predict())),
        "latent scores": shortest(cold(lambda: fit.latent(se=False))),
    }


def bootstrap() -> tuple[float, float, int]:
    """Seconds, processor time and failures of 1000 parametric samples of the one-parameter model of LSAT 6."""
    import semgllamm as sg

    fit = sg.fit(ONE_PARAMETER, sg.load_dataset("lsat6"))
    fit.bootstrap(50, kind="parametric", seed=1)
    at, used = perf_counter(), os.times()
    found = fit.bootstrap(1000, kind="parametric", seed=1)
    now = os.times()
    busy = sum(now[:4]) - sum(used[:4])
    return perf_counter() - at, busy, found.failed


def plausible() -> float:
    """Processor time of one plausible value of each of 100 000 persons."""
    import semgllamm as sg

    fit = sg.fit(text(10, 1), simulated(PERSONS, 10, 1))
    return shortest(lambda: fit.latent("plausible", seed=1), 3)


def main() -> None:
    if any(os.environ.get(name) != value for name, value in ALONE.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALONE})
    rows = []
    for title, fit in fits():
        found = after(fit)
        base = found.pop("one evaluation")
        rows.append([title, f"{1e3 * base:.1f} ms", *(f"{seconds / base:.1f}" for seconds in found.values())])
        print(*rows[-1], sep=" | ", flush=True)
    seconds, busy, failed = bootstrap()
    drawn = plausible()
    lines = [
        table("Costs in evaluations of the log-likelihood", HEADER, rows),
        "",
        f"1000 parametric bootstrap samples of the one-parameter model of LSAT 6: {seconds:.1f} s on "
        f"{len(os.sched_getaffinity(0))} cores at a load of {os.getloadavg()[0]:.0f}, {busy:.1f} s of processor time, "
        f"{failed} without a maximum (aim: 20 s on two quiet cores). "
        f"Plausible values of {PERSONS:,} persons: {drawn:.2f} s of processor time (aim: 2 s).".replace(",000", " 000"),
    ]
    print("\n".join(lines))
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after_it = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after_it}", encoding="utf-8")


if __name__ == "__main__":
    main()
