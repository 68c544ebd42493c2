"""The manifests of k8s/, rendered: Kubernetes would accept them, and what has to fit together does."""

import copy
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import kubernetes_validate
import yaml

from support import ROOT, run

RENDERINGS = ["base", "overlays/openshift", "overlays/shared-cache", "overlays/standalone-data"]
# What an operator combines: the first folder with the component of the second one.
WITH_PROBE = [
    "base + components/probe",
    "overlays/openshift + components/probe",
    "overlays/shared-cache + components/shared-probe",
    "overlays/standalone-data + components/probe",
]
# Kinds that are not Kubernetes' own; their schemas are not in the package.
FOREIGN = {"Route", "ServiceMonitor", "PrometheusRule"}
# What the server may take to stop beyond the grace that it is configured to have (STOP_SECONDS in src/server).
FINISH_SECONDS = 30


def render(name):
    """The objects of a folder, perhaps with a component, by kind and name."""
    command = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    with tempfile.TemporaryDirectory() as overlay:
        folder, *components = (os.path.relpath(ROOT / "k8s" / part, os.path.realpath(overlay)) for part in name.split(" + "))
        text = yaml.safe_dump({"resources": [folder], "components": components})
        pathlib.Path(overlay, "kustomization.yaml").write_text(text, encoding="utf-8")
        objects = [o for o in yaml.safe_load_all(run(*command, overlay).stdout) if o]
    named = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    assert len(named) == len(objects), "two objects of one name"
    return named


def pod_specs(objects):
    """What is in pods: the name of whose it is, the labels and the specification."""
    for (kind, name), o in objects.items():
        if kind == "CronJob":
            template = o["spec"]["jobTemplate"]["spec"]["template"]
        elif kind in ("Deployment", "Job"):
            template = o["spec"]["template"]
        else:
            continue
        yield f"{kind}/{name}", template["metadata"]["labels"], template["spec"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def mounted_at(container, path):
    return next(mount for mount in container["volumeMounts"] if mount["mountPath"] == path)


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.renderings = {name: render(name) for name in RENDERINGS + WITH_PROBE}

    def each(self):
        for name, objects in self.renderings.items():
            with self.subTest(name):
                yield name, objects

    def server(self, objects):
        """The servers' pod, its server container, and its settings."""
        spec = objects["Deployment", "mirrorlist"]["spec"]["template"]["spec"]
        server = next(c for c in spec["containers"] if c["name"] == "server")
        settings = next(r["configMapRef"]["name"] for r in server["envFrom"])
        return spec, server, objects["ConfigMap", settings]["data"]

    def test_kubernetes_accepts_them(self):
        for version in ("1.32", "1.34"):
            for _, objects in self.each():
                for (kind, name), o in objects.items():
                    if kind not in FOREIGN:
                        kubernetes_validate.validate(o, version, strict=True)

    def test_the_check_finds_a_mistake(self):
        broken = copy.deepcopy(self.renderings["base"]["Deployment", "mirrorlist"])
        broken["spec"]["template"]["spec"]["containers"][0]["port"] = []
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, "1.34", strict=True)

    def test_pods_are_restricted(self):
        for rendering, objects in self.each():
            for name, _, spec in pod_specs(objects):
                with self.subTest(name):
                    pod = spec["securityContext"]
                    self.assertTrue(pod["runAsNonRoot"])
                    self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
                    self.assertFalse(spec["automountServiceAccountToken"])
                    # A service called mirrorlist would set MIRRORLIST_PORT.
                    self.assertFalse(spec["enableServiceLinks"])
                    self.assertTrue(spec["containers"])
                    if rendering.startswith("overlays/openshift"):
                        # The SCC restricted-v2 chooses users and groups.
                        self.assertNotIn("fsGroup", pod)
                    for container in containers(spec):
                        context = container["securityContext"]
                        self.assertFalse(context["allowPrivilegeEscalation"])
                        self.assertTrue(context["readOnlyRootFilesystem"])
                        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                        for fixed in ("runAsUser", "runAsGroup"):
                            self.assertNotIn(fixed, context)
                            self.assertNotIn(fixed, pod)
                        self.assertIn("memory", container["resources"]["limits"])
                        self.assertEqual(set(container["resources"]["requests"]), {"cpu", "memory"})
                        self.assertNotIn("hostPort", str(container.get("ports")))

    def test_volumes_are_there_and_servers_only_read(self):
        for _, objects in self.each():
            for name, _, spec in pod_specs(objects):
                volumes = {v["name"]: v for v in spec["volumes"]}
                for container in containers(spec):
                    for mount in container.get("volumeMounts", []):
                        self.assertIn(mount["name"], volumes, name)
                        if container["name"] == "server":
                            self.assertTrue(mount["readOnly"])
                for volume in volumes.values():
                    claim = volume.get("persistentVolumeClaim", {}).get("claimName")
                    self.assertTrue(claim is None or ("PersistentVolumeClaim", claim) in objects, claim)
                    config = volume.get("configMap", {}).get("name")
                    self.assertTrue(config is None or ("ConfigMap", config) in objects, config)

    def test_ports_and_probes_fit_the_settings(self):
        for _, objects in self.each():
            spec, server, settings = self.server(objects)
            ports = {p["name"]: p["containerPort"] for p in server["ports"]}
            self.assertEqual(str(ports["http"]), settings["MIRRORLIST_PORT"])
            self.assertEqual(f"[::]:{ports['admin']}", settings["MIRRORLIST_ADMIN__LISTEN"])
            self.assertEqual(settings["MIRRORLIST_LISTEN"], "::")
            # Requests by the name of the Service are answered.
            self.assertIn("mirrorlist-admin", settings["MIRRORLIST_ADMIN__HOSTS"].split(","))
            for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
                self.assertEqual(server[probe]["httpGet"], {"path": path, "port": "admin"})
            everywhere = {p["name"] for c in spec["containers"] for p in c.get("ports", [])}
            public = objects["Service", "mirrorlist"]["spec"]["ports"]
            self.assertEqual([(p["port"], p["targetPort"]) for p in public], [(80, "http")])
            for port in objects["Service", "mirrorlist-admin"]["spec"]["ports"]:
                self.assertIn(port["targetPort"], everywhere)
            # Settings are what the program knows, or it would not start.
            known = (ROOT / "README.md").read_text(encoding="utf-8")
            for variable in settings:
                key = variable.removeprefix("MIRRORLIST_").replace("__", ".").lower()
                self.assertIn(f"\n| `{key}` |", known)

    def test_data_is_where_the_server_looks(self):
        for _, objects in self.each():
            spec, server, settings = self.server(objects)
            mounts = tuple(m["mountPath"] + "/" for m in server["volumeMounts"])
            files = [settings[f"MIRRORLIST_{key}"] for key in ("CACHE", "GLOBAL_NETBLOCKS", "CCCSV", "GEOIP")]
            for file in files:
                self.assertTrue(file.startswith(mounts), file)
            wait = next(c for c in spec["initContainers"] if c["name"] == "wait-for-data")
            self.assertLessEqual(set(files[1:]), set(wait["args"]))
            # An init container makes the cache, or waits for it, before the server starts.
            before = [c["name"] for c in spec["initContainers"]]
            self.assertTrue("first-cache" in before or files[0] in wait["args"], before)

    def test_stopping_takes_no_longer_than_kubernetes_waits(self):
        for _, objects in self.each():
            spec, server, settings = self.server(objects)
            grace = int(settings["MIRRORLIST_SHUTDOWN__GRACE"].removesuffix("s"))
            self.assertGreater(spec["terminationGracePeriodSeconds"], grace + FINISH_SECONDS)
            probe = server["readinessProbe"]
            # By then no requests arrive any more, if only the probe and not the endpoints' withdrawal did it.
            self.assertGreater(grace, probe["periodSeconds"] * probe["failureThreshold"])

    def test_selectors_find_the_pods(self):
        for _, objects in self.each():
            pods = list(pod_specs(objects))
            deployment = objects["Deployment", "mirrorlist"]
            server = deployment["spec"]["template"]["metadata"]["labels"]
            selectors = [
                deployment["spec"]["selector"]["matchLabels"],
                objects["Service", "mirrorlist"]["spec"]["selector"],
                objects["Service", "mirrorlist-admin"]["spec"]["selector"],
                objects["PodDisruptionBudget", "mirrorlist"]["spec"]["selector"]["matchLabels"],
                objects["NetworkPolicy", "mirrorlist"]["spec"]["podSelector"]["matchLabels"],
            ]
            spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
            selectors += [s["labelSelector"]["matchLabels"] for s in spread]
            for selector in selectors:
                found = [name for name, labels, _ in pods if selector.items() <= labels.items()]
                self.assertEqual(found, ["Deployment/mirrorlist"], selector)
            self.assertTrue(server)
            scaled = objects["HorizontalPodAutoscaler", "mirrorlist"]["spec"]
            self.assertEqual(scaled["scaleTargetRef"]["name"], "mirrorlist")
            self.assertGreaterEqual(scaled["minReplicas"], 2)
            # Each pod is some policy's, so that none may do whatever it likes.
            policies = [o["spec"]["podSelector"]["matchLabels"] for (k, _), o in objects.items() if k == "NetworkPolicy"]
            for name, labels, _ in pods:
                self.assertTrue(any(p.items() <= labels.items() for p in policies), name)

    def test_the_admin_port_is_for_monitoring_only(self):
        for _, objects in self.each():
            for rule in objects["NetworkPolicy", "mirrorlist"]["spec"]["ingress"]:
                ports = {p["port"] for p in rule["ports"]}
                self.assertTrue(ports == {"http"} or "from" in rule, rule)
            self.assertNotIn("admin", str(objects["Service", "mirrorlist"]["spec"]["ports"]))

    def test_who_reaches_what_else(self):
        egress = {
            name: {p["port"] for rule in objects["NetworkPolicy", "mirrorlist"]["spec"]["egress"] for p in rule["ports"]}
            for name, objects in self.renderings.items()
        }
        self.assertEqual(egress["base"], {53, 5353, 5432})
        self.assertEqual(egress["overlays/shared-cache"], set())
        self.assertEqual(egress["overlays/standalone-data"], {53, 5353, 443})
        self.assertEqual(egress["base + components/probe"], {53, 5353, 5432, 80, 443})
        self.assertEqual(egress["overlays/shared-cache + components/shared-probe"], set())

    def test_the_database_is_named_by_a_secret_where_it_is_needed(self):
        for rendering, objects in self.each():
            users = {
                f"{name}/{container['name']}"
                for name, _, spec in pod_specs(objects)
                for container in containers(spec)
                for variable in container.get("env") or []
                if variable["name"] == "DB_URL"
                and variable["valueFrom"]["secretKeyRef"] == {"name": "mirrorlist-database", "key": "DB_URL"}
            }
            inside = {"Deployment/mirrorlist/first-cache", "Deployment/mirrorlist/generator"}
            self.assertEqual(
                users,
                {
                    "overlays/shared-cache": {"CronJob/mirrorlist-generator/generator"},
                    "overlays/standalone-data": set(),
                }.get(rendering.split(" + ")[0], inside),
            )
            self.assertNotIn("Secret", {kind for kind, _ in objects})

    def test_openshift_has_the_alert_rules_and_a_route(self):
        for name in ("overlays/openshift", "overlays/openshift + components/probe"):
            objects = self.renderings[name]
            rules = yaml.safe_load((ROOT / "docs/alerts.yaml").read_text(encoding="utf-8"))
            self.assertEqual(objects["PrometheusRule", "mirrorlist"]["spec"], rules)
            route = objects["Route", "mirrorlist"]["spec"]
            self.assertEqual((route["to"]["name"], route["port"]["targetPort"]), ("mirrorlist", "http"))
            monitor = objects["ServiceMonitor", "mirrorlist"]["spec"]
            service = objects["Service", "mirrorlist-admin"]
            self.assertLessEqual(monitor["selector"]["matchLabels"].items(), service["metadata"]["labels"].items())
            self.assertEqual({e["port"] for e in monitor["endpoints"]}, {p["name"] for p in service["spec"]["ports"]})
            # The job that the rules go by.
            self.assertEqual(service["metadata"]["labels"][monitor["jobLabel"]], "mirrorlist")
            for endpoint in monitor["endpoints"]:
                of_servers = endpoint["port"] == "admin"
                self.assertEqual([r["targetLabel"] for r in endpoint.get("relabelings", [])], [] if of_servers else ["job"])

    def probes(self):
        """Each probe: its rendering, its objects, whose it is, its pod's labels and specification, and its container."""
        for rendering in WITH_PROBE:
            objects = self.renderings[rendering]
            found = [
                (name, labels, spec, container)
                for name, labels, spec in pod_specs(objects)
                for container in spec["containers"]
                if container["name"] == "probe"
            ]
            self.assertEqual(len(found), 1, rendering)
            with self.subTest(rendering):
                yield rendering, objects, *found[0]

    def test_probes_write_what_servers_read(self):
        documented = (ROOT / "docs/generator.md").read_text(encoding="utf-8")
        for _, objects, name, _, spec, probe in self.probes():
            _, server, settings = self.server(objects)
            # The default of --outfile, in a folder that both have.
            file = settings["MIRRORLIST_HEALTH__FILES"]
            self.assertIn(f"`--outfile FILE` | `{file}`", documented)
            volumes = [mounted_at(container, file.rsplit("/", 1)[0]) for container in (probe, server)]
            self.assertEqual(volumes[0]["name"], volumes[1]["name"])
            self.assertNotIn("readOnly", volumes[0])
            if name != "Deployment/mirrorlist":
                volume = next(v for v in spec["volumes"] if v["name"] == volumes[0]["name"])
                self.assertEqual(volume["persistentVolumeClaim"], {"claimName": "mirrorlist-cache"})
                self.assertEqual(objects["Deployment", "mirrorlist-probe"]["spec"]["strategy"], {"type": "Recreate"})
            # It needs no database.
            self.assertNotIn("DB_URL", str(probe))
        for name in RENDERINGS:
            self.assertNotIn("MIRRORLIST_HEALTH__FILES", self.server(self.renderings[name])[2])

    def test_probes_reach_public_mirrors_and_prometheus_reaches_probes(self):
        for _, objects, name, labels, _, probe in self.probes():
            own = [
                o["spec"]
                for (kind, _), o in objects.items()
                if kind == "NetworkPolicy" and o["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
            ]
            self.assertEqual(len(own), 1)
            mirrors = next(rule for rule in own[0]["egress"] if {"port": 80} in rule["ports"])
            self.assertEqual(mirrors["ports"], [{"port": 80}, {"port": 443}])
            # The cluster's own addresses are none of a mirror's redirects.
            blocks = {block["ipBlock"]["cidr"]: block["ipBlock"]["except"] for block in mirrors["to"]}
            self.assertEqual(set(blocks), {"0.0.0.0/0", "::/0"})
            self.assertIn("169.254.0.0/16", blocks["0.0.0.0/0"])
            self.assertIn({53, 5353}, [{port["port"] for port in rule["ports"]} for rule in own[0]["egress"]])
            scraped = [rule for rule in own[0]["ingress"] if {"port": "probe"} in rule["ports"]]
            self.assertIn("from", scraped[0])
            port = next(port["containerPort"] for port in probe["ports"] if port["name"] == "probe")
            self.assertIn(f"[::]:{port}", probe["args"])
            if name == "Deployment/mirrorlist":
                # What fails there must not take the server away.
                self.assertNotIn("livenessProbe", probe)
                self.assertIn("probe", [p["targetPort"] for p in objects["Service", "mirrorlist-admin"]["spec"]["ports"]])
            else:
                self.assertEqual(probe["livenessProbe"]["httpGet"], {"path": "/healthz", "port": "probe"})
                service = objects["Service", "mirrorlist-probe"]["spec"]
                self.assertLessEqual(service["selector"].items(), labels.items())
                self.assertEqual([p["targetPort"] for p in service["ports"]], ["probe"])

    def test_arguments_are_what_the_generator_knows(self):
        documented = (ROOT / "docs/generator.md").read_text(encoding="utf-8")
        of_probe = documented[documented.index("<!-- probe flags") : documented.index("<!-- /probe flags")]
        of_generator = documented[documented.index("<!-- flags") : documented.index("<!-- /flags")]
        for _, objects in self.each():
            for _, _, spec in pod_specs(objects):
                for container in containers(spec):
                    if container["image"].startswith("mirrorlist-generator:"):
                        self.assert_flags(container["args"], of_probe if container["args"][0] == "probe" else of_generator)
        unit = (ROOT / "systemd/mirrorlist-probe.service").read_text(encoding="utf-8").replace("\\\n", " ")
        self.assert_flags(re.search("^ExecStart=(.*)", unit, re.MULTILINE)[1].split(), of_probe)
        stack = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
        self.assert_flags(stack["services"]["probe"]["command"], of_probe)

    def assert_flags(self, arguments, table):
        flags = [argument.split("=")[0] for argument in arguments if argument.startswith("--")]
        self.assertTrue(flags)
        for flag in flags:
            self.assertRegex(table, rf"\n\| (`-\w`, )?`{flag}[` ]")


if __name__ == "__main__":
    unittest.main(verbosity=2)
