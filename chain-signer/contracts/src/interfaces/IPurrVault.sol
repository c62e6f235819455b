// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// What an entry of a table's sequence is. A Hands item may cover a range, the others are one number.
enum Kind {
    Hands,
    Sit,
    TopUp,
    Leave
}

enum KeyRole {
    None,
    Operator,
    Voucher
}

/// Fixed for the life of a table; its hash is the table's id. Amounts in the token's minor units.
struct TableConfig {
    /// The table's UUID: its 16 bytes, then 16 zero bytes.
    bytes32 uid;
    uint8 seats;
    uint16 rakeBps;
    /// The most one hand may be raked; 0: only `rakeBps` bounds it.
    uint64 rakeCap;
    uint64 bigBlind;
}

/// One entry, or one range of netted hands, of one table.
struct Item {
    bytes32 tableId;
    uint64 firstSeq;
    uint64 lastSeq;
    Kind kind;
    /// Hands: the record root, then 17 bytes for each seat: its number, rake paid, delta; see HandLanes.
    /// Sit, TopUp: abi.encode(Seating). Leave: abi.encode(uint8 seat, address player, uint64 stack).
    bytes data;
}

/// A seat and the player's signed permit for it. For a Sit item v, r, s sign
/// SitPermit(bytes32 tableId,uint8 seat,address player,uint64 amount,uint64 maxTotalRake,uint64 expiry,uint64 nonce),
/// for a TopUp item TopUpPermit with the same members.
struct Seating {
    uint8 seat;
    address player;
    uint64 amount;
    uint64 maxTotalRake;
    /// Seconds since 1970, inclusive.
    uint64 expiry;
    uint64 nonce;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// No address has two roles.
struct Roles {
    address operator;
    /// A second settling key, active from the start, for the day on which the first is revoked. Zero: none.
    address standby;
    address voucherKey;
    address guardian;
    /// Any two of the three act together.
    address[3] admins;
}

/// All fixed at deployment.
struct Limits {
    /// Seconds between requestExit and finaliseExit.
    uint32 exitDelay;
    /// Seconds until a new key is active.
    uint32 keyDelay;
    /// Seconds in which a spent limit is whole again: outflowLimit, playerOutflow and tableReserve refill evenly.
    uint32 outflowPeriod;
    /// What vouchers pay out beyond what their players brought lately, together with what the reserve bears.
    uint64 outflowLimit;
    /// Hands in one item.
    uint16 maxRange;
    /// Sequence numbers that may still touch a seat whose exit was requested.
    uint16 exitSequences;
    /// Sequence numbers of one table a second of block time, on average.
    uint8 sequencesPerSecond;
    /// Sequence numbers of one table at once.
    uint32 sequenceBurst;
    /// One player's share of outflowLimit.
    uint64 playerOutflow;
    /// What the house's reserve bears of one table's shortfalls. 0: nothing.
    uint64 tableReserve;
}

struct TableView {
    bool open;
    uint64 seq;
    uint64 rake;
    uint8 seats;
    uint16 rakeBps;
    uint64 rakeCap;
}

struct SeatView {
    /// Zero: the seat is free.
    address player;
    uint64 stack;
    uint64 rakeLeft;
    /// Its player has asked to exit.
    bool exiting;
    /// An exit took the stack; the seat waits for its Leave entry.
    bool vacated;
}

interface IPurrVault {
    event Deposited(address indexed player, address indexed from, uint64 amount);
    event Withdrawn(address indexed player, uint64 amount, uint64 nonce);
    event ExitRequested(address indexed player, uint64 readyAt);
    event ExitCancelled(address indexed player);
    event ExitFinalised(address indexed player, uint64 amount);

    event TableOpened(
        bytes32 indexed tableId, bytes32 indexed uid, uint8 seats, uint16 rakeBps, uint64 rakeCap, uint64 bigBlind
    );
    event Seated(
        bytes32 indexed tableId,
        address indexed player,
        uint64 seq,
        uint8 seat,
        uint64 amount,
        uint64 maxTotalRake,
        uint64 nonce
    );
    event ToppedUp(
        bytes32 indexed tableId,
        address indexed player,
        uint64 seq,
        uint8 seat,
        uint64 amount,
        uint64 maxTotalRake,
        uint64 nonce
    );
    /// The number is used up, no chip moved: the player's side made the permit worthless.
    event SeatingRefused(
        bytes32 indexed tableId, address indexed player, uint64 seq, uint64 nonce, bytes4 reason
    );
    event HandsSettled(
        bytes32 indexed tableId, uint64 firstSeq, uint64 lastSeq, uint64 rake, bytes32 recordRoot
    );
    /// Losses of seats that had already exited, and who bore them.
    event Shortfall(
        bytes32 indexed tableId,
        uint64 firstSeq,
        uint64 lastSeq,
        uint64 amount,
        uint64 fromReserve,
        uint64 fromRake,
        uint64 fromWinners
    );
    /// Winnings of a seat that had already exited, credited to the free balance.
    event LateWinnings(bytes32 indexed tableId, address indexed player, uint64 firstSeq, uint64 lastSeq, uint64 amount);
    event Left(bytes32 indexed tableId, address indexed player, uint64 seq, uint8 seat, uint64 stack);
    event SeatVacated(bytes32 indexed tableId, address indexed player, uint8 seat, uint64 stack);
    event RangeVoided(bytes32 indexed tableId, uint64 firstSeq, uint64 lastSeq);
    /// The item changed nothing; `reason` is the selector of the error, zero where data does not decode.
    event ItemRejected(bytes32 indexed tableId, uint64 seq, bytes4 reason);
    event PermitCancelled(address indexed player, uint64 nonce);

    event KeyAdded(address indexed key, KeyRole role, uint64 activeFrom);
    event KeyRevoked(address indexed key, KeyRole role, address by);
    event GuardianChanged(address indexed guardian);
    event AdminReplaced(address indexed old, address indexed replacement);
    /// `action` is the hash of the call, its number included.
    event AdminApproved(bytes32 indexed action, address indexed admin, uint64 number);
    event ApprovalWithdrawn(bytes32 indexed action, address indexed admin);
    event PausedSet(bool paused, address by);

    event ReserveFunded(address indexed from, uint64 amount);
    event RakeSwept(bytes32 indexed tableId, uint64 amount);
    event HousePaid(address indexed to, uint64 amount);
    event StraySwept(address indexed token, address indexed to, uint256 amount);

    // Who may do what.
    error NotOperator();
    error NotAdmin();
    error NotGuardian();
    error NotSelf();
    error BadLimits();
    error BadRoles();
    error BadToken();
    error KeyInUse();
    error UnknownKey();
    error TooManyKeys();
    /// Revoking this key would stop all settlement.
    error LastOperator();
    error WrongAction(uint64 next);
    error NoApproval();
    /// The account's code could never sign a permit.
    error ContractWallet();
    error DepositsPaused();
    error TooMuchHeld();
    error ZeroAmount();
    error ZeroAddress();
    error InsufficientReserve();
    error NotEnoughGas();
    error TooManyItems();
    error TokenTookFee();

    // Reasons of ItemRejected.
    error BadSequence(uint64 expected);
    error BadRange();
    error TooFast();
    error UnknownTable();
    error BadLane();
    error BadSeat();
    error SeatEmpty();
    error SeatTaken();
    error WrongPlayer();
    error NotZeroSum();
    error StackBelowZero();
    error StackMismatch(uint64 stack);
    error RakeAboveCap();
    error RakeAbovePermit();
    error BadSignature();
    error ExitBudgetSpent();

    // Reasons of SeatingRefused.
    error SittingPaused();
    error PermitExpired();
    error NonceUsed();
    error InsufficientBalance();
    error ExitPending();
    error AlreadySeated();
    error TooManyTables();

    // Tables, vouchers, exits.
    error TableAlreadyOpen();
    error BadTableConfig();
    error VoucherExpired();
    error OutflowLimitReached(uint64 left);
    error NoExitPending();
    error ExitNotReady(uint64 readyAt);

    // Money in and out.
    function deposit(uint64 amount) external;
    function depositFor(address player, uint64 amount) external;
    /// Pays `player`, whoever calls. `signature` by an active voucher key over
    /// Voucher(address player,uint64 amount,uint64 nonce,uint64 deadline).
    function withdraw(address player, uint64 amount, uint64 nonce, uint64 deadline, bytes calldata signature) external;
    function requestExit() external;
    function cancelExit() external;
    /// Anyone, after the clock: pays the player all that the vault holds for them, seats included. Hands settled
    /// before this call still count, however long ago the clock ended.
    function finaliseExit(address player) external;
    function cancelPermit(uint64 nonce) external;

    // The operator's key.
    function openTable(TableConfig calldata config) external returns (bytes32 tableId);
    /// Entries of many tables; a bad item is skipped and said so. The name has one of the smallest selectors of this
    /// contract: compilers compare them in order, and this call is the one that is paid for all the time.
    function settleEntries(Item[] calldata items) external;

    // The guardian.
    /// Also by any admin, unless no active operator key would be left. The key is worthless at once and for ever.
    function revokeKey(address key) external;
    function pause() external;

    // Two admins: the first call approves, another admin's same call executes and returns true. `number` is
    // actionNumber(), which every execution raises: what was approved under an older one can never execute.
    function unpause(uint64 number) external returns (bool executed);
    function addKey(address key, KeyRole role, uint64 number) external returns (bool executed);
    function revokeLastOperator(address key, uint64 number) external returns (bool executed);
    function setGuardian(address guardian, uint64 number) external returns (bool executed);
    function replaceAdmin(address old, address replacement, uint64 number) external returns (bool executed);
    function voidRange(bytes32 tableId, uint64 firstSeq, uint64 lastSeq, uint64 number)
        external
        returns (bool executed);
    function payHouse(address to, uint64 amount, uint64 number) external returns (bool executed);
    /// Sends all of a token that the vault has and owes to nobody.
    function sweepStray(address stray, address to, uint64 number) external returns (bool executed);
    /// By the admin who gave it.
    function withdrawApproval(bytes32 action) external;

    // Anyone.
    function fundReserve(uint64 amount) external;
    function sweepRake(bytes32 tableId) external;

    // Views.
    /// 2: seating takes SitPermit and TopUpPermit. Vaults without this function take SeatPermit.
    function permitVersion() external pure returns (uint8);
    function actionNumber() external view returns (uint64);
    function tableIdOf(TableConfig calldata config) external view returns (bytes32);
    function tableOf(bytes32 tableId) external view returns (TableView memory);
    function seatOf(bytes32 tableId, uint8 seat) external view returns (SeatView memory);
    function seatsOf(bytes32 tableId) external view returns (SeatView[] memory);
    function balanceOf(address player) external view returns (uint64 free);
    function tablesOf(address player) external view returns (bytes32[] memory);
    /// Zero: no exit asked for.
    function exitReadyAt(address player) external view returns (uint64);
    function isPermitNonceUsed(address player, uint64 nonce) external view returns (bool);
    function isVoucherNonceUsed(address player, uint64 nonce) external view returns (bool);
    /// `activeFrom` 0: never added; `revoked` keys keep their role and activeFrom, as evidence.
    function keyOf(address key) external view returns (KeyRole role, uint64 activeFrom, bool revoked);
    function isActive(address key, KeyRole role) external view returns (bool);
    /// Token = Σ free balances + Σ stacks + Σ table rake + reserve.
    function totalHeld() external view returns (uint64);
    function reserve() external view returns (uint64);
    function paused() external view returns (bool);
    function outflowLeft() external view returns (uint64);
    /// The most that a voucher pays this player now.
    function withdrawable(address player) external view returns (uint64);
    function limits() external view returns (Limits memory);
    /// Whether an operator key, active or revoked since, signed
    /// HandReceipt(bytes32 tableId,uint64 seq,bytes32 deltasHash,bytes32 recordHash).
    function verifyReceipt(
        bytes32 tableId,
        uint64 seq,
        bytes32 deltasHash,
        bytes32 recordHash,
        bytes calldata signature
    ) external view returns (bool valid, address signer);
    /// Whether a hand is in the root of a settled range.
    function verifyHand(
        bytes32 recordRoot,
        uint64 seq,
        bytes32 deltasHash,
        bytes32 recordHash,
        bytes32[] calldata proof
    ) external pure returns (bool);
}
