"""What load costs the servers at other sizes: a fit of small, harmless rungs, and what it says of large ones. Pure."""
