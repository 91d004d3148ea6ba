"""Keys: an incremental decoder of what a terminal sends.

Theory of operation. Bytes pass an incremental UTF-8 decoder, so a character may be split anywhere. The decoded text is
read by one regular expression of the sequences that terminals send (ECMA-48 CSI, SS3, Alt as a leading ESC). What could
still grow into a longer sequence waits. An ESC that stands alone for ESCAPE_S is the Esc key; any other unfinished
sequence that old is dropped, because its rest must not be read as keys. Between the marks of a bracketed paste
everything is dropped.

Among the keys come the answers to what the terminal was asked (`background`): the colour of its ground (OSC 11), then
its attributes (DA1), which is the last of them. They are never keys. While they are expected, what could be the
beginning of one, a lone ESC too, waits for REPLY_S, or until what follows shows that it is none: over a link that
stalls an answer may come in pieces.
"""

import codecs
import re

# A terminal sends a sequence in one go; over a slow link its bytes were seen up to 30 ms apart.
ESCAPE_S = 0.040
# A paste whose end mark never comes must not leave the keyboard dead.
PASTE_S = 1.0
# Longer than a link stalls between two bytes, and no longer than one waits for Esc on a terminal that answers nothing.
REPLY_S = 1.0

_PASTE_BEGINS = "\x1b[200~"
_PASTE_ENDS = "\x1b[201~"
# The third alternative is a sequence that something impossible cuts short; it names no key.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[\[O][ -?]*(?=[^ -~])|[^\x1b\[O])|[^\x1b]", re.DOTALL)
# A colour takes 25 characters, `rgba:` and four times four digits; the last alternative is an answer that is cut short.
_GROUND = re.compile(r"\x1b\]11;([^\x07\x1b]{0,256})(?:\x07|\x1b\\|(?=\x1b[^\\]))")
_GROUND_BEGINS = re.compile(r"\x1b\]11;[^\x07\x1b]{0,256}\x1b?")
_REPLY_BEGINS = re.compile(r"\x1b(?:\]1{0,2}|\[(?:\?[0-9;]*)?)?")
_BEHIND_ESCAPE = "[]"
_ATTRIBUTES = re.compile(r"\x1b\[\?[0-9;]*c")
_CSI_LETTER = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "Z": "shift-tab"}
_CSI_NUMBER = {"1": "home", "7": "home", "4": "end", "8": "end", "5": "pgup", "6": "pgdn", "3": "delete", "2": "insert"}
_CONTROL = {"\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace"}


class KeyDecoder:
    """Turns the bytes of a terminal into key names: a printable character, or `up`, `esc`, `ctrl-c`, `alt-x`..."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._pasting = False
        self.expects_reply = False
        """Whether the terminal was asked and has not answered yet; set by who asks."""
        self._ground: str | None = None

    def feed(self, data: bytes, elapsed_s: float) -> list[str]:
        """The keys completed by `data`, read `elapsed_s` seconds after the last byte before it; `data` may be empty."""
        keys = self._expire(elapsed_s)
        typed = self._utf8.decode(data)
        if self._pending == "\x1b" and elapsed_s >= ESCAPE_S and typed and typed[0] not in _BEHIND_ESCAPE:
            # It waited for an answer, and what comes now is none.
            keys.append("esc")
            self._pending = ""
        self._pending += typed
        while self._pending:
            if self._pasting:
                _, mark, rest = self._pending.partition(_PASTE_ENDS)
                if not mark:
                    # The mark itself may be split: keep only as much as could be its beginning.
                    self._pending = self._pending[-(len(_PASTE_ENDS) - 1) :]
                    break
                self._pending, self._pasting = rest, False
                continue
            match = _GROUND.match(self._pending)
            if match is not None:
                self._ground = match[1]
                self._pending = self._pending[match.end() :]
                continue
            if self._is_reply_begun:
                break
            match = _SEQUENCE.match(self._pending)
            if match is None:
                if self._pending.startswith("\x1b\x1b"):
                    keys.append("esc")
                    self._pending = self._pending[1:]
                    continue
                break
            self._pending = self._pending[match.end() :]
            if match.group() == _PASTE_BEGINS:
                self._pasting = True
            elif _ATTRIBUTES.fullmatch(match.group()):
                self.expects_reply = False
            else:
                keys += _names(match.group())
        return keys

    def take_ground(self) -> str | None:
        """The colour of the ground as the terminal has just answered it, once."""
        ground, self._ground = self._ground, None
        return ground

    @property
    def timeout_s(self) -> float | None:
        """Seconds after which `feed(b"", elapsed)` would decide something that waits; None when nothing does."""
        if self._pasting:
            return PASTE_S
        if self._is_reply_begun:
            return REPLY_S
        return ESCAPE_S if self._pending else None

    @property
    def _is_reply_begun(self) -> bool:
        """Whether an answer of the terminal has come in part; so much of a colour nobody types."""
        if not self._pending.startswith("\x1b"):
            return False
        if self.expects_reply and _REPLY_BEGINS.fullmatch(self._pending):
            return True
        return _GROUND_BEGINS.fullmatch(self._pending) is not None

    def _expire(self, elapsed_s: float) -> list[str]:
        if self.timeout_s is None or elapsed_s < self.timeout_s:
            return []
        keys = ["esc"] if self._pending == "\x1b" and not self._pasting else []
        self._pending, self._pasting = "", False
        return keys


def _names(sequence: str) -> list[str]:
    if sequence[0] != "\x1b":
        return _plain_names(sequence)
    if sequence[1] not in "[O":
        return [f"alt-{name}" for name in _plain_names(sequence[1])]
    # Parameters after a ";" are modifiers: Ctrl+Up does what Up does.
    final, number = sequence[-1], sequence[2:-1].partition(";")[0]
    name = _CSI_NUMBER.get(number) if final == "~" else _CSI_LETTER.get(final)
    return [name] if name is not None else []


def _plain_names(char: str) -> list[str]:
    if char in _CONTROL:
        return [_CONTROL[char]]
    if char < " ":
        return [f"ctrl-{chr(ord(char) + 96)}"] if "\x01" <= char <= "\x1a" else ["ctrl-\\"] if char == "\x1c" else []
    return [char] if char.isprintable() and char != "\ufffd" else []
