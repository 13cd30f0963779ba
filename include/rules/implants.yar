/*
   What implants look like in programs, scripts and data. meta.weight: "implant" is refused by default, "hint" is shown.
   Each rule asks for several things that belong together and have no business together in a package; a rule that an
   archive's ordinary package would meet does not belong here. An organisation's own rules lie in a folder of its own
   (examination.yaml, binary.rules_folder).
*/

rule reverse_shell_one_liner
{
    meta:
        weight = "implant"
        description = "a shell with its input and output on a socket"
    strings:
        $bash = /(ba)?sh\s+-i\s+[^\n]{0,20}>\s*&?\s*\/dev\/(tcp|udp)\/[\w.${}-]+\/[\w${}]+/
        $fifo = /mkfifo\s+\S+\s*[;&]+[^\n]{0,80}\|\s*(\/bin\/)?(ba)?sh\s+-i[^\n]{0,40}\|\s*(nc|ncat|openssl)\s/
        $python = /socket\.socket\([^\n]{0,200}\.connect\(\([^\n]{0,300}dup2\([^\n]{0,400}(subprocess|pty\.spawn|os\.system)/
        $perl = /use Socket;[^\n]{0,300}connect\([^\n]{0,200}STDIN[^\n]{0,100}>&[^\n]{0,200}exec\b/
        $php = /fsockopen\([^\n]{0,120}\);\s*(exec|shell_exec|system|proc_open|popen)\(["'`](\/bin\/)?(ba)?sh/
    condition:
        any of them
}

rule shellcode_connects_back_x86_64
{
    meta:
        weight = "implant"
        description = "machine code that opens a socket, puts it on input and output and starts a shell"
    strings:
        // push 41; pop rax … syscall ; push 33 (dup2) ; push 59 (execve)
        $socket = { 6a 29 58 [0-24] 0f 05 }
        $dup2 = { 6a 21 58 [0-8] 0f 05 }
        $execve = { 6a 3b 58 [0-40] 0f 05 }
        $shell = { 2f 62 69 6e 2f [0-2] 73 68 }
    condition:
        $socket and $dup2 and $execve and $shell
}

rule preload_rootkit
{
    meta:
        weight = "implant"
        description = "a library that hides files or processes from every program"
    strings:
        $preload = "/etc/ld.so.preload"
        $next = "dlsym"
        $readdir = "readdir"
        $hide1 = "/proc/net/tcp"
        $hide2 = "/proc/self/fd/%d"
        $hide3 = "authorized_keys"
        $shell = "/bin/sh"
        $accept = "accept"
    condition:
        uint32(0) == 0x464c457f and uint16(16) == 3 and $preload and $next and $readdir and 2 of ($hide*) and $shell and $accept
}

rule sshd_key_hook
{
    meta:
        weight = "implant"
        description = "a library that looks for the SSH server's decryption of keys without being part of it"
    strings:
        $rsa = "RSA_public_decrypt"
        $sshd = "/usr/sbin/sshd"
        $audit = "_dl_audit_symbind_alt"
        $audit2 = "_dl_audit_preinit"
        $env = "LD_BIND_NOT"
    condition:
        uint32(0) == 0x464c457f and $rsa and 2 of ($sshd, $audit, $audit2, $env)
}

rule miner
{
    meta:
        weight = "implant"
        description = "a program that mines for somebody's pool"
    strings:
        $stratum = /stratum\+(tcp|ssl|tls):\/\/[\w.-]+:\d{2,5}/
        $option1 = "--donate-level"
        $option2 = "randomx" nocase
        $option3 = "cryptonight" nocase
        $option4 = "mining.subscribe"
        $option5 = "\"coin\""
        $option6 = "nicehash" nocase
        $login = /"method"\s*:\s*"login"\s*,\s*"params"/
    condition:
        ($stratum and 1 of ($option*)) or ($login and 2 of ($option*))
}

rule packed_by_upx
{
    meta:
        weight = "implant"
        description = "a program packed by UPX, also where its name was wiped from the header"
    strings:
        $magic = "UPX!"
        $info = "$Info: This file is packed with the UPX"
        $id = "$Id: UPX "
    condition:
        // The stub's marks; or no section headers at all, and two loaded segments, as UPX writes them, with the mark near the start.
        uint32(0) == 0x464c457f and
        (($magic in (0..0x400) and #magic >= 2) or ($magic and ($info or $id)))
}

rule webshell
{
    meta:
        weight = "implant"
        description = "a page that runs what a request brings"
    strings:
        $php1 = /\b(eval|assert|system|passthru|shell_exec|popen|proc_open)\s*\(\s*@?(base64_decode\s*\(\s*)?\$_(GET|POST|REQUEST|COOKIE)\s*\[/
        $php2 = /\$_(GET|POST|REQUEST|COOKIE)\s*\[[^\]]{1,40}\]\s*\(\s*\$_(GET|POST|REQUEST|COOKIE)\s*\[/
        $php3 = /preg_replace\s*\(\s*["'].{1,40}\/[a-z]*e[a-z]*["']\s*,\s*\$_(GET|POST|REQUEST|COOKIE)/
        $jsp = /Runtime\.getRuntime\(\)\.exec\(\s*request\.getParameter\(/
    condition:
        any of them
}

rule unwrapped_by_a_pipeline
{
    meta:
        weight = "implant"
        description = "the pipeline of CVE-2024-3094: pieces of a file cut out, letters exchanged, unpacked and run"
    strings:
        $cut = /\(head -c \+?\d+ ?>\/dev\/null\) ?&& ?head -c \+?\d+/
        $exchange = /tr ["'\\][\x20-\x7e]{3,60}["'][^\n]{0,80}\|\s*(xz|lzma)\b[^\n|]{0,40} -[a-zA-Z]*d/
        $tail = /tail -c \+?\d+[^\n]{0,20}\|\s*tr ["'\\]/
        $run = /\|\s*(\/bin\/)?(ba)?sh\b/
        $sed = /sed ["']r\\n["'] \$\w+/
    condition:
        filesize < 4MB and (2 of ($cut, $tail, $exchange) or ($sed and $run))
}

rule program_in_base64
{
    meta:
        weight = "implant"
        description = "a whole ELF program as base64 in a text that decodes and runs it"
    strings:
        // the first bytes of a 64-bit little-endian ELF file, and of a 32-bit one
        $elf64 = "f0VMRgIBAQ"
        $elf32 = "f0VMRgEBAQ"
        $decode = /base64 (-d|-D|--decode)|b64decode|decode_base64|base64_decode/
        $run = /chmod \+?[0-7x]+|os\.chmod|memfd_create|execv|\/dev\/shm|\/tmp\//
    condition:
        uint32(0) != 0x464c457f and ($elf64 or $elf32) and $decode and $run
}

rule hidden_service_address
{
    meta:
        weight = "hint"
        description = "the address of an onion service in a program"
    strings:
        $onion = /[^a-z2-7][a-z2-7]{56}\.onion/
    condition:
        uint32(0) == 0x464c457f and $onion
}
