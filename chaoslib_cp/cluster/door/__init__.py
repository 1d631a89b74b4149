"""The one way to a cluster: which one, as whom, over which connection."""
