# SPDX-License-Identifier: Apache-2.0
"""The host's time zones for `zoneinfo`, from memory. ZONES and `raw(offset, length)` come from
mapped.c."""

import zoneinfo
from io import BytesIO
from zoneinfo import _common


def load_tzdata(key):
    entry = ZONES.get(key)
    if entry is None:
        raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
    return BytesIO(raw(*entry))


def available_timezones():
    return set(ZONES)


def install():
    zoneinfo.reset_tzpath(to=())
    zoneinfo.available_timezones = available_timezones
    _common.load_tzdata = load_tzdata
