"""log f, score s and curvature ω of every cell at ν = f, without latent variables: a GLM's working quantities."""

from __future__ import annotations

from semgllamm.integration.arrays import TRIALS, Y
from semgllamm.responses import dispatch
from semgllamm.responses.adjacent import addresses, call_curvature_of_any
from semgllamm.responses.contract import MANY
from semgllamm.responses.jit import kernel


def working_quantities(code, own, terms, cell, lin, out):
    """Fill out (cells, 3) with log f, s and ω; `own` and `terms` hold what the engine knows of families, by code."""
    _fill(code, own, terms, int(addresses()[1]) if lin.shape[1] > 3 else 0, cell, lin, out)


@kernel
def _fill(code, own, terms, of_any, cell, lin, out):
    for i in range(len(code)):
        if lin.shape[1] > 3 and own[code[i]] == MANY:
            point = (cell[i, Y], cell[i, TRIALS], lin[i, 0], lin[i])
            out[i, 0], out[i, 1], out[i, 2], _ = call_curvature_of_any(of_any, point)
            continue
        t = dispatch.terms(terms[code[i]], cell[i, Y], cell[i, TRIALS], lin[i, 0], lin[i, 1], lin[i, 2])
        out[i, 0] = t[0]
        out[i, 1] = t[1]
        out[i, 2] = t[2]
