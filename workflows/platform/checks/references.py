"""Who names whom: Secrets, ConfigMaps, accounts, Services, and who may talk to whom."""

import re

import yaml
from rules import PIPELINES, name_of, pods

INPUT = re.compile(r"\{\{inputs\.parameters\.([^}]+)\}\}")


def defined(documents):
    """{(kind, name): keys} of what the documents hold."""
    return {
        (document["kind"], document["metadata"]["name"]): set(document.get("data") or {})
        | set(document.get("stringData") or {})
        for document in documents
    }


def named(documents):
    """(who, kind, name, key or None, optional) of everything that is named."""
    for who, _, pod in pods(documents):
        for container in pod["containers"] + pod.get("initContainers", []):
            for source in container.get("envFrom", []):
                for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                    if reference := source.get(field):
                        yield who, kind, reference["name"], None, reference.get("optional", False)
            for variable in container.get("env", []):
                for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                    if reference := variable.get("valueFrom", {}).get(field):
                        yield who, kind, reference["name"], reference["key"], reference.get("optional", False)
        for volume in pod.get("volumes", []):
            if reference := volume.get("configMap"):
                yield who, "ConfigMap", reference["name"], None, reference.get("optional", False)
            if reference := volume.get("secret"):
                yield who, "Secret", reference["secretName"], None, reference.get("optional", False)
            if reference := volume.get("persistentVolumeClaim"):
                yield who, "PersistentVolumeClaim", reference["claimName"], None, False
        if account := pod.get("serviceAccountName"):
            yield who, "ServiceAccount", account, None, False
    for document in documents:
        who = name_of(document)
        if document["kind"] in PIPELINES:
            spec = document["spec"].get("workflowSpec", document["spec"])
            for account in (spec.get("serviceAccountName"), spec.get("executor", {}).get("serviceAccountName")):
                if account:
                    yield who, "ServiceAccount", account, None, False
        elif document["kind"] == "RoleBinding":
            yield who, document["roleRef"]["kind"], document["roleRef"]["name"], None, False
            for subject in document["subjects"]:
                yield who, subject["kind"], subject["name"], None, False
        elif document["metadata"]["name"] == "artifact-repositories":
            for repository in document["data"].values():
                for field, reference in yaml.safe_load(repository)["s3"].items():
                    if field.endswith("Secret"):
                        yield who, "Secret", reference["name"], reference["key"], False


def dangling(documents, prerequisites, optional):
    """What is named and is neither in the documents nor among the prerequisites, {(kind, name): keys}.

    A leaf's `config` names the ConfigMap alameda-default by default. `optional` holds Secrets' keys that may be there.
    """
    known = {**defined(documents), **prerequisites}
    found = []
    for who, kind, name, key, is_optional in named(documents):
        name = INPUT.sub("default", name)
        keys = known.get((kind, name))
        if is_optional and kind == "Secret":
            if key not in optional.get((kind, name), set()) | (keys or set()):
                found.append(f"{who}: the optional key {key} of {kind} {name} is documented nowhere")
        elif keys is None and not is_optional:
            found.append(f"{who}: {kind} {name} is nowhere")
        elif keys is not None and key and key not in keys:
            found.append(f"{who}: {kind} {name} has no {key}")
    return found


def unknown_hosts(documents, namespace):
    """Hosts of the namespace in settings and command lines that are no Service with that port."""
    services = {
        document["metadata"]["name"]: {port["port"] for port in document["spec"]["ports"]}
        for document in documents
        if document["kind"] == "Service"
    }
    texts = [
        (name_of(document), str(document.get("data"))) for document in documents if document["kind"] == "ConfigMap"
    ]
    for who, _, pod in pods(documents):
        for container in pod["containers"] + pod.get("initContainers", []):
            texts.append(
                (
                    who,
                    " ".join(
                        [*container.get("args", []), *(str(entry.get("value")) for entry in container.get("env", []))]
                    ),
                )
            )
    found = []
    for who, text in texts:
        for host, other, port in re.findall(r"\b(alameda-[a-z-]+)(?:\.([a-z0-9-]+)\.svc)?:(\d+)", text):
            if int(port) not in services.get(host, set()):
                found.append(f"{who}: no Service {host} with port {port}")
            if other and other != namespace:
                found.append(f"{who}: {host} is not in the namespace {other}")
        for host in re.findall(r"PGHOST': '([^']+)'|--host=(alameda-\S+)", text):
            if (name := "".join(host)).startswith("alameda-") and name not in services:
                found.append(f"{who}: no Service {name}")
    for document in documents:
        if document["kind"] == "Service":
            ports = {
                port["name"]
                for _, labels, pod in pods(documents)
                if document["spec"]["selector"].items() <= labels.items()
                for container in pod["containers"]
                for port in container.get("ports", [])
            }
            found += (
                f"{name_of(document)}: no pod has its port {port['targetPort']}"
                for port in document["spec"]["ports"]
                if port["targetPort"] not in ports
            )
    return found


def selects(selector, labels):
    """Whether a label selector takes these labels."""
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    for term in selector.get("matchExpressions", []):
        value = labels.get(term["key"])
        held = {
            "Exists": value is not None,
            "DoesNotExist": value is None,
            "In": value in term.get("values", []),
            "NotIn": value not in term.get("values", []),
        }
        if not held[term["operator"]]:
            return False
    return True


def may_talk(documents, source, target, port, namespace="alameda", source_namespace=None):
    """Whether the network policies let pods of labels `source` open a connection to pods of labels `target`."""
    source_namespace = source_namespace or namespace

    def matches(peer, labels, peer_namespace):
        if "ipBlock" in peer:
            return False
        if "namespaceSelector" in peer:
            if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": peer_namespace}):
                return False
        elif peer_namespace != namespace:
            return False
        return selects(peer.get("podSelector", {}), labels)

    def passes(direction, own, peers, other, other_namespace):
        rules = [
            document["spec"]
            for document in documents
            if document["kind"] == "NetworkPolicy"
            and direction in document["spec"]["policyTypes"]
            and selects(document["spec"]["podSelector"], own)
        ]
        return not rules or any(
            ("ports" not in rule or any(entry["port"] == port for entry in rule["ports"]))
            and (peers not in rule or any(matches(peer, other, other_namespace) for peer in rule[peers]))
            for spec in rules
            for rule in spec.get(direction.lower(), [])
        )

    leaves = source_namespace != namespace or passes("Egress", source, "to", target, namespace)
    return leaves and passes("Ingress", target, "from", source, source_namespace)
