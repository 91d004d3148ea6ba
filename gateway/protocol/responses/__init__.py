"""OpenAI responses as one of the protocols that are translated."""
