"""The engine's compiled code survives the process; without a compiler its kernels are plain Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
from forests import SHAPES, forest
trees = forest(SHAPES["three levels"], cells=2)
program = trees.program()
lin, D = trees.predictors(program)
from semgllamm.responses.jit import is_cold
cold = is_cold("recursion.node")
result = program.evaluate(lin, D, (3,) * 3, moments=2)
print(cold, result.loglik.hex(), float(result.R.sum()).hex())
"""


def run(**environment):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent.parent)])
    out = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True,
                         env={**os.environ, "PYTHONPATH": path, **environment})
    cold, *numbers = out.stdout.split()
    return cold == "True", [float.fromhex(x) for x in numbers]


def test_a_second_process_uses_the_first_ones_code(tmp_path):
    first = run(NUMBA_CACHE_DIR=str(tmp_path))
    second = run(NUMBA_CACHE_DIR=str(tmp_path))
    assert first[0] and not second[0]
    assert first[1] == second[1]
    assert run(NUMBA_DISABLE_JIT="1")[1] == pytest.approx(first[1], rel=1e-12)
