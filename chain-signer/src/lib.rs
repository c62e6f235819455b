//! purr-chain-signer
