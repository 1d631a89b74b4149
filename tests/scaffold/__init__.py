"""What many tests need: profiles, waiting, clocks, figures, and how much of a proof is played."""
