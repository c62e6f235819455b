// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Item, KeyRole, Roles} from "../src/interfaces/IPurrVault.sol";
import {PurrVault} from "../src/PurrVault.sol";
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
        check(both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator))), "two admins add it");
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
        both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator)));
        vm.prank(GUARDIAN);
        vault.revokeKey(FRESH);
        vm.warp(START + 2 days);
        check(!vault.isActive(FRESH, KeyRole.Operator), "never active");
        check(!both(abi.encodeCall(vault.addKey, (FRESH, KeyRole.Operator))), "and never again");
    }

    function test_no_key_both_settles_and_pays_out() public {
        check(!both(abi.encodeCall(vault.addKey, (operator, KeyRole.Voucher))), "one role a key");
        Roles memory same = roles();
        same.voucherKey = same.operator;
        vm.expectRevert(IPurrVault.BadRoles.selector);
        new PurrVault(token, same, limits());
        Roles memory pair = roles();
        pair.admins[2] = pair.admins[0];
        vm.expectRevert(IPurrVault.BadRoles.selector);
        new PurrVault(token, pair, limits());
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
        vault.unpause();
        check(both(abi.encodeCall(vault.unpause, ())), "unpaused");
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
        vault.addKey(FRESH, KeyRole.Operator);
        vm.prank(GUARDIAN);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.payHouse(GUARDIAN, 1);
        vm.prank(GUARDIAN);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.voidRange(tableId, 1, 1);
    }

    function test_two_admins_are_two_people() public {
        for (uint256 i = 0; i < 3; i++) {
            vm.prank(ADMIN_A);
            check(!vault.setGuardian(FRESH), "the same admin again");
        }
        vm.prank(ADMIN_B);
        check(!vault.setGuardian(address(0xF5E6)), "another admin, another action");
        vm.prank(ADMIN_B);
        check(vault.setGuardian(FRESH), "another admin, the same action");
        eq(vault.guardian(), FRESH, "guardian");
    }

    function test_an_approval_does_not_last() public {
        vm.prank(ADMIN_A);
        vault.setGuardian(FRESH);
        vm.warp(START + 7 days + 1);
        vm.prank(ADMIN_B);
        check(!vault.setGuardian(FRESH), "too late: counts as a first approval");
        vm.prank(ADMIN_C);
        check(vault.setGuardian(FRESH), "seconded in time");
    }

    function test_a_replaced_admin_counts_no_more() public {
        vm.prank(ADMIN_C);
        vault.setGuardian(FRESH);
        check(both(abi.encodeCall(vault.replaceAdmin, (ADMIN_C, FRESH))), "replaced");
        vm.prank(ADMIN_A);
        check(!vault.setGuardian(FRESH), "an approval of a former admin is worth nothing");
        vm.prank(ADMIN_C);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.setGuardian(FRESH);
    }

    function test_two_admins_void_a_range_that_can_never_settle() public {
        sitSix(100 * USDC);
        uint64 first = nextSeq(tableId);
        bytes32 seats = keccak256(abi.encode(vault.seatsOf(tableId)));
        rejects(hands(1, two(lane(0, -1, 0), lane(1, 2, 0))), IPurrVault.NotZeroSum.selector);
        check(both(abi.encodeCall(vault.voidRange, (tableId, first, first + 4))), "voided");
        eq(vault.tableOf(tableId).seq, first + 4, "sequence");
        check(keccak256(abi.encode(vault.seatsOf(tableId))) == seats, "no chip moved");
        settle(hands(1, two(lane(0, -1, 0), lane(1, 1, 0))));
        eq(stackOf(1), 100 * USDC + 1, "the table goes on");
    }

    function test_only_the_next_range_can_be_voided() public {
        vm.prank(ADMIN_A);
        vm.expectRevert(abi.encodeWithSelector(IPurrVault.BadSequence.selector, uint64(1)));
        vault.voidRange(tableId, 2, 3);
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.BadRange.selector);
        vault.voidRange(tableId, 1, 257);
        vm.prank(ADMIN_A);
        vm.expectRevert(IPurrVault.UnknownTable.selector);
        vault.voidRange("nowhere", 1, 1);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.voidRange(tableId, 1, 1);
    }
}
