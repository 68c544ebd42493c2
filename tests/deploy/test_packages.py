"""The Debian and RPM packages: they are built from the programs in PROGRAMS, and the first is installed in a container of DEBIAN_IMAGE.
Without a systemd that runs there, its units are read by systemd-analyze, and the programs are started as the units' user."""

import os
import pathlib
import re
import shutil
import tempfile
import tomllib
import unittest

from support import ROOT, docker, eventually, run

PROGRAMS = pathlib.Path(os.environ["PROGRAMS"]).resolve()
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]
# Before a release comes its candidate: both kinds of packages sort a tilde first.
PACKAGE_VERSION = VERSION.replace("-", "~")
SERVICES = ["mirrorlist-server", "mirrorlist-generator", "mirrorlist-data", "mirrorlist-probe"]
UNITS = [f"{name}.service" for name in SERVICES] + ["mirrorlist-generator.timer", "mirrorlist-data.timer"]
SETTINGS = ["mirrorlist-server.env", "generate-mirrorlist-cache.env", "generate-mirrorlist-cache.cfg"]


def pages():
    """The names of all man pages."""
    programs = ["mirrorlist-server", "generate-mirrorlist-cache"]
    return [page for name in programs for page in run(PROGRAMS / name, "man", "--list").stdout.split()]


class DebianPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("packaging/deb", PROGRAMS, cls.folder)
        (cls.package,) = cls.folder.glob("*.deb")
        cls.container = docker("run", "--detach", "--network", "none", os.environ["DEBIAN_IMAGE"], "sleep", "infinity")
        cls.addClassCleanup(docker, "rm", "--force", "--volumes", cls.container)
        docker("cp", cls.package, f"{cls.container}:/mirrorlist-server.deb")
        cls.inside("dpkg", "--install", "/mirrorlist-server.deb")

    @classmethod
    def inside(cls, *command, **options):
        return run("docker", "exec", cls.container, *command, **options)

    def owned(self, path):
        return self.inside("stat", "--format", "%a %U:%G", path).stdout.strip()

    def test_version_and_dependencies(self):
        fields = run("dpkg-deb", "--field", self.package).stdout
        self.assertIn(f"\nVersion: {PACKAGE_VERSION}-1\n", fields)
        depends = re.search("^Depends: (.*)$", fields, re.MULTILINE)[1]
        self.assertNotIn("libc", depends)

    def test_files_are_where_programs_look_for_them(self):
        files = set(self.inside("dpkg", "--listfiles", "mirrorlist-server").stdout.split())
        expected = {f"/usr/share/man/man1/{page}.1.gz" for page in pages()}
        expected |= {f"/usr/lib/systemd/system/{unit}" for unit in UNITS}
        expected |= {f"/etc/mirrormanager/{name}" for name in SETTINGS}
        for program in ("mirrorlist-server", "generate-mirrorlist-cache"):
            expected |= {
                f"/usr/bin/{program}",
                f"/usr/share/bash-completion/completions/{program}",
                f"/usr/share/fish/vendor_completions.d/{program}.fish",
                f"/usr/share/zsh/vendor-completions/_{program}",
            }
        expected |= {
            "/usr/lib/sysusers.d/mirrorlist-server.conf",
            "/usr/lib/tmpfiles.d/mirrorlist-server.conf",
            "/etc/logrotate.d/mirrorlist-server",
            "/usr/libexec/mirrorlist-server/refresh-data.sh",
            "/usr/lib/systemd/system/mirrorlist-server.service.d/10-package.conf",
        }
        self.assertEqual(expected - files, set())
        self.assertIn(VERSION, self.inside("mirrorlist-server", "--version").stdout)

    def test_settings_are_the_operators_and_all_are_comments(self):
        kept = self.inside("dpkg-query", "--showformat", "${Conffiles}", "--show", "mirrorlist-server").stdout
        for name in SETTINGS:
            self.assertIn(f" /etc/mirrormanager/{name} ", kept)
            text = self.inside("cat", f"/etc/mirrormanager/{name}").stdout
            set_here = [line for line in text.splitlines() if line and not line.startswith("#")]
            self.assertEqual(set_here, ["FLAGS="] if name == "generate-mirrorlist-cache.env" else [], name)
        # A change outlives an upgrade.
        self.inside("sh", "-c", "echo MIRRORLIST_MINIMUM=7 >>/etc/mirrormanager/mirrorlist-server.env")
        self.inside("dpkg", "--force-confold", "--install", "/mirrorlist-server.deb")
        self.assertIn("MINIMUM=7", self.inside("cat", "/etc/mirrormanager/mirrorlist-server.env").stdout)

    def test_user_and_folders(self):
        self.assertRegex(
            self.inside("getent", "passwd", "mirrormanager").stdout, ":/var/lib/mirrormanager:/usr/sbin/nologin$"
        )
        self.assertEqual(self.owned("/var/lib/mirrormanager"), "755 mirrormanager:mirrormanager")
        self.assertEqual(self.owned("/var/log/mirrormanager"), "755 mirrormanager:mirrormanager")
        self.assertEqual(self.owned("/etc/mirrormanager/generate-mirrorlist-cache.cfg"), "640 root:mirrormanager")

    def test_units_are_sound_and_give_little_away(self):
        verified = self.inside("systemd-analyze", "verify", "--man=no", *UNITS, check=False)
        of_ours = [line for line in verified.stderr.splitlines() if "mirrorlist" in line]
        self.assertEqual((verified.returncode, of_ours), (0, []), verified.stderr)
        for service in SERVICES:
            with self.subTest(service):
                # The threshold is in tenths: at most 1.9.
                unit = f"/usr/lib/systemd/system/{service}.service"
                seen = self.inside("systemd-analyze", "security", "--offline=yes", "--threshold=19", unit, check=False)
                exposure = re.search(r"exposure level for \S+: (\S+)", seen.stdout)[1]
                print(f"{service}: exposure {exposure}")
                self.assertEqual(seen.returncode, 0, seen.stdout)
                self.assertLess(float(exposure), 2.0)

    def test_generator_runs_as_its_unit_has_it(self):
        unit = (ROOT / "systemd/mirrorlist-generator.service").read_text(encoding="utf-8")
        command = re.search("^ExecStart=(.*) [$]FLAGS$", unit, re.MULTILINE)[1]
        failed = self.inside("runuser", "-u", "mirrormanager", "--", command, check=False)
        # The settings name no database yet.
        self.assertEqual(failed.returncode, 64, failed.stderr)
        self.assertIn("DB_URL", failed.stderr)

    def test_log_is_rotated_and_the_server_goes_on_in_a_new_file(self):
        log = "/var/log/mirrormanager/mirrorlist.log"
        # systemd does not run here: what it would do for logrotate is done in its place.
        tell = "#!/bin/sh\nset -e\n[ \"$*\" = 'kill --signal=USR1 mirrorlist-server.service' ]\nkill -USR1 \"$(cat /run/pid)\"\n"
        self.inside("sh", "-c", 'printf %s "$1" >/usr/local/bin/systemctl; chmod +x /usr/local/bin/systemctl', "sh", tell)
        start = f"echo $$ >/run/pid; exec setpriv --reuid mirrormanager --regid mirrormanager --clear-groups mirrorlist-server --demo --log {log}"
        docker("exec", "--detach", self.container, "sh", "-c", start)
        ask = ["curl", "--silent", "--fail", "http://127.0.0.1:3000/mirrorlist?repo=example-1&arch=x86_64"]
        first, _ = eventually("an answer", lambda: self.inside(*ask).stdout)
        self.assertTrue(first.startswith("# repo = example-1"), first)
        lines = lambda file: self.inside("sh", "-c", f"cat {file}").stdout.count("REPO: example-1")  # noqa: E731
        eventually("a line", lambda: lines(log) == 1)
        self.inside("logrotate", "--force", "/etc/logrotate.d/mirrorlist-server")
        eventually("a new file", lambda: self.owned(log) == "644 mirrormanager:mirrormanager")
        self.inside(*ask)
        eventually("a line in the new file", lambda: lines(log) == 1)
        self.assertEqual(lines(f"{log}.1"), 1)
        self.inside("sh", "-c", "kill $(cat /run/pid); rm /usr/local/bin/systemctl")

    def test_zz_removing_leaves_the_data_and_purging_the_user(self):
        """The last one, as its name has it: there is no package after it."""
        self.inside("touch", "/var/lib/mirrormanager/mirrorlist_cache.proto")
        self.inside("dpkg", "--purge", "mirrorlist-server")
        left = self.inside("sh", "-c", "ls -A /etc/mirrormanager /usr/libexec/mirrorlist-server /var/log/mirrormanager", check=False)
        self.assertEqual(re.findall("mirrorlist|[.]env|[.]cfg", left.stdout.replace("/mirrorlist-server", "")), [])
        self.inside("test", "-e", "/var/lib/mirrormanager/mirrorlist_cache.proto")
        self.inside("getent", "passwd", "mirrormanager")


@unittest.skipUnless(shutil.which("rpmbuild"), "no rpmbuild here")
class RpmPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("packaging/sources", cls.folder / "SOURCES", timeout=300)

    def rpmbuild(self, *arguments):
        # Debian's rpm knows no packages of RPM, so none that building needs.
        topdir = f"_topdir {self.folder}"
        spec = ROOT / "packaging/mirrorlist-server.spec"
        run("rpmbuild", "--nodeps", "--define", topdir, *arguments, spec, timeout=300)

    def query(self, package, *arguments):
        return run("rpm", "--dbpath", self.folder / "db", "--query", *arguments, "--package", package).stdout

    def test_source_package_has_all_crates(self):
        self.rpmbuild("-bs")
        (package,) = (self.folder / "SRPMS").glob("*.src.rpm")
        files = self.query(package, "--list").split()
        self.assertEqual(
            set(files),
            {
                "mirrorlist-server.spec",
                f"mirrorlist-server-{VERSION}.crate",
                f"mirrorlist-server-{VERSION}-vendor.tar.gz",
            },
        )
        vendored = run("tar", "-tzf", self.folder / f"SOURCES/mirrorlist-server-{VERSION}-vendor.tar.gz").stdout
        locked = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
        missing = [crate["name"] for crate in locked if "source" in crate and f"/{crate['name']}" not in vendored]
        self.assertEqual(missing, [])

    def test_package_has_files_settings_and_scripts(self):
        self.rpmbuild("-bb", "--define", f"binaries {PROGRAMS}")
        (package,) = (self.folder / "RPMS").glob("*/*.rpm")
        self.assertEqual(self.query(package, "--queryformat", "%{VERSION}"), PACKAGE_VERSION)
        files = set(self.query(package, "--list").split())
        settings = {f"/etc/mirrormanager/{name}" for name in SETTINGS}
        expected = {f"/usr/lib/systemd/system/{unit}" for unit in UNITS} | settings
        self.assertEqual(expected - files, set())
        found = {pathlib.Path(file).name for file in files if "/man1/" in file}
        self.assertEqual({name.removesuffix(".gz") for name in found}, {f"{page}.1" for page in pages()})
        self.assertEqual(
            set(self.query(package, "--configfiles").split()), settings | {"/etc/logrotate.d/mirrorlist-server"}
        )
        owners = self.query(package, "--queryformat", "[%{FILENAMES} %{FILEMODES:octal} %{FILEGROUPNAME}\n]")
        self.assertIn("generate-mirrorlist-cache.cfg 100640 mirrormanager\n", owners)
        scripts = self.query(package, "--scripts")
        for command in ("useradd --system", "systemd-tmpfiles --create", "daemon-reload", "disable --now"):
            self.assertIn(command, scripts)


class Crate(unittest.TestCase):
    def test_the_crate_has_what_packages_are_made_of_and_no_more(self):
        files = run("cargo", "package", "--locked", "--list", "--allow-dirty").stdout.split()
        for path in ("packaging/install", "systemd/mirrorlist-server.service", "k8s/base/refresh-data.sh", "Cargo.lock"):
            self.assertIn(path, files)
        self.assertEqual([path for path in files if re.match("tests/|benches/|fuzz/|target/|compose|[.]ci", path)], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
