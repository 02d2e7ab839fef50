"""Pinned traces: rare interleavings that a random search seldom meets, each named after its point.

The numbers are those of the executable model in which the rules were first tried.
"""

from __future__ import annotations

import json
from typing import Any

from simulated_platform import BAD, POISON
from simulated_world import World


def one_slot(**more: Any) -> dict[str, Any]:
    return {"many": False, **more}


EXISTING = {"audience": "existing"}
CONSENT = {"audience": "consent"}


def cell(world: World, record: str, column: str) -> dict[str, Any]:
    cells = world.lake.raw[record[0]].rows[record]["cells"]
    return next(one for one in cells if one["column"] == column)


def test_01_deleting_a_source_keeps_its_copies() -> None:
    world = World()
    world.create("A")
    world.create("B", phone="2")
    world.run()
    assert world.values("B", "phone") == ["1"]
    world.delete("A1")
    world.run()
    world.run()
    assert world.values("B", "phone") == ["1"]
    assert world.golden().alive
    world.quiesce()


def test_02_an_edit_survives_the_deletion_of_its_record() -> None:
    world = World(C=EXISTING)
    world.create("A")
    world.create("B")
    world.create("C", phone="9")
    world.run()
    world.edit("A1", "phone", "5")
    world.run()
    world.platforms["C"].down = True
    world.edit("B1", "phone", "7")
    world.run()
    world.delete("B1")
    world.platforms["C"].down = False
    world.run()
    world.run()
    assert world.values("A", "phone") == ["7"] == world.values("C", "phone")


def test_03_a_changed_email_replaces_the_one_found_elsewhere() -> None:
    world = World(A=one_slot())
    world.create("A")
    world.create("B")
    world.run()
    world.mail("A1", "b@x")
    world.quiesce()
    assert world.order(world.golden()) == ["b@x"]
    assert world.values("B", "emails") == [["b@x"]]


def test_04_our_own_write_in_doubt_is_no_newer_edit() -> None:
    world = World()
    world.create("A")
    world.run()
    world.edit("A1", "phone", "5")
    world.run(doubt_after=2)
    world.edit("B1", "phone", "7")
    world.quiesce()
    assert world.values("A", "phone") == ["7"]


def test_05_an_edit_between_a_kill_and_the_next_run_wins() -> None:
    world = World()
    world.create("A")
    world.run()
    world.edit("A1", "phone", "5")
    world.run(doubt_after=1)
    world.edit("C1", "phone", "7")
    world.quiesce()
    assert world.values("A", "phone") == ["7"]


def test_06_an_edit_between_reading_and_writing_survives() -> None:
    world = World()
    world.create("A")
    world.run()
    world.edit("A1", "phone", "5")
    world.run(midway=lambda: world.edit("C1", "phone", "7"))
    world.quiesce()
    assert world.values("A", "phone") == ["7"]


def test_07_a_new_field_waits_for_every_platform() -> None:
    world = World()
    world.create("A", tier="t1")
    world.create("B", tier="t2")
    world.run()
    world.platforms["A"].down = True
    world.lake.mapped.append("tier")
    world.run()
    assert world.values("B", "tier") == ["t2"]
    assert world.values("C", "tier") == [None]
    world.platforms["A"].down = False
    world.quiesce()
    assert world.values("B", "tier") == ["t1"] == world.values("C", "tier")


def test_08_a_partial_golden_is_never_delivered() -> None:
    world = World()
    world.create("A", phone="1")
    world.create("C", phone="3")
    world.platforms["A"].down = True
    world.run()
    assert world.platforms["B"].writes == 0
    world.platforms["A"].down = False
    world.quiesce()


def test_09_two_operations_on_one_record_are_both_ours() -> None:
    world = World(B={"image": False})
    world.create("A", claim="granted")
    world.create("B", phone="2")
    world.run()
    world.claim("A1", "withdrawn")
    world.edit("A1", "phone", "5")
    world.run()
    world.claim("A1", "granted")
    world.edit("A1", "phone", "6")
    world.run()
    assert cell(world, "B1", "phone")["ours"]
    assert cell(world, "B1", "consent/email/marketing")["ours"]


def test_10_a_platform_that_was_down_converges() -> None:
    world = World()
    world.create("A")
    world.run()
    world.platforms["B"].down = True
    world.edit("A1", "phone", "2")
    world.run()
    world.edit("A1", "phone", "3")
    world.platforms["B"].down = False
    world.edit("B1", "phone", "4")
    world.run()
    world.quiesce()
    assert (
        len({*world.values("A", "phone"), *world.values("B", "phone"), *world.values("C", "phone")})
        == 1
    )


def test_11_the_newest_edit_wins_though_its_value_was_agreed_before() -> None:
    world = World()
    world.create("A")
    world.run()
    world.edit("B1", "phone", POISON)
    world.run()
    world.edit("A1", "phone", "8")
    world.edit("B1", "phone", "1")
    world.quiesce()
    assert world.values("A", "phone") == world.values("B", "phone") == world.values("C", "phone")
    assert world.values("A", "phone") == ["1"]


def test_12_an_email_from_a_slot_reaches_golden() -> None:
    world = World(A=one_slot(), B=EXISTING, C=one_slot())
    world.create("A")
    world.create("C")
    world.run()
    world.mail("A1", "c@x")
    world.run()
    assert "c@x" in world.order(world.golden())


def test_12b_a_slot_outside_the_creates_keeps_up() -> None:
    world = World(A=one_slot(), B=one_slot(**EXISTING), C=one_slot())
    world.create("A")
    world.create("B")
    world.run()
    world.mail("B1", "b@x")
    world.quiesce()


def test_13_a_withdrawal_in_a_quarantined_row_reaches_everybody() -> None:
    world = World(C=CONSENT)
    world.create("A", claim="granted")
    world.run()
    assert world.values("C", "name") == ["ann"]
    world.edit("A1", "name", BAD)
    world.claim("A1", "withdrawn")
    world.quiesce()
    assert world.claims("C") == ["withdrawn"] == world.claims("B")


def test_14_a_later_grant_reopens_after_an_undated_withdrawal() -> None:
    world = World(B={"dated": False})
    world.create("A", claim="granted")
    world.run()
    world.claim("B1", "withdrawn")
    world.run()
    assert world.status("a@x") == "withdrawn"
    world.platforms["B"].down = True
    world.run()
    world.claim("A1", "granted")
    world.run()
    world.run()
    assert world.status("a@x") == "granted"


def test_15_a_grant_that_we_wrote_is_no_claim() -> None:
    world = World()
    world.create("A", claim="granted")
    world.create("C")
    world.run()
    world.claim("A1", "withdrawn")
    world.platforms["A"].down = True
    world.edit("B1", "phone", "4")
    world.run()
    world.platforms["A"].down = False
    world.quiesce()
    assert world.status("a@x") == "withdrawn"
    assert {*world.claims("B"), *world.claims("C")} == {"withdrawn"}


def test_16_a_withdrawal_outlives_its_row() -> None:
    world = World()
    world.create("A", claim="withdrawn")
    world.run()
    world.delete("A1")
    world.run()
    world.run()
    world.create("B")
    world.run()
    assert world.status("a@x") == "withdrawn"
    world.quiesce()
    assert world.claims("B")[-1] == "withdrawn"


def test_17_a_grant_does_not_move_to_a_new_address() -> None:
    world = World(C=CONSENT)
    world.create("A", claim="granted")
    world.run()
    writes = world.platforms["C"].writes
    world.mail("A1", "b@x")
    world.mail("A1", "a@x", add=False)
    world.run()
    assert world.status("b@x") is None
    assert world.platforms["C"].writes == writes


def test_18_a_copy_that_people_delete_stays_deleted() -> None:
    world = World()
    world.create("A")
    world.run()
    world.delete("B1")
    world.quiesce()
    assert not world.platforms["B"].records
    assert world.golden().alive


def test_19_copies_go_with_the_only_original() -> None:
    world = World()
    world.create("A")
    world.run()
    world.delete("A1")
    world.quiesce()
    assert not any(platform.records for platform in world.platforms.values())
    assert not world.golden().alive
    world.quiesce()


def test_20_a_changed_key_keeps_the_person() -> None:
    world = World()
    world.create("A")
    world.run()
    world.quiesce()
    person = world.lake.person("A1")
    world.mail("B1", "c@x")
    world.mail("B1", "a@x", add=False)
    world.platforms["A"].down = True
    world.run()
    world.platforms["A"].down = False
    world.quiesce()
    assert world.lake.person("A1") == world.lake.person("B1") == person


def test_21_an_edit_in_quarantine_is_not_overwritten() -> None:
    world = World(A=one_slot())
    world.create("A")
    world.run()
    world.edit("A1", "phone", "5")
    world.edit("A1", "name", BAD)
    world.run()
    world.edit("B1", "phone", "7")
    world.run()
    assert world.values("A", "phone") == ["5"]
    world.edit("A1", "name", "Dee")
    world.quiesce()
    assert world.values("A", "phone") == world.values("B", "phone") == ["7"]


def test_22_an_edit_of_a_record_whose_create_is_in_doubt_is_an_edit() -> None:
    world = World()
    world.create("A")
    world.run(doubt_after=1)
    made = "B" if world.platforms["B"].records else "C"
    world.platforms[made].set_field(max(world.platforms[made].records), "phone", "7")
    world.quiesce()
    assert world.values("A", "phone") == ["7"]


def test_23_a_value_found_after_a_clear_counts() -> None:
    world = World()
    world.create("A")
    world.create("B")
    world.run()
    world.edit("A1", "phone", None)
    world.run()
    assert world.values("B", "phone") == [None]
    world.create("B", phone="6")
    world.run()
    world.run()
    assert world.golden().values["phone"] == "6"


def test_24_a_lagging_feed_converges() -> None:
    world = World(B={"feed": "watermark"})
    world.create("A")
    world.run()
    world.platforms["B"].lag = 1
    world.edit("B1", "phone", "5")
    world.platforms["B"].set_note("B1", "n")
    world.run()
    world.edit("A1", "phone", "8")
    world.run()
    world.quiesce()
    assert len({*world.values("A", "phone"), *world.values("B", "phone")}) == 1


def test_25_nothing_is_sent_before_it_is_approved() -> None:
    world = World(B={"approve": True})
    world.create("A")
    world.run(approve=False)
    assert not world.platforms["B"].records
    world.quiesce()
    assert world.platforms["B"].records


def test_26_an_edit_that_golden_has_not_weighed_survives_a_whole_delivery() -> None:
    world = World()
    world.create("A")
    world.run()
    world.edit("A1", "phone", "5")
    _up_to_golden(world, "A")
    world.edit("B1", "phone", "7")
    world.lake.extract("B")
    world.lake.plan("B")
    world.lake.deliver("B")
    world.lake.acknowledge("B")
    world.quiesce()
    assert world.values("A", "phone") == ["7"]


def _up_to_golden(world: World, name: str) -> None:
    world.lake.extract(name)
    world.lake.cleaned(name)
    world.lake.survivorship()


def test_27_two_names_on_one_email_stay_two_people() -> None:
    world = World()
    world.create("A", name="ann")
    world.create("A", name="bob")
    world.quiesce()
    assert sum(one.alive for one in world.lake.golden.persons.values()) == 2


def test_28_a_platform_that_normalises_changes_nobody_else() -> None:
    world = World(B={"normalises": True})
    world.create("A", name="Ann")
    world.run()
    world.quiesce()
    assert world.golden().values["name"] == "Ann"
    assert world.values("A", "name") == ["Ann"]


def test_29_what_was_refused_is_not_sent_again() -> None:
    world = World(B={"atomic": True})
    world.create("A", name=POISON)
    world.create("A", email="b@x", name="bob")
    world.run()
    writes = world.platforms["B"].writes
    world.quiesce()
    assert world.platforms["B"].writes == writes
    assert world.values("B", "name") == ["bob"]


def test_30_fields_found_equal_cost_no_call() -> None:
    world = World(C=EXISTING)
    world.create("A")
    world.create("B")
    world.run()
    assert world.writes == 0
    assert world.lake.base["B"]["B1"].pairs["phone"] == ('"1"', '"1"')
    world.quiesce()


def test_31_a_duplicate_record_is_unsubscribed_too() -> None:
    world = World()
    world.create("A")
    world.create("B")
    world.create("B")
    world.run()
    world.claim("A1", "withdrawn")
    world.quiesce()
    assert world.claims("B") == ["withdrawn", "withdrawn"]


def test_32_an_approved_operation_whose_record_moved_is_not_sent() -> None:
    world = World(B={"approve": True})
    world.create("A")
    world.create("B")
    world.run()
    world.edit("A1", "phone", "5")
    world.run(approve=False)
    world.mail("B1", "c@x")
    world.edit("B1", "phone", "7")
    world.approve("B")
    world.lake.extract("B")
    world.lake.deliver("B")
    world.lake.acknowledge("B")
    assert world.values("B", "phone") == ["7"]
    world.quiesce()


def test_33_no_field_is_planned_over_an_edit_that_golden_has_not_weighed() -> None:
    world = World()
    world.create("A")
    world.run()
    world.run()
    world.edit("A1", "phone", "5")
    _up_to_golden(world, "A")
    world.edit("B1", "phone", "7")
    world.lake.extract("B")
    world.lake.plan("B")
    updates = [op for op in world.lake.plans["B"].ops if op.kind == "update"]
    assert not any("phone" in op.payload for op in updates)
    world.quiesce()
    assert world.values("A", "phone") == ["7"]


def test_34_links_are_sticky() -> None:
    world = World()
    world.create("A")
    world.create("B")
    world.run()
    world.quiesce()
    world.mail("B1", "d@x")
    world.edit("B1", "name", "Dee")
    world.platforms["A"].down = True
    world.run()
    assert world.lake.person("A1") == world.lake.person("B1")
    world.platforms["A"].down = False
    world.quiesce()


def test_35_a_copy_of_an_edit_outranks_what_is_found_elsewhere() -> None:
    world = World(C=CONSENT)
    world.create("A", phone="1")
    world.create("B", phone="2")
    world.create("C", phone="9")
    world.run()
    world.edit("A1", "phone", "5")
    world.run()
    assert world.values("C", "phone") == ["9"]
    world.delete("A1")
    world.run()
    world.run()
    assert world.values("B", "phone") == ["5"]


def test_35b_a_copy_of_an_edit_outranks_a_more_trusted_value_that_was_only_found() -> None:
    world = World(A=CONSENT)
    for on, phone in (("A", "9"), ("B", "1"), ("C", "2")):
        world.create(on, phone=phone)
    world.run()
    world.edit("B1", "phone", "5")
    world.run()
    assert (world.values("A", "phone"), world.values("C", "phone")) == (["9"], ["5"])
    world.delete("B1")
    world.run()
    world.run()
    assert world.values("C", "phone") == ["5"]


def test_36_the_preferred_element_does_not_push_another_out_of_its_slot() -> None:
    world = World(B=one_slot(), C=one_slot(**CONSENT))
    world.create("A", email="b@x")
    world.platforms["A"].set_emails("A1", ["b@x", "a@x"])
    world.create("B", email="a@x")
    world.run()
    world.quiesce()
    assert world.values("B", "emails") == [["a@x"]]
    assert world.platforms["B"].writes == 0


def test_37_a_value_that_the_platform_shortens_is_written_once() -> None:
    world = World()
    world.platforms["B"].rewrites = lambda text: text and text[:3]
    world.create("A", name="annabel")
    world.run()
    writes = world.platforms["B"].writes
    world.quiesce()
    assert world.platforms["B"].writes == writes
    assert world.golden().values["name"] == "annabel"
    assert world.values("B", "name") == ["ann"]


def test_38_a_quarantined_row_keeps_what_we_wrote() -> None:
    world = World(B=one_slot(), C=EXISTING)
    world.create("A")
    world.create("B")
    world.run()
    world.edit("A1", "name", BAD)
    world.run()
    world.edit("B1", "phone", "7")
    world.run()
    world.run()
    assert world.values("A", "phone") == ["7"]
    world.delete("B1")
    world.run()
    world.run()
    assert world.golden().values["phone"] == "7"


def test_39_an_original_is_never_deleted() -> None:
    world = World()
    world.create("A")
    world.create("B")
    world.run()
    world.delete("A1")
    world.quiesce()
    assert "B1" in world.platforms["B"].records


def test_40_a_record_of_nobody_is_unsubscribed() -> None:
    world = World()
    world.create("A", claim="granted")
    world.create("B", name=BAD, claim="granted")
    world.run()
    world.claim("A1", "withdrawn")
    world.quiesce()
    assert world.claims("B") == ["withdrawn", "withdrawn"]


def test_41_a_create_in_doubt_without_external_id_is_not_made_twice() -> None:
    world = World(B={"external_id": False, "feed": "watermark"})
    world.create("A")
    world.platforms["B"].lag = 4
    world.run(doubt_after=1)
    world.run()
    world.platforms["B"].lag = 0
    world.quiesce()
    assert len(world.platforms["B"].records) == 1


def test_42_an_older_image_from_a_lagging_feed_is_dropped() -> None:
    world = World(B={"feed": "watermark"})
    world.create("A")
    world.run()
    world.platforms["B"].set_note("B1", "x")
    world.platforms["B"].lag = 1
    world.edit("A1", "phone", "8")
    world.run()
    world.run()
    assert json.loads(world.lake.raw["B"].rows["B1"]["fields"])["PHONE"] == "8"


def test_42b_an_edit_behind_a_lagging_feed_is_not_lost_in_confusion() -> None:
    world = World(B={"feed": "watermark"})
    world.create("A")
    world.run()
    world.edit("B1", "phone", "5")
    world.platforms["B"].lag = 1
    world.edit("A1", "phone", "8")
    world.run()
    world.run()
    world.platforms["B"].lag = 0
    world.run()
    world.quiesce()
    assert (
        len({*world.values("A", "phone"), *world.values("B", "phone"), *world.values("C", "phone")})
        == 1
    )


def test_43_a_record_that_returns_into_quarantine_keeps_its_person_alive() -> None:
    world = World()
    world.create("A")
    world.create("B")
    world.run()
    world.delete("A1")
    world.run()
    world.delete("B1")
    world.restore("A1")
    world.edit("A1", "name", BAD)
    world.run()
    assert world.golden().alive
    assert world.values("C", "name") == ["ann"]
    world.quiesce()
