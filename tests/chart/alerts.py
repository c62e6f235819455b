"""The chart's alert rules and dashboards beside the programs' metrics, and each rule beside its tests.

usage: alerts.py FOLDER      FOLDER: rules.json, cases.json and dashboards.json as tests/chart.sh makes them; promtool's files go there
       alerts.py --write     writes helm/purr/METRICS.md from the programs' sources

A case of tests/chart/alerts/*.yaml is an alert, "fires" or "silent", and a sentence with
    series: values by series, in promtool's notation, one value every 15 seconds
    at: time of the look; left out: 10m
    labels: labels that the alert must have beside its name, where it fires
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/purr"
SEVERITIES = {"critical", "warning", "none"}
PARTS = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]


def rules(documents):
    return [(group, rule) for document in documents for group in document["groups"] for rule in group["rules"]]


def wrong_with(rule, name):
    """What an alert lacks whatever its expression."""
    for key in ("for", "expr"):
        if key not in rule:
            yield f"{name} has no `{key}`"
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        yield f"{name} has no severity of {', '.join(sorted(SEVERITIES))}"
    for key in ("summary", "description", "runbook_url"):
        if key not in rule.get("annotations", {}):
            yield f"{name} has no annotation {key}"
    book = CHART / "runbooks" / f"{name}.md"
    if not rule.get("annotations", {}).get("runbook_url", "").endswith(f"/{name}.md"):
        yield f"the runbook_url of {name} does not end with /{name}.md"
    if not book.exists():
        yield f"{book.relative_to(ROOT)} is missing"
        return
    text = book.read_text()
    for part in PARTS:
        if not re.search(rf"^{part}\n+[^#\s]", text, re.MULTILINE):
            yield f"{book.relative_to(ROOT)} has nothing under '{part}'"


def cases_of(cases, name, kind):
    return cases.get(name, {}).get(kind) or {}


def promtool_test(files, cases):
    """One unit test of promtool for each case."""
    tests = []
    for alert, kinds in sorted(cases.items()):
        for kind, sentences in kinds.items():
            for sentence, case in sentences.items():
                labels = {"alertname": alert, **case.get("labels", {})}
                text = ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
                said = [{"labels": "{" + text + "}", "value": 1}] if kind == "fires" else []
                by = ", ".join(sorted(labels))
                expression = f'group by ({by}) (ALERTS{{alertstate="firing", alertname="{alert}"}})'
                tests.append(
                    {
                        "name": f"{alert} {kind}: {sentence}",
                        "interval": "15s",
                        "input_series": [{"series": s, "values": v} for s, v in case.get("series", {}).items()],
                        "promql_expr_test": [
                            {"expr": expression, "eval_time": case.get("at", "10m"), "exp_samples": said}
                        ],
                    }
                )
    return {"rule_files": files, "evaluation_interval": "15s", "tests": tests}


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"promtool {arguments[0]} {arguments[1]}:\n{done.stdout}{done.stderr}"]


def check_rules(folder, known):
    documents = json.loads((folder / "rules.json").read_text())
    cases = json.loads((folder / "cases.json").read_text())
    found, alerts, recorded = [], set(), {rule["record"] for _, rule in rules(documents) if "record" in rule}
    for _, rule in rules(documents):
        name = rule.get("alert") or rule["record"]
        for metric in sorted(set(re.findall(r"\b(?:purr|kube)_[a-z0-9_]+\b", rule["expr"])) - known - recorded):
            found.append(f"{name} reads {metric}, which no program has")
        for record in sorted(set(re.findall(r"\bpurr:[a-z0-9_:]+", rule["expr"])) - recorded):
            found.append(f"{name} reads {record}, which no rule records")
        if "alert" not in rule:
            continue
        if name in alerts:
            found.append(f"{name} is there twice")
        alerts.add(name)
        found += wrong_with(rule, name)
        kinds = ("fires",) if rule["labels"].get("severity") == "none" else ("fires", "silent")
        found += [f"{name} has no case under `{kind}`" for kind in kinds if not cases_of(cases, name, kind)]
    found += [f"tests/chart/alerts has {name}, which is no alert" for name in sorted(cases.keys() - alerts)]
    books = {book.stem for book in (CHART / "runbooks").glob("*.md")} - {"README"}
    found += [f"helm/purr/runbooks/{name}.md is of no alert" for name in sorted(books - alerts)]
    # Rules are evaluated beside those of their own file alone, which is what takes the time.
    for number, document in enumerate(documents):
        mine = {rule.get("alert") for _, rule in rules([document])}
        (folder / f"rules-{number}.yaml").write_text(json.dumps(document))
        test = promtool_test([f"rules-{number}.yaml"], {name: kinds for name, kinds in cases.items() if name in mine})
        (folder / f"tests-{number}.yaml").write_text(json.dumps(test))
        found += promtool("check", "rules", folder / f"rules-{number}.yaml")
        found += promtool("test", "rules", folder / f"tests-{number}.yaml")
    if not found:
        count = sum(len(sentences) for kinds in cases.values() for sentences in kinds.values())
        print(f"{len(alerts)} alerts, {count} cases")
    return found


SOURCES = {
    "controller": "operator/controller/src/metrics.rs",
    "gateway": "operator/gateway/src/metrics.rs",
    "table": "table-pod/server/src/metrics.rs",
    "chain-signer": "chain-signer/src/metrics.rs",
    "records": "operator/records/src/metrics.rs",
    "fair-play": "operator/fairplay/src/service/metrics.rs",
    "all": "operator/runtime/src/ops.rs",
}
KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
# Of kube-state-metrics: CronJobs, and the CustomResourceState of helm/purr/files/kube-state-metrics.yaml.
OUTSIDE = {"kube_cronjob_status_last_successful_time"}


def kind_of(constructor):
    for part, kind in KINDS.items():
        if part in constructor:
            return kind
    return None


def closing(text, start):
    """Where the bracket before start closes."""
    depth, quoted = 1, False
    for at in range(start, len(text)):
        char = text[at]
        if char == '"' and text[at - 1] != "\\":
            quoted = not quoted
        elif not quoted and char in "([{":
            depth += 1
        elif not quoted and char in ")]}":
            depth -= 1
            if depth == 0:
                return at
    raise ValueError("a bracket does not close")


def helpers(text):
    """Closures that make and register a metric: (kind, labels that all of them have)."""
    made = {}
    for match in re.finditer(r"let (\w+) = \|[^|]*\|[^{;]*\{", text):
        body = text[match.end() : closing(text, match.end())]
        constructor = re.search(r"\b(\w*(?:Counter|Gauge|Histogram)(?:Vec)?)::(?:new|with_opts)", body)
        if constructor:
            made[match[1]] = (kind_of(constructor[1]), re.findall(r'"(\w+)"', "".join(re.findall(r"&\[([^\]]*)\]", body))))
    return made


def metrics_of(source):
    """Metrics that a source registers, as (name, kind, labels, help)."""
    text = re.sub(r"(?m)^\s*//.*$", "", (ROOT / source).read_text())
    made = helpers(text)
    for match in re.finditer(r'"(purr_\w+)",\s*"((?:[^"\\]|\\.)*)"', text):
        head = re.search(r"(\w+)(?:::\w+)?\(\s*$", text[: match.start()])
        call = text[match.end() : closing(text, match.start())]
        name, kind, labels = head[1], None, []
        if name in made:
            kind, labels = made[name]
            labels = labels or re.findall(r'"(\w+)"', call)
        elif name in ("Opts", "HistogramOpts"):
            outer = re.search(r"(\w+)::new\(\s*$", text[: head.start()])
            kind = "histogram" if name == "HistogramOpts" else kind_of(outer[1])
            if outer:
                rest = text[closing(text, match.start()) : closing(text, outer.end())]
                labels = re.findall(r'"(\w+)"', rest)
        else:
            kind = kind_of(name)
        if kind is None:
            sys.exit(f"{source}: the type of {match[1]} is not seen by tests/chart/alerts.py")
        yield match[1], kind, labels, match[2]


def unit_of(name, text):
    for end, unit in (("_seconds", "seconds"), ("_seconds_total", "seconds"), ("_bytes", "bytes"), ("_wei", "wei")):
        if name.endswith(end):
            return unit
    return "0 or 1" if re.match(r"(ALARM at \d: )?1 ", text) or text.startswith("ALARM at") else "number"


def programs():
    return {program: list(metrics_of(source)) for program, source in SOURCES.items()}


def known_metrics():
    """Names as Prometheus has them."""
    names = set(OUTSIDE)
    for metrics in programs().values():
        for name, kind, _, _ in metrics:
            names.add(name)
            if kind == "histogram":
                names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")}
    return names


def main():
    folder = pathlib.Path(sys.argv[1])
    found = check_rules(folder, known_metrics())
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(bool(found))


main()
