"""A hub on the loopback for tests: the listing, the files, and every way in which they can go wrong."""
import hashlib
import http.server
import json
import re
import socket
import ssl
import threading
import urllib.parse

COMMIT = "c0ffee" + "0" * 34


def git_blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(name):
    return name.endswith((".safetensors", ".gguf", ".bin"))


class Hub(http.server.ThreadingHTTPServer):
    """`files` is what the repository owner/model has. Faults are set as attributes; `log` has (path, headers)."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files=None, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files or {})
        self.log = []
        self.answers = {}  # path's end -> [(status, headers)...], used up one a request; the last stays when `stay`
        self.stay = False
        self.redirect = None  # the address that large files are redirected to
        self.loop = False  # redirects to itself
        self.cut = {}  # file -> [bytes after which the connection breaks off...], used up
        self.no_ranges = False
        self.silent = False
        self.slow = False  # a body that comes in small pieces
        self.wrong = {}  # file -> bytes sent instead
        self.needs_token = None
        self.listing = None  # bytes instead of the true list
        self.hashes = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https" if certificate else "http"
        self.stopped = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the tests

    def close(self):
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def paths(self, end=""):
        return [path for path, _ in self.log if path.endswith(end)]

    def siblings(self):
        rows = []
        for name, content in self.files.items():
            row = {"rfilename": name, "size": len(content)}
            if self.hashes and is_large(name):
                row["blobId"] = "0" * 40
                row["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            elif self.hashes:
                row["blobId"] = git_blob(content)
            rows.append(row)
        return rows


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        hub = self.server
        hub.log.append((self.path, dict(self.headers)))
        self.close_connection = True
        if hub.silent:
            hub.stopped.wait(20)
            return
        for end, answers in hub.answers.items():
            if self.path.endswith(end) and answers:
                status, headers = answers[0] if hub.stay else answers.pop(0)
                self.answer(status, b"an error page", **headers)
                return
        if hub.needs_token and self.headers.get("Authorization") != f"Bearer {hub.needs_token}":
            self.answer(401, X_Error_Code="RepoNotFound")
            return
        path = urllib.parse.unquote(self.path)
        if re.fullmatch(r"/api/models/owner/model/revision/[^/]+\?blobs=true", path):
            body = hub.listing or json.dumps({"id": "owner/model", "sha": COMMIT, "siblings": hub.siblings()}).encode()
            self.answer(200, body)
            return
        found = re.fullmatch(r"/(?:owner/model/resolve/[^/]+|store)/(.+)", path)
        if found and found[1] in hub.files:
            self.file(found[1], stored=path.startswith("/store/"))
            return
        self.answer(404, X_Error_Code="RepoNotFound")

    def file(self, name, stored):
        hub = self.server
        if hub.loop:
            self.answer(302, Location=self.path)
            return
        if hub.redirect and is_large(name) and not stored:
            self.answer(302, Location=f"{hub.redirect}/store/{name}",
                        X_Linked_Etag=f'"{hashlib.sha256(hub.files[name]).hexdigest()}"')
            return
        content = hub.wrong.get(name, hub.files[name])
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and not hub.no_ranges:
            start = int(wanted[1])
            if start >= len(content):
                self.answer(416, Content_Range=f"bytes */{len(content)}")
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cuts = hub.cut.get(name)
        stop = cuts.pop(0) if cuts else len(content)
        if hub.slow:
            for at in range(start, stop, 1000):
                self.wfile.write(content[at : min(at + 1000, stop)])
                if hub.stopped.wait(0.02):
                    return
        else:
            self.wfile.write(content[start:stop])
        if stop < len(content):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass
