"""What the web server's answers mean; whole downloads are in test_faults."""

import pytest
from fault_server import Fault

from pipelines.fetching.errors import MissingFileError, PermanentFaultError, TemporaryFaultError
from pipelines.fetching.http_source import HttpSource
from pipelines.fetching.settings import FetchSettings

TAR = "/train/images_000.tar"


@pytest.fixture
def source():
    return HttpSource(FetchSettings())


def read(source, url, start=0, validator=None):
    with source.open(url, start, validator) as body:
        return body, b"".join(body.blocks)


def test_size_and_validator_come_without_the_bytes(source, server):
    info = source.look_up(server.url + TAR)
    assert info.num_bytes == len(server.files[TAR])
    assert info.validator is not None
    assert server.sent_bytes == 0


def test_rest_of_the_same_file(source, server):
    validator = source.look_up(server.url + TAR).validator
    body, data = read(source, server.url + TAR, 1000, validator)
    assert (body.start, body.total_bytes) == (1000, len(server.files[TAR]))
    assert data == server.files[TAR][1000:]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 999-49999/50000"},
        {"Content-Range": "bytes nonsense"},
        {"ETag": '"another file"'},
    ],
)
def test_range_that_is_not_the_one_asked_for_is_not_used(source, server, headers):
    validator = source.look_up(server.url + TAR).validator
    server.faults[TAR] = [Fault(headers=headers)]
    body, data = read(source, server.url + TAR, 1000, validator)
    assert body.start == 0
    assert data == server.files[TAR]


def test_weak_tag_is_no_promise_of_equal_bytes(source, server):
    server.validators = False
    server.faults[TAR] = [
        Fault(headers={"ETag": 'W/"1"'}),
        Fault(headers={"ETag": 'W/"1"', "Last-Modified": "Wed, 01 May 2024 12:00:00 GMT"}),
    ]
    assert read(source, server.url + TAR)[0].validator is None
    assert read(source, server.url + TAR)[0].validator == "Wed, 01 May 2024 12:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentFaultError),
        (401, MissingFileError),
        (403, MissingFileError),
        (404, MissingFileError),
        (408, TemporaryFaultError),
        (410, MissingFileError),
        (429, TemporaryFaultError),
        (500, TemporaryFaultError),
        (599, TemporaryFaultError),
    ],
)
def test_status_decides_whether_to_try_again(source, server, status, kind):
    server.faults[TAR] = [Fault(status=status)]
    with pytest.raises(kind, match=str(status)) as caught:
        read(source, server.url + TAR)
    assert type(caught.value) is kind


@pytest.mark.parametrize("text", ["soon", "-5", "", "Wed, 99 Foo 2024"])
def test_retry_after_that_makes_no_sense_is_left_out(source, server, text):
    server.faults[TAR] = [Fault(status=503, headers={"Retry-After": text})]
    with pytest.raises(TemporaryFaultError) as caught:
        read(source, server.url + TAR)
    assert caught.value.retry_after_seconds is None


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://exa mple.org/"])
def test_text_that_is_no_address_is_not_tried_again(source, url):
    with pytest.raises(PermanentFaultError, match="not an address"):
        source.look_up(url)


def test_proxy_of_the_environment_is_used_but_not_for_local_addresses(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.files["http://example.org/far.tar"] = b"far"
    source = HttpSource(FetchSettings())
    assert read(source, "http://example.org/far.tar")[1] == b"far"
    assert read(source, server.url + TAR)[1] == server.files[TAR]


def test_proxy_of_another_kind_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(PermanentFaultError, match="unset"):
        HttpSource(FetchSettings())


def test_connection_that_was_not_read_to_its_end_is_not_used_again(server):
    source = HttpSource(FetchSettings(connections=1))
    for _ in range(3):
        with source.open(server.url + TAR, 0, None) as body:
            next(body.blocks)
        assert read(source, server.url + TAR)[1] == server.files[TAR]
