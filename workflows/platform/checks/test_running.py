"""The platform's own command lines, settings and SQL, run with the same programs on this machine.

Containers, volumes and network policies are not here; test_rendered.py reads those. The environment names the programs
(VERSITYGW, MLFLOW, KUSTOMIZE), free ports for two of them (STORE_PORT, MLFLOW_PORT) and an empty Postgres server
(POSTGRES_PORT, and POSTGRES_PASSWORD of its `postgres`).
"""

import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
import psycopg
import rules

PLATFORM = pathlib.Path(__file__).resolve().parent.parent
# Seconds that a server may take to start on a machine with much else to do.
PATIENCE = 300
# What secrets.sh would make.
SECRETS = {
    ("alameda-storage", "AWS_ACCESS_KEY_ID"): "alameda",
    ("alameda-storage", "AWS_SECRET_ACCESS_KEY"): "storage-secret-2Lw8",
    ("alameda-database", "PGPASSWORD"): "database-secret-'7Qz",
    ("alameda-dashboard", "PGPASSWORD"): "dashboard-secret-4Rt",
    ("alameda-mlflow", "PGPASSWORD"): "mlflow-secret-1Bv6",
    ("alameda-postgres", "POSTGRES_PASSWORD"): os.environ["POSTGRES_PASSWORD"],
}


class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.documents = rules.build(os.environ["KUSTOMIZE"], PLATFORM / "overlays/minikube")
        cls.settings = {
            document["metadata"]["name"]: document["data"]
            for document in cls.documents
            if document["kind"] == "ConfigMap"
        }
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.store_port, cls.mlflow_port = os.environ["STORE_PORT"], os.environ["MLFLOW_PORT"]
        cls.ports = {
            "alameda-postgres:5432": f"127.0.0.1:{os.environ['POSTGRES_PORT']}",
            "alameda-object-store:7070": f"127.0.0.1:{cls.store_port}",
        }
        cls.set_up_postgres()
        # Once more, as an `apply` after the first.
        cls.set_up_postgres()
        cls.start_object_store()
        cls.start_mlflow()

    @classmethod
    def container(cls, pod, name):
        """A container of the rendered pod."""
        spec = next(spec for who, _, spec in rules.pods(cls.documents) if who.split()[1] == pod)
        return next(one for one in spec["containers"] + spec.get("initContainers", []) if one["name"] == name)

    @classmethod
    def command(cls, container, program, **replaced):
        """Its command line and variables, with this machine's program, ports and folders in place of the cluster's."""
        arguments = container.get("args", container["command"][1:])
        for old, new in {**cls.ports, **replaced}.items():
            arguments = [argument.replace(old, new) for argument in arguments]
        variables = {}
        for entry in container.get("env", []):
            source = entry.get("valueFrom", {})
            if reference := source.get("secretKeyRef"):
                entry = {**entry, "value": SECRETS[reference["name"], reference["key"]]}
            elif reference := source.get("configMapKeyRef"):
                entry = {**entry, "value": cls.settings[reference["name"]][reference["key"]]}
            variables[entry["name"]] = entry["value"]
            for old, new in cls.ports.items():
                variables[entry["name"]] = variables[entry["name"]].replace(old, new)
        return [program, *arguments], {"PATH": os.environ["PATH"], **variables}

    @classmethod
    def set_up_postgres(cls):
        command, variables = cls.command(
            cls.container("alameda-postgres-setup", "setup"),
            "psql",
            **{"--host=alameda-postgres": "--host=127.0.0.1", "--file=/setup": f"--file={PLATFORM / 'services'}"},
        )
        subprocess.run(command, env={**variables, "PGPORT": os.environ["POSTGRES_PORT"]}, check=True)

    @classmethod
    def serve(cls, command, variables, health):
        """Starts a server and waits for its health; it ends with the test."""
        log = cls.folder / f"{pathlib.Path(command[0]).name}.log"
        with log.open("wb") as told:
            process = subprocess.Popen(
                command, env=variables, cwd=cls.folder, stdout=told, stderr=told, start_new_session=True
            )

        def stop():
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()

        cls.addClassCleanup(stop)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(health):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise RuntimeError(f"{command[0]} does not answer at {health}: {log.read_text()}")

    @classmethod
    def start_object_store(cls):
        (cls.folder / "data").mkdir()
        replaced = {":7070": f"127.0.0.1:{cls.store_port}", "/data": str(cls.folder / "data")}
        bucket, _ = cls.command(cls.container("alameda-object-store", "bucket"), "mkdir", **replaced)
        subprocess.run(bucket, check=True)
        container = cls.container("alameda-object-store", "object-store")
        path = container["readinessProbe"]["httpGet"]["path"]
        command, variables = cls.command(container, os.environ["VERSITYGW"], **replaced)
        cls.serve(command, variables, f"http://127.0.0.1:{cls.store_port}{path}")

    @classmethod
    def start_mlflow(cls):
        command, variables = cls.command(cls.container("alameda-mlflow", "migrate"), os.environ["MLFLOW"])
        subprocess.run(command, env=variables, cwd=cls.folder, check=True, capture_output=True)
        container = cls.container("alameda-mlflow", "mlflow")
        replaced = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={cls.mlflow_port}"}
        command, variables = cls.command(container, os.environ["MLFLOW"], **replaced)
        path = container["readinessProbe"]["httpGet"]["path"]
        cls.serve(command, variables, f"http://127.0.0.1:{cls.mlflow_port}{path}")

    def database(self, user, secret, database):
        return psycopg.connect(
            host="127.0.0.1",
            port=os.environ["POSTGRES_PORT"],
            user=user,
            password=SECRETS[secret, "PGPASSWORD"],
            dbname=database,
            autocommit=True,
        )

    def bucket(self):
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.store_port}",
            region_name=self.settings["alameda-platform"]["AWS_REGION"],
            aws_access_key_id=SECRETS["alameda-storage", "AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=SECRETS["alameda-storage", "AWS_SECRET_ACCESS_KEY"],
            config=boto3.session.Config(max_pool_connections=32, retries={"total_max_attempts": 1}, read_timeout=PATIENCE),
        )

    def test_the_dashboard_reads_what_publishing_makes_and_nothing_else(self):
        with self.database("alameda", "alameda-database", "alameda") as publisher:
            publisher.execute("CREATE TABLE made_later (id int); INSERT INTO made_later VALUES (1)")
        with self.database("dashboard", "alameda-dashboard", "alameda") as dashboard:
            self.assertEqual([(1,)], dashboard.execute("SELECT id FROM made_later").fetchall())
            dashboard.execute("SET default_transaction_read_only = off")
            for forbidden in (
                "INSERT INTO made_later VALUES (2)",
                "DROP TABLE made_later",
                "CREATE TABLE own (id int)",
            ):
                with self.assertRaises(psycopg.errors.InsufficientPrivilege, msg=forbidden):
                    dashboard.execute(forbidden)

    def test_databases_are_apart(self):
        for user, secret, database in [
            ("dashboard", "alameda-dashboard", "mlflow"),
            ("mlflow", "alameda-mlflow", "alameda"),
            ("alameda", "alameda-database", "mlflow"),
        ]:
            with self.assertRaisesRegex(
                psycopg.OperationalError, "permission denied for database", msg=f"{user} in {database}"
            ):
                self.database(user, secret, database)

    def test_of_many_writers_exactly_one_creates_an_object(self):
        """What the steps build on: `If-None-Match: *`."""
        bucket = self.bucket()

        def put(round, writer):
            try:
                bucket.put_object(Bucket="alameda", Key=f"race/{round}.json", Body=str(writer), IfNoneMatch="*")
                return writer
            except botocore.exceptions.ClientError as error:
                self.assertIn(error.response["ResponseMetadata"]["HTTPStatusCode"], {409, 412})
                return None

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for round in range(30):
                winners = [writer for writer in pool.map(put, [round] * 16, range(16)) if writer is not None]
                held = bucket.get_object(Bucket="alameda", Key=f"race/{round}.json")["Body"].read().decode()
                self.assertEqual([int(held)], winners)

    def test_its_urls_are_this_bucket(self):
        for variable in ("STORE_URL", "RAW_URL"):
            self.assertRegex(self.settings["alameda-platform"][variable], "^s3://alameda/")
        self.bucket().head_bucket(Bucket="alameda")

    def test_mlflow_answers_to_its_names_and_probes_alone(self):
        def status(path, host):
            request = urllib.request.Request(f"http://127.0.0.1:{self.mlflow_port}{path}", headers={"Host": host})
            try:
                return urllib.request.urlopen(request).status
            except urllib.error.HTTPError as error:
                return error.code

        steps = re.sub("^http://", "", self.settings["alameda-platform"]["MLFLOW_TRACKING_URI"])
        experiments = "/api/2.0/mlflow/experiments/search?max_results=1"
        self.assertEqual(200, status(experiments, steps))
        self.assertEqual(200, status(experiments, "localhost:5000"))
        self.assertEqual(403, status(experiments, "attacker.example"))
        # The kubelet asks by the pod's address.
        self.assertEqual(200, status("/health", "10.244.0.17:5000"))

    def test_mlflow_keeps_files_in_the_bucket(self):
        program = (
            "import mlflow\n"
            "with mlflow.start_run() as run:\n"
            "    mlflow.log_metric('accuracy', 0.5)\n"
            "    mlflow.log_text('kept', 'note.txt')\n"
            "print(run.info.run_id)\n"
        )
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.mlflow_port}",
        }
        python = pathlib.Path(os.environ["MLFLOW"]).parent / "python"
        done = subprocess.run([python, "-c", program], env=variables, cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        run = done.stdout.split("\n")[-2].split()[-1]
        found = self.bucket().list_objects_v2(Bucket="alameda", Prefix="mlflow/").get("Contents", [])
        self.assertTrue(
            any(run in entry["Key"] and entry["Key"].endswith("note.txt") for entry in found),
            f"{run} is not in {found}",
        )
        with self.database("mlflow", "alameda-mlflow", "mlflow") as database:
            self.assertEqual(
                [(0.5,)], database.execute("SELECT value FROM metrics WHERE run_uuid = %s", [run]).fetchall()
            )


if __name__ == "__main__":
    unittest.main()
