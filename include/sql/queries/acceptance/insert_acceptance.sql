INSERT INTO risk_acceptance (
    acceptance_id, state, state_reason, run_id, requested_by, cve_ids, advisory_ids, source_packages, host_ids,
    asset_groups, scope_hash, justification, compensating_control, residual_risk, priority, quorum_rule, seats, extends,
    review_on, expires_at, terms_hash, requested_at, answer_by, updated_at
)
VALUES (
    %(acceptance_id)s, 'requested', %(state_reason)s, %(run_id)s, %(requested_by)s, %(cve_ids)s, %(advisory_ids)s,
    %(source_packages)s, %(host_ids)s, %(asset_groups)s, %(scope_hash)s, %(justification)s, %(compensating_control)s,
    %(residual_risk)s, %(priority)s, %(quorum_rule)s, %(seats)s, %(extends)s, %(review_on)s, %(expires_at)s,
    %(terms_hash)s, %(requested_at)s, %(answer_by)s, %(requested_at)s
)
