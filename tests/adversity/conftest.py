"""Fixtures of the tests that make things go wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster_help import FACES, Face


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    face = Face(request.param)
    yield face
    face.close()
