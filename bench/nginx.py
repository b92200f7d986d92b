"""nginx as the yardstick: what a plain server on this machine serves and takes, and git's own server behind it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.live_hub import free_port

_NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
_FCGIWRAP = shutil.which("fcgiwrap") or "/usr/sbin/fcgiwrap"
_GIT_BACKEND = "/usr/lib/git-core/git-http-backend"

_CONFIG = """
user {user};
worker_processes 2;
pid {root}/nginx.pid;
error_log {root}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port};
    location /files/ {{ alias {files}/; }}
    location /taken/ {{ alias {taken}/; dav_methods PUT; create_full_put_path on; }}
    location ~ ^/git(/.*)$ {{
      fastcgi_pass unix:{root}/git.sock;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param GIT_PROJECT_ROOT {repos};
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param PATH_INFO $1;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol;
      fastcgi_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """``files`` under /files/, what PUTs to /taken/ bring in ``taken``, bare repositories of ``repos`` under /git/."""

    url: str
    files: Path
    taken: Path
    repos: Path


@contextlib.contextmanager
def running_nginx(root: Path) -> Iterator[Nginx]:
    """A private nginx on a free port, all of it below ``root``; and fcgiwrap for git."""
    folders = {name: root / name for name in ("files", "taken", "repos", "body")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = root / "nginx.conf"
    user = "root" if os.geteuid() == 0 else "nobody"
    config.write_text(
        _CONFIG.format(
            root=root,
            port=port,
            user=user,
            backend=_GIT_BACKEND,
            files=folders["files"],
            taken=folders["taken"],
            repos=folders["repos"],
        )
    )
    git = subprocess.Popen([_FCGIWRAP, "-c", "2", "-s", f"unix:{root}/git.sock"], start_new_session=True)
    server = subprocess.Popen([_NGINX, "-p", str(root), "-c", str(config), "-g", "daemon off;"])
    try:
        _wait_for(f"http://127.0.0.1:{port}/", server)
        yield Nginx(f"http://127.0.0.1:{port}", folders["files"], folders["taken"], folders["repos"])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        os.killpg(git.pid, signal.SIGTERM)
        git.wait(timeout=20)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit("nginx did not start")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("nginx does not answer")
