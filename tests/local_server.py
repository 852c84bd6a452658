"""A web server on this machine, for what is downloaded."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `files`; counts requests, fails the first `failures`, may cut or ignore ranges."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = {}, []
        self.failures, self.cut, self.ranges = 0, None, True
        self.version = ()  # name and value of the header that tells versions of a file apart

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        server, name = self.server, self.path.strip("/")
        asked = self.headers.get("Range")
        server.requests.append((name, asked))
        if server.failures:
            server.failures -= 1
            return self.send_error(503)
        if name not in server.files:
            return self.send_error(404)
        content, start = server.files[name], 0
        same = self.headers.get("If-Range") in (None, *server.version[1:])
        if asked and server.ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        if server.version:
            self.send_header(*server.version)
        self.end_headers()
        stop, server.cut = server.cut, None
        self.wfile.write(content[start:stop])
        return None
