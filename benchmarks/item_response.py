"""Item response models on the shared grid: a table for docs/explanation/speed.md.

    python benchmarks/item_response.py

Each fit is one call of ``semgllamm.fit`` that ends with estimates and standard errors from the exact information, warm:
the first in each process is not counted. The shortest of many is told, and the processor time of that one, because a
machine that has other work to do delays a fit that uses all its cores more than one core's share.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from run import CHECKOUT, processor, table

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "explanation" / "speed.md"
BEGIN, END = "<!-- items: written by benchmarks/item_response.py -->", "<!-- end of items -->"
SEED = 20240611
# threads of linear algebra that wait for each other on busy cores take longer than the fit, and count as its own
ALONE = {**CHECKOUT, "OPENBLAS_NUM_THREADS": "1"}
BUDGET = 20.0  # seconds to repeat each fit for
# title, (persons, items, factors), seconds aimed at
CASES = {
    "2pl": ("2PL, 5000 persons, 40 items", (5000, 40, 1), 0.1),
    "two": ("two correlated factors, 2000 persons, 30 items", (2000, 30, 2), 0.4),
    "three": ("three correlated factors, 2000 persons, 24 items", (2000, 24, 3), 1.0),
    "bfi": ("bfi, ten graded items of two factors, 2800 persons", None, 0.5),
}
BFI = HERE.parent / "tests" / "reference" / "bfi"


def simulated(persons: int, items: int, factors: int) -> pd.DataFrame:
    """Answers under the two-parameter logistic model, correlations of .5 between factors."""
    rng = np.random.default_rng(SEED)
    traits = rng.multivariate_normal(np.zeros(factors), 0.5 + 0.5 * np.eye(factors), persons)
    slope, intercept = rng.uniform(0.7, 2.0, items), rng.normal(size=items)
    nu = intercept + slope * traits[:, np.repeat(np.arange(factors), items // factors)]
    answers = (rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(float)
    return pd.DataFrame(answers, columns=[f"y{k + 1}" for k in range(items)])


def text(items: int, factors: int) -> str:
    """Standardised factors of as many items each."""
    lines, own = [], items // factors
    for f in range(factors):
        names = " + ".join(f"y{k + 1}" for k in range(f * own, (f + 1) * own))
        lines += [f"f{f + 1} =~ NA*{names}  @family(bernoulli(logit))", f"f{f + 1} ~~ 1*f{f + 1}"]
    return "\n".join(lines)


def measured(name: str) -> dict:
    """The fits of one case, in this process."""
    import semgllamm

    _, size, _ = CASES[name]
    if size is None:
        frame, model = pd.read_csv(BFI / "data.csv"), (BFI / "graded.sem").read_text(encoding="utf-8")
    else:
        frame, model = simulated(*size), text(*size[1:])
    found = semgllamm.fit(model, frame, progress=False)
    seconds, busy, begun = [], [], perf_counter()
    while len(seconds) < 5 or perf_counter() - begun < BUDGET:
        at, used = perf_counter(), os.times()
        found = semgllamm.fit(model, frame, progress=False)
        seconds.append(perf_counter() - at)
        now = os.times()
        busy.append(now.user + now.system - used.user - used.system)
    return {
        "seconds": min(seconds), "busy": min(busy), "fits": len(seconds), "loglik": found.loglik,
        "points": found.points[0], "error": found.quadrature_error[1], "npar": found.npar,
        "converged": bool(found.converged) and bool(np.isfinite(np.diag(found.vcov())).all()),
    }  # fmt: skip


def main() -> None:
    """Measure all cases, print the table and write it into the page."""
    load, rows = os.getloadavg()[0], []
    for name, (title, _, aim) in CASES.items():
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), name], capture_output=True, text=True, check=True, env=ALONE
        )  # fmt: skip
        found = json.loads(done.stdout)
        if not found["converged"]:
            raise SystemExit(f"{title}: no standard errors")
        rows.append([
            title, found["npar"], found["points"], f"{found['error']:.0e}", f"{found['seconds']:.3f}",
            f"{found['busy']:.2f}", f"{aim:g}",
        ])  # fmt: skip
    header = ["model", "parameters", "points an axis", "error of logL", "shortest (s)", "processor time (s)", "aim (s)"]
    report = table("Wide items on a shared grid", header, rows)
    report += f"\n\nMeasured on: {processor()}; load average when the run began {load:.1f}."
    print(report)
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1])))
    else:
        main()
