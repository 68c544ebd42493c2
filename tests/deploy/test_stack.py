"""The stack of compose.yaml, as people bring it up, and what happens when its parts fail. Names of images come from the
environment, as compose.yaml has them; ports are free ones, and everything is gone at the end."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from support import ROOT, ask, docker, eventually, inspect, run

PROJECT = f"mirrorlist-test-{os.getpid()}"
LIST = "/mirrorlist?repo=example-2&arch=x86_64&ip=192.0.2.1&country=de"
# Short enough to wait for, twice.
INTERVAL_SECONDS = 5
# What docs/deploy.md says to set for the probe, and times that are short enough for some rounds.
WITH_PROBE = {
    "COMPOSE_PROFILES": "probe",
    "HEALTH_FILES": "/var/lib/mirrormanager/mirror_health.json",
    "PROBE_INTERVAL": "2s",
    "PROBE_PATIENCE": "1s",
    # Three such intervals are hardly longer than a round and the server's look at its files.
    "PROBE_VALID": "1m",
}


def compose(*arguments, **options):
    environment = os.environ | {
        "COMPOSE_PROJECT_NAME": PROJECT,
        "PORT": "0",
        "PROMETHEUS_PORT": "0",
        "GENERATOR_INTERVAL": f"{INTERVAL_SECONDS}s",
        "ALERT_RULES": Stack.rules,
        **Stack.variables,
    }
    return run(*Stack.compose, *arguments, env=environment, timeout=300, **options).stdout.strip()


def container(service):
    return compose("ps", "--quiet", service).splitlines()[0]


def address(service, port):
    """Where a published port is. Docker gives another one after a restart."""
    published = docker("port", container(service), str(port)).splitlines()[0]
    return f"127.0.0.1:{published.rsplit(':', 1)[1]}"


def health(service):
    return inspect(container(service), ".State.Health.Status")


def urls(target):
    status, body = ask(address("server", 3000), target)
    assert status == 200, (status, body)
    return [line for line in body.splitlines() if not line.startswith("#")]


def order(target):
    """The mirrors in the order of an answer."""
    return list(dict.fromkeys(url.split("/")[2] for url in urls(target)))


def mirrors(target=LIST):
    return set(order(target))


def sql(statement):
    compose("exec", "-T", "database", "psql", "-U", "mirrormanager", "-d", "mirrormanager2", "-c", statement)


def from_inside(target, *options):
    """Asks the admin listener from a container of the inner network."""
    asked = run(
        "docker", "run", "--rm", "--network", f"{PROJECT}_inside", "--entrypoint", "curl", os.environ["CURL_IMAGE"],
        "--silent", "--max-time", "20", "--write-out", "\n%{http_code}", *options, f"http://server:3001{target}",
    )  # fmt: skip
    body, status = asked.stdout.rsplit("\n", 1)
    return int(status), body


def admin(target):
    """What the admin listener tells operators."""
    token = (ROOT / "compose/admin-token").read_text(encoding="utf-8").strip()
    status, body = from_inside(target, "--header", f"Authorization: Bearer {token}")
    assert status == 200, (status, body)
    return json.loads(body)


def prometheus(query):
    status, body = ask(address("prometheus", 9090), query)
    assert status == 200, body
    return json.loads(body)["data"]


def metric(expression):
    """The value of the first series."""
    result = prometheus(f"/api/v1/query?query={urllib.parse.quote(expression)}")["result"]
    return float(result[0]["value"][1]) if result else None


class Stack(unittest.TestCase):
    """The tests build on each other and run in the order of their names."""

    compose = ["docker", "compose"]
    rules = ""
    # Of compose.yaml, beyond those that all tests set.
    variables = {}
    failed = False

    @classmethod
    def setUpClass(cls):
        if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0:
            cls.compose = ["docker-compose"]
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        # The rules as they are, but for the times, which are too long for a test.
        rules = (ROOT / "docs/alerts.yaml").read_text(encoding="utf-8")
        assert "> 2 * 3600" in rules and "for: 5m" in rules
        rules = rules.replace("> 2 * 3600", "> 25").replace("for: 5m", "for: 5s")
        cls.rules = f"{cls.folder.name}/alerts.yaml"
        pathlib.Path(cls.rules).write_text(rules, encoding="utf-8")
        os.chmod(cls.folder.name, 0o755)
        cls.addClassCleanup(cls.take_down)
        started = time.monotonic()
        compose("up", "--detach", "--no-build")
        eventually("mirrors", lambda: "mirror.berlin.example" in mirrors(), 90)
        cls.seconds_to_answers = time.monotonic() - started

    @classmethod
    def take_down(cls):
        cls.variables = WITH_PROBE
        compose("down", "--volumes", "--remove-orphans", "--timeout", "10", check=False)
        left = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
        left += docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
        left += docker("network", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
        assert not left, f"left behind: {left}"

    @classmethod
    def tearDownClass(cls):
        # A failure shows what each part logged.
        if cls.failed:
            print(compose("logs", "--no-color", "--tail", "30", check=False))

    def run(self, result=None):
        result = super().run(result)
        Stack.failed = not result.wasSuccessful()
        return result

    def test_01_answers_within_a_minute(self):
        print(f"answers {self.seconds_to_answers:.1f} s after `up`")
        self.assertLess(self.seconds_to_answers, 60)
        self.assertEqual(mirrors(), {"mirror.berlin.example", "ftp.munich.example"})
        # The sample data has a case for a network, an AS, a country by GeoIP, a redirect of a repository.
        everywhere = "/mirrorlist?repo=example-stable&arch=x86_64&ip="
        server = address("server", 3000)
        self.assertIn("https://mirror.campus.example", ask(server, everywhere + "192.0.2.130")[1].splitlines()[1])
        self.assertIn("https://mirror.brno.example", ask(server, everywhere + "198.51.100.1")[1].splitlines()[1])
        self.assertIn("mirror.tokyo.example", ask(server, everywhere + "203.0.113.1")[1].splitlines()[1])
        status, metalink = ask(server, LIST.replace("mirrorlist", "metalink"))
        self.assertEqual(status, 200)
        self.assertIn('<hash type="sha512">', metalink)
        # A proxy in front, on this machine.
        status, body = ask(server, "/mirrorlist?repo=example-2&arch=x86_64", {"X-Forwarded-For": "203.0.113.1"})
        self.assertIn("country = JP", body)

    def test_02_server_and_generator_become_healthy(self):
        for service in ("server", "generator"):
            eventually(f"health of the {service}", lambda service=service: health(service) == "healthy")

    def test_03_admin_is_inside_only(self):
        published = docker("port", container("server"))
        self.assertEqual({line.split("/")[0] for line in published.splitlines()}, {"3000"})
        self.assertEqual(from_inside("/readyz"), (200, "ready\n"))
        self.assertEqual(from_inside("/admin/reload")[0], 401)
        token = (ROOT / "compose/admin-token").read_text(encoding="utf-8").strip()
        authorized = ("--header", f"Authorization: Bearer {token}")
        status, report = from_inside("/admin/reload?force=true", "--request", "POST", *authorized)
        self.assertEqual(status, 200, report)
        self.assertEqual(from_inside("/admin/reload", "--header", "Host: evil.example", *authorized)[0], 403)

    def test_04_targets_are_up_and_rules_loaded(self):
        def up():
            targets = prometheus("/api/v1/targets")["activeTargets"]
            return {t["labels"]["job"] for t in targets if t["health"] == "up"} == {"mirrorlist", "mirrorlist-generator"}

        eventually("targets up", up)
        rules = [r["name"] for g in prometheus("/api/v1/rules")["groups"] for r in g["rules"]]
        self.assertIn("MirrorlistCacheStale", rules)
        eventually("requests counted", lambda: metric("sum(mirrorlist_requests_total)"))

    def test_05_a_change_in_the_database_is_served(self):
        before = docker("inspect", "-f", "{{.State.StartedAt}}", container("server"))
        sql("UPDATE host SET user_active = false WHERE name = 'ftp.munich.example'")
        _, took = eventually("the change", lambda: mirrors() == {"mirror.berlin.example"}, 60)
        print(f"a change is served after {took:.1f} s, with an interval of {INTERVAL_SECONDS} s")
        # The interval and a tenth, the run, and what the server's watch takes: a look each 2 s, 1 s of stillness.
        self.assertLess(took, INTERVAL_SECONDS * 1.1 + 10)
        sql("UPDATE host SET user_active = true WHERE name = 'ftp.munich.example'")
        eventually("the change back", lambda: len(mirrors()) == 2, 60)
        self.assertEqual(docker("inspect", "-f", "{{.State.StartedAt}}", container("server")), before)

    def test_06_answers_go_on_without_the_others(self):
        for service in ("generator", "database", "prometheus"):
            with self.subTest(service):
                docker("kill", container(service))
                self.assertFalse(inspect(container(service), ".State.Running"))
                for _ in range(20):
                    self.assertEqual(len(mirrors()), 2)
                    time.sleep(0.1)
                if service == "generator":
                    self.stale_data_alerts()
                if service == "database":
                    eventually("ill health of the generator", lambda: health("generator") == "unhealthy")
                    self.assertEqual(health("server"), "healthy")
                docker("start", container(service))
        eventually("prometheus", lambda: metric("up"))

        def renewed():
            return metric('max(mirrorlist_data_age_seconds{file="cache"})') < 25

        # After a failure the generator tries again within its interval.
        eventually("fresh data", renewed, 90)
        eventually("health of the generator", lambda: health("generator") == "healthy")

    def stale_data_alerts(self):
        def firing():
            alerts = prometheus("/api/v1/alerts")["alerts"]
            return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"} >= {"MirrorlistCacheStale"}

        _, took = eventually("the alert", firing, 90)
        print(f"MirrorlistCacheStale fires {took:.0f} s after the generator died")
        self.assertEqual(len(mirrors()), 2)

    def test_07_server_stops_in_order(self):
        server = container("server")
        docker("stop", "--time", "40", server)
        self.assertEqual(docker("inspect", "-f", "{{.State.ExitCode}}", server), "0")
        docker("start", server)
        eventually("answers again", lambda: len(mirrors()) == 2)

    def test_08_without_a_probe_nothing_is_said_of_health(self):
        self.assertNotIn("health", admin("/admin/status"))
        self.assertIsNone(metric("mirrorlist_health_file_used"))
        targets = prometheus("/api/v1/targets")["activeTargets"]
        self.assertEqual({t["labels"]["job"] for t in targets}, {"mirrorlist", "mirrorlist-generator"})

    def test_09_a_probe_finds_what_is_wrong_with_mirrors(self):
        Stack.variables = WITH_PROBE
        # Not first-cache again: the generator may just be writing.
        compose("up", "--detach", "--no-build", "--no-deps", "server", "probe", "mirrors")
        _, took = eventually("the verdicts", lambda: self.bad_hosts() == self.BAD, 90)
        print(f"all verdicts are there {took:.0f} s after `up`")
        eventually("health of the probe", lambda: health("probe") == "healthy")
        # Good ones lead, in the order of tiers.
        everywhere = LIST.replace("&country=de", "")
        self.assertEqual(order(LIST), ["mirror.berlin.example", "ftp.munich.example"])
        for _ in range(10):
            listed = order(everywhere)
            self.assertEqual(listed[0], "mirror.berlin.example")
            self.assertEqual(set(listed[1:3]), {"mirror.boston.example", "mirror.brasilia.example"})
            self.assertEqual(set(listed[3:]), set(self.BAD))
        boston = {url.split(":")[0] for url in urls(everywhere) if "boston" in url}
        self.assertIn("http", boston)
        self.assertNotIn("https", boston)
        # A client of its network would reach it and find nothing. Release 1 is there.
        by_network = everywhere.replace("192.0.2.1", "198.51.100.1")
        self.assertNotEqual(order(by_network)[0], "mirror.brno.example")
        self.assertEqual(order(by_network.replace("example-2", "example-1"))[0], "mirror.brno.example")
        # A private mirror is not judged.
        self.assertEqual(order(everywhere.replace("192.0.2.1", "192.0.2.130"))[0], "mirror.campus.example")
        self.explained()
        self.counted()

    # The mirrors that are bad, as compose/mirrors/mirrors.py makes them.
    BAD = {
        "ftp.munich.example": "dead",
        "mirror.paris.example": "stale",
        "mirror.brno.example": "missing",
        "mirror.tokyo.example": "dead",
    }

    def bad_hosts(self):
        return {host["name"]: host["verdict"] for host in admin("/admin/status")["health"]["bad_hosts"]}

    def explained(self):
        def said(name):
            (host,) = admin(f"/admin/explain?host={name}")["hosts"]
            return {(v["url"].split(":")[0], v.get("directory", "")): (v["verdict"], v["last_answer"]) for v in host["health"]}

        release_2 = "pub/example/2/x86_64/os"
        self.assertEqual(said("mirror.berlin.example")["https", ""][0], "good")
        self.assertEqual(said("ftp.munich.example")["http", ""], ("dead", "no answer within 1 s"))
        self.assertEqual(said("ftp.munich.example")["https", ""], ("dead", "no answer within 1 s"))
        self.assertEqual(said("mirror.tokyo.example")["http", ""], ("dead", "connection refused"))
        self.assertEqual(said("mirror.boston.example")["https", ""], ("dead", "certificate expired"))
        self.assertEqual(said("mirror.boston.example")["http", ""][0], "good")
        self.assertEqual(said("mirror.brasilia.example")["http", ""][0], "moved")
        self.assertEqual(said("mirror.paris.example")["http", release_2][0], "stale")
        self.assertEqual(said("mirror.brno.example")["http", release_2][0], "missing")
        self.assertNotIn(("http", "pub/example/1/x86_64/os"), said("mirror.brno.example"))

    def counted(self):
        for expression, expected in {
            'mirrorlist_health_hosts{verdict="dead"}': 2,
            'mirrorlist_health_hosts{verdict="good"}': 3,
            "mirrorlist_health_file_used": 1,
            # Both of Munich's and Tokyo's, and one of Boston's.
            'mirrorlist_probe_urls{verdict="dead"}': 5,
            'mirrorlist_probe_urls{verdict="moved"}': 2,
            'up{job="mirrorlist-probe"}': 1,
        }.items():
            eventually(expression, lambda e=expression, n=expected: metric(e) == n, 30)
        eventually("demotions", lambda: metric("mirrorlist_health_demotions_total") > 0, 30)

    def test_10_a_probe_without_a_network_is_not_believed(self):
        sample = container("mirrors")
        docker("stop", "--time", "10", sample)

        def state():
            (file,) = admin("/admin/status")["health"]["files"]
            return file["state"]

        _, took = eventually("doubts", lambda: state() == "set_aside", 60)
        print(f"the file is set aside {took:.0f} s after all mirrors are gone")
        eventually("the metric", lambda: metric("mirrorlist_health_file_set_aside") == 1, 30)
        docker("start", sample)
        _, took = eventually("the verdicts", lambda: state() == "used" and self.bad_hosts() == self.BAD, 60)
        print(f"the verdicts are as before {took:.0f} s after the mirrors are back")


if __name__ == "__main__":
    unittest.main(verbosity=2)
