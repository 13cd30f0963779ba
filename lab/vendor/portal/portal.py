#!/usr/bin/python3
"""ACME portal: takes and lists orders. Configuration: /etc/acme-portal/portal.conf, then conf.d/*.conf."""

import configparser
import glob
import json
import os
import queue
import socket
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg2

VERSION = "@VERSION@"
FILES = "/usr/share/acme-portal/files"
HOST = socket.gethostname()
STARTED_AT = time.time()


def read_config():
    config = configparser.ConfigParser()
    config.read(["/etc/acme-portal/portal.conf", *sorted(glob.glob("/etc/acme-portal/conf.d/*.conf"))])
    return config


@POOL@


class Counters:
    """Requests and errors by path, for /metrics."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {}

    def add(self, path, status):
        with self.lock:
            key = (path, status)
            self.counts[key] = self.counts.get(key, 0) + 1

    def text(self):
        with self.lock:
            rows = sorted(self.counts.items())
        lines = ["# TYPE acme_portal_requests_total counter"]
        lines += [f'acme_portal_requests_total{{path="{path}",code="{code}"}} {count}' for (path, code), count in rows]
        lines += ["# TYPE acme_portal_info gauge", f'acme_portal_info{{version="{VERSION}"}} 1']
        with open("/proc/self/statm", encoding="ascii") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        lines += ["# TYPE process_resident_memory_bytes gauge", f"process_resident_memory_bytes {resident}"]
        return "\n".join(lines) + "\n"


@FILES@


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/healthz":
            self.answer(url.path, self.health)
        elif url.path == "/version":
            self.reply(url.path, 200, VERSION + "\n", "text/plain")
        elif url.path == "/metrics":
            self.reply(url.path, 200, self.server.counters.text(), "text/plain; version=0.0.4")
        elif url.path == "/api/orders":
            self.answer(url.path, self.list_orders)
        elif url.path == "/files":
            status, body = read_file(parse_qs(url.query).get("name", [""])[0])
            self.reply(url.path, status, body, "application/octet-stream")
        else:
            self.reply("other", 404, json.dumps({"error": "not found"}) + "\n")

    def do_POST(self):
        length = min(int(self.headers.get("Content-Length") or 0), 65536)
        body = self.rfile.read(length)
        if urlsplit(self.path).path != "/api/orders":
            self.reply("other", 404, json.dumps({"error": "not found"}) + "\n")
            return
        try:
            order = json.loads(body)
            item, quantity = str(order["item"])[:80], int(order["quantity"])
        except (ValueError, KeyError, TypeError):
            self.reply("/api/orders", 400, json.dumps({"error": "an order has an item and a quantity"}) + "\n")
            return
        self.answer("/api/orders", lambda: self.create_order(item, quantity))

    def answer(self, path, work):
        try:
            status, document = work()
        except Exception as error:  # the client gets a 500, the log the reason
            print(f"{self.command} {path} failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            status, document = 500, {"error": "internal error"}
        self.reply(path, status, json.dumps(document) + "\n")

    def health(self):
        self.server.probe.check()
        return 200, {"status": "ok", "version": VERSION}

    def list_orders(self):
        with self.server.pool.connection() as connection, connection, connection.cursor() as cursor:
            cursor.execute("SELECT id, item, quantity FROM orders ORDER BY id DESC LIMIT 10")
            rows = [{"id": row[0], "item": row[1], "quantity": row[2]} for row in cursor.fetchall()]
        return 200, {"orders": rows}

    def create_order(self, item, quantity):
        with self.server.pool.connection() as connection, connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orders (item, quantity, taken_by) VALUES (%s, %s, %s) RETURNING id", (item, quantity, HOST)
            )
            (number,) = cursor.fetchone()
        return 201, {"id": number}

    def reply(self, path, status, body, kind="application/json"):
        data = body if isinstance(body, bytes) else body.encode()
        self.server.counters.add(path, status)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Served-By", HOST)
        self.send_header("X-Portal-Version", VERSION)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class Probe:
    """The health check's own connection: it must not wait for one from the pool."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.lock = threading.Lock()
        self.connection = None

    def check(self):
        """Ask the database. A connection that it closed meanwhile (it was restarted) is opened anew, once."""
        with self.lock:
            kept = self.connection is not None
            try:
                self.ask()
            except psycopg2.Error:
                self.connection = None
                if not kept:
                    raise
                self.ask()

    def ask(self):
        if self.connection is None:
            self.connection = psycopg2.connect(self.dsn, connect_timeout=2)
            self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM orders LIMIT 1")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    config = read_config()
    dsn = config["database"]["dsn"]
    server = Server((config["server"]["address"], config.getint("server", "port")), Handler)
    server.counters = Counters()
    server.pool = Pool(dsn, config.getint("database", "connections"))
    server.probe = Probe(dsn)
    server.serve_forever()


main()
