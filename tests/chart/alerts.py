"""The chart's alert rules and dashboards beside the programs' metrics, and each rule beside its tests.

usage: alerts.py FOLDER      FOLDER: rendered, rules.json and cases.json as alerts.sh makes them; promtool's files go there
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

import generated

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/purr"
SEVERITIES = {"critical", "warning", "none"}
PARTS = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]


def rules(documents):
    return [(group, rule) for document in documents for group in document["groups"] for rule in group["rules"]]


def book_of(name):
    """Both alerts of an objective have one runbook."""
    return re.sub("(Fast|Slow)Burn$", "", name)


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
    about = book_of(name)
    book = CHART / "runbooks" / f"{about}.md"
    if not rule.get("annotations", {}).get("runbook_url", "").endswith(f"/{about}.md"):
        yield f"the runbook_url of {name} does not end with /{about}.md"
    if not book.exists():
        yield f"{book.relative_to(ROOT)} is missing"
        return
    text = book.read_text()
    for part in PARTS:
        if not re.search(rf"^{part}\n+[^#\s]", text, re.MULTILINE):
            yield f"{book.relative_to(ROOT)} has nothing under '{part}'"


def cases_of(cases, name, kind):
    return cases.get(name, {}).get(kind) or {}


def promtool_test(files, cases, interval):
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
    return {"rule_files": files, "evaluation_interval": interval, "tests": tests}


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    lines = f"{done.stdout}{done.stderr}".splitlines()
    said = "\n".join(line for line in lines if line.strip() and not re.match(r"Unit Testing|Checking|  SUCCESS", line))
    return [] if done.returncode == 0 else [f"promtool {arguments[0]} {arguments[1]}:\n{said}"]


def names_of(group):
    return {rule["alert"] for rule in group["rules"] if "alert" in rule}


def needed(documents):
    """A group of its own for each alert, and groups with recorded series whole."""
    for group in (group for document in documents for group in document["groups"]):
        if any("record" in rule for rule in group["rules"]):
            yield group
        else:
            yield from ({**group, "name": rule["alert"], "rules": [rule]} for rule in group["rules"])


def check_rules(folder, known):
    documents = json.loads((folder / "rules.json").read_text())
    cases = json.loads((folder / "cases.json").read_text())
    found, alerts, recorded = [], set(), {rule["record"] for _, rule in rules(documents) if "record" in rule}
    for _, rule in rules(documents):
        name = rule.get("alert") or rule["record"]
        found += known.wrong_with(name, rule["expr"])
        for metric in sorted(set(re.findall(r"\bkube_[a-z0-9_]+\b", rule["expr"])) - OUTSIDE):
            found.append(f"{name} reads {metric}, which kube-state-metrics does not have")
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
    found += [f"helm/purr/runbooks/{name}.md is of no alert" for name in sorted(books - {*map(book_of, alerts)})]
    # Only the rules that a case needs are evaluated: that is what takes the time.
    checked, tested = [], []
    for number, group in enumerate(needed(documents)):
        (folder / f"rules-{number}.yaml").write_text(json.dumps({"groups": [group]}))
        mine = {name: cases[name] for name in names_of(group) & cases.keys()}
        test = promtool_test([f"rules-{number}.yaml"], mine, group.get("interval", "15s"))
        (folder / f"tests-{number}.yaml").write_text(json.dumps(test))
        checked.append(folder / f"rules-{number}.yaml")
        tested.append(folder / f"tests-{number}.yaml")
    found += promtool("check", "rules", *checked) or promtool("test", "rules", *tested)
    if not found:
        count = sum(len(sentences) for kinds in cases.values() for sentences in kinds.values())
        print(f"{len(alerts)} alerts, {count} cases")
    return found


SOURCES = {
    "every program": "operator/runtime/src/ops.rs",
    "every program but table": "operator/runtime/src/expiry.rs",
    "controller": "operator/controller/src/metrics.rs",
    "gateway": "operator/gateway/src/metrics.rs",
    "table": "table-pod/server/src/metrics.rs",
    "chain-signer": "chain-signer/src/metrics.rs",
    "records": "operator/records/src/metrics.rs",
    "redis-node": "table-pod/redis-node/src/metrics.rs",
    "fair-play": "operator/fairplay/src/service/metrics.rs",
}
# Methods of operator/runtime/src/metrics.rs, which make and register a metric.
METHODS = {
    "counter": "counter",
    "counters": "counter",
    "gauge": "gauge",
    "gauges": "gauge",
    "float_gauge": "gauge",
    "float_gauges": "gauge",
    "histogram": "histogram",
    "histograms": "histogram",
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
        elif name in METHODS:
            kind, labels = METHODS[name], re.findall(r'"(\w+)"', call)
        elif name in ("Opts", "HistogramOpts"):
            outer = re.search(r"(\w+)::new\(\s*$", text[: head.start()])
            bound = re.search(r"let (\w+) = $", text[: head.start()])
            if name == "HistogramOpts":
                kind = "histogram"
            elif outer:
                kind = kind_of(outer[1])
            elif bound:
                # Made of the options later on.
                kind = kind_of(re.search(rf"(\w+)::with_opts\({bound[1]}\)", text)[1])
                labels = re.findall(r'const_label\(\s*"(\w+)"', text[match.end() : text.index(";", match.end())])
            if outer:
                rest = text[closing(text, match.start()) : closing(text, outer.end())]
                labels = re.findall(r'"(\w+)"', rest)
        else:
            kind = kind_of(name)
        if kind is None:
            sys.exit(f"{source}: the type of {match[1]} is not seen by tests/chart/alerts.py")
        yield match[1], kind, labels, match[2]


def unit_of(name, text):
    for end, unit in (("_seconds", "seconds"), ("_seconds_total", "seconds"), ("_bytes", "bytes"), ("_wei", "wei"), ("_gwei", "gwei")):
        if name.endswith(end):
            return unit
    return "0 or 1" if re.match(r"(ALARM at \d: )?1 ", text) or text.startswith("ALARM at") else "number"


def programs():
    return {program: list(metrics_of(source)) for program, source in SOURCES.items()}


def metrics_table():
    lines = ["| metric | type | labels | unit | program | what |", "|---|---|---|---|---|---|"]
    for program, metrics in programs().items():
        for name, kind, labels, text in sorted(metrics):
            what = text.replace("|", "\\|")
            lines.append(f"| `{name}` | {kind} | {', '.join(labels)} | {unit_of(name, text)} | {program} | {what} |")
    return "\n".join(lines)


def metrics_document(write):
    if not generated.part(CHART / "METRICS.md", "metrics", metrics_table(), write):
        return ["helm/purr/METRICS.md is not what the programs' sources register: run tests/chart.sh --write"]
    return []


# Labels that Prometheus, the PodMonitors or recording rules set.
TARGET = {"namespace", "pod", "table", "slo", "le", "cronjob"}
SELECTOR = re.compile(r"\b((?:purr|kube)[a-z0-9_:]*)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')


def family(name):
    return re.sub("_(bucket|sum|count)$", "", name)


def literals(source):
    """Strings in the sources of a program, where its values of labels are."""
    folder = (ROOT / source).parent
    while folder.name not in {"src", "chain-signer"}:
        folder = folder.parent
    if source.startswith("chain-signer"):
        folder = ROOT / "chain-signer"
    return set(re.findall(r'"(\w+)"', "\n".join(file.read_text() for file in folder.rglob("*.rs"))))


class Known:
    """What programs have, and what is scraped of it."""

    def __init__(self, rendered):
        self.labels, self.values, self.histograms = {}, {}, set()
        for program, metrics in programs().items():
            strings = literals(SOURCES[program])
            for name, kind, labels, _ in metrics:
                self.labels[name], self.values[name] = set(labels), strings
                if kind == "histogram":
                    self.histograms.add(name)
        kept = re.search(r"regex: purr_table_\(([^)]*)\)", rendered)
        self.kept = {f"purr_table_{end}" for end in kept[1].split("|")}

    def wrong_with(self, where, query):
        for name, matchers in SELECTOR.findall(query):
            if name.startswith("kube_") or ":" in name or name == "purr":
                continue
            about = family(name) if family(name) in self.histograms else name
            if about not in self.labels or about != name and about not in self.histograms:
                yield f"{where} reads {name}, which no program has"
                continue
            if name.startswith("purr_table_") and name not in self.kept:
                yield f"{where} reads {name}, which the PodMonitor of tables drops"
            for label, _, values in MATCHER.findall(matchers):
                if label in TARGET or label == "store":
                    continue
                if label not in self.labels[about]:
                    yield f"{where}: {name} has no label {label}"
                for value in set(values.split("|")) - self.values[about]:
                    yield f'{where}: no program sets {label} of {name} to "{value}"'


def dashboards(rendered):
    for text in re.findall(r'(?m)^  purr-[a-z]+\.json: (".*")$', rendered):
        yield json.loads(json.loads(text))


def queries(board):
    for panel in board["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$namespace", "purr").replace("$table", "t1")
            yield f"{board['title']}, {panel['title']}", query.replace("$__rate_interval", "5m")


def made_series(known, query):
    """Series that a query asks for, by its own selectors."""
    for name, matchers in SELECTOR.findall(query):
        labels = {"namespace": "purr", "pod": "a"}
        for label in known.labels.get(family(name), known.labels.get(name, ())):
            labels[label] = "x"
        if ":" in name:
            labels["slo"] = "actions"
        if name.startswith("purr_table_"):
            labels["table"] = "t1"
        labels |= {label: values.split("|")[0] for label, _, values in MATCHER.findall(matchers)}
        les = [labels["le"]] if "le" in labels else ["0.5", "+Inf"] if name.endswith("_bucket") else [None]
        for le in les:
            if le:
                labels["le"] = le
            text = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
            counts = name.endswith(("_total", "_bucket", "_count", "_sum"))
            yield f"{name}{{{text}}}", "0+1x40" if counts else "1x40"


def check_dashboards(folder, known, rendered):
    found, tests, boards = [], [], list(dashboards(rendered))
    for board in boards:
        for where, query in queries(board):
            found += known.wrong_with(where, query)
            series = dict(made_series(known, query))
            answer = {"expr": f"count({query}) > bool 0", "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": 1}]}
            tests.append(
                {
                    "name": where,
                    "interval": "15s",
                    "input_series": [{"series": s, "values": v} for s, v in series.items()],
                    "promql_expr_test": [answer],
                }
            )
    (folder / "queries.yaml").write_text(json.dumps({"rule_files": [], "evaluation_interval": "10m", "tests": tests}))
    found += promtool("test", "rules", folder / "queries.yaml")
    if len(boards) != len(list((CHART / "files/dashboards").glob("*.yaml"))):
        found.append(f"the chart renders {len(boards)} dashboards")
    if not found:
        print(f"{len(boards)} dashboards, {len(tests)} queries")
    return found


def main():
    if sys.argv[1:] == ["--write"]:
        metrics_document(True)
        return
    folder = pathlib.Path(sys.argv[1])
    rendered = (folder / "rendered").read_text()
    known = Known(rendered)
    found = metrics_document(False) + check_rules(folder, known) + check_dashboards(folder, known, rendered)
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(bool(found))


main()
