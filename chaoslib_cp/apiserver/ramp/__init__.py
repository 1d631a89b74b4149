"""The closed loop: a load that climbs until the API servers are saturated, holds there, and ends by itself.

It is a kind of fault of its own, with a stop of its own, beside the overload: one start makes one fault, and
``stop_api_overload`` must not end a ramp that somebody plays beside an overload. What it delivers is known only when it
is over, and nobody expects users to suffer from it: it stops where they begin to. All else, from the refusals to the
process and its entry in the undo log, is the overload's.
"""
