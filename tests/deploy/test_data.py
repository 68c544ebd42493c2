"""The scripts that fetch data in k8s/, with the same formats from a server on this machine; all content is invented."""

import base64
import datetime
import functools
import gzip
import http.server
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import threading
import unittest

from support import ROOT, eventually

REFRESH = ROOT / "k8s/base/refresh-data.sh"
FETCH = ROOT / "k8s/overlays/standalone-data/fetch-cache.sh"
MMDB = (ROOT / "compose/data/country.mmdb").read_bytes()
# Alpine's is busybox; where it is here, it counts too.
SHELLS = [["sh"]] + [["busybox", "sh"]] * bool(shutil.which("busybox"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, those below private/ to one account only."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        account = "Basic " + base64.b64encode(b"4711:key").decode()
        if self.path.startswith("/private/") and self.headers.get("Authorization") != account:
            self.send_error(401)
        else:
            super().do_GET()


class Data(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.remote, self.local = pathlib.Path(folder.name) / "remote", pathlib.Path(folder.name) / "local"
        self.local.mkdir()
        for family, lines in (("4", "192.0.2.0\t24\t64496\n198.51.100.0\t24\t64500_64501\n"), ("6", "2001:db8::\t32\t64502,64503\n")):
            self.put(f"prefixes{family}/pfx2as-creation.log", "# Format\n1\t1\told.gz\n2\t2\t2026/01/new.gz\n".encode())
            self.put(f"prefixes{family}/2026/01/new.gz", gzip.compress(lines.encode()))
        # The first of this month may be today: then there is only the last month's.
        month = (datetime.datetime.now(datetime.UTC).replace(day=1) - datetime.timedelta(days=1)).strftime("%Y-%m")
        self.put(f"dbip/dbip-country-lite-{month}.mmdb.gz", gzip.compress(MMDB))
        countries = "#ISO\tISO3\n" + "".join(f"{c}\t-\t-\t-\t-\t-\t-\t-\t{k}\n" for c, k in (("DE", "EU"), ("JP", "AS")))
        self.put("countries.txt", countries.encode())
        handler = functools.partial(Quiet, directory=str(self.remote))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def put(self, name, content):
        path = self.remote / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def run_script(self, shell, *arguments, **variables):
        environment = os.environ | {
            "PREFIXES_URL": f"{self.url}/prefixes4", "PREFIXES6_URL": f"{self.url}/prefixes6", "DBIP_URL": f"{self.url}/dbip",
            "MAXMIND_URL": f"{self.url}/private/geolite2.tar.gz", "GEONAMES_URL": f"{self.url}/countries.txt",
            "CACHE_URL": f"{self.url}/cache", "INTERVAL_SECONDS": "1", **variables,
        }  # fmt: skip
        return subprocess.run([*shell, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)

    def files(self):
        return {path.name: path.read_bytes() for path in self.local.iterdir()}

    def test_all_files_arrive_in_the_servers_formats(self):
        for shell in SHELLS:
            with self.subTest(shell):
                done = self.run_script(shell, REFRESH, self.local)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(
                    self.files(),
                    {
                        "global_netblocks.txt": b"192.0.2.0/24 64496\n198.51.100.0/24 64500\n2001:db8::/32 64502\n",
                        "country.mmdb": MMDB,
                        "country_continent.csv": b"iso 3166 country,continent\nDE,EU\nJP,AS\n",
                    },
                )

    def test_with_a_licence_key_geolite2_is_taken(self):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            entry = tarfile.TarInfo("GeoLite2-Country_20260101/GeoLite2-Country.mmdb")
            entry.size = len(b"geolite2")
            tar.addfile(entry, io.BytesIO(b"geolite2"))
        self.put("private/geolite2.tar.gz", archive.getvalue())
        done = self.run_script(["sh"], REFRESH, self.local, MAXMIND_ACCOUNT_ID="4711", MAXMIND_LICENSE_KEY="key")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files()["country.mmdb"], b"geolite2")
        done = self.run_script(["sh"], REFRESH, self.local, MAXMIND_ACCOUNT_ID="4711", MAXMIND_LICENSE_KEY="wrong")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.files()["country.mmdb"], b"geolite2")
        self.assertNotIn("wrong", done.stderr)

    def test_what_fails_leaves_the_old_file_and_the_others_come(self):
        self.put("prefixes6/2026/01/new.gz", b"no gzip")
        self.put("countries.txt", b"<html>sorry</html>\n")
        for name in ("global_netblocks.txt", "country_continent.csv"):
            (self.local / name).write_bytes(b"old")
        done = self.run_script(["sh"], REFRESH, self.local)
        self.assertEqual(done.returncode, 1)
        self.assertIn("global_netblocks.txt: not refreshed", done.stderr)
        old = {"global_netblocks.txt": b"old", "country_continent.csv": b"old", "country.mmdb": MMDB}
        self.assertEqual(self.files(), old)

    def test_waiting_ends_when_the_files_are_there(self):
        (self.local / "there").write_bytes(b"data")
        self.assertEqual(self.run_script(["sh"], REFRESH, "--wait", self.local / "there").returncode, 0)

    def test_a_cache_is_fetched_and_then_each_newer_one(self):
        target = self.local / "cache"
        self.assertNotEqual(self.run_script(["sh"], FETCH, "once", target).returncode, 0)
        self.assertEqual(self.files(), {})
        self.put("cache", b"first")
        os.utime(self.remote / "cache", (1_700_000_000, 1_700_000_000))
        self.assertEqual(self.run_script(["sh"], FETCH, "once", target).returncode, 0)
        self.assertEqual((target.read_bytes(), int(target.stat().st_mtime)), (b"first", 1_700_000_000))
        for shell in SHELLS:
            fetching = subprocess.Popen(
                [*shell, FETCH, "forever", target], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=os.environ | {"CACHE_URL": f"{self.url}/cache", "INTERVAL_SECONDS": "1"},
            )  # fmt: skip
            try:
                inode = target.stat().st_ino
                self.assertRaises(AssertionError, eventually, "nothing", lambda: target.stat().st_ino != inode, 2.5)
                self.put("cache", b"next by " + shell[0].encode())
                eventually("the next", lambda: target.read_bytes() == b"next by " + shell[0].encode(), 20)
                # Nor does a failure end it, as SIGTERM does.
                (self.remote / "cache").unlink()
                self.assertRaises(subprocess.TimeoutExpired, fetching.wait, 2)
                fetching.terminate()
                self.assertEqual(fetching.wait(5), 0)
            finally:
                fetching.kill()
                fetching.wait(5)
            self.put("cache", b"first")


if __name__ == "__main__":
    unittest.main(verbosity=2)
