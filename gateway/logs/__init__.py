"""One structlog chain, and the ring that lets another process read it."""
