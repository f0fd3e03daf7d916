import sys
from pathlib import Path

import pytest

# the laws' walk from a text to its likelihood
sys.path.append(str(Path(__file__).parent.parent / "laws"))


@pytest.fixture
def reference(request):
    from reference import Reference

    return Reference(request.param)
