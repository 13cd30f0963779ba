-- These get rows of their own, to be written.
SELECT single_out(%(finding_ids)s::bigint[]) AS singled_out
