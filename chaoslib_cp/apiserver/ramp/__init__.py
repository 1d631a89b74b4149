"""The closed loop: a load that climbs until the API servers are saturated, holds there, and ends by itself."""
