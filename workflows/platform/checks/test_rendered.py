"""The rendered overlays keep the rules, and each rule finds what breaks it."""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import references
import rules
import yaml

PLATFORM = pathlib.Path(__file__).resolve().parent.parent
WORKFLOWS = PLATFORM.parent
REPOSITORY = WORKFLOWS.parent
KUSTOMIZE = os.environ["KUSTOMIZE"]
ARGO = {rules.WORKFLOW_LABEL: "any"}


def build(folder):
    return rules.build(KUSTOMIZE, folder)


def overlay(name):
    """An overlay together with the templates that run in it."""
    return build(PLATFORM / "overlays" / name) + build(WORKFLOWS)


def generated_secrets():
    """{("Secret", name): keys} that secrets.sh makes; a stand-in for kubectl writes down what it is given."""
    with tempfile.TemporaryDirectory() as folder:
        stand_in = pathlib.Path(folder, "kubectl")
        # `get` finds nothing; of `--namespace N create secret generic NAME` it notes the name, and the keys from stdin.
        stand_in.write_text(
            f'#!/bin/sh\n[ "$3" = create ] || exit 1\n{{ echo "$6"; sed "s/=.*//; s/^/ /"; }} >> {folder}/made\n'
        )
        stand_in.chmod(0o755)
        path = f"{folder}:{os.environ['PATH']}"
        subprocess.run([PLATFORM / "secrets.sh"], env={**os.environ, "PATH": path}, check=True, capture_output=True)
        blocks = re.findall(r"^(\S+)\n((?: .*\n)+)", pathlib.Path(folder, "made").read_text(), re.M)
        return {("Secret", name): set(keys.split()) for name, keys in blocks}


def example_secrets():
    return references.defined(yaml.safe_load_all((REPOSITORY / "config-maps/secrets.example.yaml").read_text()))


def by_name(documents, kind, name):
    return next(document for document in documents if document["kind"] == kind and document["metadata"]["name"] == name)


def app(name):
    return {"app.kubernetes.io/name": name}


class Overlays(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.overlays = {folder.name: overlay(folder.name) for folder in sorted((PLATFORM / "overlays").iterdir())}
        stamped = yaml.safe_load((PLATFORM / "images/images.yaml").read_text())["data"]
        cls.image = (stamped["registry"], stamped["tag"])

    def each(self, rule, *more):
        for name, documents in self.overlays.items():
            with self.subTest(overlay=name):
                self.assertEqual([], rule(documents, *more))

    def breaks(self, rule, change, expected, *more, name="minikube"):
        """`rule` finds `expected` after `change`."""
        documents = copy.deepcopy(self.overlays[name])
        change(documents)
        found = rule(documents, *more)
        self.assertTrue(any(expected in finding for finding in found), f"{expected!r} is not in {found}")

    def test_every_workflow_is_listed(self):
        self.assertEqual([], rules.unlisted(WORKFLOWS))
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(WORKFLOWS / "Kustomization", folder)
            pathlib.Path(folder, "forgotten.yaml").touch()
            pathlib.Path(folder, "steps").mkdir()
            pathlib.Path(folder, "steps/left-out.yaml").touch()
            self.assertEqual(
                [f"{name}: not in {folder}/Kustomization" for name in ("forgotten.yaml", "steps/left-out.yaml")],
                rules.unlisted(folder),
            )

    def test_kubernetes_knows_every_field(self):
        self.each(rules.schema)
        self.breaks(
            rules.schema,
            lambda docs: by_name(docs, "Deployment", "alameda-mlflow")["spec"].update(replica=2),
            "'replica' was unexpected",
        )
        self.breaks(
            rules.schema,
            lambda docs: by_name(docs, "Service", "alameda-mlflow")["spec"]["ports"][0].update(port="http"),
            "ports.0.port",
        )

    def test_pods_are_restricted(self):
        self.each(rules.restricted)

        def container(docs):
            return by_name(docs, "StatefulSet", "alameda-postgres")["spec"]["template"]["spec"]["containers"][0]

        def leaf(docs):
            return by_name(docs, "WorkflowTemplate", "alameda-data-prep")["spec"]["templates"][0]

        for change, expected in [
            (
                lambda docs: container(docs)["securityContext"].pop("allowPrivilegeEscalation"),
                "allowPrivilegeEscalation",
            ),
            (lambda docs: container(docs)["securityContext"].pop("capabilities"), "capabilities are not dropped"),
            (
                lambda docs: container(docs)["securityContext"].update(readOnlyRootFilesystem=False),
                "root is not read-only",
            ),
            (lambda docs: container(docs)["securityContext"].update(runAsUser=0), "runs as root"),
            (lambda docs: container(docs)["securityContext"].update(privileged=True), "privileged"),
            (lambda docs: container(docs)["ports"][0].update(hostPort=5432), "hostPort"),
            (lambda docs: container(docs)["resources"].pop("limits"), "no memory limit"),
            (lambda docs: leaf(docs).pop("podSpecPatch"), "data-prep-plan, wait: allowPrivilegeEscalation"),
            (lambda docs: leaf(docs)["securityContext"].pop("seccompProfile"), "data-prep-plan, main: no seccomp"),
            (
                lambda docs: leaf(docs)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
                "volume host is hostPath",
            ),
            (lambda docs: leaf(docs).update(automountServiceAccountToken=True), "automountServiceAccountToken"),
        ]:
            self.breaks(rules.restricted, change, expected)

    def test_the_namespace_enforces_it(self):
        labels = by_name(self.overlays["minikube"], "Namespace", "alameda")["metadata"]["labels"]
        self.assertEqual("restricted", labels["pod-security.kubernetes.io/enforce"])

    def test_services_are_probed(self):
        self.each(rules.probes)
        self.breaks(
            rules.probes,
            lambda docs: by_name(docs, "Deployment", "alameda-dashboard")["spec"]["template"]["spec"]["containers"][
                0
            ].pop("readinessProbe"),
            "Deployment alameda-dashboard, dashboard: no readinessProbe",
        )

    def test_one_registry_and_tag_everywhere(self):
        self.each(rules.images, *self.image)

        def leaf(docs):
            return by_name(docs, "WorkflowTemplate", "alameda-data-prep")["spec"]["templates"][0]

        for change, expected in [
            (
                lambda docs: leaf(docs)["container"].update(image="localhost/alameda/data-prep:0.0.9"),
                "data-prep:0.0.9 has not the tag",
            ),
            (
                lambda docs: leaf(docs)["initContainers"][0].update(image="localhost/alameda/model-training:0.0.9"),
                "model-training:0.0.9 has not the tag",
            ),
            (
                lambda docs: leaf(docs)["container"].update(image="{{workflow.parameters.image}}"),
                "is chosen by those who submit",
            ),
        ]:
            self.breaks(rules.images, change, expected, *self.image)

        def postgres(docs):
            return by_name(docs, "StatefulSet", "alameda-postgres")["spec"]["template"]["spec"]["containers"][0]

        for image in (
            "docker.io/library/postgres:latest",
            "docker.io/library/postgres",
            "postgres:18.6",
            "localhost/alameda/model-monitoring:old",
        ):
            self.breaks(rules.images, lambda docs, image=image: postgres(docs).update(image=image), image, *self.image)

    def test_the_stamped_templates_still_lint(self):
        def lint(documents):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                yaml.safe_dump_all(documents, file)
                return subprocess.run([os.environ["ALAMEDA"], "lint", file.name], capture_output=True, text=True)

        documents = build(WORKFLOWS)
        done = lint(documents)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        by_name(documents, "WorkflowTemplate", "alameda-training")["spec"]["schedule"] = "* * * * *"
        self.assertNotEqual(0, lint(documents).returncode)

    def test_folders_of_ones_own_build_as_the_readme_says_it(self):
        """Outside of the repository, beside a copy of it."""
        files = re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", (PLATFORM / "README.md").read_text(), re.S)
        with tempfile.TemporaryDirectory() as folder:
            for part in (WORKFLOWS, REPOSITORY / "config-maps"):
                copy_to = pathlib.Path(folder, "alameda", part.relative_to(REPOSITORY))
                shutil.copytree(part, copy_to, ignore=shutil.ignore_patterns("local-runner"))
            for name, text in files:
                path = pathlib.Path(folder, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            templates, trial, platform = (
                build(pathlib.Path(folder, name)) for name in ("my-templates", "my-trial", "my-platform")
            )
        mine = ("registry.example:5000/ml", "1.2.3")
        for documents in (templates, trial):
            self.assertEqual([], rules.images(documents, *mine))
            self.assertNotEqual([], rules.images(documents, *self.image))
        # A second set of its own, which calls nothing of the first, and runs at no time by itself.
        self.assertEqual({"WorkflowTemplate"}, {document["kind"] for document in trial})
        names = {document["metadata"]["name"] for document in trial}
        called = {
            task["templateRef"]["name"]
            for document in trial
            for template in document["spec"]["templates"]
            for task in template.get("dag", {}).get("tasks", [])
            if "templateRef" in task
        }
        self.assertTrue(all(name.endswith("-next") for name in names), names)
        self.assertLessEqual(called, names)
        by_name(platform, "Namespace", "team-a")
        settings = by_name(platform, "ConfigMap", "alameda-platform")["data"]
        self.assertNotIn(".invalid", str(settings))
        self.assertEqual({"team-a"}, {one["metadata"].get("namespace", "team-a") for one in platform})
        self.assertNotIn(".invalid", by_name(platform, "ConfigMap", "artifact-repositories")["data"]["alameda"])

    def test_what_argo_keeps_lies_where_its_keys_may_write(self):
        policy = json.loads((PLATFORM / "policies/artifacts.json").read_text())
        self.each(rules.artifacts, policy)

        def report(docs):
            leaves = by_name(docs, "WorkflowTemplate", "alameda-model-monitoring")["spec"]["templates"]
            (leaf,) = (leaf for leaf in leaves if leaf["name"] == "model-monitoring-report")
            return leaf["outputs"]["artifacts"][0]["s3"]

        self.breaks(
            rules.artifacts,
            lambda docs: report(docs).update(key="{{workflow.name}}/report.html"),
            "report.html is not below argo/",
            policy,
        )
        # The addresses of the overlay are those that the policies of the steps' keys open.
        settings = by_name(self.overlays["existing-services"], "ConfigMap", "alameda-platform")["data"]
        for name, variable in (("store", "STORE_URL"), ("raw", "RAW_URL")):
            opened = json.loads((PLATFORM / f"policies/{name}.json").read_text())["Statement"]
            self.assertEqual(
                settings[variable].replace("s3://", "arn:aws:s3:::") + "/*", opened[1]["Resource"], variable
            )

    def test_what_is_named_exists(self):
        example = example_secrets()
        for name, prerequisites in [
            ("minikube", generated_secrets()),
            ("existing-services", example),
        ]:
            with self.subTest(overlay=name):
                self.assertEqual([], references.dangling(self.overlays[name], prerequisites, example))
        for change, expected in [
            (
                lambda docs: docs.remove(by_name(docs, "ServiceAccount", "alameda-runner")),
                "ServiceAccount alameda-runner is nowhere",
            ),
            (
                lambda docs: docs.remove(by_name(docs, "ConfigMap", "alameda-default")),
                "ConfigMap alameda-default is nowhere",
            ),
            (
                lambda docs: by_name(docs, "ConfigMap", "alameda-platform")["data"].pop("AWS_REGION"),
                "ConfigMap alameda-platform has no AWS_REGION",
            ),
            (
                lambda docs: docs.remove(by_name(docs, "ServiceAccount", "alameda-mlflow")),
                "ServiceAccount alameda-mlflow is nowhere",
            ),
        ]:
            self.breaks(references.dangling, change, expected, generated_secrets(), example)
        self.breaks(references.dangling, lambda docs: None, "Secret alameda-mlflow is nowhere", {}, example)
        self.breaks(references.dangling, lambda docs: None, "MLFLOW_TRACKING_TOKEN", generated_secrets(), {})

    def test_hosts_are_services(self):
        self.each(references.unknown_hosts, "alameda")
        for change, expected in [
            (
                lambda docs: docs.remove(by_name(docs, "Service", "alameda-mlflow")),
                "no Service alameda-mlflow with port 5000",
            ),
            (lambda docs: docs.remove(by_name(docs, "Service", "alameda-postgres")), "no Service alameda-postgres"),
            (
                lambda docs: by_name(docs, "Service", "alameda-postgres")["spec"]["ports"][0].update(targetPort="pg"),
                "no pod has its port pg",
            ),
        ]:
            self.breaks(references.unknown_hosts, change, expected, "alameda")
        self.breaks(
            references.unknown_hosts, lambda docs: None, "alameda-object-store is not in the namespace alameda", "other"
        )

    def test_who_may_talk_to_whom(self):
        documents = self.overlays["minikube"]
        store, mlflow, postgres, dashboard = (
            app(f"alameda-{name}") for name in ("object-store", "mlflow", "postgres", "dashboard")
        )
        setup = app("alameda-postgres-setup")
        ports = [(store, 7070), (mlflow, 5000), (postgres, 5432), (dashboard, 8501)]
        wanted = {
            "workflows": (ARGO, [0, 1, 2]),
            "mlflow": (mlflow, [0, 2]),
            "dashboard": (dashboard, [0, 1, 2]),
            "setup": (setup, [2]),
            "store": (store, []),
            "postgres": (postgres, []),
            "stranger": ({}, []),
        }
        for name, (source, reached) in wanted.items():
            got = [
                at for at, (target, port) in enumerate(ports) if references.may_talk(documents, source, target, port)
            ]
            self.assertEqual(reached, got, name)
        self.assertTrue(
            references.may_talk(documents, {}, store, 7070, source_namespace="argo"), "Argo's server shows reports"
        )
        self.assertFalse(references.may_talk(documents, {}, postgres, 5432, source_namespace="argo"))
        self.assertFalse(references.may_talk(documents, {}, store, 7070, source_namespace="default"))
        self.assertFalse(references.may_talk(documents, ARGO, postgres, 22), "another port")
        for name, documents in self.overlays.items():
            with self.subTest(overlay=name):
                for namespace in ("alameda", "default"):
                    reached = references.may_talk(documents, {}, dashboard, 8501, source_namespace=namespace)
                    self.assertFalse(reached, "everybody could read predictions")

    def test_settings_of_argo_are_what_argo_reads(self):
        controller = yaml.safe_load((PLATFORM / "argo/workflow-controller-configmap.yaml").read_text())
        self.assertEqual([], rules.schema([controller]))
        # Fields of the controller's Config, whose values are YAML; Argo leaves unknown ones out in silence.
        self.assertEqual({"executor", "links", "metricsConfig", "workflowRestrictions"}, set(controller["data"]))
        settings = {key: yaml.safe_load(value) for key, value in controller["data"].items()}
        executor = {"metadata": {"name": "executor"}, "apiVersion": "v1", "kind": "Pod"}
        executor["spec"] = {"containers": [{"name": "executor", **settings["executor"]}]}
        self.assertEqual([], rules.schema([executor]))
        self.assertEqual({"templateReferencing": "Strict"}, settings["workflowRestrictions"])
        for name, documents in self.overlays.items():
            repositories = by_name(documents, "ConfigMap", "artifact-repositories")
            chosen = repositories["metadata"]["annotations"]["workflows.argoproj.io/default-artifact-repository"]
            repository = yaml.safe_load(repositories["data"][chosen])
            with self.subTest(overlay=name):
                self.assertEqual({"archiveLogs", "s3"}, set(repository))
                # Of S3ArtifactRepository.
                self.assertLessEqual(
                    set(repository["s3"]),
                    {
                        "accessKeySecret",
                        "bucket",
                        "endpoint",
                        "insecure",
                        "keyFormat",
                        "region",
                        "secretKeySecret",
                        "useSDKCreds",
                    },
                )

    def test_the_executor_may_do_nothing_else(self):
        role = by_name(self.overlays["minikube"], "Role", "alameda-runner")
        self.assertEqual(
            [{"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}],
            role["rules"],
        )
        secret = by_name(self.overlays["minikube"], "Secret", "alameda-runner.service-account-token")
        self.assertEqual("alameda-runner", secret["metadata"]["annotations"]["kubernetes.io/service-account.name"])


if __name__ == "__main__":
    unittest.main()
