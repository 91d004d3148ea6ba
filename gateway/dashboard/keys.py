"""Keys: an incremental decoder of what a terminal sends.

Theory of operation. Bytes pass an incremental UTF-8 decoder, so a character may be split anywhere. The decoded text is
read by one regular expression of the sequences that terminals send (ECMA-48 CSI, SS3, Alt as a leading ESC). What could
still grow into a longer sequence waits. An ESC that stands alone for ESCAPE_S is the Esc key; any other unfinished
sequence that old is dropped, because its rest must not be read as keys. Between the marks of a bracketed paste
everything is dropped.
"""

import codecs
import re

# A terminal sends a sequence in one go; over a slow link its bytes were seen up to 30 ms apart.
ESCAPE_S = 0.040
# A paste whose end mark never comes must not leave the keyboard dead.
PASTE_S = 1.0

_PASTE_BEGINS = "\x1b[200~"
_PASTE_ENDS = "\x1b[201~"
# The third alternative is a sequence that something impossible cuts short; it names no key.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[\[O][ -?]*(?=[^ -~])|[^\x1b\[O])|[^\x1b]", re.DOTALL)
_CSI_LETTER = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "Z": "shift-tab"}
_CSI_NUMBER = {"1": "home", "7": "home", "4": "end", "8": "end", "5": "pgup", "6": "pgdn", "3": "delete", "2": "insert"}
_CONTROL = {"\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace"}


class KeyDecoder:
    """Turns the bytes of a terminal into key names: a printable character, or `up`, `esc`, `ctrl-c`, `alt-x`..."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._pasting = False

    def feed(self, data: bytes, elapsed_s: float) -> list[str]:
        """The keys completed by `data`, read `elapsed_s` seconds after the last byte before it; `data` may be empty."""
        keys = self._expire(elapsed_s)
        self._pending += self._utf8.decode(data)
        while self._pending:
            if self._pasting:
                _, mark, rest = self._pending.partition(_PASTE_ENDS)
                if not mark:
                    # The mark itself may be split: keep only as much as could be its beginning.
                    self._pending = self._pending[-(len(_PASTE_ENDS) - 1) :]
                    break
                self._pending, self._pasting = rest, False
                continue
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
            else:
                keys += _names(match.group())
        return keys

    @property
    def timeout_s(self) -> float | None:
        """Seconds after which `feed(b"", elapsed)` would decide something that waits; None when nothing does."""
        if self._pasting:
            return PASTE_S
        return ESCAPE_S if self._pending else None

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
