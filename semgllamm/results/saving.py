"""Fits in files: what cannot be computed again without maximising, and what the walk to the likelihood starts from.

The model text, the arguments of the call and the data (only the columns that these name) lead to the same diagram,
matrices and likelihood again. Beside them a file has the estimates, the information and covariance matrices, the
quadrature points, the record of the optimiser and what was noted on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.data.moments import SampleMoments
from semgllamm.data.replicates import Replicates
from semgllamm.data.stored import named_columns, stored_frame, table_of
from semgllamm.errors import DataError, ModelError
from semgllamm.estimation.ascent import Evaluations, Step
from semgllamm.estimation.constrained import Restrictions, restricted
from semgllamm.estimation.covariances import Inverse
from semgllamm.estimation.optimise import Convergence
from semgllamm.estimation.settings import Adaptive, Grid, Ordinary, Request, Settings
from semgllamm.results.archive import decoded, encoded, read_archive, write_archive
from semgllamm.results.walk import Call, Walk

if TYPE_CHECKING:
    from semgllamm.diagram.diagram import PathDiagram
    from semgllamm.results.fit import Fit

__all__ = ["restored", "save"]

TYPES = {
    t.__name__: t
    for t in (Adaptive, Convergence, Evaluations, Grid, Ordinary, Replicates, Request, Settings, Step)
}
ARRAYS = ("free", "information", "vcov_free", "multipliers", "used", "placed_at")
PLAIN = (
    "request", "convergence", "points", "information_kind", "se_kind", "problems", "quadrature_error", "method",
    "notes", "warnings", "inverse_notes",
)  # fmt: skip


def save(fit: Fit, path: str | Path) -> None:
    """See `Fit.save`.

    Raises
    ------
    ModelError
        If the diagram was changed after its text had been read, or an argument has no plain form.
    DataError
        For data of types that have none.
    SemgllammError
        If the file cannot be written.
    """
    from importlib.metadata import version

    call = fit.call
    counts = [latent.count for latent in call.diagram.latents]
    if _diagram(call.read(call.diagram.text), counts) != call.diagram:
        raise ModelError(
            "the diagram of this fit was changed after its text had been read: it cannot be saved",
            remedy="Fit a model text.",
        )
    arrays: dict[str, np.ndarray] = {}
    record = {
        "semgllamm": version("semgllamm"), "like": call.like, "text": call.diagram.text, "counts": encoded(counts),
        "arguments": encoded(dict(call.arguments)), "left_grid": call.left_grid, "data": _stored_data(fit, arrays),
        "names": list(fit.likelihood.names), "boundary": sorted(fit.boundary),
    }  # fmt: skip
    state = _state(fit)
    record["state"] = {name: encoded(state[name]) for name in PLAIN}
    arrays |= {name: np.asarray(state[name]) for name in ARRAYS if state[name] is not None}
    write_archive(path, record, arrays)


def _state(fit: Fit) -> dict[str, Any]:
    """What estimation has found."""
    inverse = fit._inverse
    restrictions = inverse.restrictions
    return {
        "request": replace(fit.request, clustered=False, weights=None, frequencies=None, strata=None, fpc=None,
                           replicates=None, n_starts=None),
        "convergence": fit.convergence, "points": fit.points, "information_kind": fit.information_kind,
        "se_kind": fit.se_kind, "problems": fit.problems, "quadrature_error": fit.quadrature_error,
        "method": fit.method, "notes": fit.notes, "warnings": fit.warnings, "inverse_notes": inverse.notes,
        "free": fit.free, "information": fit.information, "vcov_free": fit._vcov_free,
        "multipliers": inverse.multipliers, "used": None if restrictions is None else restrictions.used,
        "placed_at": getattr(fit.likelihood, "placed_at", None),
    }  # fmt: skip


def restored(
    path: str | Path, read: Callable, walked: Callable[..., Walk], without_grid: Callable[[Walk], Walk]
) -> tuple[Walk, dict[str, Any]]:
    """(walk, what estimation had found) of a saved fit.

    Parameters
    ----------
    path : str or Path
    read : callable
        Makes a diagram of a text.
    walked : callable
        ``walked(call, request, data)`` goes from a call to its likelihood.
    without_grid : callable
        The walk to adaptive quadrature of a fit that gave up a shared grid.

    Raises
    ------
    DataError
        If the file is no saved fit, is damaged or of a newer format, or this version makes another model of its text.
    """
    record, arrays = read_archive(path)
    try:
        diagram = _diagram(read(record["text"]), decoded(record["counts"], TYPES))
        frame, moments = _restored_data(record["data"], arrays)
        arguments = decoded(record["arguments"], TYPES)
        state = {name: decoded(record["state"][name], TYPES) for name in PLAIN}
        names, boundary, free = record["names"], frozenset(record["boundary"]), arrays["free"]
        call, left_grid = Call(record["like"], diagram, moments, arguments, read), record["left_grid"]
    except (KeyError, TypeError, IndexError, AttributeError) as failure:
        raise DataError(f"the saved fit '{path}' is incomplete: {failure}", remedy="Save the fit again.") from None
    walk = walked(call, state.pop("request"), frame)
    if left_grid:
        walk = without_grid(walk)
    likelihood = walk.likelihood
    if list(likelihood.names) != names:
        raise DataError(
            f"'{path}' was saved by semgllamm {record.get('semgllamm')}, and this version makes another model of its "
            "text: the parameters differ",
            remedy="Load it with that version, or fit the model again.",
        )
    if "placed_at" in arrays:
        likelihood.place(arrays["placed_at"])
    free.setflags(write=False)
    restrictions = None if walk.constraints is None else Restrictions(walk.constraints, likelihood.working)
    multipliers = arrays.get("multipliers")
    if restrictions is not None:
        restrictions.used = arrays["used"]
    inverse = Inverse(likelihood, free, state["points"], state["convergence"].boundary, multipliers, restrictions)
    inverse.notes = state.pop("inverse_notes")
    return walk, {
        **state, "free": free, "information": arrays.get("information"), "vcov_free": arrays.get("vcov_free"),
        "boundary": boundary, "inverse": inverse, "constraints": walk.constraints,
        "restricted": None if multipliers is None else restricted(restrictions, free, multipliers),
    }  # fmt: skip


def _diagram(diagram: PathDiagram, counts: list[int | None]) -> PathDiagram:
    """The diagram with the numbers of mass points that a fit has found."""
    latents = tuple(replace(latent, count=count) for latent, count in zip(diagram.latents, counts, strict=True))
    return replace(diagram, latents=latents)


def _stored_data(fit: Fit, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    moments = fit.call.moments
    if moments is None:
        frame = fit.binding.frame
        kept = named_columns(frame, fit.call.diagram.text, _words(fit.call.arguments))
        return {"frame": stored_frame(frame[kept], arrays)}
    for g, S in enumerate(moments.covariances):
        arrays[f"covariance{g}"] = S
        if moments.means is not None:
            arrays[f"mean{g}"] = moments.means[g]
    return {"moments": {
        "names": list(moments.names), "counts": [int(n) for n in moments.counts], "labels": list(moments.labels),
        "has_means": moments.means is not None,
    }}  # fmt: skip


def _restored_data(record: dict[str, Any], arrays: dict[str, np.ndarray]):
    """(table, None), or (None, sample moments)."""
    if "frame" in record:
        return table_of(record["frame"], arrays), None
    kept = record["moments"]
    groups = range(len(kept["labels"]))
    means = tuple(arrays[f"mean{g}"] for g in groups) if kept["has_means"] else None
    covariances = tuple(arrays[f"covariance{g}"] for g in groups)
    return None, SampleMoments(tuple(kept["names"]), covariances, means, tuple(kept["counts"]), tuple(kept["labels"]))


def _words(arguments: Any) -> set[str]:
    """All words in the arguments of a call; columns may be among them."""
    if isinstance(arguments, str):
        return {arguments}
    if isinstance(arguments, Replicates):
        return set(arguments.columns)
    if isinstance(arguments, Mapping):
        return _words(list(arguments)) | _words(list(arguments.values()))
    if isinstance(arguments, list | tuple | set):
        return set().union(*map(_words, arguments))
    return set()
