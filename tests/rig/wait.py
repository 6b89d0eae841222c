"""wait - waiting for a condition with a deadline, the only way in which the tests wait."""

import time
from typing import Callable, Optional, TypeVar

T = TypeVar("T")


def until(what: str, condition: Callable[[], T], seconds: float = 30, every: float = 0.02,
          meanwhile: Optional[Callable[[], None]] = None) -> T:
    """Returns the condition's first true value. An exception in it counts as "not yet"; the deadline shows it. Between two
    looks `meanwhile` is called, or nothing done for `every` seconds."""
    deadline = time.monotonic() + seconds
    while True:
        trouble = None
        try:
            value = condition()
            if value:
                return value
        except GaveUp:
            raise
        except Exception as error:  # whatever a part says while it is not there yet
            trouble = error
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}") from trouble
        if meanwhile:
            meanwhile()
        else:
            time.sleep(every)


class GaveUp(Exception):
    """Raised inside a condition that can never come true: ends the wait at once."""
