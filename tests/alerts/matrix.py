"""Which alerts a fault makes fire, and how soon: a real Prometheus with the chart's own rules and monitors.

usage: matrix.py configure FOLDER              FOLDER: documents.json, the chart's objects; writes prometheus.yml and rules.json
       matrix.py run CONTEXT.json [FAULT...]   holds the faults that have no result yet, one after the other
       matrix.py table RESULTS.json README.md  writes the table of results into a document
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

# Seconds that a fault is held, and bounds after its begin and after its end.
HELD, FIRES, RESOLVES = int(os.environ.get("PURR_HELD", "300")), 120, 300
LOOK = 5
# Of kube-state-metrics, which the test cluster has not; and the alert that always fires.
LEFT_OUT = {"PurrWatchdog", "PurrBackupOld"}
BEGIN, END = "<!-- alerts: written by tests/alerts.sh -->", "<!-- alerts: end -->"


def scaled(*workloads):
    """Workloads that have no pod while the fault is held; each goes back to what it had."""
    return {"scale": list(workloads)}


# What is done, and the alerts that must fire for it. `hold`: longer than HELD, where an alert waits that long by its `for`.
FAULTS = {
    "none": {"do": {}, "alerts": []},
    "signer-away": {"do": scaled("statefulset/purr-chain-signer"), "alerts": ["PurrSignerDown"]},
    "gateways-away": {"do": scaled("deployment/purr-gateway"), "alerts": ["PurrGatewayDown"]},
    "controller-away": {"do": scaled("deployment/purr-controller"), "alerts": ["PurrControllerDown"]},
    "chain-stands": {"do": {"stop": ["purr-anvil-0", "anvil"]}, "alerts": ["PurrSignerPartDown"]},
    "postgres-away": {"do": scaled("statefulset/purr-postgres"), "alerts": ["PurrSignerPartDown"]},
    "store-away": {"do": scaled("statefulset/purr-redis"), "alerts": ["PurrStoreWithoutMaster"]},
    "sessions-away": {"do": scaled("statefulset/purr-redis-sessions"), "alerts": ["PurrSeatingUnavailable"]},
    "records-away": {"do": scaled("deployment/purr-records"), "alerts": ["PurrRecordsDown"], "hold": 420, "fires": 390},
}


def snake(value):
    """The operator's camelCase of relabelling as Prometheus writes it."""
    if isinstance(value, list):
        return [snake(one) for one in value]
    if isinstance(value, dict):
        return {re.sub("([A-Z])", lambda found: "_" + found[1].lower(), key): snake(one) for key, one in value.items()}
    return value


def label_of(name):
    return "__meta_kubernetes_pod_label_" + re.sub("[^a-zA-Z0-9_]", "_", name)


def targets_of(pods):
    """Pods as Prometheus' own discovery shows them, which Debian's build lacks: one target for each port of a pod that runs."""
    found = []
    for pod in pods:
        if pod["status"].get("phase") != "Running" or "podIP" not in pod["status"] or "deletionTimestamp" in pod["metadata"]:
            continue
        labels = {label_of(name): value for name, value in pod["metadata"]["labels"].items()}
        labels |= {"__meta_kubernetes_namespace": pod["metadata"]["namespace"], "__meta_kubernetes_pod_name": pod["metadata"]["name"]}
        for port in (port for container in pod["spec"]["containers"] for port in container.get("ports", [])):
            address = f"{pod['status']['podIP']}:{port['containerPort']}"
            found.append({"targets": [address], "labels": labels | {"__meta_kubernetes_pod_container_port_name": port.get("name", "")}})
    return found


def scrape_config(monitor, folder):
    """What the Prometheus operator makes of a PodMonitor, as far as the chart's use it."""
    spec = monitor["spec"]
    endpoint = spec["podMetricsEndpoints"][0]
    keep = [
        {"source_labels": [label_of(label)], "regex": re.escape(value), "action": "keep"}
        for label, value in spec["selector"]["matchLabels"].items()
    ]
    return {
        "job_name": monitor["metadata"]["name"],
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": "5s",
        "file_sd_configs": [{"files": [str(folder / "targets.json")], "refresh_interval": "5s"}],
        "relabel_configs": keep
        + [
            {"source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": endpoint["port"], "action": "keep"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ]
        + snake(endpoint.get("relabelings", [])),
        "metric_relabel_configs": snake(endpoint.get("metricRelabelings", [])),
    }


def configure(folder):
    folder = pathlib.Path(folder)
    documents = json.loads((folder / "documents.json").read_text())
    groups = [group for one in documents if one["kind"] == "PrometheusRule" for group in one["spec"]["groups"]]
    monitors = [one for one in documents if one["kind"] == "PodMonitor"]
    if not groups or not monitors:
        sys.exit("matrix.py: the chart renders no rules or no monitors")
    (folder / "rules.json").write_text(json.dumps({"groups": groups}))
    config = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [str(folder / "rules.json")],
        "scrape_configs": [scrape_config(monitor, folder) for monitor in monitors],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    print(f"{len(groups)} groups of rules, {len(monitors)} monitors")


class Ground:
    """The cluster, and the Prometheus in its network."""

    def __init__(self, context):
        self.inside, self.kubectl = context["inside"], [*context["kubectl"], "--namespace", context["namespace"]]
        self.file = pathlib.Path(context["targets"])
        self.pod_sh, self.cluster, self.prometheus = context["pod_sh"], context["cluster"], context["prometheus"]

    def k(self, *arguments):
        return subprocess.run([*self.kubectl, *arguments], check=True, capture_output=True, text=True).stdout

    def discover(self):
        """Writes the pods that there are, again and again; a look that fails leaves what was written."""
        while True:
            try:
                pods = json.loads(self.k("get", "pods", "-o", "json"))["items"]
                new = self.file.with_suffix(".new")
                new.write_text(json.dumps(targets_of(pods)))
                new.replace(self.file)
            except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
                print(f"pods: {error}", file=sys.stderr)
            time.sleep(LOOK)

    def ask(self, path):
        """From Prometheus' API, by a process in the cluster's network."""
        done = subprocess.run([*self.inside, "curl", "-fsS", "--max-time", "10", self.prometheus + path], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"Prometheus: {done.stderr.strip()}")
        return json.loads(done.stdout)["data"]

    def firing(self):
        alerts = (one for one in self.ask("/api/v1/alerts")["alerts"] if one["state"] == "firing")
        found = {}
        for one in alerts:
            if one["labels"]["alertname"] not in LEFT_OUT:
                found[one["labels"]["alertname"]] = one["labels"]["severity"]
        return found

    def targets(self):
        return [one["health"] for one in self.ask("/api/v1/targets?state=active")["activeTargets"]]

    def hold(self, do):
        """Does it; returns what undoes it."""
        if "scale" in do:
            had = {one: self.k("get", one, "-o", "jsonpath={.spec.replicas}") for one in do["scale"]}
            for one in had:
                self.k("scale", one, "--replicas=0")
            return lambda: [self.k("scale", one, f"--replicas={count}") for one, count in had.items()]
        if "stop" in do:
            pod, container = do["stop"]
            found = json.loads(self.k("get", "pod", pod, "-o", "json"))
            status = next(one for one in found["status"]["containerStatuses"] if one["name"] == container)
            process = [found["metadata"]["uid"].replace("-", "_"), status["containerID"].split("//")[1]]
            signal = lambda name: subprocess.run([self.pod_sh, self.cluster, name, *process], check=True)
            try:
                signal("stop")
            except subprocess.CalledProcessError:
                # Cgroups name the pod with dashes where the driver is cgroupfs.
                process[0] = found["metadata"]["uid"]
                signal("stop")
            return lambda: signal("cont")
        return lambda: None


def wait_calm(ground, seconds):
    """Until no alert fires and every target answers; the seconds that it took, or None."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        firing, targets = ground.firing(), ground.targets()
        if not firing and targets and set(targets) == {"up"}:
            return round(time.monotonic() - begun)
        time.sleep(LOOK)
    return None


def try_fault(ground, fault):
    what = FAULTS[fault]
    if wait_calm(ground, 900) is None:
        raise RuntimeError(f"not calm before {fault}: {ground.firing()}, targets {ground.targets()}")
    undo, begun, fired = ground.hold(what["do"]), time.monotonic(), {}
    try:
        while (now := time.monotonic() - begun) < what.get("hold", HELD):
            for alert, severity in ground.firing().items():
                fired.setdefault(alert, {"severity": severity, "after": round(now)})
            time.sleep(LOOK)
    finally:
        undo()
    ended, resolved = time.monotonic(), {}
    while time.monotonic() - ended < 2 * RESOLVES and len(resolved) < len(fired):
        firing = ground.firing()
        for alert in fired:
            if alert not in firing:
                resolved.setdefault(alert, round(time.monotonic() - ended))
        time.sleep(LOOK)
    for alert in fired:
        fired[alert]["resolved"] = resolved.get(alert)
    return verdict(fault, fired)


def verdict(fault, fired):
    """What was seen beside what must be seen."""
    what, wrong = FAULTS[fault], []
    for alert in what["alerts"]:
        if alert not in fired:
            wrong.append(f"{alert} did not fire")
        elif fired[alert]["after"] > what.get("fires", FIRES):
            wrong.append(f"{alert} fired after {fired[alert]['after']} s")
    for alert, seen in fired.items():
        if seen["resolved"] is None or seen["resolved"] > RESOLVES:
            wrong.append(f"{alert} was not resolved within {RESOLVES} s")
    if fault == "none" and fired:
        wrong.append("alerts fire in a calm")
    return {"held": what.get("hold", HELD), "alerts": fired, "wrong": wrong, "at": time.strftime("%FT%TZ", time.gmtime())}


def run(context, faults):
    context = json.loads(pathlib.Path(context).read_text())
    results = pathlib.Path(context["results"])
    held = json.loads(results.read_text()) if results.exists() else {}
    ground = Ground(context)
    threading.Thread(target=ground.discover, daemon=True).start()
    for fault in faults or FAULTS:
        if fault not in FAULTS:
            sys.exit(f"matrix.py: no fault {fault}: {', '.join(FAULTS)}")
        if fault in held and not faults:
            print(f"{fault}: has a result of {held[fault]['at']}")
            continue
        held[fault] = try_fault(ground, fault)
        # Each by itself: a run that is cut off goes on with the next.
        results.write_text(json.dumps(held, indent=2) + "\n")
        print(f"{fault}: {held[fault]['alerts']} {held[fault]['wrong'] or 'as it must be'}", flush=True)
    sys.exit(any(held[fault]["wrong"] for fault in held))


def table(results, document):
    held = json.loads(pathlib.Path(results).read_text())
    lines = ["| fault | held, s | must fire | fired after, s | resolved after its end, s | also fired | as it must be |", "|---|--:|---|---|---|---|---|"]
    for fault in (one for one in FAULTS if one in held):
        seen, must = held[fault]["alerts"], FAULTS[fault]["alerts"]
        of = lambda key: ", ".join(str(seen[alert][key]) if alert in seen else "never" for alert in must)
        also = ", ".join(f"{alert} ({one['severity']}, {one['after']} s)" for alert, one in sorted(seen.items()) if alert not in must)
        said = "; ".join(held[fault]["wrong"]) or "yes"
        lines.append(f"| {fault} | {held[fault]['held']} | {', '.join(must)} | {of('after')} | {of('resolved')} | {also} | {said} |")
    path = pathlib.Path(document)
    text = path.read_text()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    path.write_text(text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:])


match sys.argv[1:]:
    case ["configure", folder]:
        configure(folder)
    case ["run", context, *faults]:
        run(context, faults)
    case ["table", results, document]:
        table(results, document)
    case _:
        sys.exit(__doc__)
