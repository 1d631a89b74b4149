"""A cluster that is as a run needs it."""

from collections.abc import Iterator

import pytest

from tests.fakes.kube_objects import KubeObjects
from tests.fakes.whole_cluster import WholeCluster, whole_cluster


@pytest.fixture
def whole(kube: KubeObjects) -> Iterator[WholeCluster]:
    """All is well in it."""
    with whole_cluster(kube) as made:
        yield made
