"""TLS and HTTP/2 in front of the simulator: nginx, with a certificate authority that lives as long as the folder does.

Two servers: one before the API (and, under /to/PORT/, before anything else), one before the delivery host. What the API
says of addresses follows (app.base_of).
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACES = (ROOT / "deps" / "nginx" / "usr" / "sbin" / "nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx")

CONFIG = """
{user}
daemon off;
pid nginx.pid;
worker_processes 1;
worker_shutdown_timeout 10s;
error_log error.log info;
events {{ worker_connections 512; }}
http {{
    log_format wire '$server_port $server_protocol $connection $connection_requests $request_method $request_uri $status';
    access_log access.log wire;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    ssl_certificate server.pem;
    ssl_certificate_key server.key;
    client_max_body_size 0;
    keepalive_requests {requests};
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_read_timeout 300s;
    proxy_next_upstream off;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Sim-Protocol $server_protocol;
    proxy_set_header X-Sim-Delivery https://{delivery_host}:{delivery_port};
    server {{
        listen 127.0.0.1:{api_port} ssl http2;
        location / {{ proxy_pass {api}; }}
        location ~ ^/to/([0-9]+)(/.*)$ {{ proxy_pass http://127.0.0.1:$1$2$is_args$args; }}
    }}
    server {{
        listen {delivery_host}:{delivery_port} ssl http2;
        location / {{ proxy_pass {delivery}; }}
    }}
}}
"""
EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2\nbasicConstraints=CA:FALSE\n"


def binary():
    """Where nginx is; None: nowhere."""
    found = next((str(place) for place in PLACES if os.access(place, os.X_OK)), None)
    return found or shutil.which("nginx")


def free_port(address):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def make_certificates(folder):
    """ca.pem signs server.pem; both are good for a day."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "1", "-subj", "/CN=limner's tests",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "extensions").write_text(EXTENSIONS)
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1",
            "-extfile", "extensions", "-out", "server.pem")


class Nginx:
    """Before this Upstream, with files in this (empty) folder. requests: after so many on a connection it says GOAWAY,
    to the last of them while that is still being sent."""

    def __init__(self, folder, upstream, requests=1000):
        self.folder = pathlib.Path(folder)
        make_certificates(self.folder)
        self.ca = self.folder / "ca.pem"
        host = urllib.parse.urlsplit(upstream.delivery).hostname
        self.port, self.delivery_port = free_port("127.0.0.1"), free_port(host)
        self._write = lambda n: (self.folder / "nginx.conf").write_text(CONFIG.format(
            user="user root;" if os.geteuid() == 0 else "", requests=n, api_port=self.port, delivery_host=host,
            delivery_port=self.delivery_port, api=upstream.api, delivery=upstream.delivery))
        self._write(requests)
        self.process = subprocess.Popen([binary(), "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.api, self.delivery = f"https://127.0.0.1:{self.port}", f"https://{host}:{self.delivery_port}"
        self.base_url = self.api + "/v1"
        self._wait()

    def _wait(self):
        end = time.monotonic() + 20
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "error.log").read_text()
            time.sleep(0.02)

    def reload(self, requests=1000):
        """As an operator reloads: the old worker ends what it has begun, a new one takes what comes."""
        self._write(requests)
        log = self.folder / "error.log"
        done = ("start worker process ", "gracefully shutting down")  # until the old one hears of it, it takes some too
        before = [log.read_text().count(words) for words in done]
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while any(log.read_text().count(words) == n for words, n in zip(done, before)):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)

    def before(self, port):
        """The https address of any other server on this machine."""
        return f"{self.api}/to/{port}"

    def requests(self):
        """What came: port, protocol, connection, which request on it, method, path, status."""
        names = "port protocol connection nth method path status".split()
        return [dict(zip(names, line.split())) for line in (self.folder / "access.log").read_text().splitlines()]

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
