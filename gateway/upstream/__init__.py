"""From a model name to a provider's answer: router, retries, transports, the echo provider."""
