"""Route handlers, authentication, the lease and the responses that own it."""
