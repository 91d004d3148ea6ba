"""The terminal dashboard: a reader of the run directory in a process of its own."""
