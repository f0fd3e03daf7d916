"""Choices and rankings that cannot be, and models of them without meaning: refused by name, with a remedy."""

import warnings

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm import DataError, ModelError

CHOICE = "y ~ alt + cost\n@alternatives(y, case=id, alternative=alt)"
RANKED = "r ~ alt + cost  @family(ranking)\n@alternatives(r, case=id, alternative=alt)"


def sample() -> pd.DataFrame:
    """Forty cases of three alternatives, two cases a person."""
    rng = np.random.default_rng(1)
    case = np.repeat(np.arange(40), 3)
    data = pd.DataFrame({"id": case + 100, "person": case // 2, "alt": np.tile(["a", "b", "c"], 40)})
    data["cost"] = rng.normal(size=120)
    data["income"] = rng.normal(size=40)[case]
    data["r"] = np.concatenate([1.0 + rng.permutation(3) for _ in range(40)])
    data["y"] = (data["r"] == 1).astype(float)
    data["u"] = rng.choice(["bus", "car", "train"], 120)
    return data


DATA = sample()


def put(column, value, *rows) -> pd.DataFrame:
    data = DATA.copy()
    data.loc[list(rows), column] = value
    return data


def chosen(case) -> int:
    """The row that a case chooses."""
    return int(DATA.index[(DATA["id"] == case) & (DATA["y"] == 1)][0])


ROW = chosen(101)
OTHERS = [row for row in (3, 4, 5) if row != ROW]
SECOND = next(row for row in (3, 4, 5) if DATA["r"][row] == 2)
LAST = next(row for row in (3, 4, 5) if DATA["r"][row] == 3)

REFUSED = {
    # the data
    "listed twice": (CHOICE, put("alt", "a", 4), DataError, ("case 101 of 'y'", "alternative a twice", "'id'")),
    "no choice": (CHOICE, put("y", 0.0, ROW), DataError, ("case 101 of 'y'", "no chosen alternative")),
    "two choices": (CHOICE, put("y", 1.0, *OTHERS[:1]), DataError, ("case 101 of 'y'", "2 chosen alternatives")),
    "neither": (CHOICE, put("y", 2.0, 4), DataError, ("choice 'y', row 4", "2 is neither 0 nor 1", "ranking")),
    "half a choice": (CHOICE, put("y", np.nan, 3), DataError, ("case 101 of 'y'", "1 of its 3 alternatives missing")),
    "no case": (CHOICE, put("id", np.nan, 7), DataError, ("'id' is missing in row 7",)),
    "no alternative": (CHOICE, put("alt", None, 7), DataError, ("'alt' is missing in row 7",)),
    "a case of two persons": (f"{CHOICE}\ny ~ (0 + cost | person)", put("person", 30, 4), DataError,
                              ("case 101 of 'y'", "more than one 'person'", "'id'")),
    "ties": (RANKED, put("r", 1.0, SECOND), DataError, ("case 101 of 'r' ties at rank 1", "leave both empty")),
    "a rank is missing": (RANKED, put("r", np.nan, SECOND), DataError, ("case 101 of 'r' has no rank 2", "gap")),
    "no first": (RANKED, put("r", np.nan, ROW), DataError, ("case 101 of 'r' has no rank 1",)),
    "no rank": (RANKED, put("r", 0.0, 4), DataError, ("ranking 'r', row 4", "0 is no rank")),
    "half a rank": (RANKED, put("r", 1.5, 4), DataError, ("ranking 'r', row 4", "1.5 is no rank")),
    "unknown column of cases": (CHOICE.replace("case=id", "case=idd"), DATA, DataError, ("'idd'", "line 2", "'id'")),
    "one category": ("u ~ cost @family(multinomial)", DATA.assign(u="bus"), DataError, ("'u' is constant",)),
    # the model
    "unknown reference": ("u ~ cost @family(multinomial(logit, reference=plane))", DATA, DataError,
                          ("no category 'plane'", "line 1", "bus, car, train")),
    "an intercept": (f"{CHOICE}\ny ~ 1", DATA, ModelError, ("the intercept is the same for all", "y ~ alt")),
    "a covariate of the case": (f"{CHOICE}\ny ~ income", DATA, ModelError, ("'income' is the same", "alt:...")),
    "a random intercept": (f"{CHOICE}\ny ~ (1 | person)", DATA, ModelError, ("'person.intercept' is the same",)),
    "a factor of rows": (f"{CHOICE}\ny ~ f:alt\nf =~ 0", DATA, ModelError, ("'f' varies over rows", "@level(id)")),
    "another family": (CHOICE + "\n@family(y, poisson)", DATA, ModelError, ("@alternatives", "poisson", "line 2")),
    "a ranking without cases": ("r ~ cost @family(ranking)", DATA, ModelError, ("no @alternatives", "line 1")),
    "a nominal cause": ("u ~ 1 @family(multinomial)\ncost ~ u", DATA, ModelError, ("'u' cannot be a cause", "line 2")),
    "a nominal covariance": ("u ~ 1 @family(multinomial)\n@level(person)\nu ~~ u", DATA, ModelError,
                             ("u ~~ u of a nominal response", "line 3", "(1 | school)")),
    "an offset for all": ("u ~ 1 @family(multinomial) @offset(cost)", DATA, ModelError, ("@offset", "`u[car]`")),
    "the reference": ("u ~ 1 @family(multinomial)\n`u[bus]` ~ cost", DATA, ModelError,
                      ("'u[bus]' is the reference", "line 2", "u[car], u[train]")),
    "an unknown category": ("u ~ 1 @family(multinomial)\n`u[plane]` ~ cost", DATA, ModelError,
                            ("no category 'u[plane]'", "line 2")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_place_and_remedy(case):
    model, data, kind, said = REFUSED[case]
    with pytest.raises(kind) as caught:
        sg.fit(model, data, progress=False)
    for words in said:
        assert words in str(caught.value)


def test_a_case_without_answer_is_missing_and_one_without_a_covariate_is_left_out():
    data = DATA.copy()
    data.loc[3:5, "y"] = np.nan
    data.loc[7, "cost"] = np.nan
    fit = sg.fit(CHOICE, data, progress=False)
    without = sg.fit(CHOICE, DATA[~DATA["id"].isin([101, 102])], progress=False)
    assert fit.loglik == pytest.approx(without.loglik, abs=1e-10)
    assert fit.nobs == without.nobs == 38
    assert dict(fit.design.left_out) == {"missing covariate: cost": 3, "no response": 3}


def test_categories_may_be_text_numbers_or_categorical_and_have_equations_of_their_own():
    codes = DATA["u"].map({"bus": 3, "car": 5, "train": 9})
    categorical = pd.Categorical(DATA["u"], categories=["bus", "car", "train", "plane"])
    text = "u ~ 1 @family(multinomial)\n`{}` ~ a*cost\n`{}` ~ a*cost"
    fit = sg.fit(text.format("u[car]", "u[train]"), DATA, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", sg.SemgllammWarning)
        numbers = sg.fit(text.format("u[5]", "u[9]"), DATA.assign(u=codes), progress=False)
    with pytest.warns(sg.SemgllammWarning, match="1 of the declared categories"):
        declared = sg.fit(text.format("u[car]", "u[train]"), DATA.assign(u=categorical), progress=False)
    together = sg.fit("u ~ a*cost @family(multinomial)", DATA, progress=False)
    assert fit.npar == together.npar == 3
    assert [numbers.loglik, declared.loglik, together.loglik] == pytest.approx([fit.loglik] * 3, abs=1e-9)
