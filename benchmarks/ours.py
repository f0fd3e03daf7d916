"""semgllamm's side of the benchmark: one model in one process.

    python benchmarks/ours.py MODEL METHOD SECONDS THREADS

fits once to warm up, then again and again for SECONDS (at least three times), and writes one JSON object. What is timed
is the whole of ``semgllamm.fit``: reading the text, binding the data, maximising, standard errors.
"""

from __future__ import annotations

import gc
import json
import sys
from time import perf_counter

from models import MODELS, data


def main(name: str, method: str, budget: float, threads: int) -> dict:
    """Times, log-likelihood, estimates and standard errors of one model."""
    import numpy as np

    import semgllamm

    model = MODELS[name]
    frame = data(model.data)
    quadrature, _ = model.methods[method]
    settings = semgllamm.Settings(threads=threads)

    def fit():
        return semgllamm.fit(model.text, frame, quadrature=quadrature, settings=settings, progress=False)

    found = fit()
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < budget and len(seconds) < 50):
        gc.collect()
        begun = perf_counter()
        found = fit()
        seconds.append(perf_counter() - begun)
    se = np.sqrt(np.diag(found.vcov()))
    return {
        "seconds": seconds, "loglik": found.loglik, "converged": bool(found.converged), "points": found.points,
        "estimates": dict(zip(found.coef.index, map(float, found.coef))),
        "se": dict(zip(found.coef.index, map(float, se))),
        "said": [str(text) for text in (*found.problems, *found.notes)],
        "version": f"semgllamm {version()}",
    }  # fmt: skip


def version() -> str:
    """The version of the package, if it is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("semgllamm")
    except PackageNotFoundError:
        return "(a checkout)"


if __name__ == "__main__":
    name, method, budget, threads = sys.argv[1:]
    print(json.dumps(main(name, method, float(budget), int(threads))))
