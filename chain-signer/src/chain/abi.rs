//! The vault's ABI, generated from the committed JSON.

#![allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated")]

ethers_contract::abigen!(PurrVault, "contracts/abi/PurrVault.json");
