"""Start values computed from the data.

Fixed part by the generalized linear model without latent variables (Newton on its log-likelihood, from the means of the
responses where the family says so), own parameters by moments; the fixed part scaled up by
(1 + .35 Σσ²)^½ where the response is not Gaussian, because marginal effects are attenuated; loadings 1 on the scale
of the response with the sign of the item-rest covariance; standard deviations 1 at the lowest level and ½ above.
"""

from __future__ import annotations

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.measurement import VARIANCE
from semgllamm.estimation.predictor import Predictor
from semgllamm.integration.arrays import COUNT, TRIALS
from semgllamm.integration.independence import working_quantities
from semgllamm.model.transforms import CELL, CHOLESKY, LOG_VARIANCE
from semgllamm.responses import registry
from semgllamm.responses.registry import COMPOSITE, MULTINOMIAL

__all__ = ["start_values"]

ATTENUATION = 0.35
NEWTON_STEPS = 12
HALVINGS = 30
ENOUGH = 1e-2  # twice the rise of log L that a last step promises


def start_values(predictor: Predictor, diagram: PathDiagram) -> np.ndarray:
    """Free parameters to start from, (n_free,)."""
    model, working = predictor.model, predictor.working
    spread = _response_spread(predictor)
    begin = _beginnings(predictor)
    scale = _latent_scale(predictor, spread, begin)
    cells = np.zeros(model.n_parameters)
    for group in model.groups:
        signs = _signs(predictor, group)
        for cell in group.Lambda:
            if cell.is_free:
                size = _size(model.response(cell.row).family, spread[cell.row], begin.get(cell.row), 0.7, 1.0)
                cells[cell.number] = signs.get((cell.row, cell.column), 1.0) * size / scale[cell.column]
        for cell in group.Theta:
            if cell.is_free:
                cells[cell.number] = 0.5 * spread[cell.row] ** 2 if cell.row == cell.column else 0.0
        residuals = {cell.number for other in model.groups for cell in other.Theta if cell.is_free}
        for cell in group.Psi:
            if cell.is_free and cell.number not in residuals:
                cells[cell.number] = scale[cell.row] ** 2 if cell.row == cell.column else 0.0
        measured = {cell.column for cell in group.Lambda}
        for cell in group.B:
            # only second-order loadings start away from zero
            if cell.is_free and cell.column not in measured:
                cells[cell.number] = 0.7 * scale[cell.row] / scale[cell.column]
    _thresholds(predictor, cells)
    _own_parameters(predictor, begin, cells)
    inner = working.inner_from_cells(cells)
    inner = _fixed_part(predictor, inner, begin)
    cells = working.cells(inner)
    for row, number in zip(diagram.parameters, model.rows):
        if number >= 0 and row.start is not None:
            cells[number] = row.start
    inner = working.inner_from_cells(cells)
    inner[(working.kind == CHOLESKY) & (np.abs(inner) < 1e-8) & _on_diagonal(predictor)] = 0.1
    return working.free_from_inner(inner)


def _on_diagonal(predictor) -> np.ndarray:
    out = np.zeros(predictor.model.n_parameters, dtype=bool)
    for group in predictor.model.groups:
        for cell in group.Psi:
            if cell.is_free and cell.row == cell.column:
                out[cell.number] = True
    return out


def _response_spread(predictor) -> dict[str, float]:
    values: dict[str, list[np.ndarray]] = {}
    for block in predictor.design.blocks:
        values.setdefault(block.response.name, []).append(block.y)
    return {name: float(np.std(np.concatenate(parts))) or 1.0 for name, parts in values.items()}


def _beginnings(predictor) -> dict[str, tuple[float, tuple[float, ...]]]:
    """ν and own parameters to start from, of responses whose family says so."""
    answers: dict[str, list] = {}
    for block in predictor.design.blocks:
        if block.response.family.start is not None:
            # a row of a composite link has its share of the mean
            parts = 1.0 if block.weight is None else np.bincount(block.choice, weights=block.weight)[block.choice]
            answers.setdefault(block.response.name, []).append((block.response.family, block.y / parts, block.trials))
    return {
        name: found[0][0].start(np.concatenate([y for _, y, _ in found]), np.concatenate([n for *_, n in found]))
        for name, found in answers.items()
    }


def _size(family, spread: float, begin: tuple | None, gaussian: float, other: float) -> float:
    """An effect of moderate size on ν: of the spread of the response, of ν itself, or a number on a log or logit."""
    if family.has_residual and family.link == "identity":
        return gaussian * spread
    is_share = family.name in ("bernoulli", "binomial")
    # where the link has a mean on one side of 0 only, or in an interval
    if family.link in ("identity", "reciprocal", "inverse_square", "sqrt") or (family.link == "log" and is_share):
        return 0.1 * abs(begin[0]) if begin else other
    return other


def _own_parameters(predictor, begin, cells: np.ndarray) -> None:
    for group in predictor.model.groups:
        for response in predictor.model.responses:
            if response.name in begin:
                for kind, value in zip(response.family.predictors, begin[response.name][1]):
                    for cell in group.own(kind):
                        if cell.row == response.name and cell.column == "1" and cell.is_free:
                            cells[cell.number] = value
            elif response.family.has_residual:
                for cell in group.alpha:
                    if cell.row == response.name and cell.column == "1" and cell.is_free:
                        cells[cell.number] = np.log(0.5) + 2 * np.log(_response_spread(predictor)[response.name])


def _latent_scale(predictor, spread, begin) -> dict[str, float]:
    """A first guess of each latent variable's standard deviation."""
    model, design = predictor.model, predictor.design
    lowest = min(model.eta_level, default=0)
    scale: dict[str, float] = {}

    def rms(times):
        return 1.0 if times is None else float(np.sqrt(np.mean(design.column(times) ** 2))) or 1.0

    for group in model.groups:
        for cell in group.Lambda:
            if not cell.is_free and cell.value != 0.0 and cell.column not in scale:
                level = model.eta_level[model.eta.index(cell.column)]
                family, other = model.response(cell.row).family, 1.0 if level == lowest else 0.5
                unit = _size(family, spread[cell.row], begin.get(cell.row), 0.6, other)
                scale[cell.column] = unit / (abs(cell.value) * rms(cell.times))
        for _ in range(len(model.eta)):
            for cell in group.B:
                if not cell.is_free and cell.value != 0.0 and cell.column not in scale and cell.row in scale:
                    scale[cell.column] = 0.5 * scale[cell.row] / (abs(cell.value) * rms(cell.times))
        for cell in group.Psi:
            if cell.row == cell.column and not cell.is_free and cell.value > 0:
                scale[cell.row] = float(np.sqrt(cell.value))
    return {name: scale.get(name, 1.0) for name in model.eta}


def _signs(predictor, group) -> dict[tuple[str, str], float]:
    """Sign of the covariance of each row-level indicator with the sum of the latent variable's other indicators."""
    design = predictor.design
    columns: dict[str, np.ndarray] = {}
    for block in design.blocks:
        if block.response.level == 0:
            y = columns.setdefault(block.response.name, np.full(design.n_rows, np.nan))
            y[block.rows] = block.y
    out = {}
    for latent in {cell.column for cell in group.Lambda}:
        cells = [c for c in group.Lambda if c.column == latent and c.times is None and c.row in columns]
        names = list(dict.fromkeys(c.row for c in cells))
        if len(names) < 2:
            continue
        with np.errstate(invalid="ignore"):
            Z = np.stack(
                [(columns[n] - np.nanmean(columns[n])) / (np.nanstd(columns[n]) or 1.0) for n in names], axis=1
            )
        Z = np.nan_to_num(Z)
        marker = next((c for c in cells if not c.is_free and c.value != 0.0), None)
        if marker is not None:
            reference = Z[:, names.index(marker.row)] * np.sign(marker.value)
        else:
            # the first principal direction tells the signs where no loading does
            reference = Z @ np.linalg.svd(Z, full_matrices=False)[2][0]
            reference *= 1.0 if (Z.T @ reference).sum() >= 0 else -1.0
        for cell in cells:
            with_rest = Z[:, names.index(cell.row)] @ reference
            out[cell.row, cell.column] = 1.0 if with_rest >= 0 else -1.0
    return out


def _thresholds(predictor, cells: np.ndarray) -> None:
    from scipy.special import ndtri

    inverse = {
        "logit": lambda p: np.log(p / (1 - p)),
        "probit": ndtri,
        "cloglog": lambda p: np.log(-np.log1p(-p)),
        "loglog": lambda p: -np.log(-np.log(p)),
    }
    answers: dict[tuple[int, str], list[np.ndarray]] = {}
    for block in predictor.design.blocks:
        if block.response.categories and not block.repeats:
            answers.setdefault((block.group, block.response.name), []).append(block.y)
    shared: dict[int, list[float]] = {}
    for (g, name), found in answers.items():
        family, y = predictor.model.response(name).family, np.concatenate(found)
        for k, cell in enumerate(predictor.model.groups[g].thresholds(name)):
            if not cell.is_free:
                continue
            some = np.ones(len(y), dtype=bool) if family.thresholds == "around" else y >= k
            total = max(int(some.sum()), 1)
            below = float(np.sum(y[some] <= k))
            p = min(max(below / total, 0.5 / total), 1 - 0.5 / total)
            shared.setdefault(cell.number, []).append(1.25 * inverse[family.link](p))
    for number, found in shared.items():
        cells[number] = np.mean(found)
    for g, name in answers:
        # means of responses that share some of their thresholds may be out of order, where nothing is possible
        if predictor.model.response(name).family.thresholds != "around":
            continue
        last = -np.inf
        for cell in predictor.model.groups[g].thresholds(name):
            if cell.is_free and cells[cell.number] <= last:
                cells[cell.number] = last + 0.1
            last = cell.at(cells)


def _fixed_part(predictor: Predictor, inner: np.ndarray, begin) -> np.ndarray:
    """Newton's steps of the model without latent variables in the parameters that are linear in f."""
    from scipy.sparse import csr_matrix

    model, program = predictor.model, predictor.program
    moving = sorted({c.number for g in model.groups for c in (*g.beta, *g.Gamma) if c.is_free})
    inner = inner.copy()
    whitening, predictor.whitening = predictor.whitening, []
    try:
        state = predictor.at(inner)
        if not state.possible:
            return inner
        y = program.cell[:, 0].copy()
        if whitening:
            for _, _, at, values in whitening:
                y[at] = values
        cell = program.cell.copy()
        cell[:, 0] = y
        gaussian = program.code % registry.SUMMED == 0
        _, terms = registry.addresses(np.unique(program.code))
        out = np.zeros((len(program.code), 3))
        if moving:
            ptr, par, feature, value = predictor.jacobian(state)
            row = np.repeat(np.arange(len(program.code)), np.diff(ptr))
            column = np.full(model.n_parameters, -1)
            column[moving] = np.arange(len(moving))
            keep = (feature == 0) & (column[par] >= 0)
            X = csr_matrix((value[keep], (row[keep], column[par[keep]])), shape=(len(program.code), len(moving)))
            transposed, entries = X.T.tocsr(), np.diff(X.indptr)
            share = predictor.share_of_cells
            if begin:
                inner[moving] += _to_the_means(predictor, state, X, begin)
            step = np.zeros(len(moving))
            for _ in range(NEWTON_STEPS):
                state = predictor.at(inner)
                state.lin[:, 1] += predictor.log_sums(state.lin[:, 0])
                working_quantities(program.code, registry.own_parameters(), terms, cell, state.lin, out)
                joint = program.sums_at_zero(state.lin, state.D, out)
                for _ in range(HALVINGS):
                    if np.isfinite(out).all():
                        break
                    # a mean that the link does not have
                    step *= 0.5
                    inner[moving] -= step
                    state = predictor.at(inner)
                    state.lin[:, 1] += predictor.log_sums(state.lin[:, 0])
                    working_quantities(program.code, registry.own_parameters(), terms, cell, state.lin, out)
                    joint = program.sums_at_zero(state.lin, state.D, out)
                if not np.isfinite(out).all():
                    break
                w = share * np.maximum(out[:, 2], 1e-6)
                weighted = csr_matrix((X.data * np.repeat(w, entries), X.indices, X.indptr), shape=X.shape)
                H = (transposed @ weighted).toarray()
                _less_the_means(predictor, weighted, share, H)
                _plus_the_sums(predictor, X, share, joint, H)
                score = transposed @ (share * out[:, 1])
                H[np.diag_indices_from(H)] += 1e-8 * (1.0 + np.diag(H))
                step = np.linalg.solve(H, score)
                size = np.abs(X @ step)
                limit = np.max(size[~gaussian], initial=0.0)
                promised = step @ score
                step *= min(1.0, 3.0 / limit if limit > 0 else 1.0)
                inner[moving] += step
                # to go on would hide from the optimiser that a maximum lies at infinity
                if promised < ENOUGH:
                    break
            state = predictor.at(inner)
        _scale_up(predictor, state, inner)
        if gaussian.any():
            _residual_variances(predictor, state, cell, inner)
    finally:
        predictor.whitening = whitening
    return inner


def _plus_the_sums(predictor, X, share, joint: np.ndarray, H: np.ndarray) -> None:
    """H += Σ w x̄x̄' over the composite links, with x̄ = Σ_a e_a √W x_a."""
    from scipy.sparse import csr_matrix

    program = predictor.program
    cells = np.flatnonzero(program.code >= COMPOSITE)
    if cells.size:
        first = program.cell[cells, COUNT] > 0
        case = np.cumsum(first) - 1
        scale = joint[cells] * np.sqrt(share[cells])
        sums = csr_matrix((scale, (case, cells)), shape=(case[-1] + 1, len(program.code))) @ X
        H += (sums.T @ sums).toarray()


def _less_the_means(predictor, weighted, share, H: np.ndarray) -> None:
    """H −= Σ w x̄x̄' over the choices, with x̄ = Σ_a p_a x_a; `weighted` has the rows w p_a x_a."""
    from scipy.sparse import csr_matrix

    program = predictor.program
    cells = np.flatnonzero(program.code == MULTINOMIAL)
    if cells.size:
        first = program.cell[cells, TRIALS] > 0
        choice = np.cumsum(first) - 1
        sums = csr_matrix((np.ones(cells.size), (choice, cells)), shape=(choice[-1] + 1, len(program.code))) @ weighted
        means = sums.multiply(1.0 / share[cells[first]][:, None]).tocsr()
        H -= (sums.T @ means).toarray()


def _to_the_means(predictor, state, X, begin) -> np.ndarray:
    """The step after which responses with a start have it as their linear predictor, as far as the terms allow."""
    goal, weight = np.zeros(X.shape[0]), np.zeros(X.shape[0])
    for b in predictor.blocks:
        if b.source.response.name in begin:
            goal[b.at], weight[b.at] = begin[b.source.response.name][0] - state.lin[b.at, 0], 1.0
    H = (X.T @ X.multiply(weight[:, None])).toarray()
    H[np.diag_indices_from(H)] += 1e-8 * (1.0 + np.diag(H))
    return np.linalg.solve(H, X.T @ (weight * goal))


def _scale_up(predictor, state, inner) -> None:
    """Marginal effects of a nonlinear response are attenuated by its latent variance: undo that."""
    done = set()
    variance = (state.D**2).sum(axis=1)
    for b in predictor.blocks:
        family = b.source.response.family
        if b.n == 0 or family.residual_variance is None:
            continue
        factor = np.sqrt(1 + (ATTENUATION if family.link == "logit" else 0.8) * float(np.mean(variance[b.at])))
        for number in b.beta:
            if number not in done and predictor.working.kind[number] == CELL:
                inner[number] *= factor
                done.add(number)


def _residual_variances(predictor, state, cell, inner) -> None:
    residual: dict[int, list[float]] = {}
    for b in predictor.blocks:
        theta = b.own[0] if b.own_kind == VARIANCE and b.source.response.family.is_linear else None
        if theta is not None and theta.is_free and b.n:
            r = cell[b.at, 0] - state.lin[b.at, 0]
            residual.setdefault(theta.number, []).append(float(np.mean(r * r)))
    for number, found in residual.items():
        value = 0.5 * float(np.mean(found))
        inner[number] = np.log(max(value, 1e-8)) if predictor.working.kind[number] == LOG_VARIANCE else value
