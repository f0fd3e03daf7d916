"""Mixtures, with all their starts: a table for docs/explanation/speed.md.

    python benchmarks/mixtures.py

Each of our fits is one call of ``semgllamm.fit`` with 20 starts, warm: a small one in the same process comes before it.
The peers, where they have the model, are R's flexmix and OpenMx, from one start to the estimates alone;
their times are multiplied by the number of starts. Processor times are told because a machine that has other work to
do delays both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from run import CHECKOUT, processor, table

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "explanation" / "speed.md"
BEGIN, END = "<!-- mixtures: written by benchmarks/mixtures.py -->", "<!-- end of mixtures -->"
SEED, STARTS, CLASSES = 20251125, 20, 3
ALONE = {**CHECKOUT, "OPENBLAS_NUM_THREADS": "1"}
# title, whether a covariate tells of membership, peers that fit it
CASES = {
    "classes": ("three classes, 20 000 persons, 8 binary items", False, ("flexmix", "OpenMx")),
    "covariate": ("the same, membership with a covariate", True, ("flexmix",)),
    "traits": ("two classes of a 1PL trait, 2000 persons, 20 items", False, ()),
}


def simulated(name: str) -> tuple[pd.DataFrame, str]:
    """Answers of classes, and the model."""
    rng = np.random.default_rng(SEED)
    if name == "traits":
        n, items = 2000, 20
        own = rng.normal(size=(2, items))[rng.integers(0, 2, n)]
        p = 1 / (1 + np.exp(-1.2 * rng.normal(size=(n, 1)) - own))
    else:
        n, items = 20_000, 8
        x = rng.normal(size=n)
        logits = np.column_stack([0.3 + 0.5 * x, 0.1 - 0.4 * x, np.zeros(n)]) if CASES[name][1] else np.zeros((n, 3))
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        of_class = rng.uniform(0.1, 0.9, (CLASSES, items))
        p = of_class[(rng.random(n)[:, None] > shares.cumsum(axis=1)[:, :-1]).sum(axis=1)]
    names = [f"u{k + 1}" for k in range(items)]
    frame = pd.DataFrame((rng.random((n, items)) < p).astype(float), columns=names)
    listed = " + ".join(names)
    if name == "traits":
        loads = " + ".join(f"1*{item}" for item in names)
        text = f"@latent(c, classes(2))\nf =~ {loads}  @family(bernoulli(logit))\n{listed} ~ c"
        return frame, text
    text = f"@latent(c, classes({CLASSES}))\nc =~ {listed}  @family(bernoulli(logit))"
    return frame.assign(x=x), text + ("\nc ~ x" if CASES[name][1] else "")


def measured(name: str) -> dict:
    """Our fit of one case, in this process."""
    import semgllamm

    frame, text = simulated(name)
    semgllamm.fit(text, frame.iloc[:500], n_starts=1, progress=False)
    used = os.times()
    found = semgllamm.fit(text, frame, n_starts=STARTS, progress=False)
    now = os.times()
    return {
        "seconds": now.elapsed - used.elapsed, "busy": now.user + now.system - used.user - used.system,
        "loglik": found.loglik, "converged": bool(found.converged),
    }  # fmt: skip


def peer(package: str, name: str) -> dict:
    """One start of another program."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        simulated(name)[0].to_csv(path, index=False)
        covariate = str(CASES[name][1]).upper()
        command = ["Rscript", str(HERE / "mixtures.R"), package, str(path), str(CLASSES), covariate]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=ALONE).stdout)


def main() -> None:
    """Measure all cases, print the table and write it into the page."""
    load, rows = os.getloadavg()[0], []
    for name, (title, _, peers) in CASES.items():
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), name], capture_output=True, text=True, check=True, env=ALONE
        )  # fmt: skip
        ours = json.loads(done.stdout)
        if not ours["converged"]:
            raise SystemExit(f"{title}: not converged")
        mine = [title, f"{ours['busy']:.2f}", f"{ours['loglik']:.4f}"]
        for package in peers:
            theirs = peer(package, name)
            times = f"{STARTS * theirs['busy'] / ours['busy']:.0f}"
            rows.append([*mine, package, f"{theirs['busy']:.1f}", f"{theirs['loglik']:.4f}", times])
        if not peers:
            rows.append([*mine, *[""] * 4])
    header = [
        "model", f"semgllamm (s), {STARTS} starts", "logL", "peer", "peer (s), one start", "logL",
        "times as fast per start",
    ]  # fmt: skip
    report = table("Mixtures, processor times", header, rows)
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
