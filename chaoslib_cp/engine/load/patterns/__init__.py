"""Load patterns: requests whose cost for an API server is known, by name, and on which versions they still bite.

``table.py`` has one row for each; a request of a profile names one in place of path, query and accept.
"""
