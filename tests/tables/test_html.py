"""HTML: well formed, escaped, and walkable by a screen reader."""

from xml.etree import ElementTree

import pytest
from reports import REPORTS, guatemala, not_converged

from semgllamm.tables.contents import contents
from semgllamm.tables.html import render
from semgllamm.tables.summary import Summary
from semgllamm.tables.table import Row, Section, Statement, Table


@pytest.mark.parametrize("name", REPORTS)
def test_tables_are_well_formed_and_labelled(name):
    tree = ElementTree.fromstring(render(contents(REPORTS[name]())))
    tables = list(tree.iter("table"))
    assert tables
    for table in tables:
        assert table[0].tag == "caption" and table[0].text
        assert all(cell.get("scope") in {"col", "row", "rowgroup"} for cell in table.iter("th"))
        widths = {sum(int(cell.get("colspan", 1)) for cell in row) for row in table.iter("tr")}
        assert len(widths) == 1


def test_names_are_escaped():
    hostile = '<script>alert("&")</script>'
    table = Table(hostile, (hostile,), (Section((Row(hostile, (1.0,), hostile),), hostile),), (hostile,))
    source = render([Statement(hostile), table])
    assert "<script>" not in source
    assert source.count("&lt;script&gt;") == 7


def test_a_failure_is_an_alert_before_everything_else():
    tree = ElementTree.fromstring(render(contents(not_converged())))
    first = next(element for element in tree if element.tag != "style")
    assert first.get("role") == "alert"


def test_summary_shows_itself_everywhere():
    summary = Summary(contents(guatemala()))
    assert str(summary).startswith("semgllamm 0.1.0 ended normally")
    assert repr(summary) == str(summary)
    assert summary._repr_html_() == summary.to_html()
    assert "-0.994" in summary.to_html()
    assert r"\toprule" in summary.to_latex()


def test_neighbouring_lists_have_captions_of_their_own():
    tree = ElementTree.fromstring(render(contents(guatemala())))
    captions = [caption.text for caption in tree.iter("caption")]
    assert captions[:2] == ["The fit", "The data"]
    headings = [element.text for element in tree if element.tag in ("h3", "h4")]
    assert headings and not any(text.endswith(":") for text in headings)
