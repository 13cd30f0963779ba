"""Airflow's simple auth manager, with approvals given to people by name or by role.

`assigned_users` of a human task may hold user names (`vera`) and roles (`role:admin`). Airflow's own compares ids only.
An assignment that matches nobody opens to nobody: an administrator is refused like anyone else.
"""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser


class SutureAuthManager(SimpleAuthManager):
    """Users and roles from [core] simple_auth_manager_users; passwords from a file of mode 0600."""

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: SimpleAuthManagerUser) -> bool:
        identities = {user.get_id(), user.get_name(), f"role:{(user.role or '').lower()}"}
        return bool(identities & set(assigned_users))
