// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Limits} from "../src/interfaces/IPurrVault.sol";
import {PurrVault} from "../src/PurrVault.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {VaultTest} from "./base/VaultTest.sol";

/// Keeps one unit of every transfer.
contract TollToken is ERC20("Toll", "TOLL") {
    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) super._update(to, address(1), 1);
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

contract MoneyTest is VaultTest {
    function test_a_deposit_is_credited() public {
        fund(0, 10 * USDC);
        eq(vault.balanceOf(player(0)), 10 * USDC, "free");
        assertConserved();
    }

    function test_a_deposit_may_be_for_somebody_else() public {
        token.mint(address(this), 5 * USDC);
        token.approve(address(vault), 5 * USDC);
        vm.expectEmit(address(vault));
        emit IPurrVault.Deposited(player(1), address(this), 5 * USDC);
        vault.depositFor(player(1), 5 * USDC);
        eq(vault.balanceOf(player(1)), 5 * USDC, "free");
    }

    function test_a_deposit_of_nothing_or_for_nobody_is_refused() public {
        vm.expectRevert(IPurrVault.ZeroAmount.selector);
        vault.deposit(0);
        vm.expectRevert(IPurrVault.ZeroAddress.selector);
        vault.depositFor(address(0), 1);
    }

    function test_the_vault_holds_less_than_63_bits() public {
        token.mint(address(this), type(uint128).max);
        token.approve(address(vault), type(uint256).max);
        uint64 most = type(uint64).max >> 1;
        vm.expectRevert(IPurrVault.TooMuchHeld.selector);
        vault.deposit(most + 1);
        vault.deposit(most);
        vm.expectRevert(IPurrVault.TooMuchHeld.selector);
        vault.deposit(1);
    }

    function test_a_token_that_takes_a_fee_is_refused() public {
        TollToken toll = new TollToken();
        PurrVault other = new PurrVault(IERC20(address(toll)), roles(), limits());
        toll.mint(address(this), 100);
        toll.approve(address(other), 100);
        vm.expectRevert(IPurrVault.TokenTookFee.selector);
        other.deposit(100);
    }

    function test_a_voucher_pays_its_owner_whoever_brings_it() public {
        fund(0, 10 * USDC);
        bytes memory signature = voucher(VOUCHER_KEY, 0, 4 * USDC, 7, uint64(START));
        vm.expectEmit(address(vault));
        emit IPurrVault.Withdrawn(player(0), 4 * USDC, 7);
        vm.prank(address(0xBEEF));
        vault.withdraw(player(0), 4 * USDC, 7, uint64(START), signature);
        eq(token.balanceOf(player(0)), 4 * USDC, "paid");
        eq(vault.balanceOf(player(0)), 6 * USDC, "free");
        check(vault.isVoucherNonceUsed(player(0), 7), "number used");
        assertConserved();
    }

    function test_a_voucher_pays_once() public {
        fund(0, 10 * USDC);
        bytes memory signature = voucher(VOUCHER_KEY, 0, 4 * USDC, 7, uint64(START));
        vault.withdraw(player(0), 4 * USDC, 7, uint64(START), signature);
        vm.expectRevert(IPurrVault.NonceUsed.selector);
        vault.withdraw(player(0), 4 * USDC, 7, uint64(START), signature);
    }

    function test_a_voucher_ends_at_its_deadline() public {
        fund(0, 10 * USDC);
        bytes memory signature = voucher(VOUCHER_KEY, 0, 4 * USDC, 7, uint64(START));
        vm.warp(START + 1);
        vm.expectRevert(IPurrVault.VoucherExpired.selector);
        vault.withdraw(player(0), 4 * USDC, 7, uint64(START), signature);
    }

    function test_a_voucher_pays_no_more_than_the_free_balance() public {
        fund(0, 10 * USDC);
        bytes memory signature = voucher(VOUCHER_KEY, 0, 10 * USDC + 1, 7, uint64(START));
        vm.expectRevert(IPurrVault.InsufficientBalance.selector);
        vault.withdraw(player(0), 10 * USDC + 1, 7, uint64(START), signature);
    }

    function test_only_a_voucher_key_signs_vouchers() public {
        fund(0, 10 * USDC);
        uint256[3] memory keys = [OPERATOR_KEY, key(0), uint256(0xDEAD)];
        for (uint256 i = 0; i < keys.length; i++) {
            bytes memory signature = voucher(keys[i], 0, USDC, 7, uint64(START));
            vm.expectRevert(IPurrVault.BadSignature.selector);
            vault.withdraw(player(0), USDC, 7, uint64(START), signature);
        }
        vm.expectRevert(IPurrVault.BadSignature.selector);
        vault.withdraw(player(0), USDC, 7, uint64(START), "");
    }

    function test_a_voucher_of_another_chain_or_vault_is_worthless() public {
        fund(0, 10 * USDC);
        vm.chainId(424242);
        bytes memory elsewhere = voucher(VOUCHER_KEY, 0, USDC, 7, uint64(START));
        vm.chainId(31337);
        vm.expectRevert(IPurrVault.BadSignature.selector);
        vault.withdraw(player(0), USDC, 7, uint64(START), elsewhere);
        PurrVault mine = vault;
        vault = newVault();
        bytes memory others = voucher(VOUCHER_KEY, 0, USDC, 7, uint64(START));
        vm.expectRevert(IPurrVault.BadSignature.selector);
        mine.withdraw(player(0), USDC, 7, uint64(START), others);
    }

    function test_vouchers_pay_out_at_most_the_limit_in_a_period() public {
        fund(0, 10_000 * USDC);
        // The period is a calendar day of 86,400 s since 1970.
        uint256 day = (START / 1 days + 1) * 1 days;
        vm.warp(day + 100);
        uint64 until = uint64(day + 3 days);
        vault.withdraw(player(0), 4_000 * USDC, 1, until, voucher(VOUCHER_KEY, 0, 4_000 * USDC, 1, until));
        eq(vault.outflowLeft(), 1_000 * USDC, "left");
        bytes memory more = voucher(VOUCHER_KEY, 0, 1_001 * USDC, 2, until);
        vm.expectRevert(abi.encodeWithSelector(IPurrVault.OutflowLimitReached.selector, 1_000 * USDC));
        vault.withdraw(player(0), 1_001 * USDC, 2, until, more);
        vm.warp(day + 1 days);
        eq(vault.outflowLeft(), 5_000 * USDC, "a new period");
        vault.withdraw(player(0), 1_001 * USDC, 2, until, more);
        assertConserved();
    }

    function test_rake_backs_the_reserve_and_two_admins_pay_it_out() public {
        sitSix(100 * USDC);
        settle(hands(1, two(lane(0, -50e6, 0), lane(1, 48e6, 2e6))));
        vault.sweepRake(tableId);
        eq(vault.reserve(), 2 * USDC, "reserve");
        eq(vault.tableOf(tableId).rake, 0, "swept");
        vm.expectRevert(IPurrVault.ZeroAmount.selector);
        vault.sweepRake(tableId);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.payHouse(address(this), 2 * USDC);
        vm.prank(ADMIN_A);
        check(!vault.payHouse(address(0xCAFE), 2 * USDC), "one admin is not enough");
        vm.prank(ADMIN_C);
        check(vault.payHouse(address(0xCAFE), 2 * USDC), "two are");
        eq(token.balanceOf(address(0xCAFE)), 2 * USDC, "paid");
        assertConserved();
    }

    function test_the_house_never_pays_itself_from_players_money() public {
        fund(0, 100 * USDC);
        vm.prank(ADMIN_A);
        vault.payHouse(address(0xCAFE), 1);
        vm.prank(ADMIN_B);
        vm.expectRevert(IPurrVault.InsufficientReserve.selector);
        vault.payHouse(address(0xCAFE), 1);
    }

    function test_anyone_may_fund_the_reserve() public {
        token.mint(address(this), 5 * USDC);
        token.approve(address(vault), 5 * USDC);
        vault.fundReserve(5 * USDC);
        eq(vault.reserve(), 5 * USDC, "reserve");
        assertConserved();
    }

    function testFuzz_deposits_and_vouchers_conserve(uint64[8] memory amounts) public {
        for (uint64 i = 0; i < 8; i++) {
            uint64 amount = uint64(bound(amounts[i], 1, 1_000 * USDC));
            fund(i % 3, amount);
            uint64 out = uint64(bound(amounts[i] >> 7, 1, amount));
            if (out > vault.outflowLeft()) continue;
            vault.withdraw(player(i % 3), out, i, uint64(START), voucher(VOUCHER_KEY, i % 3, out, i, uint64(START)));
        }
        assertConserved();
    }

    function test_limits_that_contradict_each_other_are_refused() public {
        Limits[6] memory bad;
        for (uint256 i = 0; i < 6; i++) {
            bad[i] = limits();
        }
        bad[0].exitDelay = 59;
        bad[1].keyDelay = bad[1].exitDelay - 1;
        bad[2].outflowPeriod = 0;
        bad[3].exitSequences = bad[3].maxRange - 1;
        bad[4].sequencesPerSecond = 0;
        bad[5].sequenceBurst = bad[5].maxRange - 1;
        for (uint256 i = 0; i < 6; i++) {
            vm.expectRevert(IPurrVault.BadLimits.selector);
            new PurrVault(token, roles(), bad[i]);
        }
    }
}
