"""The images are small, static, without a shell, and tell what is in them. Their names are in SERVER_IMAGE, GENERATOR_IMAGE and
SBOM_IMAGE."""

import json
import os
import re
import tarfile
import tempfile
import tomllib
import unittest

from support import ROOT, docker, eventually, inspect, run

LIMIT = 15 * 1000 * 1000
PROGRAMS = {"SERVER_IMAGE": "usr/bin/mirrorlist-server", "GENERATOR_IMAGE": "usr/bin/generate-mirrorlist-cache"}
# As little as a container can be given.
RESTRICTED = ["--read-only", "--cap-drop", "ALL", "--user", "1234567:0", "--network", "none"]


def files(image, folder):
    """Unpacks an image into a folder and gives the names of its files."""
    # An image without a program needs the name of one to become a container, which is never started.
    container = docker("create", image, "/none")
    try:
        run("docker", "export", "--output", f"{folder}/image.tar", container)
    finally:
        docker("rm", "--volumes", container)
    with tarfile.open(f"{folder}/image.tar") as archive:
        archive.extractall(folder, [member for member in archive if member.isfile() or member.isdir()])
        return {member.name for member in archive if member.isfile()}


class Images(unittest.TestCase):
    def test_programs_are_static_and_stripped_and_alone(self):
        for variable, program in PROGRAMS.items():
            with self.subTest(program), tempfile.TemporaryDirectory() as folder:
                image = os.environ[variable]
                size = inspect(image, ".Size")
                print(f"{image}: {size / 1e6:.1f} MB")
                self.assertLessEqual(size, LIMIT)
                # Docker puts some empty files into every container.
                of_docker = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"}
                self.assertEqual(files(image, folder) - of_docker, {program, "etc/ssl/certs/ca-certificates.crt"})
                kind = run("file", "--brief", f"{folder}/{program}").stdout
                self.assertIn("static-pie linked", kind)
                self.assertIn(", stripped", kind)
                linked = run("ldd", f"{folder}/{program}", check=False)
                self.assertRegex(linked.stdout + linked.stderr, "statically linked|not a dynamic executable")
                with open(f"{folder}/etc/ssl/certs/ca-certificates.crt", encoding="utf-8") as roots:
                    self.assertGreater(roots.read().count("BEGIN CERTIFICATE"), 50)

    def test_images_say_how_to_run_them(self):
        for variable, program in PROGRAMS.items():
            config = inspect(os.environ[variable], ".Config")
            self.assertEqual(config["Healthcheck"]["Test"], ["CMD", f"/{program}", "healthcheck"])
            self.assertRegex(config["User"], r"^[1-9]\d*:0$")
            labels = config["Labels"]
            for label in ("title", "description", "licenses"):
                self.assertTrue(labels[f"org.opencontainers.image.{label}"])

    def test_programs_run_without_any_right(self):
        for variable, said in (("SERVER_IMAGE", "mirrorlist-server "), ("GENERATOR_IMAGE", "generate-mirrorlist-cache ")):
            version = docker("run", "--rm", *RESTRICTED, os.environ[variable], "--version")
            self.assertTrue(version.startswith(said), version)

    def test_generator_writes_where_group_0_may(self):
        """The folder of data belongs to group 0, which is every user's on OpenShift."""
        volume = docker("volume", "create")
        try:
            failed = run(
                "docker", "run", "--rm", *RESTRICTED, "--volume", f"{volume}:/var/lib/mirrormanager",
                "--env", "DB_URL=postgresql://nobody@127.0.0.1:1/none", os.environ["GENERATOR_IMAGE"], "--once",
                check=False,
            )
            # 73 would be an output that can't be written, which is found out first.
            self.assertEqual(failed.returncode, 69, failed.stderr)
        finally:
            docker("volume", "rm", volume)

    def test_generator_without_a_database_is_unhealthy_and_says_why(self):
        """With the image's own arguments; the stack's test has one that is healthy."""
        volume = docker("volume", "create")
        container = docker(
            "run", "--detach", *RESTRICTED, "--health-interval", "1s", "--health-start-period", "0s",
            "--volume", f"{volume}:/var/lib/mirrormanager", "--env", "DB_URL=postgresql://nobody@127.0.0.1:1/none",
            os.environ["GENERATOR_IMAGE"],
        )  # fmt: skip
        try:
            eventually("ill health", lambda: inspect(container, ".State.Health.Status") == "unhealthy")
            self.assertIn("error connecting to server", inspect(container, ".State.Health.Log")[-1]["Output"])
        finally:
            docker("rm", "--force", "--volumes", container)
            docker("volume", "rm", volume)

    def test_bill_of_materials_has_what_is_compiled_in(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(
                {name for name in files(os.environ["SBOM_IMAGE"], folder) if name.endswith(".json")},
                {"mirrorlist-server.cdx.json"},
            )
            with open(f"{folder}/mirrorlist-server.cdx.json", encoding="utf-8") as file:
                bill = json.load(file)
        self.assertEqual((bill["bomFormat"], bill["specVersion"]), ("CycloneDX", "1.5"))
        self.assertEqual(bill["metadata"]["component"]["name"], "mirrorlist-server")
        locked = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
        locked = {(crate["name"], crate["version"]): crate.get("checksum") for crate in locked}
        components = {}
        for component in bill["components"]:
            components[component["name"]] = component
            checksum = locked[component["name"], component["version"]]
            self.assertEqual(component["hashes"], [{"alg": "SHA-256", "content": checksum}], component)
            self.assertTrue(component["licenses"][0]["expression"], component)
        direct = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["dependencies"]
        self.assertEqual({name for name in direct if name not in components}, set())
        # What only builds is not in the programs.
        self.assertNotIn("prost-build", components)
        self.assertNotIn("tempfile", components)
        for component in bill["components"]:
            self.assertRegex(component["purl"], re.escape(f"{component['name']}@{component['version']}") + "$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
