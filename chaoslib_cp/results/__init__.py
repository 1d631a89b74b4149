"""From a timeline to figures to a verdict. Pure: nothing here opens a socket or asks the time."""
