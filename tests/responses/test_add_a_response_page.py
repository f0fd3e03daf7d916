"""The page on adding a family shows the contract and a family as they are."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "contributing" / "add-a-response.md"


def test_the_page_shows_the_sources_verbatim():
    blocks = dict(re.findall(r"```python file=(\S+)\n(.*?)```\n", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL))
    assert set(blocks) == {"semgllamm/responses/contract.py", "semgllamm/responses/poisson.py"}
    for name, shown in blocks.items():
        assert shown == Path(REPOSITORY, name).read_text(encoding="utf-8"), f"copy {name} into {PAGE.name}"


def test_the_page_names_only_what_exists():
    from semgllamm.responses import checks, jit, links, registry

    page = re.sub(r"```python.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    for module, name in [(links, "logistic"), (links, "log_normal_cdf"), (links, "capped_exp"), (checks, "refuse"),
                         (jit, "cache_folder"), (registry, "FAMILIES")]:
        assert hasattr(module, name)
        assert re.search(rf"[`.]{name}\b", page)
    for file in re.findall(r"`((?:semgllamm|tests)/[\w/]+\.py)`", page):
        assert (REPOSITORY / file).is_file()
