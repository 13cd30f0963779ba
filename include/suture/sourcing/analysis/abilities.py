"""What a program can do to the world, by the functions it imports, the libraries it needs, and the system calls it makes itself."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from suture.sourcing.analysis.binary_kinds import Kind
from suture.sourcing.analysis.elf import ElfFacts


class Ability(StrEnum):
    """network: opens connections. exec: starts programs. setuid: changes who it is. load: loads code at run time.
    inject: touches other processes, the kernel, or runs memory that no file holds."""

    NETWORK = "network"
    EXEC = "exec"
    SETUID = "setuid"
    LOAD = "load"
    INJECT = "inject"


KINDS = {
    Ability.NETWORK: Kind.NEW_ABILITY_NETWORK,
    Ability.EXEC: Kind.NEW_ABILITY_EXEC,
    Ability.SETUID: Kind.NEW_ABILITY_SETUID,
    Ability.LOAD: Kind.NEW_ABILITY_LOAD,
    Ability.INJECT: Kind.NEW_ABILITY_INJECT,
}
WORDS = {
    Ability.NETWORK: "use the network",
    Ability.EXEC: "start programs",
    Ability.SETUID: "change its user or group",
    Ability.LOAD: "load code at run time",
    Ability.INJECT: "reach into other processes or the kernel",
}
_NETWORK = """socket connect bind accept accept4 getaddrinfo gethostbyname gethostbyname2 gethostbyname_r gethostbyname2_r res_query
 res_search __res_query getnameinfo curl_easy_perform curl_multi_perform SSL_connect BIO_new_connect BIO_do_connect
 g_socket_client_connect g_socket_client_connect_to_host soup_session_send PyInit__socket"""
_EXEC = """execve execv execvp execvpe execl execle execlp fexecve execveat system popen posix_spawn posix_spawnp
 g_spawn_async g_spawn_sync g_spawn_async_with_pipes g_spawn_command_line_async g_spawn_command_line_sync g_subprocess_new
 g_subprocess_newv wordexp"""
_SETUID = """setuid seteuid setreuid setresuid setgid setegid setregid setresgid setgroups initgroups setfsuid setfsgid cap_set_proc
 cap_set_file cap_set_fd capset capng_apply"""
_LOAD = "dlopen dlmopen lt_dlopen lt_dlopenext g_module_open g_module_open_full PR_LoadLibrary"
_INJECT = """ptrace process_vm_writev process_vm_readv memfd_create init_module finit_module bpf bpf_prog_load kexec_load
 perf_event_open userfaultfd iopl ioperm"""
FUNCTIONS: Mapping[str, Ability] = {
    name: ability
    for ability, names in (
        (Ability.NETWORK, _NETWORK), (Ability.EXEC, _EXEC), (Ability.SETUID, _SETUID), (Ability.LOAD, _LOAD), (Ability.INJECT, _INJECT)
    )
    for name in names.split()
}  # fmt: skip
_CALLS: Mapping[str, Ability] = {
    "socket": Ability.NETWORK, "connect": Ability.NETWORK, "bind": Ability.NETWORK, "execve": Ability.EXEC,
    "execveat": Ability.EXEC, "setuid": Ability.SETUID, "setreuid": Ability.SETUID, "setresuid": Ability.SETUID,
    "ptrace": Ability.INJECT, "process_vm_writev": Ability.INJECT, "finit_module": Ability.INJECT,
    "init_module": Ability.INJECT, "memfd_create": Ability.INJECT, "bpf": Ability.INJECT,
}  # fmt: skip
# Who needs one of these libraries can already do it by asking them.
_LIBRARIES: Mapping[str, tuple[Ability, ...]] = {
    "libcurl": (Ability.NETWORK,), "libcurl-gnutls": (Ability.NETWORK,), "libcurl-nss": (Ability.NETWORK,),
    "libssh": (Ability.NETWORK,), "libssh2": (Ability.NETWORK,), "libsoup-2.4": (Ability.NETWORK,), "libsoup-3.0": (Ability.NETWORK,),
    "libldap-2.5": (Ability.NETWORK,), "libpq": (Ability.NETWORK,), "libresolv": (Ability.NETWORK,), "libnfs": (Ability.NETWORK,),
    "libapt-pkg": (Ability.NETWORK, Ability.EXEC), "libQt5Network": (Ability.NETWORK,), "libevent": (Ability.NETWORK,),
    "libgmodule-2.0": (Ability.LOAD,), "libltdl": (Ability.LOAD,), "libcap": (Ability.SETUID,), "libcap-ng": (Ability.SETUID,),
}  # fmt: skip


def abilities(facts: ElfFacts) -> dict[Ability, set[str]]:
    """Ability → by what: names of functions, `syscall NAME`, names of libraries."""
    found: dict[Ability, set[str]] = {}
    for name in facts.imports & FUNCTIONS.keys():
        found.setdefault(FUNCTIONS[name], set()).add(name)
    for name in facts.syscalls:
        found.setdefault(_CALLS[name], set()).add(f"syscall {name}")
    for needed in facts.needed:
        for ability in _LIBRARIES.get(needed.split(".so")[0], ()):
            found.setdefault(ability, set()).add(needed)
    return found
