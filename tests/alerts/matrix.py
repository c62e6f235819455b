"""Which alerts a fault makes fire, and how soon: a real Prometheus with the chart's own rules and monitors.

usage: matrix.py configure FOLDER              FOLDER: documents.json, the chart's objects; writes prometheus.yml and rules.json
       matrix.py run CONTEXT.json [FAULT...]   holds the faults that have no result yet, one after the other
       matrix.py table RESULTS.json README.md  writes the table of results into a document
       matrix.py check                         each fault of `make chaos` names its alerts, which are rules of the chart
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.parse

# Seconds that a fault is held, and bounds after its begin and after its end.
HELD, FIRES, RESOLVES = int(os.environ.get("PURR_HELD", "300")), 120, 300
LOOK = 5
# Tables of a large fleet, and series that it may have; the name of that look among the results.
TABLES, SERIES_MAX, SCRAPE = 10_000, 150_000, "scrape"
# The alert that always fires; of kube-state-metrics, which the test cluster has not; and of the disk, which is the machine's own:
# its volumes are folders there.
LEFT_OUT = {"PurrWatchdog", "PurrBackupOld", "PurrStoreDiskFull"}
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
    "store-node-away": {"do": {"shrink": ["statefulset/purr-redis", 2]}, "alerts": ["PurrStoreNodeAway"], "hold": 480, "fires": 420},
    "tables-away": {"do": {"refuse": "app.kubernetes.io/component=table"}, "alerts": ["PurrTablesDegraded"]},
    "sessions-away": {"do": scaled("statefulset/purr-redis-sessions"), "alerts": ["PurrSessionsStoreDown"]},
    "records-away": {"do": scaled("deployment/purr-records"), "alerts": ["PurrRecordsDown"], "hold": 420, "fires": 390},
}

# Each fault of `make chaos`: the alerts that it must raise where it lasts, and the fault above that holds it, or why none does.
# For the seconds that it lasts in `make chaos` no critical alert fires by the rules' `for`.
CHAOS = {
    "none": ([], "none"),
    "pod-killed": (["PurrTablesDegraded"], "tables-away"),
    "process-killed": (["PurrTablesDegraded"], "tables-away"),
    "pod-frozen": (["PurrTablesDegraded"], "tables-away"),
    "evicted": (["PurrTablesDegraded"], "tables-away"),
    "node-drained": (["PurrTablesDegraded"], "tables-away"),
    "master-killed": (["PurrStoreNodeAway"], "store-node-away"),
    "sentinel-killed": (["PurrStoreNodeAway"], "store-node-away"),
    "two-stores-killed": (["PurrStoreWithoutMaster"], "store-away"),
    "all-stores-killed": (["PurrStoreWithoutMaster"], "store-away"),
    "partition-wrong-side": (["PurrStoreNodeAway"], "store-node-away"),
    "partition-right-side": (["PurrStoreNodeAway"], "store-node-away"),
    "split-brain": (["PurrStoreSplitBrain"], "Sentinels end it within seconds"),
    "master-disk-full": (["PurrStoreNodeAway"], "store-node-away"),
    "all-disks-full": (["PurrStoreWithoutMaster"], "store-away"),
    "signer-killed": (["PurrSignerDown"], "signer-away"),
    "gateway-killed": (["PurrGatewayDown"], "gateways-away"),
    "controller-killed": (["PurrControllerDown"], "controller-away"),
    "leader-killed": (["PurrControllerDown"], "controller-away"),
    "records-killed": (["PurrRecordsDown"], "records-away"),
    "postgres-killed": (["PurrSignerPartDown"], "postgres-away"),
    "api-server-away": (["PurrControllerDown"], "pods are found by the API server, and the fault ended by it"),
    "clock-jumped": ([], "a table compares no clocks, and no metric says what its own one shows"),
    "lossy-network": ([], "losses of packets are answered by TCP; what they cost is in the objectives, which look at hours"),
}
ROOT = pathlib.Path(__file__).resolve().parents[2]


def wrong_with_chaos(chaos, names, alerts):
    """`names`: faults of `make chaos`; `alerts`: those of the chart's rules."""
    for name in names:
        if name not in chaos:
            yield f"the fault {name} of make chaos names no alerts"
    for name, (raised, how) in chaos.items():
        if name not in names:
            yield f"{name} is no fault of make chaos"
        if how in FAULTS and not set(raised) <= set(FAULTS[how]["alerts"]):
            yield f"{name}: {how} does not hold for {', '.join(raised)}"
        if how not in FAULTS and " " not in how:
            yield f"{name}: there is no fault {how}"
    for name, raised in [*((name, raised) for name, (raised, _) in chaos.items()), *((name, what["alerts"]) for name, what in FAULTS.items())]:
        for alert in raised:
            if alert not in alerts:
                yield f"{name}: {alert} is no alert of the chart"


def check():
    source = (ROOT / "tests/src/chaos/fault.rs").read_text()
    names = re.findall(r'Self::\w+ => "([a-z-]+)"', source[source.index("fn name(") :])
    rules = [path.read_text() for path in (ROOT / "helm/purr/files/rules").glob("*.yaml")]
    alerts = {alert for text in rules for alert in re.findall(r"(?m)^\s*- alert: (\w+)", text)}
    if len(names) < 20 or len(alerts) < 40:
        sys.exit(f"matrix.py: reads {len(names)} faults and {len(alerts)} alerts, which are too few: have their sources moved?")
    found = list(wrong_with_chaos(CHAOS, names, alerts))
    # The check itself: a fault without an entry, and an alert that there is not, are found.
    less = {name: one for name, one in CHAOS.items() if name != names[-1]}
    if not list(wrong_with_chaos(less, names, alerts)) or not list(wrong_with_chaos({**CHAOS, "none": (["X"], "none")}, names, alerts)):
        found.append("the check of faults sees nothing")
    document = (ROOT / "helm/purr/METRICS.md").read_text()
    if undocumented(["purr_new_total", "purr_build_info", "purr_controller_reconcile_seconds_bucket", "up"], document) != ["purr_new_total"]:
        found.append("the comparison of a scrape with METRICS.md sees nothing")
    if found:
        sys.exit("\n".join(found))
    print(f"{len(names)} faults of make chaos name their alerts, {len(FAULTS)} faults are held")


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
        if "shrink" in do:
            one, count = do["shrink"]
            had = self.k("get", one, "-o", "jsonpath={.spec.replicas}")
            self.k("scale", one, f"--replicas={count}")
            return lambda: self.k("scale", one, f"--replicas={had}")
        if "refuse" in do:
            # New pods of the namespace are refused, and the old ones go.
            self.k("create", "quota", "held", "--hard=pods=0")
            try:
                self.k("delete", "pod", "--wait=false", "--selector", do["refuse"])
            except subprocess.CalledProcessError:
                self.k("delete", "quota", "held")
                raise
            return lambda: self.k("delete", "quota", "held")
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


def undocumented(names, document):
    """Metrics of a scrape that METRICS.md does not have: histograms have three names more each."""
    known = set(re.findall(r"^\| `(purr_\w+)` \|", document, re.MULTILINE))
    parts = {name + part for name in known for part in ("_bucket", "_sum", "_count")}
    return sorted(name for name in names if name.startswith("purr_") and name not in known | parts)


def look_at_scrape(ground):
    """What is scraped beside METRICS.md, and what a fleet of TABLES tables would have by it. Prometheus' own series count too."""
    names = ground.ask("/api/v1/label/__name__/values?match[]=" + urllib.parse.quote('{job=~".+"}'))
    by_job = lambda query: {
        one["metric"]["job"]: int(one["value"][1]) for one in ground.ask("/api/v1/query?query=" + urllib.parse.quote(query))["result"]
    }
    series, targets = by_job('count by (job) ({job=~".+"})'), by_job("count by (job) (up)")
    tables = next((job for job in targets if job.endswith("-table") or job.endswith("-tables")), None)
    wrong = [f"{name} is not in METRICS.md" for name in undocumented(names, (ROOT / "helm/purr/METRICS.md").read_text())]
    if tables is None:
        wrong.append(f"no monitor of tables among {', '.join(targets)}")
        return {"series": series, "targets": targets, "wrong": wrong}
    each = series[tables] / targets[tables]
    # Of the rest, ten times what this small release has: 20 gateways, and more store nodes.
    total = round(each * TABLES + 10 * sum(count for job, count in series.items() if job != tables))
    if total > SERIES_MAX:
        wrong.append(f"{TABLES} tables would have {total} series, more than {SERIES_MAX}")
    return {"series": series, "targets": targets, "each_table": each, "at_10000_tables": total, "wrong": wrong}


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
    if SCRAPE not in held or SCRAPE in faults:
        if wait_calm(ground, 900) is None:
            raise RuntimeError(f"not calm: {ground.firing()}, targets {ground.targets()}")
        held[SCRAPE] = look_at_scrape(ground)
        results.write_text(json.dumps(held, indent=2) + "\n")
        print(f"{SCRAPE}: {held[SCRAPE]}", flush=True)
    for fault in (one for one in faults or FAULTS if one != SCRAPE):
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
    lines += ["", "| fault of `make chaos` | alerts where it lasts | held by |", "|---|---|---|"]
    for fault, (raised, how) in CHAOS.items():
        ran = f"`{how}`" + ("" if how in held else ", which has not run") if how in FAULTS else f"nothing: {how}"
        lines.append(f"| {fault} | {', '.join(raised)} | {ran} |")
    path = pathlib.Path(document)
    text = path.read_text()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    path.write_text(text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:])


match sys.argv[1:]:
    case ["configure", folder]:
        configure(folder)
    case ["run", context, *faults]:
        run(context, faults)
    case ["check"]:
        check()
    case ["table", results, document]:
        table(results, document)
    case _:
        sys.exit(__doc__)
