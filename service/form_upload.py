"""Reads a form that a browser sends (multipart/form-data), with one file, while it arrives.

Starlette's own parser writes the file into the system's folder of temporary files first.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from bakehouse.recipe.problems import Problem
from service.errors import InvalidRequest
from service.receiving import ReceivedFile

FILE = "file"
FIELDS = ("name",)
MAX_FIELD_BYTES = 1024
MAX_PARTS = 16


@dataclass
class FormUpload:
    """What the form says: its fields, and the name of its file."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None


async def receive_form(content_type: str, body: AsyncIterator[bytes], file: ReceivedFile) -> FormUpload:
    """Writes the file of a form while it arrives; returns the rest. Raises InvalidRequest."""
    _, options = parse_options_header(content_type)
    if not options.get(b"boundary"):
        raise malformed("its Content-Type names no boundary")
    reader = FormReader(options[b"boundary"])
    async for block in body:
        for piece in reader.read(block):
            await file.write(piece)
    return reader.finish()


class FormReader:
    """Collects the fields of a form, and passes its file on."""

    def __init__(self, boundary: bytes) -> None:
        self._form = FormUpload()
        self._pieces: list[bytes] = []
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._value = bytearray()
        self._parts = 0
        self._has_ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise malformed(str(error)) from error

    def read(self, block: bytes) -> list[bytes]:
        """Parses a block of the body; returns the pieces of the file in it."""
        self._pieces = []
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise malformed(str(error)) from error
        return self._pieces

    def finish(self) -> FormUpload:
        """Returns the fields once the whole body was read."""
        if not self._has_ended:
            raise malformed("it has no last boundary")
        if self._form.filename is None:
            raise malformed(f"it has no file in a field {FILE!r}")
        return self._form

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise malformed(f"it has more than {MAX_PARTS} fields")
        self._headers = {}
        self._value = bytearray()

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode(errors="replace")
        if self._name == FILE:
            if self._form.filename is not None:
                raise malformed(f"it has several fields {FILE!r}: send one file, or an archive of a folder")
            self._form.filename = options.get(b"filename", b"").decode(errors="replace")
        elif self._name not in FIELDS:
            raise malformed(f"it has a field {self._name[:50]!r}; allowed are {', '.join((FILE, *FIELDS))}")

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self._pieces.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > MAX_FIELD_BYTES:
            raise malformed(f"its field {self._name!r} has more than {MAX_FIELD_BYTES} bytes")

    def _end_part(self) -> None:
        if self._name != FILE:
            self._form.fields[self._name] = self._value.decode(errors="replace")

    def _end(self) -> None:
        self._has_ended = True


def malformed(why: str) -> InvalidRequest:
    """Returns the error for a form that cannot be read."""
    return InvalidRequest(Problem(parameter="body", code="malformed_form", message=f"the form cannot be read: {why}"))
