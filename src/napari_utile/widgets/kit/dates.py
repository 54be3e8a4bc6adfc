"""Dates as people say them. No Qt."""

from datetime import datetime, timedelta


def when_text(when: datetime, now: datetime | None = None, with_time: bool = True) -> str:
    """Return a date as people say it.

    Parameters
    ----------
    when : datetime
    now : datetime, optional
        By default the time of the call.
    with_time : bool, default True
        Whether the time of the day is told; of another year it never is.

    Examples
    --------
    >>> now = datetime(2026, 12, 1, 15)
    >>> [when_text(datetime(2026, month, day, 9), now) for month, day in ((12, 1), (11, 30))]
    ['today 09:00', 'yesterday 09:00']
    >>> [when_text(datetime(year, 11, 9, 14, 5), now) for year in (2026, 2025)]
    ['9 Nov 14:05', '9 Nov 2025']
    >>> [when_text(datetime(2026, 11, day), now, with_time=False) for day in (9, 30)]
    ['9 Nov', 'yesterday']
    """
    now = now or datetime.now()
    if when.year != now.year and now.date() - when.date() > timedelta(days=1):
        return f"{when.day} {when:%b %Y}"
    days = (now.date() - when.date()) // timedelta(days=1)
    day = {0: "today", 1: "yesterday"}.get(days, f"{when.day} {when:%b}")
    return f"{day} {when:%H:%M}" if with_time else day
