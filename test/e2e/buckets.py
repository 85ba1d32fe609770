"""S3 servers on loopback: moto, which checks who signed what, and s3rver (npm), which is another reading of the
protocol: it knows access keys, dates and expiry, but takes any signature of version 4."""
import contextlib
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.parse
from unittest import mock

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import requests
from botocore.credentials import Credentials

from gateway import ROOT, until

REGION = "us-east-1"
S3RVER = ROOT / "deps" / "node" / "node_modules" / "s3rver" / "bin" / "s3rver.js"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Bucket:
    """A server with one bucket; boto3's client of it is s3."""
    NAME = "results"
    checks_signatures = False
    key = secret = url = process = None

    def start(self, command, folder, env=None):
        self.log = open(folder / f"{type(self).__name__.lower()}.txt", "wb")
        self.process = subprocess.Popen(command, env=os.environ | (env or {}), stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def client(self, service, key, secret, **more):
        config = botocore.config.Config(request_checksum_calculation="when_required",
                                        response_checksum_validation="when_required", s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=key,
                            aws_secret_access_key=secret, config=config, **more)

    def options(self, **more):
        return {"PROVIDERS": "instant", "CF_R2_BUCKET": self.NAME, "CF_R2_ENDPOINT": self.url,
                "CF_R2_ACCESS_KEY_ID": self.key, "CF_R2_SECRET_ACCESS_KEY": self.secret} | more

    def keys(self):
        found = []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.NAME):
            found += [o["Key"] for o in page.get("Contents", [])]
        return [key for key in found if key != "limner-check"]

    def put(self, key, data=b"x", **more):
        self.s3.put_object(Bucket=self.NAME, Key=key, Body=data, **more)

    def delete(self, key):
        self.s3.delete_object(Bucket=self.NAME, Key=key)

    def download(self, link):
        """What a browser gets for a signed link, whose signature is compared with botocore's own."""
        bare, query = link.split("?")
        sent = dict(urllib.parse.parse_qsl(query))
        auth = botocore.auth.S3SigV4QueryAuth(Credentials(self.key, self.secret), "s3", REGION, int(sent["X-Amz-Expires"]))
        request = botocore.awsrequest.AWSRequest("GET", bare)
        when = datetime.datetime.strptime(sent["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        with mock.patch("botocore.auth.get_current_datetime", lambda *_: when):
            auth.add_auth(request)
        assert dict(urllib.parse.parse_qsl(request.url.split("?")[1])) == sent
        assert abs((datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - when).total_seconds()) < 60
        with self.open_to_browsers():
            got = requests.get(link, timeout=10)
        assert got.status_code == 200, got.text
        return got.content

    def open_to_browsers(self):
        return contextlib.nullcontext()

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.log.close()


class Moto(Bucket):
    """With a user whose signatures are checked once the set-up is done."""
    checks_signatures = True

    def __init__(self, folder):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # The first three requests (user, policy and key) and the bucket's making are free; then IAM is enforced.
        self.start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder,
                   {"INITIAL_NO_AUTH_ACTION_COUNT": "4"})
        until(lambda: listens(port), 30)
        iam = self.client("iam", "setup", "setup")
        iam.create_user(UserName="limner")
        iam.put_user_policy(UserName="limner", PolicyName="all", PolicyDocument=POLICY)
        self.key, self.secret = self._access_key(iam)
        self.s3 = self.client("s3", self.key, self.secret)
        self.s3.create_bucket(Bucket=self.NAME)

    @staticmethod
    def _access_key(iam):
        made = iam.create_access_key(UserName="limner")["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def limited_key(self, *actions):
        """Credentials that may do only this."""
        iam = self.client("iam", self.key, self.secret)
        with self.open_to_browsers():
            iam.create_user(UserName="limited")
            document = {"Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
            iam.put_user_policy(UserName="limited", PolicyName="some", PolicyDocument=json.dumps(document))
            made = iam.create_access_key(UserName="limited")["AccessKey"]
        return {"CF_R2_ACCESS_KEY_ID": made["AccessKeyId"], "CF_R2_SECRET_ACCESS_KEY": made["SecretAccessKey"]}

    @contextlib.contextmanager
    def open_to_browsers(self):
        """moto looks for signatures in headers only."""
        self._free_requests(1_000_000)
        try:
            yield
        finally:
            self._free_requests(0)

    def _free_requests(self, count):
        assert requests.post(f"{self.url}/moto-api/reset-auth", data=str(count), timeout=10).status_code == 200


class S3rver(Bucket):
    key = secret = "S3RVER"

    def __init__(self, folder, tls=None):
        """tls: (key file, certificate file)"""
        data = folder / "s3rver"
        # Its tokens are made with a cipher that OpenSSL calls legacy.
        command = ["node", "--openssl-legacy-provider", S3RVER, "-d", data, "-a", "127.0.0.1", "-p", "0",
                   "--no-vhost-buckets", "--configure-bucket", self.NAME]
        if tls:
            command += ["--key", tls[0], "--cert", tls[1]]
        self.start(command, folder)
        port = until(lambda: self._port(folder / "s3rver.txt"), 30)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.s3 = self.client("s3", self.key, self.secret, **({"verify": str(tls[2])} if tls else {}))

    @staticmethod
    def _port(log):
        words = log.read_text().split()
        return words[-1].rsplit(":", 1)[1] if "listening" in words and ":" in words[-1] else None


SERVERS = {"moto": Moto, "s3rver": S3rver}
