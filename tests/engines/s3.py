"""A bucket in a folder, behind as much of S3 as Litestream speaks; who signs with another key is refused."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

BUCKET, KEY = "backups", "AKIDTEST"
_TIME = "2026-11-02T12:00:00.000Z"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def log_message(self, format: str, *args: object) -> None:
        """Not in the tests' output."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), Content_Type="application/xml")

    def _object(self) -> Path | None:
        """The file of the object that is asked for, the folder for the bucket; None where that was answered already."""
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        if f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
            self._error(403, "InvalidAccessKeyId")
        elif bucket != BUCKET:
            self._error(404, "NoSuchBucket")
        else:
            return self.folder / key
        return None

    def _body(self) -> bytes:
        """What was sent, without the frames of a signed stream."""
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return sent
        plain = b""
        while sent:
            size, _, sent = sent.partition(b"\r\n")
            length = int(size.partition(b";")[0], 16)
            if not length:
                break
            plain, sent = plain + sent[:length], sent[length + 2 :]
        return plain

    def do_GET(self) -> None:
        file = self._object()
        if file is None:
            return
        if file == self.folder:
            self._list(parse_qs(urlsplit(self.path).query).get("prefix", [""])[0])
        elif not file.is_file():
            self._error(404, "NoSuchKey")
        else:
            body = file.read_bytes()
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            part = body[int(first) : int(last) + 1 if last else None]
            span = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
            self._answer(206 if "Range" in self.headers else 200, part, Content_Range=span, Last_Modified="Mon, 02 Nov 2026 12:00:00 GMT")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _list(self, prefix: str) -> None:
        keys = {path.relative_to(self.folder).as_posix(): path for path in sorted(self.folder.rglob("*")) if path.is_file()}
        found = [
            f"<Contents><Key>{escape(key)}</Key><Size>{path.stat().st_size}</Size><LastModified>{_TIME}</LastModified></Contents>"
            for key, path in keys.items()
            if key.startswith(prefix)
        ]
        whole = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>"
        self._answer(200, whole.encode(), Content_Type="application/xml")

    def do_PUT(self) -> None:
        body, file = self._body(), self._object()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
            self._answer(200, ETag=f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')

    def do_POST(self) -> None:
        """DeleteObjects, which is all that it posts."""
        body, folder = self._body(), self._object()
        if folder is not None:
            for key in ET.fromstring(body).iter("{http://s3.amazonaws.com/doc/2006-03-01/}Key"):  # noqa: S314 (Litestream's)
                (self.folder / str(key.text)).unlink(missing_ok=True)
            self._answer(200, b"<DeleteResult></DeleteResult>", Content_Type="application/xml")


@contextlib.contextmanager
def bucket(folder: Path) -> Generator[str]:
    """BUCKET, whose objects are the files in *folder*; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
