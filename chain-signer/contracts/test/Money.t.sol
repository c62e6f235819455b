// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurrVault, Limits} from "../src/interfaces/IPurrVault.sol";
import {PurrVault} from "../src/PurrVault.sol";
import {TestUSDC} from "./demo/TestUSDC.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {VaultTest} from "./base/VaultTest.sol";

/// Keeps one unit of every transfer.
contract TollToken is ERC20("Toll", "TOLL") {
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) super._update(to, address(1), 1);
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

contract PreciseToken is ERC20("Precise", "PREC") {
    uint8 private immutable DECIMALS;

    constructor(uint8 decimals_) {
        DECIMALS = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }
}

/// Refuses to move nothing, as some tokens do.
contract NoZeroToken is ERC20("Strict", "STR") {
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(amount != 0, "nothing");
        super._update(from, to, amount);
    }
}

/// A token that has a second address, as some upgraded ones do: the door moves the same balances.
contract SecondDoor {
    TwoDoors private immutable TOKEN;

    constructor(TwoDoors token_) {
        TOKEN = token_;
    }

    function balanceOf(address account) external view returns (uint256) {
        return TOKEN.balanceOf(account);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        TOKEN.moveFor(msg.sender, to, amount);
        return true;
    }
}

contract TwoDoors is ERC20("Two doors", "TWO") {
    SecondDoor public immutable DOOR = new SecondDoor(this);

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function moveFor(address from, address to, uint256 amount) external {
        require(msg.sender == address(DOOR), "only the door");
        _transfer(from, to, amount);
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
        vm.prank(player(0));
        vault.deposit(0);
        vm.expectRevert(IPurrVault.ZeroAddress.selector);
        vault.depositFor(address(0), 1);
    }

    function test_the_vault_holds_less_than_63_bits() public {
        token.mint(address(this), type(uint128).max);
        token.approve(address(vault), type(uint256).max);
        uint64 most = type(uint64).max >> 1;
        vm.expectRevert(IPurrVault.TooMuchHeld.selector);
        vault.depositFor(player(0), most + 1);
        vault.depositFor(player(0), most);
        vm.expectRevert(IPurrVault.TooMuchHeld.selector);
        vault.depositFor(player(1), 1);
    }

    function test_a_token_that_takes_a_fee_is_refused() public {
        TollToken toll = new TollToken();
        PurrVault other = newVault(address(toll), roles(), limits());
        toll.mint(address(this), 100);
        toll.approve(address(other), 100);
        vm.expectRevert(IPurrVault.TokenTookFee.selector);
        other.depositFor(player(0), 100);
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

    function test_rake_backs_the_reserve_and_two_admins_pay_it_out() public {
        sitSix(100 * USDC);
        settle(hands(1, two(lane(0, -50e6, 0), lane(1, 48e6, 2e6))));
        vault.sweepRake(tableId);
        eq(vault.reserve(), 2 * USDC, "reserve");
        eq(vault.tableOf(tableId).rake, 0, "swept");
        vm.expectRevert(IPurrVault.ZeroAmount.selector);
        vault.sweepRake(tableId);
        vm.expectRevert(IPurrVault.NotAdmin.selector);
        vault.payHouse(address(this), 2 * USDC, 0);
        vm.prank(ADMIN_A);
        check(!vault.payHouse(address(0xCAFE), 2 * USDC, 0), "one admin is not enough");
        vm.prank(ADMIN_C);
        check(vault.payHouse(address(0xCAFE), 2 * USDC, 0), "two are");
        eq(token.balanceOf(address(0xCAFE)), 2 * USDC, "paid");
        assertConserved();
    }

    function test_the_house_never_pays_itself_from_players_money() public {
        fund(0, 100 * USDC);
        vm.prank(ADMIN_A);
        vault.payHouse(address(0xCAFE), 1, 0);
        vm.prank(ADMIN_B);
        vm.expectRevert(IPurrVault.InsufficientReserve.selector);
        vault.payHouse(address(0xCAFE), 1, 0);
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
        Limits[9] memory bad;
        for (uint256 i = 0; i < bad.length; i++) {
            bad[i] = limits();
        }
        bad[0].exitDelay = 59;
        bad[1].keyDelay = bad[1].exitDelay - 1;
        bad[2].outflowPeriod = 0;
        bad[3].exitSequences = bad[3].maxRange - 1;
        bad[4].sequencesPerSecond = 0;
        bad[5].sequenceBurst = bad[5].maxRange - 1;
        bad[6].playerOutflow = bad[6].outflowLimit + 1;
        bad[7].tableReserve = bad[7].outflowLimit + 1;
        bad[8].outflowLimit = 1 << 63;
        for (uint256 i = 0; i < bad.length; i++) {
            refusesVault(address(token), roles(), bad[i], IPurrVault.BadLimits.selector);
        }
    }

    function test_a_token_of_more_than_eight_decimals_is_refused() public {
        PreciseToken precise = new PreciseToken(9);
        refusesVault(address(precise), roles(), limits(), IPurrVault.BadToken.selector);
        newVault(address(new PreciseToken(8)), roles(), limits());
    }

    function test_an_exit_with_nothing_sends_nothing() public {
        NoZeroToken strict = new NoZeroToken();
        vault = newVault(address(strict), roles(), limits());
        vm.prank(player(0));
        vault.requestExit();
        vm.warp(START + 1 hours);
        vault.finaliseExit(player(0));
        eq(vault.exitReadyAt(player(0)), 0, "the exit is over");
    }

    function test_an_account_that_can_never_sign_a_permit_cannot_deposit() public {
        token.mint(address(this), 10 * USDC);
        token.approve(address(vault), 10 * USDC);
        vm.expectRevert(IPurrVault.ContractWallet.selector);
        vault.deposit(1 * USDC);
        bytes[3] memory codes = [bytes(hex"00"), hex"6000", bytes.concat(hex"600000", bytes20(player(1)))];
        for (uint256 i = 0; i < codes.length; i++) {
            vm.etch(player(0), codes[i]);
            vm.expectRevert(IPurrVault.ContractWallet.selector);
            vault.depositFor(player(0), 1 * USDC);
        }
        // A contract may pay in for somebody who can sign; a delegation of EIP-7702 takes no key away.
        vm.etch(player(0), bytes.concat(hex"ef0100", bytes20(player(1))));
        vault.depositFor(player(0), 1 * USDC);
        eq(vault.balanceOf(player(0)), 1 * USDC, "free");
    }

    function test_stray_tokens_are_swept_and_held_ones_stay() public {
        fund(0, 10 * USDC);
        token.mint(address(vault), 3 * USDC);
        TestUSDC other = new TestUSDC();
        other.mint(address(vault), 4 * USDC);
        vm.prank(ADMIN_A);
        check(!vault.sweepStray(address(token), address(0xCAFE), 0), "one admin is not enough");
        vm.expectEmit(address(vault));
        emit IPurrVault.StraySwept(address(token), address(0xCAFE), 3 * USDC);
        vm.prank(ADMIN_B);
        check(vault.sweepStray(address(token), address(0xCAFE), 0), "two are");
        eq(token.balanceOf(address(0xCAFE)), 3 * USDC, "what nobody owns");
        assertConserved();
        vm.prank(ADMIN_A);
        vault.sweepStray(address(other), address(0xCAFE), 1);
        vm.prank(ADMIN_B);
        vault.sweepStray(address(other), address(0xCAFE), 1);
        eq(other.balanceOf(address(0xCAFE)), 4 * USDC, "all of another token");
        vm.prank(ADMIN_A);
        vault.sweepStray(address(token), address(0xCAFE), 2);
        vm.prank(ADMIN_B);
        vm.expectRevert(IPurrVault.ZeroAmount.selector);
        vault.sweepStray(address(token), address(0xCAFE), 2);
    }

    function test_held_tokens_are_no_stray_ones_behind_a_second_address() public {
        TwoDoors two = new TwoDoors();
        vault = newVault(address(two), roles(), limits());
        two.mint(address(this), 10 * USDC);
        two.approve(address(vault), 10 * USDC);
        vault.depositFor(player(0), 10 * USDC);
        address door = address(two.DOOR());
        vm.prank(ADMIN_A);
        vault.sweepStray(door, address(0xCAFE), 0);
        vm.prank(ADMIN_B);
        vm.expectRevert(IPurrVault.BadToken.selector);
        vault.sweepStray(door, address(0xCAFE), 0);
        eq(two.balanceOf(address(vault)), 10 * USDC, "all of it is there");
    }
}
