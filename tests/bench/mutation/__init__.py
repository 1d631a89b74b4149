"""Mutation testing of the safety core: change the code in one place, and see whether a test notices.

Own code, because what is there does not fit: mutmut leaves decorated functions and module constants alone and mutates
the words of every message; cosmic-ray starts Python and pytest anew for each mutant and leaves no statement out.
"""
