"""Owns working on the accounts of a run that another process began; where that one listens is an address."""

import asyncio
from collections.abc import Callable

from batchcart.runs.event_loop import run_async
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress, read_address, read_scheduler

__all__ = ["HubAddress", "SchedulerAddress", "read_address", "read_scheduler", "seat"]


def seat(address: HubAddress, prepare: Callable[[Callable[[], None]], None]) -> None:
    """Be a seat of the run that listens at the address, until it is over.

    ``prepare`` is called in the loop with what makes the seat give its accounts back and end. Raises UsageError for
    certificates that cannot be used, and Stopped where no run is there, it refuses the seat, or it is gone.
    """
    run_async(_sit(address, prepare))


async def _sit(address: HubAddress, prepare: Callable[[Callable[[], None]], None]) -> None:
    from batchcart.runs.seats.remote_seat import sit_at  # noqa: PLC0415  # --help needs no engine

    leaving = asyncio.Event()
    prepare(leaving.set)
    await sit_at(address, leaving)
