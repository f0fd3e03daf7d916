"""Gaussian structural equation models here and in lavaan, side by side: a table for docs/explanation/speed.md.

    python benchmarks/structural.py

Each call ends with estimates, standard errors and, unless it says otherwise, all measures of fit; lavaan's
`fitMeasures()` likewise. One process after the other, each once to warm up and then again; the median is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from run import CHECKOUT, aim, processor, table

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "explanation" / "speed.md"
BEGIN, END = "<!-- structural: written by benchmarks/structural.py -->", "<!-- end of structural -->"
SEED = 20261125
FACTORS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
DEMOCRACY = """ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ ind60
dem65 ~ ind60 + dem60
y1 ~~ y5
y2 ~~ y4 + y6
y3 ~~ y7
y4 ~~ y8
y6 ~~ y8"""
LEVELS = "level: 1\n fw =~ y1 + y2 + y3\n fw ~ x1 + x2 + x3\nlevel: 2\n fb =~ y1 + y2 + y3\n fb ~ w1 + w2"


def simple(factors: int, items: int) -> str:
    """A model of simple structure."""
    return "\n".join(
        f"f{k} =~ " + " + ".join(f"y{k * items + j}" for j in range(items)) for k in range(factors)
    )  # fmt: skip


# title: text, data, arguments, whether measures of fit are computed, how many times as fast is aimed at
CASES = {
    "HS 1939, three factors": (FACTORS, "holzinger", {}, True, 4),
    "Political democracy": (DEMOCRACY, "political_democracy", {}, True, 4),
    "HS 1939 with holes, FIML": (FACTORS, "holes", {"missing": "ml"}, True, 6),
    "HS 1939 in two groups": (FACTORS, "holzinger", {"group": "school"}, True, 6),
    "two levels, 2500 rows in 200 clusters": (LEVELS, "demo_twolevel", {"cluster": "cluster"}, True, 10),
    "3 × 4 items, 5000 rows, 480 missing patterns": (simple(3, 4), "patterns", {"missing": "ml"}, False, 10),
    "5 × 6 items, 1 000 rows": (simple(5, 6), "rows_1000", {}, False, 10),
    "5 × 6 items, 10 000 rows": (simple(5, 6), "rows_10000", {}, False, 10),
    "5 × 6 items, 100 000 rows": (simple(5, 6), "rows_100000", {}, False, 10),
}


def data(name: str):
    """The data of a case."""
    import numpy as np
    import pandas as pd

    import semgllamm

    rng = np.random.default_rng(SEED)
    if name == "holes":
        frame = semgllamm.load_dataset("holzinger")
        return frame.assign(
            x5=frame.x5.where(frame.x1 > frame.x1.quantile(0.3)),
            x9=frame.x9.where(frame.ageyr > frame.ageyr.quantile(0.3)),
        )  # fmt: skip
    if name == "patterns" or name.startswith("rows_"):
        n, factors, items = (5000, 3, 4) if name == "patterns" else (int(name[5:]), 5, 6)
        scores = rng.normal(size=(n, factors)) + 0.5 * rng.normal(size=(n, 1))
        y = 0.8 * np.repeat(scores, items, axis=1) + rng.normal(size=(n, factors * items))
        if name == "patterns":
            y[rng.random(y.shape) < 0.12] = np.nan
        return pd.DataFrame(y, columns=[f"y{k}" for k in range(y.shape[1])])
    return semgllamm.load_dataset(name)


def ours(title: str) -> dict:
    """Median seconds and the log-likelihood."""
    import semgllamm

    text, name, arguments, measured, _ = CASES[title]
    frame = data(name)

    def fit():
        found = semgllamm.sem(text, frame, progress=False, **arguments)
        return found, found.fit_measures() if measured else None

    found, _ = fit()
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < 3 and len(seconds) < 40):
        begun = perf_counter()
        found, _ = fit()
        seconds.append(perf_counter() - begun)
    return {"seconds": median(seconds), "loglik": found.loglik}


def theirs(title: str) -> dict:
    """The same by lavaan."""
    text, name, arguments, measured, _ = CASES[title]
    given = "".join(f', {key} = "{value}"' for key, value in arguments.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data(name).to_csv(path, index=False)
        script = f"""
suppressPackageStartupMessages(library(lavaan))
data <- read.csv("{path}")
once <- function() {{ fit <- sem("{text}", data{given}); {"fitMeasures(fit)" if measured else ""}; fit }}
fit <- suppressWarnings(once()); times <- numeric()
while (length(times) < 3 || (sum(times) < 3 && length(times) < 40))
    times <- c(times, system.time(suppressWarnings(once()))[["elapsed"]])
cat(sprintf('{{"seconds": %.6f, "loglik": %.9f, "version": "lavaan %s"}}', median(times), logLik(fit),
            packageVersion("lavaan")))
"""
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True)
    if done.returncode:
        return {"problem": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout)


def main() -> None:
    lines, versions = [], set()
    for title, (*_, times) in CASES.items():
        code = f"import json, structural; print(json.dumps(structural.ours({title!r})))"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE, env=CHECKOUT)
        here = json.loads(run.stdout)
        there = theirs(title)
        if "problem" in there:
            lines.append([title, f"{here['seconds']:.3f}", "fails", "", "", there["problem"]])
            continue
        versions.add(there["version"])
        ratio = there["seconds"] / here["seconds"]
        gap = abs(here["loglik"] / there["loglik"] - 1)
        lines.append([title, f"{here['seconds']:.3f}", f"{there['seconds']:.3f}", f"{ratio:.1f}",
                      aim(ratio >= times, str(times)), f"{gap:.0e}"])  # fmt: skip
        print(lines[-1], file=sys.stderr)
    header = ["model", "semgllamm (s)", "lavaan (s)", "times as fast", "aim", "relative difference of logL"]
    text = table("Gaussian structural equation models", header, lines)
    text += f"\n\nMeasured on: {processor()}; {', '.join(sorted(versions))}."
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
