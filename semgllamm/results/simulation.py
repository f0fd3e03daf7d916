"""New data from a fit, or from a model text with values: answers as the columns of a DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.data import columns
from semgllamm.data.binding import Binding
from semgllamm.data.design import CellBlock, Design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.families import family_in
from semgllamm.errors import DataError, ModelError
from semgllamm.estimation.drawing import drawn_by, drawn_patterns, independent_level, simulated, simulated_in
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.inner_classes import InnerClasses, refused, sums_inside, tree_of_parts
from semgllamm.estimation.mixture import MixtureLikelihood, check_mixture
from semgllamm.estimation.posterior_draws import coordinates_drawn, posterior_patterns
from semgllamm.estimation.predictor import Predictor, plan_tree
from semgllamm.estimation.unseen import SeenLikelihood, check_unseen, drawn_until_seen
from semgllamm.model.matrices import Model
from semgllamm.model.transforms import working_parameters
from semgllamm.results.classes import class_columns

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["as_frame", "drawn_from_model", "lost", "simulate", "values_of_cells"]

Missing = Mapping[str, float] | Callable[..., Any] | None


def simulate(
    fit: Fit, n: int | None = None, seed: int | None = None, latent: str = "prior", missing: Missing = None
) -> pd.DataFrame:
    """Data drawn from a fit; the arguments are those of `Fit.simulate`."""
    import pandas as pd

    fit.binding.need_rows("simulated data")
    if latent not in ("prior", "posterior"):
        raise ModelError(f"latent variables are not drawn from {latent!r}", remedy="Use 'prior' or 'posterior'.")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ModelError(f"a number of data sets is a positive whole number, not {n!r}")
    rng = np.random.default_rng(seed)
    draw = _source(fit, latent)
    frames = []
    for _ in range(n or 1):
        drawn = as_frame(fit.diagram, fit.binding, fit.design, draw(rng))
        frames.append(lost(drawn, missing, rng, columns_of(fit.binding)))
    if n is None:
        return frames[0]
    return pd.concat(frames, keys=range(n), names=["draw", *frames[0].index.names])


def columns_of(binding: Binding) -> list[str]:
    """The columns of the responses."""
    return list(dict.fromkeys(r.answer or r.name for r in binding.responses))


def _source(fit: Fit, latent: str) -> Callable[[np.random.Generator], Design]:
    """A function of the generator that draws the answers."""
    likelihood = fit.likelihood
    if any(variable.summed for variable in fit.model.classes):
        raise ModelError(f"data are not drawn from models with {fit.model.what_is_summed} yet")
    if isinstance(likelihood, InnerClasses) and latent == "posterior":
        raise refused(likelihood, "draws given the answers are")
    if isinstance(likelihood, MixtureLikelihood) and latent == "posterior":
        return _given_the_answers(fit)
    if isinstance(likelihood, MixtureLikelihood | InnerClasses):
        return lambda rng: simulated(likelihood.apart, fit.free, rng)
    if latent == "prior":
        closed = isinstance(likelihood, GaussianLikelihood)
        inner = None if closed else likelihood.predictor.working.inner(fit.free)
        apart = None if closed else likelihood.predictor.apart
        if isinstance(likelihood, SeenLikelihood):
            return lambda rng: drawn_until_seen(lambda: drawn_by(apart, inner, rng), independent_level(likelihood))
        return lambda rng: simulated(likelihood, fit.free, rng) if closed else drawn_by(apart, inner, rng)
    engine = fit._engine
    inner, apart = engine.inner(fit.free), engine.predictor.apart

    def draw(rng: np.random.Generator) -> Design:
        u = coordinates_drawn(engine, inner, rng)
        if isinstance(likelihood, SeenLikelihood):
            return drawn_until_seen(lambda: drawn_by(apart, inner, rng, u), independent_level(likelihood))
        return drawn_by(apart, inner, rng, u)

    return draw


def _given_the_answers(fit: Fit) -> Callable[[np.random.Generator], Design]:
    """The same of a model with classes, from the posterior of these and of the latent variables inside."""
    likelihood, engine = fit.likelihood.apart, fit._engine
    patterns, inner = posterior_patterns(likelihood, fit.free, fit.points), engine.inner(fit.free)
    posterior = engine.posterior(inner) if engine.predictor.n_u else None

    def draw(rng: np.random.Generator) -> Design:
        pattern_of = patterns(rng)
        u = None if posterior is None else coordinates_drawn(engine, inner, rng, posterior)
        return simulated_in(likelihood, fit.free, pattern_of, rng, u)

    return draw


def drawn_from_model(
    diagram: PathDiagram, model: Model, design: Design, binding: Binding, cells: np.ndarray, rng: np.random.Generator,
    classes: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Data drawn from a lowered model at values of its cells, with the classes that are drawn if they are asked for.

    Raises
    ------
    ModelError
        If covariance matrices are not positive definite at these values, or classes are asked of a model without some.
    DataError
        If a column is called as a categorical latent variable.
    """
    if classes and not model.classes:
        raise ModelError("the model has no classes to be drawn", remedy="Use classes=False.")
    taken = [variable.name for variable in model.classes if variable.name in binding.frame.columns]
    if classes and taken:
        raise DataError(f"the data have a column '{taken[0]}' already", remedy="Rename the column, or the variable.")
    tree = plan_tree(model, design)
    inside = bool(model.classes) and sums_inside(model, tree)
    if inside:
        tree = tree_of_parts(model, design)
    elif model.classes:
        check_mixture(model)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), None)
    inner = working.inner_from_cells(cells)
    if not np.allclose(working.cells(inner), cells, atol=1e-6):
        raise ModelError("the values have a variance that is not positive, or covariances too large for the variances",
                         remedy="Give values of a positive definite covariance matrix.")
    if model.classes:
        kind = InnerClasses if inside else MixtureLikelihood
        likelihood, free = kind(model, working, tree, design, collapse=False), working.free_from_inner(inner)
        return _in_classes(likelihood, free, diagram, binding, rng, classes)
    predictor = Predictor(model, working, tree, design, collapse=False)
    try:
        drawn = drawn_by(predictor, inner, rng)
        unseen = next((role for role in diagram.columns if role.kind == "unseen"), None)
        if unseen is not None:
            check_unseen(model, unseen, diagram.text)
            level = model.levels.index(unseen.target)
            drawn = drawn_until_seen(lambda: drawn_by(predictor, inner, rng), level)
    except np.linalg.LinAlgError as failure:
        raise ModelError("the values leave a covariance matrix that is not positive definite") from failure
    return as_frame(diagram, binding, design, drawn)


def _in_classes(
    likelihood: MixtureLikelihood | InnerClasses, free: np.ndarray, diagram: PathDiagram, binding: Binding,
    rng: np.random.Generator, classes: bool,
) -> pd.DataFrame:  # fmt: skip
    """Data drawn from a model with classes, and these if they are asked for."""
    design = likelihood.design
    if any(variable.summed for variable in likelihood.model.classes):
        raise ModelError(f"data are not drawn from models with {likelihood.model.what_is_summed} yet")
    if isinstance(likelihood, InnerClasses):
        if classes:
            raise refused(likelihood, "the classes that are drawn are")
        return as_frame(diagram, binding, design, simulated(likelihood, free, rng))
    pattern_of = drawn_patterns(likelihood, free, rng)
    frame = as_frame(diagram, binding, design, simulated_in(likelihood, free, pattern_of, rng))
    if not classes:
        return frame
    order = np.argsort(design.kept, kind="stable")
    return frame.join(class_columns(likelihood.model, pattern_of[order], frame.index))


def values_of_cells(diagram: PathDiagram, model: Model) -> np.ndarray:
    """The parameters' values in a text: start values, and 0 or, of variances, 1 for what completion adds.

    Raises
    ------
    ModelError
        Names the parameters of the text that have no value.
    """
    cells = np.full(model.n_parameters, np.nan)
    lacking = []
    for row, number in zip(diagram.parameters, model.rows):
        if number < 0:
            continue
        if row.start is not None:
            cells[number] = row.start
        elif np.isnan(cells[number]):
            if row.source == "user":
                # of classes the names tell which
                lacking.append((model.names[number] if model.classes else row.name, number))
            else:
                cells[number] = float(row.op == "~~" and row.lhs == row.rhs)
    lacking = [name for name, number in lacking if np.isnan(cells[number])]
    if lacking:
        raise ModelError(f"these parameters have no value: {', '.join(lacking)}",
                         remedy="Write it into the text, as in y ~ 0.5*x or y ~ start(0.5)*x, or into values=.")
    return cells


def as_frame(diagram: PathDiagram, binding: Binding, design: Design, drawn: Design) -> pd.DataFrame:
    """The rows of the design in the order of the data, with the answers in place of the data's."""
    order = np.argsort(design.kept, kind="stable")
    frame = binding.frame.iloc[design.kept[order]].copy()
    answers: dict[str, np.ndarray] = {}
    for block in drawn.blocks:
        if block.repeats:
            continue
        response = block.response
        values = answers.setdefault(response.answer or response.name, np.full(design.n_rows, np.nan))
        if response.answer and response.answer != response.name:
            label = response.name.removeprefix(f"{response.answer}[").removesuffix("]")
            values[block.rows[block.y == 1]] = binding.nominal[response.answer].index(label)
        elif response.family.name == "ranking":
            _rank(values, block, design, binding)
        elif response.level:
            code = design.codes[response.level]
            by_unit = np.full(len(design.first_row[response.level]), np.nan)
            by_unit[code[block.rows]] = block.y
            here = ~np.isnan(by_unit[code])
            values[here] = by_unit[code][here]
        else:
            values[block.rows] = block.y
    for name, values in answers.items():
        _write(frame, diagram, binding, name, values[order])
    return frame


def _rank(values: np.ndarray, block: CellBlock, design: Design, binding: Binding) -> None:
    """Ranks of the alternatives that were chosen, in the order of choices; those below have none."""
    chosen = np.flatnonzero(block.y == 1)
    chosen = chosen[np.lexsort((block.choice[chosen], block.case[chosen]))]
    case = block.case[chosen]
    first = np.flatnonzero(np.diff(case, prepend=-1) != 0)
    values[block.rows[chosen]] = np.arange(len(chosen)) - np.repeat(first, np.diff(first, append=len(chosen))) + 1.0
    # where the data rank all alternatives, the last of them is no choice
    ranks = binding.values[block.response.name][design.kept]
    code = binding.choices.case[design.kept]
    size, ranked = np.bincount(code), np.bincount(code, np.isfinite(ranks))
    last = np.isnan(values) & (size == ranked)[code]
    values[last] = size[code[last]]


def _write(frame: pd.DataFrame, diagram: PathDiagram, binding: Binding, name: str, values: np.ndarray) -> None:
    """Answers in the type of the data's column, and what the second column says of them."""
    response = next(r for r in binding.responses if name in (r.name, r.answer))
    spec = family_in(diagram, name)
    role = next((r for r in diagram.columns if r.target == name and r.kind == response.family.beside), None)
    if response.family.beside == "event" and role is not None:
        frame[role.column] = np.ones(len(frame), dtype=int)
    if response.family.beside == "interval":
        limits = {key: float(value) for key, value in spec.options if key in ("lower", "upper")}
        values = np.clip(values, limits.get("lower", -np.inf), limits.get("upper", np.inf))
        if role is not None:
            frame[role.column] = values
    frame[name] = _typed(binding.frame[name], values, _labels(binding, name, response))


def _labels(binding: Binding, name: str, response) -> tuple[str, ...] | None:
    if response.categories:
        return binding.labels[response.name]
    if name in binding.nominal:
        return binding.nominal[name]
    # choices in long form are 0 or 1, rankings are numbers
    family = "gaussian" if response.family.name == "ranking" else "bernoulli" if response.answer else None
    return columns.response(binding.frame, name, family or response.family.name, declared=True)[2]


def _typed(like: pd.Series, values: np.ndarray, labels: tuple[str, ...] | None):
    import pandas as pd

    missing = np.isnan(values)
    if labels is not None:
        # the data's own value of each label
        known = {f"{v:.0f}" if isinstance(v, float) else str(v): v for v in like.dropna().unique()}
        found = [None if lost else known[labels[int(v)]] for v, lost in zip(values, missing)]
        if isinstance(like.dtype, pd.CategoricalDtype):
            return pd.Categorical(found, dtype=like.dtype)
        if missing.any() and like.dtype.kind in "iub":
            return np.array([np.nan if v is None else v for v in found], dtype=float)
        return pd.array(found, dtype=like.dtype)
    if like.dtype.kind in "iu" and not missing.any() and (values % 1 == 0).all():
        return values.astype(like.dtype)
    return values


def lost(frame: pd.DataFrame, missing: Missing, rng: np.random.Generator, responses: list[str]) -> pd.DataFrame:
    """The frame with values missing.

    Raises
    ------
    DataError
        For an unknown column, or a share that is none.
    """
    import pandas as pd

    if missing is None:
        return frame
    if callable(missing):
        out = missing(frame, rng)
        if not isinstance(out, pd.DataFrame):
            raise DataError(f"missing= gives {type(out).__name__}, not the DataFrame with its missing values")
        return out
    if not isinstance(missing, Mapping):
        raise DataError(f"missing={missing!r} is no mapping of columns to shares",
                        remedy='Write missing={"y": 0.2}, or give a function.')
    frame = frame.copy()
    for name, share in missing.items():
        if name not in responses:
            known = ", ".join(responses)
            raise DataError(f"there is no response '{name}' to be missing", remedy=f"Responses: {known}.")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise DataError(f"the share of '{name}' that is missing is {share!r}", remedy="Give a number from 0 to 1.")
        frame[name] = frame[name].mask(rng.random(len(frame)) < share)
    return frame
