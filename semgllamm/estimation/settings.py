"""What a user may choose about estimation: when to stop, and where the quadrature points go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from operator import index

from semgllamm.errors import EstimationError

__all__ = ["Adaptive", "Grid", "Ordinary", "Request", "Settings", "parse_quadrature"]


MOST_POINTS = 300  # beyond, the weights of the outermost points leave the range of double precision
FEWEST_NODES, MOST_NODES = 11, 2001  # of an axis of a shared grid


@dataclass(frozen=True, slots=True)
class Settings:
    """How the likelihood is maximised.

    Parameters
    ----------
    iterations : int
        Most steps of a fit.
    tolerance : float
        A fit has converged when the decrement g'J⁻¹g is below it (g gradient, J information): every |g| is then below
        the root of it in units of 1/SE.
    halvings : int
        Most halvings of one step.
    longest_step : float
        Longest change of a parameter in one step, in units of max(1, |parameter|).
    first_points : tuple of int
        Points at the lowest level and at the levels above it with which a fit starts; with fewer than these Louis'
        information is no guide and the gradients of successive steps take its place.
    first_decrement : float
        Decrement at which the first points have done their work.
    target : float
        Largest error that automatic points may leave: of an estimate in standard errors, and of the log-likelihood.
    max_points : int
        Most points at one level that the automatic rule may use.
    away_from_zero : float
        Standard deviation to which a random effect is moved from a false zero.
    threads : int, optional
        Threads over the top-level units; all processors if None.
    seed : int
        Of all that a fit draws at random: the starts of a mixture, and the samples behind ``se="bootstrap"``.
    """

    iterations: int = 200
    tolerance: float = 1e-12
    halvings: int = 30
    longest_step: float = 10.0
    first_points: tuple[int, int] = (7, 3)
    first_decrement: float = 0.1
    target: float = 1e-3
    max_points: int = 101
    away_from_zero: float = 0.1
    threads: int | None = None
    seed: int = 1

    def __post_init__(self):
        for name in ("iterations", "tolerance", "halvings", "longest_step", "first_decrement", "target", "max_points",
                     "away_from_zero"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise EstimationError(f"setting '{name}' is {getattr(self, name)!r}", remedy="It must be positive.")
        if self.threads is not None and self.threads < 1:
            raise EstimationError(f"setting 'threads' is {self.threads!r}", remedy="Use 1 or more, or None for all.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise EstimationError(f"setting 'seed' is {self.seed!r}", remedy="Use a whole number, 0 or more.")
        if len(self.first_points) != 2:
            raise EstimationError(
                f"setting 'first_points' is {self.first_points!r}",
                remedy="Give two numbers, for the lowest level and for those above it, as in (7, 3).",
            )
        for k in self.first_points:
            _count(k, "setting 'first_points'")

    def with_(self, **changes) -> Settings:
        """These settings with some changed; an unknown name is an error that suggests the nearest."""
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                raise EstimationError(f"there is no setting '{name}'", remedy=_suggestion(name, known, "Settings"))
        return replace(self, **changes)

    def start_points(self, levels: int) -> tuple[int, ...]:
        """The points, one number a level, with which a fit starts."""
        lowest, above = self.first_points
        return tuple(lowest if level == 0 else above for level in range(levels))


# how lavaan's names of estimators are made up: what is minimised, standard errors, test, information
ESTIMATORS = {
    "ML": ("ML", "standard", "standard", None),
    "MLR": ("ML", "robust.huber.white", "yuan.bentler.mplus", "observed"),
    "MLM": ("ML", "robust.sem", "satorra.bentler", "expected"),
    "MLMV": ("ML", "robust.sem", "scaled.shifted", "expected"),
    "MLMVS": ("ML", "robust.sem", "mean.var.adjusted", "expected"),
    "MLF": ("ML", "standard", "standard", "first.order"),
    "GLS": ("GLS", "standard", "standard", "expected"),
    "ULS": ("ULS", "standard", "standard", "expected"),
    "WLS": ("WLS", "standard", "standard", "expected"),
    "DWLS": ("DWLS", "standard", "standard", "expected"),
    "ULSM": ("ULS", "robust.sem", "satorra.bentler", "expected"),
    "ULSMV": ("ULS", "robust.sem", "scaled.shifted", "expected"),
    "ULSMVS": ("ULS", "robust.sem", "mean.var.adjusted", "expected"),
    "WLSM": ("DWLS", "robust.sem", "satorra.bentler", "expected"),
    "WLSMV": ("DWLS", "robust.sem", "scaled.shifted", "expected"),
    "WLSMVS": ("DWLS", "robust.sem", "mean.var.adjusted", "expected"),
}
SE = ("standard", "robust", "robust.sem", "robust.huber.white", "robust.cluster", "first.order", "bootstrap", "none")
TESTS = ("standard", "satorra.bentler", "yuan.bentler.mplus", "scaled.shifted", "mean.var.adjusted")
INFORMATION = ("observed", "expected", "first.order")
SCALINGS = ("raw", "size", "effective")
LIKELIHOODS = ("normal", "wishart")
MISSING = {"ml": "ml", "fiml": "ml", "direct": "ml", "listwise": "listwise"}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of a fit beside its model.

    Parameters
    ----------
    like : {"fit", "sem", "cfa", "growth", "lavaan"}
        The fitting function.
    estimator : str
        One of `ESTIMATORS`.
    information : {"observed", "expected", "first.order"}, optional
        By default that of the estimator; for ML expected for complete Gaussian data under lavaan's functions, else
        observed.
    se : str, optional
        One of `SE`; by default that of the estimator.
    test : str, optional
        One of `TESTS`; by default that of the estimator.
    clustered : bool
        Whether rows of one level lie in clusters.
    weights : str, optional
        Column of sampling weights, or what columns are those of what levels.
    frequencies : str, optional
        The same of frequencies.
    weights_scaling : {"raw", "size", "effective"}
        How sampling weights within units of a higher level are scaled.
    strata, fpc : str, optional
        Columns of the strata of a survey, and of their populations.
    replicates : str, optional
        What replicate weights there are.
    likelihood : {"normal", "wishart"}
        Whether covariances are divided by n or n − 1.
    missing : {"ml", "listwise"}
    n_starts : int, optional
        Starts of a model with categorical latent variables.
    """

    like: str = "fit"
    estimator: str = "ML"
    information: str | None = None
    likelihood: str = "normal"
    missing: str = "ml"
    se: str | None = None
    test: str | None = None
    clustered: bool = False
    weights: str | None = None
    frequencies: str | None = None
    weights_scaling: str = "raw"
    strata: str | None = None
    fpc: str | None = None
    replicates: str | None = None
    n_starts: int | None = None

    @property
    def weighted(self) -> bool:
        return self.weights is not None

    @property
    def by_design(self) -> bool:
        """Whether the data come from a survey whose design counts."""
        return self.weighted or self.strata is not None or self.fpc is not None

    @property
    def objective(self) -> str:
        """"ML", "GLS", "ULS", "WLS" or "DWLS"."""
        return ESTIMATORS[self.estimator][0]

    def standard_errors(self, complete: bool) -> str:
        """The kind of standard errors; `complete` whether rows are complete and of one level."""
        if self.replicates is not None and self.se is None:
            return "replicates"
        chosen = self.se or ESTIMATORS[self.estimator][1]
        by_rows = (not complete or self.like == "fit" or self.by_design) and self.objective == "ML"
        if self.se is None and (self.clustered or self.by_design) and chosen in ("standard", "robust.huber.white"):
            chosen = "robust"
        if chosen == "robust" or (chosen == "robust.huber.white" and self.clustered):
            return "robust.cluster" if self.clustered else "robust.huber.white" if by_rows else "robust.sem"
        return chosen

    @property
    def chosen_test(self) -> str:
        """The test beside or in place of the standard one."""
        default = "yuan.bentler.mplus" if self.clustered or self.by_design else "standard"
        own = ESTIMATORS[self.estimator][2]
        return self.test or (default if own == "standard" else own)

    @property
    def chosen_information(self) -> str | None:
        """The information that was asked for or goes with the standard errors; None for the default."""
        if self.se == "first.order":
            return "first.order"
        by_rows = self.clustered or self.by_design or self.se in ("robust.huber.white", "robust.cluster")
        return self.information or ESTIMATORS[self.estimator][3] or ("observed" if by_rows else None)

    @classmethod
    def of(cls, like: str, **given) -> Request:
        """A request with its words checked; None stands for the default.

        Raises
        ------
        EstimationError
            For an unknown word; the nearest known one is named.
        """
        given = {name: value for name, value in given.items() if value is not None}
        if "estimator" in given:
            given["estimator"] = _word(str(given["estimator"]).upper(), ESTIMATORS, "estimator")
        if "missing" in given:
            given["missing"] = MISSING[_word(given["missing"], MISSING, "missing")]
        words = {"information": INFORMATION, "likelihood": LIKELIHOODS, "se": SE, "test": TESTS,
                 "weights_scaling": SCALINGS}  # fmt: skip
        for name, known in words.items():
            if name in given:
                _word(given[name], known, name)
        request = cls(like, **given)
        if request.objective != "ML":
            _check_least_squares(request, given)
        return request


def _check_least_squares(request: Request, given: Mapping[str, str]) -> None:
    """Least squares have their own divisor, information and test."""
    scaled = ("satorra.bentler", "scaled.shifted", "mean.var.adjusted")
    able = {
        "se": ("standard", "robust", "robust.sem", "bootstrap", "none"), "test": ("standard", *scaled),
        "information": ("expected",),
    }
    for name in ("likelihood", *able):
        if name in given and given[name] not in able.get(name, ()):
            known = able.get(name)
            raise EstimationError(
                f"{name}={given[name]!r} is not for estimator='{request.estimator}'",
                remedy=f"Known: {', '.join(known)}." if known else "Leave it out.",
            )


def _word(value, known: Iterable[str], argument: str) -> str:
    if value not in known:
        raise EstimationError(f"{argument}={value!r} is unknown", remedy=_suggestion(str(value), tuple(known), "Known"))
    return value


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Adaptive Gauss–Hermite quadrature: each unit's points lie around its posterior mode.

    Parameters
    ----------
    points : int, mapping of level name to int, or sequence of int, optional
        Points of a one-dimensional rule: one number for all levels, one a level by name, or one a level from the lowest
        up. None lets the fit raise them until the error they leave is below ``Settings.target``. One point everywhere
        is Laplace's approximation.
    """

    points: int | Mapping[str, int] | Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Ordinary:
    """Ordinary Gauss–Hermite quadrature: the same points for all units, around zero.

    Parameters
    ----------
    points : int, mapping of level name to int, or sequence of int, optional
        As for `Adaptive`.
    """

    points: int | Mapping[str, int] | Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Equal steps on a grid that all rows share, for up to three latent variables of wide items.

    Parameters
    ----------
    points : int, optional
        Points of the axis that has most, over 14 prior standard deviations and the range of the means. The grid is
        placed at the estimates (and placed anew, with the maximum, until neither moves), so that the log-likelihood
        depends on the data, the parameters and this number alone. None lets the fit choose points by the sharpest
        posterior, until the error they leave is below ``Settings.target``.
    """

    points: int | None = None


WORDS = ("auto", "laplace")


def parse_quadrature(value: str | Adaptive | Grid | Ordinary, levels: Sequence[str]) -> Adaptive | Grid | Ordinary:
    """What the user asked for, with one number of points for each level.

    Parameters
    ----------
    value : str, Adaptive, Grid or Ordinary
        The argument ``quadrature``: "auto", "laplace" or a rule.
    levels : sequence of str
        Names of the levels at which latent variables are integrated out, the lowest first.

    Returns
    -------
    Adaptive, Grid or Ordinary
        The rule; its ``points`` are a tuple in the order of `levels`, or None where they are to be found automatically.

    Raises
    ------
    EstimationError
        For an unknown word or level (the nearest is named), a level without points, or a number below one.
    """
    if isinstance(value, str):
        if value == "auto":
            return Adaptive(None)
        if value == "laplace":
            return Adaptive((1,) * len(levels))
        raise EstimationError(f"quadrature '{value}' is unknown", remedy=_suggestion(value, WORDS, "Words"))
    if isinstance(value, Grid):
        if value.points is not None and _count(value.points, "the grid", MOST_NODES) < FEWEST_NODES:
            raise EstimationError(
                f"the grid has {value.points} points on an axis",
                remedy=f"Use {FEWEST_NODES} or more; 31 to 121 are usual.",
            )
        return Grid(None if value.points is None else (index(value.points),))
    if not isinstance(value, Adaptive | Ordinary):
        example = f"Adaptive(points={value})" if isinstance(value, int) else "Adaptive(points=15)"
        raise EstimationError(
            f"quadrature cannot be {value!r}",
            remedy=f'Write "auto", "laplace", or a rule such as {example} or Ordinary(points=12).',
        )
    return type(value)(_points(value.points, tuple(levels)))


def _points(points, levels: tuple[str, ...]) -> tuple[int, ...] | None:
    if points is None:
        return None
    if isinstance(points, Mapping):
        for name in points:
            if name not in levels:
                raise EstimationError(
                    f"points are given for level '{name}', at which nothing is integrated out",
                    remedy=_suggestion(str(name), levels, "Levels with latent variables"),
                )
        without = [name for name in levels if name not in points]
        if without:
            raise EstimationError(
                f"no points are given for {_listed(without)}",
                remedy="Give a number for every level, or points=None to have all of them found automatically.",
            )
        return tuple(_count(points[name], f"level '{name}'") for name in levels)
    if isinstance(points, Sequence) and not isinstance(points, str):
        if len(points) != len(levels):
            raise EstimationError(
                f"{len(points)} numbers of points are given for {len(levels)} levels",
                remedy=f"Give one for each of {_listed(levels)}, the lowest first." if levels else None,
            )
        return tuple(_count(k, f"level '{name}'") for k, name in zip(points, levels))
    return (_count(points, "the quadrature"),) * len(levels)


def _count(points, place: str, most: int = MOST_POINTS) -> int:
    try:
        count = index(points)
    except TypeError:
        count = 0
    if isinstance(points, bool) or count < 1:
        raise EstimationError(f"{place} has {points!r} quadrature points", remedy="Use a whole number, 1 or more.")
    if count > most:
        raise EstimationError(
            f"{place} has {count} quadrature points, more than the {most} "
            + ("whose weights can be computed" if most == MOST_POINTS else "for which there is room"),
            remedy="With adaptive quadrature, 5 to 50 are usual." if most == MOST_POINTS else "31 to 121 are usual.",
        )
    return count


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _suggestion(word: str, known: Sequence[str], what: str) -> str:
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    return (f"Did you mean '{near[0]}'? " if near else "") + f"{what}: {', '.join(known) or 'none'}."
