//! Every file of the page. A test compares the list with the folder.

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_bytes!(concat!("../../page/", $name)).as_slice())),*] };
}

/// By name, each with its bytes.
pub(super) const FILES: &[(&str, &[u8])] = files![
    "actions.js",
    "api.js",
    "app.js",
    "cards.js",
    "dialogs.js",
    "dom.js",
    "fleets.js",
    "handname.js",
    "history.js",
    "icon.svg",
    "keys.js",
    "link.js",
    "lobby.js",
    "lobbystream.js",
    "money.js",
    "page.css",
    "proof.js",
    "session.js",
    "stream.js",
    "table.js",
    "tablepage.js",
    "tell.js",
    "view.js",
    "wallet.js",
    "vendor/noble-curves/LICENSE",
    "vendor/noble-curves/abstract/curve.js",
    "vendor/noble-curves/abstract/der.js",
    "vendor/noble-curves/abstract/modular.js",
    "vendor/noble-curves/abstract/weierstrass.js",
    "vendor/noble-curves/utils.js",
    "vendor/noble-hashes/LICENSE",
    "vendor/noble-hashes/_md.js",
    "vendor/noble-hashes/_u64.js",
    "vendor/noble-hashes/hmac.js",
    "vendor/noble-hashes/sha2.js",
    "vendor/noble-hashes/sha3.js",
    "vendor/noble-hashes/utils.js",
];
