"""A signal that ends a command lets it clean up."""

import os
import signal

import pytest

from chaoslib_cp.stop_signals import stop_signals_raise


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_block_ends_by_an_exception_and_later_blocks_are_as_before(number: signal.Signals) -> None:
    """With the exit code that a shell gives to such an end."""
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as caught, stop_signals_raise():
        os.kill(os.getpid(), number)
    assert (caught.value.code, signal.getsignal(number)) == (128 + number, before)
