# SPDX-License-Identifier: Apache-2.0
"""Whether the API of this build confines itself."""

import pytest

from service import BIN

# Under a sanitizer the API is not filtered, and nothing is locked: the runtime needs more than it may.
NEEDS_CAGE = pytest.mark.skipif((BIN / "cloche-api").exists() and b"__asan_init" in (BIN / "cloche-api").read_bytes(),
                                reason="a sanitizer's build has no cage")
