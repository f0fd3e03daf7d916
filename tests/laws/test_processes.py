"""A fit in two fresh processes that share one compilation cache gives the same digits."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import semgllamm
from semgllamm.data.datasets import load_dataset
fit = semgllamm.fit({text!r}, load_dataset({data!r}), quadrature=semgllamm.Adaptive({points}))
print(*(float(value).hex() for value in (fit.loglik, *fit.coef, *fit.vcov().to_numpy().ravel())))
"""
MODELS = {
    "lsat6": ("theta =~ y1 + y2 + y3 + y4 + y5  @family(bernoulli)", 15),
    "epil": ("y ~ lbase + trt + lage + visit + (1 + visit | subject)  @family(poisson)", 5),
}


def digits(name, seed, **environment):
    text, points = MODELS[name]
    program = PROGRAM.format(text=text, data=name, points=points)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                         env={**os.environ, "PYTHONHASHSEED": str(seed), **environment})  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("name", MODELS)
def test_two_processes(name):
    found = digits(name, 1)
    assert found.startswith("-0x")
    assert digits(name, 2) == found


@pytest.mark.slow
def test_a_process_that_compiles_and_one_that_finds_the_cache(tmp_path):
    fresh = {"NUMBA_CACHE_DIR": str(tmp_path)}
    found = digits("lsat6", 1, **fresh)
    assert any(tmp_path.rglob("*.nbi"))
    assert digits("lsat6", 2, **fresh) == found == digits("lsat6", 3)
