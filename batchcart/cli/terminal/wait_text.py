"""Owns the words for what an account waits for, and for moments and durations where there is little room."""

from datetime import datetime, timedelta

from batchcart.runs.snapshot import Glance


def wait_text(glance: Glance, now: float) -> str:
    """What the account waits for, and how long; empty where it does not wait."""
    until = glance.until if glance.until is not None else now
    match glance.waiting:
        case "throttled":
            return f"{'429' if '429' in glance.why else 'asked to wait'} until {moment_text(until, now)}"
        case "quota":
            return f"{glance.why} used up until {moment_text(until, now)}"
        case "unreachable":
            return f"shop unreachable, probing {f'in {until - now:.0f} s' if until - now > 0.5 else 'now'}"
        case "closed":
            return {"closed": "closed", "lost": "its process died"}.get(glance.why, f"given up, {glance.why}")
        case "":
            return ""


def moment_text(at: float, now: float, *, seconds: bool = True) -> str:
    """A moment on the local clock: 14:03:20 today, tomorrow 00:00, 2026-12-24 18:00."""
    moment, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone().date()
    if moment.date() == today:
        return moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    day = "tomorrow" if moment.date() == today + timedelta(days=1) else str(moment.date())
    return f"{day} {moment:%H:%M}"


def brief(seconds: float) -> str:
    """A duration, no more exact than it is known: 90 s, 8 min, 3 h 5 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 2 * 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
