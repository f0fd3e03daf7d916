"""Fit: what `fit()` returns, with its estimates, their uncertainty and its printed report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.errors import ModelError, SemgllammWarning

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.distal import Distal
    from semgllamm.results.hypotheses import HypothesisTest
    from semgllamm.tables.report import Report
    from semgllamm.tables.summary import Summary

__all__ = ["Fit"]

ROUNDING = 1e-14  # share of a variance that is none


class Fit:
    """A fitted model.

    Attributes
    ----------
    loglik : float
        Maximised log-likelihood, with every constant.
    npar : int
        Number of free parameters, less independent equality constraints; inequality constraints do not count.
    nobs : int
        Rows used; cases, where every response is a choice in long form.
    n_units : dict of str to int
        Number of units of each level, lowest first.
    aic, bic : float
        BIC counts `nobs`.
    converged : bool
    convergence : Convergence
        The optimiser's record.
    model, diagram, design, likelihood : the objects of the walk
    again : callable or None
        Gives the fit with the same estimates to another table of data.
    """

    def __init__(
        self, *, diagram, model, binding, design, likelihood, tree, convergence, free, points, information, vcov_free,
        information_kind, problems, boundary, quadrature_error, method, missing, request, se_kind="standard", notes=(),
        warnings=(), constraints=None, restricted=None, inverse=None, call=None, again=None,
    ):  # fmt: skip
        self.request, self.call, self.again = request, call, again
        self.diagram, self.model, self.binding, self.design = diagram, model, binding, design
        self.likelihood, self.tree, self.convergence = likelihood, tree, convergence
        self.free, self.points, self.information = free, tuple(points), information
        self._vcov_free, self.information_kind = vcov_free, information_kind
        self.problems, self.boundary = tuple(problems), frozenset(boundary)
        self.quadrature_error, self.method, self.missing = quadrature_error, method, missing
        self.se_kind = se_kind
        self.notes, self.warnings = tuple(notes), tuple(warnings)
        self._constraints, self._restricted, self._inverse = constraints, restricted, inverse
        self.loglik = convergence.loglik if request.objective == "ML" else np.nan
        self._saturated = self._against = None
        self.converged = convergence.converged

    # ---- numbers -------------------------------------------------------------------------------------------------

    @property
    def npar(self) -> int:
        if self._restricted is None:
            return self.likelihood.n_free
        return self.likelihood.n_free - self._restricted.rank(self._constraints.equality)

    @property
    def nobs(self) -> int:
        return self.design.n_answers

    @property
    def n_units(self) -> dict[str, int]:
        return dict(zip(self.model.levels, self.design.counted))

    @property
    def aic(self) -> float:
        return -2 * self.loglik + 2 * self.npar

    @property
    def bic(self) -> float:
        return -2 * self.loglik + np.log(self.nobs) * self.npar

    @cached_property
    def _working(self):
        return self.likelihood.working

    @cached_property
    def _inner(self) -> np.ndarray:
        return self._working.inner(self.free)

    @cached_property
    def _cells(self) -> np.ndarray:
        return self._working.cells(self._inner)

    @cached_property
    def _vcov_cells(self) -> np.ndarray:
        """Covariance of all cells by the delta method; NaN where withheld."""
        return self._to_cells(self._vcov_free)

    def _to_cells(self, vcov: np.ndarray | None) -> np.ndarray:
        q = self.model.n_parameters
        if vcov is None:
            return np.full((q, q), np.nan)
        G = self._working.jacobian(self._inner) @ self._working.K
        known = ~np.isnan(np.diag(vcov))
        V = G[:, known] @ vcov[np.ix_(known, known)] @ G[:, known].T
        lost = (G[:, ~known] != 0).any(axis=1) | self._on_boundary_cells
        V[lost] = np.nan
        V[:, lost] = np.nan
        if self._restricted is not None:
            # what constraints hold fast has no variance but rounding
            size = np.abs(G[:, known]) @ np.sqrt(np.diag(vcov)[known])
            fast = np.diag(V) <= ROUNDING * size**2
            V[fast] = np.where(np.isnan(V[fast]), np.nan, 0.0)
            V[:, fast] = np.where(np.isnan(V[:, fast]), np.nan, 0.0)
        return V

    @cached_property
    def _on_boundary_cells(self) -> np.ndarray:
        """Cells that rest on a working parameter at its boundary (a standard deviation of zero)."""
        out = np.zeros(self.model.n_parameters, dtype=bool)
        if not self.boundary:
            return out
        at = [k for k, name in enumerate(self.likelihood.names) if name in self.boundary]
        for k in at:
            out |= self._working.K[:, k] != 0
        for group in self._working.blocks:
            for block in group:
                diagonal = [a for (a, b), c in block.cells.items() if a == b and c.is_free and out[c.number]]
                for (a, b), cell in block.cells.items():
                    if cell.is_free and (a in diagonal or b in diagonal):
                        out[cell.number] = True
        return out

    @cached_property
    def _at_bound_cells(self) -> np.ndarray:
        """Cells at their ``lower()`` or ``upper()``."""
        out = np.zeros(self.model.n_parameters, dtype=bool)
        if self._restricted is not None:
            for part, touches in zip(self._constraints.parts, self._restricted.touching, strict=True):
                if part.bound is not None and touches:
                    out[part.bound[1]] = True
        return out

    @cached_property
    def constraints(self) -> pd.DataFrame:
        """The constraints of the model text and its bounds.

        Columns: `constraint`, what must be zero or positive; `op`, ``==``, ``<`` or ``>``, ``lower`` or ``upper``;
        `slack`, its value; `active`, whether it holds without slack; `multiplier`, by how much the log-likelihood would
        rise, to first order, if the constraint were one unit laxer (NaN for linear equations, which are solved for).
        """
        import pandas as pd

        return pd.DataFrame(self._slacks(), columns=["constraint", "op", "slack", "active", "multiplier"])

    def _slacks(self, bounds: bool = True) -> list[tuple[str, str, float, bool, float]]:
        from semgllamm.model.constraints import slacks

        known: dict[tuple[str, str], tuple[bool, float]] = {}
        rows = []
        if self._restricted is not None:
            found = self._restricted
            for part, value, touches, multiplier in zip(
                self._constraints.parts, found.values, found.touching, found.multipliers, strict=True
            ):
                if part.constraint is not None:
                    known[part.text, part.constraint.op] = bool(touches), float(multiplier)
                elif bounds:
                    side = "lower" if part.sign > 0 else "upper"
                    rows.append((part.text, side, float(value), bool(touches), float(multiplier)))
        numbers = {name: number for name, number in self._label_numbers.items() if number >= 0}
        stated = []
        for text, op, slack in slacks(self.diagram, numbers, self._cells):
            touches, multiplier = known.get((text, op), (op == "==", np.nan if op == "==" else 0.0))
            stated.append((text, op, slack, touches, multiplier))
        return stated + rows

    # ---- fit ---------------------------------------------------------------------------------------------------

    @property
    def df(self) -> int:
        """Degrees of freedom: moments of the saturated model less free parameters.

        Raises
        ------
        ModelError
            For fits by quadrature, which have no saturated model.
        """
        from semgllamm.results.fit_measures import against_saturated
        from semgllamm.results.standardized import closed_form_of

        closed_form_of(self, "degrees of freedom are")
        return against_saturated(self).df

    def fit_measures(self, names=None) -> pd.Series:
        """Measures of fit, by lavaan's names.

        Parameters
        ----------
        names : str or sequence of str, optional
            Some of: npar, fmin, chisq, df, pvalue, baseline.chisq, …, cfi, tli, rfi, nfi, pnfi, ifi, rni, logl,
            unrestricted.logl, aic, bic, ntotal, bic2, rmsea, rmsea.ci.lower, …, rmr, srmr, crmr, gfi, agfi, pgfi, mfi,
            ecvi, cn_05, cn_01; with two levels srmr_within, srmr_between. Fits by quadrature have npar, logl, aic, bic,
            ntotal and bic2 only, and those with classes caic, icl and entropy (``entropy.NAME`` of several variables)
            beside, and where all answers are one contingency table pearson, pearson.pvalue, g2, g2.pvalue, table.df,
            table.cells and table.patterns. bic2 is the sample-size adjusted BIC. Definitions and sources:
            `semgllamm.results.fit_measures`, `semgllamm.results.class_fit`.

        Raises
        ------
        ModelError
            For an unknown name, or one that the fit cannot have.
        """
        import pandas as pd

        from semgllamm.results.fit_measures import fit_measures

        return pd.Series(fit_measures(self, names), dtype=float)

    def class_probabilities(self, name: str | None = None, *, newdata=None) -> pd.DataFrame:
        """Posterior probabilities of the classes of each unit, given all its answers.

        Parameters
        ----------
        name : str, optional
            One of several categorical latent variables.
        newdata : DataFrame or the like, optional
            Other rows, as for `latent`.

        Returns
        -------
        DataFrame
            A row a unit of the variable's level, indexed as the data are; a column a class, ``c=1``, ``c=2``, …

        Raises
        ------
        ModelError
            If the model has no categorical latent variable, or none of that name.
        """
        from semgllamm.results.classes import class_probabilities

        if newdata is not None:
            from semgllamm.results.other_rows import of_other_rows

            return of_other_rows(self, newdata, lambda fit: fit.class_probabilities(name))
        return class_probabilities(self, name)

    def plausible_classes(self, n: int = 1, seed: int | None = None) -> pd.DataFrame:
        """Draws of the classes that units are in, from their posterior probabilities.

        Parameters
        ----------
        n : int
            How many; with several, their number is the first level of the index (``draw``).
        seed : int, optional

        Returns
        -------
        DataFrame
            A row a unit of the lowest level that has classes, a column a categorical latent variable: all are drawn
            together, those of higher levels once for each of their units, and repeated.

        Raises
        ------
        ModelError
            If the model has no categorical latent variable, or one below a continuous latent variable.
        """
        from semgllamm.results.classes import plausible_classes

        return plausible_classes(self, n, seed)

    def directional_derivative(self, z=None) -> pd.DataFrame:
        """What one more mass point at z would do for a free distribution (``npml``): the Gateaux derivative of log L.

        Parameters
        ----------
        z : array_like, optional
            Places of the latent variable; by default 81 over and around the mass points.

        Returns
        -------
        DataFrame
            `z` and `derivative`; where it is nowhere positive, no distribution is likelier (Lindsay 1983).

        Raises
        ------
        ModelError
            If the model has no free distribution, or one of several latent variables.
        """
        import pandas as pd

        from semgllamm.results.free_distribution import directional_derivative

        at, derivative = directional_derivative(self, None if z is None else np.atleast_1d(np.asarray(z, dtype=float)))
        return pd.DataFrame({"z": at, "derivative": derivative})

    def class_sizes(self) -> pd.DataFrame:
        """How large the classes are.

        Returns
        -------
        DataFrame
            `variable`, `class`, `share` (by the model, averaged over units), `expected` (the sum of the posterior
            probabilities) and `most_likely` (units whose likeliest class it is).
        """
        import pandas as pd

        from semgllamm.results.classes import class_sizes

        return pd.DataFrame(class_sizes(self), columns=["variable", "class", "share", "expected", "most_likely"])

    def classification_table(self, name: str | None = None) -> pd.DataFrame:
        """Average posterior probabilities of the classes, by the class that is most likely.

        Parameters
        ----------
        name : str, optional
            Of one of several categorical latent variables.

        Returns
        -------
        DataFrame
            A row for each class as the most likely one: `units`, and the averages ``c=1``, ``c=2``, …, near 1 on the
            diagonal where the classes are told apart.

        Raises
        ------
        ModelError
            If the model has no categorical latent variable, none of that name, or several of which none is named.
        """
        from semgllamm.results.class_fit import classification_table

        return classification_table(self, name)

    def bivariate_residuals(self) -> pd.DataFrame:
        """What the classes leave of the association of each pair of categorical items.

        Returns
        -------
        DataFrame
            `item1`, `item2`, `n` (rows with both answers), `x2` (Pearson's, of the table of the pair), `df`,
            (K₁ − 1)(K₂ − 1), and `bvr`, x2 over df (Vermunt & Magidson 2005), which should not be far above 1.

        Raises
        ------
        ModelError
            If the answers are no contingency table: responses that are not categorical, covariates, several levels, or
            known classes.
        """
        from semgllamm.results.class_fit import bivariate_residuals

        return bivariate_residuals(self)

    def class_profiles(self) -> pd.DataFrame:
        """What members of each class answer.

        Of responses that differ between classes: the probability of each category, of others the mean (a proportion of
        the trials for binomial ones), with covariates at their means in the group (products at the product of the
        means) and continuous latent variables averaged over within the class. Standard errors by the delta method.

        Returns
        -------
        DataFrame
            `variable`, `class`, (`group`,) `response`, `category` ("" for means), `estimate`, `se`.

        Raises
        ------
        ModelError
            If the model has no categorical latent variable.
        """
        from semgllamm.results.class_profiles import class_profiles

        return class_profiles(self)

    def plot_profiles(self, ax=None):
        """Draw `class_profiles`, a line a class with bars of one standard error; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw in; by default new ones.

        Returns
        -------
        matplotlib Axes
        """
        from semgllamm.results.class_profiles import plot_profiles

        return plot_profiles(self, ax)

    def distal(
        self, outcome: str, method: str = "bch", name: str | None = None, categorical: bool | None = None
    ) -> Distal:
        """Means of an outcome in each class that had no part in finding the classes, by three steps.

        Parameters
        ----------
        outcome : str
            A column of the data, of one value a unit of the level of the classes.
        method : {"bch", "ml", "modal"}
            Weights of Bolck, Croon and Hagenaars (2004) and Vermunt (2010); maximum likelihood with the errors of
            assignment (Vermunt 2010; Asparouhov & Muthén 2014); or assignment taken as true, which is biased.
        name : str, optional
            One of several categorical latent variables.
        categorical : bool, optional
            Proportions of categories instead of means; by default of columns that are not numeric.

        Returns
        -------
        Distal
            `table` with estimates and standard errors, and Wald's test that all classes are alike.

        Raises
        ------
        ModelError, DataError, EstimationError
        """
        from semgllamm.results.distal import distal

        return distal(self, outcome, method, name, categorical)

    def implied(self) -> dict:
        """Covariances and means by the model: a dict of {"cov": DataFrame, "mean": Series} by group and level."""
        from semgllamm.results.moments import implied

        return implied(self)

    def sample_moments(self) -> dict:
        """The same of the saturated model: with complete rows the sample's own moments.

        With two levels, of a mean only the sum over the levels is known: the part within clusters is what covariates
        of rows predict, the rest is the part between.
        """
        from semgllamm.results.moments import sample_moments

        return sample_moments(self)

    def residuals(
        self, kind: str = "raw", latent: str | None = None, seed: int | None = None,
        responses: str | Sequence[str] | None = None, level: str | int | None = None,
    ):  # fmt: skip
        """Residuals of moments, of answers, or of latent variables.

        Parameters
        ----------
        kind : {"raw", "cor", "cor.bentler", "normalized", "standardized"}
            Sample moments less implied moments, in the shape of `implied`: as they are; of correlations (Bollen 1989);
            over the sample's standard deviations (Bentler 1995); over the standard errors of the sample's moments; over
            their own standard errors (the last two of one level only). With two levels see `sample_moments` for means.
        kind : {"pearson", "deviance", "anscombe", "quantile"}
            Of answers, a DataFrame with a row for each row of the data: over the standard deviation of y given the
            latent variables; signed roots of the deviance; Anscombe's; randomised quantile residuals (Dunn & Smyth
            1996). All are scaled by the dispersion.
        kind : {"latent"}
            Empirical Bayes residuals of latent variables over their sampling standard deviations, a row a unit.
        latent : {"eb", "zero", "marginal"}, optional
            Residuals of answers are posterior means, given the latent variables without disturbance, or of the
            distribution that is averaged over them; by default "eb", and "marginal" for quantile residuals.
        seed : int, optional
            Of quantile residuals of categories and counts.
        responses : str or sequence of str, optional
            Only these.
        level : str or int, optional
            Of latent variables, as for `latent`.

        Raises
        ------
        ModelError
            For an unknown kind, and for one that the model or a family does not have.
        """
        from semgllamm.results.case_residuals import KINDS, case_residuals, latent_residuals
        from semgllamm.results.moments import residuals

        if kind == "latent":
            return latent_residuals(self, level)
        if kind in KINDS:
            return case_residuals(self, kind, latent, seed, responses)
        return residuals(self, kind)

    def influence(self) -> pd.DataFrame:
        """What leaving out one independent unit would do to the estimates, by one Newton step.

        Returns
        -------
        DataFrame
            A row a unit: ``cook``, Cook's distance (Δ'HΔ/p, with H the information and Δ the step), and a column for
            each parameter of `coef` with its change, full sample less the rest, in standard errors (dfbetas).

        Raises
        ------
        ModelError
            With nonlinear or inequality constraints, and for least squares.
        """
        from semgllamm.results.influence import influence

        return influence(self)

    def marginal_effects(
        self, covariates: str | Sequence[str] | None = None, kind: str = "mean", responses=None, level: float = 0.95
    ) -> pd.DataFrame:
        """Average marginal effects on population-averaged means, with standard errors by the delta method.

        Parameters
        ----------
        covariates : str or sequence of str, optional
            By default all. Of numbers the derivative is averaged over the rows; of categories, and of numbers that are
            only 0 and 1, the difference between each level and the first.
        kind : {"mean", "probabilities"}
        responses : str or sequence of str, optional
            Only these.
        level : float
            Of the confidence limits.

        Returns
        -------
        DataFrame
            response, covariate, contrast, est, se, z, pvalue, ci_lower, ci_upper.
        """
        from semgllamm.results.marginal_effects import marginal_effects

        return marginal_effects(self, covariates, kind, responses, level)

    def simulate(
        self, n: int | None = None, seed: int | None = None, latent: str = "prior", missing=None
    ) -> pd.DataFrame:
        """New responses of the same units, drawn from the fitted model.

        Parameters
        ----------
        n : int, optional
            Number of data sets, stacked, their number being the first level of the index (``draw``); by default one,
            with the index of the data.
        seed : int, optional
        latent : {"prior", "posterior"}
            Whether latent variables are drawn anew, or from their posterior given the data (by its means and
            covariances: exact for Gaussian models; of classes by their probabilities, and inside these).
        missing : mapping of response to share, or callable, optional
            Shares of answers that are lost at random; or a function of the DataFrame and a random generator that
            returns the DataFrame with its missing values. What was missing in the data is missing in any case.

        Returns
        -------
        DataFrame
            The rows that the fit used, with the columns of the data. Covariates with a model of their own are
            responses: drawn where they were seen, and missing where they were. With ``@unseen`` every unit is drawn
            until it is seen.
        """
        from semgllamm.results.simulation import simulate

        return simulate(self, n, seed, latent, missing)

    def predictive_check(
        self, statistic, n: int = 200, seed: int | None = None, latent: str = "prior", level: float = 0.95
    ) -> pd.DataFrame:
        """Whether data like those of the fit have such a statistic: a posterior predictive style check.

        Parameters
        ----------
        statistic : callable
            Maps the rows that the fit used, a DataFrame, to a number, or a Series or sequence of numbers.
        n : int
            Data sets that are drawn from the fit, at its estimates.
        seed : int, optional
        latent : {"prior", "posterior"}
            As for `simulate`.
        level : float
            Of the interval that holds the statistics of the drawn data.

        Returns
        -------
        DataFrame
            A row a number: observed; mean, sd, lower and upper of the drawn data sets; and pvalue, (1 + those that are
            as large as the observed one or larger) / (1 + n), near 0 or 1 where the data are unlike the model.

        Raises
        ------
        ModelError
            For statistics that are no numbers, and as `simulate`.
        """
        from semgllamm.results.predictive_checks import predictive_check

        return predictive_check(self, statistic, n, seed, latent, level)

    # ---- tables of parameters ------------------------------------------------------------------------------------

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """All parameters, in lavaan's columns and order; (lhs, op, rhs, group, level) is the key."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def _rows(self, level: float = 0.95) -> list[dict[str, Any]]:
        from scipy.special import ndtri

        from semgllamm.diagram.expressions import written as as_written

        width = ndtri(0.5 + level / 2)
        rows = []
        variance = np.diag(self._vcov_cells)
        for row, number in zip(self.diagram.parameters, self.model.rows):
            if row.exogenous:
                continue
            if number >= 0:
                est, se = float(self._cells[number]), float(np.sqrt(max(variance[number], 0.0)))
                if np.isnan(variance[number]):
                    se = np.nan
            else:
                est, se = (np.nan if row.fixed is None else float(row.fixed)), 0.0
            rows.append(self._row(row, number, est, se, width))
        written = {d.name: as_written(d.expression, self.diagram.text) for d in self.diagram.definitions}
        for name, est, se in self._definitions():
            rows.append(
                {
                    "lhs": name, "op": ":=", "rhs": written[name], "level": "", "group": 1, "class": "",
                    "label": name, "free": 0, **_tested(est, se, width), "source": "user",
                }
            )  # fmt: skip
        return rows

    def _row(self, row, number, est, se, width):
        tested = _tested(est, se, width)
        if number < 0 or self._on_boundary_cells[number] or self._at_bound_cells[number]:
            tested |= {"z": np.nan, "pvalue": np.nan}
        written = dict(self.diagram.renamed)
        lhs, rhs = written.get(row.lhs, row.lhs), written.get(row.rhs, row.rhs)
        return {
            "lhs": lhs, "op": row.op, "rhs": rhs, "level": row.level or "", "group": row.group,
            "class": ", ".join(f"{name}={k}" for name, k in row.klass), "label": row.label or "", "free": number + 1,
            **tested, "source": row.source,
        }  # fmt: skip

    def _definitions(self):
        """(name, value, standard error) of the ``:=`` rows, by the delta method."""
        from semgllamm.diagram.expressions import evaluate, gradient

        if not self.diagram.definitions:
            return []
        values = self.label_values
        slopes: dict[str, np.ndarray] = {}
        q = self.model.n_parameters
        for name, number in self._label_numbers.items():
            slopes[name] = np.eye(q)[number] if number >= 0 else np.zeros(q)
        out = []
        for definition in self.diagram.definitions:
            value = evaluate(definition.expression, values)
            slope = np.zeros(q)
            for name, s in gradient(definition.expression, values).items():
                slope = slope + s * slopes[name]
            used = slope != 0
            V = self._vcov_cells[np.ix_(used, used)]
            variance = float(slope[used] @ V @ slope[used]) if used.any() else 0.0
            if self._restricted is not None and variance <= ROUNDING * (np.abs(slope[used]) @ np.sqrt(np.diag(V))) ** 2:
                variance = 0.0
            values = {**values, definition.name: value}
            slopes[definition.name] = slope
            out.append((definition.name, value, np.sqrt(variance) if variance >= 0 else np.nan))
        return out

    @cached_property
    def _label_numbers(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for row, number in zip(self.diagram.parameters, self.model.rows):
            for name in (row.label, row.full_name):
                if name:
                    out.setdefault(name, number)
        return out

    @property
    def label_values(self) -> dict[str, float]:
        """Values of all labels and automatic names."""
        out = {}
        for row, number in zip(self.diagram.parameters, self.model.rows):
            value = float(self._cells[number]) if number >= 0 else row.fixed
            for name in (row.label, row.full_name):
                if name and value is not None:
                    out.setdefault(name, value)
        return out

    @property
    def coef(self) -> pd.Series:
        """Free parameters, named as lavaan names them."""
        import pandas as pd

        return pd.Series(self._cells, index=list(self.model.names), name="est")

    def vcov(self, kind: str | None = None) -> pd.DataFrame:
        """Covariance matrix of `coef`; NaN where withheld.

        Parameters
        ----------
        kind : {"observed", "expected", "first.order", "sandwich"}, optional
            By the inverse of an information matrix, or by that and the scores of the independent units
            (A⁻¹BA⁻¹; White 1982). None is that of the reported standard errors.

        Raises
        ------
        ModelError
            For a kind that is unknown or not available.
        """
        import pandas as pd

        if kind is None:
            V = self._vcov_cells
        else:
            from semgllamm.results.tests import covariance_of_kind

            V = self._to_cells(covariance_of_kind(self, kind))
        names = list(self.model.names)
        return pd.DataFrame(V, index=names, columns=names)

    # ---- tests ---------------------------------------------------------------------------------------------------

    @cached_property
    def _tests(self):
        from semgllamm.results.tests import Tests

        return Tests(self)

    @property
    def test(self):
        """The chi-square of the model against the saturated one, a `ChiSquare`; None without a closed form."""
        return self._tests.standard

    @property
    def scaled_test(self):
        """The scaled chi-square (`ChiSquare`); None if the fit asked for none."""
        return self._tests.scaled

    @property
    def baseline_test(self):
        """The chi-square of the independence model; None without a closed form."""
        return self._tests.baseline

    @property
    def scaled_baseline_test(self):
        """The scaled chi-square of the independence model; None if the fit asked for none."""
        return self._tests.scaled_baseline

    def bootstrap(
        self, n: int = 1000, kind: str = "ordinary", seed: int | None = None, statistic=None,
        workers: int | None = None, progress: str | bool = "auto",
    ):  # fmt: skip
        """Estimates of `n` samples of the sample, a `Bootstrap`.

        Parameters
        ----------
        kind : {"ordinary", "parametric", "bollen.stine"}
            Independent units (rows, or those of the highest level) drawn with replacement; responses drawn from the
            model; or, of complete Gaussian rows, units drawn where the model holds.
        seed : int, optional
        statistic : callable, optional
            Maps `coef` (a Series) to a number or a sequence of numbers, to be drawn as well.
        workers : int, optional
            Processes, by default as many as there are usable cores and work for; the draws do not depend on it.
        progress : "auto", True or False
            A line on standard error; "auto" shows it on a terminal.
        """
        from semgllamm.results.bootstrap import bootstrap

        return bootstrap(self, n, kind, seed, statistic, workers, progress)

    def confint(
        self, method: str = "wald", level: float = 0.95, parameters: str | Sequence[str] | None = None,
        n: int | None = None, seed: int | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Confidence limits of `coef`.

        Parameters
        ----------
        method : {"wald", "profile", "bootstrap"}
            Estimates and standard errors; where twice the log-likelihood, maximised over all other parameters, has
            fallen by the quantile of χ² (Venzon & Moolgavkar 1988), which respects that a variance is not negative; or
            percentiles of bootstrap samples (see `bootstrap` for other kinds).
        level : float
        parameters : str or sequence of str, optional
            Names or labels of those that are wanted, and names of definitions (``:=``): profiles maximise some ten
            times for each.
        n, seed : int, optional
            Bootstrap samples, by default 1000, and their seed.

        Returns
        -------
        DataFrame
            `lower` and `upper`; a profile that never falls so far has an infinite limit.

        Raises
        ------
        ModelError
            For an unknown method or parameter, and a profile of least squares or of a fit without standard errors.
        EstimationError
            If a profile rises above the maximum of the fit.
        """
        import pandas as pd
        from scipy.special import ndtri

        from semgllamm.results.profile import named, profile_limits

        if method not in ("wald", "profile", "bootstrap"):
            raise ModelError(
                f"confint method '{method}' is not available", remedy="Methods: 'wald', 'profile', 'bootstrap'."
            )  # fmt: skip
        if not 0 < level < 1:
            raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
        if method != "bootstrap" and (n is not None or seed is not None):
            raise ModelError(f"n and seed are of bootstrap samples, not of method='{method}'", remedy="Leave them out.")
        if method == "profile":
            return profile_limits(self, level, parameters)
        names = [name for name, _ in named(self, parameters)]
        if method == "bootstrap":
            drawn = self.bootstrap(1000 if n is None else n, seed=seed)
            if drawn.failed:
                warnings.warn(f"{drawn.failed} of {drawn.n} bootstrap samples have no maximum: limits are those of the "
                              "others", SemgllammWarning, stacklevel=2)  # fmt: skip
            return drawn.confint(level=level).loc[names]
        half = ndtri(0.5 + level / 2) * np.sqrt(np.diag(self._vcov_cells))
        limits = pd.DataFrame({"lower": self._cells - half, "upper": self._cells + half}, index=list(self.model.names))
        if parameters is None:
            return limits
        z = ndtri(0.5 + level / 2)
        for name, value, se in self._definitions():
            limits.loc[name] = value - z * se, value + z * se
        return limits.loc[names]

    def profile(self, name: str, level: float = 0.99) -> pd.DataFrame:
        """The profile of the log-likelihood along one parameter.

        Parameters
        ----------
        name : str
            Its name or label.
        level : float
            Of the confidence interval that the profile reaches beyond.

        Returns
        -------
        DataFrame
            `value` of the parameter; `zeta`, the signed root of the deviance from the maximum, which is a straight line
            where Wald's interval is right; `loglik`, maximised over all other parameters.

        Raises
        ------
        ModelError, EstimationError
            As by `confint`.
        """
        from semgllamm.results.profile import profile

        return profile(self, name, level)

    def plot_profile(self, name: str, level: float = 0.95, ax=None):
        """Draw the profile of one parameter with its confidence limits; returns the matplotlib Axes.

        Parameters
        ----------
        name : str
        level : float
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.

        Raises
        ------
        ModelError
            If matplotlib is not installed (``pip install 'semgllamm[plot]'``), and as by `confint`.
        """
        from semgllamm.results.profile import plot_profile

        return plot_profile(self, name, level, ax)

    # ---- latent variables ----------------------------------------------------------------------------------------

    def latent(
        self, kind: str = "eb", level: str | int | None = None, se: bool | str = True, n: int = 1,
        seed: int | None = None, *, disturbances: bool = False, newdata=None,
    ) -> pd.DataFrame:  # fmt: skip
        """Scores of the latent variables and their standard errors (columns ``NAME.se``), a row a unit.

        Parameters
        ----------
        kind : {"eb", "regression", "bartlett"}
            Empirical Bayes means, with posterior standard deviations; of Gaussian models these are the regression
            scores (Thomson 1939). Bartlett's (1937) scores take the latent variables as fixed: they are least squares
            estimates, weighted by the residual covariances. With several levels they have no standard errors (NaN).
        kind : {"mode", "plausible"}
            Posterior modes, with standard deviations by the curvature (of Gaussian models they are the means), and
            plausible values, draws from the posterior without standard errors: exact for Gaussian models and for one
            latent variable of categorical items, else from normal distributions with its means and covariances.
        kind : {"ml", "wle"}
            Of one latent variable of categorical items: maximum likelihood estimates, which are NaN where there is no
            finite one (all answers right), and Warm's (1989) weighted likelihood estimates. Formulas:
            `semgllamm.results.trait_scores`.
        level : str or int, optional
            "row" or a cluster column, or as in lavaan 1 or "within", 2 or "between"; by default the lowest level with
            latent variables.
        se : bool or {"posterior", "comparative", "diagnostic"}
            True is the standard deviation given the answers, which is that of the difference from the latent variable
            and thus the comparative standard error, for comparisons of units; of posterior means there is the
            diagnostic one too, their standard deviation over samples (Skrondal & Rabe-Hesketh 2009).
        n : int
            How many plausible values; with several, their number is the first level of the index (``draw``).
        seed : int, optional
            Of plausible values.
        disturbances : bool
            Of posterior means and modes: of ζ = η − Bη − Γw instead of η.
        newdata : DataFrame or the like, optional
            Other rows, scored at the estimates of this fit, with clusters of their own whatever these are called.

        Raises
        ------
        ModelError
            For another kind, for Bartlett's scores of fits by quadrature, and for "ml" and "wle" where other responses
            or several latent variables are.
        DataError
            For new data with missing columns, or categories, levels and groups that the fit has not seen.
        """
        from semgllamm.results.latent import ERRORS, bartlett, by_coordinates, empirical_bayes, plausible_draws

        self.binding.need_rows("predictions of latent variables")
        if se not in ERRORS:
            raise ModelError(f"se={se!r} is unknown", remedy=f"Use {', '.join(map(repr, ERRORS))}.")
        if se == "diagnostic" and kind not in ("eb", "regression"):
            raise ModelError("diagnostic standard errors are of posterior means", remedy="Use kind='eb'.")
        if disturbances and kind not in ("eb", "regression", "mode"):
            raise ModelError(f"disturbances have no scores of kind '{kind}'", remedy="Use kind='eb' or 'mode'.")
        if newdata is not None:
            from semgllamm.results.other_rows import of_other_rows

            return of_other_rows(
                self, newdata, lambda fit: fit.latent(kind, level, se, n, seed, disturbances=disturbances)
            )
        if kind == "bartlett":
            return bartlett(self, level, bool(se))
        if kind in ("mode", "ml", "wle", "plausible"):
            from semgllamm.results.trait_scores import of_items, plausible_values, trait_scores

            if kind in ("ml", "wle") or (of_items(self) and not disturbances):
                return plausible_values(self, n, seed) if kind == "plausible" else trait_scores(self, kind, bool(se))
            return plausible_draws(self, level, n, seed) if kind == "plausible" else by_coordinates(
                self, level, se, disturbances, mode=True
            )
        if kind not in ("eb", "regression"):
            raise ModelError(
                f"latent kind '{kind}' is not available",
                remedy="Kinds: 'eb', 'regression', 'bartlett', 'mode', 'ml', 'wle', 'plausible'.",
            )
        if kind == "regression":
            from semgllamm.results.standardized import closed_form_of

            closed_form_of(self, "regression scores are", varying=True)
        if disturbances or se == "diagnostic":
            return by_coordinates(self, level, se, disturbances)
        return empirical_bayes(self, level, bool(se))

    def score_reliability(self, level: str | int | None = None) -> pd.DataFrame:
        """How reliable scores of the latent variables of a level are, a row each; the level is as for `latent`.

        Columns: ``empirical``, var(EAP) / (var(EAP) + mean posterior variance), of `latent`; ``marginal``, the mean of
        I(θ) / (I(θ) + 1/σ²) over the distribution of θ, of one latent variable of categorical items in one group, and
        NaN of others.
        """
        from semgllamm.results.trait_scores import score_reliability

        return score_reliability(self, level)

    @cached_property
    def _engine(self):
        """The model bound to the engine, for what is computed given latent variables."""
        from semgllamm.estimation.conditional import engine_of

        return engine_of(self.likelihood, self.free, self.points)

    @cached_property
    def _own_rows(self):
        """All rows of the data as targets of predictions, and their cells in the engine."""
        from semgllamm.data.newdata import fitted_rows

        targets = fitted_rows(self.model, self.diagram, self.binding, self.design)
        return targets, self._engine.bound_to(targets.design)

    # ---- items -----------------------------------------------------------------------------------------------------

    def items(self, standardized: bool = False, se: bool = True) -> pd.DataFrame:
        """The items in the parameters of item response theory, a row an item (of each group).

        Columns are the slope ``a``, the difficulties ``b`` and intercepts ``d`` (``b1``, ``b2``, … where there are
        several steps), with aθ + d = a(θ − b), and asymptotes ``guessing`` and ``ceiling``; of several latent variables
        a slope on each, ``MDISC`` and ``MDIFF`` (Reckase 2009). Alternatives of nominal items have rows of their own.

        Parameters
        ----------
        standardized : bool
            Of latent variables with mean 0 and variance 1, instead of those that the model has.
        se : bool
            With standard errors by the delta method, ``NAME.se``.

        Raises
        ------
        ModelError
            Without categorical items, and where covariates enter an item.
        """
        from semgllamm.results.item_tables import item_parameters

        return item_parameters(self, standardized, se)

    def item_curves(self, theta=None) -> pd.DataFrame:
        """Item characteristic curves, or category curves: columns item, category, theta and probability.

        Parameters
        ----------
        theta : array_like, optional
            Values of the latent variable; by default 61 over three standard deviations to both sides of its mean.

        Raises
        ------
        ModelError
            As `items`, and for items of several latent variables.
        """
        from semgllamm.results.item_tables import item_curves

        return item_curves(self, theta)

    def item_information(self, theta=None) -> pd.DataFrame:
        """Fisher's information of the items about the latent variable, a row a value of it.

        Columns are ``theta``, one for each item, ``test``, their sum, and ``se``, one over its root; `theta` and errors
        are as for `item_curves`.
        """
        from semgllamm.results.item_tables import item_information

        return item_information(self, theta)

    def gof(self) -> pd.Series:
        """The fit of categorical items to their contingency table.

        Returns
        -------
        Series
            n, patterns (observed ones), cells (possible ones); x2 and g2, Pearson's X² and the likelihood ratio against
            the saturated table, with .df and .pvalue, which are trustworthy only where few expected frequencies are
            small; m2 with .df and .pvalue, M2 of the univariate and bivariate margins (Maydeu-Olivares & Joe 2006),
            which is with sparse tables too; rmsea2 with 90% limits, cfi2 and srmsr. Formulas:
            `semgllamm.results.contingency`.

        Raises
        ------
        ModelError
            For models with other responses than items, several levels, covariates, sampling weights, or nonlinear and
            inequality constraints.
        DataError
            For incomplete rows.
        """
        import pandas as pd

        from semgllamm.results.contingency import contingency_fit

        return pd.Series(contingency_fit(self))

    def item_fit(self) -> pd.DataFrame:
        """How each item of one latent variable fits, a row an item.

        Columns: item, and group where there are several; s_x2, df and pvalue of S-X² (Orlando & Thissen 2000; Kang &
        Chen 2008); infit and outfit, mean squared residuals at the posterior means (Wright & Masters 1982). Formulas:
        `semgllamm.results.item_fit`.

        Raises
        ------
        ModelError
            As `gof`, and for several latent variables and nominal items.
        DataError
            For incomplete rows.
        """
        from semgllamm.results.item_fit import item_fit

        return item_fit(self)

    def person_fit(self) -> pd.DataFrame:
        """How the answers of each unit fit, given its posterior mean.

        Columns: the posterior mean of each latent variable; zh, the standardised log-likelihood (Drasgow, Levine &
        Williams 1985), whose large negative values are unlikely patterns; infit and outfit, mean squared residuals.

        Raises
        ------
        ModelError
            For models with other responses than items, or several levels.
        """
        from semgllamm.results.person_fit import person_fit

        return person_fit(self)

    def local_dependence(self) -> pd.DataFrame:
        """What pairs of items have in common beyond the latent variables, a row a pair.

        Columns: item1, item2; q3, the correlation of residuals (Yen 1984); residual_cor, that of codes, observed less
        expected; x2, df and pvalue of the table of both items (Chen & Thissen 1997), a rough guide.

        Raises
        ------
        ModelError
            As `gof`, but rows may be incomplete.
        """
        from semgllamm.results.local_dependence import local_dependence

        return local_dependence(self)

    def dif(
        self, method: str = "wald", *, items: str | Sequence[str] | None = None,
        anchors: str | Sequence[str] | None = None, purify: bool = False, adjust: str | None = None,
        alpha: float = 0.05,
    ) -> pd.DataFrame:  # fmt: skip
        """Differential item functioning: which items differ between groups at the same value of the latent variable.

        Of a fit that lets items differ (``group_equal``, and those items in ``group_partial``) the default is Lord's
        (1980) Wald test of these items, on the scale that the others, the anchors, carry from group to group.
        Everything else is a screen: each item is tested with all groups at once, against all others or against
        `anchors`, by fitting the models that this takes. Formulas: `semgllamm.results.item_screens`.

        Parameters
        ----------
        method : {"wald", "lr", "score"}
            Wald's test, the likelihood ratio, or the score test, which fits one model if all others are anchors.
        items : str or sequence of str, optional
            Those to test, by default all.
        anchors : str or sequence of str, optional
            Items that are the same in all groups while each of the others is tested; by default all but the one.
        purify : bool
            Take the item that differs most out of the anchors, put back those that no longer differ, and test again,
            until nothing changes.
        adjust : {"holm", "bh"}, optional
            p-values for as many tests as there are: Holm's (1979), or those of Benjamini and Hochberg (1995).
        alpha : float
            The level at which an item differs, by its adjusted p-value where there is one.

        Returns
        -------
        DataFrame
            Of Lord's test a row an item that may differ and a group after the first: item, group, stat, df, pvalue
            (padj); and the mean difference of the item's score between the group and the first at the same value of the
            latent variable, ``signed`` and ``unsigned``, over the distribution of the group (Meade 2010). Of a screen a
            row an item: item, stat, df, pvalue (padj), differs, anchor (whether it stayed among the anchors). What no
            group can differ in, such as a loading that fixes the scale, is not tested.

        Raises
        ------
        ModelError
            For one group, without anchors, groups whose latent variable cannot differ, and as `item_curves`.
        EstimationError
            If a model of a screen has no maximum.
        """
        from semgllamm.results.differential_items import differential_items

        return differential_items(self, method, items, anchors, purify, adjust, alpha)

    @property
    def plot(self):
        """Plots by matplotlib: ``icc``, ``information`` and ``wright`` (`semgllamm.results.plots.Plots`)."""
        from semgllamm.results.plots import Plots

        return Plots(self)

    # ---- predictions ---------------------------------------------------------------------------------------------

    def predict(
        self, newdata=None, kind: str = "linear", latent="eb", *, over: str | Sequence[str] | None = None,
        new: str = "prior", se: bool = False, level: float = 0.95, responses: str | Sequence[str] | None = None,
        interval: str = "delta", draws: int = 1000, seed: int | None = None, classes=None,
    ) -> pd.DataFrame:  # fmt: skip
        """Predictions of the responses, a row for each row of the data or of `newdata`.

        Parameters
        ----------
        newdata : DataFrame or the like, optional
            With the covariates of the model. Cluster columns say which units of the fit the rows belong to; a row
            itself is new, and so are all units whose column is not there. By default the rows of the data, each the
            unit that it was.
        kind : {"linear", "mean", "probabilities", "marginal"}
            The linear predictor, the mean (of ordered answers that of the category's code 0, 1, …; per trial where
            there are trials), or the probability of each category. "marginal" is the mean averaged over the latent
            variables of all levels, or of those named in `over`.
        latent : {"eb", "eb-plugin", "zero"} or mapping of latent variable to value
            "eb" averages over the posterior of units of the fit given their data, and over the prior of new units;
            "eb-plugin" takes posterior means as values. "zero" leaves disturbances out. A mapping gives some latent
            variables a value (one, or one for each row), and the others no disturbance.
        over : str or sequence of str, optional
            Levels over whose population is averaged.
        new : {"prior", "refuse"}
            What units are that the fit has not seen.
        se : bool
            With standard errors and confidence limits, columns ``NAME.se``, ``NAME.lower`` and ``NAME.upper``: by the
            delta method, plus the posterior variance under "eb". Limits of probabilities and shares are symmetric
            about logits, those of positive means about logarithms.
        level : float
            Of the confidence limits.
        responses : str or sequence of str, optional
            Only these.
        interval : {"delta", "simulation"}
            With "simulation" standard errors and limits are standard deviations and quantiles of predictions at
            parameters drawn from their normal approximation (King, Tomz & Wittenberg 2000), each with a draw from the
            posterior under "eb", which is taken as normal on the scale of the limits. It implies `se`.
        draws, seed : int, optional
            Of the simulation.
        classes : int, str, or mapping of categorical latent variable to class, optional
            The class to predict in, by number or name: the only variable's, or that of each one named. Predictions are
            averaged over the others: with the posterior probabilities of units of the fit under "eb" and "eb-plugin",
            and otherwise (new units, levels in `over`, values of latent variables) with those of the logits. Where
            classes above some that are given the data are averaged over, there are no standard errors.

        Returns
        -------
        DataFrame
            A column a response, or ``NAME[CATEGORY]``. NaN where a covariate is missing. Responses that cause others
            stand among the covariates, with their values in the data.

        Raises
        ------
        ModelError, DataError
        """
        from semgllamm.results.predictions import predict

        return predict(self, newdata, kind, latent, over, new, se, level, responses, interval, draws, seed, classes)

    def icc(self) -> pd.DataFrame:
        """Intraclass correlations of the (latent) responses with random intercepts only, by level."""
        import pandas as pd

        from semgllamm.results.intraclass import intraclass_correlations

        return pd.DataFrame(intraclass_correlations(self), columns=["response", "level", "icc", "se"])

    def population(self, level: float = 0.95) -> pd.DataFrame:
        """The number of units, seen or not, of a model with ``@unseen``.

        Parameters
        ----------
        level : float
            Of the interval, which is symmetric in the logarithm of the number of unseen units (Chao 1987).

        Returns
        -------
        DataFrame
            One row: seen, unseen, total, se, ci.lower, ci.upper. Horvitz and Thompson's estimate, its variance by
            Huggins (1989).

        Raises
        ------
        ModelError
            If the model has no @unseen.
        """
        from semgllamm.results.population import population

        return population(self, level)

    # ---- what follows from the estimates --------------------------------------------------------------------------

    def standardized(self, kind: str = "std.all", level: float = 0.95) -> pd.DataFrame:
        """The standardised solution of a Gaussian model, with standard errors by the delta method.

        Parameters
        ----------
        kind : {"std.all", "std.lv", "std.nox"}
            All variables have variance 1; the latent ones only; all but exogenous covariates.
        level : float
            Of the confidence intervals.

        Returns
        -------
        DataFrame
            lhs, op, rhs, group, level, label, est.std, se, z, pvalue, ci.lower, ci.upper, a row a parameter, moments of
            covariates and definitions (of standardised values) among them.

        Raises
        ------
        ModelError
            For fits by quadrature.
        """
        from semgllamm.results.standardized import standardized

        return standardized(self, kind, level)

    def rsquare(self) -> pd.DataFrame:
        """Explained variance of every variable with causes: name, group, level, block, rsquare.

        Raises
        ------
        ModelError
            For fits by quadrature.
        """
        import pandas as pd

        from semgllamm.results.standardized import explained, scales_of

        rows = explained(self)
        blocks = [(group, self.model.levels[level] if level else "") for group, level in scales_of(self)]
        found = [(name, g, level, 1 + blocks.index((g, level)), value) for name, g, level, value in rows]
        return pd.DataFrame(found, columns=["name", "group", "level", "block", "rsquare"])

    def modification_indices(
        self, sort: bool = False, minimum: float = 0.0, op: str | Sequence[str] | None = None,
        information: str | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """What freeing one cell would do: the score test, and the expected change of the parameter.

        Parameters
        ----------
        sort : bool
            The largest first.
        minimum : float
            Leave out smaller indices.
        op : "=~", "~~", "~", "~1" or several, optional
            Only these.
        information : {"expected", "observed", "first.order"}, optional
            Of the model with the cell free. By default the expected one of Gaussian models in closed form, which alone
            have it, and of fits by integration the observed one where it is positive, else "first.order", the outer
            product of the independent units' scores.

        Returns
        -------
        DataFrame
            lhs, op, rhs, group, level, mi, epc; with the expected information sepc.lv, sepc.all and sepc.nox, else
            class and information.

        Raises
        ------
        ModelError
            For fits with @unseen, and information that is not available.
        """
        from semgllamm.results.modification import modification_indices

        return modification_indices(self, sort, minimum, op, information)

    def wald_test(self, hypotheses: str) -> HypothesisTest:
        """Wald's test of equations among parameters, all at once.

        Parameters
        ----------
        hypotheses : str
            As constraints are written: ``"a == b; c == 0"``, with labels, definitions or, in backticks, automatic
            names; they need not be linear.

        Returns
        -------
        HypothesisTest
            With stat, df, pvalue.

        Raises
        ------
        ModelError
            For inequalities, unknown names, and hypotheses that follow from each other.
        EstimationError
            Where standard errors are withheld.
        """
        from semgllamm.results.hypotheses import wald_test

        return wald_test(self, hypotheses)

    def score_test(
        self, release: int | Sequence[int] | None = None, add: str | None = None, information: str | None = None
    ) -> HypothesisTest:
        """Score test of released equality constraints, or of added parameters.

        Parameters
        ----------
        release : int or sequence of int, optional
            Which constraints, counted from 1: written equations, then cells that share a parameter (each with the
            first of them); by default all.
        add : str, optional
            Parameters to add, in every group: ``"visual =~ x9; x7 ~~ x8"``. What the model fixes is tested at its
            value.
        information : {"expected", "observed", "first.order"}, optional
            As for `modification_indices`.

        Returns
        -------
        HypothesisTest
            All at once, and in `each` one by one.

        Raises
        ------
        ModelError
            For a variance of 0, which `compare` tests, fits with @unseen, and where there is nothing to test.
        """
        from semgllamm.results.hypotheses import score_test

        return score_test(self, release, add, information)

    def reliability(self) -> pd.DataFrame:
        """Reliability of the items of each factor, a row a factor of each group and level.

        Columns are group, level, alpha, alpha_standardized, omega, ave and ave_unstandardized; the formulas stand in
        `semgllamm.results.reliability`. Alpha is of the moments of the saturated model, and NaN where two items are
        never seen together.

        Raises
        ------
        ModelError
            For fits by quadrature, and models without factors.
        """
        from semgllamm.results.reliability import reliability

        return reliability(self)

    def htmt(self, group: int = 1, level: str | int | None = None) -> pd.DataFrame:
        """Heterotrait-monotrait ratios of the factors of one group (Henseler, Ringle & Sarstedt 2015), a square table.

        They are NaN where the items of two factors, or of one, are not all seen together in some row.

        Parameters
        ----------
        group : int
            Counts from 1.
        level : str or int, optional
            With two levels that of the factors and correlations, written as for `latent`; by default the lower.

        Raises
        ------
        ModelError
            For fits by quadrature, and for factors with fewer than two items.
        """
        from semgllamm.results.reliability import heterotrait_monotrait

        return heterotrait_monotrait(self, group, level)

    def effects(self, from_: str, to: str, group: int = 1, level: float = 0.95) -> pd.DataFrame:
        """Total, direct and indirect effects of one variable on another, with standard errors by the delta method.

        Parameters
        ----------
        from_, to : str
            Variables of the model.
        group : int
            Counts from 1.
        level : float
            Of the confidence intervals.

        Returns
        -------
        DataFrame
            effect ("total", "direct", "indirect", then "path" for each way that leads there), path, est, se, z, pvalue,
            ci_lower, ci_upper.

        Raises
        ------
        ModelError
            For unknown variables, and where an effect is no product of coefficients (products with covariates,
            responses of other families as mediators).
        """
        from semgllamm.results.effects import effects

        return effects(self, from_, to, group, level)

    def simple_slopes(
        self, outcome: str, focal: str, at: Mapping[str, Sequence[float]] | None = None, group: int = 1,
        level: float = 0.95,
    ) -> pd.DataFrame:  # fmt: skip
        """The effect of a latent variable at values of those it is multiplied with, with delta-method standard errors.

        Parameters
        ----------
        outcome : str
            A variable that depends on a product of latent variables.
        focal : str
            The latent variable whose effect is wanted.
        at : mapping of name to numbers, optional
            Distances from the mean, in standard deviations of the model, of the variables it is multiplied with; −1, 0
            and 1 by default, and 0 for those that are not named.
        group : int
            Counts from 1.
        level : float
            Of the confidence intervals.

        Returns
        -------
        DataFrame
            The distances, est, se, z, pvalue, ci_lower, ci_upper, a row for each combination.

        Raises
        ------
        ModelError
            Where there is no such product.
        """
        from semgllamm.results.simple_slopes import simple_slopes

        return simple_slopes(self, outcome, focal, at, group, level)

    def eform(self, level: float = 0.95) -> pd.DataFrame:
        """Exponentials of the coefficients of responses with a logit or log link: odds ratios, rate ratios, ….

        Binary responses with a complementary log-log link have hazard ratios, survival times time ratios.

        Parameters
        ----------
        level : float
            Of the confidence limits.

        Returns
        -------
        DataFrame
            lhs, op, rhs, level, group, class, label, kind (what the exponential is), est, se (by the delta method),
            z and pvalue (of the coefficient itself), ci_lower and ci_upper (exponentials of its limits); a row for each
            free coefficient of a covariate or latent variable, and intercept.

        Raises
        ------
        ModelError
            If no response has such a link.
        """
        import pandas as pd

        from semgllamm.results.ratios import ratios

        return pd.DataFrame(ratios(self, level))

    # ---- printing ------------------------------------------------------------------------------------------------

    def report(
        self, ci: bool = False, standardized: bool = False, rsquare: bool = False, fit_measures: bool = False,
        eform: bool = False,
    ) -> Report:  # fmt: skip
        """Everything that the summary prints, as a `Report`."""
        from semgllamm.results.reporting import report

        return report(self, ci, standardized, rsquare, fit_measures, eform)

    def summary(
        self, fit_measures: bool = False, standardized: bool = False, ci: bool = False, rsquare: bool = False,
        eform: bool = False,
    ) -> Summary:  # fmt: skip
        """The printed summary: ``str()``, ``.to_latex()``, ``.to_html()``.

        Parameters
        ----------
        fit_measures : bool
            With the sections on the fit: baseline model, CFI and TLI, information criteria, RMSEA, SRMR (Gaussian
            models in closed form).
        ci : bool
            With confidence limits.
        standardized : bool
            With the columns Std.lv and Std.all (Gaussian models in closed form).
        rsquare : bool
            With a section of explained variances (likewise).
        eform : bool
            With tables of exponentiated coefficients and their confidence limits; see `eform`.
        """
        from semgllamm.tables.contents import contents
        from semgllamm.tables.summary import Summary

        if fit_measures:
            from semgllamm.results.standardized import closed_form_of

            closed_form_of(self, "measures of fit are")
        return Summary(contents(self.report(ci, standardized, rsquare, fit_measures, eform)))

    def to_latex(self) -> str:
        return self.summary().to_latex()

    def __repr__(self) -> str:
        from semgllamm.tables.contents import brief
        from semgllamm.tables.summary import Summary

        return str(Summary(brief(self.report())))

    def _repr_html_(self) -> str:
        return self.summary().to_html()

    def save(self, path) -> None:
        """Write the fit to a file from which `semgllamm.load` restores it: a ZIP archive of JSON and arrays.

        Of the data it holds the columns that the model text or the arguments of the call name.

        Parameters
        ----------
        path : str or Path
            A file there is replaced.

        Raises
        ------
        ModelError, DataError, SemgllammError
            For a diagram that was changed after its text had been read, arguments or columns of types that have no
            plain form, and a file that cannot be written.
        """
        from semgllamm.results.saving import save

        save(self, path)

    def explain(self, stage: str = "diagram", latex: bool = False) -> str:
        """Print a stage of the walk: "diagram", "matrices" or "tree"."""
        from semgllamm.stages import explain_fit

        return explain_fit(self, stage, latex)


def _tested(est: float, se: float, width: float) -> dict[str, float]:
    from scipy.special import ndtr

    z = est / se if se > 0 else np.nan
    return {
        "est": est, "se": se, "z": z, "pvalue": float(2 * ndtr(-abs(z))) if se > 0 else np.nan,
        "ci_lower": est - width * se, "ci_upper": est + width * se,
    }  # fmt: skip
