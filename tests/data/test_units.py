"""Units are read from cluster columns: nesting, reuse and crossing told apart, and row order without effect."""

import numpy as np
import pandas as pd
import pytest

from semgllamm.data.units import nest, order_levels
from semgllamm.errors import DataError

# three schools of two or three classes with two pupils each
NESTED = pd.DataFrame({
    "school": ["s1"] * 4 + ["s2"] * 6 + ["s0"] * 4,
    "class": [11, 11, 12, 12, 21, 21, 22, 22, 23, 23, 1, 1, 2, 2],
})
# the same, classes numbered anew in each school
REUSED = NESTED.assign(**{"class": [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 1, 1, 2, 2]})


def test_codes_follow_sorted_identifiers_within_sorted_higher_units():
    units = nest(NESTED, ["class", "school"])
    assert units.levels == ("class", "school")
    assert units.counts == {"class": 7, "school": 3}
    assert units.codes["school"].tolist() == [1] * 4 + [2] * 6 + [0] * 4
    assert units.codes["class"].tolist() == [2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 0, 0, 1, 1]
    assert units.ids["class"].tolist() == [1, 2, 11, 12, 21, 22, 23]
    assert units.parents("class").tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert units.codes["class"].dtype == np.int64
    assert units.notes == ()


def test_reused_identifiers_are_nested_with_a_note():
    units = nest(REUSED, ["class", "school"])
    assert units.counts["class"] == 7
    assert units.codes["class"].tolist() == nest(NESTED, ["class", "school"]).codes["class"].tolist()
    assert units.ids["class"].names == ["school", "class"]
    assert units.label("class", 6) == "class 3 of school s2"
    assert "reused across 'school' and read as nested: 7 units, from 3 identifiers" in units.notes[0]


@pytest.mark.parametrize("frame", [NESTED, REUSED])
def test_the_order_of_rows_changes_nothing(frame):
    order = np.random.default_rng(1).permutation(len(frame))
    units, shuffled = nest(frame, ["class", "school"]), nest(frame.iloc[order], ["class", "school"])
    for level in units.levels:
        assert (units.codes[level][order] == shuffled.codes[level]).all()
        assert units.ids[level].equals(shuffled.ids[level])


def test_three_levels_with_counters_at_two_of_them():
    rows = [(s, c, p) for s in "AB" for c in range(1, 4) for p in range(1, 5) for _ in range(2)]
    frame = pd.DataFrame(rows, columns=["school", "class", "pupil"])
    units = nest(frame, ["pupil", "class", "school"], within=["pupil", "class"])
    assert units.counts == {"pupil": 24, "class": 6, "school": 2}
    assert units.label("pupil", 23) == "pupil 4 of class 3 of school B"
    assert units.parents("pupil").tolist() == [k // 4 for k in range(24)]
    fewer = frame[(frame["school"] == "B") | (frame["class"] < 3)]
    fewer = fewer[(fewer["class"] == 2) | (fewer["pupil"] < 4)]
    units = nest(fewer, ["pupil", "class", "school"])
    assert units.counts == {"pupil": 3 + 4 + 3 + 4 + 3, "class": 5, "school": 2}
    assert all("read as nested" in note for note in units.notes) and len(units.notes) == 2


def test_a_minority_in_several_higher_units_is_crossing():
    frame = NESTED.copy()
    frame.loc[0, "school"] = "s2"
    with pytest.raises(DataError, match="'class' and 'school' cross: 1 of 7 values") as caught:
        nest(frame, ["class", "school"])
    assert "class 11 in school s1, s2" in str(caught.value)
    assert "(1 | school/class)" in caught.value.remedy


def test_what_the_text_nests_may_have_any_pattern():
    frame = NESTED.copy()
    frame.loc[0, "school"] = "s2"
    assert nest(frame, ["class", "school"], within=["class"]).counts["class"] == 8


def test_two_complete_factors_with_one_row_a_cell_cross():
    frame = pd.DataFrame([(p, i) for p in range(1, 21) for i in range(1, 6)], columns=["person", "item"])
    with pytest.raises(DataError, match="cross"):
        nest(frame, ["person", "item"])


@pytest.mark.parametrize("labels", [range(7), range(1, 8), list("ABCDEFG")])
@pytest.mark.parametrize("met", [1.0, 0.95, 0.8, 0.5])
def test_raters_met_in_many_schools_cross_unless_the_text_nests_them(labels, met):
    rng = np.random.default_rng(5)
    cells = [(school, rater) for school in range(30) for rater in labels if rng.random() < met]
    frame = pd.DataFrame(cells * 3, columns=["school", "rater"])
    with pytest.raises(DataError, match="'rater' and 'school' cross: 7 of 7 values of 'rater'") as caught:
        nest(frame, ["rater", "school"])
    assert f"rater {labels[0]} in school" in str(caught.value)
    for words in ("(1 | school/rater)", "identifier of its own", "covariate"):
        assert words in caught.value.remedy
    with pytest.raises(DataError, match="cross"):
        order_levels(frame, ["school", "rater"])
    assert nest(frame, ["rater", "school"], within=["rater"]).counts["rater"] == len(cells)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("present", [1.0, 0.95])
def test_classes_counted_in_schools_of_different_size_are_nested(start, present):
    """Also where a number is left out now and then."""
    rng = np.random.default_rng(6)
    sizes = rng.integers(2, 12, 40)
    cells = [(f"school {s}", start + c) for s, n in enumerate(sizes) for c in range(n) if rng.random() < present]
    frame = pd.DataFrame(cells * 2, columns=["school", "class"])
    units = nest(frame, ["class", "school"])
    assert units.counts["class"] == len(cells)
    assert "read as nested" in units.notes[0]
    assert order_levels(frame, ["school", "class"]) == ("class", "school")
    numbered = frame.assign(**{"class": frame["class"].astype(str)})
    assert nest(numbered, ["class", "school"]).counts["class"] == len(cells)


def test_numbers_that_do_not_count_on_from_the_first_cross():
    frame = REUSED.assign(**{"class": REUSED["class"] + 10})
    with pytest.raises(DataError, match="cross"):
        nest(frame, ["class", "school"])
    assert nest(frame, ["class", "school"], within=["class"]).counts["class"] == 7


def test_pupils_of_primary_schools_spread_over_secondary_schools_cross():
    rng = np.random.default_rng(3)
    primary = rng.integers(1, 80, 2000)
    secondary = 1 + (primary // 5 + rng.integers(0, 4, 2000)) % 15
    with pytest.raises(DataError, match="cross"):
        nest(pd.DataFrame({"primary": primary, "secondary": secondary}), ["primary", "secondary"])


def test_long_labels_in_every_higher_unit_are_not_counters():
    frame = pd.DataFrame({"rater": ["Smith", "Jones"] * 6, "essay": np.repeat([1, 2, 3], 4)})
    with pytest.raises(DataError, match="cross: 2 of 2 values"):
        nest(frame, ["rater", "essay"])


def test_levels_in_the_wrong_order_are_told_apart_from_crossing():
    with pytest.raises(DataError, match="'class' lies within 'school'") as caught:
        nest(NESTED, ["school", "class"])
    assert '["class", "school"]' in caught.value.remedy


def test_missing_identifiers_name_the_rows():
    frame = NESTED.set_index(pd.Index([f"r{k}" for k in range(len(NESTED))]))
    frame.loc[["r2", "r5"], "school"] = None
    with pytest.raises(DataError, match="cluster column 'school' has 2 missing identifiers, in row r2, r5"):
        nest(frame, ["class", "school"])


def test_an_unknown_cluster_column_offers_names():
    with pytest.raises(DataError, match="cluster column 'skool'") as caught:
        nest(NESTED, ["class", "skool"])
    assert "school" in caught.value.remedy


def test_sparse_levels_are_noted():
    single_rows = nest(pd.DataFrame({"id": [3, 1, 2]}), ["id"])
    assert "each unit of level 'id' holds a single row" in single_rows.notes[0]
    single_unit = nest(NESTED.assign(country=1), ["school", "country"])
    assert any("'country' has a single unit" in note for note in single_unit.notes)
    paired = nest(NESTED.assign(head=NESTED["school"]), ["school", "head"])
    assert any("'head' holds a single unit of level 'school'" in note for note in paired.notes)


def test_a_categorical_cluster_column_equals_a_plain_one():
    frame = NESTED.astype({"school": pd.CategoricalDtype(["s2", "s1", "s0", "unused"])})
    assert nest(frame, ["school"]).codes["school"].tolist() == nest(NESTED, ["school"]).codes["school"].tolist()


def test_no_clusters():
    units = nest(NESTED, [])
    assert units.levels == () and units.n_rows == 14


@pytest.mark.parametrize("names", [["class", "school", "country"], ["country", "class", "school"]])
def test_levels_are_ordered_by_nesting(names):
    frame = NESTED.assign(country=NESTED["school"].eq("s0").astype(int))
    assert order_levels(frame, names) == ("class", "school", "country")


def test_levels_with_reused_identifiers_are_ordered_by_counting_or_by_the_text():
    named = REUSED.assign(school=REUSED["school"].replace({"s0": "Abbey", "s1": "Birch", "s2": "Cedar"}))
    assert order_levels(named, ["school", "class"]) == ("class", "school")
    reversed_text = NESTED.assign(**{"class": NESTED["class"] % 3})
    assert order_levels(reversed_text, ["school", "class"], within={"class": "school"}) == ("class", "school")


def test_two_columns_that_could_both_be_the_counter_have_no_order():
    # the first school has one class more, and the third class is in the first school alone
    frame = REUSED.assign(school=REUSED["school"].replace({"s0": "B", "s1": "C", "s2": "A"}))
    with pytest.raises(DataError, match="cross") as caught:
        order_levels(frame, ["school", "class"])
    assert "cluster=" in caught.value.remedy
    assert nest(frame, ["class", "school"]).counts["class"] == 7


def test_levels_of_which_neither_nests_have_no_order():
    frame = NESTED.copy()
    frame.loc[0, "school"] = "s2"
    with pytest.raises(DataError, match="cross"):
        order_levels(frame, ["school", "class"])
