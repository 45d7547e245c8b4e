"""Owns reading a date as HTTP writes it; it does not know what the date is for."""

import re
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_ZONE = r"(?: +(?P<zone>gmt|utc|ut|z|[+-]\d{4}))?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"(?:[a-z]{{3}}, *)?(?P<day>\d\d?) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME}{_ZONE}",  # IMF-fixdate
        rf"[a-z]{{6,9}}, *(?P<day>\d\d?)-(?P<month>[a-z]{{3}})-(?P<year>\d\d(?:\d\d)?) {_TIME}{_ZONE}",  # RFC 850
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) +(?P<day>\d\d?) {_TIME} (?P<year>\d{{4}})",  # asctime
    )
)
_THIS_CENTURY = 70  # two digits of a year below it are 20xx


def http_date(text: str) -> float | None:
    """The moment in wall-clock seconds; None if the text is in none of HTTP's three forms (RFC 9110 §5.6.7).

    A form without a zone, or with one of which nothing is known (`-0000`), is UTC as all of them are.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text.strip()))), None)
    if found is None or found["month"].lower() not in _MONTHS:
        return None
    year = int(found["year"])
    if len(found["year"]) == len("94"):
        year += 2000 if year < _THIS_CENTURY else 1900
    month = _MONTHS.index(found["month"].lower()) + 1
    second = min(59, int(found["second"]))  # a leap second
    try:
        zone = _zone(found.groupdict().get("zone") or "")
        moment = datetime(year, month, int(found["day"]), int(found["hour"]), int(found["minute"]), second, tzinfo=zone)
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


def _zone(text: str) -> timezone:
    if text[:1] not in {"+", "-"}:
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[3:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
