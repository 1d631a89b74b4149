"""How the identities of a run come by credentials on a cluster of one's own; no run uses this."""
