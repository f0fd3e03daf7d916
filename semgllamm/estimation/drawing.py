"""Designs drawn from a design: its independent units with replacement, or its responses from the model.

    ordinary      units i₁, …, i_J drawn from 1, …, J of each group, with all their rows and the units inside them
    parametric    y ~ f(ν),  ν = f + d'u,  u ~ N(0, I) of each unit of each level           (engine)
                  the same in class c, c ~ π of each unit, higher levels first               (mixtures)
                  y = Πx + e,  e ~ N(0, F E S_l E'F') of each unit of each level l           (closed form)
                  y = FE(z)(Γx + Σ_l u_l),  u_l ~ N(0, S_l)             (coefficients that vary with covariates z)

In the engine residuals that covary are drawn together, and responses that cause each other solve y = By + ν + ε. What
responses cause further on is drawn after them: with the same random numbers everything is drawn again from the values
that were drawn, until nothing changes.

The alternatives of a choice are drawn together: the largest utility ν_a + e_a, e_a from the Gumbel distribution, is
chosen with probability exp(ν_a) / Σ exp(ν_b) (McFadden 1974), and their order is a ranking, which is a choice of the
best, then of the best of those left (Chapman & Staelin 1982). Choice sets stay, and so does how far rankings go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semgllamm.data.choices import UNRANKED, explode
from semgllamm.data.design import CellBlock, Design, parted
from semgllamm.data.weights import Weights
from semgllamm.errors import EstimationError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.inner_classes import InnerClasses
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.predictor import Predictor
from semgllamm.estimation.products import bent_part
from semgllamm.integration.nested import NestedEvaluation
from semgllamm.model.matrices import Model

__all__ = [
    "answered_by", "design_of", "drawn_by", "drawn_given", "drawn_patterns", "independent_level", "rows_taken",
    "simulated", "simulated_in", "units_drawn", "written_out",
]  # fmt: skip


def independent_level(likelihood: GaussianLikelihood | Likelihood, clustered: bool = False) -> int:
    """The level of the independent units: the highest with latent variables or classes, or that of the clusters."""
    design = design_of(likelihood)
    if clustered:
        return len(design.codes) - 1
    if isinstance(likelihood, GaussianLikelihood):
        return likelihood.n_levels - 1
    predictor = likelihood.predictor
    levels = [predictor.model.eta_level[k] for k in predictor.tree.order]
    return max([*levels, *(variable.level for variable in predictor.model.classes)], default=0)


def design_of(likelihood: GaussianLikelihood | Likelihood) -> Design:
    """The design of the data, which is not that of a mixture's predictor."""
    own = isinstance(likelihood, GaussianLikelihood | MixtureLikelihood | InnerClasses)
    return likelihood.design if own else likelihood.predictor.design


def units_drawn(design: Design, level: int, rng: np.random.Generator, patterns: int = 1) -> Design:
    """As many of the units of a level as each group has, drawn with replacement.

    Parameters
    ----------
    design : Design
    level : int
        Of the independent units; a unit that is drawn twice becomes two units. At the lowest level the rows of one
        case are a unit.
    rng : Generator
    patterns : int
        Of missing covariates, in each group: a unit may be drawn in place of one with another.

    Returns
    -------
    Design
    """
    _no_composites(design)
    code = design.codes[level] if level else _cases(design)
    order = np.argsort(code, kind="stable")
    units = int(code.max()) + 1
    ends = np.searchsorted(code[order], np.arange(units + 1))
    group = design.group_of[order[ends[:-1]]] // patterns
    drawn = np.concatenate([
        rng.choice(mine, len(mine)) for g in range(int(group.max()) + 1) if len(mine := np.flatnonzero(group == g))
    ])  # fmt: skip
    take = np.concatenate([order[ends[k] : ends[k + 1]] for k in drawn])
    draw = np.repeat(np.arange(len(drawn)), (ends[1:] - ends[:-1])[drawn])
    # a unit within what is drawn twice is two units, and so is one that holds it
    return rows_taken(design, take, [draw] * len(design.codes))


def written_out(design: Design) -> Design:
    """The design with each unit as often as its frequency says, one after the other."""
    _no_composites(design)
    at, copies = np.arange(design.n_rows), []
    for level in range(len(design.codes) - 1, -1, -1):
        frequency = design.weights.frequency.get(level)
        times = np.ones(len(at), dtype=np.int64)
        if frequency is not None:
            times = frequency[design.codes[level][at]].astype(np.int64)
        number = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        at, copies = np.repeat(at, times), [np.repeat(copy, times) for copy in copies]
        copies.append(number)
    cases = _cases(design)[at]
    order = np.lexsort((at, copies[-1], cases, *(
        key for level in range(1, len(design.codes))
        for key in (copies[len(design.codes) - 1 - level], design.codes[level][at])
    )))  # fmt: skip
    at, copies = at[order], [copy[order] for copy in copies]
    # which copy of all units that hold it a unit is in
    of_levels, whole = [], np.zeros(len(at), dtype=np.int64)
    for copy in copies:
        whole = np.unique(whole * (copy.max() + 1) + copy, return_inverse=True)[1].ravel()
        of_levels.append(whole)
    weights = replace(design.weights, frequency={})
    return rows_taken(replace(design, weights=weights), at, of_levels[::-1])


def rows_taken(design: Design, take: np.ndarray, copy: Sequence[np.ndarray]) -> Design:
    """The design of some of its rows, as often as they are taken.

    Parameters
    ----------
    design : Design
    take : (n,) int array
        Rows, those of a unit together.
    copy : sequence of (n,) int arrays
        For each level which copy of its unit each row is in.
    """
    codes, first_row = [], []
    for own, number in zip(design.codes, copy, strict=True):
        _, first, inverse = np.unique(number * (own.max() + 1) + own[take], return_index=True, return_inverse=True)
        # in the order of the rows
        rank = np.argsort(np.argsort(first))
        codes.append(rank[inverse.ravel()])
        first_row.append(np.sort(first))
    codes[0], first_row[0] = np.arange(len(take)), np.arange(len(take))
    group_of, blocks = design.group_of[take], []
    for block in design.blocks:
        level = block.response.level
        if level:
            cells, rows = _cells_of_units(block, design.codes[level], take, codes[level], group_of)
        else:
            cells, rows = _cells_of(block, take)
        if len(rows):
            picked = _picked(block, cells, rows)
            blocks.append(picked if block.choice is None else _renumbered(picked, copy[0]))
    weights = Weights(*(
        {level: w[design.codes[level][take[first_row[level]]]] for level, w in found.items()}
        for found in (design.weights.sampling, design.weights.frequency)
    ))  # fmt: skip
    return replace(
        design, n_rows=len(take), kept=design.kept[take], codes=tuple(codes), first_row=tuple(first_row),
        blocks=tuple(blocks), columns={name: x[take] for name, x in design.columns.items()}, group_of=group_of,
        known={name: code[take] for name, code in design.known.items()}, weights=weights,
    )  # fmt: skip


def _cells_of_units(
    block: CellBlock, old: np.ndarray, take: np.ndarray, new: np.ndarray, group_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `_cells_of` of a response of units, one cell a unit, in its first row that is taken."""
    cell = np.full(int(old.max()) + 1, -1)
    cell[old[block.rows]] = np.arange(len(block.rows))
    there = np.flatnonzero((cell[old[take]] >= 0) & (group_of == block.group))
    rows = there[np.unique(new[there], return_index=True)[1]]
    return cell[old[take[rows]]], rows


def _cases(design: Design) -> np.ndarray:
    """The independent unit of each row where no latent variable joins rows: itself, or its case, (n_rows,)."""
    unit = np.arange(design.n_rows)
    for block in design.blocks:
        if block.case is not None:
            unit[block.rows] = block.case
    return np.unique(unit, return_inverse=True)[1].ravel()


def _cells_of(block: CellBlock, take: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells of rows that are taken, and for each its place among these; a ranking has several cells in a row."""
    order = np.argsort(block.rows, kind="stable")
    first, last = (np.searchsorted(block.rows[order], take, side) for side in ("left", "right"))
    number = last - first
    rows = np.repeat(np.arange(len(take)), number)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(number) - number, number)
    return order[np.repeat(first, number) + within], rows


def _renumbered(block: CellBlock, draw: np.ndarray) -> CellBlock:
    """Choices that are drawn twice are two, each with a row of its own case; the cells of one choice in a sequence."""
    unit = draw[block.rows]
    choice = np.unique(unit * (block.choice.max() + 1) + block.choice, return_inverse=True)[1].ravel()
    _, first, case = np.unique(unit * (block.case.max() + 1) + block.case, return_index=True, return_inverse=True)
    numbered = replace(block, choice=choice, case=block.rows[first][case.ravel()])
    order = np.lexsort((block.rows, choice))
    return _picked(numbered, order, block.rows[order])


def _picked(block: CellBlock, cells: np.ndarray, rows: np.ndarray) -> CellBlock:
    return replace(
        block, rows=rows, y=block.y[cells], trials=block.trials[cells], offset=block.offset[cells],
        choice=None if block.choice is None else block.choice[cells],
        case=None if block.case is None else block.case[cells],
        weight=None if block.weight is None else block.weight[cells],
    )  # fmt: skip


def simulated(likelihood: GaussianLikelihood | Likelihood, free: np.ndarray, rng: np.random.Generator) -> Design:
    """The design with its responses drawn from the model, missing where they were.

    Parameters
    ----------
    likelihood : GaussianLikelihood or Likelihood
        Of the engine's, one whose predictor keeps identical units apart.
    free : (n_free,) array
    rng : Generator

    Returns
    -------
    Design
    """
    if isinstance(likelihood, GaussianLikelihood):
        design = likelihood.design
        return replace(design, blocks=tuple(_gaussian_blocks(likelihood, free, rng)))
    if isinstance(likelihood, InnerClasses):
        return _simulated_parts(likelihood, free, rng)
    if isinstance(likelihood, MixtureLikelihood):
        return _simulated_mixture(likelihood, free, rng)
    predictor = likelihood.predictor
    return drawn_by(predictor, predictor.working.inner(np.asarray(free, dtype=float)), rng)


def drawn_by(
    predictor: Predictor, inner: np.ndarray, rng: np.random.Generator, u: dict[int, np.ndarray] | None = None
) -> Design:
    """The design of the engine with its responses drawn, causes before their effects.

    Parameters
    ----------
    predictor : Predictor
        With identical units kept apart.
    inner : (q,) array
    rng : Generator
    u : dict of latent variable (its place in ``eta``) to (units,) array, optional
        Their coordinates, by default drawn from the prior.

    Raises
    ------
    EstimationError
        If a response explains others by a column that its answers do not determine.
    """
    design = predictor.design
    names = _causes(predictor.whole)
    if not names:
        return replace(design, blocks=tuple(drawn_given(predictor, inner, rng, u)))
    key = rng.integers(2**63)
    for _ in range(len(names) + 2):
        drawn = tuple(drawn_given(predictor, inner, np.random.default_rng(key), u))
        columns = _with_drawn(design, drawn, names)
        same = all(np.array_equal(columns[name], predictor.design.columns[name]) for name in names)
        if same:
            break
        predictor = Predictor(
            predictor.whole, predictor.working, predictor.tree, replace(design, columns=columns), collapse=False
        )  # fmt: skip
    return replace(design, blocks=drawn, columns=columns)


def _simulated_mixture(likelihood: MixtureLikelihood, free: np.ndarray, rng: np.random.Generator) -> Design:
    return simulated_in(likelihood, free, drawn_patterns(likelihood, free, rng), rng)


def simulated_in(
    likelihood: MixtureLikelihood, free: np.ndarray, pattern_of: np.ndarray, rng: np.random.Generator,
    u: dict[int, np.ndarray] | None = None,
) -> Design:  # fmt: skip
    """Answers are drawn in every pattern of classes, and those in the pattern of each row are kept.

    Parameters
    ----------
    likelihood : MixtureLikelihood
        One in which identical units are kept apart.
    free : (n_free,) array
    pattern_of : (rows,) int array
    rng : Generator
    u : dict of latent variable (its place in ``eta``) to (patterns × units,) array, optional
        Coordinates in every pattern, by default drawn from the prior.
    """
    _no_causes(likelihood.model)
    inner = likelihood.working.inner(np.asarray(free, dtype=float))
    blocks = drawn_given(likelihood.predictor, inner, rng, u)
    return _in_their_patterns(likelihood.design, len(likelihood.model.patterns), blocks, pattern_of)


def _simulated_parts(likelihood: InnerClasses, free: np.ndarray, rng: np.random.Generator) -> Design:
    """The same where classes depend on what is above them: their choices are answers, drawn with the others."""
    design, model = likelihood.design, likelihood.model
    _no_causes(model)
    inner = likelihood.working.inner(np.asarray(free, dtype=float))
    blocks = list(drawn_given(likelihood.predictor, inner, rng))
    P, level = len(model.patterns), model.classes[0].level
    place = {f"{v.name}[{k}]": (j, m) for j, v in enumerate(model.classes) for m, k in enumerate(v.classes)}
    units = len(design.first_row[level])
    part, classes = np.full(units, P), np.zeros((units, len(model.classes)), dtype=np.int64)
    for block in blocks:
        if block.response.name in place:
            # the choice in each pattern is one of the same probabilities: that in the first is taken
            unit = design.codes[level][block.rows % design.n_rows]
            part[unit] = np.minimum(part[unit], block.group % P)
    for block in blocks:
        if block.response.name in place:
            j, m = place[block.response.name]
            unit = design.codes[level][block.rows % design.n_rows]
            chosen = unit[(block.y == 1) & (part[unit] == block.group % P)]
            classes[chosen, j] = m
    for j, variable in enumerate(model.classes):
        known = design.known.get(variable.name)
        if known is not None:
            known = known[design.first_row[level]]
            classes[known >= 0, j] = known[known >= 0]
    number = {pattern: p for p, pattern in enumerate(map(tuple, model.patterns))}
    pattern_of = np.array([number[tuple(row)] for row in classes.tolist()])[design.codes[level]]
    answers = [block for block in blocks if block.response.name not in place]
    return _in_their_patterns(design, P, answers, pattern_of, level)


def _no_causes(model: Model) -> None:
    if _causes(model):
        raise EstimationError("with classes, responses that cause others are not drawn yet", remedy="Use se='robust'.")


def _in_their_patterns(design: Design, P: int, blocks, pattern_of: np.ndarray, level: int | None = None) -> Design:
    """The design with the answers of each row in its pattern; those of levels above `level` are in the first alone."""
    choices = {
        (b.group, b.response.name): int(b.choice.max(initial=-1)) + 1 for b in design.blocks if b.choice is not None
    }  # fmt: skip
    parts: dict[tuple, list[CellBlock]] = {}
    for block in blocks:
        group, p = divmod(block.group, P)
        rows = block.rows - p * design.n_rows
        above = level is not None and block.response.level > level
        mine = np.flatnonzero((pattern_of[rows] == p) | above)
        part = replace(_picked(block, mine, rows[mine]), group=group, unit=None, part=-1, n_parts=None)
        if block.choice is not None:
            part = replace(
                part, choice=part.choice - p * choices[group, block.response.name], case=part.case - p * design.n_rows
            )  # fmt: skip
        key = group, block.response.name, block.category, block.around, block.repeats
        parts.setdefault(key, []).append(part)
    return replace(design, blocks=tuple(_together(found) for found in parts.values() if sum(len(b.y) for b in found)))


def _together(blocks: list[CellBlock]) -> CellBlock:
    """The cells of blocks, in the order of their rows."""
    order = np.argsort(np.concatenate([block.rows for block in blocks]), kind="stable")
    fields = {
        field: np.concatenate([getattr(block, field) for block in blocks])[order]
        for field in ("rows", "y", "trials", "offset", "choice", "case", "weight")
        if getattr(blocks[0], field) is not None
    }  # fmt: skip
    return replace(blocks[0], **fields)


def drawn_patterns(
    likelihood: MixtureLikelihood, free: np.ndarray, rng: np.random.Generator, shares: list[np.ndarray] | None = None
) -> np.ndarray:
    """The pattern of classes of each row, drawn: of a class that is known, that one.

    Parameters
    ----------
    likelihood : MixtureLikelihood
        One in which identical units are kept apart.
    free : (n_free,) array
    rng : Generator
    shares : list of (units, h) arrays, optional
        Of each level, lowest first, the probabilities of own classes given those above; by default those of the logits.
    """
    model, design = likelihood.model, likelihood.design
    inner = likelihood.working.inner(np.asarray(free, dtype=float))
    classes = np.zeros((design.n_rows, len(model.classes)), dtype=np.int64)
    above = np.zeros(likelihood.mixing.levels[-1].n, dtype=np.int64)
    if shares is None:
        shares = [np.exp(membership.log_probabilities(inner)) for membership in likelihood.memberships]
    found = zip(likelihood.heights, likelihood.mixing.levels, shares, likelihood.class_of)
    for height, level, share, class_of in reversed(list(found)):
        if level.inside is not None:
            above = above[level.inside]
        p = share.reshape(level.n, level.above, level.own)
        below = p[np.arange(level.n), above].cumsum(axis=1)
        own = (rng.random(level.n)[:, None] * below[:, -1:] >= below).sum(axis=1)
        above = above * level.own + own
        here = [v for v, variable in enumerate(model.classes) if variable.level == height]
        classes[:, here] = class_of[above][design.codes[height]][:, here]
    number = {pattern: p for p, pattern in enumerate(map(tuple, model.patterns))}
    return np.array([number[tuple(row)] for row in classes.tolist()])


def _moved_cases(block: CellBlock, to: np.ndarray) -> CellBlock:
    """Cases in the rows of another design, one after the other, and the choices of a ranking in their order."""
    rows, case = to[block.rows], to[block.case]
    order = np.lexsort((rows, block.choice, case))
    choice, case = block.choice[order], case[order]
    begins = (np.diff(choice, prepend=-1) != 0) | (np.diff(case, prepend=-1) != 0)
    return replace(_picked(block, order, rows[order]), case=case, choice=np.cumsum(begins) - 1)


def answered_by(drawn: Design, design: Design, model: Model, closed: bool) -> Design:
    """The design of another model of the same rows with the responses of one that was drawn.

    Parameters
    ----------
    drawn, design : Design
    model : Model
        Of `design`.
    closed : bool
        Whether its responses are nodes of a graph, and so no columns.

    Raises
    ------
    EstimationError
        If the rows are not the same.
    """
    place = np.full(1 + max(int(drawn.kept.max()), int(design.kept.max())), -1)
    place[design.kept] = np.arange(design.n_rows)
    to = place[drawn.kept]
    if (to < 0).any() or drawn.n_rows != design.n_rows:
        raise EstimationError("the models do not use the same rows")
    blocks = []
    for block in drawn.blocks:
        if block.case is not None:
            moved = _moved_cases(block, to)
        else:
            order = np.argsort(to[block.rows], kind="stable")
            moved = _picked(block, order, to[block.rows][order])
            if block.choice is not None:
                moved = replace(moved, choice=moved.rows)  # one for each row, in the blocks of all its categories
        blocks.append(replace(moved, response=model.response(block.response.name)))
    names = [] if closed else _causes(model)
    return replace(design, blocks=tuple(blocks), columns=_with_drawn(design, tuple(blocks), names))


def _causes(model: Model) -> list[str]:
    """Responses by which other responses or latent variables are explained."""
    responses = {response.name for response in model.responses}
    cells = (
        cell
        for group in model.groups
        for cell in (*group.beta, *group.Gamma, *group.auxiliary(), *group.Lambda, *group.B, *group.kappa)
    )
    found: dict[str, None] = {}
    for cell in cells:
        for column in (cell.column, cell.times):
            found.update(dict.fromkeys(name for name in (column or "").split(":") if name in responses))
    return list(found)


def _with_drawn(design: Design, drawn: tuple[CellBlock, ...], names: list[str]) -> dict[str, np.ndarray]:
    """The columns of the design with responses as they were drawn.

    What stands in the column for each answer, where that is coded, is learnt from the answers of the data.

    Raises
    ------
    EstimationError
        If the answers do not determine the column.
    """
    columns = dict(design.columns)
    for name in names:
        before = [block for block in design.blocks if block.response.name == name and not block.repeats]
        after = [block for block in drawn if block.response.name == name and not block.repeats]
        rows, y = (np.concatenate([getattr(block, field) for block in after]) for field in ("rows", "y"))
        values, level = columns[name].copy(), before[0].response.level
        seen = np.concatenate([block.rows for block in before]), np.concatenate([block.y for block in before])
        values[rows] = _recoded(name, values[seen[0]], seen[1], y)
        if level:
            # one answer for all rows of a unit
            code = design.codes[level]
            of_unit = np.full(int(code.max()) + 1, np.nan)
            of_unit[code[rows]] = values[rows]
            values = np.where(np.isnan(of_unit[code]), values, of_unit[code])
        columns[name] = values
    return columns


def _recoded(name: str, column: np.ndarray, y: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What a column has for drawn answers, if it has `column` for the answers y."""
    if np.array_equal(column, y):
        return drawn
    answers, first, which = np.unique(y, return_index=True, return_inverse=True)
    place = np.minimum(np.searchsorted(answers, drawn), len(answers) - 1)
    if not np.array_equal(column[first][which.ravel()], column) or not np.array_equal(answers[place], drawn):
        raise EstimationError(
            f"'{name}' explains others by a column that its answers do not determine, and is not drawn from the model",
            remedy="Use kind='ordinary' for bootstrap samples.",
        )
    return column[first][place]


def _no_composites(design: Design) -> None:
    """The rows of a composite link would have to be drawn together."""
    for block in design.blocks:
        if block.weight is not None:
            raise EstimationError(
                f"'{block.response.answer}' has @composite, of which no samples are drawn yet",
                remedy="Use se='robust' for standard errors that rest on the sample.",
            )


def _gaussian_blocks(likelihood: GaussianLikelihood, free: np.ndarray, rng: np.random.Generator):
    design = likelihood.design
    if design.held:
        raise EstimationError(
            "covariates with a part at each level are not drawn from the model", remedy="Use kind='ordinary'."
        )
    y = np.empty((design.n_rows, len(likelihood.responses)))
    for g, (graph, here) in enumerate(zip(likelihood.graphs, likelihood.at(free))):
        rows = np.flatnonzero(design.group_of == g)
        columns = [design.column(name)[rows] for name in likelihood.covariates[g]]
        columns += [np.ones(len(rows))] * likelihood.has_means
        x = np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))
        if likelihood.times:
            y[rows] = _in_varying_graphs(likelihood, here, x, rows, rng)
            continue
        y[rows] = x @ here.Pi.T
        S = graph.matrices(here.parameters)[1]
        E = here.E[: graph.p]
        for level, part in enumerate(E @ S @ E.T):
            e = _normal(part, len(design.first_row[level]), rng)
            y[rows] += e[design.codes[level][rows]]
    for block in design.blocks:
        drawn = y[block.rows, likelihood.responses.index(block.response.name)]
        yield replace(block, y=drawn + block.offset)


def _normal(covariance: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n draws of N(0, covariance), which may be singular.

    Raises
    ------
    EstimationError
        If it has a negative eigenvalue: units of a level that are alike less than by chance.
    """
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -1e-8 * max(values[-1], 0.0):
        raise EstimationError(
            "a level has a covariance matrix with a negative eigenvalue, which cannot be drawn by itself",
            remedy="Use kind='ordinary'.",
        )
    return rng.standard_normal((n, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T


def _in_varying_graphs(likelihood: GaussianLikelihood, here: NestedEvaluation, x, rows, rng) -> np.ndarray:
    """Responses of rows each of which has its own paths, those of units above in every row."""
    design, lowest = likelihood.design, here.nested.strata[0]
    value = x @ here.Gamma.T
    for level, S in enumerate(here.S):
        value += _normal(S, len(design.first_row[level]), rng)[design.codes[level][rows]]
    E = here.levels[0].E[:, : here.graph.p]
    kind = lowest.kind[lowest.unit] if len(E) > 1 else np.zeros(len(rows), dtype=np.int64)
    out = np.empty((len(rows), here.graph.p))
    for k in range(len(E)):
        mine = kind == k
        out[mine] = value[mine] @ E[k].T
    return out


def drawn_given(
    predictor: Predictor, inner: np.ndarray, rng: np.random.Generator, u: dict[int, np.ndarray] | None = None
):
    """The blocks of a predictor's design with answers drawn given the coordinates of latent variables.

    Parameters
    ----------
    predictor : Predictor
        With identical units kept apart.
    inner : (q,) array
    rng : Generator
    u : dict of latent variable (its place in ``eta``) to (units,) array, optional
        By default drawn from the prior.
    """
    design, model = predictor.design, predictor.model
    _no_composites(design)
    state = predictor.before_whitening(inner)
    if u is None:
        u = {k: rng.standard_normal(len(design.first_row[model.eta_level[k]])) for k in predictor.tree.order}
    residual = predictor.residuals_drawn(state, rng)
    # the answers of an ordered response are blocks of their own: together again, drawn, and parted
    parts: dict[tuple[int, str], list[tuple[CellBlock, np.ndarray, np.ndarray, np.ndarray]]] = {}
    coupled = set()
    # and so are the alternatives of an answer in wide form
    choices: dict[tuple[int, str], list[tuple[CellBlock, np.ndarray]]] = {}
    for b in predictor.blocks:
        if b.source.repeats:
            continue
        block = _picked(b.source, b.keep, b.source.rows[b.keep])
        nu = state.lin[b.cells, 0].copy()
        for depth, k in enumerate(b.path):
            nu += state.D[b.cells, depth] * u[k][design.codes[model.eta_level[k]][block.rows]]
        if b.products:
            path = np.stack([u[k][design.codes[model.eta_level[k]][block.rows]] for k in b.path])
            nu += bent_part(state.D[b.cells][:, predictor.P :], path)
        if block.choice is not None:
            choices.setdefault((block.group, block.response.answer), []).append((block, nu))
            continue
        key = block.group, block.response.name
        parts.setdefault(key, []).append((block, nu, predictor.own_of(b, state), residual[b.cells]))
        if b.whitened:
            coupled.add(key)
    drawn: dict[tuple[int, str], CellBlock] = {}
    # random numbers of its own for each response, so that it does not change with how others are drawn
    for (key, found), own_rng in zip(parts.items(), rng.spawn(len(parts))):
        joined = {
            field: np.concatenate([getattr(block, field) for block, *_ in found])
            for field in ("rows", "y", "trials", "offset")
        }
        nu, own, left = (np.concatenate([part[k] for part in found]) for k in (1, 2, 3))
        order = np.argsort(joined["rows"], kind="stable")
        whole = replace(found[0][0], **{field: array[order] for field, array in joined.items()})
        nu, own = nu[order], own[order]
        together = key in coupled
        y = nu + left[order] if together else whole.response.family.simulate(nu, own, whole.trials, own_rng)
        drawn[key] = replace(whole, y=y)
    _settle_feedback(predictor, inner, drawn)
    for whole in drawn.values():
        for category, around, mine, repeats in parted(whole.response, whole.y, np.arange(len(whole.y))):
            if len(mine):
                yield replace(
                    _picked(whole, mine, whole.rows[mine]), category=category, around=around, repeats=repeats
                )  # fmt: skip
    for found in choices.values():
        if found[0][0].response.family.name == "ranking":
            yield from (_drawn_ranking(block, nu, rng) for block, nu in found)
        else:
            yield from _drawn_choices(found, rng)


def _settle_feedback(predictor: Predictor, inner: np.ndarray, drawn: dict[tuple[int, str], CellBlock]) -> None:
    """Solve for responses that cause each other, in place: ν has the values that the design has of them."""
    for g, names, _, cells in predictor.feedback.loops:
        rows = drawn[g, names[0]].rows
        values = {name: drawn[g, name].y.copy() for name in names}
        for cell in cells:
            values[cell.row] -= cell.at(inner) * predictor.design.column(cell.column)[rows]
        for name, y in predictor.feedback.solve(g, inner, values).items():
            drawn[g, name] = replace(drawn[g, name], y=y)


def _drawn_choices(found: list[tuple[CellBlock, np.ndarray]], rng: np.random.Generator):
    """The blocks of one response with the largest utility of each choice chosen."""
    choice = np.concatenate([block.choice for block, _ in found])
    nu = np.concatenate([nu for _, nu in found])
    order = np.lexsort((nu + rng.gumbel(size=len(nu)), choice))
    y = np.zeros(len(nu))
    y[order[np.diff(choice[order], append=-1) != 0]] = 1.0
    for (block, _), answers in zip(found, np.split(y, np.cumsum([len(block.rows) for block, _ in found])[:-1])):
        yield replace(block, y=answers)


def _drawn_ranking(block: CellBlock, nu: np.ndarray, rng: np.random.Generator) -> CellBlock:
    """A ranking by utilities, as far as the one in its place went."""
    case = np.unique(block.case, return_inverse=True)[1].ravel()
    # the first choice of a case has all its alternatives
    choices = np.unique(np.stack([case, block.choice]), axis=1)
    first = choices[1, np.unique(choices[0], return_index=True)[1]]
    depth = np.bincount(choices[0])
    there = np.flatnonzero(block.choice == first[case])
    mine = case[there]
    order = np.lexsort((-nu[there] - rng.gumbel(size=len(there)), mine))
    size = np.bincount(mine)
    rank = np.empty(len(there))
    rank[order] = np.arange(len(there)) - np.repeat(np.cumsum(size) - size, size) + 1.0
    at, chosen, choice = explode(np.where(rank > depth[mine], UNRANKED, rank), mine)
    return replace(_picked(block, there[at], block.rows[there[at]]), y=chosen, choice=choice)
