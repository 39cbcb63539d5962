"""Three MinIO users, each with one of the platform's policies; what each may do, as Argo and others ask for it.

policies.py users FOLDER    makes them
policies.py check REPORT    puts and shows report and logs by Argo's keys, and is refused everything else
"""

import pathlib
import sys
import os
from urllib.parse import urlparse

import boto3
import botocore.exceptions
from minio import MinioAdmin
from minio.credentials import StaticProvider

BUCKET = "your-bucket"
USERS = ("store", "raw", "artifacts")


def secret(user):
    return f"{user}-secret-6Hq1"


def make_users(policies):
    keys = StaticProvider(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    host = urlparse(os.environ["AWS_ENDPOINT_URL"]).netloc
    admin = MinioAdmin(endpoint=host, credentials=keys, secure=False)
    for user in USERS:
        admin.policy_add(user, policy_file=policies / f"{user}.json")
        admin.user_add(user, secret(user))
        admin.policy_set(user, user=user)


def client(user):
    return boto3.client("s3", aws_access_key_id=user, aws_secret_access_key=secret(user))


def refused(what, call, **arguments):
    try:
        call(Bucket=BUCKET, **arguments)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied", f"{what}: {error}"
    else:
        raise AssertionError(f"{what} is allowed: {arguments}")


def check(report_key):
    """As workflow/artifacts/s3 of Argo 4.1.2 asks: the executor puts, the server stats, lists and gets."""
    argo, store, raw = (client(user) for user in ("artifacts", "store", "raw"))
    workflow = "alameda-pipeline-x7k2p"
    report = report_key.replace("{{workflow.name}}", workflow)
    log = f"argo/2026/11/28/{workflow}/{workflow}-model-monitoring-report-1/main.log"
    for key in (report, log):
        argo.put_object(Bucket=BUCKET, Key=key, Body=b"<p>shown</p>")
        argo.head_object(Bucket=BUCKET, Key=key)
        # IsDirectory, before it is served.
        below = argo.list_objects_v2(Bucket=BUCKET, Prefix=f"{key}/")
        assert "Contents" not in below, below
        assert argo.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"<p>shown</p>"
    folder = argo.list_objects_v2(Bucket=BUCKET, Prefix=f"{log.rsplit('/', 1)[0]}/")
    assert [found["Key"] for found in folder["Contents"]] == [log], folder

    champion = store.list_objects_v2(Bucket=BUCKET, Prefix="alameda/")["Contents"][0]["Key"]
    file = raw.list_objects_v2(Bucket=BUCKET, Prefix="raw/")["Contents"][0]["Key"]
    for key in (champion, file):
        refused("reading others' objects by Argo's keys", argo.get_object, Key=key)
        refused("writing others' objects by Argo's keys", argo.put_object, Key=key, Body=b"")
        refused("writing by the keys of raw files", raw.put_object, Key=key, Body=b"")
    refused("listing the bucket by Argo's keys", argo.list_objects_v2)
    refused("listing the store by Argo's keys", argo.list_objects_v2, Prefix="alameda/")
    refused("deleting by Argo's keys", argo.delete_object, Key=report)
    refused("reading the store by the keys of raw files", raw.get_object, Key=champion)
    refused("reading raw files by the keys of the store", store.get_object, Key=file)
    refused("writing reports by the keys of the store", store.put_object, Key=report, Body=b"")
    refused("deleting by the keys of the store", store.delete_object, Key=champion)


if __name__ == "__main__":
    verb, argument = sys.argv[1:]
    if verb == "users":
        make_users(pathlib.Path(argument))
    else:
        check(argument)
