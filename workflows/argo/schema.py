"""Cuts Argo's JSON schema down to what WorkflowTemplates and CronWorkflows can hold, without its texts.

    schema.py api/jsonschema/schema.json > src/argo-4.1.json

One definition a line, so that a change between two releases of Argo is seen line by line.
"""

import json
import sys
from typing import Any, Iterator

ARGO = "io.argoproj.workflow.v1alpha1."
ROOTS = [ARGO + "CronWorkflow", ARGO + "WorkflowTemplate"]
KEPT = {"$ref", "additionalProperties", "items", "properties", "type"}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value.split("/")[-1]] if key == "$ref" else references(value)


def cut(node: dict) -> dict:
    """A schema with the keys that say what a value may hold."""
    kept = {key: value for key, value in node.items() if key in KEPT}
    if "properties" in kept:
        kept["properties"] = {name: cut(field) for name, field in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = cut(kept[key])
    return kept


def reachable(definitions: dict) -> dict:
    found, waiting = {}, list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = cut(definitions[name])
            waiting += references(found[name])
    return found


def text(schema: dict) -> str:
    lines = [
        f"{json.dumps(name)}: {json.dumps(definition, sort_keys=True)}"
        for name, definition in sorted(reachable(schema["definitions"]).items())
    ]
    return '{"definitions": {\n' + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(text(json.load(file)))
