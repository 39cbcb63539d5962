"""What must hold for rendered manifests. Each rule takes parsed documents and gives its findings, one sentence each."""

import json
import pathlib
import re
import subprocess

import kubernetes_validate
import yaml

KUBERNETES = "1.36"
PIPELINES = {"WorkflowTemplate", "CronWorkflow"}
WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def build(kustomize, folder):
    """The documents that kustomize makes of a folder."""
    done = subprocess.run([kustomize, "build", folder], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"kustomize build {folder}: {done.stderr}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def name_of(document):
    return f"{document['kind']} {document['metadata']['name']}"


def unlisted(folder):
    """Workflows that the folder's Kustomization does not name."""
    folder = pathlib.Path(folder)
    listed = {
        entry
        for entry in yaml.safe_load((folder / "Kustomization").read_text())["resources"]
        if entry.endswith(".yaml")
    }
    there = {str(path.relative_to(folder)) for pattern in ("*.yaml", "steps/*.yaml") for path in folder.glob(pattern)}
    return [f"{name}: not in {folder}/Kustomization" for name in sorted(there - listed)]


def schema(documents):
    """Kubernetes' own kinds against its schemas; a field that does not exist is refused."""
    found = []
    for document in documents:
        if document["kind"] not in PIPELINES:
            try:
                kubernetes_validate.validate(document, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{name_of(document)}: {'.'.join(map(str, error.path))}: {error.message}")
    return found


def pods(documents):
    """(name, labels, pod spec) of every pod that the documents make; a leaf of Argo's in the form of a pod spec."""
    for document in documents:
        if "template" in document.get("spec", {}):
            template = document["spec"]["template"]
            yield name_of(document), template["metadata"]["labels"], template["spec"]
        elif document["kind"] in {"CronJob", "Pod"}:
            raise NotImplementedError(f"{name_of(document)}: no rule looks at this kind yet")
        elif document["kind"] in PIPELINES:
            spec = document["spec"].get("workflowSpec", document["spec"])
            for leaf in spec.get("templates", []):
                if "container" in leaf or "script" in leaf or "containerSet" in leaf:
                    yield f"{name_of(document)}, {leaf['name']}", {WORKFLOW_LABEL: "any"}, argo_pod(leaf)


def argo_pod(leaf):
    """The pod that Argo makes of a leaf: with `init` and `wait` of its own, and all of them changed by podSpecPatch."""
    patch = json.loads(leaf.get("podSpecPatch", "{}"))
    # Of these two only the patch is ours: their root and their resources are settings of Argo's controller.
    own = {
        "image": "argoexec",
        "securityContext": {"readOnlyRootFilesystem": True},
        "resources": {"requests": {}, "limits": {"memory": ""}},
    }
    main = {"name": "main", **leaf.get("container", leaf.get("script", {}))}
    containers = [
        main,
        *leaf.get("containerSet", {}).get("containers", []),
        *leaf.get("sidecars", []),
        {"name": "wait", **own},
    ]
    return {
        "securityContext": leaf.get("securityContext", {}),
        "automountServiceAccountToken": leaf.get("automountServiceAccountToken"),
        "volumes": leaf.get("volumes", []),
        "initContainers": patched(
            [{"name": "init", **own}, *leaf.get("initContainers", [])], patch.get("initContainers", [])
        ),
        "containers": patched(containers, patch.get("containers", [])),
    }


def patched(containers, patches):
    by_name = {patch["name"]: patch for patch in patches}
    return [merged(container, by_name.get(container["name"], {})) for container in containers]


def merged(old, new):
    both = {key: merged(old[key], new[key]) for key in old.keys() & new.keys() if isinstance(old[key], dict)}
    return {**old, **new, **both}


def restricted(documents):
    """Pod Security Standard `restricted`, and beyond it a read-only root, limits, and no token in the container."""
    found = []
    for name, _, pod in pods(documents):
        context = pod.get("securityContext", {})
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(field):
                found.append(f"{name}: {field}")
        if context.get("sysctls"):
            found.append(f"{name}: sysctls")
        if pod.get("automountServiceAccountToken") is not False:
            found.append(f"{name}: automountServiceAccountToken is not false")
        for volume in pod.get("volumes", []):
            if kinds := set(volume) - {"name"} - VOLUMES:
                found.append(f"{name}: volume {volume['name']} is {', '.join(kinds)}")
        for container in pod["containers"] + pod.get("initContainers", []):
            found += (f"{name}, {container['name']}: {problem}" for problem in container_problems(container, context))
    return found


def container_problems(container, pod):
    own = container.get("securityContext", {})
    both = {**pod, **own}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are not dropped"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if both.get("runAsUser") == 0:
        yield "runs as root"
    if both.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "its root is not read-only"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "hostPort"
    resources = container.get("resources", {})
    if "requests" not in resources or "memory" not in resources.get("limits", {}):
        yield "no requests, or no memory limit"


def probes(documents):
    """Whatever stays has to be told alive and ready."""
    return [
        f"{name_of(document)}, {container['name']}: no {probe}"
        for document in documents
        if document["kind"] in {"Deployment", "StatefulSet"}
        for container in document["spec"]["template"]["spec"]["containers"]
        for probe in ("livenessProbe", "readinessProbe")
        if probe not in container
    ]


def artifacts(documents, policy):
    """What Argo keeps by itself lies below the prefix that the policy of its keys opens."""
    bucket, prefix = policy["Statement"][1]["Resource"].removeprefix("arn:aws:s3:::").removesuffix("*").split("/", 1)
    found = []
    if policy["Statement"][0]["Condition"] != {"StringLike": {"s3:prefix": f"{prefix}*"}}:
        found.append(f"the policy lists elsewhere than {prefix}")
    for document in documents:
        if document["kind"] == "WorkflowTemplate":
            for leaf in document["spec"]["templates"]:
                for artifact in leaf.get("outputs", {}).get("artifacts", []):
                    if not artifact["s3"]["key"].startswith(prefix):
                        found.append(f"{leaf['name']}: {artifact['s3']['key']} is not below {prefix}")
        if document["metadata"]["name"] == "artifact-repositories":
            repository = yaml.safe_load(document["data"]["alameda"])["s3"]
            if not repository["keyFormat"].startswith(prefix):
                found.append(f"{name_of(document)}: {repository['keyFormat']} is not below {prefix}")
            if repository["bucket"] not in {bucket, "alameda"}:
                found.append(f"{name_of(document)}: the policy is of another bucket than {repository['bucket']}")
    return found


def images(documents, registry, tag):
    """One registry and one tag for Alameda's own images, no parameter among them, and every other image pinned."""
    found = []
    for name, _, pod in pods(documents):
        for container in pod["containers"] + pod.get("initContainers", []):
            image = container["image"]
            if image == "argoexec":
                continue
            if "{{" in image:
                found.append(f"{name}: {image} is chosen by those who submit")
                continue
            ours = image.startswith(registry + "/")
            if ours and not image.endswith(":" + tag):
                found.append(f"{name}: {image} has not the tag {tag}")
            elif not ours and not re.fullmatch(
                r"[a-z0-9.-]+\.[a-z]+/[^:@]+:v?\d+\.\d+[^:@]*(@sha256:[0-9a-f]{64})?", image
            ):
                found.append(f"{name}: {image} names no registry, or is not pinned")
    return found
