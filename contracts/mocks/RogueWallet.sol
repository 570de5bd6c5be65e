// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A contract account that answers ERC-1271's question in the wrong ways
contract RogueWallet {
    enum Way {
        No, // another word
        Dirty, // the magic value with something behind it
        Short, // the magic value's four bytes alone
        Silent, // nothing
        Refusing, // reverts with the magic value
        Bomb, // the magic value and a million bytes behind it
        Yes // the magic value, whatever was signed
    }

    Way private immutable _WAY;

    constructor(Way way) {
        _WAY = way;
    }

    fallback() external {
        Way way = _WAY;
        bytes32 magic = bytes32(bytes4(0x1626ba7e));
        if (way == Way.No) magic = bytes32(bytes4(0xffffffff));
        if (way == Way.Dirty) magic |= bytes32(uint256(1));
        uint256 size = way == Way.Bomb ? 1_000_000 : way == Way.Short ? 4 : 32;
        assembly {
            mstore(0x00, magic)
            if eq(way, 3) { return(0x00, 0x00) }
            if eq(way, 4) { revert(0x00, 0x20) }
            return(0x00, size)
        }
    }
}
