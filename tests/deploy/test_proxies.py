"""The example configurations of deploy/ with the real HAProxy and Apache: the client's address arrives, whatever the client
claims, and servers are restarted in turn without a request lost."""

import collections
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import ROOT, eventually, run

SERVER = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/mirrorlist-server"
# Loopback addresses that are no proxy's, as far as the servers know.
CLIENT, CLAIMED = "127.0.0.2", "203.0.113.9"
TARGET = "/mirrorlist?repo=example-1&arch=x86_64"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    """A mirrorlist server with the data inside the binary, which is stopped and started again."""

    def __init__(self, folder, port, admin):
        self.port, self.admin = port, admin
        self.log = pathlib.Path(folder) / f"{port}.log"
        self.errors = open(pathlib.Path(folder) / f"{port}.errors", "ab")
        self.start()

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MIRRORLIST_")}
        settings = {
            "port": self.port, "admin.listen": f"127.0.0.1:{self.admin}", "log": self.log, "trusted_proxies": "127.0.0.1",
        }  # fmt: skip
        flags = [f"--{key}={value}" for key, value in settings.items()]
        self.process = subprocess.Popen(
            [SERVER, "--demo", *flags], env=environment, stdout=self.errors, stderr=self.errors
        )
        eventually("a server", lambda: self.answers("/readyz"))

    def answers(self, target):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=5)
        try:
            connection.request("GET", target)
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(45) == 0

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.errors.close()


def connect(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(CLIENT, 0))


def ask(connection, headers=()):
    connection.putrequest("GET", TARGET)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    return response.status, response.read()


def ask_once(port, headers=()):
    connection = connect(port)
    try:
        return ask(connection, headers)[0]
    finally:
        connection.close()


class Load:
    """Clients that ask all the time, some on connections that stay and some on new ones."""

    def __init__(self, port):
        self.port = port
        self.outcomes = collections.Counter()
        self.over = threading.Event()
        self.clients = [threading.Thread(target=self.ask, args=(number % 2 == 0,)) for number in range(6)]

    def ask(self, stays):
        connection = None
        while not self.over.is_set():
            connection = connection or connect(self.port)
            try:
                status, body = ask(connection)
                self.outcomes[status if body.startswith(b"# repo") else f"{status} without a list"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[repr(error)] += 1
                connection.close()
            if not stays:
                connection.close()
                connection = None
            time.sleep(0.002)
        if connection:
            connection.close()

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for client in self.clients:
            client.join(30)


class Proxies(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # Apache gives up being root.
        self.folder.chmod(0o755)
        self.port, *ports = free_ports(5)
        self.ports = dict(zip(("3000", "3001", "3010", "3011"), map(str, ports)))
        self.servers = []
        for port, admin in (("3000", "3001"), ("3010", "3011")):
            self.servers.append(Server(self.folder, int(self.ports[port]), int(self.ports[admin])))
            self.addCleanup(self.servers[-1].end)

    def configuration(self, example):
        """An example with the ports of this test."""
        text = (ROOT / "deploy" / example).read_text(encoding="utf-8")
        for port, free in self.ports.items():
            text, count = re.subn(rf"\b{port}\b", free, text)
            self.assertGreater(count, 0, port)
        return text

    def run_proxy(self, command):
        errors = open(self.folder / "proxy.errors", "wb")
        self.addCleanup(errors.close)
        proxy = subprocess.Popen(command, stdout=errors, stderr=errors)
        # Ended in order, so that it ends its own processes.
        self.addCleanup(proxy.wait, 20)
        self.addCleanup(proxy.terminate)
        try:
            eventually("the proxy", lambda: ask_once(self.port) == 200, 20)
        except AssertionError as error:
            raise AssertionError((self.folder / "proxy.errors").read_text(encoding="utf-8")) from error

    def addresses(self):
        """The client addresses in the access logs."""
        return {line.split()[1].rstrip(";") for s in self.servers if s.log.exists() for line in s.log.read_text().splitlines()}

    def check(self, take_out=lambda server: None, put_back=lambda server: None):
        for headers in (
            [],
            [("X-Forwarded-For", CLAIMED)],
            [("X-Forwarded-For", f"{CLAIMED}, 127.0.0.1")],
            [("X-Forwarded-For", CLAIMED), ("x-forwarded-for", CLAIMED)],
            [("X-Forwarded-For", "no address")],
        ):
            self.assertEqual(ask_once(self.port, headers), 200)
        eventually("the access log", self.addresses)
        with Load(self.port) as load:
            time.sleep(1)
            for server in self.servers:
                take_out(server)
                server.stop()
                server.start()
                put_back(server)
                # The proxy looks each second.
                time.sleep(2.5)
        print(f"{sum(load.outcomes.values())} requests: {dict(load.outcomes)}")
        self.assertEqual(set(load.outcomes), {200})
        for server in self.servers:
            # Both had their part.
            self.assertGreater(len(server.log.read_text().splitlines()), 50)
            server.stop()
        self.assertEqual(self.addresses(), {CLIENT})

    def test_haproxy(self):
        text = self.configuration("haproxy.cfg").replace("bind :80", f"bind 127.0.0.1:{self.port}")
        path = self.folder / "haproxy.cfg"
        path.write_text(text, encoding="utf-8")
        self.run_proxy(["haproxy", "-db", "-f", path])
        self.check()

    def test_apache(self):
        text = self.configuration("apache.conf").replace("*:80", f"127.0.0.1:{self.port}")
        modules = re.search(r"a2enmod (.*)", text).group(1).split()
        # What is on in every Apache of Debian, and what the modules themselves need.
        modules = ["mpm_event", "authz_core", "slotmem_shm", *modules]
        folder = "/usr/lib/apache2/modules"
        path = self.folder / "apache.conf"
        path.write_text(
            "\n".join(
                [
                    *(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in modules),
                    f"ServerRoot {self.folder}",
                    f"DefaultRuntimeDir {self.folder}",
                    f"PidFile {self.folder}/apache.pid",
                    f"ErrorLog {self.folder}/apache.errors",
                    "ServerName mirrors.example",
                    *(["User www-data", "Group www-data"] if os.geteuid() == 0 else []),
                    f"Listen 127.0.0.1:{self.port}",
                    text,
                ]
            ),
            encoding="utf-8",
        )
        self.run_proxy(["/usr/sbin/apache2", "-f", path, "-DFOREGROUND"])

        def disable(server, yes):
            """As the example's head says."""
            manager = f"http://127.0.0.1:{self.port}/balancer-manager"
            nonce = re.search("nonce=[0-9a-f-]+", run("curl", "--silent", "--max-time", "20", manager).stdout).group()
            form = f"{nonce}&b=mirrorlist&w=http://127.0.0.1:{server.port}&w_status_D={yes}"
            page = run("curl", "--silent", "--fail", "--max-time", "20", "--referer", manager, "--data", form, manager).stdout
            row = next(row for row in page.split("<tr>") if f":{server.port}</a>" in row)
            self.assertEqual("Dis" in row, yes == 1, row)

        self.check(lambda server: disable(server, 1), lambda server: disable(server, 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
