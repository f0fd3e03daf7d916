"""Report: all that the printed summary of a fit says, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan

__all__ = ["Estimate", "Report"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One row of the parameter table, or one defined parameter (``op=":="``).

    Attributes
    ----------
    lhs, op, rhs : str
        As in the model text; an intercept has ``op="~1"`` and ``rhs=""``.
    group : int
        Counts from 1.
    level : str or None
        Name of the level, None for the lowest.
    source : str
        "user", "default" (completion) or "random" (the fixed loadings of a random term; not printed).
    boundary : bool
        The estimate lies on the boundary of the parameter space, so that z and p have no meaning.
    klass : str
        The class that it is for, as in ``c=1``; empty where it is for all.
    membership : bool
        A term of the logit of a class.
    std_lv, std_all : float, optional
        Standardised by the latent variables, and by all; shown if the report is `standardized`.
    """

    lhs: str
    op: str
    rhs: str
    group: int = 1
    level: str | None = None
    label: str = ""
    free: bool = True
    est: float = nan
    se: float = nan
    z: float = nan
    pvalue: float = nan
    ci_lower: float = nan
    ci_upper: float = nan
    source: str = "user"
    boundary: bool = False
    exogenous: bool = False
    klass: str = ""
    membership: bool = False
    std_lv: float | None = None
    std_all: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a fit has to say for itself.

    Attributes
    ----------
    problems : tuple of str
        Why the fit cannot be trusted (no convergence, singular information), each naming the parameters. They are
        printed before anything else, and with any of them standard errors are withheld.
    npar, n_constraints, n_inequalities : int
        Parameters before constraints, independent equality constraints, inequality constraints.
    constraints : tuple of (text, slack)
        What must be zero or positive, and how far it is from zero.
    n_used, n_total : int, optional
        Rows in the analysis and rows of the data; printed side by side when they differ.
    group_used, group_total : tuple of int
        The same by group.
    rows_left_out : tuple of (reason, count)
    missing : str
        How missing values were treated.
    units : tuple of (level, count)
        Lowest level first.
    responses : tuple of (name, family, level, count)
        `family` with its link, as in ``bernoulli(logit)``.
    quadrature : tuple of (level, dimensions, points per dimension)
        Empty where nothing was integrated numerically.
    quadrature_error : (float, float), optional
        With more points, the largest change of an estimate in standard errors, and the change of the log-likelihood.
    bic_n : str
        What the sample size in BIC counts, as in ``"161 comm"``.
    measures : mapping of str to float
        Measures of fit by lavaan's names: those of the test, or all; empty where there is no saturated model.
    test_name : str
        The scaled test, "satorra.bentler", "yuan.bentler.mplus", "scaled.shifted" or "mean.var.adjusted"; empty for
        the standard one alone.
    test_shift : float
        What a scaled and shifted test adds.
    test_by_group : tuple of float
        Contributions of the groups to the standard test.
    standard_errors : str
        "standard", "robust.sem", "robust.huber.white", "robust.cluster", "first.order", "bootstrap", "replicates"
        or "none".
    weights : str, optional
        Column of sampling weights, or what columns are those of what levels.
    frequencies : str, optional
        The same of frequencies.
    weights_scaling : str
        How sampling weights within units of a higher level were scaled; "raw" for not at all.
    strata, fpc : str, optional
        Columns of strata, and of their populations.
    replicates : str, optional
        What replicate weights there are.
    classes : tuple of (variable, class, share, expected members, most likely members)
    entropy : tuple of (variable, entropy R²)
    criteria : tuple of (name, value)
        Information criteria of mixtures, beside AIC and BIC.
    contingency : tuple of (name, statistic, df, p-value)
        Tests of the table of all answers.
    patterns : (int, int), optional
        Patterns of answers that were seen, and cells of the table.
    sparse : bool
        The cells are too many for the p-values.
    profiles : tuple of (variable, group, classes, rows)
        What members of each class answer; a row is (response, category, a value for each class).
    icc : tuple of (level, value, standard error)
    level_style : str
        "at", or "lavaan" for a text with lavaan's ``level:`` headers, whose tables are printed as lavaan prints them.
    ci : bool
        Whether the tables show confidence limits.
    standardized : bool
        Whether the tables show standardised estimates.
    rsquare : tuple of (variable, group, level, value)
        Explained variance; empty where it is not shown.
    ratios : tuple of (kind, Estimate)
        Exponentiated coefficients, and what they are ("odds ratio"); empty where they are not shown.
    """

    title: str = "semgllamm"
    version: str = ""
    converged: bool = True
    problems: tuple[str, ...] = ()
    iterations: int = 0
    estimator: str = "ML"
    method: str = ""
    optimizer: str = ""
    npar: int = 0
    n_constraints: int = 0
    n_inequalities: int = 0
    nobs: int = 0
    n_used: int | None = None
    n_total: int | None = None
    group_labels: tuple[str, ...] = ()
    group_used: tuple[int, ...] = ()
    group_total: tuple[int, ...] = ()
    rows_left_out: tuple[tuple[str, int], ...] = ()
    missing: str = ""
    units: tuple[tuple[str, int], ...] = ()
    responses: tuple[tuple[str, str, str, int], ...] = ()
    quadrature: tuple[tuple[str, int, int], ...] = ()
    quadrature_error: tuple[float, float] | None = None
    loglik: float = nan
    aic: float = nan
    bic: float = nan
    bic_n: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)
    test_name: str = ""
    test_shift: float = nan
    test_by_group: tuple[float, ...] = ()
    information: str = ""
    standard_errors: str = "standard"
    weights: str | None = None
    frequencies: str | None = None
    weights_scaling: str = "raw"
    strata: str | None = None
    fpc: str | None = None
    replicates: str | None = None
    parameters: tuple[Estimate, ...] = ()
    definitions: tuple[Estimate, ...] = ()
    constraints: tuple[tuple[str, float], ...] = ()
    classes: tuple[tuple[str, str, float, float, int], ...] = ()
    entropy: tuple[tuple[str, float], ...] = ()
    criteria: tuple[tuple[str, float], ...] = ()
    contingency: tuple[tuple[str, float, int, float], ...] = ()
    patterns: tuple[int, int] | None = None
    sparse: bool = False
    profiles: tuple[tuple[str, int, tuple[str, ...], tuple[tuple[str, str, tuple[float, ...]], ...]], ...] = ()
    icc: tuple[tuple[str, float, float], ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    level_style: str = "at"
    ci: bool = False
    standardized: bool = False
    rsquare: tuple[tuple[str, int, str | None, float], ...] = ()
    ratios: tuple[tuple[str, Estimate], ...] = ()

    @property
    def has_fit_sections(self) -> bool:
        """Whether all measures of fit are to be printed."""
        return "baseline.chisq" in self.measures

    @property
    def trustworthy(self) -> bool:
        """Converged, with nothing wrong: only then are standard errors shown."""
        return self.converged and not self.problems
