"""Server-sent events, parsed incrementally from bytes.

Source: WHATWG HTML, "Interpreting an event stream". Splitting happens on bytes and decoding on whole
lines, so that a network read may end anywhere: inside a line end, a field or a multi-byte character.
"""

from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"


class EventTooLongError(ValueError):
    """An event beyond the parser's bound: a server that never ends its line would take all memory."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One dispatched event: its type (`message` unless named) and its data lines joined by newlines."""

    event: str
    data: str


class SseParser:
    """Feed it the body in reads of any size; each feed returns the events it completed.

    An event cut off by the end of the stream is never dispatched, as the specification has it.
    """

    def __init__(self, max_event_bytes: int = 8 << 20) -> None:
        self._max = max_event_bytes
        self._rest = bytearray()
        self._at_start = True
        self._skip_lf = False
        self._data: list[str] = []
        self._event = ""
        self._size = 0

    def feed(self, received: bytes) -> list[ServerSentEvent]:
        """Events completed by `received`, in order. Raises EventTooLongError."""
        searched = len(self._rest)
        self._rest += received
        if self._at_start:
            if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
                return []
            if self._rest.startswith(_BOM):
                del self._rest[: len(_BOM)]
            self._at_start = False
            searched = 0
        if self._skip_lf and self._rest:
            # The LF of a CRLF whose CR ended the previous read.
            if self._rest[0] == 0x0A:
                del self._rest[0]
            self._skip_lf = False
        events: list[ServerSentEvent] = []
        begin = 0
        while (end := self._line_end(searched)) >= 0:
            line = bytes(self._rest[begin:end])
            begin = searched = end + 1
            if self._rest[end] == 0x0D:
                if begin == len(self._rest):
                    self._skip_lf = True
                elif self._rest[begin] == 0x0A:
                    begin = searched = begin + 1
            if (event := self._take(line)) is not None:
                events.append(event)
        del self._rest[:begin]
        if self._size + len(self._rest) > self._max:
            raise EventTooLongError(f"server-sent event longer than {self._max} bytes")
        return events

    def _line_end(self, begin: int) -> int:
        lf = self._rest.find(b"\n", begin)
        cr = self._rest.find(b"\r", begin, lf if lf >= 0 else len(self._rest))
        return cr if cr >= 0 else lf

    def _take(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            data, event = self._data, self._event
            self._data, self._event, self._size = [], "", 0
            return ServerSentEvent(event or "message", "\n".join(data)) if data else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value.decode("utf-8", errors="replace"))
            self._size += len(value) + 1
        elif field == b"event":
            self._event = value.decode("utf-8", errors="replace")
        return None
