"""Numbers and names as they are written."""

from math import inf, nan

import pytest

from semgllamm.tables.abbreviate import abbreviate, abbreviate_all
from semgllamm.tables.numbers import cell, decimal, rounded_up


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.00049, "0.000"),
        (0.0005001, "0.001"),
        (-0.0737, "-0.074"),
        (1147412.977, "1147412.977"),
        (3.2e12, "3.200e+12"),
        (nan, ""),
        (inf, "Inf"),
        (-inf, "-Inf"),
    ],
)
def test_decimal(value, written):
    assert decimal(value) == written


@pytest.mark.parametrize(("value", "written"), [(3, "3"), (3.0, "3.000"), (None, ""), ("text", "text"), (nan, "")])
def test_cell_is_written_by_its_kind(value, written):
    assert cell(value) == written


def test_numpy_scalars_are_numbers():
    import numpy as np

    assert cell(np.int64(12)) == "12"
    assert cell(np.float64(0.5)) == "0.500"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.00234, "0.003"), (0.002, "0.002"), (0.0095, "0.01"), (0.96, "1"), (3.1, "4"), (2.3e-7, "3e-07"),
     (8e-12, "1e-09"), (0.0, "0")],
)
def test_an_error_is_never_understated(value, written):
    assert rounded_up(value) == written
    assert float(written) >= value


@pytest.mark.parametrize(
    ("name", "width", "short"),
    [  # the answers of R's abbreviate()
        ("longlabel", 4, "lngl"),
        ("longlabel2", 4, "lng2"),
        ("aVeryLongVariableName", 7, "aVryLVN"),
        ("xyzverylongnamehere", 14, "xyzverylngnmhr"),
        ("a_long_indicator_name", 14, "a_lng_ndctr_nm"),
        ("IMPORTANTCAPITALS_XYZ_1", 14, "IMPORTANTCAPIT"),
        ("short", 14, "short"),
    ],
)
def test_abbreviate_as_r_does(name, width, short):
    assert abbreviate(name, width) == short


def test_abbreviations_that_would_coincide_are_given_room():
    short = abbreviate_all(["longlabel", "longlabelx", "b"], 4)
    assert short == {"longlabel": "longlbl", "longlabelx": "lnglblx", "b": "b"} or len(set(short.values())) == 3
    many = abbreviate_all([f"AttitudeTowardsScienceItem{letter}x" for letter in "abcdefgh"], 7)
    assert len(set(many.values())) == 8
