"""Results in a bucket: real S3 servers on loopback (buckets.py)."""
import concurrent.futures
import contextlib
import ipaddress
import datetime
import signal
import subprocess
import time

import pytest

from gateway import BINARY, DEFAULTS, SLOW, assert_error, assert_success, environment
from pictures import fresh

buckets = pytest.importorskip("buckets", reason="tools/deps --dev brings moto", exc_type=ImportError)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


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
    assert "X-Amz-Expires=120" in data["url"]
    assert bucket.secret == bucket.key or bucket.secret not in data["url"]
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
    said = refused_start(tmp_path, bucket.options(CF_R2_ACCESS_KEY_ID="AKIAUNKNOWN"))
    assert "CF_R2_ACCESS_KEY_ID" in said and "InvalidAccessKeyId" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ACCESS_KEY_ID=""))
    assert "CF_R2_BUCKET needs CF_R2_ACCESS_KEY_ID" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ENDPOINT=""))
    assert "CF_R2_ACCOUNT_ID" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ENDPOINT=bucket.url + "/results"))
    assert "CF_R2_ENDPOINT" in said
    said = refused_start(tmp_path, bucket.options(CF_R2_ENDPOINT=f"http://127.0.0.1:{buckets.free_port()}"))
    assert "127.0.0.1" in said


@pytest.mark.short
def test_start_with_wrong_credentials(tmp_path, moto):
    wrong = "wrong-secret-0123456789"
    said = refused_start(tmp_path, moto.options(CF_R2_SECRET_ACCESS_KEY=wrong))
    assert "CF_R2_SECRET_ACCESS_KEY" in said and "SignatureDoesNotMatch" in said
    assert wrong not in said and moto.secret not in said
    said = refused_start(tmp_path, moto.options(**moto.limited_key("s3:GetObject")))
    assert "CF_R2_ACCESS_KEY_ID" in said and '"results"' in said and "AccessDenied" in said


@pytest.mark.parametrize("region", ["auto", "eu-central-1"])
def test_regions(start, bucket, region):
    """Whatever is in the signature, the server finds it there; path style, as the bucket has no host of its own."""
    gateway = start(**bucket.options(S3_REGION=region))
    data = assert_success(gateway.post(fresh()))["data"]
    signed_for = "us-east-1" if region == "auto" else region
    assert f"%2F{signed_for}%2Fs3%2Faws4_request" in data["url"]
    assert data["key"] in bucket.keys()


def make_authority(folder):
    """A certificate authority of our own, and what it signed for 127.0.0.1: (key, certificate, authority)."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(name, key, issuer, issuer_key, extension):
        return x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key()) \
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1)) \
            .not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, True).sign(issuer_key, hashes.SHA256())

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate(name("a private authority"), authority_key, name("a private authority"), authority_key,
                            x509.BasicConstraints(ca=True, path_length=None))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    own = certificate(name("bucket"), key, name("a private authority"), authority_key, address)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files = {"key.pem": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
             "cert.pem": own.public_bytes(pem), "authority.pem": authority.public_bytes(pem)}
    for file, data in files.items():
        (folder / file).write_bytes(data)
    return [folder / file for file in files]


def test_private_authority(start, tmp_path):
    """TLS with a certificate that only CA_FILE vouches for."""
    key, cert, authority = make_authority(tmp_path)
    with contextlib.closing(buckets.S3rver(tmp_path, tls=(key, cert, authority))) as bucket:
        said = refused_start(tmp_path, bucket.options())
        assert "127.0.0.1" in said and "certificate" in said
        said = refused_start(tmp_path, bucket.options(CA_FILE=tmp_path / "nowhere.pem"))
        assert "nowhere.pem" in said
        gateway = start(**bucket.options(CA_FILE=authority))
        data = assert_success(gateway.post(fresh()))["data"]
        assert data["url"].startswith("https://127.0.0.1:")
        assert data["key"] in bucket.keys()


def test_bucket_goes_away_and_comes_back(start, moto):
    """A put that finds nobody is tried again; what stays away is said, in the answer and in /readyz."""
    gateway = start(**moto.options(STORE_RETRIES=2, STORE_TIMEOUT_MS=8000))
    assert_success(gateway.post(fresh()))
    moto.process.send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gateway.post, fresh())
        time.sleep(1)
        moto.process.send_signal(signal.SIGCONT)
        assert_success(waiting.result())
    moto.s3.delete_object(Bucket=moto.NAME, Key="limner-check")
    for key in moto.keys():
        moto.s3.delete_object(Bucket=moto.NAME, Key=key)
    moto.s3.delete_bucket(Bucket=moto.NAME)
    assert_error(gateway.post(fresh()), 502, "STORAGE_ERROR", says="could not be stored (NoSuchBucket)")
    moto.s3.create_bucket(Bucket=moto.NAME)
    assert_success(gateway.post(fresh()))
    moto.process.kill()
    began = time.monotonic()
    assert_error(gateway.post(fresh()), 502, "STORAGE_ERROR", says="could not be stored")
    assert time.monotonic() - began < 8 * SLOW
