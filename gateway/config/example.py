"""The configuration file that `gateway init` writes: every setting with its default, loadable as it is."""

from typing import Final

DEFAULT_TOML: Final = """\
# Settings of the gateway. `gateway check` validates this file; `gateway serve` uses it.
#
# What counts, first to last: the command line, GATEWAY_* environment variables (GATEWAY_PORT, GATEWAY_LOG_LEVEL,
# GATEWAY_TIMEOUTS_IDLE ...), this file, the defaults. The values below are the defaults.
#
# The providers that the gateway makes from OPENAI_API_KEY, ANTHROPIC_API_KEY and OLLAMA_HOST are there only while there
# is no configuration file: uncomment them below.

[server]
host = "127.0.0.1"            # anything but loopback needs client keys (below) or --no-auth
port = 8000
workers = 1                   # processes, 1 to 64
max_body_mb = 32              # longest request body; a longer one is a 413
max_header_kb = 64            # longest request headers, names and values together; longer ones are a 431
max_concurrent = 8192         # requests that each worker has open at a time; one more is a 503 with retry-after
grace_s = 30                  # how long running streams may finish after SIGTERM
http2 = false                 # HTTP/2 on the same port; timeouts.request_head then spares who is slow to choose
# tls_cert = "server.pem"     # serve https: certificate and chain, PEM, relative to this file, read again on SIGHUP
# tls_key = "server.key"      # its key, PEM, without a passphrase

[timeouts]                    # seconds; there is no total limit on a stream
connect = 5.0
first_byte = 120.0
idle = 60.0                   # longest silence between two chunks
request_head = 30.0           # the head of a client's request, and how long its idle connection is kept; 1 to 60
request_idle = 30.0           # longest silence within the body of a client's request
request_body = 300.0          # that body as a whole
keep_alive = 0                # a comment or ping for a client whose stream was silent for so long; 0: never

[retry]                       # only before the first byte
attempts = 3                  # tries in all, per request, over all targets
budget_s = 150.0              # no try begins later than this after the first
max_wait_s = 8.0              # longest wait between two; a longer retry-after is passed on to the client

[cooldown]                    # a target that keeps failing is tried after all others
failures = 5                  # in a row; 0: never
rest_s = 10.0                 # then one request tries it again; if that fails, twice as long
max_rest_s = 120.0

[log]
level = "info"                # debug | info | warning | error
format = "auto"               # console on a terminal, json otherwise
ring = 1000                   # records kept per worker for the dashboard

# Providers. The key comes from one of:
#   api_key_env  = "NAME"     an environment variable
#   api_key_file = "path"     a file, relative to this one
#   api_key      = "..."      this file; `gateway check` warns
# kind: openai (anything that speaks the OpenAI API) | anthropic | echo
# base_url of kind anthropic may end in /v1 or not. One of kind openai is what comes before /chat/completions.
#
# [[providers]]
# name = "openai"
# kind = "openai"
# base_url = "https://api.openai.com/v1"
# api_key_env = "OPENAI_API_KEY"
# headers = { "x-team" = "search" }     # extra headers, sent as they are
# transport = "lean"                    # lean | httpcore (HTTP/2; HTTPS_PROXY and NO_PROXY, for https only)
# ca_file = "authority.pem"             # the authorities to trust for this provider in place of the public ones
# client_cert = "client.pem"            # what to show to a provider that asks for a certificate, and its key
# client_key = "client.key"
# usage = true                          # ask for token usage where the client did not, and withhold that chunk
# protocols = ["chat", "responses"]     # what it speaks: chat, responses, messages; other clients get the first of it
#
# [[providers]]
# name = "anthropic"
# kind = "anthropic"
# api_key_env = "ANTHROPIC_API_KEY"
#
# [[providers]]
# name = "ollama"
# kind = "openai"
# base_url = "http://127.0.0.1:11434/v1"
# protocols = ["chat"]                  # many servers know nothing but /chat/completions; the rest is translated

# Models: what clients ask for. An exact name wins over the longest matching glob. The model `echo` is always there:
# it streams the last user message back, with no key and no provider.
#
# [[models]]
# name = "gpt-*"
# targets = [{ provider = "openai" }]
#
# [[models]]
# name = "claude-*"
# strategy = "ordered"                  # the next target only if this one fails
# targets = [{ provider = "anthropic" }]
#
# [[models]]
# name = "small"
# strategy = "weighted"                 # shared by weight, then the rest
# targets = [
#   { provider = "openai", model = "gpt-4.1-mini", weight = 2 },
#   { provider = "ollama", model = "llama3.2" },
# ]

# Client keys; without any, everyone who reaches the port is let in. One of key_env, key_file, sha256 (in hex) or key.
# no_auth = true, above the first [section], lets the gateway listen beyond loopback without them.
#
# [[keys]]
# name = "laptop"
# key_env = "GATEWAY_KEY"
# max_concurrent = 20                   # requests open at a time in each worker; one more is a 429 with retry-after
"""
