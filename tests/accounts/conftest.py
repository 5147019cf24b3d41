from __future__ import annotations

import pytest
from django.utils import timezone

from tests.accounts.cast import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    del db
    return make_cast(timezone.now())
