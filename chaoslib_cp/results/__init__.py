"""From a timeline to measured quantities to a verdict. Pure: nothing here opens a socket or asks the time."""
