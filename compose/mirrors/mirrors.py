"""Sample mirrors for the probe of compose.yaml: one server that behaves by the name that it is asked for. compose/database.sql
knows the content of repomd.xml, and make-certificates makes the certificates."""

import http.server
import pathlib
import re
import signal
import ssl
import threading

FOLDER = pathlib.Path(__file__).parent
# The content of every repository.
CURRENT = (FOLDER / "repomd.xml").read_bytes()
# A version that the cache does not know, made a month earlier.
OLD = CURRENT.replace(b"1767225600", b"1764547200")
REPOMD = re.compile(r"/pub/example/([12])/\w+/os/repodata/repomd\.xml")

SILENT = {"ftp.munich.example"}
STALE = {"mirror.paris.example"}
WITHOUT_RELEASE_2 = {"mirror.brno.example"}
EXPIRED = {"mirror.boston.example"}
MOVED = {"mirror.brasilia.example": "mirror.berlin.example"}


class Mirror(http.server.BaseHTTPRequestHandler):
    """Answers a request."""

    # The longest wait for a client, in seconds.
    timeout = 60

    def setup(self):
        # Here and not when it is accepted: a slow client holds up only itself.
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self):
        name = self.headers.get("Host", "").split(":")[0]
        found = REPOMD.fullmatch(self.path)
        if name in SILENT:
            self.close_connection = True
            # Nothing comes: it returns when the client gives up.
            self.connection.recv(1)
        elif name in MOVED:
            self.answer(302, Location=f"http://{MOVED[name]}{self.path}")
        elif not found or (found[1] == "2" and name in WITHOUT_RELEASE_2):
            self.answer(404)
        else:
            self.answer(200, OLD if name in STALE else CURRENT, **{"Content-Type": "application/xml"})

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for header, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(header, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        headers = getattr(self, "headers", None) or {}
        print(headers.get("Host", "-"), format % arguments, headers.get("User-Agent", "-"), flush=True)


class Server(http.server.ThreadingHTTPServer):
    """Listens on a port, with TLS or without."""

    def __init__(self, port, tls=None):
        self.tls = tls
        super().__init__(("", port), Mirror)

    def handle_error(self, request, client_address):
        """Clients that leave, or that refuse a certificate, are what some mirrors are for."""


def certificates():
    """Chooses the certificate by name, when a client says which mirror it wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "mirrors.pem")
    expired = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired.load_cert_chain(FOLDER / "expired.pem")

    def choose(connection, name, _):
        if name in EXPIRED:
            connection.context = expired

    context.sni_callback = choose
    return context


# They are waited for below, and by no thread.
STOP = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
for server in (Server(80), Server(443, certificates())):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("the mirrors listen on ports 80 and 443", flush=True)
signal.sigwait(STOP)
