"""What each variable is to the statements of one block: indicator, cause, effect, exogenous."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from semgllamm.diagram.parts import Path

__all__ = ["Roles"]


@dataclass(frozen=True)
class Roles:
    """The variables of the paths of one block, by what they do there.

    Attributes
    ----------
    paths : tuple of Path
        The statements of the block.
    known : frozenset of str
        Latent variables of the whole diagram.
    categorical : tuple of str
        Those of them that are categorical.
    elsewhere : frozenset of str
        Variables that a statement of another level explains, so that they are not exogenous here.
    """

    paths: tuple[Path, ...]
    known: frozenset[str]
    categorical: tuple[str, ...] = ()
    elsewhere: frozenset[str] = frozenset()

    def _left(self, *ops: str) -> tuple[str, ...]:
        return _unique(path.lhs for path in self.paths if path.op in ops)

    def _right(self, *ops: str) -> tuple[str, ...]:
        return _unique(path.rhs for path in self.paths if path.op in ops)

    @cached_property
    def latents(self) -> tuple[str, ...]:
        """Continuous latent variables that the block defines."""
        return tuple(name for name in self._left("=~", "<~") if name not in self.categorical)

    @cached_property
    def formative(self) -> tuple[str, ...]:
        """Those that are sums of their causes."""
        return self._left("<~")

    @cached_property
    def indicators(self) -> frozenset[str]:
        """Measures, observed or latent; a latent variable without measures counts as its own."""
        return frozenset(path.rhs or path.lhs for path in self.paths if path.op == "=~")

    @cached_property
    def dependents(self) -> tuple[str, ...]:
        """Left of ``~``."""
        return self._left("~")

    @cached_property
    def predictors(self) -> tuple[str, ...]:
        """Right of ``~`` or ``<~``."""
        return self._right("~", "<~")

    @cached_property
    def observed(self) -> tuple[str, ...]:
        """Observed variables in lavaan's order: measures, dependents, predictors, those in ``~~``, with a mean."""
        names = [*self._right("=~"), *self.dependents, *self.predictors, *self._left("~~"), *self._right("~~")]
        names += self._left("~1", "|", "~*~")
        return tuple(name for name in _unique(names) if name and not self._has_latent(name))

    @cached_property
    def exogenous(self) -> tuple[str, ...]:
        """Observed predictors that nothing is said of: conditioned on, not explained."""
        explained = self.indicators.union(self.dependents, self._left("~~", "~1"), self._right("~~"), self.elsewhere)
        return tuple(name for name in self.observed if name in self.predictors and name not in explained)

    @cached_property
    def explained(self) -> tuple[str, ...]:
        """Observed variables that are not exogenous."""
        return tuple(name for name in self.observed if name not in self.exogenous)

    @cached_property
    def exogenous_latents(self) -> tuple[str, ...]:
        """Latent variables that nothing predicts and that are no measures."""
        return tuple(name for name in self.latents if name not in self.indicators and name not in self.dependents)

    @cached_property
    def final(self) -> tuple[str, ...]:
        """Dependents that predict nothing and measure nothing, the latent ones first."""
        causes = {factor for name in self.predictors for factor in (name, *name.split(":"))}
        free = [name for name in self.dependents if name not in self.indicators and name not in causes]
        latent = [name for name in self.latents if name in free]
        return (*latent, *(name for name in self.observed if name in free))

    def _has_latent(self, name: str) -> bool:
        return name in self.known or any(factor in self.known for factor in name.split(":"))


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each pair once, in the order of the names."""
    return [(first, second) for k, first in enumerate(names) for second in names[k + 1 :]]
