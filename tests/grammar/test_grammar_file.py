"""The grammar itself: where it is found, that it is LALR(1) without conflicts, and that its messages are reachable."""

import subprocess
import sys
from pathlib import Path

import pytest

from semgllamm.errors import ModelSyntaxError
from semgllamm.syntax import messages, parser

ROOT = Path(__file__).parents[2]


def test_package_data_and_checkout_hold_the_same_grammar():
    assert parser.grammar() == (ROOT / "grammar" / "semgllamm.lark").read_text(encoding="utf-8")


def test_grammar_is_found_from_a_bare_checkout(tmp_path):
    """Without an installed package there is no ``semgllamm.grammar``; the folder beside the package serves."""
    program = "from semgllamm.syntax.build import read; print(read('y ~ x').paths[0].rhs)"
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}; {program}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "x", done.stderr


def test_no_conflicts_and_no_overlapping_terminals():
    """Lark's strict mode refuses any shift/reduce conflict and any two terminals that match one text."""
    pytest.importorskip("interegular")
    from lark import Lark

    Lark(parser.grammar(), parser="lalr", lexer="contextual", strict=True)


def test_lark_is_not_loaded_before_the_first_text():
    program = "import sys, semgllamm.syntax.build, semgllamm.syntax.write; print('lark' in sys.modules)"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("message", messages.MESSAGES, ids=lambda message: message.examples[0])
def test_each_example_gets_its_own_message(message):
    for example in message.examples:
        with pytest.raises(ModelSyntaxError) as caught:
            parser.parse(example)
        sentence, _, rest = message.sentence.partition("{}")
        said = caught.value.message
        unclosed = "This parenthesis is not closed"
        assert (said.startswith(sentence) and said.endswith(rest)) or said == unclosed, (example, said)
