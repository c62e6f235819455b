// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Item, KeyRole, Roles} from "../src/interfaces/IPurrVault.sol";
import {VaultTest} from "./base/VaultTest.sol";

contract KeysTest is VaultTest {
    address private constant FRESH = address(0xF5E5);

    function both(bytes memory data) private returns (bool) {
        vm.prank(ADMIN_A);
        (bool ok, bytes memory answer) = address(vault).call(data);
        check(ok && !abi.decode(answer, (bool)), "the first admin only approves");
        vm.prank(ADMIN_B);
        (ok, answer) = address(vault).call(data);
        return ok && abi.decode(answer, (bool));
    }

    function number() private view returns (uint64) {
        return vault.actionNumber();
    }

    function test_a_revoked_operator_key_can_do_nothing() public {
        sitSix(100 * USDC);
        vm.prank(GUARDIAN);
        vm.expectEmit(address(vault));
        emit IPurrVault.KeyRevoked(operator, KeyRole.Operator, GUARDIAN);
        vault.revokeKey(operator);
        Item[] memory items = new Item[](1);
        items[0] = hands(1, two(lane(0, -1, 0), lane(1, 1, 0)));
        vm.prank(operator);
        vm.expectRevert(IPurrVault.NotOperator.selector);
        vault.settleEntries(items);
        vm.prank(operator);
        vm.expectRevert(IPurrVault.NotOperator.selector);
        vault.openTable(config("new"));
    }

    function test_a_revoked_voucher_key_pays_nothing() public {
        fund(0, 10 * USDC);
        bytes memory signature = voucher(VOUCHER_KEY, 0, USDC, 7, uint64(START));
        vm.prank(ADMIN_B);
        vault.revokeKey(vm.addr(VOUCHER_KEY));
        vm.expectRevert(IPurrVault.BadSignature.selector);
        vault.withdraw(player(0), USDC, 7, uint64(START), signature);
    }

    function test_a_new_key_waits_for_the_delay() public {
        check(both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator, number()))), "two admins add it");
        vm.warp(START + 1 days - 1);
        check(!vault.isActive(FRESH, KeyRole.Operator), "not yet");
        vm.prank(FRESH);
        vm.expectRevert(IPurrVault.NotOperator.selector);
        vault.openTable(config("new"));
        vm.warp(START + 1 days);
        check(vault.isActive(FRESH, KeyRole.Operator), "now");
        check(!vault.isActive(FRESH, KeyRole.Voucher), "in one role");
        vm.prank(FRESH);
        vault.openTable(config("new"));
    }

    function test_a_waiting_key_can_be_revoked_and_never_comes_back() public {
        both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator, number())));
        vm.prank(GUARDIAN);
        vault.revokeKey(FRESH);
        vm.warp(START + 2 days);
        check(!vault.isActive(FRESH, KeyRole.Operator), "never active");
        check(!both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator, number()))), "and never again");
    }

    function test_no_key_both_settles_and_pays_out() public {
        check(!both(abi.encodeCall(vault.addKey, (operator, KeyRole.Voucher, number()))), "one role a key");
        Roles memory same = roles();
        same.voucherKey = same.operator;
        refusesVault(address(token), same, limits(), IPurrVault.KeyInUse.selector);
    }

    function test_no_address_has_two_roles() public {
        Roles[6] memory bad;
        for (uint256 i = 0; i < bad.length; i++) {
            bad[i] = roles();
        }
        bad[0].admins[2] = bad[0].admins[0];
        bad[1].admins[2] = address(0);
        bad[2].guardian = bad[2].admins[1];
        bad[3].guardian = bad[3].operator;
        bad[4].guardian = address(0);
        bad[5].admins[0] = bad[5].voucherKey;
        for (uint256 i = 0; i < bad.length; i++) {
            refusesVault(address(token), bad[i], limits(), IPurrVault.BadRoles.selector);
        }
        Roles memory same = roles();
        same.standby = same.operator;
        refusesVault(address(token), same, limits(), IPurrVault.KeyInUse.selector);
        check(!both(abi.encodeCall(vault.setGuardian, (ADMIN_C, number()))), "an admin is no guardian");
        check(!both(abi.encodeCall(vault.setGuardian, (operator, number()))), "nor a key");
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.BadRoles.selector);
        vault.replaceAdmin(ADMIN_C, GUARDIAN, 0);
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.BadRoles.selector);
        vault.addKey(ADMIN_C, KeyRole.Operator, 0);
    }

    function test_only_guardian_and_admins_revoke() public {
        vm.prank(operator);
        vm.expectRevert(IPurrVault.NotGuardian.selector);
        vault.revokeKey(operator);
        vm.prank(GUARDIAN);
        vm.expectRevert(IPurrVault.UnknownKey.selector);
        vault.revokeKey(FRESH);
    }

    function test_the_guardian_pauses_deposits_and_two_admins_end_it() public {
        vm.expectRevert(IPurrVault.NotGuardian.selector);
        vault.pause();
        vm.prank(GUARDIAN);
        vault.pause();
        vm.expectRevert(IPurrVault.DepositsPaused.selector);
        vault.deposit(1);
        vm.prank(GUARDIAN);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.unpause(0);
        check(both(abi.encodeCall(vault.unpause, (number()))), "unpaused");
        fund(0, USDC);
    }

    function test_a_pause_stops_neither_hands_nor_leaving_nor_vouchers() public {
        sitSix(100 * USDC);
        vm.prank(GUARDIAN);
        vault.pause();
        settle(hands(1, two(lane(0, -1, 0), lane(1, 1, 0))));
        settle(leaving(0, 0, 100 * USDC - 1));
        vault.withdraw(player(0), 1, 1, uint64(START), voucher(VOUCHER_KEY, 0, 1, 1, uint64(START)));
        eq(token.balanceOf(player(0)), 1, "paid");
    }

    function test_the_guardian_can_do_nothing_else() public {
        vm.prank(GUARDIAN);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.addKey(FRESH, KeyRole.Operator, 0);
        vm.prank(GUARDIAN);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.payHouse(GUARDIAN, 1, 0);
        vm.prank(GUARDIAN);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.voidRange(tableId, 1, 1, 0);
    }

    function test_two_admins_are_two_people() public {
        for (uint256 i = 0; i < 3; i++) {
            vm.prank(ADMIN_A);
            check(!vault.setGuardian(FRESH, 0), "the same admin again");
        }
        vm.prank(ADMIN_B);
        check(!vault.setGuardian(address(0xF5E6), 0), "another admin, another action");
        vm.prank(ADMIN_B);
        check(vault.setGuardian(FRESH, 0), "another admin, the same action");
        eq(vault.guardian(), FRESH, "guardian");
    }

    function test_an_approval_does_not_last() public {
        vm.prank(ADMIN_A);
        vault.setGuardian(FRESH, 0);
        vm.warp(START + 7 days + 1);
        vm.prank(ADMIN_B);
        check(!vault.setGuardian(FRESH, 0), "too late: counts as a first approval");
        vm.prank(ADMIN_C);
        check(vault.setGuardian(FRESH, 0), "seconded in time");
    }

    function test_a_replaced_admin_counts_no_more() public {
        vm.prank(ADMIN_C);
        vault.setGuardian(FRESH, 0);
        address another = address(0xF5E6);
        check(both(abi.encodeCall(vault.replaceAdmin, (ADMIN_C, another, number()))), "replaced");
        vm.prank(ADMIN_A);
        check(!vault.setGuardian(FRESH, 1), "an approval of a former admin is worth nothing");
        vm.prank(ADMIN_C);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.setGuardian(FRESH, 1);
    }

    function test_a_third_approval_comes_too_late() public {
        token.mint(address(this), 10 * USDC);
        token.approve(address(vault), 10 * USDC);
        vault.fundReserve(10 * USDC);
        check(both(abi.encodeCall(vault.payHouse, (address(0xCAFE), 4 * USDC, 0))), "paid");
        vm.prank(ADMIN_C);
        vm.expectRevert(abi.encodeWithSelector(IPurrVault.WrongAction.selector, uint64(1)));
        vault.payHouse(address(0xCAFE), 4 * USDC, 0);
        vm.prank(ADMIN_A);
        check(!vault.payHouse(address(0xCAFE), 4 * USDC, 1), "the same again takes two admins again");
        eq(token.balanceOf(address(0xCAFE)), 4 * USDC, "paid once");
    }

    function test_nothing_that_was_approved_outlives_an_execution() public {
        vm.prank(ADMIN_C);
        vault.setGuardian(FRESH, 0);
        vm.prank(GUARDIAN);
        vault.pause();
        check(both(abi.encodeCall(vault.unpause, (0))), "another action executes");
        vm.prank(ADMIN_A);
        vm.expectRevert(abi.encodeWithSelector(IPurrVault.WrongAction.selector, uint64(1)));
        vault.setGuardian(FRESH, 0);
        vm.prank(ADMIN_A);
        check(!vault.setGuardian(FRESH, 1), "one admin alone does nothing with what was left");
        eq(vault.guardian(), GUARDIAN, "guardian");
    }

    function test_an_approval_can_be_withdrawn_by_who_gave_it() public {
        vm.prank(ADMIN_A);
        vault.setGuardian(FRESH, 0);
        bytes32 action = keccak256(abi.encodeCall(vault.setGuardian, (FRESH, 0)));
        vm.prank(ADMIN_B);
        vm.expectRevert(IPurrVault.NoApproval.selector);
        vault.withdrawApproval(action);
        vm.prank(ADMIN_A);
        vm.expectEmit(address(vault));
        emit IPurrVault.ApprovalWithdrawn(action, ADMIN_A);
        vault.withdrawApproval(action);
        vm.prank(ADMIN_B);
        check(!vault.setGuardian(FRESH, 0), "counts as a first approval");
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.NoApproval.selector);
        vault.withdrawApproval(action);
    }

    function test_no_admin_alone_stops_settlement() public {
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.LastOperator.selector);
        vault.revokeKey(operator);
        // A key that still waits is no help.
        both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator, number())));
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.LastOperator.selector);
        vault.revokeKey(operator);
        vm.warp(START + 1 days);
        vm.prank(ADMIN_A);
        vault.revokeKey(operator);
        check(vault.isActive(FRESH, KeyRole.Operator), "the other one settles");
        vm.prank(ADMIN_B);
        vm.expectRevert(IPurrVault.LastOperator.selector);
        vault.revokeKey(FRESH);
        // Voucher keys are no matter of settlement.
        vm.prank(ADMIN_B);
        vault.revokeKey(vm.addr(VOUCHER_KEY));
    }

    function test_two_admins_or_the_guardian_revoke_the_last_key() public {
        check(both(abi.encodeCall(vault.revokeLastOperator, (operator, 0))), "two admins");
        check(!vault.isActive(operator, KeyRole.Operator), "revoked");
        vault = newVault();
        vm.prank(GUARDIAN);
        vault.revokeKey(operator);
        check(!vault.isActive(operator, KeyRole.Operator), "revoked");
    }

    function test_a_standby_key_settles_at_once_after_a_revocation() public {
        Roles memory r = roles();
        r.standby = FRESH;
        vault = newVault(address(token), r, limits());
        tableId = openTable("main");
        vm.prank(ADMIN_A);
        vault.revokeKey(operator);
        vm.prank(FRESH);
        vault.openTable(config("new"));
    }

    function test_at_most_four_operator_keys_are_there_at_once() public {
        for (uint160 i = 1; i < 4; i++) {
            check(both(abi.encodeCall(vault.addKey, (address(i), KeyRole.Operator, number()))), "there is room");
        }
        check(!both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator, number()))), "there is none");
        vm.prank(ADMIN_C);
        vault.revokeKey(address(2));
        vm.prank(ADMIN_C);
        vault.revokeKey(address(2));
        check(both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator, number()))), "a revoked one makes room");
    }

    function test_two_admins_void_a_range_that_can_never_settle() public {
        sitSix(100 * USDC);
        uint64 first = nextSeq(tableId);
        bytes32 seats = keccak256(abi.encode(vault.seatsOf(tableId)));
        rejects(hands(1, two(lane(0, -1, 0), lane(1, 2, 0))), IPurrVault.NotZeroSum.selector);
        check(both(abi.encodeCall(vault.voidRange, (tableId, first, first + 4, number()))), "voided");
        eq(vault.tableOf(tableId).seq, first + 4, "sequence");
        check(keccak256(abi.encode(vault.seatsOf(tableId))) == seats, "no chip moved");
        settle(hands(1, two(lane(0, -1, 0), lane(1, 1, 0))));
        eq(stackOf(1), 100 * USDC + 1, "the table goes on");
    }

    function test_only_the_next_range_can_be_voided() public {
        vm.prank(ADMIN_A);
        vm.expectRevert(abi.encodeWithSelector(IPurrVault.BadSequence.selector, uint64(1)));
        vault.voidRange(tableId, 2, 3, 0);
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.BadRange.selector);
        vault.voidRange(tableId, 1, 257, 0);
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.UnknownTable.selector);
        vault.voidRange("nowhere", 1, 1, 0);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.voidRange(tableId, 1, 1, 0);
    }
}
