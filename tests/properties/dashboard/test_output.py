"""Laws of what waits for the terminal: text is whole, and pictures stay on their screen."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.output import HIDE, SHOW, Output

TOKEN = re.compile(re.escape(SHOW) + b"|" + re.escape(HIDE) + rb"|text \d+\n|p+")
# How much the terminal takes at a time: nothing, a part of a chunk, or all there is.
TAKES = st.one_of(st.just(0), st.integers(1, 40), st.just(10_000))


class SlowTerminal:
    """Takes what it is told to take, call by call, and nothing after that."""

    def __init__(self) -> None:
        self.got = b""
        self.takes: list[int] = []

    def send(self, data: bytes) -> int:
        """Take a beginning of the bytes."""
        size = min(len(data), self.takes.pop(0)) if self.takes else 0
        if size == 0:
            raise BlockingIOError
        self.got += data[:size]
        return size


@given(st.lists(st.tuples(st.sampled_from(["switch", "write", "flush"]), st.lists(TAKES, max_size=4)), max_size=40))
def test_every_text_comes_once_in_order_and_no_picture_on_the_normal_screen(
    steps: list[tuple[str, list[int]]],
) -> None:
    """Any switching and writing, however it is taken, is the same as on a terminal that takes everything at once."""
    terminal = SlowTerminal()
    output = Output(terminal.send)
    is_shown, texts = False, []
    for step, takes in steps:
        terminal.takes = takes
        if step == "switch":
            is_shown = not is_shown
            (output.show if is_shown else output.hide)()
        elif step == "write" and is_shown:
            output.picture(b"p" * 30)
        elif step == "write":
            texts.append(f"text {len(texts)}\n".encode())
            output.text(texts[-1])
        else:
            output.flush()
        output.check_valid()
    terminal.takes = [10_000] * 1000
    output.flush()
    assert not output.pending

    tokens = TOKEN.findall(terminal.got)
    assert b"".join(tokens) == terminal.got
    on_screen, printed = False, []
    for token in tokens:
        if token in (SHOW, HIDE):
            # Switches take turns: none is sent twice.
            assert on_screen == (token == HIDE)
            on_screen = token == SHOW
        elif token.startswith(b"p"):
            assert on_screen
        else:
            assert not on_screen
            printed.append(token)
    assert on_screen == is_shown
    assert printed == texts


@given(st.integers(1, 200), st.lists(TAKES, max_size=3))
def test_a_terminal_that_is_switched_unseen_keeps_the_queue_short(switches: int, takes: list[int]) -> None:
    """Without a reader the queue does not grow with the number of switches."""
    terminal = SlowTerminal()
    terminal.takes = takes
    output = Output(terminal.send)
    for number in range(switches):
        (output.hide if number % 2 else output.show)()
        output.check_valid()
    terminal.takes = [10_000] * 1000
    output.flush()
    assert len(terminal.got) <= 3 * len(HIDE) + len(SHOW)


@given(st.lists(st.sampled_from(["switch", "write"]), max_size=10))
def test_a_terminal_that_is_gone_takes_the_queue_with_it(steps: list[str]) -> None:
    """An error of writing is the end of everything that waits, and no exception."""

    def fail(data: bytes) -> int:
        raise OSError(5, "Input/output error")

    output = Output(fail)
    is_shown = False
    for step in steps:
        if step == "switch":
            is_shown = not is_shown
            (output.show if is_shown else output.hide)()
        else:
            (output.picture if is_shown else output.text)(b"some")
        output.check_valid()
        assert not output.pending
