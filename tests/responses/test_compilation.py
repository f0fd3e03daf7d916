"""Where compiled code is kept, and that the kernels are the same function uncompiled."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from semgllamm import errors
from semgllamm.responses import jit

PACKAGE = Path(errors.__file__).parent

EVERY_FAMILY = """
import json, math
from semgllamm.responses import jit, registry
cold = jit.is_cold("poisson.terms_log")
edges = [-math.inf, -0.5, 0.4, math.inf]
families = {family.code: family for family in registry.FAMILIES}
terms = [
    registry.terms(code, 0.3 if family.name == "beta" else float(y), 2.0, nu,
                   *((edges[y], edges[y + 1]) if family.thresholds else (0.3, 0.1)))
    for code, family in families.items()
    for y in range(family.name in ("gamma", "inversegaussian", "exponential", "weibull", "beta"), 3)
    for nu in (-800.0, -40.0, -7.0, -0.2, 1.5, 9.0, 40.0, 800.0)
]
terms = [[x if math.isfinite(x) else -1e999 for x in row] for row in terms]
print(json.dumps({"cold": cold, "folder": str(jit.cache_folder()), "terms": terms}))
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", EVERY_FAMILY], env={**os.environ, **environment}, cwd=PACKAGE.parent,
        capture_output=True, text=True, check=True,
    )
    return json.loads(done.stdout)


def test_two_processes_share_one_compilation_and_uncompiled_kernels_agree(tmp_path):
    base = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    first, second = run(**base), run(**base)
    assert first["cold"] and not second["cold"]
    assert Path(first["folder"]).parent == tmp_path and first["folder"] == second["folder"]
    assert first["terms"] == second["terms"]
    plain = run(**{**base, "NUMBA_DISABLE_JIT": "1"})
    assert not plain["cold"]
    np.testing.assert_allclose(plain["terms"], first["terms"], rtol=1e-11, atol=1e-300)


def test_a_folder_that_cannot_be_written_is_replaced_for_one_process(tmp_path):
    file = tmp_path / "file"
    file.write_text("a file where a folder should be")
    answer = run(NUMBA_CACHE_DIR=str(file), NUMBA_DISABLE_JIT="1")
    assert file not in Path(answer["folder"]).parents
    assert not Path(answer["folder"]).exists()


def test_an_edit_in_any_kernel_file_moves_the_cache(tmp_path, monkeypatch):
    for room in jit.ROOMS_WITH_KERNELS:
        shutil.copytree(PACKAGE / room, tmp_path / room)
    monkeypatch.setattr(jit, "PACKAGE", tmp_path)
    names = {jit._hash_of_sources()}
    for room in jit.ROOMS_WITH_KERNELS:
        (tmp_path / room / "kernels.py").write_text("one")
        names.add(jit._hash_of_sources())
        (tmp_path / room / "kernels.py").write_text("two")
        names.add(jit._hash_of_sources())
    assert len(names) == 1 + 2 * len(jit.ROOMS_WITH_KERNELS)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_decorating_leaves_the_cache_of_other_packages_alone():
    before = numba.config.CACHE_DIR

    @jit.kernel
    def twice(x):
        return 2 * x

    assert before == numba.config.CACHE_DIR
    assert twice(2.0) == 4.0
    assert Path(twice.stats.cache_path).parent == jit.cache_folder()


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_what_only_kernels_call_is_no_function_of_python():
    """Its machine code has no entry for Python, compiled or not yet."""

    @jit.inner
    def once_more(x):
        return x + 1.0

    @jit.kernel
    def outer(x):
        return once_more(x)

    for _ in range(2):
        with pytest.raises(TypeError, match="once_more is called by other kernels alone"):
            once_more(1.0)
        # a closure over another kernel is compiled anew each time, but it is compiled
        assert outer(1.0) == 2.0


def test_options_stand_in_one_place():
    decorated = re.compile(r"\bn?jit\s*\(|@\s*(numba\.)?n?jit\b|\bvectorize\b|\bjitclass\b|\bcfunc\b")
    for file in PACKAGE.rglob("*.py"):
        if file != PACKAGE / "responses" / "jit.py":
            assert not decorated.search(file.read_text(encoding="utf-8")), file
