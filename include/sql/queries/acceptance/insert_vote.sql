INSERT INTO risk_acceptance_vote (acceptance_id, seat, role, voter, decision, comment, terms_hash, decided_at)
VALUES (
    %(acceptance_id)s, %(seat)s, %(role)s, %(voter)s, %(decision)s, %(comment)s, %(terms_hash)s, %(decided_at)s
)
ON CONFLICT DO NOTHING
