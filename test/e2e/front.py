"""nginx before limner, with the configuration that dist/nginx.conf recommends: only names, ports and certificates differ."""
import os
import signal
import socket
import subprocess

import pytest
import requests
from requests.adapters import HTTPAdapter

from gateway import ROOT, until
from upstream.nginx import binary, free_port, make_certificates

MAIN = """
{user}
daemon off;
pid nginx.pid;
worker_processes 1;
worker_rlimit_nofile 8192;
error_log error.log info;
events {{ worker_connections 4096; }}
http {{
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include limner.conf;
}}
"""
CERTIFICATES = "/etc/letsencrypt/live/images.example.com/"
AGAIN = "proxy_next_upstream error non_idempotent; proxy_next_upstream_tries 2;"  # as OPERATIONS.md says for several


def need_nginx():
    if not binary():
        assert not os.environ.get("CI"), "tools/deps --dev brings nginx"
        pytest.skip("there is no nginx: tools/deps --dev brings it")


class Front:
    def __init__(self, folder, *gateways):
        self.folder = folder
        self.port, self.plain = free_port("127.0.0.1"), free_port("127.0.0.1")
        folder.mkdir()
        make_certificates(folder)
        text = (ROOT / "dist" / "nginx.conf").read_text()
        servers = " ".join(f"server 127.0.0.1:{g.port};" for g in gateways)
        changes = {"listen 80;": f"listen 127.0.0.1:{self.plain};", "listen 443": f"listen 127.0.0.1:{self.port}",
                   "server 127.0.0.1:3000;": servers,
                   CERTIFICATES + "fullchain.pem": "server.pem", CERTIFICATES + "privkey.pem": "server.key"}
        if len(gateways) > 1:
            changes["proxy_next_upstream off;"] = AGAIN
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "limner.conf").write_text(text)
        (folder / "nginx.conf").write_text(MAIN.format(user="user root;" if os.geteuid() == 0 else ""))
        self.process = subprocess.Popen([binary(), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"https://127.0.0.1:{self.port}"
        until(self._listens, 20)

    def _listens(self):
        assert self.process.poll() is None, (self.folder / "error.log").read_text()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def session(self, source="127.0.0.1"):
        """A client at this address of this machine."""
        class From(HTTPAdapter):
            def init_poolmanager(self, *args, **kwargs):
                super().init_poolmanager(*args, source_address=(source, 0), **kwargs)
        http = requests.Session()
        http.trust_env = False  # or the environment decides whom to trust
        http.verify = str(self.folder / "ca.pem")
        http.mount("https://", From())
        return http

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
