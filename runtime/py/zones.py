# SPDX-License-Identifier: Apache-2.0
"""The host's time zones for `zoneinfo`, `pytz` and `dateutil`, from memory. ZONES and
`raw(offset, length)` come from mapped.c."""

from io import BytesIO


def zone_file(key):
    """The zone's file, or None."""
    entry = ZONES.get(key)
    return entry and BytesIO(raw(*entry))


def install_zoneinfo():
    import zoneinfo
    from zoneinfo import _common

    def load_tzdata(key):
        file = zone_file(key)
        if file is None:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return file

    zoneinfo.reset_tzpath(to=())
    zoneinfo.available_timezones = lambda: set(ZONES)
    _common.load_tzdata = load_tzdata


def install_pytz():
    import pytz

    def open_resource(name):
        file = zone_file(name.lstrip("/"))
        if file is None:
            raise FileNotFoundError(2, "No such time zone", name)
        return file

    pytz.open_resource = open_resource
    pytz.resource_exists = lambda name: name in ZONES


def install_dateutil():
    from dateutil.tz import tz
    ask = tz.gettz.nocache

    def nocache(name=None):
        file = zone_file(name) if isinstance(name, str) else None
        return tz.tzfile(file, name) if file else ask(name)

    tz.TZPATHS.clear()
    tz.TZFILES.clear()
    type(tz.gettz).nocache = staticmethod(nocache)
