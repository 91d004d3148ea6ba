"""Requests a second of each worker."""

from gateway.dashboard.worker_rates import WorkerRates
from gateway.metrics.snapshot import WorkerFigures

SECOND_NS = 10**9


def worker(slot: int, finished: int) -> WorkerFigures:
    """A worker that has finished that many requests."""
    return WorkerFigures(slot=slot, pid=1, alive=True, active=0, cpu_percent=None, rss_bytes=None, finished=finished)


def test_rate_is_over_the_time_that_was_seen() -> None:
    """Forty requests in ten seconds are four a second, whatever was counted before the viewer came."""
    rates = WorkerRates()
    rates.update(0, [worker(0, 1000)])
    assert rates.rates == {}
    rates.update(10 * SECOND_NS, [worker(0, 1040)])
    assert rates.rates == {0: 4.0}


def test_rate_is_of_the_last_minute() -> None:
    """What was counted more than a minute ago is forgotten."""
    rates = WorkerRates()
    for second in range(200):
        rates.update(second * SECOND_NS, [worker(0, 100 * min(second, 100))])
    assert rates.rates == {0: 0.0}


def test_rates_are_as_new_as_figures_that_come_every_second() -> None:
    """One that comes a little early is not passed over."""
    rates = WorkerRates()
    rates.update(0, [worker(0, 0)])
    rates.update(SECOND_NS - 1, [worker(0, 10)])
    assert round(rates.rates[0]) == 10


def test_new_slot_has_no_rate_yet() -> None:
    """A slot that has just come is not taken for one that has counted everything since the beginning."""
    rates = WorkerRates()
    rates.update(0, [worker(0, 0)])
    rates.update(5 * SECOND_NS, [worker(0, 5), worker(1, 999)])
    assert rates.rates == {0: 1.0}
    rates.update(10 * SECOND_NS, [worker(0, 10), worker(1, 1009)])
    assert rates.rates == {0: 1.0, 1: 2.0}


def test_clock_that_stands_still_is_ignored() -> None:
    """No time, no rate: nothing is divided by zero."""
    rates = WorkerRates()
    for finished in (0, 10):
        rates.update(7, [worker(0, finished)])
    assert rates.rates == {}
