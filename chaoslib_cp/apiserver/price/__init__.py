"""What an agent costs the API servers: a few small loads of its profile, and what they say of large clusters."""
