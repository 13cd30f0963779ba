"""What the bytes of a program tell beside its tables: system calls that go round the C library, addresses and hosts.

Static and obfuscated code imports nothing, but it must still enter the kernel: the numbers loaded right before the instruction that
does so name what it asks for. Text in a program is hostile and is only counted, compared and shown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# The calls that an implant needs, by architecture (the kernel's tables; Linux never renumbers them).
SYSCALLS = {
    "X86_64": {41: "socket", 42: "connect", 49: "bind", 59: "execve", 101: "ptrace", 105: "setuid", 113: "setreuid",
               117: "setresuid", 311: "process_vm_writev", 313: "finit_module", 175: "init_module", 319: "memfd_create",
               322: "execveat", 321: "bpf"},
    "AARCH64": {198: "socket", 203: "connect", 200: "bind", 221: "execve", 117: "ptrace", 146: "setuid", 145: "setreuid",
                147: "setresuid", 271: "process_vm_writev", 273: "finit_module", 105: "init_module", 279: "memfd_create",
                281: "execveat", 280: "bpf"},
}  # fmt: skip
_BACK = 24  # bytes before the instruction in which the number is loaded
_X86_LOADS = (
    re.compile(rb"\xb8(..)\x00\x00", re.DOTALL),  # mov eax, imm32
    re.compile(
        rb"(?:\x31|\x33)\xc0.{0,8}?\xb0(.)", re.DOTALL
    ),  # xor eax, eax; …; mov al, imm8 (alone it is any two bytes)
    re.compile(rb"\x6a(.)\x58", re.DOTALL),  # push imm8; pop rax
)
# Each pattern begins with a fixed byte string, which `re` finds at the speed of memchr; what stands before it is looked at after.
_URL_REST = re.compile(rb"://(?:[^\s/@\x00-\x20\x7f-\xff]{1,80}@)?([A-Za-z0-9_.-]{3,253})")
_SCHEME = re.compile(rb"(?:https?|ftps?|wss?|tcp|udp|socks5?)$")
_IPV4_REST = re.compile(rb"\.\d{1,3}\.\d{1,3}\.\d{1,3}(?=[:\x00]|$)")
_IPV4_FIRST = re.compile(rb"(?:^|\x00)(\d{1,3})$")
_ONION_NAME = re.compile(rb"(?:^|[^a-z2-7])([a-z2-7]{56})$")
_MOST = 5_000  # distinct hosts of one file that are kept


@dataclass(frozen=True)
class Traces:
    """hosts: names in URLs, lower case. addresses: public IPv4 addresses in URLs or as a string of their own, and onion services."""

    hosts: frozenset[str]
    addresses: frozenset[str]


def traces(parts: Iterable[bytes]) -> Traces:
    """Of all parts together, at most 5,000 of each."""
    hosts: set[str] = set()
    addresses: set[str] = set()
    for data in parts:
        for host in _url_hosts(data):
            if _is_public(host):
                addresses.add(host)
            elif len(hosts) < _MOST:
                hosts.add(host)
        addresses.update(address for address in _strings_that_are_addresses(data) if len(addresses) < _MOST)
    return Traces(frozenset(hosts), frozenset(addresses))


def _url_hosts(data: bytes) -> Iterator[str]:
    for match in _URL_REST.finditer(data):
        if _SCHEME.search(data[max(match.start() - 6, 0) : match.start()]):
            yield match[1].decode("ascii").lower().rstrip(".-")


def _strings_that_are_addresses(data: bytes) -> Iterator[str]:
    """Strings of their own, or with a port: dotted numbers inside a sentence are versions and OIDs."""
    for match in _IPV4_REST.finditer(data):
        first = _IPV4_FIRST.search(data[max(match.start() - 4, 0) : match.start()])
        if first and _is_public(address := (first[1] + match[0]).decode("ascii")):
            yield address
    at = data.find(b".onion")
    while at >= 0:
        if name := _ONION_NAME.search(data[max(at - 57, 0) : at]):
            yield name[1].decode("ascii") + ".onion"
        at = data.find(b".onion", at + 6)


def direct_syscalls(code: Iterable[bytes], machine: str) -> frozenset[str]:
    """Names out of SYSCALLS that code asks the kernel for by itself. Empty for machines without a table."""
    table = SYSCALLS.get(machine)
    if table is None:
        return frozenset()
    read = _x86_numbers if machine == "X86_64" else _arm_numbers
    return frozenset(table[number] for part in code for number in read(part) if number in table)


def _x86_numbers(data: bytes) -> Iterable[int]:
    at = data.find(b"\x0f\x05")
    while at >= 0:
        before = data[max(at - _BACK, 0) : at]
        loads = [(m.end(), int.from_bytes(m[1], "little")) for load in _X86_LOADS for m in load.finditer(before)]
        # The load nearest to the instruction decides; a byte of another instruction may look like one, and then names no call.
        if loads:
            yield max(loads)[1]
        at = data.find(b"\x0f\x05", at + 2)


def _arm_numbers(data: bytes) -> Iterable[int]:
    at = data.find(b"\x01\x00\x00\xd4")  # svc #0
    while at >= 0:
        for back in range(4, _BACK + 1, 4):
            word = int.from_bytes(data[at - back : at - back + 4], "little") if at >= back else 0
            if word & 0xFFE0001F == 0xD2800008:  # mov x8, imm16
                yield (word >> 5) & 0xFFFF
                break
        at = data.find(b"\x01\x00\x00\xd4", at + 4)


def _is_public(text: str) -> bool:
    """Whether it is an address that lies in the public Internet; small numbers are versions, not addresses."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and int(text.split(".")[0]) >= 11
