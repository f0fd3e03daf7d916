"""log f, score s and curvature ω of every cell at ν = f, without latent variables: a GLM's working quantities."""

from __future__ import annotations

from semgllamm.integration.arrays import TRIALS, Y
from semgllamm.responses import dispatch
from semgllamm.responses.jit import kernel


@kernel
def working_quantities(code, terms, cell, lin, out):
    """Fill out (cells, 3) with log f, s and ω; `terms` holds the addresses of the kernels by code."""
    for i in range(len(code)):
        t = dispatch.terms(terms[code[i]], cell[i, Y], cell[i, TRIALS], lin[i, 0], lin[i, 1], lin[i, 2])
        out[i, 0] = t[0]
        out[i, 1] = t[1]
        out[i, 2] = t[2]
