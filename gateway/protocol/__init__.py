"""The wire protocols without I/O: SSE, usage, error envelopes. Imports no other room."""
