"""Every text in good/ reads as its .tree says and survives a round trip; every text in bad/ gets its .message.

After a change of wording or of the language, look at each difference, then store them all:
``python tests/grammar/test_programs.py``.
"""

from pathlib import Path

import pytest
from readable import bare, readable

from semgllamm.errors import ModelError, ModelSyntaxError
from semgllamm.syntax.build import read
from semgllamm.syntax.write import write

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.sem"))
BAD = sorted((HERE / "bad").glob("*.sem"))


def text_of(path: Path) -> str:
    """The file to the byte: some programs are about line ends."""
    return path.read_bytes().decode("utf-8")


def message_of(path: Path) -> str:
    with pytest.raises((ModelSyntaxError, ModelError)) as caught:
        read(text_of(path))
    return f"{caught.value}\n"


def test_there_are_enough_programs():
    assert len(GOOD) >= 40 and len(BAD) >= 45


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good(path):
    assert readable(read(text_of(path))) == path.with_suffix(".tree").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_round_trip(path):
    diagram = read(text_of(path))
    written = write(diagram)
    assert bare(read(written)) == bare(diagram)
    assert write(read(written)) == written


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad(path):
    assert message_of(path) == path.with_suffix(".message").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_message_says_where_and_what_instead(path):
    message = path.with_suffix(".message").read_text(encoding="utf-8")
    lines = message.splitlines()
    if lines[0] == "Model syntax is empty":
        return
    assert any(line.strip() and set(line) <= {" ", "^"} for line in lines), "no caret"
    assert set(lines[-1]) - {" ", "^"}, "no remedy"


def store():
    for path in GOOD:
        path.with_suffix(".tree").write_text(readable(read(text_of(path))), encoding="utf-8")
    for path in BAD:
        path.with_suffix(".message").write_text(message_of(path), encoding="utf-8")


if __name__ == "__main__":
    store()
