import io

from rich.console import Console

from pipelines.fetching.meter import FetchProgress, Meter


def show(console):
    meter = Meter()
    meter.expect("a", 250)
    with FetchProgress(console, "fetch small", meter, 2, 1000):
        meter.count("a", 250, 500)
        meter.finish()
    return console.file.getvalue()


def test_plain_line_outside_a_terminal():
    text = show(Console(file=io.StringIO()))
    assert text.startswith("fetch small: 1/2 files, 500 B of 1.0 kB, ")
    assert text.endswith(" left\n")
    assert "B/s, 0:00:0" in text


def test_live_line_on_a_terminal():
    text = show(Console(file=io.StringIO(), force_terminal=True, width=140))
    assert "fetch small 1/2 files" in text
    assert "500/1,000 bytes" in text or "0.5/1.0 kB" in text


def test_bytes_that_were_thrown_away_are_here_no_more():
    meter = Meter()
    meter.count("a", 500, 500)
    meter.count("b", 10, 10)
    meter.count("a", 0, 0)
    assert (meter.received_bytes, meter.bytes_here) == (510, 10)
