"""Which addresses a feed may be asked at (CWE-918, server-side request forgery).

The rules:

1. https, to a host that policy names, on the port of the feed's own url or 443. Plain http only to this machine's
   loopback, on the port of the feed's own url, and only where policy says `lab`. Nothing else: no file, gopher, ftp.
2. No user name, no backslash, space or control character in an address: parsers disagree on what its host is then.
   A host is written as policy writes it: another spelling of the same place is another place.
3. What the name stands for is looked up once, checked, and connected to: a name that answers differently the second time
   gains nothing. Private, loopback, link-local, multicast and other special networks are refused (IANA's registries, as
   Python's ipaddress knows them; IPv4 within IPv6 too), but for networks that policy allows (`allowed_networks`), and
   loopback in a lab. One refused address among a name's several refuses the name.
4. All this is asked of the first address and of every redirect.
5. Where a proxy from the environment is used, the proxy looks names up: rule 3 is then its task, and rules 1, 2 and 4 hold.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.poolmanager import PoolManager

from suture.feeds.errors import FeedRefusedError
from suture.feeds.feed_source import FeedSource

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]  # host and port → the addresses that the name stands for
Connected = Callable[[socket.socket], None]
MAX_URL = 2000
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def check_address(url: str, source: FeedSource) -> None:
    """Raise FeedRefusedError when the source may not be asked at this address (rules 1 and 2)."""
    if len(url) > MAX_URL or any(not "!" <= character <= "~" or character == "\\" for character in url):
        raise FeedRefusedError(
            f"{source.name}: {url[:80]!r} is no address that is asked: a character in it, or its length."
        )
    try:
        parts, own = urlsplit(url), urlsplit(source.url)
        port, own_port = parts.port, own.port
    except ValueError as error:
        raise FeedRefusedError(f"{source.name}: {url[:80]!r} is no address: {error}.") from error
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise FeedRefusedError(f"{source.name}: an address with a user name in it is not asked.")
    if host not in source.allowed_hosts:
        raise FeedRefusedError(f"{source.name}: {host or url[:80]!r} is none of the hosts that policy allows.")
    if parts.scheme == "https":
        if port not in (None, 443, own_port):
            raise FeedRefusedError(f"{source.name}: port {port} of {host} is not asked.")
        return
    if parts.scheme != "http" or not source.lab or not _is_loopback(host):
        raise FeedRefusedError(
            f"{source.name}: only https is asked (and http on this machine's loopback, where policy says `lab`)."
        )
    if port != own_port:
        raise FeedRefusedError(f"{source.name}: port {port} of {host} is not asked.")


def resolved(host: str, port: int, source: FeedSource, resolve: Resolve | None = None) -> list[str]:
    """The addresses that the host stands for, all of them allowed (rule 3). Raises FeedRefusedError, OSError."""
    found = list((resolve or _look_up)(host, port))
    for text in found:
        if not _is_allowed(ipaddress.ip_address(text.partition("%")[0]), source):
            raise FeedRefusedError(
                f"{source.name}: {host} stands for {text}, which is no public address"
                " (policy may allow its network: `allowed_networks`)."
            )
    return found


class GuardedAdapter(HTTPAdapter):
    """requests' transport that connects only to addresses that `resolved` gave. connected: told of each new socket."""

    def __init__(self, source: FeedSource, connected: Connected, resolve: Resolve | None = None) -> None:
        self._guard = (source, connected, resolve)
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(*self._guard)


def _pools(source: FeedSource, connected: Connected, resolve: Resolve | None) -> dict[str, type[HTTPConnectionPool]]:
    def connect(connection: HTTPConnection) -> socket.socket:
        try:
            places = resolved(connection.host, connection.port or 0, source, resolve)
            error: OSError = OSError("the name stands for no address")
        except OSError as failed:
            places, error = [], failed
        for place in places:
            try:
                made = socket.create_connection((place, connection.port), timeout=source.connect_seconds)
            except OSError as failed:
                error = failed
                continue
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected(made)
            return made
        raise NewConnectionError(connection, f"no connection: {error}") from error

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_allowed(address: Address, source: FeedSource) -> bool:
    plain = _within(address)
    if source.lab:
        return plain.is_loopback
    for network in map(ipaddress.ip_network, source.allowed_networks):
        if plain.version == network.version and plain in network:
            return True
    return plain.is_global and not plain.is_multicast


def _within(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries (mapped, 6to4, NAT64, Teredo), else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour or address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.teredo[1] if address.teredo else address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
