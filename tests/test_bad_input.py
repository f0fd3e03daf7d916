"""Bad input, as a user meets it: refused with its place and a remedy, or fitted with a word in the summary."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm import DataError, EstimationError, ModelError, ModelSyntaxError, SemgllammError, SemgllammWarning
from semgllamm.cli import main

LOGIT = "@family(bernoulli(logit))"
FACTOR = "f =~ y1 + y2 + y3"
ITEMS = f"f =~ u1 + u2 + u3 + u4 {LOGIT}"
RANDOM = f"b ~ x + (1 | school) {LOGIT}"
SCHOOLS, PUPILS = 30, 8
ENGINE = {"quadrature": "laplace"}


def sample() -> pd.DataFrame:
    """Pupils in schools in districts, with responses of every family."""
    rng = np.random.default_rng(1)
    n = SCHOOLS * PUPILS
    school = np.repeat(np.arange(SCHOOLS), PUPILS)
    x, ability = rng.normal(size=(2, n))
    nu = 0.5 + 0.5 * x + rng.normal(size=SCHOOLS)[school]
    data = pd.DataFrame({"school": school + 100, "pupil": np.arange(n), "district": school // 5, "x": x})
    data["w"] = rng.normal(size=SCHOOLS)[school]
    data["y"] = nu + rng.normal(size=n)
    data["b"] = (nu + rng.logistic(size=n) > 0).astype(int)
    data["k"] = rng.poisson(np.exp(0.3 * nu))
    data["n"], data["s"] = 5, rng.binomial(5, 1 / (1 + np.exp(-nu)))
    data["o"] = np.digitize(nu + rng.logistic(size=n), [-1, 0, 1])
    for item in range(1, 5):
        data[f"y{item}"] = ability + rng.normal(size=n)
        data[f"u{item}"] = (ability + rng.logistic(size=n) > 0).astype(int)
    return data


DATA = sample()


def put(column: str, value, rows=(4, 9)) -> pd.DataFrame:
    """The data with other values in some rows of a column."""
    data = DATA.copy()
    data[column] = data[column].astype(object if isinstance(value, str) else float)
    data.loc[list(rows), column] = value
    return data


def fit(model, data=DATA, **arguments):
    """A fit without warnings of other origin; its messages are those of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = sg.fit(model, data, progress=False, **arguments)
    assert [str(w.message) for w in caught if not issubclass(w.category, SemgllammWarning)] == []
    printed = unwrapped(result)
    for warning in caught:
        assert " ".join(str(warning.message).split()) in printed
    return result


def unwrapped(result) -> str:
    """The summary without its line ends."""
    return re.sub(r"\s+", " ", str(result.summary()))


REFUSED = {
    # what the data lack, or what they cannot be
    "unknown covariate": ("y ~ xx", DATA, {}, DataError, ("'xx'", "line 1, column 5", "'x'")),
    "unknown response": ("yyy ~ x", DATA, {}, DataError, ("'yyy'", "line 1, column 1", "yyy =~ 0")),
    "unknown cluster": ("y ~ x + (1 | schol)", DATA, {}, DataError, ("'schol'", "line 1", "'school'")),
    "unknown level": (f"{FACTOR}\n@level(schol)\ng =~ y1 + y2", DATA, {}, DataError, ("'schol'", "line 3", "'school'")),
    "unknown trials": ("s ~ x @family(binomial) @trials(tries)", DATA, {}, DataError, ("'tries'", "line 1, column 25")),
    "unknown group column": ("y ~ x", DATA, {"group": "distrct"}, DataError, ("'distrct'", "'district'")),
    "group without group=": ("y ~ x\n@group(A)\ny ~ 0*x", DATA, {}, ModelError, ("'A'", "line 3", "group=")),
    "text response": ("y ~ x", put("y", "abc", [3]), {}, DataError, ("'y', row 3", "'abc' is not a number", "NaN")),
    "dates": ("y ~ x", DATA.assign(x=pd.date_range("2020", periods=len(DATA))), {}, DataError, ("'x' holds dates",)),
    "fractional category": ("o ~ x @family(ordinal)", put("o", 1.5), {}, DataError, ("'o', row 4", "1.5")),
    "categories without order": (
        "o ~ x @family(ordinal)", DATA.assign(o=pd.Categorical.from_codes(DATA.o, list("abcd"))), {}, DataError,
        ("'o'", "no order", "ordered=True"),
    ),
    "three answers": (f"o ~ x {LOGIT}", DATA, {}, DataError, ("'o', row", "neither 0 nor 1", "4 different", "ordinal")),
    "negative count": ("k ~ x @family(poisson)", put("k", -2), {}, DataError, ("'k', row 4", "-2 is negative")),
    "fractional count": ("k ~ x @family(poisson)", put("k", 2.5), {}, DataError, ("'k', row 4", "whole number")),
    "too few trials": (
        "s ~ x @family(binomial) @trials(n)", put("n", 0, range(len(DATA))), {}, DataError, ("'s', row", "more than")
    ),
    "negative trials": (
        "s ~ x @family(binomial) @trials(n)", put("n", -3), {}, DataError, ("'s', row 4", "-3 is not a number of")
    ),
    "no trials": ("s ~ x @family(binomial)", DATA, {}, DataError, ("'s', row", "@trials(s, n)")),
    "infinite response": ("y ~ x", put("y", np.inf), {}, DataError, ("'y', row 4", "infinite", "NaN")),
    "infinite covariate": ("y ~ x", put("x", -np.inf), {}, DataError, ("'x', row 4", "infinite")),
    "infinite cluster": ("y ~ x + (1 | school)", put("school", np.inf), {}, DataError, ("'school', row 4", "infinite")),
    "exposure of zero": ("k ~ x @family(poisson) @exposure(n)", put("n", 0), {}, DataError, ("'n', row 4", "@offset")),
    "cluster without id": (
        "y ~ x + (1 | school)", put("school", np.nan), {}, DataError, ("'school' has 2 missing", "row 4, 9", "leave")
    ),
    "crossed clusters": (
        "y ~ x + (1 | school) + (1 | rater)", DATA.assign(rater=21 + DATA.pupil % 7), {}, DataError,
        ("'rater' and 'school' cross", "rater 21 in school 100, 101", "(1 | school/rater)"),
    ),
    "raters that count from 0": (
        "y ~ x + (1 | school) + (1 | rater)", DATA.assign(rater=DATA.pupil % 7), {}, DataError,
        ("'rater' and 'school' cross", "rater 0 in school 100, 101", "(1 | school/rater)", "identifier of its own"),
    ),
    "raters listed below schools": (
        "y ~ x + (1 | school)", DATA.assign(rater=1 + DATA.pupil % 7), {"cluster": ["rater", "school"]}, DataError,
        ("'rater' and 'school' cross", "7 of 7 values", "rater 1 in school 100, 101", "(1 | school/rater)"),
    ),
    "clusters upside down": (
        "y ~ x + (1 | school)", DATA, {"cluster": ["district", "school"]}, DataError, ("lowest first",)
    ),
    "no value": ("y ~ x", DATA.assign(y=np.nan), {}, DataError, ("response 'y' is missing in every row",)),
    "covariate without value": ("y ~ x", DATA.assign(x=np.nan), {}, DataError, ("covariate 'x' is missing in every",)),
    "constant response": ("y ~ x", DATA.assign(y=3.0), {}, DataError, ("'y' is constant", "3", "leave it out")),
    "constant factor": ("y ~ x", DATA.assign(x="a"), {}, DataError, ("'x' has the single level a", "leave it out")),
    "no row left": (
        "y ~ x + w", DATA.assign(x=DATA.x.where(DATA.pupil % 2 == 0), w=DATA.w.where(DATA.pupil % 2 == 1)), {},
        DataError, ("none of the 240 rows", "240 with missing covariate: w, x"),
    ),
    "varies within its level": (
        f"{FACTOR}\n@level(school)\ng =~ 1*y1 + 1*y2 + 1*y3\ng ~ x", DATA, {}, DataError,
        ("'x' is used at level 'school'", "varies within school 100:", "mean over each school"),
    ),
    "10 000 categories": (
        "o ~ x @family(ordinal)", pd.DataFrame({"o": range(10_000), "x": 1.0 * np.arange(10_000)}), {}, DataError,
        ("10000 categories", "200"),
    ),
    "10 000 levels": (
        "y ~ g", pd.DataFrame({"y": 1.0 * np.arange(10_000), "g": [f"c{i}" for i in range(10_000)]}), {}, DataError,
        ("'g' is categorical with 10000 levels", "(1 | g)"),
    ),
    "no data": ("y ~ x", None, {}, DataError, ("needs data", "fit(model, data)")),
    "empty data": ("y ~ x", pd.DataFrame(), {}, DataError, ("no rows",)),
    "a path for data": ("y ~ x", "data.csv", {}, DataError, ("type str", "pandas")),
    "two columns of one name": ("y ~ x", pd.concat([DATA, DATA[["x"]]], axis=1), {}, DataError, ("called 'x'",)),
    # what the text cannot mean, or means too soon
    "empty model": ("# nothing\n", DATA, {}, ModelSyntaxError, ("empty", "f =~ y1 + y2 + y3")),
    "a model of 1 MB": ("y ~ x\n" * 170_000, DATA, {}, ModelSyntaxError, ("1,020,000", "200,000")),
    "two latent variables of one name": (
        f"{FACTOR}\n@level(school)\n{FACTOR}", DATA, {}, ModelError, ("'f'", "line 1", "line 3", "a name of its own")
    ),
    "latent below its level": (
        f"{FACTOR}\n@level(school)\nw ~ f", DATA, {}, ModelError, ("'f' varies over rows", "'w'", "line 3, column 5")
    ),
    "cycle": (
        "u1 ~ u2\nu2 ~ u1\n@family(u1 + u2, bernoulli)", DATA, {}, ModelError,
        ("u1", "cycle", "bernoulli(logit)", "line 2", "latent variables"),
    ),
    "residual covariance": (f"{ITEMS}\nu1 ~~ u2", DATA, {}, ModelError, ("'u1' is bernoulli", "line 2", "1*u1 + 1*u2")),
    "no residual": (f"{FACTOR}\ny1 ~~ 0*y1", DATA, ENGINE, ModelError, ("'y1' is held at 0", "line 2", "Free it")),
    "single indicator": ("f =~ y1\nf ~ x", DATA, ENGINE, ModelError, ("held at 0", "only indicator", "y1 ~~ 0.5*y1")),
    "no variation": (f"{FACTOR}\ny1 ~~ 0*y1\ny2 ~~ 0*y2", DATA, {}, ModelError, ("no variation", "y1, y2", "Free a")),
    "prior": ('y ~ prior("normal(0,1)")*x', DATA, {}, ModelError, ("prior of y ~ x", "line 1, column 26")),
    "bounds the wrong way round": (
        "y ~ lower(1)*upper(0)*x", DATA, {}, ModelError, ("contradict", "lower(1) of y~x", "upper(0) of y~x", "line 1")
    ),
    "bounds that fix": ("y ~ lower(1)*upper(1)*x", DATA, {}, ModelError, ("one value only", "line 1", "Fix it at 1")),
    "contradictory inequalities": (
        "y ~ a*x + b*w\na > 1; b > 0; a < b; b < 0.5", DATA, {}, ModelError,
        ("contradict", "line 2, column 1", "line 2, column 15", "line 2, column 22"),
    ),
    "contradictory equations": (
        "y ~ a*x + b*w\na == b\nb == a + 1", DATA, {}, ModelError,
        ("contradict", "line 2, column 1", "line 3, column 1"),
    ),
    "contradictory curves": (
        "y ~ a*x + b*w\na*b == 1\na*b == 2", DATA, {}, ModelError,
        ("hold together", "line 2, column 1", "line 3, column 1"),
    ),
    "impossible curve": ("y ~ a*x\na^2 < -1", DATA, {}, ModelError, ("this constraint holds", "line 2, column 1")),
    "negative variance": (
        "y ~ x + (1 | school)\ny ~~ v*y\nv < -1", DATA, {}, ModelError, ("this constraint holds", "line 3, column 1")
    ),
    "inequality of constants": ("y ~ x\n2 < 1", DATA, {}, ModelError, ("does not hold", "line 2, column 1")),
    "constraint on a fixed parameter": (
        "y ~ a*x + 2*x\na < 1", DATA, {}, ModelError, ("does not hold", "no free parameter", "line 2, column 1")
    ),
    "constraint on an unknown label": (
        "y ~ a*x\nexp(aa) > 1", DATA, {}, ModelError, ("'aa'", "line 2, column 5", "'a'")
    ),
    "efa": ('efa("e")*f =~ y1 + y2 + y3', DATA, {}, ModelError, ("(efa)", "'f'", "line 1")),
    "one class": (f"@latent(c, classes(1))\nc =~ u1 + u2 {LOGIT}", DATA, {}, ModelError, ("'c'", "line 1, column 1")),
    "too few items for classes": (
        f"@latent(c, classes(2))\nc =~ u1 + u2 {LOGIT}", DATA, {}, EstimationError,
        ("not identified", "5 parameters", "4 different patterns"),
    ),
    "composite": ("f <~ y1 + y2\ny ~ f", DATA, {}, ModelError, ("composite 'f' has no scale", "line 1", "1*y1")),
    "ranking in wide form": (
        "y ~ x @family(ranking)", DATA, {}, ModelError, ("ranking", "'y'", "line 1, column 7", "@alternatives")
    ),
    # what the call cannot mean
    "unknown argument": ("y ~ x", DATA, {"quadrture": 7}, ModelError, ("'quadrture'", "'quadrature'")),
    "unknown rule": (RANDOM, DATA, {"quadrature": "laplac"}, EstimationError, ("'laplac'", "'laplace'")),
    "a bare number of points": (RANDOM, DATA, {"quadrature": 7}, EstimationError, ("Adaptive(points=7)",)),
    "no points": (RANDOM, DATA, {"quadrature": sg.Adaptive(0)}, EstimationError, ("0 quadrature points", "1 or more")),
    "too many points": (RANDOM, DATA, {"quadrature": sg.Adaptive(10**6)}, EstimationError, ("1000000", "300")),
    "points of another level": (
        RANDOM, DATA, {"quadrature": sg.Adaptive({"scool": 7})}, EstimationError, ("'scool'", "'school'")
    ),
    "start of nothing": ("y ~ slope*x", DATA, {"start": {"slop": 1}}, ModelError, ("'slop'", "'slope'")),
    "start that is no number": ("y ~ a*x", DATA, {"start": {"a": np.nan}}, ModelError, ("'a' is nan", "finite")),
    "start of a constant": ("y ~ 1*x", DATA, {"start": {"y~x": 3}}, ModelError, ("'y~x'", "fixed at 1")),
    "start below zero": ("y ~ x", DATA, {"start": {"y~~y": -1}}, ModelError, ("variance 'y~~y' is -1", "Give")),
    "family of no response": ("y ~ x", DATA, {"family": {"yy": "poisson"}}, ModelError, ("'yy'", "'y'")),
    "two families": (f"b ~ x {LOGIT}", DATA, {"family": {"b": "poisson"}}, ModelError, ("'b'", "poisson", "line 1")),
    "unknown family": ("y ~ x", DATA, {"family": "gausian"}, ModelError, ("'gausian'", "gaussian")),
    "ordered without response": ("o ~ x", DATA, {"ordered": ["oo"]}, ModelError, ("'oo'", "'o'")),
    "settings that are none": ("y ~ x", DATA, {"settings": 3}, EstimationError, ("settings cannot be 3", "Settings(")),
    "event in the last row only": (
        "y ~ x + (1 | school)\n@level(school)\nt ~ 1 @family(weibull) @event(died)",
        DATA.assign(t=DATA.school - 99.0, died=1 * (DATA.pupil % PUPILS == PUPILS - 1)), {}, DataError,
        ("'t' is one answer of each 'school'", "'died' varies within school 100", "line 3", "transform('max')"),
    ),
    "trials that vary": (
        "y ~ x + (1 | school)\n@level(school)\nt ~ 1 @family(binomial) @trials(pupil)",
        DATA.assign(t=DATA.school % 2, pupil=DATA.pupil + 1), {}, DataError,
        ("'pupil' varies within school 100", "line 3"),
    ),
    "clusters that are none": ("y ~ x", DATA, {"cluster": 3}, ModelError, ("cluster cannot be 3", "name of a column")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_place_and_remedy(case):
    model, data, arguments, kind, said = REFUSED[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SemgllammWarning)
        with pytest.raises(SemgllammError) as refusal:
            sg.fit(model, data, progress=False, **arguments)
    assert type(refusal.value) is kind
    for words in said:
        assert words in str(refusal.value)


def test_command_line_refuses_in_words(tmp_path, capsys):
    DATA.to_csv(tmp_path / "data.csv", index=False)
    (tmp_path / "empty.csv").write_text("x,y\n")
    for text, data, said in (
        ("y ~ xx", "data.csv", "There is no column 'xx'"),
        ("y ~ lower(1)*upper(0)*x", "data.csv", "line 1, column 23"),
        (f"o ~ x {LOGIT}", "data.csv", "neither 0 nor 1"),
        ("y ~ x", "empty.csv", "no rows"),
        ("y ~ x", "none.csv", "no data file"),
        ("", "data.csv", "empty"),
    ):
        (tmp_path / "model.sem").write_text(text)
        assert main(["fit", str(tmp_path / "model.sem"), str(tmp_path / data)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("semgllamm: ") and said in err and "Traceback" not in err


# ---- fitted, with a word


WARNED = {
    "two-valued response": ("b ~ x", DATA, "'b' has only the values 0 and 1", "@family(b, bernoulli)"),
    "latent variable called like a column": ("x =~ y1 + y2 + y3", DATA, "the latent variable 'x'", "not used"),
    "label called like a column": ("y ~ x*w", DATA, "'x' before * is the label of w", "x:w"),
    "constant covariate": ("y ~ x", DATA.assign(x=2.0), "'x' is 2 in every row", "intercept"),
    "response of schools in rows": (
        "y ~ x + (1 | school)\nw ~ x", DATA, "'w' has one value in all rows", "below a line @level(school)",
    ),
    "answer of schools in rows": (
        f"y ~ x + (1 | school)\nbig ~ x {LOGIT}", DATA.assign(big=DATA.school % 3 == 0), "'big' has one value in all",
        "below a line @level(school)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WARNED)
def test_is_warned_about_in_the_summary_too(case):
    model, data, *said = WARNED[case]
    with pytest.warns(SemgllammWarning, match=re.escape(said[0])) as caught:
        result = sg.fit(model, data, progress=False)
    assert said[1] in str(caught[0].message)
    assert all(words in unwrapped(result) for words in said)


def test_a_declared_gaussian_is_not_doubted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sg.fit("b ~ x @family(gaussian)", DATA, progress=False).converged


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("y ~ x + (1 | school)\n@level(school)\nw ~ 1", DATA),
        ("y ~ x + (1 | pupil)\nb ~ x @family(bernoulli)", DATA),
        # rare answers may be absent from all schools but a few
        (f"y ~ x + (1 | school)\nrare ~ x {LOGIT}", DATA.assign(rare=1 * (DATA.pupil == 3))[:24]),
    ],
)
def test_answers_of_rows_are_not_taken_for_copies(model, data):
    bound = sg.explain(model, data)
    assert bound is not None


def test_ordered_categories_are_their_codes():
    named = DATA.assign(o=pd.Categorical.from_codes(DATA.o, list("abcd"), ordered=True))
    model = "o ~ x @family(ordinal(logit))"
    assert fit(model, named).loglik == fit(model).loglik


def test_reused_identifiers_are_noted():
    counted = DATA.assign(school=DATA.school % 5)
    model = "y ~ x + (1 | district/school)"
    # districts of 2 to 5 schools: what counts within what is seen
    uneven = counted.school < 2 + counted.district
    again = fit("y ~ x + (1 | school) + (1 | district)", counted[uneven], cluster=["school", "district"])
    assert "reused across 'district' and read as nested" in unwrapped(again)
    for result, expected in ((again, fit(model, DATA[uneven])), (fit(model, counted), fit(model))):
        assert result.n_units["school"] == expected.n_units["school"]
        assert result.loglik == pytest.approx(expected.loglik, abs=1e-6)


def test_a_unit_of_one_row_is_noted_and_not_identified():
    printed = unwrapped(fit("y ~ x + (1 | pupil)"))
    assert "each unit of level 'pupil' holds a single row" in printed
    assert "the model is not identified" in printed and "pupil.intercept~~pupil.intercept" in printed


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("f =~ y1 + y2", {"f=~y2", "f~~f", "y1~~y1", "y2~~y2"}),
        (f"{FACTOR}\nf ~ 1", {"f~1", "y1~1", "y2~1", "y3~1"}),
        (f"f =~ NA*u1 + u2 + u3 + u4 {LOGIT}", {"f~~f", "f=~u1", "f=~u2", "f=~u3", "f=~u4"}),
        ("y ~ x + w + z", {"y~x", "y~z"}),
    ],
)
def test_unidentified_parameters_are_named_first(model, named):
    result = fit(model, DATA.assign(z=2 * DATA.x))
    first = unwrapped(result).split("ended normally")[0]
    assert "identified" in first and "Standard errors are withheld" in first
    assert set(re.findall(r"\w+(?:=~|~~|~)\w+", first)) == named
    assert np.isnan(np.diag(result.vcov())).all()


@pytest.mark.parametrize("model", [f"b ~ z {LOGIT}", f"b ~ z + (1 | school) {LOGIT}"])
@pytest.mark.parametrize("separated", ["fully", "in one group"])
def test_separation_is_not_convergence(model, separated):
    if separated == "fully":
        data = DATA.assign(z=DATA.x, b=(DATA.x > 0).astype(int))
    else:
        data = DATA.assign(z=((DATA.b == 1) & (DATA.x > 1)).astype(int))
    result = fit(model, data)
    printed = unwrapped(result)
    assert not result.converged
    assert printed.startswith("** no finite maximum") and "b~z (" in printed and "separation" in printed
    assert np.isnan(np.diag(result.vcov())).all()


def test_why_there_is_no_closed_form():
    for model, why in ((RANDOM, "with 'b', which is bernoulli"), ("y ~ x + (1 | school)", "Random terms")):
        with pytest.raises(ModelError, match=why):
            fit(model, **ENGINE).rsquare()


def test_fewer_units_than_parameters_is_noted():
    printed = unwrapped(fit("y ~ x + w + (1 + x | school)", DATA[DATA.school < 103]))
    assert "fewer independent units (3) than parameters (7)" in printed


def test_too_few_points_are_told():
    model, few = "k ~ x + (1 | pupil) @family(poisson)", sg.Settings(first_points=(2, 2), max_points=2)
    assert "2 quadrature points are too few for this likelihood: with more," in unwrapped(fit(model, settings=few))
    assert "too few" not in unwrapped(fit(model))


def test_a_fit_cut_short_says_so_first():
    result = fit(RANDOM, settings=sg.Settings(iterations=2))
    printed = unwrapped(result)
    assert not result.converged
    assert printed.startswith("** no maximum after 2 iterations") and "did NOT end normally" in printed
    assert np.isnan(result.parameters.se[result.parameters.free > 0]).all()


@pytest.mark.parametrize("response", ["y", "b"])
def test_no_cluster_variance_is_a_boundary_estimate(response):
    alike = np.tile([0, 1], len(DATA) // 2)
    data = DATA.assign(b=alike, y=DATA.x - DATA.x.groupby(DATA.school).transform("mean") + alike, x=DATA.pupil % 4)
    result = fit(f"{response} ~ x + (1 | school)" + (f" {LOGIT}" if response == "b" else ""), data)
    variance = "school.intercept~~school.intercept"
    assert result.converged and result.coef[variance] == 0.0
    assert f"{variance} lies on the boundary" in unwrapped(result)
    withheld = np.isnan(np.diag(result.vcov()))
    assert list(result.coef.index[withheld]) == [variance]


# ---- nothing is lost in silence


def test_lost_rows_are_counted():
    result = fit("y ~ x + (1 | school)", put("x", np.nan))
    assert result.nobs == len(DATA) - 2
    assert "rows left out: missing covariate: x 2" in unwrapped(result)


def test_missing_responses_are_used():
    data = put("y1", np.nan)
    used, listwise = fit("f =~ y1 + y2 + y3 + y4", data), fit("f =~ y1 + y2 + y3 + y4", data, missing="listwise")
    assert (used.nobs, listwise.nobs) == (len(DATA), len(DATA) - 2)
    assert "used as they are" in unwrapped(used)
    assert re.search(r"listwise deletion of missing responses 2", unwrapped(listwise))
