"""Faults that are planted, and what proves that each is survived: stopped, said why, nothing lost, resumable.

| fault | the test |
|---|---|
| archive tampered with | faults/repository/test_attacks.py (each attack, by name) |
| archive expired | faults/repository/test_attacks.py, test_verify_verb.py::test_without_valid_until_the_age_counts |
| archive replayed | faults/repository/test_state.py::test_an_older_state_is_a_rollback_although_it_is_well_signed |
| archive that stalls, lies, redirects or dies | faults/repository/test_transport_faults.py |
| a host that dies mid-upgrade | unit/runner/test_phases.py::test_a_host_that_dies_mid_upgrade_is_unknown_and_healed_by_the_next_try; |
| | unit/playbooks/test_host_job.py::test_a_job_whose_starter_is_killed_goes_on_to_its_result |
| a host out of reach | lab/test_runner_on_hosts.py::test_a_host_out_of_reach_is_unreachable_and_not_failed |
| dpkg left half-configured | lab/test_runner_on_hosts.py::test_a_half_configured_dpkg_is_healed |
| no backup | unit/adapters/test_backup_gate.py::test_woken_without_proof_it_stops_whatever_the_event_says, |
| | ::test_the_trigger_gives_up_in_time_and_says_what_is_missing; unit/recovery/test_backup_proof.py |
| approval by the wrong user, by the requester | lifecycle/test_faults.py::test_who_is_not_of_the_seat_is_refused; |
| | unit/adapters/test_approval_gate.py::test_an_answer_that_came_past_the_screen_does_not_count |
| one person for both seats | lifecycle/test_faults.py::test_two_people_release_and_their_words_stay_words |
| approval timed out | unit/adapters/test_approval_gate.py::test_no_answer_in_time_declines |
| no traffic at the canary | unit/rollout/test_judge.py::test_what_is_missing_is_inconclusive_at_the_deadline_and_never_a_pass, |
| | ::test_a_starved_canary_does_not_pass |
| no metrics at the canary | unit/adapters/test_judge_gate.py::test_the_trigger_ends_inconclusive_at_the_deadline_without_prometheus |
| inconclusive and fail stop the rollout | unit/adapters/test_judge_gate.py::test_fail_and_inconclusive_stop_for_good |
| a rollout task killed and retried | lifecycle/test_faults.py::test_a_task_killed_in_the_middle_of_an_installation_is_tried_again; |
| | lab/test_runner_on_hosts.py::test_a_killed_task_leaves_nothing_here_and_the_next_try_waits_for_the_host |
| a task killed after its campaign had moved | unit/adapters/test_stages.py |
| PostgreSQL restarted | lifecycle/test_faults.py::test_postgresql_crashes_while_a_ring_is_patched, …_is_judged; |
| | unit/runner/test_phases.py::test_a_restart_of_the_warehouse_neither_stops_a_run_nor_loses_its_end; |
| | unit/adapters/test_backup_gate.py::test_the_trigger_outlasts_a_restart_of_the_warehouse |
| scheduler, supervisor killed | lifecycle/test_stack.py |
| a malformed feed | unit/feeds/test_sync.py::test_a_bad_copy_changes_nothing_and_says_why, unit/feeds/test_snapshot.py |
| syntax in package names and versions | unit/runner/test_names.py; |
| | lab/test_runner_on_hosts.py::test_what_a_host_is_told_is_never_evaluated |
| syntax in host names and inventory values | unit/runner/test_names.py, unit/runner/test_inventory_file.py |
| syntax in form fields | lifecycle/test_faults.py::test_a_rollbacks_form_takes_no_syntax, …_their_words_stay_words; |
| | unit/adapters/test_rollback_form.py, unit/adapters/test_approval_gate.py::test_a_comment_is_kept_as_it_was_typed |
| syntax in what the report shows | unit/compliance/test_report.py::test_foreign_text_is_shown_never_run |
| the same rollback started twice | unit/adapters/test_rollback_form.py::test_a_second_run_is_refused_and_does_not_stop_the_first |

Not planted yet: the supervising process of a task killed while the task itself lives on (Airflow finds it only by the
missing heartbeat, after two minutes); the leases and the hosts' tokens that guard this case are tested on their own.
"""
