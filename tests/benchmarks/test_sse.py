import pytest

from benchmarks.load.sse import EventTooLongError, ServerSentEvent, SseParser

STREAM = (
    "\ufeff: a comment\r\ndata: première\r\n\r\n"
    "event: note\rdata: ثانية\rdata:  ligne\r\r"
    "data\n\n"
    "id: 7\nretry: 10\nunknown: x\n\n"
    "data:🙂\nnocolon\n\n"
    "data: [DONE]\n\n"
    "data: cut off"
).encode()
EVENTS = [
    ServerSentEvent("message", "première"),
    ServerSentEvent("note", "ثانية\n ligne"),
    ServerSentEvent("message", ""),
    ServerSentEvent("message", "🙂"),
    ServerSentEvent("message", "[DONE]"),
]


def test_whole_stream_in_one_read() -> None:
    assert SseParser().feed(STREAM) == EVENTS


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_split_anywhere(at: int) -> None:
    parser = SseParser()
    assert parser.feed(STREAM[:at]) + parser.feed(STREAM[at:]) == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_reads_of_any_size(size: int) -> None:
    parser = SseParser()
    found = [event for at in range(0, len(STREAM), size) for event in parser.feed(STREAM[at : at + size])]
    assert found == EVENTS


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_every_line_end_byte_by_byte(end: str) -> None:
    parser = SseParser()
    stream = f"data: é{end}data: b{end}{end}data: c{end}{end}".encode()
    found = [event.data for at in range(len(stream)) for event in parser.feed(stream[at : at + 1])]
    assert found == ["é\nb", "c"]


def test_empty_reads_change_nothing() -> None:
    parser = SseParser()
    assert parser.feed(b"") == []
    assert parser.feed(b"data: a\r") == []
    assert parser.feed(b"") == []
    assert parser.feed(b"\n\r\n") == [ServerSentEvent("message", "a")]


def test_bytes_that_are_no_utf8_are_replaced_not_raised() -> None:
    assert SseParser().feed(b"data: \xff\n\n") == [ServerSentEvent("message", "�")]


def test_an_endless_line_is_refused() -> None:
    parser = SseParser(max_event_bytes=100)
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLongError):
        parser.feed(b"x" * 20)


def test_an_endless_event_of_many_lines_is_refused() -> None:
    parser = SseParser(max_event_bytes=100)
    with pytest.raises(EventTooLongError):
        parser.feed(b"data: xxxxxxxxxxxxxxxx\n" * 10)
