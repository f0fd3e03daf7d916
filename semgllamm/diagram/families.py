"""Families as a diagram needs them: their default links, which have a residual, and who gives a response its family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import ColumnRole, FamilyChoice, FamilySpec
from semgllamm.errors import ModelError

__all__ = [
    "EXTENDED",
    "FAMILIES",
    "GAUSSIAN",
    "PROBIT",
    "SYNONYMS",
    "Known",
    "family_in",
    "has_residual",
    "has_thresholds",
    "has_variance",
    "is_linear",
    "own_predictors",
    "settle_families",
    "with_link",
]


@dataclass(frozen=True, slots=True)
class Known:
    """What the language knows of a family.

    Parameters
    ----------
    links : tuple of str
        Those it can be fitted with, the default first.
    own : tuple of str
        Its own parameters that have linear predictors: "dispersion", "inflation", "guessing", "ceiling".
    written : tuple of str
        Linear predictors that are there only where they are written: a residual's dispersion, the scale of the latent
        response behind a threshold ("dispersion"), effects on thresholds ("thresholds").
    options : tuple of str
        What may be written in its parentheses with a name.
    beside : str or None
        The directive that names a second column of its data.
    """

    links: tuple[str, ...]
    own: tuple[str, ...] = ()
    written: tuple[str, ...] = field(default=(), kw_only=True)
    options: tuple[str, ...] = ()
    beside: str | None = None


ORDERED = ("ordinal", "sequential", "adjacent")
SHARES = ("logit", "probit", "cloglog", "loglog")
# the only list of families and links in the language; tests hold it to the registry of the families that are fitted
FAMILIES: dict[str, Known] = {
    "gaussian": Known(("identity", "log", "reciprocal"), written=("dispersion",)),
    "bernoulli": Known((*SHARES, "log", "identity"), written=("dispersion",)),
    "bernoulli3pl": Known(SHARES, ("guessing",)),
    "bernoulli3plu": Known(SHARES, ("ceiling",)),
    "bernoulli4pl": Known(SHARES, ("guessing", "ceiling")),
    "binomial": Known((*SHARES, "log", "identity"), written=("dispersion",), beside="trials"),
    "binomial3pl": Known(SHARES, ("guessing",), beside="trials"),
    "binomial3plu": Known(SHARES, ("ceiling",), beside="trials"),
    "binomial4pl": Known(SHARES, ("guessing", "ceiling"), beside="trials"),
    "poisson": Known(("log", "identity", "sqrt")),
    "ordinal": Known(SHARES, written=("dispersion", "thresholds")),
    "sequential": Known(SHARES, written=("dispersion", "thresholds")),
    "adjacent": Known(("logit",), written=("thresholds",)),
    "gamma": Known(("log", "reciprocal", "identity", "inverse_square"), ("dispersion",)),
    "inversegaussian": Known(("log", "reciprocal", "identity", "inverse_square"), ("dispersion",)),
    "nbinom2": Known(("log", "identity", "sqrt"), ("dispersion",)),
    "nbinom1": Known(("log", "identity"), ("dispersion",)),
    "beta": Known(SHARES, ("dispersion",)),
    "exponential": Known(("log", "reciprocal", "identity"), (), ("event",), "event"),
    "weibull": Known(("log",), ("dispersion",), ("event",), "event"),
    "censored": Known(("identity",), (), ("lower", "upper"), "interval", written=("dispersion",)),
    "zipoisson": Known(("log",), ("inflation",)),
    "zinbinom1": Known(("log",), ("dispersion", "inflation")),
    "zinbinom2": Known(("log",), ("dispersion", "inflation")),
    "hurdlepoisson": Known(("log",), ("inflation",)),
    "hurdlenbinom1": Known(("log",), ("dispersion", "inflation")),
    "hurdlenbinom2": Known(("log",), ("dispersion", "inflation")),
    "multinomial": Known(("logit",), (), ("reference",)),
    "ranking": Known(("logit",)),
}
# a second name of a family
SYNONYMS = {"negbinomial": "nbinom2"}
# what zeros of their own make of a family of counts, and asymptotes of one of two answers
EXTENDED = {
    ("poisson", "inflation"): "zipoisson", ("nbinom1", "inflation"): "zinbinom1",
    ("nbinom2", "inflation"): "zinbinom2", ("bernoulli", "guessing"): "bernoulli3pl",
    ("bernoulli", "ceiling"): "bernoulli3plu", ("bernoulli3pl", "ceiling"): "bernoulli4pl",
    ("bernoulli3plu", "guessing"): "bernoulli4pl", ("binomial", "guessing"): "binomial3pl",
    ("binomial", "ceiling"): "binomial3plu", ("binomial3pl", "ceiling"): "binomial4pl",
    ("binomial3plu", "guessing"): "binomial4pl",
}  # fmt: skip

GAUSSIAN = FamilySpec("gaussian", "identity")
PROBIT = FamilySpec("ordinal", "probit")


def with_link(family: FamilySpec) -> FamilySpec:
    """The family with its default link where none is named."""
    known = FAMILIES.get(family.name)
    return family if family.link else replace(family, link=known.links[0] if known else "logit")


def has_variance(diagram: PathDiagram, response: str) -> bool:
    """Whether a response has the row ``y ~~ y`` at its level: it has a residual, and no @dispersion in its place."""
    return has_residual(family_in(diagram, response)) and "dispersion" not in own_predictors(diagram, response)


def has_residual(family: FamilySpec) -> bool:
    """Whether ``y ~~ y`` means something: a normal residual around the mean."""
    return family.name in ("gaussian", "censored")


def is_linear(family: FamilySpec) -> bool:
    """Whether a response is its linear predictor and a normal residual that is seen: only such residuals covary."""
    return family.name == "gaussian" and with_link(family).link == "identity"


def own_predictors(diagram: PathDiagram, response: str) -> tuple[str, ...]:
    """The linear predictors of a response beside its mean's: those of its family, and those that are written."""
    known = FAMILIES.get(family_in(diagram, response).name)
    if known is None:
        return ()
    written = {p.kind for p in diagram.predictors if p.response == response}
    return (*known.own, *(kind for kind in known.written if kind in written))


def has_thresholds(family: FamilySpec) -> bool:
    """Whether the answers are ordered categories, with thresholds between them."""
    return family.name in ORDERED


def family_in(diagram: PathDiagram, response: str) -> FamilySpec:
    """The family of a response, its link filled in; gaussian where none is chosen, ordinal(probit) with thresholds."""
    chosen = diagram.family_of(response)
    if chosen is not None:
        return with_link(chosen)
    return PROBIT if response in diagram.with_thresholds else GAUSSIAN


def settle_families(
    diagram: PathDiagram, ordered: Iterable[str], family: Mapping[str, str | FamilySpec] | str | FamilySpec | None
) -> PathDiagram:
    """The diagram with a family for each response that the text, the argument `family`, or `ordered` gives one.

    Raises
    ------
    ModelError
        If text and call disagree, or the call names no response.
    """
    responses = diagram.responses
    chosen = {choice.response: choice for choice in diagram.families}
    for name in ordered:
        if name not in responses:
            raise _no_response("ordered=", name, responses)
    ordered = {*ordered, *diagram.with_thresholds}
    if isinstance(family, Mapping):
        for name, named in family.items():
            spec = _spec(named)
            if name not in responses:
                raise _no_response("family=", name, responses)
            if name in chosen and not _same(chosen[name].family, spec):
                place = chosen[name].span or chosen[name].family.span
                written = f"{chosen[name].family.name}({with_link(chosen[name].family).link})"
                raise ModelError(
                    f"Two different families for '{name}': {written} here, {named} in family=",
                    text=diagram.text,
                    span=place,
                )
            chosen.setdefault(name, FamilyChoice(name, spec))
    elif family is not None:
        for name in responses:
            if name not in ordered:
                chosen.setdefault(name, FamilyChoice(name, _spec(family)))
    for name in responses:
        if name in ordered:
            chosen.setdefault(name, FamilyChoice(name, PROBIT))
    if len(chosen) > len(diagram.families):
        diagram = replace(diagram, families=tuple(chosen.values()))
    return _with_event_columns(_extended(diagram))


def _extended(diagram: PathDiagram) -> PathDiagram:
    """``@inflation(y ~ x)`` makes zero-inflated counts of counts, ``@guessing(u ~ 1)`` a lower asymptote of answers."""
    if not diagram.predictors:
        return diagram
    changed = {choice.response: choice for choice in diagram.families}
    for predictor in diagram.predictors:
        choice = changed.get(predictor.response)
        name = choice and EXTENDED.get((choice.family.name, predictor.kind))
        if name:
            changed[predictor.response] = replace(choice, family=replace(choice.family, name=name))
    return replace(diagram, families=tuple(changed.values()))


def _with_event_columns(diagram: PathDiagram) -> PathDiagram:
    """``weibull(event=died)`` is ``@event(y, died)``."""
    roles = list(diagram.columns)
    for choice in diagram.families:
        column = dict(choice.family.options).get("event")
        if column is None:
            continue
        place = choice.family.span or choice.span
        written = next((role for role in roles if (role.kind, role.target) == ("event", choice.response)), None)
        if written is None:
            roles.append(ColumnRole("event", choice.response, str(column), span=place))
        elif written.column != column:
            message = f"Two different columns of events for '{choice.response}': {written.column} and {column}"
            raise ModelError(message, text=diagram.text, span=place, remedy="Keep one of them.")
    return replace(diagram, columns=tuple(roles)) if len(roles) > len(diagram.columns) else diagram


def _no_response(argument: str, name: str, responses: tuple[str, ...]) -> ModelError:
    near = get_close_matches(str(name), responses, n=1)
    remedy = f"Did you mean '{near[0]}'?" if near else f"Its responses: {', '.join(responses[:12])}."
    return ModelError(f"{argument} names '{name}', which is no response of the model", remedy=remedy)


def _same(one: FamilySpec, other: FamilySpec) -> bool:
    one, other = with_link(one), with_link(other)
    return (one.name, one.link) == (other.name, other.link) and (
        not one.options or not other.options or set(one.options) == set(other.options)
    )


def _spec(named: str | FamilySpec) -> FamilySpec:
    """``ordinal(probit)`` or ``censored(lower=0)`` as given in a call."""
    if isinstance(named, FamilySpec):
        return replace(named, name=SYNONYMS.get(named.name, named.name))
    read = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", str(named))
    if read is None:
        raise ModelError(f"family= cannot be {named!r}", remedy='Write it as in family="bernoulli(logit)".')
    link, options = None, []
    for argument in filter(None, (part.strip() for part in (read[2] or "").split(","))):
        key, equals, value = (piece.strip() for piece in argument.partition("="))
        if equals:
            options.append((key, float(value) if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", value) else value))
        else:
            link = key
    return FamilySpec(SYNONYMS.get(read[1], read[1]), link, tuple(options))
