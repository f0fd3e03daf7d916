"""Cells whose predictor is bent by products of latent variables.

    ν_i = f_i + Σ_a d_ia u_a + Σ_{b≤a} q_iab u_a u_b,
    j_ia = ∂ν_i/∂u_a = d_ia + Σ_b (1 + δ_ab) q_iab u_b,     ∂²ν_i/∂u_a ∂u_b = (1 + δ_ab) q_iab,

over the coordinates of the path. The coefficients q_iab stand behind the d_ia in the cell's row of D, row by row of
their lower triangle. ν is linear in f, d and q alike, so that Fisher's identity, E[s_i u_a u_b], gives the derivatives.

The points are placed by the expected curvature, Σ w ω j j' + I, which is never indefinite on account of products (that
of the joint density loses Σ w s ∂²ν, and an integrand may have two modes); Newton's steps to the mode and the mode's
implicit derivative use the curvature of the joint density.

Kernels of other models are spared all this: the engine's files are compiled a second time for programs with products,
as modules of another name, and what concerns bent cells is only there.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from semgllamm.responses.jit import inner

__all__ = ["along_leaf", "bend", "engine", "is_bent_copy", "pair", "slopes"]

COPY = "_with_products"


def is_bent_copy(module: str) -> bool:
    """Whether a module of the engine is the one for programs with products, by its name."""
    return module.endswith(COPY)


def engine(name: str, bends: bool) -> ModuleType:
    """A module of the engine, or what its file makes for programs with products."""
    if not bends:
        return import_module(f"semgllamm.integration.{name}")
    full = f"semgllamm.integration.{name}{COPY}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        # before it runs: numba finds the types of cached kernels by the module's name
        sys.modules[full] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[full]
            raise
    return sys.modules[full]


@inner
def pair(P, a, b):
    """Column of D that holds q_ab, a ≥ b, on paths of at most P coordinates."""
    return P + a * (a + 1) // 2 + b


@inner
def bend(i, deepest, P, D, u):
    """Σ q_iab u_a u_b over the coordinates down to the deepest."""
    total = 0.0
    for a in range(deepest + 1):
        row = pair(P, a, 0)
        x = 0.0
        for b in range(a + 1):
            x += D[i, row + b] * u[b]
        total += x * u[a]
    return total


@inner
def slopes(i, deepest, P, D, u, j):
    """Fill j with ∂ν_i/∂u."""
    for a in range(deepest + 1):
        j[a] = D[i, a]
    for a in range(deepest + 1):
        row = pair(P, a, 0)
        for b in range(a):
            j[a] += D[i, row + b] * u[b]
            j[b] += D[i, row + b] * u[a]
        j[a] += 2.0 * D[i, row + a] * u[a]


@inner
def along_leaf(i, o, P, D, u):
    """What a bent cell adds to ν, to its slope along the coordinate o, and to its square, given the path above o."""
    row = pair(P, o, 0)
    slope = 0.0
    for b in range(o):
        slope += D[i, row + b] * u[b]
    return bend(i, o - 1, P, D, u), slope, D[i, row + o]
