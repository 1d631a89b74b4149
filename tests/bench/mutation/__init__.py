"""Mutation testing of the safety core: change the code in one place, and see whether a test notices.

Own code, because what is there does not fit: mutmut leaves decorated functions and module constants alone, mutates the
words of every message, and sees no child processes, where the control is tested; cosmic-ray starts Python and pytest
anew for each mutant and has no operator that leaves a statement out.
"""
