"""Gaussian structural equation models here and in lavaan, OpenMx and semopy: tables for docs/explanation/speed.md.

    python benchmarks/structural.py                           everything
    python benchmarks/structural.py --semopy PYTHON           semopy by an interpreter that has it
    python benchmarks/structural.py --cases holzinger levels  these alone, printed only

Each call ends with estimates, standard errors and, unless it says otherwise, all measures of fit; lavaan's
`fitMeasures()` and semopy's `calc_stats()` likewise, OpenMx has estimates and standard errors. One process after the
other on one thread, each once to warm up and then again; the fastest call is told, by the processor's clock and by the
wall's, which differ where others use the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from inspect import getsource
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

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


class Case(NamedTuple):
    """A model, its data, whether measures of fit are computed, and how many times as fast as lavaan is aimed at."""

    title: str
    text: str
    data: str
    arguments: dict | None = None
    measured: bool = True
    aim: int = 10
    peers: tuple[str, ...] = ("lavaan",)


CASES = {
    "holzinger": Case("HS 1939, three factors", FACTORS, "holzinger", aim=4, peers=("lavaan", "OpenMx", "semopy")),
    "democracy": Case("Political democracy", DEMOCRACY, "political_democracy", aim=4, peers=("lavaan", "semopy")),
    "holes": Case("HS 1939 with holes, FIML", FACTORS, "holes", {"missing": "ml"}, aim=6),
    "groups": Case("HS 1939 in two groups", FACTORS, "holzinger", {"group": "school"}, aim=6),
    "levels": Case("two levels, 2500 rows in 200 clusters", LEVELS, "demo_twolevel", {"cluster": "cluster"}),
    "patterns": Case(
        "3 × 4 items, 5000 rows, 480 missing patterns", simple(3, 4), "patterns", {"missing": "ml"}, measured=False
    ),
    "five": Case(
        "5 × 6 items, 1 000 rows", simple(5, 6), "5_6_1000", measured=False, peers=("lavaan", "OpenMx", "semopy")
    ),
    "five_more": Case("5 × 6 items, 10 000 rows", simple(5, 6), "5_6_10000", measured=False),
    "five_many": Case("5 × 6 items, 100 000 rows", simple(5, 6), "5_6_100000", measured=False),
    "ten": Case(
        "10 × 10 items, 1 000 rows", simple(10, 10), "10_10_1000", measured=False, peers=("lavaan", "OpenMx")
    ),
    # lavaan holds matrices of as many rows and columns as there are moments, 20 100: several of 3.2 GB
    "twenty": Case("20 × 10 items, 1 000 rows", simple(20, 10), "20_10_1000", measured=False, peers=("OpenMx",)),
    "twenty_more": Case("20 × 10 items, 10 000 rows", simple(20, 10), "20_10_10000", measured=False, peers=()),
    "twenty_many": Case("20 × 10 items, 100 000 rows", simple(20, 10), "20_10_100000", measured=False, peers=()),
}
LONGEST = 300  # seconds that a peer may take


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
    if name == "patterns" or name[0].isdigit():
        factors, items, n = (3, 4, 5000) if name == "patterns" else map(int, name.split("_"))
        scores = rng.normal(size=(n, factors)) + 0.5 * rng.normal(size=(n, 1))
        y = 0.8 * np.repeat(scores, items, axis=1) + rng.normal(size=(n, factors * items))
        if name == "patterns":
            y[rng.random(y.shape) < 0.12] = np.nan
        return pd.DataFrame(y, columns=[f"y{k}" for k in range(y.shape[1])])
    return semgllamm.load_dataset(name)


def fastest(fit) -> dict:
    """Seconds of the fastest call, by the processor's clock and by the wall's."""
    fit()
    walls: list[float] = []
    seconds: list[float] = []
    while len(walls) < 3 or (sum(walls) < 5 and len(walls) < 60):
        begun, clock = perf_counter(), process_time()
        fit()
        seconds.append(process_time() - clock)
        walls.append(perf_counter() - begun)
    return {"seconds": min(seconds), "wall": min(walls)}


def ours(key: str) -> dict:
    """The times of a case, and the log-likelihood."""
    import semgllamm

    case = CASES[key]
    frame = data(case.data)

    def fit():
        found = semgllamm.sem(case.text, frame, progress=False, **(case.arguments or {}))
        if case.measured:
            found.fit_measures()
        return found

    return fastest(fit) | {"loglik": fit().loglik}


def lavaan(case: Case, path: Path) -> dict:
    """The same by lavaan."""
    given = "".join(f', {key} = "{value}"' for key, value in (case.arguments or {}).items())
    measures = "fitMeasures(fit)" if case.measured else ""
    return in_r("lavaan", path, f'fit <- sem("{case.text}", data{given}); {measures}; fit', "logLik(fit)")


def openmx(case: Case, path: Path) -> dict:
    """A model of factors alone by OpenMx, from rows, with free means."""
    paths, factors = [], []
    for line in case.text.splitlines():
        factor, measures = (part.strip() for part in line.split("=~"))
        listed = quoted(measure.strip() for measure in measures.split("+"))
        paths.append(f'mxPath("{factor}", {listed}, free = {listed} != {listed}[1], values = 1)')
        factors.append(factor)
    code = f"""items <- setdiff(unique(trimws(unlist(strsplit(gsub("[a-z0-9]+ =~", "+", "{case.text}"), "[+\n]")))), "")
        fit <- mxRun(mxModel("factors", type = "RAM", manifestVars = items, latentVars = {quoted(factors)},
            {", ".join(paths)}, mxPath(items, arrows = 2, values = 0.5), mxPath("one", items),
            mxPath({quoted(factors)}, arrows = 2, connect = "unique.pairs", values = diag({len(factors)})[lower.tri(
            diag({len(factors)}), TRUE)] * 0.45 + 0.05), mxData(data[items], type = "raw")), silent = TRUE); fit"""
    return in_r("OpenMx", path, code, "fit$output$fit / -2")


def quoted(names) -> str:
    """Names as a vector of R."""
    return "c(" + ", ".join(f'"{name}"' for name in names) + ")"


def in_r(package: str, path: Path, code: str, loglik: str) -> dict:
    """The fastest of several runs of `code` in R, by the processor's clock and by the wall's."""
    script = f"""
suppressPackageStartupMessages(library({package}))
data <- read.csv("{path}")
once <- function() suppressMessages(suppressWarnings({{ {code} }}))
fit <- once(); times <- NULL
while (NROW(times) < 3 || (sum(times[, 2]) < 5 && NROW(times) < 60)) {{
    took <- system.time(once())
    times <- rbind(times, c(took[["user.self"]] + took[["sys.self"]], took[["elapsed"]]))
}}
cat(sprintf('{{"seconds": %.6f, "wall": %.6f, "loglik": %.9f, "version": "{package} %s"}}', min(times[, 1]),
            min(times[, 2]), {loglik}, packageVersion("{package}")))
"""
    with tempfile.NamedTemporaryFile("w", suffix=".R") as file:  # R cuts long scripts of a command line
        file.write(script)
        file.flush()
        return answer(["Rscript", file.name])


def semopy(case: Case, path: Path, interpreter: str) -> dict:
    """The same by semopy, whose covariances are divided by n as well."""
    code = f"""
import json
from time import perf_counter, process_time
import pandas, semopy
{getsource(fastest)}
frame = pandas.read_csv({str(path)!r})
def fit():
    model = semopy.Model({case.text!r})
    model.fit(frame)
    model.inspect()
    {"semopy.calc_stats(model)" if case.measured else ""}
print(json.dumps(fastest(fit) | {{"version": "semopy " + semopy.__version__}}))
"""
    return answer([interpreter, "-c", code])


def answer(command: list[str]) -> dict:
    """The JSON object that a process prints last, or its problem."""
    environment = {**CHECKOUT, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, env=environment, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return {"problem": f"more than {LONGEST} s"}
    except FileNotFoundError:
        return {"problem": f"{command[0]} is missing"}
    if done.returncode:
        return {"problem": (done.stderr.strip() or "no output").splitlines()[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def compared(key: str, interpreter: str | None) -> list[tuple[str, dict]]:
    """What each package needs for a case, this one first."""
    case = CASES[key]
    code = f"import json, structural; print(json.dumps(structural.ours({key!r})))"
    found = [("semgllamm", answer([sys.executable, "-c", code]))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        if case.peers:
            data(case.data).to_csv(path, index=False)
        for peer in case.peers:
            if peer == "lavaan":
                found.append((peer, lavaan(case, path)))
            elif peer == "OpenMx":
                found.append((peer, openmx(case, path)))
            elif interpreter is not None:
                found.append((peer, semopy(case, path, interpreter)))
    return found


def row(case: Case, peer: str, here: dict, there: dict) -> list[str]:
    """A line of the table: this package and a peer."""
    mine = [f"{here['seconds']:.3f}", f"{here['wall']:.3f}"]
    if "problem" in there:
        return [case.title, *mine, peer, "", "", "", there["problem"]]
    times = there["seconds"] / here["seconds"]
    gap = f"{abs(here['loglik'] / there['loglik'] - 1):.0e}" if "loglik" in there else ""
    verdict = aim(times >= case.aim, str(case.aim)) if peer == "lavaan" else ""
    return [case.title, *mine, peer, f"{there['seconds']:.3f}", f"{there['wall']:.3f}", f"{times:.1f}", verdict, gap]


def main() -> None:
    """Measure, print, and write the page if everything was measured."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", nargs="*", choices=sorted(CASES), help="only these, and leave the page alone")
    options.add_argument("--semopy", help="an interpreter that has semopy")
    chosen = options.parse_args()
    sys.path.insert(0, str(HERE.parent))
    load = os.getloadavg()[0]
    lines, versions = [], set()
    for key in chosen.cases or CASES:
        (_, here), *others = compared(key, chosen.semopy)
        if "problem" in here:
            raise SystemExit(f"semgllamm fails on {key}: {here['problem']}")
        for peer, there in others:
            versions.add(there.get("version", peer))
            lines.append(row(CASES[key], peer, here, there))
        if not others:
            lines.append([CASES[key].title, f"{here['seconds']:.3f}", f"{here['wall']:.3f}"])
        print(lines[-1], file=sys.stderr, flush=True)
    header = ["model", "semgllamm (s)", "wall (s)", "peer", "peer (s)", "wall (s)", "times as fast", "aim",
              "relative difference of logL"]  # fmt: skip
    text = table("Gaussian structural equation models", header, lines)
    text += (
        f"\n\nMeasured on: {processor()}, {os.cpu_count()} cores, load average when the run began {load:.2f}; "
        f"{', '.join(sorted(versions)) or 'no peer'}."
    )
    print(text)
    if chosen.cases:
        return
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
