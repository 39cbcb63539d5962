"""Reads manifests with Argo's own types, and refuses every field that they do not know.

    argo_types.py SCHEMA MANIFEST...

SCHEMA is `argo-4.1.json`, the part of Argo's schema that lint and runner know. Manifests are checked by it, and by the models
that Hera generates from Argo's API for Argo 4.0, with which it is compared; what Argo 4.1 added is listed here. When the variable
ARGO_JSON_SCHEMA names the whole schema.json of Argo 4.1, SCHEMA has to be what `schema.py` makes of it. Says on stderr what was
compared. Prints what is wrong as a list in JSON; exits with 1 if there is anything.
"""

import json
import os
import pathlib
import sys
from typing import Any, get_args

import yaml
from hera.workflows.models.io.argoproj.workflow import v1alpha1
from jsonschema import Draft7Validator
from pydantic import BaseModel, RootModel, ValidationError

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import schema as cut  # noqa: E402

# Fields of Argo 4.1 that Hera's models of 4.0 lack.
NEW = {
    "Container": {"restartPolicyRules"},
    "ContainerNode": {"restartPolicyRules"},
    "EnvVarSource": {"fileKeyRef"},
    "HTTPArtifact": {"saveStreamViaFile"},
    "S3Artifact": {"addressingStyle"},
    "ScriptTemplate": {"restartPolicyRules"},
    "Template": {"pendingTimeout", "podResources", "resourceClaims"},
    "UserContainer": {"restartPolicyRules"},
    "VolumeProjection": {"podCertificate"},
    "WorkflowSpec": {"executorPlugins", "podResources", "resourceClaims"},
}
KINDS = {"WorkflowTemplate": v1alpha1.WorkflowTemplate, "CronWorkflow": v1alpha1.CronWorkflow}


def name(model: type) -> str:
    """Name of a kind in the schema, without its package; Kubernetes and Argo both have an HTTPHeader."""
    is_core = model.__name__ == "HTTPHeader" and ".k8s." in model.__module__
    return ("core.v1." if is_core else "") + model.__name__


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def reachable() -> list[type[BaseModel]]:
    found, waiting = [], list(KINDS.values())
    while waiting:
        model = waiting.pop()
        if model not in found:
            found.append(model)
            for field in model.model_fields.values():
                waiting += models_in(field.annotation)
    return found


def fields(model: type[BaseModel]) -> dict[str, tuple[list[type[BaseModel]], bool]]:
    """The models of each field, and whether the field is a map of them."""
    named = {field.alias or key: field.annotation for key, field in model.model_fields.items()}
    return {key: (models_in(annotation), "dict[str" in str(annotation).lower()) for key, annotation in named.items()}


def unknown(model: type[BaseModel], value: Any, place: str) -> list[str]:
    """Places of the fields that neither the models nor Argo 4.1 know."""
    if isinstance(value, list):
        return [found for i, item in enumerate(value) for found in unknown(model, item, f"{place}[{i}]")]
    if not isinstance(value, dict) or not model.model_fields:
        return []
    if issubclass(model, RootModel):
        return [found for inner in fields(model)["root"][0] for found in unknown(inner, value, place)]
    found, known, new = [], fields(model), NEW.get(name(model), ())
    for key, part in value.items():
        if key not in known:
            found += [] if key in new else [f"{place}.{key}: unknown field of {name(model)}"]
            continue
        models, is_map = known[key]
        for of_map, item in part.items() if is_map else [("", part)]:
            for inner in models:
                found += unknown(inner, item, f"{place}.{key}{of_map and '.' + of_map}")
    return found


def strict(schema: dict) -> dict:
    """The schema, in which no object takes a field that it does not name."""
    for definition in schema["definitions"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    # Argo takes numbers for these too.
    for key in ["io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"]:
        schema["definitions"][key]["type"] = ["string", "number"]
    return schema


def compare(kind: str, listed: set[str], known: set[str]) -> list[str]:
    wrong = [f"{kind}.{field}: in the schema, and unknown to Argo" for field in sorted(listed - known)]
    return wrong + [f"{kind}.{field}: known to Argo, and not in the schema" for field in sorted(known - listed)]


def main() -> None:
    file, *manifests = sys.argv[1:]
    text = pathlib.Path(file).read_text(encoding="utf-8")
    schema = json.loads(text)
    listed = {key: set(known["properties"]) for key, known in schema["definitions"].items() if "properties" in known}
    wrong = []

    for model in reachable():
        known = set(fields(model))
        if not issubclass(model, RootModel) and known:
            kind = name(model)
            packages = "io.k8s." if ".k8s." in model.__module__ else cut.ARGO
            of_name = [names for key, names in listed.items() if key.startswith(packages) and key.endswith(f".{kind}")]
            wrong += compare(kind, set().union(*of_name), known | NEW.get(kind, set()))

    path = os.environ.get("ARGO_JSON_SCHEMA")
    also = f"and the schema with {path}" if path else "alone: ARGO_JSON_SCHEMA names no schema.json of Argo"
    print(f"{len(manifests)} manifests and the schema are compared with Hera's models {also}", file=sys.stderr)
    if path and text != cut.text(json.loads(pathlib.Path(path).read_text(encoding="utf-8"))):
        wrong.append(f"{file} is not what schema.py makes of {path}")
    schema = strict(schema)

    for manifest in manifests:
        with open(manifest, encoding="utf-8") as file:
            documents = [document for document in yaml.safe_load_all(file) if document]
        for document in documents:
            model = KINDS.get(document.get("kind"))
            if model is None:
                wrong.append(f"{manifest}: {document.get('kind')} is neither of {', '.join(KINDS)}")
                continue
            try:
                wrong += [f"{manifest}: {found} (hera)" for found in unknown(model, document, document["kind"])]
                model.model_validate(document)
            except ValidationError as error:
                for problem in error.errors():
                    place = ".".join(str(part) for part in problem["loc"])
                    wrong.append(f"{manifest}: {place}: {problem['msg']} (hera)")
            reference = f"#/definitions/{cut.ARGO}{document['kind']}"
            validator = Draft7Validator({"$ref": reference, "definitions": schema["definitions"]})
            for problem in validator.iter_errors(document):
                place = ".".join(str(part) for part in problem.absolute_path)
                wrong.append(f"{manifest}: {place}: {problem.message} (schema)")

    print(json.dumps(wrong))
    sys.exit(1 if wrong else 0)


main()
