"""Connections that the chart's network policies let through, each with its reason.

usage: flows.py FOLDER     each flow that the policies of FOLDER's manifests allow is listed below, and each one below is allowed;
                           every pod is closed both ways; README says the same
       flows.py --write    writes the table of helm/purr/README.md
FOLDER: *.json, lists of the rendered manifests of a release `purr` in the namespace `purr`.
"""

import json
import pathlib
import sys

import generated

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "helm/purr/README.md"
COMPONENT, INSTANCE, NAMESPACE = "app.kubernetes.io/component", "app.kubernetes.io/instance", "kubernetes.io/metadata.name"
ANYWHERE, STORE = "anywhere", "redis and other groups"

# (from, to, port): why.
REDIS = {port: why for port, why in ((6379, "data"), (26379, "which node is the master"))}
FLOWS = {
    (ANYWHERE, "gateway", 8443): "players",
    (ANYWHERE, "anvil", 8545): "wallets, on the development chain",
    ("test", "gateway", 8443): "`helm test`",
    ("table", "gateway", 8444): "keys of access tokens, for gateways of the release before",
    ("gateway", "table", 8443): "players' messages",
    ("controller", "table", 8443): "drains, pauses and hand-overs",
    ("controller", "table", 9090): "whether a pod lives, and what it waits for",
    ("table", "table", 8443): "a successor asks for the table",
    ("gateway", "records", 8443): "hand history and statistics",
    ("fair-play", "records", 8443): "ended hands",
    ("gateway", "fair-play", 8443): "cases, and who is kept apart",
    ("table", "chain-signer", 8443): "seats and settlements",
    ("gateway", "chain-signer", 8443): "balances and withdrawals",
    ("controller", "chain-signer", 8443): "fences, and a table's last entry",
    ("records", "chain-signer", 8443): "what became of hands",
    ("fair-play", "chain-signer", 8443): "refunds",
    ("chain-signer", "postgres", 5432): "the journal",
    ("records", "postgres", 5432): "hands and statistics",
    ("records-export", "postgres", 5432): "the same, to export them",
    ("fair-play", "postgres", 5432): "cases",
    ("backup", "postgres", 5432): "backup and restore",
    **{("table", STORE, port): f"commits: {why}" for port, why in REDIS.items()},
    **{("controller", STORE, port): f"whether the group has one master: {why}" for port, why in REDIS.items()},
    **{("records", STORE, port): f"the stream of hands: {why}" for port, why in REDIS.items()},
    **{("backup", STORE, port): f"backup and restore: {why}" for port, why in REDIS.items()},
    **{(STORE, STORE, port): f"nodes and Sentinels of one group: {why}" for port, why in REDIS.items()},
    **{("table", "redis-sessions", port): f"summaries: {why}" for port, why in REDIS.items()},
    **{("gateway", "redis-sessions", port): f"sign-ins, limits, seats: {why}" for port, why in REDIS.items()},
    **{("controller", "redis-sessions", port): f"summaries: {why}" for port, why in REDIS.items()},
    **{("chain-signer", "redis-sessions", port): f"balances and denials: {why}" for port, why in REDIS.items()},
    **{("backup", "redis-sessions", port): f"backup and restore: {why}" for port, why in REDIS.items()},
    **{("redis-sessions", "redis-sessions", port): f"nodes and Sentinels of the group: {why}" for port, why in REDIS.items()},
    ("chain-signer", "anvil", 8545): "the development chain",
    ("chain-signer", ANYWHERE, 443): "the chain's nodes, by the ports of chain.rpcUrls or networkPolicy.chainPorts",
    **{(who, ANYWHERE, port): "the Kubernetes API" for who in ("controller", "gateway", "bootstrap", "uninstall-check") for port in (443, 6443)},
    **{(who, ANYWHERE, port): "groups of your own (stores)" for who in ("table", "controller", "records", "backup") for port in REDIS},
    ("gateway", ANYWHERE, 8443): "a service of your own that keeps players apart (gateway.keepApartAddr)",
}
# Open to all, for kubelet's probes and Prometheus.
METRICS = {"table", "controller", "gateway", "records", "fair-play", "chain-signer", "redis", "redis-second", "redis-sessions"}
# Where labels alone would not tell two groups apart.
GROUPS = {"redis", "redis-second"}


def called(component):
    return STORE if component in GROUPS else component


def pods(documents):
    """Components that the chart starts, and tables, which the controller does."""
    yield "table"
    for document in documents:
        spec = document.get("spec") or {}
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template", document if document.get("kind") == "Pod" else {})
        labels = (template.get("metadata") or {}).get("labels") or {}
        if COMPONENT in labels:
            yield labels[COMPONENT]


def peers(rule, key):
    """Components that a rule names, or None for all; names that are asked for are left out."""
    if key not in rule:
        return None
    named = [peer["podSelector"]["matchLabels"] for peer in rule[key] if "podSelector" in peer]
    for labels in named:
        if labels.get(INSTANCE) != "purr":
            sys.exit(f"error: a rule names pods of any release: {labels}")
    return [labels[COMPONENT] for labels in named]


def ports(rule):
    return [port["port"] for port in rule["ports"] if port.get("protocol") == "TCP" and port["port"] != 53]


def of_component(policies, component):
    """Rules of the policies that select these pods: (ingress, egress)."""
    own = []
    for policy in policies:
        labels = policy["spec"]["podSelector"]["matchLabels"]
        if labels.get(COMPONENT, component) == component and labels.get(INSTANCE) == "purr":
            own.append(policy)
    closed = any(set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"} for policy in own)
    rules = [[rule for policy in own for rule in policy["spec"].get(key) or []] for key in ("ingress", "egress")]
    return closed, *rules


def allowed(documents):
    policies = [document for document in documents if document.get("kind") == "NetworkPolicy"]
    # Namespaces that labels select are not known to the chart: their owners make the policy of tables.
    own = {policy["spec"]["podSelector"]["matchLabels"].get(COMPONENT) for policy in policies}
    components = set(pods(documents)) - ({"table"} - own)
    rules = {component: of_component(policies, component) for component in components}
    for component, (closed, _, _) in rules.items():
        if not closed:
            yield f"{component} is open: no policy selects its pods", None, None
    for to, (_, ingress, _) in rules.items():
        for rule in ingress:
            for port in ports(rule):
                if peers(rule, "from") is None and (port, to in METRICS) != (9090, True):
                    yield ANYWHERE, to, port
    for of, (_, _, egress) in rules.items():
        for rule in egress:
            for port in ports(rule):
                to = peers(rule, "to")
                if to is None:
                    yield of, ANYWHERE, port
                for one in set(to or []) & components:
                    lets = [rule for rule in rules[one][1] if port in ports(rule)]
                    if any((froms := peers(rule, "from")) is None or of in froms for rule in lets):
                        yield of, one, port
                    else:
                        yield f"{of} may leave for {one}:{port}, which lets nobody of it in", None, None
        for to, (_, ingress, _) in rules.items():
            for rule in ingress:
                for port in ports(rule):
                    if of in (peers(rule, "from") or []):
                        leaves = [rule for rule in egress if port in ports(rule)]
                        if not any((tos := peers(rule, "to")) is None or to in tos for rule in leaves):
                            yield f"{to}:{port} lets {of} in, which may not leave for it", None, None


def table():
    merged = {}
    for (of, to, port), why in FLOWS.items():
        merged.setdefault((of, to, why.partition(": ")[0]), []).append(port)
    lines = ["| from | to | ports | why |", "|---|---|---|---|"]
    lines += [f"| {of} | {to} | {', '.join(map(str, all_ports))} | {why} |" for (of, to, why), all_ports in merged.items()]
    lines.append("| anywhere | every program of ours | 9090 | probes and metrics |")
    lines.append("| every pod | the cluster's DNS | 53 | names |")
    return "\n".join(lines)


def main():
    write = sys.argv[1:] == ["--write"]
    current = generated.part(README, "flows", table(), write)
    if write:
        return
    found, flows = set(), set()
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
        for of, to, port in allowed(json.loads(path.read_text())):
            if to is None:
                found.add(f"{path.stem}: {of}")
            else:
                flows.add((called(of), called(to), port))
    found |= {f"{of} → {to}:{port} is let through and has no reason in tests/chart/flows.py" for of, to, port in flows - FLOWS.keys()}
    found |= {f"{of} → {to}:{port} has a reason and is not let through" for of, to, port in FLOWS.keys() - flows}
    if not current:
        found.add("the flows in helm/purr/README.md are not those of tests/chart/flows.py: run tests/chart.sh --write")
    for line in sorted(found):
        print(f"error: {line}", file=sys.stderr)
    sys.exit(bool(found))


main()
