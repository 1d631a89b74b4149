"""The load engine: an open model of many agents that each ask an API server on a schedule of their own.

One request at a time per connection, answers counted and thrown away unread, every late, dropped or failed request
counted under its own name, and an end that comes by itself.
"""
