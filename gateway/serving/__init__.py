"""The run directory, the supervisor, and what a worker does when it starts and drains."""
