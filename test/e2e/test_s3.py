"""Results in a bucket: a real S3 server (moto) on loopback, which checks who signed what."""
import concurrent.futures
import datetime
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from unittest import mock

import pytest
import requests

from gateway import BINARY, DEFAULTS, SLOW, assert_error, assert_success, environment, until
from pictures import fresh

moto = pytest.importorskip("moto", reason="tools/deps --dev brings it")
import boto3
import botocore.auth
import botocore.awsrequest
from botocore.credentials import Credentials

REGION = "us-east-1"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bucket:
    """moto's server, with a user whose signatures it checks once the set-up is done."""
    NAME = "results"

    def __init__(self, folder, port=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # The first three requests (user, policy and key) and the bucket's making are free; then IAM is enforced.
        env = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "4"}
        self.log = open(folder / "moto.txt", "wb")
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                                        env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until(self._listens, 30)
        iam = self._client("iam", "setup", "setup")
        iam.create_user(UserName="limner")
        iam.put_user_policy(UserName="limner", PolicyName="all", PolicyDocument=POLICY)
        made = iam.create_access_key(UserName="limner")["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        self.s3 = self._client("s3", self.key, self.secret)
        self.s3.create_bucket(Bucket=self.NAME)

    def _client(self, service, key, secret):
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=key,
                            aws_secret_access_key=secret)

    def _listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def options(self, **more):
        return {"PROVIDERS": "instant", "CF_R2_BUCKET": self.NAME, "CF_R2_ENDPOINT": self.url,
                "CF_R2_ACCESS_KEY_ID": self.key, "CF_R2_SECRET_ACCESS_KEY": self.secret} | more

    def keys(self):
        found = self.s3.list_objects_v2(Bucket=self.NAME).get("Contents", [])
        return [o["Key"] for o in found if o["Key"] != "limner-check"]

    def download(self, link):
        """What a browser gets: moto looks for headers only, so its guard is off for once and the signature is
        compared with botocore's own."""
        bare, query = link.split("?")
        sent = dict(urllib.parse.parse_qsl(query))
        auth = botocore.auth.S3SigV4QueryAuth(Credentials(self.key, self.secret), "s3", REGION, int(sent["X-Amz-Expires"]))
        request = botocore.awsrequest.AWSRequest("GET", bare)
        when = datetime.datetime.strptime(sent["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        with mock.patch("botocore.auth.get_current_datetime", lambda *_: when):
            auth.add_auth(request)
        assert dict(urllib.parse.parse_qsl(request.url.split("?")[1])) == sent
        assert abs((datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - when).total_seconds()) < 60
        self._free_requests(1_000_000)
        try:
            got = requests.get(link, timeout=10)
        finally:
            self._free_requests(0)
        assert got.status_code == 200, got.text
        return got.content

    def _free_requests(self, count):
        assert requests.post(f"{self.url}/moto-api/reset-auth", data=str(count), timeout=10).status_code == 200

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    b = Bucket(tmp_path_factory.mktemp("moto"))
    yield b
    b.close()


@pytest.fixture
def own_bucket(tmp_path):
    b = Bucket(tmp_path)
    yield b
    b.close()


def refused_start(folder, options):
    """What it says when it does not start."""
    ended = subprocess.run([BINARY, "serve"], env=environment(DEFAULTS | {"DATA_DIR": folder / "data"} | options), cwd=folder,
                           capture_output=True, text=True, timeout=30 * SLOW)
    assert ended.returncode == 1, ended.stderr
    assert "cannot start" in ended.stderr
    return ended.stderr


@pytest.mark.short
def test_result_is_in_the_bucket(start, bucket):
    gateway = start(**bucket.options(R2_PRESIGN_EXPIRES=120))
    assert gateway.records("listening")[0]["store"] == "s3"
    picture = fresh()
    data = assert_success(gateway.post(picture))["data"]
    assert set(data) == {"key", "url", "expires_in"}
    assert data["expires_in"] == 120
    stored = bucket.s3.get_object(Bucket=bucket.NAME, Key=data["key"])
    assert stored["Body"].read() == picture
    assert stored["ContentType"] == "image/jpeg" or stored["ContentType"] == "image/png"
    assert data["url"].startswith(f"{bucket.url}/{bucket.NAME}/{data['key']}?")
    assert "X-Amz-Expires=120" in data["url"] and bucket.secret not in data["url"]
    assert bucket.download(data["url"]) == picture
    assert gateway.objects() == []  # nothing on the disk
    # the second time from the cache, with a link that works too
    again = assert_success(gateway.post(picture))
    assert again["meta"]["cached"] and again["data"]["key"] == data["key"]
    assert bucket.download(again["data"]["url"]) == picture
    # our own /files does not serve it
    assert gateway.get(f"/files/{data['key']}?expires=9999999999&signature={'0' * 64}").status_code == 404


@pytest.mark.short
def test_public_addresses(start, bucket):
    base = start(**bucket.options(R2_PUBLIC_BASE_URL="https://pictures.example.com/"))
    data = assert_success(base.post(fresh()))["data"]
    assert data["url"] == f"https://pictures.example.com/{data['key']}"
    assert bucket.download(data["presigned_url"])
    fallback = start(**bucket.options(R2_PUBLIC_FALLBACK="1"))
    data = assert_success(fallback.post(fresh()))["data"]
    assert data["url"] == f"{bucket.url}/{bucket.NAME}/{data['key']}"
    assert bucket.download(data["presigned_url"])


def test_forty_at_once_and_large(start, bucket):
    gateway = start(**bucket.options())
    before = len(bucket.keys())
    pictures = [fresh() + bytes(i * 20_000) for i in range(40)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(gateway.post, pictures))
    for picture, answer in zip(pictures, answers):
        assert bucket.download(assert_success(answer)["data"]["url"]) == picture
    assert len(bucket.keys()) == before + 40


@pytest.mark.short
def test_start_names_what_is_wrong(tmp_path, bucket):
    said = refused_start(tmp_path, bucket.options(CF_R2_BUCKET="nowhere"))
    assert "CF_R2_BUCKET" in said and '"nowhere"' in said
    said = refused_start(tmp_path, bucket.options(CF_R2_SECRET_ACCESS_KEY="wrong"))
    assert "CF_R2_SECRET_ACCESS_KEY" in said and "SignatureDoesNotMatch" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ACCESS_KEY_ID="AKIAUNKNOWN"))
    assert "CF_R2_ACCESS_KEY_ID" in said and "InvalidAccessKeyId" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ACCESS_KEY_ID=""))
    assert "CF_R2_BUCKET needs CF_R2_ACCESS_KEY_ID" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ENDPOINT=""))
    assert "CF_R2_ACCOUNT_ID" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ENDPOINT=bucket.url + "/results"))
    assert "CF_R2_ENDPOINT" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ENDPOINT=f"http://127.0.0.1:{free_port()}"))
    assert "127.0.0.1" in said


def test_bucket_goes_away_and_comes_back(start, own_bucket):
    """A put that finds nobody is tried again; what stays away is said, in the answer and in /readyz."""
    gateway = start(**own_bucket.options(STORE_RETRIES=2, STORE_TIMEOUT_MS=8000))
    assert_success(gateway.post(fresh()))
    own_bucket.process.send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gateway.post, fresh())
        time.sleep(1)
        own_bucket.process.send_signal(signal.SIGCONT)
        assert_success(waiting.result())
    own_bucket.s3.delete_object(Bucket=own_bucket.NAME, Key="limner-check")
    for key in own_bucket.keys():
        own_bucket.s3.delete_object(Bucket=own_bucket.NAME, Key=key)
    own_bucket.s3.delete_bucket(Bucket=own_bucket.NAME)
    assert_error(gateway.post(fresh()), 502, "REPLICATE_ERROR", says="could not be stored (NoSuchBucket)")
    own_bucket.s3.create_bucket(Bucket=own_bucket.NAME)
    assert_success(gateway.post(fresh()))
    own_bucket.process.kill()
    began = time.monotonic()
    assert_error(gateway.post(fresh()), 502, "REPLICATE_ERROR", says="could not be stored")
    assert time.monotonic() - began < 8 * SLOW
