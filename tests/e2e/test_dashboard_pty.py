"""The dashboard as a process on a real pseudo-terminal, seen through an emulator."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.process import PATIENCE_S
from tests.support.run_dir import Gateway
from tests.support.terminal import ATTRIBUTES, TerminalProcess

NEUTRAL = {"COLORTERM": "", "COLORFGBG": "", "NO_COLOR": ""}


class Dashboard(TerminalProcess):
    """The viewer, alone in a process, on a pseudo-terminal."""

    def __init__(self, gateway: Gateway, mode: str, pid: int, **terminal: Any) -> None:
        self.folder = gateway.run_dir
        super().__init__(
            [sys.executable, "-m", "tests.support.dashboard_child", gateway.run_dir, str(pid), mode, self.folder],
            # An unknown colour system must do no harm; tracebacks without colours are easier to compare.
            # Nothing but TERM says how many colours there are, and on what ground.
            {**os.environ, "PTG_COLOR_SYSTEM": "none of these", "PYTHON_COLORS": "0", **NEUTRAL},
            **terminal,
        )

    def wait_until_full(self) -> None:
        """Make output, unread, until the pseudo-terminal takes no more of it, some 4 KB."""
        deadline = time.monotonic() + PATIENCE_S
        while int(struct.unpack("i", fcntl.ioctl(self.main, termios.FIONREAD, b"\0\0\0\0"))[0]) < 4000:
            assert time.monotonic() < deadline, "the terminal did not fill"
            # Every resize makes a full frame; hidden there are log lines enough.
            self.resize(199 if self.screen.columns == 200 else 200, 50)
            time.sleep(0.01)

    def ending(self) -> str:
        """How the viewer says that it ended."""
        return (self.folder / "ending").read_text()

    def happens(self, event: str) -> None:
        """Let something happen in the process of the viewer."""
        (self.folder / event).touch()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that served five requests."""
    gateway = Gateway(tmp_path)
    gateway.serve(5)
    yield gateway
    gateway.close()


@pytest.fixture
def show(gateway: Gateway) -> Iterator[Callable[..., Dashboard]]:
    """Start dashboards; they are ended with the test."""
    shown: list[Dashboard] = []

    def start(mode: str = "owns", pid: int | None = None, *, ahead: bytes = b"", **terminal: Any) -> Dashboard:
        dashboard = Dashboard(gateway, mode, pid or os.getpid(), **terminal)
        shown.append(dashboard)
        dashboard.type(ahead)
        dashboard.wait_for("live")
        return dashboard

    yield start
    for dashboard in shown:
        dashboard.close()


Show = Callable[..., Dashboard]


@pytest.mark.parametrize(
    ("mode", "keys"),
    [
        *(("owns", key) for key in (b"q", b"\x03", b"\x1c")),
        *(("top", key) for key in (b"q", b"\x1b", b"\x03", b"\x1c")),
    ],
)
def test_quit_keys_end_it_and_restore_the_terminal(show: Show, mode: str, keys: bytes) -> None:
    """q, Ctrl-C, Ctrl-\\, and Esc where it stops no gateway, end the viewer with 0; the terminal is as before."""
    dashboard = show(mode)
    dashboard.wait_for("tiny-model")
    assert b"\x1b[?1049h" in dashboard.raw
    dashboard.type(keys)
    assert dashboard.ends() == 0
    assert dashboard.ending() == "quit"
    dashboard.assert_restored()


def test_esc_never_stops_a_gateway_of_its_own(show: Show) -> None:
    """Many quick Esc only ask, any other key takes it back, y stops it; hidden, Esc names keys that do something."""
    dashboard = show()
    dashboard.type(b"\x1b" * 7)
    dashboard.wait_for("Stop the gateway? y yes  Esc no")
    dashboard.type(b"n")
    dashboard.wait_for(lambda: "Stop the gateway?" not in dashboard.text)
    dashboard.type(b"d")
    dashboard.wait_for(lambda: b"The dashboard is hidden" in dashboard.raw)
    dashboard.type(b"\x1b")
    dashboard.wait_for(lambda: b"Esc does not stop the gateway: q stops it, d shows the dashboard." in dashboard.raw)
    dashboard.type(b"d")
    dashboard.wait_for("live")
    dashboard.type(b"\x1b")
    dashboard.wait_for("Stop the gateway?")
    assert dashboard.process.poll() is None
    dashboard.type(b"y")
    assert dashboard.ends() == 0
    dashboard.assert_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_signals_end_it_and_restore_the_terminal(show: Show, number: signal.Signals) -> None:
    """Every signal that asks a process to end is a way out that restores the terminal."""
    dashboard = show()
    dashboard.process.send_signal(number)
    assert dashboard.ends() == 0
    dashboard.assert_restored()


# A colour of the frame on a light and on a dark ground, and the answers that a terminal gives.
LIGHT_INK, DARK_INK = b"\x1b[38;5;241m", b"\x1b[38;5;248m"
WHITE = b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\"


def assert_nothing_was_typed(dashboard: Dashboard) -> None:
    """The window is the longest, nothing is frozen or filtered, and no panel has been dropped."""
    dashboard.type(b"?")
    dashboard.wait_for("show or hide these keys")
    dashboard.type(b"?")
    dashboard.wait_for(lambda: "show or hide these keys" not in dashboard.text)
    dashboard.wait_for("1 5 0 15m")
    assert "frozen" not in dashboard.text
    assert "hidden" not in dashboard.text


@pytest.mark.parametrize(
    ("answer", "ink"),
    [
        (WHITE + ATTRIBUTES, LIGHT_INK),
        (WHITE.replace(b"ffff", b"0000") + ATTRIBUTES, DARK_INK),
        (b"\x1b]11;rgb:15ff0/what\x07" + ATTRIBUTES, DARK_INK),
        (ATTRIBUTES, DARK_INK),
        (b"", DARK_INK),
    ],
    ids=["white", "black", "garbage", "not known", "silence"],
)
def test_the_first_picture_can_be_read_on_the_ground_of_the_terminal(show: Show, answer: bytes, ink: bytes) -> None:
    """What the terminal answers decides before anything is drawn, and no answer decides for the dark one."""
    # Ahead of the question, so that it is there in time on the busiest machine.
    dashboard = show("top", answer=b"", ahead=answer)
    assert ink in dashboard.raw
    assert (LIGHT_INK if ink == DARK_INK else DARK_INK) not in dashboard.raw
    assert_nothing_was_typed(dashboard)
    dashboard.type(b"q")
    assert dashboard.ends() == 0
    dashboard.assert_restored()


def test_an_answer_that_is_late_repaints_and_types_nothing(show: Show) -> None:
    """The picture has not waited for it, and it is the first thing that can be read on the ground."""
    dashboard = show("top", answer=b"")
    assert DARK_INK in dashboard.raw
    dashboard.type(WHITE + ATTRIBUTES)
    dashboard.wait_for(lambda: LIGHT_INK in dashboard.raw)
    assert_nothing_was_typed(dashboard)
    dashboard.type(b"\x1b")
    assert dashboard.ends() == 0


def test_an_answer_does_not_undo_what_the_user_has_chosen(show: Show) -> None:
    """Who has pressed t keeps the theme; when it comes again, it is the one after it."""
    dashboard = show("top", answer=b"")
    dashboard.type(b"tt")
    dashboard.wait_for(lambda: b"\x1b[1;38;5;227mgateway" in dashboard.raw)
    chosen = len(dashboard.raw)
    dashboard.type(WHITE + ATTRIBUTES)
    assert_nothing_was_typed(dashboard)
    assert LIGHT_INK not in dashboard.raw[chosen:]


def test_figures_are_those_that_were_counted(show: Show, gateway: Gateway) -> None:
    """Requests that are counted while it runs appear with their exact tokens."""
    dashboard = show(columns=140, rows=40)
    dashboard.wait_for("500 in    50 out")
    gateway.serve(15)
    dashboard.wait_for("2k in   200 out")
    dashboard.wait_for("line 00020 of the log")


def printed_lines(dashboard: Dashboard) -> list[int]:
    """The numbers of the log lines on the normal screen; those in a picture are followed by something else."""
    return [int(part[:5]) for part in dashboard.raw.split(b"line ")[1:] if part[5:].startswith(b" of the log\r\n")]


def wait_for_line(dashboard: Dashboard, number: int) -> None:
    """Read until the normal screen has that line of the log."""
    dashboard.wait_for(lambda: b"line %05d of the log\r\n" % number in dashboard.raw)


def test_hiding_loses_no_log_line(show: Show, gateway: Gateway) -> None:
    """Hidden and shown again under a running log, the normal screen gets every line once and in order."""
    dashboard = show()
    gateway.log(40)
    dashboard.wait_for("line 00045")
    for _ in range(25):
        dashboard.type(b"d")
        gateway.log(4)
        dashboard.read(0.01)
    wait_for_line(dashboard, 145)
    dashboard.resize(100, 30)
    gateway.log(30)
    wait_for_line(dashboard, 175)
    dashboard.type(b"d")
    dashboard.wait_for("live")
    dashboard.wait_for(lambda: dashboard.screen.display[28].startswith("╰"))
    gateway.log(25)
    dashboard.wait_for("line 00200")
    dashboard.type(b"d")
    wait_for_line(dashboard, 200)
    assert printed_lines(dashboard) == list(range(1, 201))
    dashboard.type(b"q")
    assert dashboard.ends() == 0
    dashboard.assert_restored()


def test_hiding_loses_no_log_line_while_the_terminal_takes_nothing(show: Show, gateway: Gateway) -> None:
    """Toggled again and again unread, and suspended while hidden: every line once and in order."""
    dashboard = show()
    dashboard.type(b"d")
    wait_for_line(dashboard, 5)
    gateway.log(150)
    dashboard.wait_until_full()
    for _ in range(6):
        dashboard.type(b"d")
    dashboard.type(b"\x1a")
    wait_for_line(dashboard, 155)
    gateway.log(20)
    wait_for_line(dashboard, 175)
    assert printed_lines(dashboard) == list(range(1, 176))
    dashboard.type(b"d")
    dashboard.wait_for("live")
    dashboard.type(b"q")
    assert dashboard.ends() == 0
    dashboard.assert_restored()


def test_scrolling_stays_on_its_lines_until_end(show: Show, gateway: Gateway) -> None:
    """Scrolled up, new lines do not move the log and are counted; End follows again."""
    gateway.log(60)
    dashboard = show()
    dashboard.wait_for("line 00065")
    dashboard.type(b"\x1b[5~")
    dashboard.wait_for(" 3 below ")
    dashboard.wait_for("line 00062")
    gateway.log(10)
    dashboard.wait_for("13 below, 10 new")
    assert "line 00062" in dashboard.text
    assert "line 00063" not in dashboard.text
    dashboard.type(b"\x1bOF")
    dashboard.wait_for("following")
    dashboard.wait_for("line 00075")


def test_filter_narrows_the_log(show: Show, gateway: Gateway) -> None:
    """The filter takes any character, also those that are keys, and Esc closes it before anything else."""
    gateway.log(30)
    dashboard = show()
    dashboard.type(b"/line 00030q")
    dashboard.wait_for("none of 35 lines matches")
    dashboard.type(b"\x7f\r")
    dashboard.wait_for(lambda: "line 00030" in dashboard.text and "line 00029" not in dashboard.text)
    dashboard.type(b"\x1b")
    dashboard.wait_for("line 00035")
    assert dashboard.process.poll() is None


def test_resize_redraws_everything(show: Show) -> None:
    """After any resize the whole picture is there in the new size."""
    dashboard = show()
    for columns, rows, mark in ((140, 40, "workers"), (12, 8, "needs 20x1"), (30, 8, "tok 500 in"), (40, 10, ":8000")):
        dashboard.resize(columns, rows)
        dashboard.wait_for(mark)
    dashboard.resize(80, 24)
    dashboard.wait_for(lambda: "● live" in dashboard.screen.display[0] and "? keys" in dashboard.screen.display[23])


def test_stop_and_continue_give_the_terminal_back_and_take_it_again(show: Show) -> None:
    """Ctrl-Z leaves the screen, and going on takes it again with a full picture."""
    dashboard = show()
    for ask in (lambda: dashboard.type(b"\x1a"), lambda: dashboard.process.send_signal(signal.SIGTSTP)):
        seen = len(dashboard.raw)
        ask()
        dashboard.wait_for(lambda seen=seen: b"\x1b[?1049h" in dashboard.raw[seen:])
        assert dashboard.raw.index(b"\x1b[?1049l", seen) < dashboard.raw.index(b"\x1b[?1049h", seen)
        dashboard.wait_for(lambda seen=seen: b"\x1b[24;1H" in dashboard.raw[seen:])
    dashboard.process.send_signal(signal.SIGTERM)
    assert dashboard.ends() == 0
    dashboard.assert_restored()


def test_end_of_the_server_ends_an_owning_viewer(show: Show, gateway: Gateway) -> None:
    """A viewer that owns the server goes when the server goes, and says so."""
    dashboard = show()
    dashboard.happens("ended")
    assert dashboard.ends() == 0
    assert dashboard.ending() == "server-ended"
    dashboard.assert_restored()


def test_end_of_a_watched_gateway_is_shown(show: Show) -> None:
    """A viewer of somebody else's gateway says that it stopped and stays until it is told to quit."""
    watched = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        dashboard = show("top", watched.pid)
    finally:
        watched.kill()
        watched.wait()
    dashboard.wait_for("gateway stopped")
    dashboard.type(b"q")
    assert dashboard.ends() == 0


@pytest.mark.parametrize(
    ("event", "words"),
    [("fails", b"RuntimeError: the server cannot be asked"), ("thread", b"RuntimeError: a failure in another thread")],
)
def test_crash_shows_its_traceback_on_the_normal_screen(show: Show, event: str, words: bytes) -> None:
    """An exception of any thread leaves the terminal restored before its traceback is printed, and the status is 1."""
    dashboard = show()
    dashboard.happens(event)
    assert dashboard.ends() == 1
    dashboard.assert_restored()
    traceback = dashboard.raw[dashboard.raw.rindex(b"\x1b[?1049l") :]
    assert b"Traceback (most recent call last):\r\n" in traceback
    assert words in traceback


def test_what_others_write_does_not_touch_the_picture(show: Show) -> None:
    """Warnings, failures that cannot be raised and plain writes come out when the screen is hidden, and only then."""
    dashboard = show()
    dashboard.happens("noise")
    dashboard.wait_for(lambda: not (dashboard.folder / "noise").exists())
    seen = len(dashboard.raw)
    dashboard.wait_for(lambda: len(dashboard.raw) > seen)
    noise = (b"noise on stdout", b"noise on stderr", b"noise below Python", b"a warning as noise", b"cannot be raised")
    assert not any(words in dashboard.raw for words in noise)
    dashboard.type(b"d")
    dashboard.wait_for(lambda: b"The dashboard is hidden" in dashboard.raw)
    hidden = dashboard.raw[dashboard.raw.rindex(b"\x1b[?1049l") :]
    assert all(words in hidden for words in noise)
    assert hidden.index(b"cannot be raised") < hidden.index(b"The dashboard is hidden")


def test_a_keyboard_is_found_without_standard_input(show: Show) -> None:
    """With standard input at its end, keys come from the terminal that shows the picture."""
    dashboard = show(stdin=subprocess.DEVNULL)
    dashboard.type(b"q")
    assert dashboard.ends() == 0
    dashboard.assert_restored()


@pytest.mark.parametrize("controlling", [True, False])
def test_a_terminal_that_is_closed_ends_it(show: Show, controlling: bool) -> None:
    """With a hang-up signal or without, the end of the terminal is a clean end."""
    dashboard = show(controlling=controlling)
    dashboard.hang_up()
    assert dashboard.process.wait(PATIENCE_S) == 0
    assert dashboard.ending() == "quit"


def test_a_storm_of_resizes_is_few_pictures_and_the_last_size(show: Show) -> None:
    """Of hundreds of sizes a second few are painted, and the last one is."""
    dashboard = show()
    seen, began = len(dashboard.raw), time.monotonic()
    for number in range(300):
        dashboard.resize(80 + number % 40, 24)
        if number % 10 == 0:
            dashboard.read(0)
    dashboard.resize(101, 25)
    dashboard.wait_for(lambda: b"\x1b[25;1H" in dashboard.raw[seen:])
    elapsed_s = time.monotonic() - began
    # Every whole picture has a first row; ticks may add one each.
    assert dashboard.raw[seen:].count(b"\x1b[1;1H") <= 2 + elapsed_s / 0.06 + elapsed_s / 0.25
    dashboard.wait_for(lambda: dashboard.screen.display[24].startswith(" q quit"))


def test_unread_terminal_does_not_hold_it(show: Show) -> None:
    """With a terminal that nobody reads the viewer rests, ends on SIGTERM, and its settings are put back."""
    dashboard = show(columns=200, rows=50)
    dashboard.wait_until_full()
    viewer = psutil.Process(dashboard.process.pid)
    used_s, began = sum(viewer.cpu_times()[:2]), time.monotonic()
    time.sleep(0.5)
    # A loop that is busy takes all there is.
    assert sum(viewer.cpu_times()[:2]) - used_s < (time.monotonic() - began) / 2
    dashboard.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while termios.tcgetattr(dashboard.side) != dashboard.settings:
        assert time.monotonic() < deadline, "the settings were not put back"
        time.sleep(0.01)
    # Only the last words of the process itself have to be read.
    assert dashboard.ends() == 0
