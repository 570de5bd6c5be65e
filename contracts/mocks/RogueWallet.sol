// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A contract account, or an ERC-7913 verifier, that answers in the wrong ways
/// @notice Asked by ERC-1271 or ERC-7913, the magic value is the selector of the question.
contract RogueWallet {
    enum Way {
        No, // another word
        Dirty, // the magic value with something behind it
        Short, // the magic value's four bytes alone
        Silent, // nothing
        Refusing, // reverts with the magic value
        Bomb, // the magic value and half a million bytes behind it
        Yes, // the magic value, whatever was signed
        Greedy, // works until its gas is used up
        Reentering // the magic value, if only it may first end all of its own grants
    }

    Way private immutable _WAY;

    constructor(Way way) {
        _WAY = way;
    }

    fallback() external {
        Way way = _WAY;
        bytes32 magic = bytes32(msg.sig);
        if (way == Way.No) magic = bytes32(bytes4(0xffffffff));
        if (way == Way.Dirty) magic |= bytes32(uint256(1));
        if (way == Way.Reentering && !_reenters()) magic = 0;
        uint256 size = way == Way.Bomb ? 500_000 : way == Way.Short ? 4 : 32;
        assembly {
            mstore(0x00, magic)
            if eq(way, 3) { return(0x00, 0x00) }
            if eq(way, 4) { revert(0x00, 0x20) }
            for {} eq(way, 7) {} {}
            return(0x00, size)
        }
    }

    function _reenters() private returns (bool done) {
        bytes32 me = bytes32(uint256(uint160(address(this))));
        (done,) = msg.sender.call(abi.encodeWithSignature("revokeAll(bytes32)", me));
    }
}
