"""The passes of completion: each looks at one row, as it stands before the user's modifiers, and frees or fixes it."""

from __future__ import annotations

from dataclasses import replace

from semgllamm.diagram.parts import Parameter
from semgllamm.diagram.setting import Part

__all__ = ["PASSES", "fixed_at", "freed", "is_settled"]


def is_settled(row: Parameter, part: Part) -> bool:
    """Whether a row is as it is under every switch: those of random terms, mean and variance of a random slope."""
    return row.source == "random" or (row.lhs in part.slopes and row.op in ("~~", "~1"))


def fixed_at(row: Parameter, value: float | None) -> Parameter:
    return replace(row, free=False, fixed=value)


def freed(row: Parameter) -> Parameter:
    return replace(row, free=True, fixed=None)


def _is_added(row: Parameter) -> bool:
    return row.source == "default"


def _is_variance(row: Parameter) -> bool:
    return row.op == "~~" and row.lhs == row.rhs


def hold_thresholds(row: Parameter, part: Part) -> Parameter:
    """Without `auto_th`, thresholds that are not written are not estimated."""
    return fixed_at(row, None) if row.op == "|" and _is_added(row) and not part.switches.auto_th else row


def hold_variances(row: Parameter, part: Part) -> Parameter:
    """Without `auto_var` variances are 0, and that of a formative variable always."""
    held = not part.switches.auto_var or row.lhs in part.roles.formative
    return fixed_at(row, 0.0) if held and _is_variance(row) and _is_added(row) else row


def standardise_latents(row: Parameter, part: Part) -> Parameter:
    """`std_lv`: latent variances are 1, in the first group only where loadings are equal."""
    switches = part.switches
    if switches.std_lv and _is_variance(row) and row.lhs in part.roles.latents:
        later = part.group > 1 and "loadings" in switches.group_equal and "lv.variances" not in switches.group_equal
        return freed(row) if later and _is_added(row) else fixed_at(row, 1.0)
    return row


def mark_factors(row: Parameter, part: Part) -> Parameter:
    """`auto_fix_first`: the first loading of a factor sets its scale."""
    if row.op == "=~" and part.switches.auto_fix_first and part.markers.get(row.lhs) == row.rhs:
        return fixed_at(row, 1.0)
    return row


def drop_single_residuals(row: Parameter, part: Part) -> Parameter:
    """`auto_fix_single`: the only measure of a factor has no residual at the factor's level."""
    switches = part.switches
    if not (_is_variance(row) and _is_added(row) and switches.auto_var and switches.auto_fix_single):
        return row
    return fixed_at(row, 0.0) if (row.lhs, row.level) in part.single_measures else row


def make_orthogonal(row: Parameter, part: Part) -> Parameter:
    """`orthogonal`: covariances of latent variables that completion adds are 0."""
    if row.op != "~~" or row.lhs == row.rhs or not _is_added(row):
        return row
    roles, switches, ends = part.roles, part.switches, {row.lhs, row.rhs}
    regressed = set(roles.latents).intersection(roles.final)
    if (
        (switches.orthogonal and ends <= set(roles.latents))
        or (switches.orthogonal_x and ends <= set(roles.exogenous_latents))
        or (switches.orthogonal_y and ends <= regressed)
    ):
        return fixed_at(row, 0.0)
    return row


def settle_means(row: Parameter, part: Part) -> Parameter:
    """Intercepts are free or 0 by `int_ov_free` and `int_lv_free`; with a random term they are free."""
    if row.op != "~1" or not _is_added(row):
        return row
    switches, roles = part.switches, part.roles
    if row.lhs in roles.latents:
        anchored = {"intercepts", "thresholds"}.intersection(switches.group_equal)
        identified = part.group > 1 and anchored and "means" not in switches.group_equal
        if switches.int_lv_free or identified:
            return row
        return replace(row, start=0.0) if "intercepts" in switches.effect_coding else fixed_at(row, 0.0)
    if row.lhs in part.scaled:
        return fixed_at(row, 0.0)
    if row.lhs in part.random_lefts:
        return row
    return row if switches.int_ov_free else fixed_at(row, 0.0)


def hold_latent_responses(row: Parameter, part: Part) -> Parameter:
    """The scale and variance behind an ordinal response are 1, save where equal thresholds identify one of them."""
    if row.lhs not in part.scaled or row.lhs != row.rhs:
        return row
    switches = part.switches
    equal = part.group > 1 and "thresholds" in switches.group_equal
    if row.op == "~*~":
        if equal and switches.parameterization == "delta" and switches.auto_delta:
            return freed(row)
        return fixed_at(row, 1.0) if _is_added(row) else row
    if row.op == "~~":
        if equal and switches.parameterization == "theta":
            return freed(row)
        return fixed_at(row, 1.0) if _is_added(row) else row
    return row


def condition_on_covariates(row: Parameter, part: Part) -> Parameter:
    """Moments of exogenous covariates are those of the sample."""
    return fixed_at(row, None) if row.exogenous and _is_added(row) else row


def raise_means(row: Parameter, part: Part) -> Parameter:
    """Under lavaan's headers, a variable of both levels has its mean at the higher one."""
    return fixed_at(row, 0.0) if row.op == "~1" and row.lhs in part.above else row


PASSES = (
    hold_thresholds,
    hold_variances,
    standardise_latents,
    mark_factors,
    drop_single_residuals,
    make_orthogonal,
    settle_means,
    hold_latent_responses,
    condition_on_covariates,
    raise_means,
)
