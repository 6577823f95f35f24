"""Every bad input that the project promises to meet, and the tests that hold it to that."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.device

TESTS = Path(__file__).parent.parent

# What is met -> the tests that show the one line, or the count, and that nothing accepted is lost.
CATALOGUE: dict[str, tuple[str, ...]] = {
    "unknown event or field": (
        "badinput/test_graphs.py::test_an_unknown_name_is_told_with_the_nearest",
        "badinput/test_command_line.py::test_a_graph_that_is_none",
        "device/test_arrivals.py::test_unknown_events_and_fields_are_kept_but_not_seen",
        "device/test_names.py::test_unknown_names_are_counted",
        "device/test_names.py::test_unknown_names_are_refused_on_request",
    ),
    "unknown request or candidate": (
        "device/test_queries.py::test_a_name_that_no_feature_reads_is_refused",
        "device/test_queries.py::test_a_missing_list_is_named",
    ),
    "wrong type": (
        "badinput/test_graphs.py::test_a_wrong_type_is_told_with_both_types",
        "badinput/test_command_line.py::test_a_graph_that_is_none",
        "device/test_strict.py::test_a_strict_engine_refuses",
        "device/test_strict.py::test_unparsable_values_are_counted_once",
    ),
    "missing ts": (
        "badinput/test_events.py::test_each_bad_event_is_met",
        "badinput/test_command_line.py::test_a_file_of_events_that_is_none",
        "log/test_append.py::test_an_event_of_another_form_is_refused",
    ),
    "negative ts": ("badinput/test_events.py::test_a_negative_time_is_a_time_like_any_other",),
    "huge payload": (
        "badinput/test_events.py::test_each_bad_event_is_met",
        "badinput/test_events.py::test_a_huge_payload_is_not_copied_again_and_again",
        "badinput/test_command_line.py::test_a_file_of_events_that_is_none",
        "log/test_append.py::test_an_event_of_another_form_is_refused",
    ),
    "deep JSON": (
        "badinput/test_events.py::test_each_bad_event_is_met",
        "badinput/test_graphs.py::test_deep_nesting_is_refused",
        "badinput/test_command_line.py::test_a_file_of_events_that_is_none",
        "badinput/test_command_line.py::test_a_graph_that_is_none",
        "log/test_append.py::test_deep_values_are_null_and_counted",
        "log/test_files.py::test_a_file_that_cannot_be_read",
    ),
    "invalid UTF-8": (
        "badinput/test_events.py::test_each_bad_event_is_met",
        "badinput/test_graphs.py::test_bytes_that_are_no_text_are_refused",
        "badinput/test_command_line.py::test_a_file_of_events_that_is_none",
        "badinput/test_command_line.py::test_a_graph_that_is_none",
        "log/test_codec.py::test_what_no_type_can_be_is_null_and_named",
    ),
    "NaN and infinities": (
        "badinput/test_events.py::test_each_bad_event_is_met",
        "badinput/test_graphs.py::test_numbers_that_json_has_not_are_refused",
        "log/test_codec.py::test_what_no_type_can_be_is_null_and_named",
        "log/test_files.py::test_numbers_out_of_range_are_null_and_counted",
    ),
    "duplicate ids": (
        "badinput/test_events.py::test_each_bad_event_is_met",
        "device/test_arrivals.py::test_duplicates_are_dropped_and_counted",
        "log/test_append.py::test_a_duplicate_takes_no_position",
    ),
    "a locked log": (
        "badinput/test_command_line.py::test_a_locked_log",
        "log/test_open.py::test_a_second_writer_is_told_who_writes",
    ),
    "a read-only log": (
        "badinput/test_logs.py::test_an_engine_on_a_log_that_is_only_read",
        "log/test_open.py::test_what_may_not_be_written",
    ),
    "a truncated log": (
        "badinput/test_command_line.py::test_a_log_that_is_none",
        "crash/test_damage.py::test_a_truncated_file",
        "crash/test_damage.py::test_a_write_ahead_log_cut_short",
    ),
    "a bit-flipped log": (
        "badinput/test_logs.py::test_an_engine_never_takes_damage_for_its_own_fault",
        "badinput/test_logs.py::test_an_export_has_all_that_can_be_read",
        "badinput/test_command_line.py::test_a_damaged_log_fails_the_check",
        "crash/test_damage.py::test_flipped_bits",
        "crash/test_damage.py::test_check_names_the_damaged_row",
    ),
    "a foreign log": (
        "badinput/test_command_line.py::test_a_log_that_is_none",
        "log/test_open.py::test_another_programs_database_is_refused_untouched",
        "log/test_open.py::test_no_database_at_all",
        "log/test_open.py::test_another_format_is_refused",
    ),
    "a full disk": (
        "badinput/test_command_line.py::test_a_full_disk_keeps_what_was_accepted",
        "crash/test_damage.py::test_a_full_file",
        "crash/test_damage.py::test_a_write_that_the_system_refuses",
    ),
    "a model with another schema hash": (
        "inference/test_loading.py::test_a_model_of_another_schema_is_refused",
        "inference/test_loading.py::test_a_contract_of_another_schema_is_refused",
        "inference/test_packaging.py::test_a_model_stamped_for_another_schema_is_refused",
    ),
    "an ONNX file that is not one": (
        "inference/test_loading.py::test_a_file_that_is_no_model_is_refused",
        "inference/test_packaging.py::test_a_text_file_is_no_model",
        "inference/test_packaging.py::test_a_truncated_model_is_refused",
    ),
    "a bundle's path that leaves its folder": (
        "deploy/test_hostile.py::test_a_name_that_is_not_plain_is_refused",
        "deploy/test_hostile.py::test_links_and_pipes_are_refused",
    ),
    "names that are one file on some system": (
        "deploy/test_hostile.py::test_a_name_that_is_not_plain_is_refused",
        "deploy/test_hostile.py::test_names_that_are_one_file_somewhere_are_refused",
    ),
    "a file of 10 GB in a task": (
        "deploy/test_hostile.py::test_a_file_of_ten_gigabytes_is_refused_unread",
        "deploy/test_hostile.py::test_memory_is_bounded",
    ),
    "a broken bundle": (
        "deploy/test_hostile.py::test_a_bundle_cut_anywhere_is_refused",
        "deploy/test_hostile.py::test_a_bundle_with_any_byte_changed_is_refused",
        "deploy/test_hostile.py::test_a_length_without_end_is_refused_unread",
        "deploy/test_hostile.py::test_one_json_has_one_form",
        "deploy/test_history.py::test_damage_is_found",
    ),
    "a task whose parts do not fit": (
        "deploy/test_pack.py::test_a_graph_that_left_its_model_is_refused",
        "deploy/test_pack.py::test_a_model_of_another_contract_is_refused",
        "deploy/test_pack.py::test_the_golden_examples_run",
        "deploy/test_pack.py::test_a_script_reads_features_that_there_are",
    ),
    "a ruleset or a profile that is none": (
        "deploy/test_cohort.py::test_facts_that_are_none_are_refused",
        "deploy/test_rollout.py::test_a_ruleset_that_is_none_is_refused",
        "deploy/test_rollout.py::test_bytes_that_are_no_ruleset_are_refused",
    ),
    "an answer to a device that is forged, old, cut, endless or slow": (
        "deploy/test_agent.py::test_what_is_not_believed_changes_nothing",
        "deploy/test_fetch.py::test_bytes_that_are_not_vouched_for_are_thrown_away",
        "deploy/test_fetch.py::test_an_answer_without_an_end_is_left",
        "deploy/test_fetch.py::test_a_difference_that_leads_elsewhere_is_not_believed",
        "deploy/test_update.py::test_a_release_comes_to_a_device",
        "deploy/test_update.py::test_an_answer_that_drips_is_cut_off",
    ),
    "a device's clock that is years off": (
        "deploy/test_agent.py::test_a_clock_that_jumps_stops_nothing",
        "deploy/test_agent.py::test_an_untrusted_answer_is_asked_for_again_later",
    ),
    "a full disk in an install": (
        "deploy/test_agent.py::test_a_disk_is_full_at_any_step",
        "deploy/test_disk.py::test_a_full_disk_still_takes_the_state",
        "deploy/test_fetch.py::test_a_quota_is_kept",
    ),
    "two agents on one folder": ("deploy/test_disk.py::test_two_agents_do_not_share_a_folder",),
    "a device's state that is damaged": (
        "deploy/test_disk.py::test_one_damaged_copy_is_named_and_mended",
        "deploy/test_disk.py::test_two_damaged_copies_are_refused",
    ),
    "id >= vocabulary": (
        "inference/test_binding.py::test_an_id_outside_its_vocabulary_is_refused",
        "inference/test_packaging.py::test_a_vocabulary_beyond_the_table_is_a_difference",
    ),
    "events of replay that are odd": (
        "badinput/test_replay.py::test_odd_events_have_the_right_result",
        "badinput/test_replay.py::test_columns_of_other_types_hold_the_same_events",
        "badinput/test_training_data.py::test_odd_events_mean_the_same_under_every_key",
        "badinput/test_training_data.py::test_odd_events_train_the_same",
    ),
    "a column of replay's events that is wrong or missing": (
        "badinput/test_replay.py::test_a_wrong_column_is_named",
        "badinput/test_replay.py::test_a_column_that_stands_there_twice_is_named",
        "badinput/test_training_data.py::test_a_training_set_names_what_is_wrong",
    ),
    "a corrupt Parquet page": (
        "badinput/test_replay.py::test_a_corrupt_page_is_named",
        "badinput/test_replay.py::test_a_corrupt_page_of_queries_is_named",
        "badinput/test_training_data.py::test_a_table_of_another_form_is_named",
        "badinput/test_training_data.py::test_a_training_set_names_what_is_wrong",
    ),
    "an empty file, a folder with foreign files": (
        "badinput/test_replay.py::test_an_empty_file_is_no_history",
        "badinput/test_replay.py::test_a_file_without_rows_is_an_empty_history",
        "badinput/test_replay.py::test_a_folder_with_foreign_files_is_refused",
        "badinput/test_training_data.py::test_a_training_set_names_what_is_wrong",
    ),
    "no queries, or queries of another form": (
        "badinput/test_replay.py::test_no_queries_read_the_events_all_the_same",
        "badinput/test_replay.py::test_a_wrong_column_of_queries_is_named",
        "badinput/test_training_data.py::test_queries_of_several_graphs_need_each_key",
    ),
    "a table that is odd or none": (
        "badinput/test_training_data.py::test_odd_tables_have_the_right_result",
        "badinput/test_training_data.py::test_a_table_of_another_form_is_named",
        "badinput/test_training_data.py::test_a_column_of_a_table_of_another_type_is_null",
    ),
    "one key with all events, many keys with one": (
        "badinput/test_replay.py::test_odd_events_have_the_right_result",
        "badinput/test_training_data.py::test_one_key_with_all_events_and_many_with_one",
        "backfill/test_buckets_of_a_run.py::test_one_key_with_many_events_and_many_keys_with_one",
    ),
    "more events or queries than memory": (
        "backfill/test_memory.py::test_more_events_than_memory",
        "trainset/test_bounds.py::test_what_fits_is_made_within_it",
        "trainset/test_bounds.py::test_what_does_not_fit_is_refused",
    ),
}


@pytest.mark.parametrize("what", CATALOGUE)
def test_each_bad_input_has_its_tests(what: str) -> None:
    """Each test that the catalogue names is there, and says in its docstring what it shows."""
    for name in CATALOGUE[what]:
        path, _, function = name.partition("::")
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in found, (
            f"expected {name}, found none; write it, or name the one that took its place"
        )
        assert ast.get_docstring(found[function]), name
