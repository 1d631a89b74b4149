"""Is all of a cluster as a run needs it? Looked at before a run, with reads alone; each finding has its fix."""
