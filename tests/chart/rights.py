"""Rights in the Kubernetes API that the chart gives, each with its reason.

usage: rights.py FOLDER     every verb that is rendered has one reason below, every reason a verb, and README says the same
       rights.py --write    writes the table of helm/purr/README.md
FOLDER: *.json, lists of the rendered manifests of a release `purr`.
"""

import json
import pathlib
import re
import sys

import generated

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "helm/purr/README.md"

# Role, as it is called without namespace and release: {resources: {verbs: reason}}. Each verb is named once.
WATCH = "the program holds what is there, and hears of changes"
REASONS = {
    "bootstrap": {
        "secrets NAMED": {
            "get": "sees which Secrets of the release are there, and what they lack",
            "patch": "adds a password that a new program needs, renews a certificate",
        },
        "secrets": {"create": "makes what is missing; a name cannot be asked for before the object is there"},
        "apps/deployments": {"list": "refuses a second release beside another one, whose name nobody knows"},
        "apiextensions.k8s.io/customresourcedefinitions NAMED": {
            "get": "sees whether the definitions are older than this release's",
            "patch": "brings them up to date",
        },
        "apiextensions.k8s.io/customresourcedefinitions": {"create": "makes them at the first installation"},
    },
    "controller": {
        "coordination.k8s.io/leases NAMED": {
            "get": "sees who leads",
            "update": "takes the lead, keeps it and gives it back",
        },
        "coordination.k8s.io/leases": {"create": "leads for the first time"},
        "secrets NAMED": {"get": "copies what table pods mount into the other namespaces that have tables"},
    },
    "controller-tables": {
        "purr.poker/pokertables": {
            "get": "reads a table anew before it gives out a fencing generation",
            "list": WATCH,
            "watch": WATCH,
            "create": "makes the tables of a fleet",
            "patch": "puts and takes its finalizer; closes, pauses and moves a fleet's tables",
            "delete": "removes a fleet's tables that are free",
        },
        "purr.poker/pokertablefleets": {
            "list": WATCH,
            "watch": WATCH,
            "patch": "puts and takes its finalizer",
        },
        "purr.poker/pokertables/status": {"patch": "gives out fencing generations, says how the table is"},
        "purr.poker/pokertablefleets/status": {"patch": "says how the fleet is"},
        "purr.poker/pokertables/finalizers": {
            "update": "pods and Secrets name their table as an owner that blocks",
        },
        "purr.poker/pokertablefleets/finalizers": {"update": "tables name their fleet as an owner that blocks"},
        "apps/controllerrevisions": {
            "list": "reads the history of a fleet's template",
            "create": "adds to it",
            "patch": "numbers it after an undo",
            "delete": "forgets the oldest of it",
        },
        "pods": {
            "list": WATCH,
            "watch": WATCH,
            "create": "starts the pod of a table",
            "patch": "marks a pod that drains, pauses, or is to take over; puts edited labels and owners back",
            "delete": "removes a pod that was replaced or failed",
        },
        "secrets": {
            "get": "looks whether a table's certificate is good; names cannot be listed ahead",
            "list": "sees by the metadata which tables' Secrets are there",
            "watch": "puts back one that somebody removed or changed",
            "create": "gives a new table its certificate",
            "patch": "renews it, and brings copies of what pods mount up to date",
        },
        "events.k8s.io/events": {"create": "says what has changed", "patch": "counts what is said again"},
    },
    "gateway-tables": {
        "pods": {"list": "knows which pod has which table", "watch": "hears when a table moves"},
        "purr.poker/pokertables": {"list": "knows which tables players may take", "watch": WATCH},
        "purr.poker/pokertablefleets": {"list": "knows how a fleet seats players", "watch": WATCH},
    },
    "kube-state-metrics": {
        "purr.poker/pokertables": {"list": "makes metrics of conditions and phases", "watch": "the same"},
        "purr.poker/pokertablefleets": {"list": "makes metrics of conditions and phases", "watch": "the same"},
    },
    "view": {
        "purr.poker/pokertables": {"get": "people read them", "list": "the same", "watch": "the same"},
        "purr.poker/pokertablefleets": {"get": "people read them", "list": "the same", "watch": "the same"},
    },
    "edit": {
        "purr.poker/pokertables": {
            "create": "people make them",
            "update": "people change them",
            "patch": "the same",
            "delete": "people remove them; chips are paid out first",
            "deletecollection": "the same",
        },
        "purr.poker/pokertablefleets": {
            "create": "people make them",
            "update": "people change them",
            "patch": "the same",
            "delete": "people remove them, with their tables",
            "deletecollection": "the same",
        },
        "purr.poker/pokertablefleets/scale": {
            "get": "`kubectl scale` reads the number of tables",
            "update": "an autoscaler sets it",
            "patch": "`kubectl scale` sets it",
        },
    },
    **{
        f"{program}-tables-namespaces": {
            "namespaces": {"list": "finds the namespaces whose labels say that they have tables", "watch": WATCH},
        }
        for program in ("controller", "gateway")
    },
}
WHO = {
    "bootstrap": "bootstrap Job",
    "controller": "controller, own namespace",
    "controller-tables": "controller, where tables are",
    "controller-tables-namespaces": "controller, by labels: whole cluster",
    "gateway-tables": "gateway, where tables are",
    "gateway-tables-namespaces": "gateway, by labels: whole cluster",
    "kube-state-metrics": "kube-state-metrics",
    "view": "people with `view`",
    "edit": "people with `edit`",
}


def role_of(name):
    return re.sub(r"^(purr-)?purr-", "", name)


def rendered(documents):
    """(role, resource, verb) of every rule."""
    for document in documents:
        if document.get("kind") not in ("Role", "ClusterRole"):
            continue
        role = role_of(document["metadata"]["name"])
        for rule in document["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    named = " NAMED" if rule.get("resourceNames") else ""
                    for verb in rule["verbs"]:
                        yield role, f"{group}/{resource}".lstrip("/") + named, verb


def reasons():
    return {
        (role, resource, verb): why
        for role, resources in REASONS.items()
        for resource, verbs in resources.items()
        for verb, why in verbs.items()
    }


def table():
    lines = ["| who | resources | verb | why |", "|---|---|---|---|"]
    for (role, resource, verb), why in reasons().items():
        resource = f"{resource.removesuffix(' NAMED')}, by name" if resource.endswith(" NAMED") else resource
        lines.append(f"| {WHO[role]} | {resource} | `{verb}` | {why} |")
    return "\n".join(lines)


def main():
    write = sys.argv[1:] == ["--write"]
    current = generated.part(README, "rights", table(), write)
    if write:
        return
    folder = sys.argv[1]
    documents = [one for path in sorted(pathlib.Path(folder).glob("*.json")) for one in json.loads(path.read_text())]
    given, explained = set(rendered(documents)), reasons()
    found = [f"{' '.join(right)} is given and has no reason in tests/chart/rights.py" for right in given - explained.keys()]
    found += [f"{' '.join(right)} has a reason and is not given" for right in explained.keys() - given]
    found += [f"{' '.join(right)} is for everything" for right in given if "*" in "".join(right)]
    if not current:
        found.append("the rights in helm/purr/README.md are not those of tests/chart/rights.py: run tests/chart.sh --write")
    for line in sorted(found):
        print(f"error: {line}", file=sys.stderr)
    sys.exit(bool(found))


main()
