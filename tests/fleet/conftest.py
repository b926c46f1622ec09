import os
import shutil
from collections.abc import Iterator

import pytest

from demo.fleet import Fleet


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Three simulated hosts for the tests of one module, which must leave them as they were."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("simulated hosts need root and namespaces")
    with Fleet.start(["web1", "web2", "db1"]) as made:
        yield made
