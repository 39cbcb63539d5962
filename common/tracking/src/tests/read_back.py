"""Prints everything that an experiment and the registered model of the same name hold, read by MLflow's own client."""
import json, sys
import mlflow
from mlflow.entities import ViewType

name = sys.argv[1]
client = mlflow.MlflowClient()


def files(run_id, folder=None):
    found = {}
    for entry in client.list_artifacts(run_id, folder):
        if entry.is_dir:
            found |= files(run_id, entry.path)
        else:
            found[entry.path] = entry.file_size
    return found


def table(run, path):
    mlflow.set_experiment(name)
    frame = mlflow.load_table(path, run_ids=[run.info.run_id])
    return json.loads(frame.to_json(orient="split", index=False))


def tables(run):
    logged = json.loads(run.data.tags.get("mlflow.loggedArtifacts", "[]"))
    return {entry["path"]: table(run, entry["path"]) for entry in logged}


def dataset(entry):
    d = entry.dataset
    return {"name": d.name, "digest": d.digest, "source_type": d.source_type, "source": json.loads(d.source),
            "schema": json.loads(d.schema), "profile": json.loads(d.profile), "tags": {t.key: t.value for t in entry.tags}}


def run(r):
    r = client.get_run(r.info.run_id)
    return {
        "id": r.info.run_id, "name": r.info.run_name, "status": r.info.status, "params": r.data.params, "tags": r.data.tags,
        "start_time": r.info.start_time, "end_time": r.info.end_time, "artifact_uri": r.info.artifact_uri,
        "metrics": {k: [[m.value, m.timestamp, m.step] for m in client.get_metric_history(r.info.run_id, k)]
                    for k in r.data.metrics},
        "datasets": [dataset(d) for d in r.inputs.dataset_inputs],
        "files": files(r.info.run_id), "tables": tables(r),
    }


def version(v):
    v = client.get_model_version(name, v.version)
    return {"version": int(v.version), "source": v.source, "run_id": v.run_id, "status": v.status, "tags": v.tags,
            "aliases": sorted(v.aliases), "description": v.description}


experiment = client.get_experiment_by_name(name)
runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]) if experiment else []
deleted = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY) if experiment else []
versions = client.search_model_versions(f"name = '{name}'")
print(json.dumps({
    "runs": [run(r) for r in runs],
    "deleted": len(deleted),
    "versions": sorted([version(v) for v in versions], key=lambda v: v["version"]),
    "about": client.get_registered_model(name).description if versions else None,
}))
