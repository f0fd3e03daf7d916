"""Events, ends of intervals and limits: what stands beside a response, as the likelihood sees it."""

import numpy as np
import pandas as pd
import pytest

from semgllamm.data.binding import bind
from semgllamm.diagram.families import settle_families
from semgllamm.errors import DataError, ModelError
from semgllamm.syntax.build import read

NAN, INF = np.nan, np.inf
DATA = pd.DataFrame({
    "time": [1.5, 2.5, 0.5, NAN], "died": [1, 0, 1, 0], "dead": [True, False, True, False], "odd": [1, 0, 2, 0],
    "y": [0.0, 1.0, 3.0, NAN], "lo": [NAN, 1.0, 2.0, NAN], "hi": [0.5, 1.5, NAN, NAN], "same": [0.0, 1.0, 3.0, NAN],
    "x": [0.1, 0.2, 0.4, 0.3],
})  # fmt: skip


def bound(text, family=None):
    return bind(settle_families(read(text), (), family), DATA)


@pytest.mark.parametrize(
    "text, family",
    [
        ("time ~ x  @family(weibull) @event(died)", None),
        ("time ~ x  @family(weibull(event=died))", None),
        ("time ~ x\n@event(time, dead)", "exponential"),
        ("time ~ x", {"time": "weibull(log, event=dead)"}),
    ],
)
def test_events(text, family):
    np.testing.assert_array_equal(bound(text, family).beside["time"], [1, 0, 1, 0])


def test_events_are_0_or_1():
    with pytest.raises(DataError, match=r"column 'time', row 2 .*2 is neither 0 nor 1 in the column of events"):
        bound("time ~ x  @family(weibull) @event(odd)")


def test_two_columns_of_events():
    with pytest.raises(ModelError, match="Two different columns of events for 'time': died and dead"):
        bound("time ~ x  @family(weibull(event=dead)) @event(died)")


@pytest.mark.parametrize(
    "family, ends, others",
    [
        ("censored", [0, 1, 3, NAN], [0, 1, 3, NAN]),
        ("censored(lower=0)", [0, 1, 3, NAN], [-INF, 1, 3, NAN]),
        ("censored(upper=2)", [0, 1, 2, NAN], [0, 1, INF, NAN]),
        ("censored(lower=0.5, upper=2)", [0.5, 1, 2, NAN], [-INF, 1, INF, NAN]),
    ],
)
def test_limits(family, ends, others):
    found = bound(f"y ~ x  @family({family})")
    np.testing.assert_array_equal(found.values["y"], ends)
    np.testing.assert_array_equal(found.beside["y"], others)


def test_intervals():
    found = bound("lo ~ x  @family(censored) @interval(hi)")
    np.testing.assert_array_equal(found.values["lo"], [0.5, 1.0, 2.0, NAN])
    np.testing.assert_array_equal(found.beside["lo"], [-INF, 1.5, INF, NAN])
    seen = bound("y ~ x  @family(censored) @interval(same)")
    np.testing.assert_array_equal(seen.beside["y"][:3], seen.values["y"][:3])


def test_intervals_that_cannot_be():
    with pytest.raises(DataError, match=r"upper end 'hi', row 2: 0\.5 is below the lower end 'y'"):
        bind(settle_families(read("y ~ x  @family(censored) @interval(hi)"), (), None), DATA.assign(hi=[1, 2, 0.5, 3]))
    with pytest.raises(DataError, match="intervals of its own and limits for all"):
        bound("lo ~ x  @family(censored(lower=0)) @interval(hi)")
    with pytest.raises(DataError, match="censored at 3 below and at 1 above"):
        bound("y ~ x  @family(censored(lower=3, upper=1))")


def test_inflation_makes_zero_inflated_counts_of_counts():
    counts = DATA.assign(y=[0, 1, 2, 3])
    for name, inflated in [("poisson", "zipoisson"), ("nbinom1", "zinbinom1"), ("negbinomial", "zinbinom2")]:
        found = bind(settle_families(read(f"y ~ x  @family({name}) @inflation(x)"), (), None), counts)
        assert found.families["y"] == f"{inflated}(log)"
