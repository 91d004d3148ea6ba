"""What is sent, in which protocol, to which model; the model's name tells the scripted upstream how to answer."""

import json
from dataclasses import dataclass, field
from typing import Any

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
KEY = "sk-benchmark-0123456789abcdef0123456789abcdef"
"""What clients show; LiteLLM starts with no weaker one."""
CPU_CONNECTIONS = 32
"""How many connections send at the same time when it is about CPU and throughput."""
TEXT = "x" * 400
WORDS = 'The quick brown fox jumps over the lazy dog, then writes: "done".\n'


@dataclass(frozen=True)
class Case:
    """One kind of request. `translated` says that client and upstream speak different protocols."""

    name: str
    path: str
    model: str
    prompt_bytes: int = 1000
    translated: bool = False
    connections: tuple[int, ...] = (CPU_CONNECTIONS,)
    """How many connections send at the same time, in slices of their own."""
    body: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", json.dumps(self._members()).encode())

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream of events."""
        return "-stream-" in self.model

    @property
    def native_model(self) -> str:
        """The same answer from an upstream of the client's own protocol, for direct calls."""
        side = "chat" if self.path == CHAT else "claude"
        return f"{side}-{self.model.partition('-')[2]}"

    def _members(self) -> dict[str, Any]:
        text = WORDS * (1000 // len(WORDS) + 1)
        count = max(1, self.prompt_bytes // 1000)
        # A long prompt is a long conversation, which begins and ends with the user.
        messages = [{"role": ("user", "assistant")[number % 2], "content": text[:1000]} for number in range(count | 1)]
        members: dict[str, Any] = {"model": self.model, "messages": messages}
        if self.path == MESSAGES:
            members["max_tokens"] = 256
        if self.streamed:
            members["stream"] = True
            if self.path == CHAT:
                members["stream_options"] = {"include_usage": True}
        return members

    def is_answered_by(self, body: bytes) -> bool:
        """Whether the body of a response is the whole answer, in the client's protocol."""
        if not self.streamed:
            kind = b'"choices"' if self.path == CHAT else b'"stop_reason"'
            return TEXT.encode() in body and kind in body
        end = b"data: [DONE]" if self.path == CHAT else b"message_stop"
        return b"word1" in body and end in body


CASES = (
    Case("plain", CHAT, "chat-plain", connections=(1, 16, 32, 64)),
    Case("plain-100k", CHAT, "chat-plain", prompt_bytes=100_000),
    Case("stream-36", CHAT, "chat-stream-burst-36"),
    Case("stream-400", CHAT, "chat-stream-burst-400"),
    Case("chat-to-messages", CHAT, "claude-plain", translated=True),
    Case("chat-to-messages-stream", CHAT, "claude-stream-burst-36", translated=True),
    Case("messages-to-chat", MESSAGES, "chat-plain", translated=True),
    Case("messages-to-chat-stream", MESSAGES, "chat-stream-burst-36", translated=True),
)
PACED = Case("paced", CHAT, "chat-stream-paced-200")
HELD = Case("held", CHAT, "chat-stream-held-1")
MODELS = tuple(dict.fromkeys(case.model for case in (*CASES, PACED, HELD)))
