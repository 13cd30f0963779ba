"""Who may answer an approval: the people and roles that were named, and nobody else."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("assigned", "name", "role", "allowed"),
    [
        ({"vera"}, "vera", "op", True),
        ({"vera"}, "amir", "op", False),
        ({"vera"}, "admin", "admin", False),
        ({"role:op"}, "amir", "op", True),
        ({"role:op"}, "amir", "OP", True),
        ({"role:op"}, "audra", "viewer", False),
        ({"op"}, "amir", "op", False),
        ({"role:"}, "nobody", "viewer", False),
        ({"nobody", "role:none"}, "vera", "op", False),
    ],
)
def test_approvals_open_to_names_and_roles(assigned: set[str], name: str, role: str, allowed: bool) -> None:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from suture_airflow.auth_manager import SutureAuthManager

    user = SimpleAuthManagerUser(username=name, role=role)
    manager = SutureAuthManager.__new__(SutureAuthManager)  # its constructor wants a database; the rule does not
    assert manager.is_authorized_hitl_task(assigned_users=assigned, user=user) is allowed
